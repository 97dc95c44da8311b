"""Hunts over everything that is kept: a finding is followed, and old events are asked new rules and indicators.

Hunters do it with each serious finding (``_hunts``), and people when they want (``expand`` and ``retro``). What was
found is a record like any other hunt's: it stands in the finding's case, ties findings of different hosts together, and
is told to the ledger.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from phalanx.core import (
    NO_TRACE,
    NS_PER_S,
    AuditSink,
    Clock,
    Event,
    Finding,
    IdSource,
    InvalidInput,
    NotFound,
    StorageError,
    Store,
    TenantId,
)
from phalanx.intel._hunt import Hunt, HuntLink, hit_of, keep, links_told
from phalanx.intel._limits import (
    END_OF_TIME_NS,
    HUNT_BACK_S,
    HUNT_ON_S,
    MAX_HUNT_ENTITIES,
    MAX_HUNT_EVIDENCE,
    MAX_HUNT_HITS,
    MAX_HUNT_HOPS,
    MAX_HUNT_LINKS,
    MAX_LINK_EVENTS,
    MAX_LINK_HITS,
    MAX_RETRO_RULES,
    PERSON_HUNT_S,
)
from phalanx.intel._queries import EventLog, Findings
from phalanx.intel._saved_queries import saved_queries
from phalanx.intel._sentinel import Sentinel
from phalanx.intel._trails import Link, Trail, links_of
from phalanx.intel.archive import And, Answer, Lookup, Query, RuleHit, Searches, Time
from phalanx.intel.sigma import Rule, RuleSet, parse_rule


class ExpandWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A finding to follow, ``hops`` times over, from ``back_s`` before it to ``on_s`` after it."""

    finding: str
    back_s: float = HUNT_BACK_S
    on_s: float = HUNT_ON_S
    hops: int = 1


class RetroWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to ask of events of the last ``back_s``: rules of ATT&CK ``techniques`` (those in force and the saved
    queries), ``rules`` in Sigma, one document each, and whether ``indicators`` that are looked for now were in them. A
    ``finding`` gives its techniques, and its case gets what is found.
    """

    techniques: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    indicators: bool = False
    finding: str = ""
    back_s: float = HUNT_BACK_S


@dataclass(frozen=True, slots=True)
class Retro:
    """What rules or lists found in the archive."""

    hits: Sequence[RuleHit]
    answer: Answer


class ArchiveHunts:
    """Follows and asks. Without ``searches`` there is no archive: hunters go on without, people are told."""

    def __init__(
        self, searches: Searches | None, events: EventLog, findings: Findings, sentinel: Sentinel, store: Store,
        audit: AuditSink, clock: Clock, ids: IdSource, lookups: Callable[[TenantId], Sequence[Lookup]],
    ) -> None:  # fmt: skip
        self._searches = searches
        self._events = events
        self._findings = findings
        self._sentinel = sentinel
        self._store = store
        self._audit = audit
        self._clock = clock
        self._ids = ids
        self._lookups = lookups

    def beyond(self, finding: Finding, events: int) -> bool:
        """Whether segments have more about the time of a finding than the ``events`` that a hunter has looked through.

        What is in none yet came a short time ago, and most of it is near.
        """
        window = _window_ns(finding, HUNT_BACK_S, HUNT_ON_S)
        return self._searches is not None and self._searches.held(finding.tenant, *window) > events

    async def follow(
        self, finding: Finding, *, back_s: float = HUNT_BACK_S, on_s: float = HUNT_ON_S, hops: int = 1,
        most_links: int = MAX_HUNT_LINKS, timeout_s: float,
    ) -> Trail:  # fmt: skip
        """Follow a finding through the archive. Raises ``NotFound`` without one, and what a search raises."""
        trail = Trail(finding, self._sentinel.host_names)
        window = Time(*_window_ns(finding, back_s, on_s), "")
        ends_ns = self._clock.monotonic_ns() + round(timeout_s * NS_PER_S)
        links = links_of(finding, await self._evidence(finding), self._sentinel.host_names, most_links)
        for _ in range(hops):
            for link in links:
                left_s = (ends_ns - self._clock.monotonic_ns()) / NS_PER_S
                if left_s <= 0:
                    trail.complete = False
                    return trail
                await self._along(trail, link, window, left_s)
            links = trail.onward()
        return trail

    async def _along(self, trail: Trail, link: Link, window: Time, timeout_s: float) -> None:
        query = Query(And((window, link.expr)))
        answer = await self._required().search(
            trail.finding.tenant, query, limit=MAX_LINK_HITS, timeout_s=timeout_s, text=link.name
        )
        trail.asked = max(trail.asked, answer.asked)
        trail.complete &= answer.complete
        if answer.total > MAX_LINK_EVENTS:
            trail.common[link.name] = answer.total
            return
        trail.followed[link.name] = answer.total
        trail.add(link, [Event(batch, at) for batch, at in answer.events])

    async def _evidence(self, finding: Finding) -> list[Event]:
        found = []
        for ident in finding.evidence[:MAX_HUNT_EVIDENCE]:
            try:
                found.append(await self._events.get(finding.tenant, ident))
            except (NotFound, StorageError):
                # It is no longer kept, or cannot be read; what the finding itself names is left to follow.
                continue
        return found

    async def asked_around(self, finding: Finding, rules: RuleSet, *, timeout_s: float) -> Retro:
        """Ask rules of what is kept about the time of a finding."""
        low_ns, high_ns = _window_ns(finding, HUNT_BACK_S, HUNT_ON_S)
        return await self.asked(finding.tenant, rules, low_ns=low_ns, high_ns=high_ns, timeout_s=timeout_s)

    async def asked(
        self, tenant: TenantId, rules: RuleSet, *, low_ns: int, high_ns: int = END_OF_TIME_NS, timeout_s: float
    ) -> Retro:
        """Ask rules of the archive. Raises ``NotFound`` without one, and what a search raises."""
        hits, answer = await self._required().rules(
            tenant, rules, low_ns=low_ns, high_ns=high_ns, limit=MAX_HUNT_HITS, timeout_s=timeout_s
        )
        return Retro(hits, answer)

    async def expand(self, wanted: ExpandWanted, *, tenant: TenantId, by: str) -> Hunt:
        """Follow a finding for somebody, and keep what was found. Raises ``NotFound`` and ``InvalidInput``."""
        self._required()
        if not 1 <= wanted.hops <= MAX_HUNT_HOPS:
            raise InvalidInput("hops", f"is 1 to {MAX_HUNT_HOPS}")
        for name, seconds in (("back_s", wanted.back_s), ("on_s", wanted.on_s)):
            if seconds < 0:
                raise InvalidInput(name, "is 0 or more")
        finding = await self._findings.get(tenant, wanted.finding)
        trail = await self.follow(
            finding, back_s=wanted.back_s, on_s=wanted.on_s, hops=wanted.hops, timeout_s=PERSON_HUNT_S
        )
        hunt = Hunt(
            id=self._ids.new(), tenant=tenant, trace=finding.trace, at_ns=self._clock.wall_ns(), case=finding.case,
            finding=finding.id, skill="expand", queries=(),
            hits=tuple(hit_of(event, why, self._sentinel.host_names) for event, why in trail.nearest()),
            entities=tuple(trail.beside(MAX_HUNT_ENTITIES)), events=0, chunks=0, archived=trail.asked, by=by,
            links=links_told(trail), complete=trail.complete, total=len(trail.events),
        )  # fmt: skip
        await keep(hunt, self._store, self._audit)
        return hunt

    async def retro(self, wanted: RetroWanted, *, tenant: TenantId, by: str) -> Hunt:
        """Ask for somebody, and keep what was found. Raises ``InvalidInput``, ``InvalidRule`` and ``NotFound``."""
        self._required()
        if wanted.back_s <= 0:
            raise InvalidInput("back_s", "is more than 0")
        finding = await self._findings.get(tenant, wanted.finding) if wanted.finding else None
        techniques = (*wanted.techniques, *(finding.techniques if finding is not None else ()))
        rules = self._rules(techniques, wanted.rules)
        if not rules and not wanted.indicators:
            raise InvalidInput("techniques", "no rule is about them, and nothing else is asked for")
        now_ns = self._clock.wall_ns()
        low_ns = max(0, now_ns - round(wanted.back_s * NS_PER_S))
        found = [
            *([await self.asked(tenant, RuleSet(rules), low_ns=low_ns, timeout_s=PERSON_HUNT_S)]
              if rules else []),
            *([await self._listed(tenant, low_ns)] if wanted.indicators else []),
        ]  # fmt: skip
        hits = sorted((hit for one in found for hit in one.hits), key=_time_of, reverse=True)[:MAX_HUNT_HITS]
        names = self._sentinel.host_names
        links = [HuntLink(f"technique:{one}", 0, followed=True) for one in dict.fromkeys(techniques)]
        hunt = Hunt(
            id=self._ids.new(), tenant=tenant, trace=finding.trace if finding is not None else NO_TRACE, at_ns=now_ns,
            case=finding.case if finding is not None else "", finding=wanted.finding, skill="retro-hunt",
            queries=tuple(rule.name for rule in rules), entities=(), chunks=0, by=by, links=tuple(links),
            hits=tuple(hit_of(Event(hit.batch, hit.at), hit.rule, names) for hit in reversed(hits)),
            events=0, archived=max(one.answer.asked for one in found), total=sum(one.answer.total for one in found),
            complete=all(one.answer.complete for one in found),
        )  # fmt: skip
        await keep(hunt, self._store, self._audit)
        return hunt

    async def _listed(self, tenant: TenantId, low_ns: int) -> Retro:
        hits, answer = await self._required().listed(
            tenant, self._lookups(tenant), low_ns=low_ns, limit=MAX_HUNT_HITS, timeout_s=PERSON_HUNT_S
        )
        return Retro(hits, answer)

    def _rules(self, techniques: Sequence[str], texts: Sequence[str]) -> list[Rule]:
        """Rules of techniques, in force and saved ones, and those that somebody wrote.

        All of the latter; of the others, where there are more than a hunt asks, those of the very technique before
        those of its siblings, and then the most severe.
        """
        families = {one.upper().partition(".")[0] for one in techniques}
        known = {rule.name: rule for rule in (*saved_queries(), *self._sentinel.rules.rules.values())}
        chosen = [
            rule for rule in known.values() if families & {one.partition(".")[0] for one in rule.techniques}
        ]  # fmt: skip
        written = [parse_rule(text, where=f"rules[{at}]") for at, text in enumerate(texts)]
        if len(written) > MAX_RETRO_RULES:
            raise InvalidInput("rules", f"are {len(written)}, and a hunt asks {MAX_RETRO_RULES}")
        exact = {one.upper() for one in techniques}
        chosen.sort(key=lambda rule: (exact.isdisjoint(rule.techniques), -rule.severity, rule.name))
        return [*chosen[: MAX_RETRO_RULES - len(written)], *written]

    def _required(self) -> Searches:
        if self._searches is None:
            raise NotFound("archive of events", "here", hint="the setting archive.enabled is off")
        return self._searches


def _window_ns(finding: Finding, back_s: float, on_s: float) -> tuple[int, int]:
    return (
        max(0, finding.first_seen_ns - round(back_s * NS_PER_S)), finding.last_seen_ns + round(on_s * NS_PER_S) + 1
    )  # fmt: skip


def _time_of(hit: RuleHit) -> int:
    return hit.batch.times_ns[hit.at]
