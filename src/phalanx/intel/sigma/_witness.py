"""What must be in an event before a rule can hold for it: a few literals, one of which occurs in a field.

A rule's witness is found in its predicate: of a conjunction the part that is rarest, of a disjunction all parts
together. Whoever looks for the witnesses of all rules at once need ask no rule about an event that has none of its own.
A witness may be there though the rule does not hold, never the other way round.
"""

import math
import re
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, NamedTuple

from phalanx.intel._limits import MAX_WITNESS_ATOMS, MIN_WITNESS_CHARS
from phalanx.intel.sigma._predicates import (
    AllOf,
    AnyOf,
    Begins,
    Contains,
    Ends,
    Equals,
    Keyword,
    Matches,
    Predicate,
)
from phalanx.intel.sigma._regexes import required_literals, weight

ANY_FIELD: Final = ""


class Place(Enum):
    """Where in a value a literal stands."""

    WHOLE = "whole"
    START = "start"
    END = "end"
    INSIDE = "inside"


class Atom(NamedTuple):
    """A literal in lower case, and where it stands in the values of ``field``, taken in lower case."""

    field: str
    place: Place
    text: str


# Parts that are in so many values that they tell little.
_COMMON = re.compile(
    r"c:(?=\\)|\\windows|\\system32|\\syswow64|\\programdata|\\program files|\\users|\\appdata|\\local|\\temp"
    r"|\\microsoft|\\ntdll\.dll|\\kernelbase\.dll|\\kernel32\.dll|\\software|\\currentversion|\\currentcontrolset|\\services"
    r"|hklm|\.exe|\.dll|powershell|rundll32|svchost|cmd\b|explorer|nt authority|system|http|microsoft"
)
# Fields that have few values, however long.
_COARSE = frozenset(
    (
        "eventid",
        "channel",
        "provider_name",
        "logontype",
        "eventtype",
        "integritylevel",
        "initiated",
        "eventname",
        "type",
    )
)
_COARSE_WORTH = 3.0
# What a letter that is not ASCII is worth besides.
_STRANGE_WORTH = 6.0


def witness(predicate: Predicate) -> tuple[Atom, ...] | None:
    """Atoms one of which is there whenever ``predicate`` holds; None when no such few are known."""
    found = _of(predicate)
    return None if found is None or _worth(found) <= 0 else found


def _of(predicate: Predicate) -> tuple[Atom, ...] | None:
    if isinstance(predicate, AllOf):
        known = [found for part in predicate.parts if (found := _of(part)) is not None]
        return max(known, key=_worth) if known else None
    if isinstance(predicate, AnyOf):
        return _together(map(_of, predicate.parts))
    if isinstance(predicate, Keyword):
        asked = _of(predicate.ask(ANY_FIELD))
        # Values are looked at one after another, so where one begins and ends is not known.
        return None if asked is None else tuple(Atom(ANY_FIELD, Place.INSIDE, atom.text) for atom in asked)
    return _of_leaf(predicate)


def _together(parts: Iterable[tuple[Atom, ...] | None]) -> tuple[Atom, ...] | None:
    atoms: dict[Atom, None] = {}
    for part in parts:
        if part is None:
            return None
        atoms.update(dict.fromkeys(part))
        if len(atoms) > MAX_WITNESS_ATOMS:
            return None
    return tuple(atoms)


def _of_leaf(predicate: Predicate) -> tuple[Atom, ...] | None:
    match predicate:
        case Equals(field, texts, cased):
            return _atoms(field, Place.WHOLE, sorted(texts), cased=cased)
        case Begins(field, texts, cased):
            return _atoms(field, Place.START, texts, cased=cased)
        case Ends(field, texts, cased):
            return _atoms(field, Place.END, texts, cased=cased)
        case Contains(field, text, cased):
            return _atoms(field, Place.INSIDE, (text,), cased=cased)
        case Matches(field, pattern, cased):
            texts = required_literals(pattern)
            return None if not texts else _atoms(field, Place.INSIDE, texts, cased=cased)
    return None


def _atoms(field: str, place: Place, texts: Sequence[str], *, cased: bool) -> tuple[Atom, ...] | None:
    # What the matcher is written in ends a text at a zero.
    if len(texts) > MAX_WITNESS_ATOMS or any(not text or "\0" in text for text in texts):
        return None
    # Lower case of a part need not be the part of the lower case where letters are not ASCII.
    if cased and not all(text.isascii() for text in texts):
        return None
    return tuple(Atom(field, place, text.lower() if cased else text) for text in texts)


def _worth(atoms: Sequence[Atom]) -> float:
    """How rare one would expect the rarest certain sign to be; none at all is worth nothing."""
    return min(map(_rarity, atoms)) - math.log2(len(atoms)) / 4 if atoms else 0.0


def _rarity(atom: Atom) -> float:
    if atom.place is Place.WHOLE and atom.field.lower() in _COARSE:
        return _COARSE_WORTH
    common = len(atom.text) - len(_COMMON.sub("", atom.text))
    strange = sum(not letter.isascii() for letter in atom.text)
    rarity = (
        weight(atom.text)
        + _STRANGE_WORTH * strange
        - 0.8 * common
        + {Place.WHOLE: 4, Place.START: 1, Place.END: 1, Place.INSIDE: 0}[atom.place]
    )
    if atom.place is not Place.WHOLE and atom.text.isascii() and weight(atom.text) < MIN_WITNESS_CHARS:
        return 0.0
    return rarity / 2 if atom.field.lower() in _COARSE else rarity
