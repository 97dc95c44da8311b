"""Rules about several events: so many within a time, so many different values, or several rules one after another.

Sigma specification 2.1, "Correlation rules". Time is that of the events. For each tenant, rule and group there is a
window of the latest matching events; an event that completes what is asked is a hit, with the others as evidence. What
is remembered is bounded: of too many groups the one seen longest ago is forgotten, of too many events the oldest.
Events may come a little out of order; each is put in its place by its time.
"""

import re
from bisect import insort
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol

import msgspec

from phalanx.core import NS_PER_S, EventBatch, EventId, TenantId, event_id
from phalanx.intel._detector import Hit, Pattern
from phalanx.intel._errors import InvalidRule, UnsupportedRule
from phalanx.intel._limits import (
    MAX_CORRELATED_EVENTS,
    MAX_CORRELATED_PER_GROUP,
    MAX_CORRELATION_COUNT,
    MAX_GROUP_CHARS,
)
from phalanx.intel.sigma._texts import as_text
from phalanx.intel.sigma._view import View

_TIMESPAN = re.compile(r"(\d{1,6})([smhdwMy])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "M": 2_629_746, "y": 31_556_952}
_COUNTS: Final = {"gte": 0, "gt": 1, "eq": 0}


class Kind(Enum):
    """What a correlation asks of the events of a window."""

    EVENT_COUNT = "event_count"
    VALUE_COUNT = "value_count"
    TEMPORAL = "temporal"
    TEMPORAL_ORDERED = "temporal_ordered"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrelationRule(Pattern):
    """A compiled correlation rule. ``rules`` are names or ids of the rules whose events it is about, in their order.

    ``count`` is how many events, or different values of ``value_field``, are enough. ``aliases`` gives a group's field
    another name by rule. With ``generate`` the rules it is about make findings of their own too.
    """

    kind: Kind
    rules: tuple[str, ...]
    group_by: tuple[str, ...]
    timespan_ns: int
    count: int = 0
    value_field: str = ""
    aliases: Mapping[str, Mapping[str, str]]
    generate: bool = False
    digest: str = ""
    also: tuple[str, ...] = ()

    def group_of(self, rule: str, view: View, place: int) -> str | None:
        """What the event has in the fields of the group; None when it lacks one."""
        values = []
        for name in self.group_by:
            column = view.values(self.aliases.get(name, {}).get(rule, name))
            if column is None or column[place] is None:
                return None
            values.append(as_text(column[place])[:MAX_GROUP_CHARS])
        return msgspec.json.encode(values).decode()

    def value_of(self, view: View, place: int) -> str | None:
        """The value that is counted, empty where none is; None when the event lacks it."""
        if not self.value_field:
            return ""
        column = view.values(self.value_field)
        return None if column is None or column[place] is None else as_text(column[place])[:MAX_GROUP_CHARS]


def correlation_of(where: str, head: Mapping[str, Any], section: Any, digest: str) -> CorrelationRule:
    """Compile the section ``correlation``; ``head`` are the fields of its ``Pattern``. Raises ``InvalidRule``."""
    if not isinstance(section, dict):
        raise InvalidRule(where, "correlation", "must be a mapping")
    kinds = {kind.value: kind for kind in Kind}
    kind = kinds.get(str(section.get("type")))
    if kind is None:
        raise UnsupportedRule(where, "correlation.type", f"the correlation {section.get('type')!r}")
    rules = _names(where, "rules", section.get("rules"))
    if not rules:
        raise InvalidRule(where, "correlation.rules", "names no rule")
    match = _TIMESPAN.fullmatch(str(section.get("timespan", "")))
    if match is None:
        raise InvalidRule(where, "correlation.timespan", "must be a number and one of s, m, h, d, w, M, y")
    count, value_field = _condition(where, kind, section.get("condition"))
    return CorrelationRule(
        **head,
        kind=kind,
        rules=rules,
        group_by=_names(where, "group-by", section.get("group-by")),
        timespan_ns=int(match[1]) * _SECONDS[match[2]] * NS_PER_S,
        count=count,
        value_field=value_field,
        aliases=_aliases(where, section.get("aliases")),
        generate=section.get("generate") is True,
        digest=digest,
    )


def _names(where: str, field: str, value: Any) -> tuple[str, ...]:
    values = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) and name for name in values):
        raise InvalidRule(where, f"correlation.{field}", "must be a list of names")
    return tuple(dict.fromkeys(values))


