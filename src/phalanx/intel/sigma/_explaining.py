"""Why a rule holds for an event or does not, part by part and field by field, for people. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from phalanx.core import EventBatch
from phalanx.intel._limits import MAX_QUOTE_CHARS
from phalanx.intel.sigma._predicates import (
    AllOf,
    AnyOf,
    Begins,
    Compares,
    Contains,
    Ends,
    Equals,
    InNetworks,
    Keyword,
    Matches,
    Not,
    OfTime,
    Predicate,
    Present,
    SameAs,
)
from phalanx.intel.sigma._rule import Rule
from phalanx.intel.sigma._sources import concerns
from phalanx.intel.sigma._texts import as_text
from phalanx.intel.sigma._view import View

_SHOWN_TEXTS = 6
_SIGNS = {"gt": ">", "gte": "≥", "lt": "<", "lte": "≤"}


@dataclass(frozen=True, slots=True)
class Reason:
    """A part of a rule: whether it holds, what it asks, and what the event has there."""

    holds: bool
    asks: str
    has: str = ""
    parts: "tuple[Reason, ...]" = ()

    @property
    def near(self) -> int:
        """How many of the single questions below it hold."""
        return sum(part.near for part in self.parts) if self.parts else int(self.holds)

    def lines(self, depth: int = 0) -> Iterator[str]:
        """The parts below each other, those that decide marked."""
        has = f"   it is {self.has}" if self.has else ""
        yield f"{'  ' * depth}{'yes' if self.holds else 'no '} {self.asks}{has}"
        for part in self.parts:
            yield from part.lines(depth + 1)


def explain(rule: Rule, batch: EventBatch, place: int) -> Reason:
    """Why ``rule`` holds for the event at ``place``, or why not."""
    concerned = concerns(rule.log_source, batch.log_source)
    source = Reason(concerned, f"log source {rule.log_source or 'any'}", str(batch.log_source))
    asked = _reason(rule.predicate, View(batch), place)
    return Reason(concerned and asked.holds, f"{rule.title} ({rule.name})", parts=(source, asked))


def _reason(predicate: Predicate, view: View, place: int) -> Reason:
    holds = bool(predicate.match(view, (place,)))
    match predicate:
        case AllOf(parts):
            return Reason(holds, "all of", parts=tuple(_reason(part, view, place) for part in parts))
        case AnyOf(parts):
            reasons = [_reason(part, view, place) for part in parts]
            # Of many that could have held, those that do say enough.
            return Reason(holds, "one of", parts=tuple(one for one in reasons if one.holds or not holds))
        case Not(part):
            return Reason(holds, "not", parts=(_reason(part, view, place),))
    return Reason(holds, _asks(predicate), _has(predicate, view, place))


def _asks(predicate: Predicate) -> str:
    match predicate:
        case Equals(field, texts, cased):
            return f"{field} is {_texts(sorted(texts))}{_cased(cased)}"
        case Begins(field, texts, cased):
            return f"{field} begins with {_texts(texts)}{_cased(cased)}"
        case Ends(field, texts, cased):
            return f"{field} ends with {_texts(texts)}{_cased(cased)}"
        case Contains(field, text, cased):
            return f"{field} contains {_texts((text,))}{_cased(cased)}"
        case Matches(field, pattern):
            return f"{field} matches /{_short(pattern.pattern)}/"
        case InNetworks(field):
            return f"{field} is an address of the networks"
        case Compares(field, comparison, limit):
            return f"{field} {_SIGNS[comparison]} {limit:g}"
        case Present(field):
            return f"{field} is there"
        case SameAs(field, other, where):
            return f"{field} {where or 'is'} the value of {other}"
        case OfTime(field, part, number):
            return f"the {part} of {field} is {number}"
        case Keyword(ask):
            return _asks(ask("any field"))
    return type(predicate).__name__


def _has(predicate: Predicate, view: View, place: int) -> str:
    values = []
    for field in predicate.fields:
        column = view.values(field)
        value = None if column is None else column[place]
        values.append("absent" if value is None else f'"{_short(as_text(value))}"')
    return " and ".join(values)


def _texts(texts: "tuple[str, ...] | list[str]") -> str:
    shown = ", ".join(f'"{_short(text)}"' for text in texts[:_SHOWN_TEXTS])
    more = len(texts) - _SHOWN_TEXTS
    return f"{shown} or one of {more} more" if more > 0 else shown if len(texts) == 1 else f"one of {shown}"


def _cased(cased: object) -> str:
    return " in this case" if cased else ""


def _short(text: str) -> str:
    text = text.replace("\n", "\\n").replace("\r", "\\r")
    return text if len(text) <= MAX_QUOTE_CHARS else f"{text[: MAX_QUOTE_CHARS - 1]}…"
