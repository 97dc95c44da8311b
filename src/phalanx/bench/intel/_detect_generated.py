"""Events made from a rule's condition: one that it should be about, and near misses of that one.

A value is put together for each field from what the condition asks of it. Whether the event is what it should be is not
decided here: two engines are asked, and they have to agree on it and on every near miss.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any

from phalanx.bench.intel._detect_loads import ACCEPTED_NS, BATCH
from phalanx.core import DEFAULT_TENANT, EventBatch, LogSource, Value
from phalanx.intel import Rule
from phalanx.intel.sigma import (
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

_ADDRESSES = (
    "10.0.0.1", "127.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.0.1", "8.8.8.8", "203.0.113.7", "::1", "fe80::1",
    "fd00::1", "2001:db8::1", "224.0.0.1", "100.64.0.1", "1.1.1.1",
)  # fmt: skip
_KEYWORDS = "message"
_PERIOD = {"gt": 1.0, "gte": 0.0, "lt": -1.0, "lte": 0.0}


@dataclass(slots=True)
class _Text:
    """What is asked of one field so far."""

    start: str = ""
    inside: list[str] = field(default_factory=list)
    end: str = ""
    whole: Value = None

    def value(self) -> Value:
        if self.whole is not None:
            return self.whole
        parts = [part for part in self.inside if part not in self.start and part not in self.end]
        return self.start + " ".join(parts) + self.end


def matching(rule: Rule) -> dict[str, Value]:
    """An event that ``rule`` should be about, as far as its parts do not contradict each other."""
    wanted: dict[str, _Text] = {}
    _satisfy(rule.predicate, wanted)
    event = {name: text.value() for name, text in wanted.items()}
    return event or {"anything": "else"}


def near_misses(event: dict[str, Value], fields: Sequence[str], *, at: int) -> list[dict[str, Value]]:
    """Events that differ from ``event`` in one field: a letter more or less or another, or the field not there."""
    made = []
    names = [name for name in fields if name in event] or list(event)
    for name in names[:4]:
        text = str(event[name])
        place = at % max(1, len(text))
        others = (text[:place] + text[place + 1 :], text[:place] + "\u00a4" + text[place + 1 :], text + "~")
        made += [{**event, name: other} for other in others]
        made.append({key: value for key, value in event.items() if key != name} or {"anything": "else"})
    return made


def batch_of(events: Sequence[dict[str, Value]], log_source: LogSource) -> EventBatch:
    """Events as a batch of a log source."""
    n = len(events)
    names = dict.fromkeys(name for event in events for name in event)
    columns = {name: [event.get(name) for event in events] for name in names}
    times, raw = [ACCEPTED_NS] * n, [b""] * n
    return EventBatch(DEFAULT_TENANT, BATCH, log_source, "generated", ACCEPTED_NS, range(n), times, raw, columns)


def _satisfy(predicate: Predicate, wanted: dict[str, _Text]) -> None:  # noqa: C901 - one branch per shape
    match predicate:
        case AllOf(parts):
            for part in parts:
                _satisfy(part, wanted)
        case AnyOf(parts):
            # Absence is easily had, and proves little.
            _satisfy(next((part for part in parts if not isinstance(part, Not)), parts[0]), wanted)
        case Keyword(ask):
            _satisfy(ask(_KEYWORDS), wanted)
        case Equals(name, texts):
            _of(wanted, name).whole = min(texts, key=lambda text: (not text, len(text)))
        case Begins(name, texts):
            _of(wanted, name).start = texts[0]
        case Ends(name, texts):
            _of(wanted, name).end = texts[0]
        case Contains(name, text):
            _of(wanted, name).inside.append(text)
        case Matches(name, pattern):
            _of(wanted, name).inside.append(_example(pattern))
        case InNetworks(name, inside):
            _of(wanted, name).whole = next((address for address in _ADDRESSES if inside(address)), _ADDRESSES[0])
        case Compares(name, comparison, limit):
            number = limit + _PERIOD[comparison]
            _of(wanted, name).whole = int(number) if number == int(number) else number
        case Present(name):
            _of(wanted, name).inside.append("something")
        case SameAs(name, other):
            _of(wanted, name).whole = _of(wanted, other).whole = "the same"
        case OfTime(name, part, number):
            _of(wanted, name).whole = f"{number:04}-01-01T00:00:00" if part == "year" else "2026-01-05T00:00:00"
        case Not(part):
            _dissatisfy(part, wanted)


def _dissatisfy(predicate: Predicate, wanted: dict[str, _Text]) -> None:
    """Make a value that does not hold where absence would: mostly a field that is not there does not."""
    if isinstance(predicate, Not):
        _satisfy(predicate.part, wanted)
    elif isinstance(predicate, AnyOf):
        for part in predicate.parts:
            _dissatisfy(part, wanted)
    elif isinstance(predicate, AllOf):
        nots = [part for part in predicate.parts if isinstance(part, Not)]
        if nots and len(nots) == len(predicate.parts):
            _satisfy(nots[0].part, wanted)


def _of(wanted: dict[str, _Text], name: str) -> _Text:
    return wanted.setdefault(name, _Text())


def _example(pattern: re.Pattern[str]) -> str:
    """A text that ``pattern`` is found in, as far as its shapes are known here."""
    return "".join(_written(token) for token in sre_parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))


def _written(token: tuple[Any, Any]) -> str:
    kind, argument = token
    if kind is sre.LITERAL:
        return chr(argument)
    if kind is sre.NOT_LITERAL:
        return "b" if argument == ord("a") else "a"
    if kind is sre.ANY:
        return "x"
    if kind is sre.IN:
        return _one_of(argument)
    if kind is sre.SUBPATTERN:
        return "".join(map(_written, argument[3]))
    if kind is sre.BRANCH:
        return "".join(map(_written, argument[1][0]))
    if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        return "".join(map(_written, argument[2])) * max(int(argument[0]), min(1, int(argument[1])))
    return ""


_CLASSES = {sre.CATEGORY_DIGIT: "0", sre.CATEGORY_WORD: "w", sre.CATEGORY_SPACE: " ", sre.CATEGORY_NOT_SPACE: "x"}


def _one_of(items: Sequence[tuple[Any, Any]]) -> str:
    if items[0][0] is sre.NEGATE:
        letters = [letter for letter in "xW0 -.\\~" if not any(_holds(item, letter) for item in items[1:])]
        return letters[0] if letters else ""
    kind, argument = items[0]
    if kind is sre.LITERAL:
        return chr(argument)
    if kind is sre.RANGE:
        return chr(argument[0])
    return _CLASSES.get(argument, "-")


def _holds(item: tuple[Any, Any], letter: str) -> bool:
    kind, argument = item
    if kind is sre.LITERAL:
        return bool(ord(letter) == argument)
    if kind is sre.RANGE:
        return bool(argument[0] <= ord(letter) <= argument[1])
    if argument is sre.CATEGORY_WORD:
        return letter.isalnum() or letter == "_"
    if argument is sre.CATEGORY_DIGIT:
        return letter.isdigit()
    return letter.isspace() if argument is sre.CATEGORY_SPACE else True
