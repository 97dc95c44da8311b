"""A question made ready: tests of values, and how what they find is put together.

Asked of a shard in steps, so that little is read: which columns may have such values, as names and filters tell; which
of them have events that are not meant already; which of their values pass; and for the columns that have any, which
events have those values.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.intel.archive._automaton import BadPattern, regex
from phalanx.intel.archive._directory import Kind
from phalanx.intel.archive._errors import InvalidQuery
from phalanx.intel.archive._limits import FEW_CODES, NARROW_FROM_BYTES
from phalanx.intel.archive._names import LOG_SOURCE, READER, How, meant
from phalanx.intel.archive._patterns import automaton_of, certain_of, pattern_of
from phalanx.intel.archive._query import And, Compare, Expr, Match, Not, Or, Regex, Text, Time, Value
from phalanx.intel.archive._segment import Shard
from phalanx.intel.archive._values import (
    AnyValue,
    Check,
    Equal,
    Flags,
    Like,
    Number,
    Test,
    lower,
)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """A test of the values of some fields, by name in lower case; of all when there are none, or those that ``wants``
    names.
    """

    fields: frozenset[str]
    test: Test
    wants: Callable[[str], bool] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class OfOrigin:
    """A test of where events came from."""

    holds: Callable[[Kind], bool]


@dataclass(frozen=True, slots=True, eq=False)
class OfTime:
    after_ns: int
    before_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class Both:
    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True, eq=False)
class Either:
    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True, eq=False)
class Neither:
    part: "Node"


Node = Leaf | OfOrigin | OfTime | Both | Either | Neither


def made_ready(expr: Expr, query: str = "") -> Node:
    """The node of an expression. Raises ``InvalidQuery``."""
    match expr:
        case And(parts):
            return Both(tuple(made_ready(part, query) for part in parts))
        case Or(parts):
            return Either(tuple(made_ready(part, query) for part in parts))
        case Not(part):
            return Neither(made_ready(part, query))
        case Time(after_ns, before_ns):
            return OfTime(after_ns, before_ns)
        case Text(value):
            return Leaf(frozenset(), pattern_of(value, How.WORDS, query))
        case Compare(name, sign, number):
            return _about(name, lambda _: Number(sign, number))
        case Regex(name, pattern, column):
            try:
                automaton = regex(pattern)
            except BadPattern as error:
                raise InvalidQuery(query, column + 1 + error.at, error.reason) from None
            return _about(name, lambda _: Like(automaton, certain_of(pattern)))
        case Match(name, values):
            if name.lower() in (LOG_SOURCE, READER):
                return _of_origin(name.lower(), values, query)
            return Either(tuple(_about(name, lambda how, one=value: pattern_of(one, how, query)) for value in values))  # type: ignore[misc]
    raise AssertionError(expr)


def _about(name: str, test: Callable[[How], Test]) -> Node:
    parts: list[Node] = []
    for one in meant(name):
        leaf: Node = Leaf(one.fields, test(one.how))
        if one.service:
            service = one.service
            conditions: list[Node] = [OfOrigin(lambda kind, service=service: kind.log_source.service == service)]  # type: ignore[misc]
            if one.code:
                conditions.append(Leaf(frozenset(("eventid",)), Equal((one.code.encode(),))))
            leaf = Both((*conditions, leaf))
        parts.append(leaf)
    return parts[0] if len(parts) == 1 else Either(tuple(parts))


def _of_origin(name: str, values: tuple[Value, ...], query: str) -> Node:
    tests = [automaton_of(value, How.WHOLE, query) for value in values]

    def holds(kind: Kind) -> bool:
        text = lower(str(kind.log_source) if name == LOG_SOURCE else kind.reader)
        return any(test.match(text) for test in tests)

    return OfOrigin(holds)


@dataclass(slots=True)
class Asked:
    """A question as it is asked of one shard."""

    node: Node
    shard: Shard
    columns: dict[int, list[int]] = field(default_factory=dict)
    flags: dict[tuple[int, int], Flags] = field(default_factory=dict)
    # What is known of a leaf so far: which events are meant, and by which columns.
    so_far: dict[int, tuple[Mask, frozenset[int]]] = field(default_factory=dict)
    # Leaves whose choice is worth narrowing. Of others nothing was loaded to do it by.
    to_narrow: set[int] = field(default_factory=set)

    def leaves(self) -> list[Leaf]:
        return [node for node in _nodes(self.node) if isinstance(node, Leaf)]

    def first_blocks(self) -> list[str]:
        """What is needed to see which columns may have such values."""
        wanted = {at for leaf in self.leaves() if leaf.test.needs() for at in self._candidates(leaf)}
        return [f"f{at}" for at in wanted]

    def choose(self, check: Check) -> list[str]:
        """Choose the columns, and test small values where all are meant; the blocks to narrow the choice by, if any."""
        shard, wanted = self.shard, []
        for leaf in self.leaves():
            needs = leaf.test.needs()
            chosen = [at for at in self._candidates(leaf) if shard.may_hold(at, needs)]
            self.columns[id(leaf)] = chosen
            if leaf.fields or leaf.wants is not None:
                continue
            unread = sum(shard.packed_bytes(at) for at in chosen)
            flags = leaf.test.flags(shard.small.values, check)
            for at, own in () if flags is None else shard.small.split(flags).items():
                self.flags[id(leaf), at] = own
                chosen.append(at)
                if unread >= NARROW_FROM_BYTES:
                    self.to_narrow.add(id(leaf))
                    wanted.append(f"c{at}")
        return [*wanted, "places", "origins"] if wanted else []

    def narrow(self, check: Check) -> list[str]:
        """Leave out columns that only kinds of events have all of which are meant already, by their small values."""
        kinds, shard = self.shard.kind_of.take(self.shard.places[0]), self.shard
        for leaf in self.leaves():
            if id(leaf) not in self.to_narrow:
                continue
            known = [at for at in self.columns[id(leaf)] if (id(leaf), at) in self.flags]
            check()
            mask = self._leaf(leaf)
            self.so_far[id(leaf)] = mask, frozenset(known)
            left = set(np.flatnonzero(np.bincount(kinds[~mask])).tolist())
            chosen = self.columns[id(leaf)]
            chosen[:] = [at for at in chosen if at in known or not left.isdisjoint(shard.kinds_with(at))]
        return self.value_blocks()

    def value_blocks(self) -> list[str]:
        """The blocks of values that are to be tested."""
        return [
            f"v{at}" for leaf in self.leaves() if not isinstance(leaf.test, AnyValue)
            for at in self.columns[id(leaf)] if (id(leaf), at) not in self.flags
        ]  # fmt: skip

    def _candidates(self, leaf: Leaf) -> list[int]:
        """The columns that a leaf is about; where it is about all, those whose values are not asked at once."""
        if leaf.wants is not None:
            return [at for name, at in self.shard.names.items() if leaf.wants(name)]
        if leaf.fields:
            return [at for name in leaf.fields for at in self.shard.by_lower.get(name, ())]
        return [at for at in self.shard.names.values() if not self.shard.is_small(at)]

    def test(self, check: Check) -> list[str]:
        """Test the values; the blocks of codes that are needed, and of what else says which events are meant."""
        wanted = []
        for leaf in self.leaves():
            for at in self.columns[id(leaf)]:
                check()
                # With any value it does not matter which there are: a code that is not 0 is one.
                if isinstance(leaf.test, AnyValue) or (id(leaf), at) in self.flags:
                    wanted.append(f"c{at}")
                    continue
                flags = leaf.test.flags(self.shard.values(at), check)
                if flags is not None:
                    self.flags[id(leaf), at] = flags
                    wanted.append(f"c{at}")
        if any(isinstance(node, OfTime) and self._in_time(node) is None for node in _nodes(self.node)):
            wanted.append("times")
        if any(isinstance(node, OfOrigin) and len(set(self._of_kinds(node))) > 1 for node in _nodes(self.node)):
            wanted += ["places", "origins"]
        return wanted

    def _in_time(self, node: OfTime) -> bool | None:
        """Whether all events are in that time, or none of them; None when it has to be looked at."""
        if node.after_ns <= self.shard.low_ns and self.shard.high_ns < node.before_ns:
            return True
        return False if node.after_ns > self.shard.high_ns or self.shard.low_ns >= node.before_ns else None

    def _of_kinds(self, node: OfOrigin) -> list[bool]:
        return [node.holds(kind) for kind in self.shard.kinds]

    def mask(self, check: Check) -> Mask:
        """Which events are meant."""
        return self._mask(self.node, check)

    def _mask(self, node: Node, check: Check) -> Mask:
        check()
        shard = self.shard
        match node:
            case Both(parts):
                mask = np.ones(shard.n, bool)
                for part in parts:
                    mask &= self._mask(part, check)
                    if not mask.any():
                        break
                return mask
            case Either(parts):
                mask = np.zeros(shard.n, bool)
                for part in parts:
                    mask |= self._mask(part, check)
                return mask
            case Neither(part):
                return ~self._mask(part, check)
            case OfTime(after_ns, before_ns):
                known = self._in_time(node)
                if known is not None:
                    return np.full(shard.n, known)
                return (shard.times_ns >= after_ns) & (shard.times_ns < before_ns)
            case OfOrigin():
                kinds = self._of_kinds(node)
                if len(set(kinds)) == 1:
                    return np.full(shard.n, kinds[0])
                return np.array(kinds, bool)[shard.kind_of].take(shard.places[0])
            case Leaf():
                return self._leaf(node)
        raise AssertionError(node)

    def _leaf(self, leaf: Leaf) -> Mask:
        known = self.so_far.get(id(leaf))
        mask, done = (np.zeros(self.shard.n, bool), frozenset[int]()) if known is None else (known[0].copy(), known[1])
        for at in self.columns[id(leaf)]:
            if at in done:
                continue
            if isinstance(leaf.test, AnyValue):
                mask |= self.shard.codes(at) > 0
                continue
            flags = self.flags.get((id(leaf), at))
            if flags is not None:
                mask |= _carried(flags, self.shard.codes(at))
        return mask


def _carried(flags: Flags, codes: npt.NDArray[Any]) -> Mask:
    """What passed among values, for the events that have them."""
    passed = (np.flatnonzero(flags) + 1).tolist()
    if len(passed) > FEW_CODES:
        # A third of the time of an index, which makes wide numbers of all codes first.
        carried: Mask = np.concatenate(([False], flags)).take(codes)
        return carried
    mask: Mask = codes == passed[0]
    for code in passed[1:]:
        mask |= codes == code
    return mask


def _nodes(node: Node) -> Iterable[Node]:
    yield node
    match node:
        case Both(parts) | Either(parts):
            for part in parts:
                yield from _nodes(part)
        case Neither(part):
            yield from _nodes(part)
