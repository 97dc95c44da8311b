"""Sigma's values and modifiers as predicates (Sigma specification 2.1, "Detection" and its appendix).

A value is text with the wildcards ``*`` (any run) and ``?`` (any one character); a backslash
before a wildcard or before another backslash takes away its meaning, and is itself otherwise.
"""

import base64
import ipaddress
import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from phalanx.intel._errors import InvalidRule, UnsupportedRule
from phalanx.intel._limits import MAX_WINDASHES
from phalanx.intel.sigma._predicates import (
    COMPARISONS,
    TIME_PARTS,
    Begins,
    Compares,
    Contains,
    Ends,
    Equals,
    Keyword,
    Matches,
    Not,
    OfTime,
    Predicate,
    Present,
    SameAs,
    all_of,
    any_of,
    in_networks,
)
from phalanx.intel.sigma._texts import as_text

_RUN: Final = object()
_ONE: Final = object()
Tokens = list[Any]
Join = Callable[[Sequence[Predicate]], Predicate]

_PLACES = ("contains", "startswith", "endswith")
_ENCODINGS = {"wide": "utf-16-le", "utf16le": "utf-16-le", "utf16be": "utf-16-be", "utf16": "utf-16"}
# What may be done to a text before it is looked for, in the order in which it is done.
_WRITINGS = (*_ENCODINGS, "windash", "base64", "base64offset")
_REGEX_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
_DASHES = ("-", "/", "\u2013", "\u2014", "\u2015")
_ESCAPABLE = ("*", "?", "\\")
_DASH = re.compile(r"\B[-/]\b")


