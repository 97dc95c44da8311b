"""What people say of findings: which are not to be made any more, and whether one was right.

A pattern that may be an attack on cryptography is confirmed by who says that its finding is right: that becomes an
event of the node's own, as a sign that was proven does, with all that follows from it.

A suppression has a reason and counts what it swallowed, in the commit in which a finding would have been made; events
stay where they are, and when it is ended findings are made again. Both are recorded in the ledger.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Final

import msgspec

from phalanx.core import (
    DEFAULT_TENANT,
    MAX_NAME_CHARS,
    MAX_PAGE_ROWS,
    NO_TRACE,
    AuditEntry,
    AuditSink,
    Clock,
    Entity,
    EventSink,
    Expect,
    Finding,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Put,
    Record,
    Store,
    Table,
    TenantId,
    Write,
    decode,
    derive_id,
    encode,
    id_time_ns,
)
from phalanx.intel._detector import Pattern
from phalanx.intel._known_rules import check_rule
from phalanx.intel._limits import MAX_REASON_CHARS, MAX_SUPPRESSIONS
from phalanx.intel._merging import Sighting
from phalanx.intel._queries import Findings
from phalanx.intel.signs import CONFIRMABLE

SUPPRESSIONS: Final = Table("suppressions", sealed=True)
OPINIONS: Final = Table("opinions", indexes=("finding", "rule"), sealed=True)


class Suppression(Record, frozen=True, kw_only=True, tag="suppression"):
    """Findings that are not to be made: of a rule, on a host, or naming an entity; what is empty matches anything.

    ``until_ns`` is 0 when it has no end. ``findings`` and ``hits`` are what it swallowed.
    """

    rule: str
    host: str
    entity: str
    reason: str
    by: str
    until_ns: int = 0
    findings: int = 0
    hits: int = 0
    last_seen_ns: int = 0

    def matches(self, seen: Sighting, *, now_ns: int) -> bool:
        """Whether it swallows what was seen."""
        return self._means(seen.rule.name, seen.host, seen.entities, now_ns)

    def covers(self, finding: Finding, *, now_ns: int) -> bool:
        """Whether it would swallow more of what ``finding`` is of."""
        return self._means(finding.rule, finding.case.rpartition("@")[0], finding.entities, now_ns)

    def _means(self, rule: str, host: str, entities: Iterable[Entity], now_ns: int) -> bool:
        return (
            (not self.until_ns or now_ns < self.until_ns)
            and self.rule in ("", rule)
            and self.host in ("", host)
            and (not self.entity or any(self.entity == entity.value for entity in entities))
        )


class SuppressionWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be suppressed, and why. ``for_s`` is for how long; 0: until it is ended."""

    rule: str = ""
    host: str = ""
    entity: str = ""
    reason: str
    for_s: float = 0.0


class Verdict(Enum):
    """What a finding turned out to be."""

    RIGHT = "true"
    WRONG = "false"
    DUPLICATE = "duplicate"


class Opinion(Record, frozen=True, kw_only=True, tag="opinion"):
    """What somebody says of a finding; saying something else replaces it."""

    finding: str
    rule: str
    verdict: Verdict
    reason: str
    by: str


class OpinionWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be said of a finding: that it is true, false or a duplicate, and why."""

    verdict: Verdict
    reason: str = ""


class Judgements:
    """Suppressions and opinions of every tenant."""

    def __init__(
        self, store: Store, clock: Clock, audit: AuditSink, events: EventSink | None = None,
        rules: Callable[[], Iterable[Pattern]] = tuple,
    ) -> None:  # fmt: skip
        """``events`` takes what a confirmed sign becomes; without it none does. ``rules`` are those in force."""
        self._rules = rules
        self._events = events
        self._store = store
        self._clock = clock
        self._audit = audit

    async def suppressions(self, tenant: TenantId) -> list[Suppression]:
        """All of them, oldest first."""
        return [one for one, _ in await suppressions_of(self._store, tenant)]

    async def suppress(self, tenant: TenantId, wanted: SuppressionWanted, *, by: str) -> Suppression:
        """Make no such findings from now on.

        Raises ``InvalidInput`` when it names nothing, or a rule that there is not, or gives no reason.
        """
        if not (wanted.rule or wanted.host or wanted.entity):
            raise InvalidInput("suppression", "names neither a rule nor a host nor an entity")
        reason = reason_of(wanted.reason)
        if (
            any(len(text) > MAX_NAME_CHARS for text in (wanted.rule, wanted.host))
            or len(wanted.entity) > MAX_REASON_CHARS
        ):
            raise InvalidInput("suppression", f"a name is at most {MAX_NAME_CHARS} characters")
        if wanted.for_s < 0 or wanted.for_s > 10**9:
            raise InvalidInput("for_s", "must not be negative, nor longer than a lifetime")
        known = len(await self.suppressions(tenant))
        if known >= MAX_SUPPRESSIONS:
            raise LimitExceeded("suppressions", maximum=MAX_SUPPRESSIONS, seen=known + 1)
        if wanted.rule and not await self._store.find(OPINIONS, tenant, "rule", wanted.rule, limit=1):
            # What somebody gave an opinion of was found, however long ago.
            await check_rule(wanted.rule, self._rules(), self._store, tenant)
        now_ns = self._clock.wall_ns()
        made = Suppression(
            id=derive_id(now_ns, "suppression", tenant, wanted.rule, wanted.host, wanted.entity, by),
            tenant=tenant, trace=NO_TRACE, at_ns=now_ns, rule=wanted.rule, host=wanted.host.lower(),
            entity=wanted.entity, reason=reason, by=by,
            until_ns=now_ns + int(wanted.for_s * 1_000_000_000) if wanted.for_s else 0,
        )  # fmt: skip
        await self._store.commit([Put(SUPPRESSIONS, tenant, made.id, encode(made))])
        await self._record(made, "finding.suppressed", made.id, by, {"rule": made.rule, "reason": reason})
        return made

    async def end(self, tenant: TenantId, ident: str, *, by: str) -> Suppression:
        """Make such findings again. Raises ``NotFound``. What it swallowed stays on record."""
        row = await self._store.get(SUPPRESSIONS, tenant, ident)
        if row is None:
            raise NotFound("suppression", ident)
        ended = msgspec.structs.replace(decode(row.value, Suppression), until_ns=self._clock.wall_ns())
        expect = [Expect(SUPPRESSIONS, tenant, ident, row.version)]
        await self._store.commit([Put(SUPPRESSIONS, tenant, ident, encode(ended))], expect=expect)
        await self._record(ended, "suppression.ended", ident, by, {"rule": ended.rule})
        return ended

    async def say(self, tenant: TenantId, finding: str, wanted: OpinionWanted, *, by: str) -> Opinion:
        """Say what a finding was. Raises ``NotFound``."""
        about = await Findings(self._store).get(tenant, finding)
        reason = reason_of(wanted.reason) if wanted.reason else ""
        now_ns = self._clock.wall_ns()
        made = Opinion(
            id=derive_id(about.at_ns, "opinion", finding, by), tenant=tenant, trace=about.trace, at_ns=now_ns,
            finding=finding, rule=about.rule, verdict=wanted.verdict, reason=reason, by=by,
        )  # fmt: skip
        index = {"finding": (finding,), "rule": (about.rule,)}
        await self._store.commit([Put(OPINIONS, tenant, made.id, encode(made), index)])
        await self._record(made, "finding.judged", finding, by, {"verdict": made.verdict.value, "reason": reason})
        if made.verdict is Verdict.RIGHT and about.rule in CONFIRMABLE and self._events is not None:
            host = about.case.rpartition("@")[0]
            # Said again by the same person it is the same event, to the byte: it follows from nothing that changes.
            await self._events.submit(
                "crypto-sign",
                {"sign": about.rule, "certainty": "confirmed", "where": host, "host": host, "told_by": by,
                 "finding": finding},
                tenant=tenant, at_ns=id_time_ns(about.id), key=derive_id(about.at_ns, "crypto-sign", finding, by),
            )  # fmt: skip
        return made

    async def opinions(self, tenant: TenantId, finding: str) -> list[Opinion]:
        """What was said of a finding."""
        rows = await self._store.find(OPINIONS, tenant, "finding", finding)
        return [decode(row.value, Opinion) for row in rows]

    async def _record(self, what: Record, action: str, subject: str, by: str, body: dict[str, str]) -> None:
        now_ns = self._clock.wall_ns()
        ident = derive_id(now_ns, "audit", action, what.id)
        entry = AuditEntry(
            id=ident, tenant=what.tenant or DEFAULT_TENANT, trace=what.trace, at_ns=now_ns, actor=by, action=action,
            subject=subject, case="", body=dict(body),
        )  # fmt: skip
        await self._audit.record(entry)


async def suppressions_of(store: Store, tenant: TenantId) -> list[tuple[Suppression, int]]:
    """A tenant's suppressions, each with the version of its row."""
    rows = await store.scan(SUPPRESSIONS, tenant, limit=MAX_SUPPRESSIONS)
    return [(decode(row.value, Suppression), row.version) for row in rows]


