"""Questions about the events of a batch, asked column by column.

A predicate is given the rows still in question and returns those it holds for, in order. So a
conjunction asks its cheapest part first and the others only about what is left, and most rules
are done with a batch after one pass over one column.

Values compare as Sigma says: as text, without regard to case unless ``cased`` (the texts of a
predicate are then in lower case), an absent field matching nothing but ``null``.
"""

import ipaddress
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import ClassVar, Protocol

from phalanx.intel._limits import MAX_REGEX_CHARS, MEMO_VALUES
from phalanx.intel.sigma._regexes import needed_literals
from phalanx.intel.sigma._texts import as_number
from phalanx.intel.sigma._view import View

Rows = Sequence[int]


class Predicate(Protocol):
    """``cost`` orders the parts of a conjunction: nanoseconds per row, roughly.

    ``fields`` are those it asks about, for explanations.
    """

    @property
    def cost(self) -> int: ...

    @property
    def fields(self) -> tuple[str, ...]: ...

    def match(self, view: View, rows: Rows) -> Rows: ...


@dataclass(frozen=True, slots=True)
class _OfField:
    """A question about the values of one field."""

    field: str

    cost: ClassVar[int] = 50

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field,)


@dataclass(frozen=True, slots=True)
class Equals(_OfField):
    """The value is one of ``texts``; the empty text means present and empty."""

    texts: frozenset[str]
    cased: bool = False

    cost: ClassVar[int] = 20

    def match(self, view: View, rows: Rows) -> Rows:
        column = view.text(self.field, rows, cased=self.cased)
        if column is None:
            return ()
        texts = self.texts
        found = [row for row in rows if column[row] in texts]
        return view.present(self.field, found) if "" in texts else found


@dataclass(frozen=True, slots=True)
class Begins(_OfField):
    """The value starts with one of ``texts``, none of which is empty."""

    texts: tuple[str, ...]
    cased: bool = False

    def match(self, view: View, rows: Rows) -> Rows:
        column = view.text(self.field, rows, cased=self.cased)
        texts = self.texts
        return () if column is None else [row for row in rows if column[row].startswith(texts)]


@dataclass(frozen=True, slots=True)
class Ends(_OfField):
    """The value ends with one of ``texts``, none of which is empty."""

    texts: tuple[str, ...]
    cased: bool = False

    def match(self, view: View, rows: Rows) -> Rows:
        column = view.text(self.field, rows, cased=self.cased)
        texts = self.texts
        return () if column is None else [row for row in rows if column[row].endswith(texts)]


@dataclass(frozen=True, slots=True)
class Contains(_OfField):
    """``text``, which is not empty, occurs in the value."""

    text: str
    cased: bool = False

    def match(self, view: View, rows: Rows) -> Rows:
        column = view.text(self.field, rows, cased=self.cased)
        text = self.text
        return () if column is None else [row for row in rows if text in column[row]]


@dataclass(frozen=True, slots=True)
class Matches(_OfField):
    """``pattern`` is found in the value's first ``MAX_REGEX_CHARS`` characters."""

    pattern: re.Pattern[str]
    cased: bool = True
    # Literals that are in whatever the pattern is found in: looking for them is so much cheaper that few values are
    # left to an engine that backtracks.
    needs: tuple[str, ...] = field(init=False, repr=False, compare=False)

    cost: ClassVar[int] = 400

    def __post_init__(self) -> None:
        object.__setattr__(self, "needs", needed_literals(self.pattern))

    def match(self, view: View, rows: Rows) -> Rows:
        column = view.text(self.field, rows, cased=self.cased)
        if column is None:
            return ()
        for text in self.needs:
            rows = [row for row in rows if text in column[row]]
        search = self.pattern.search
        return view.present(self.field, [row for row in rows if search(column[row][:MAX_REGEX_CHARS])])


@dataclass(frozen=True, slots=True)
class InNetworks(_OfField):
    """The value is an address for which ``inside`` holds."""

    inside: Callable[[str], bool]

    cost: ClassVar[int] = 200

    def match(self, view: View, rows: Rows) -> Rows:
        column = view.text(self.field, rows, cased=True)
        inside = self.inside
        return () if column is None else [row for row in rows if inside(column[row])]