def _condition(where: str, kind: Kind, condition: Any) -> tuple[int, str]:
    if kind in (Kind.TEMPORAL, Kind.TEMPORAL_ORDERED):
        if condition is not None:
            raise UnsupportedRule(where, "correlation.condition", f"a condition of {kind.value}")
        return 0, ""
    if not isinstance(condition, dict):
        raise InvalidRule(where, "correlation.condition", "is missing")
    asked = {name: value for name, value in condition.items() if name != "field"}
    if len(asked) != 1 or next(iter(asked)) not in _COUNTS:
        # What stays below a number is known only when the time is over, and nothing tells of that.
        raise UnsupportedRule(
            where, "correlation.condition", f"{' and '.join(map(str, asked)) or 'nothing'} as condition"
        )
    ((name, number),) = asked.items()
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MAX_CORRELATION_COUNT:
        raise InvalidRule(where, "correlation.condition", f"needs a whole number from 1 to {MAX_CORRELATION_COUNT}")
    field = condition.get("field", "")
    if (kind is Kind.VALUE_COUNT) != bool(field) or not isinstance(field, str):
        raise InvalidRule(where, "correlation.condition", "needs a field when values are counted, and only then")
    return number + _COUNTS[name], field


def _aliases(where: str, section: Any) -> dict[str, dict[str, str]]:
    if section is None:
        return {}
    if not isinstance(section, dict) or not all(isinstance(names, dict) for names in section.values()):
        raise InvalidRule(where, "correlation.aliases", "gives each field a name by rule")
    return {str(field): {str(rule): str(name) for rule, name in names.items()} for field, names in section.items()}


class Seen(msgspec.Struct, frozen=True, array_like=True, order=True):
    """An event in a window: when, which of the rules, the value that is counted, and its id."""

    time_ns: int
    rule: int
    value: str
    event: str


# By correlation and group. The order is that of the last use.
Windows = OrderedDict[tuple[str, str], list[Seen]]
_states = msgspec.msgpack.Decoder(list[tuple[str, str, list[Seen]]])


class Watch(Protocol):
    """Is told what becomes of the events that correlations are about."""

    def lacking(self, correlation: CorrelationRule) -> None:
        """An event lacks a field of the group, or the one whose values are counted."""

    def waiting(self, correlation: CorrelationRule, group: str, within: Sequence[Seen]) -> None:
        """With the last of ``within`` it is not complete."""

    def completed(self, correlation: CorrelationRule) -> None:
        """An event completed it."""