class Item:
    """One line of a selection: a field with its modifiers, and the values it is compared with."""

    def __init__(self, rule: str, name: str, key: str | None, values: Any) -> None:
        self._rule = rule
        self._where = f"{name}.{key}" if key else name
        field, *modifiers = (key or "").split("|")
        self.field = field
        self._modifiers = modifiers
        self._values = values if isinstance(values, list) else [values]
        if not self._values:
            raise self._invalid("an empty list matches nothing")
        for value in self._values:
            if value is not None and not isinstance(value, str | int | float | bool):
                raise self._invalid(f"a value is text, a number, a boolean or null, not {type(value).__name__}")

    def predicate(self) -> Predicate:
        """Raises ``InvalidRule``, or ``UnsupportedRule`` naming the modifier."""
        modifiers = [name for name in self._modifiers if name not in ("all", "cased")]
        join: Join = all_of if "all" in self._modifiers else any_of
        cased = "cased" in self._modifiers
        if "neq" in modifiers:
            self._modifiers.remove("neq")
            return Not(self.predicate())
        if "fieldref" in modifiers:
            return join([self._reference(value, modifiers, cased=cased) for value in self._values])
        if not modifiers or modifiers[0] in (*_PLACES, *_WRITINGS):
            return self._text(modifiers, join=join, cased=cased)
        kind, flags = modifiers[0], modifiers[1:]
        if kind == "re":
            return join([self._regex(value, flags) for value in self._values])
        if kind not in (*COMPARISONS, "cidr", "exists", *TIME_PARTS):
            raise UnsupportedRule(self._rule, self._where, f"the modifier {kind!r}")
        if flags:
            raise UnsupportedRule(self._rule, self._where, f"the modifier {flags[0]!r} after {kind!r}")
        if not self.field:
            raise self._invalid(f"the modifier {kind!r} needs a field")
        if kind == "cidr":
            networks = [self._network(value) for value in self._values]
            return in_networks(self.field, networks)
        if kind in TIME_PARTS:
            return join([OfTime(self.field, kind, self._whole(value)) for value in self._values])
        if kind in COMPARISONS:
            return join([Compares(self.field, kind, self._number(value)) for value in self._values])
        return join([self._exists(value) for value in self._values])

    def _text(self, modifiers: Sequence[str], *, join: Join, cased: bool) -> Predicate:
        places = [name for name in modifiers if name in _PLACES]
        strange = [name for name in modifiers if name not in (*_PLACES, *_WRITINGS)]
        if strange or len(places) > 1:
            name = strange[0] if strange else places[1]
            raise UnsupportedRule(self._rule, self._where, f"the modifier {name!r} after {modifiers[0]!r}")
        # One of three base64 writings is somewhere inside; where, is what nobody knows who asks so.
        free = not self.field or "base64offset" in modifiers
        place = places[0] if places else ("contains" if free else "")
        writings = [name for name in modifiers if name in _WRITINGS]
        written = [self._written(value, writings) for value in self._values]
        if join is all_of:
            return all_of([self._any_text(texts, place, cased=cased) for texts in written])
        return self._any_text([text for texts in written for text in texts], place, cased=cased)

    def _written(self, value: Any, writings: Sequence[str]) -> Sequence[str | None]:
        """The ways in which a value may be written; None stands for null."""
        if value is None:
            return [None]
        text = as_text(value)
        if not writings:
            return [text]
        if writings == ["windash"]:
            return self._dashed(text)
        texts = self._dashed(text) if "windash" in writings else [text]
        return [way for one in texts for way in self._encoded(one, writings)]

    def _encoded(self, text: str, writings: Sequence[str]) -> Sequence[str]:
        """``text`` in another alphabet, as a pattern without wildcards."""
        tokens = _tokens(text)
        if len(tokens) != 1 or not isinstance(tokens[0], str):
            raise self._invalid(f"{writings[-1]} takes no wildcards")
        encodings = [_ENCODINGS[name] for name in writings if name in _ENCODINGS]
        if len(encodings) > 1:
            raise self._invalid(f"{writings[1]} after {writings[0]}: a text has one encoding")
        data = tokens[0].encode(encodings[0] if encodings else "utf-8")
        if "base64" in writings:
            return [base64.b64encode(data).decode()]
        if "base64offset" in writings:
            return base64_offsets(data)
        try:
            return [re.sub(r"([*?\\])", r"\\\1", data.decode("utf-8"))]
        except UnicodeDecodeError as error:
            raise self._invalid(f"{writings[0]} makes no text of it: {error}") from error

    def _reference(self, value: Any, modifiers: Sequence[str], *, cased: bool) -> Predicate:
        places = [name for name in modifiers if name in _PLACES]
        if not self.field or not isinstance(value, str) or len(places) + 1 != len(modifiers) or len(places) > 1:
            raise self._invalid("fieldref takes a field, the name of another, and at most one place")
        return SameAs(self.field, value, places[0] if places else "", cased)

    def _any_text(self, texts: Sequence[str | None], place: str, *, cased: bool) -> Predicate:
        """Some of ``texts``; those of one shape share a predicate."""
        parts: list[Predicate] = []
        shapes: dict[type, list[str]] = {Equals: [], Begins: [], Ends: []}
        for text in texts:
            if text is None:
                parts.append(Not(Present(self._named("null"))))
                continue
            shape, literal = _shape(_tokens(text if cased else text.lower()), place)
            if not self.field:
                parts.append(_keyword(shape, literal, cased=cased))
            elif shape in shapes:
                shapes[shape].append(literal)
            else:
                parts.append(_single(shape, self.field, literal, cased=cased))
        if shapes[Equals]:
            parts.append(Equals(self.field, frozenset(shapes[Equals]), cased))
        if shapes[Begins]:
            parts.append(Begins(self.field, tuple(shapes[Begins]), cased))
        if shapes[Ends]:
            parts.append(Ends(self.field, tuple(shapes[Ends]), cased))
        return any_of(sorted(parts, key=lambda part: part.cost))

    def _dashed(self, text: str) -> list[str]:
        """The text with each dash before a word written in every way that Windows programs take."""
        places = [match.start() for match in _DASH.finditer(text)]
        if len(places) > MAX_WINDASHES:
            raise self._invalid(f"windash takes at most {MAX_WINDASHES} dashes in one value")
        written = []
        for dashes in itertools.product(_DASHES, repeat=len(places)):
            letters = list(text)
            for place, dash in zip(places, dashes, strict=True):
                letters[place] = dash
            written.append("".join(letters))
        return written

    def _regex(self, value: Any, names: Sequence[str]) -> Predicate:
        flags = 0
        for name in names:
            if name not in _REGEX_FLAGS:
                raise UnsupportedRule(self._rule, self._where, f"the modifier {name!r} after 're'")
            flags |= _REGEX_FLAGS[name]
        try:
            pattern = re.compile(as_text(value), flags)
        except (re.error, RecursionError, OverflowError) as error:
            raise self._invalid(f"not a regular expression: {error}") from error
        if self.field:
            return Matches(self.field, pattern)
        return Keyword(lambda field: Matches(field, pattern))

    def _network(self, value: Any) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        try:
            return ipaddress.ip_network(as_text(value), strict=False)
        except ValueError as error:
            raise self._invalid(f"not a network: {error}") from error

    def _number(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._invalid("a comparison needs a number")
        if isinstance(value, float) and not math.isfinite(value):
            raise self._invalid(f"{value} is no number that a value could be compared with")
        return value

    def _whole(self, value: Any) -> int:
        number = self._number(value)
        if number != int(number):
            raise self._invalid(f"a part of a time is a whole number, not {value}")
        return int(number)

    def _exists(self, value: Any) -> Predicate:
        if not isinstance(value, bool):
            raise self._invalid("exists needs true or false")
        return Present(self.field) if value else Not(Present(self.field))

    def _named(self, what: str) -> str:
        if not self.field:
            raise self._invalid(f"{what} needs a field")
        return self.field

    def _invalid(self, reason: str) -> InvalidRule:
        return InvalidRule(self._rule, self._where, reason)


def base64_offsets(data: bytes) -> list[str]:
    """What all base64 texts have in common that hold ``data``, by where in a group of three bytes it begins."""
    found = []
    for offset in range(3):
        text = base64.b64encode(b" " * offset + data).decode()
        # Letters at either end that other bytes have a part in are left out.
        found.append(text[(0, 2, 3)[offset] : (None, -3, -2)[(len(data) + offset) % 3]])
    return found


def _tokens(text: str) -> Tokens:
    """Text as literals and wildcards, in order; neighbouring literals are one."""
    tokens: Tokens = []
    literal: list[str] = []
    letters = iter(text)
    for letter in letters:
        if letter == "\\":
            after = next(letters, "")
            literal.append(after if after in _ESCAPABLE else letter + after)
        elif letter in "*?":
            if literal:
                tokens.append("".join(literal))
                literal = []
            tokens.append(_RUN if letter == "*" else _ONE)
        else:
            literal.append(letter)
    if literal or not tokens:
        tokens.append("".join(literal))
    return tokens


def _shape(tokens: Tokens, place: str) -> tuple[type, str]:
    """The simplest predicate for a pattern, and its literal (for ``Matches``, the regular expression)."""
    if place in ("contains", "endswith"):
        tokens = [_RUN, *tokens]
    if place in ("contains", "startswith"):
        tokens = [*tokens, _RUN]
    tokens = [token for i, token in enumerate(tokens) if token is not _RUN or i == 0 or tokens[i - 1] is not _RUN]
    inner = [token for token in tokens if token is not _RUN]
    if inner in ([], [""]) and _RUN in tokens:
        return Present, ""
    starts_free, ends_free = tokens[0] is _RUN, tokens[-1] is _RUN
    middle = tokens[starts_free : len(tokens) - ends_free]
    if len(middle) == 1 and isinstance(middle[0], str):
        shapes = {(False, False): Equals, (False, True): Begins, (True, False): Ends, (True, True): Contains}
        return shapes[starts_free, ends_free], middle[0]
    parts = (".*" if token is _RUN else "." if token is _ONE else re.escape(token) for token in tokens)
    return Matches, rf"\A{''.join(parts)}\Z"


def _single(shape: type, field: str, literal: str, *, cased: bool) -> Predicate:
    if shape is Present:
        return Present(field)
    if shape is Contains:
        return Contains(field, literal, cased)
    if shape is Matches:
        return Matches(field, re.compile(literal, re.DOTALL), cased)
    if shape is Equals:
        return Equals(field, frozenset((literal,)), cased)
    return Begins(field, (literal,), cased) if shape is Begins else Ends(field, (literal,), cased)


def _keyword(shape: type, literal: str, *, cased: bool) -> Predicate:
    return Keyword(lambda field: _single(shape, field, literal, cased=cased))