def in_networks(field: str, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> InNetworks:
    """The value is an address in one of ``networks``; what is not an address is in none."""

    @lru_cache(maxsize=MEMO_VALUES)
    def inside(text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in networks)

    return InNetworks(field, inside)


COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


@dataclass(frozen=True, slots=True)
class Compares(_OfField):
    """The value is a number, or text that spells one, and stands so to ``limit``."""

    comparison: str
    limit: float

    cost: ClassVar[int] = 120

    def match(self, view: View, rows: Rows) -> Rows:
        column = view.values(self.field)
        if column is None:
            return ()
        holds = COMPARISONS[self.comparison]
        return [row for row in rows if (number := as_number(column[row])) is not None and holds(number, self.limit)]


@dataclass(frozen=True, slots=True)
class SameAs(_OfField):
    """The value is that of ``other``, or begins or ends with it or contains it; both are there."""

    other: str
    place: str = ""
    cased: bool = False

    cost: ClassVar[int] = 100

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.field, self.other)

    def match(self, view: View, rows: Rows) -> Rows:
        mine, others = view.text(self.field, rows, cased=self.cased), view.text(self.other, rows, cased=self.cased)
        if mine is None or others is None:
            return ()
        holds = _COMPARED[self.place]
        found = [row for row in rows if holds(mine[row], others[row])]
        return view.present(self.other, view.present(self.field, found))


_COMPARED: Mapping[str, Callable[[str, str], bool]] = {
    "": operator.eq,
    "contains": operator.contains,
    "startswith": str.startswith,
    "endswith": str.endswith,
}

TIME_PARTS: Mapping[str, Callable[[datetime], int]] = {
    "minute": lambda time: time.minute,
    "hour": lambda time: time.hour,
    "day": lambda time: time.day,
    "week": lambda time: time.isocalendar().week,
    "month": lambda time: time.month,
    "year": lambda time: time.year,
}


@dataclass(frozen=True, slots=True)
class OfTime(_OfField):
    """The value is a time, written as ISO 8601 does, whose ``part`` is ``number``."""

    part: str
    number: int

    cost: ClassVar[int] = 500

    def match(self, view: View, rows: Rows) -> Rows:
        column = view.text(self.field, rows, cased=True)
        return () if column is None else [row for row in rows if self._holds(column[row])]

    def _holds(self, text: str) -> bool:
        try:
            return TIME_PARTS[self.part](datetime.fromisoformat(text)) == self.number
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Present(_OfField):
    """The event has the field."""

    cost: ClassVar[int] = 20

    def match(self, view: View, rows: Rows) -> Rows:
        return view.present(self.field, rows)


@dataclass(frozen=True, slots=True)
class Keyword:
    """Some field of the event is as ``ask`` asks; Sigma's values without a field."""

    ask: Callable[[str], Predicate]

    cost: ClassVar[int] = 5_000
    fields: ClassVar[tuple[str, ...]] = ()

    def match(self, view: View, rows: Rows) -> Rows:
        return _union((self.ask(field) for field in view.batch.columns), view, rows)


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds. Parts are in order of cost (``all_of`` sees to it)."""

    parts: tuple[Predicate, ...]

    @property
    def cost(self) -> int:
        return self.parts[0].cost

    @property
    def fields(self) -> tuple[str, ...]:
        return _fields_of(self.parts)

    def match(self, view: View, rows: Rows) -> Rows:
        for part in self.parts:
            if not rows:
                break
            rows = part.match(view, rows)
        return rows


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some part holds."""

    parts: tuple[Predicate, ...]

    @property
    def cost(self) -> int:
        return sum(part.cost for part in self.parts)

    @property
    def fields(self) -> tuple[str, ...]:
        return _fields_of(self.parts)

    def match(self, view: View, rows: Rows) -> Rows:
        return _union(self.parts, view, rows)


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold. Asked last: it rarely leaves fewer rows."""

    part: Predicate

    fields: ClassVar[tuple[str, ...]] = ()

    @property
    def cost(self) -> int:
        return 10_000 + self.part.cost

    def match(self, view: View, rows: Rows) -> Rows:
        held = frozenset(self.part.match(view, rows))
        return [row for row in rows if row not in held] if held else rows


def all_of(parts: Sequence[Predicate]) -> Predicate:
    """The conjunction of ``parts``, of which there is at least one."""
    return parts[0] if len(parts) == 1 else AllOf(tuple(sorted(parts, key=lambda part: part.cost)))


def any_of(parts: Sequence[Predicate]) -> Predicate:
    """The disjunction of ``parts``, of which there is at least one."""
    return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))


def _union(parts: Iterable[Predicate], view: View, rows: Rows) -> Rows:
    """Rows for which some part holds, each part asked only about those left by the ones before."""
    held: set[int] = set()
    left = rows
    for part in parts:
        found = part.match(view, left)
        if found:
            held.update(found)
            left = [row for row in left if row not in held]
            if not left:
                break
    return [row for row in rows if row in held] if held else ()


def _fields_of(parts: Sequence[Predicate]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(field for part in parts for field in part.fields))
