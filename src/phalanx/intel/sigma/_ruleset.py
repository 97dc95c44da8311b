"""All rules of a node as one detector."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from phalanx.core import EventBatch, LimitExceeded, LogSource, TenantId
from phalanx.intel._detector import Hit, Pattern
from phalanx.intel._errors import InvalidRule
from phalanx.intel._limits import MAX_ROUTES, MAX_RULES
from phalanx.intel.sigma._correlation import CorrelationRule, Correlator, Watch
from phalanx.intel.sigma._matcher import matcher
from phalanx.intel.sigma._plan import Candidates, MakeMatcher, Stand, stands
from phalanx.intel.sigma._predicates import all_of
from phalanx.intel.sigma._rule import Filter, Part, Rule
from phalanx.intel.sigma._sources import concerns
from phalanx.intel.sigma._view import View

P = TypeVar("P", Rule, CorrelationRule)
T = TypeVar("T")


class Refused(NamedTuple):
    """A file that could not be compiled, or a part of it, and why; ``unsupported`` when it is valid Sigma.

    ``digest`` is the SHA-256 of its bytes, in hex; empty where it could not be read.
    """

    file: str
    reason: str
    unsupported: bool
    digest: str = ""


class RuleCost(NamedTuple):
    """What a rule cost and brought since it is in force: events it was asked about, hits, and time if it is taken."""

    name: str
    asked: int
    hits: int
    spent_ns: int


class RuleSet:
    """Compiled rules under their names, and correlations of them.

    A detector: it remembers what correlations wait for, and what rules cost. ``timer`` gives nanoseconds; without one
    no time is taken. ``watch`` is told what correlations wait for. A correlation that does not say ``generate`` keeps
    the rules it is about from making findings of their own.
    """

    name = "sigma"

    def __init__(
        self,
        rules: Iterable[Rule],
        *,
        correlations: Iterable[CorrelationRule] = (),
        filters: Iterable[Filter] = (),
        refused: Iterable[Refused] = (),
        make: MakeMatcher = matcher,
        timer: Callable[[], int] | None = None,
        watch: Watch | None = None,
    ) -> None:
        narrowing = tuple(filters)
        self.rules: Mapping[str, Rule] = _named(_narrowed(rule, narrowing) for rule in rules)
        self.correlations: Mapping[str, CorrelationRule] = _named(correlations)
        self.filters = narrowing
        self.refused = tuple(refused)
        for name in self.correlations:
            if name in self.rules:
                raise InvalidRule(name, "name", "is used by two rules", hint="give one of them another name")
        if len(self.rules) + len(self.correlations) > MAX_RULES:
            raise LimitExceeded("detection rules", maximum=MAX_RULES, seen=len(self.rules) + len(self.correlations))
        self._rules = tuple(self.rules.values())
        self.stands = stands(self._rules, make)
        called = _called((*self._rules, *self.correlations.values()))
        for one in self.correlations.values():
            for name in one.rules:
                if name not in called:
                    raise InvalidRule(one.name, "correlation.rules", f"there is no rule {name!r}")
        self._correlator = Correlator(tuple(self.correlations.values()), called, watch)
        # Rules whose events are only counted: they make no findings of their own.
        self.silent = frozenset(
            name
            for one in self.correlations.values()
            if not one.generate
            for about in one.rules
            for name in called[about]
        )
        self.timer = timer
        self._asked = [0] * len(self._rules)
        self._hits = [0] * len(self._rules)
        self._spent_ns = [0] * len(self._rules)
        # Forgotten when they have grown to MAX_ROUTES: some readers take a log source's words from the events.
        self._routes: dict[LogSource, tuple[Stand, ...]] = {}
        self._for_source: dict[LogSource, tuple[Rule, ...]] = {}

    def __len__(self) -> int:
        return len(self.rules) + len(self.correlations)

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """What findings may be of: the rules, and the correlations."""
        return (*self.rules.values(), *self.correlations.values())

    @property
    def digest(self) -> str:
        """What tells these rules from others."""
        parts: list[Part] = [*self.rules.values(), *self.correlations.values(), *self.filters]
        named = "".join(f"{name} {digest}\n" for name, digest in sorted((one.name, one.digest) for one in parts))
        return hashlib.sha256(named.encode()).hexdigest()

    @property
    def digests(self) -> dict[str, str]:
        """By name, what tells each rule and correlation from others of the name."""
        rules = {name: one.digest for name, one in self.rules.items()}
        return rules | {name: one.digest for name, one in self.correlations.items()}

    def for_source(self, log_source: LogSource) -> tuple[Rule, ...]:
        """The rules to ask about events of ``log_source``."""
        found = self._for_source.get(log_source)
        if found is None:
            found = tuple(rule for rule in self._rules if concerns(rule.log_source, log_source))
            _remember(self._for_source, log_source, found)
        return found

    def evaluate(self, batch: EventBatch) -> list[Hit]:
        """Every hit of every rule, rules in their order, then events in order; and what they complete."""
        route = self._routes.get(batch.log_source)
        if route is None:
            route = tuple(stand for wanted, stand in self.stands.items() if concerns(wanted, batch.log_source))
            _remember(self._routes, batch.log_source, route)
        if not route:
            return []
        view = View(batch)
        candidates = Candidates(view)
        for stand in route:
            candidates.add(stand)
        hits: list[Hit] = []
        timer = self.timer
        for number, rows in candidates.ordered():
            rule = self._rules[number]
            started_ns = timer() if timer is not None else 0
            found = rule.predicate.match(view, rows)
            self._asked[number] += len(rows)
            if timer is not None:
                self._spent_ns[number] += timer() - started_ns
            if found:
                self._hits[number] += len(found)
                hits += [Hit(rule, batch, (place,)) for place in found]
        if not self.correlations or not hits:
            return hits
        completed = self._correlator.add(view, hits)
        return [hit for hit in (*hits, *completed) if hit.rule.name not in self.silent]

    def costs(self) -> list[RuleCost]:
        """What each rule cost and brought, in their order."""
        counted = zip(self._rules, self._asked, self._hits, self._spent_ns, strict=True)
        return [RuleCost(rule.name, asked, hits, spent_ns) for rule, asked, hits, spent_ns in counted]

    def state(self, tenant: TenantId) -> bytes | None:
        """What correlations wait for; None when unchanged."""
        return self._correlator.state(tenant)

    def restore(self, tenant: TenantId, state: bytes | None) -> None:
        """Wait for what was waited for."""
        self._correlator.restore(tenant, state)

    def take_over(self, before: "RuleSet") -> None:
        """Go on in place of ``before``: what correlations of the same name wait for, and what the same rules cost."""
        self._correlator.take_over(before._correlator)  # noqa: SLF001 - of the same class
        self.take_costs(before)

    def take_costs(self, before: "RuleSet") -> None:
        """Count on from what the same rules cost and brought in ``before``."""
        self.timer = before.timer
        known = {cost.name: cost for cost in before.costs() if cost.asked}
        for number, rule in enumerate(self._rules):
            cost = known.get(rule.name)
            if cost is not None and rule.digest == before.rules[rule.name].digest:
                self._asked[number], self._hits[number] = cost.asked, cost.hits
                self._spent_ns[number] = cost.spent_ns


def _remember(memo: dict[LogSource, T], log_source: LogSource, found: T) -> None:
    if len(memo) >= MAX_ROUTES:
        memo.clear()
    memo[log_source] = found


def _named(parts: Iterable[P]) -> dict[str, P]:
    made: dict[str, P] = {}
    for part in parts:
        if part.name in made:
            raise InvalidRule(part.name, "name", "is used by two rules", hint="give one of them another name")
        made[part.name] = part
    return made


def _narrowed(rule: Rule, filters: Sequence[Filter]) -> Rule:
    parts = [one.predicate for one in filters if one.narrows(rule)]
    return replace(rule, predicate=all_of([rule.predicate, *parts])) if parts else rule


def _called(parts: Iterable[Rule | CorrelationRule]) -> dict[str, list[str]]:
    """The names of rules by what they are called: their own names and ids."""
    called: dict[str, list[str]] = {}
    for part in parts:
        for name in dict.fromkeys((part.name, *part.also)):
            called.setdefault(name, []).append(part.name)
    return called
