"""What a question is made of, and how it is written.

``str`` of a question is a question that means the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from phalanx.intel._limits import END_OF_TIME_NS
from phalanx.intel.archive._limits import MAX_GROUPS


@dataclass(frozen=True, slots=True)
class Wild:
    """A sign that stands for any letters (``*``) or for one (``?``)."""

    sign: str


Part = str | Wild


@dataclass(frozen=True, slots=True)
class Value:
    """A value with its wildcards. ``quoted`` keeps it from being taken for anything but text."""

    parts: tuple[Part, ...]
    quoted: bool = False

    @property
    def literal(self) -> str | None:
        """The text when there is no wildcard."""
        if all(isinstance(part, str) for part in self.parts):
            return "".join(part for part in self.parts if isinstance(part, str))
        return None

    def __str__(self) -> str:
        shown = "".join(part.sign if isinstance(part, Wild) else _text(part) for part in self.parts)
        return shown if shown and not (self.quoted and '"' not in shown) else shown or '""'


def _text(part: str) -> str:
    return '"' + part.replace('"', '""') + '"'


class Sign(Enum):
    """How a number compares."""

    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Match:
    """A field has one of the values."""

    field: str
    values: tuple[Value, ...]

    def __str__(self) -> str:
        shown = ", ".join(map(str, self.values))
        return f"{self.field}:{shown}" if len(self.values) == 1 else f"{self.field}:({shown})"


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression is found in a field."""

    field: str
    pattern: str
    column: int = 0

    def __str__(self) -> str:
        return f"{self.field}:/{self.pattern.replace('/', chr(92) + '/')}/"


@dataclass(frozen=True, slots=True)
class Compare:
    """A field is a number that compares so."""

    field: str
    sign: Sign
    number: float

    def __str__(self) -> str:
        return f"{self.field}{self.sign.value}{self.number!r}"


@dataclass(frozen=True, slots=True)
class Text:
    """Some value has these words."""

    value: Value

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Time:
    """Events from ``after_ns`` on and before ``before_ns``; ``told`` is how it was said."""

    after_ns: int
    before_ns: int
    told: str

    def __str__(self) -> str:
        return self.told


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Expr"

    def __str__(self) -> str:
        return f"NOT {_inner(self.part)}"


@dataclass(frozen=True, slots=True)
class And:
    """All parts hold; none means every event."""

    parts: tuple["Expr", ...]

    def __str__(self) -> str:
        return " AND ".join(map(_inner, self.parts)) if self.parts else "*"


@dataclass(frozen=True, slots=True)
class Or:
    """Some part holds."""

    parts: tuple["Expr", ...]

    def __str__(self) -> str:
        return " OR ".join(map(_inner, self.parts))


Expr = And | Or | Not | Match | Regex | Compare | Text | Time


def _inner(part: Expr) -> str:
    return f"({part})" if isinstance(part, And | Or) and part.parts else str(part)


@dataclass(frozen=True, slots=True)
class CountBy:
    """How many events there are by the values of fields, the most first; ``limit`` rows."""

    fields: tuple[str, ...]
    limit: int

    def __str__(self) -> str:
        if self.limit == MAX_GROUPS or not self.fields:
            return f"count by {', '.join(self.fields)}" if self.fields else "count"
        return f"top {self.limit} {', '.join(self.fields)}"


@dataclass(frozen=True, slots=True)
class Timeline:
    """How many events there are in each span of time."""

    span_ns: int
    told: str

    def __str__(self) -> str:
        return f"timeline {self.told}"


Stage = CountBy | Timeline


@dataclass(frozen=True, slots=True)
class Query:
    """A question: which events, and what of them; without a stage the events themselves."""

    where: Expr
    stage: Stage | None = None

    def narrowed(self, where: Expr) -> "Query":
        """The same of fewer events: those for which ``where`` holds as well."""
        return Query(where if self.where == And(()) else And((where, self.where)), self.stage)

    def __str__(self) -> str:
        return str(self.where) if self.stage is None else f"{self.where} | {self.stage}"


def bounds_of(expr: Expr) -> tuple[int, int]:
    """Times before and after which no event can be meant."""
    low, high = 0, END_OF_TIME_NS
    parts: Sequence[Expr] = expr.parts if isinstance(expr, And) else (expr,)
    for part in parts:
        if isinstance(part, Time):
            low, high = max(low, part.after_ns), min(high, part.before_ns)
        elif isinstance(part, And):
            inner = bounds_of(part)
            low, high = max(low, inner[0]), min(high, inner[1])
    return low, high