class Correlator:
    """The windows of all tenants."""

    def __init__(
        self, correlations: Sequence[CorrelationRule], names: Mapping[str, Iterable[str]], watch: Watch | None = None
    ) -> None:
        """``names`` are, by what a correlation may call a rule, the names of the rules that are meant."""
        self.correlations = tuple(correlations)
        self._watch = watch
        # By name of rule or correlation: who is concerned with it, and as which of its rules.
        self._about: dict[str, list[tuple[CorrelationRule, int, str]]] = {}
        for one in correlations:
            for number, called in enumerate(one.rules):
                for name in names.get(called, ()):
                    self._about.setdefault(name, []).append((one, number, called))
        for one in correlations:
            self._check_ends(one.name, ())
        self._windows: dict[TenantId, Windows] = {}
        self._sizes: dict[TenantId, int] = {}
        self._changed: set[TenantId] = set()

    def _check_ends(self, name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise InvalidRule(name, "correlation.rules", "is about itself")
        for correlation, _, _ in self._about.get(name, ()):
            self._check_ends(correlation.name, (*above, name))

    def add(self, view: View, hits: Sequence[Hit]) -> list[Hit]:
        """What the hits of one batch complete. A correlation may be about correlations."""
        completed: list[Hit] = []
        # The next is on top; what a hit completes comes before what is later.
        waiting = sorted(
            hits, key=lambda hit: (view.batch.times_ns[hit.place], view.batch.rows[hit.place]), reverse=True
        )
        while waiting:
            found = list(self._one(view, waiting.pop()))
            completed += found
            waiting += reversed(found)
        return completed

    def _one(self, view: View, hit: Hit) -> Iterable[Hit]:
        for correlation, number, called in self._about.get(hit.rule.name, ()):
            group, value = correlation.group_of(called, view, hit.place), correlation.value_of(view, hit.place)
            if group is None or value is None:
                if self._watch is not None:
                    self._watch.lacking(correlation)
                continue
            batch = view.batch
            event = event_id(batch.batch, batch.rows[hit.place])
            seen = Seen(batch.times_ns[hit.place], number, value, event)
            window = self._put(batch.tenant, correlation, group, seen, batch.accepted_at_ns)
            evidence = _completes(correlation, window, seen)
            if evidence is not None:
                if self._watch is not None:
                    self._watch.completed(correlation)
                yield _hit(correlation, batch, hit.place, group, evidence)
            elif self._watch is not None:
                span = correlation.timespan_ns
                self._watch.waiting(
                    correlation, group, [one for one in window if 0 <= seen.time_ns - one.time_ns <= span]
                )

    def _put(
        self, tenant: TenantId, correlation: CorrelationRule, group: str, seen: Seen, accepted_at_ns: int
    ) -> list[Seen]:  # fmt: skip
        """The window with ``seen`` in it, and nothing that is older than any event in time can need."""
        windows = self._windows.setdefault(tenant, OrderedDict())
        self._changed.add(tenant)
        key = (correlation.name, group)
        window = windows.setdefault(key, [])
        windows.move_to_end(key)
        before = len(window)
        if seen not in window:
            insort(window, seen)
        # A time that is yet to come, by a wrong clock or written by an attacker, makes nothing old.
        oldest_ns = min(window[-1].time_ns, accepted_at_ns) - 2 * correlation.timespan_ns
        while window[0].time_ns < oldest_ns or len(window) > MAX_CORRELATED_PER_GROUP:
            window.pop(0)
        size = self._sizes.get(tenant, 0) + len(window) - before
        while size > MAX_CORRELATED_EVENTS and len(windows) > 1:
            _, forgotten = windows.popitem(last=False)
            size -= len(forgotten)
        self._sizes[tenant] = size
        return window

    def state(self, tenant: TenantId) -> bytes | None:
        """What is remembered of a tenant; None when unchanged."""
        if tenant not in self._changed:
            return None
        self._changed.discard(tenant)
        windows = self._windows.get(tenant, OrderedDict())
        return msgspec.msgpack.encode([(name, group, window) for (name, group), window in windows.items()])

    def restore(self, tenant: TenantId, state: bytes | None) -> None:
        """Go on from there; windows of correlations that are no more are dropped."""
        known = {one.name for one in self.correlations}
        stored = [] if state is None else _states.decode(state)
        windows: Windows = OrderedDict(((name, group), window) for name, group, window in stored if name in known)
        self._windows[tenant] = windows
        self._sizes[tenant] = sum(map(len, windows.values()))
        self._changed.discard(tenant)

    def take_over(self, other: "Correlator") -> None:
        """Go on with what ``other`` remembers, as far as the correlations are the same."""
        same = {one.name for one in self.correlations} & {one.name for one in other.correlations}
        for tenant, windows in other._windows.items():  # noqa: SLF001 - of the same class
            kept = OrderedDict((key, list(window)) for key, window in windows.items() if key[0] in same)
            self._windows[tenant] = kept
            self._sizes[tenant] = sum(map(len, kept.values()))
            self._changed.add(tenant)


def _completes(correlation: CorrelationRule, window: Sequence[Seen], seen: Seen) -> Sequence[Seen] | None:
    """The events that complete it together with ``seen``, which is in the window; None when it is not complete."""
    if seen not in window:
        # It came too late to be remembered.
        return None
    at = window.index(seen)
    span = correlation.timespan_ns
    # Some later event may have come before this one: every end of a time that holds it is tried.
    for end in range(at, len(window)):
        if window[end].time_ns - seen.time_ns > span:
            break
        within = [one for one in window[: end + 1] if window[end].time_ns - one.time_ns <= span]
        if _holds(correlation, within):
            return within
    return None


def _holds(correlation: CorrelationRule, within: Sequence[Seen]) -> bool:
    if correlation.kind is Kind.EVENT_COUNT:
        return len(within) >= correlation.count
    if correlation.kind is Kind.VALUE_COUNT:
        return len({one.value for one in within}) >= correlation.count
    if correlation.kind is Kind.TEMPORAL:
        return len({one.rule for one in within}) == len(correlation.rules)
    wanted = 0
    for one in within:
        wanted += wanted < len(correlation.rules) and one.rule == wanted
    return wanted == len(correlation.rules)


def group_told(correlation: CorrelationRule, group: str) -> str:
    """What the events of a group have in common, for people."""
    values = msgspec.json.decode(group, type=list[str])
    return ", ".join(f"{name} {value!r}" for name, value in zip(correlation.group_by, values, strict=True))


def _hit(correlation: CorrelationRule, batch: EventBatch, place: int, group: str, evidence: Sequence[Seen]) -> Hit:
    named = group_told(correlation, group)
    seconds = (evidence[-1].time_ns - evidence[0].time_ns) / NS_PER_S
    counted = ""
    if correlation.value_field:
        counted = f"{len({one.value for one in evidence})} values of {correlation.value_field} in "
    told = f"{counted}{len(evidence)} events within {seconds:g} s{f' of {named}' if named else ''}."
    earlier = tuple(EventId(one.event) for one in evidence)
    return Hit(correlation, batch, (place,), subject=group if named else "", told=told, earlier=earlier)