class Swallowed:
    """Which sightings are suppressed, and the writes that count them."""

    def __init__(self, known: Iterable[tuple[Suppression, int]], *, now_ns: int) -> None:
        self._now_ns = now_ns
        self._known = list(known)
        self._counted: dict[str, tuple[Suppression, int]] = {}

    @classmethod
    async def of(cls, store: Store, tenants: Iterable[TenantId], *, now_ns: int) -> "Swallowed":
        """Those of the tenants."""
        known = [one for tenant in dict.fromkeys(tenants) for one in await suppressions_of(store, tenant)]
        return cls(known, now_ns=now_ns)

    def takes(self, seen: Sighting) -> bool:
        """Whether no finding is to be made of it; then it is counted."""
        for one, version in self._known:
            if one.tenant == seen.tenant and one.matches(seen, now_ns=self._now_ns):
                counted, _ = self._counted.get(one.id, (one, version))
                more = msgspec.structs.replace(
                    counted, findings=counted.findings + 1, hits=counted.hits + seen.hits,
                    last_seen_ns=max(counted.last_seen_ns, seen.last_seen_ns),
                )  # fmt: skip
                self._counted[one.id] = (more, version)
                return True
        return False

    def writes(self) -> tuple[Sequence[Write], Sequence[Expect]]:
        """To be committed with what else was found."""
        counted = self._counted.values()
        return (
            [Put(SUPPRESSIONS, one.tenant, one.id, encode(one)) for one, _ in counted],
            [Expect(SUPPRESSIONS, one.tenant, one.id, version) for one, version in counted],
        )


async def wrong_findings(store: Store, tenant: TenantId) -> frozenset[str]:
    """Findings of which the latest word is that they are wrong."""
    latest: dict[str, Opinion] = {}
    for row in await store.scan(OPINIONS, tenant, limit=MAX_PAGE_ROWS, reverse=True):
        one = decode(row.value, Opinion)
        if one.finding not in latest or latest[one.finding].at_ns < one.at_ns:
            latest[one.finding] = one
    return frozenset(one.finding for one in latest.values() if one.verdict is Verdict.WRONG)


def reason_of(text: str) -> str:
    """``text`` as a reason: on one line, and there. Raises ``InvalidInput``."""
    text = " ".join(text.split())
    if not text or len(text) > MAX_REASON_CHARS:
        raise InvalidInput("reason", f"is needed, in at most {MAX_REASON_CHARS} characters")
    return text
