"""Indicators out of STIX objects: the values to look for, how long and how surely, and what could not be taken."""

from collections.abc import Sequence
from dataclasses import dataclass

from phalanx.core import PhalanxError, ns_from_iso
from phalanx.intel.sharing._errors import UnsupportedPattern
from phalanx.intel.sharing._objects import StixObject
from phalanx.intel.sharing._pattern import parse_pattern
from phalanx.intel.sharing._pattern_use import PatternValue, pattern_values
from phalanx.intel.sharing._tlp import MarkingBook
from phalanx.messaging import Marking

_FOREVER_NS = 0


@dataclass(frozen=True, slots=True)
class SharedIndicator:
    """One value to look for. ``until_ns`` is 0 where no end is given; ``confidence`` is of 0 to 1, 0.5 if unsaid."""

    kind: str
    value: str
    source: str
    name: str
    confidence: float
    from_ns: int
    until_ns: int
    labels: tuple[str, ...]
    marking: Marking = Marking.AMBER


@dataclass(frozen=True, slots=True)
class Taken:
    """What was made of indicators. ``revoked`` are ids whose values are to be forgotten; ``refused`` say why."""

    indicators: tuple[SharedIndicator, ...]
    revoked: tuple[str, ...]
    refused: tuple[tuple[str, str], ...]


def indicators_of(objects: Sequence[StixObject], *, unmarked: Marking = Marking.AMBER) -> Taken:
    """The indicators among ``objects``, as values. ``unmarked`` is what one without a marking is treated as."""
    book = MarkingBook(objects)
    made: list[SharedIndicator] = []
    revoked: list[str] = []
    refused: list[tuple[str, str]] = []
    for one in objects:
        if one.type != "indicator":
            continue
        if one.raw.get("revoked") is True:
            revoked.append(one.id)
            continue
        try:
            values = _values(one)
        except PhalanxError as error:
            refused.append((one.id, error.message))
        else:
            marking = book.marking_of(one, unmarked=unmarked)
            made += [_made(one, value, marking) for value in values]
    return Taken(tuple(made), tuple(revoked), tuple(refused))


def _values(one: StixObject) -> tuple[PatternValue, ...]:
    kind = one.raw["pattern_type"]
    if kind != "stix":
        raise UnsupportedPattern(f"pattern_type {kind}", "only patterns of STIX become values")
    return pattern_values(parse_pattern(one.raw["pattern"]))


def _made(one: StixObject, value: PatternValue, marking: Marking) -> SharedIndicator:
    raw = one.raw
    return SharedIndicator(
        kind=value.kind, value=value.value, source=one.id, name=str(raw.get("name", "")),
        confidence=raw.get("confidence", 50) / 100, from_ns=_time(raw["valid_from"]),
        until_ns=_time(raw["valid_until"]) if "valid_until" in raw else _FOREVER_NS,
        labels=tuple(dict.fromkeys([*raw.get("indicator_types", ()), *raw.get("labels", ())])), marking=marking,
    )  # fmt: skip


def _time(text: str) -> int:
    try:
        return ns_from_iso(text)
    except ValueError:
        # A leap second: the standard allows it, and it is the second before.
        return ns_from_iso(text.replace(":60", ":59"))
