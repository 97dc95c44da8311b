"""STIX patterns (STIX 2.1, section 9): text in, a tree out. Raises ``InvalidPattern`` naming the place.

The whole grammar is read, so that a pattern that is wrong is told from one that cannot be used here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from phalanx.core import LimitExceeded
from phalanx.intel.sharing._errors import InvalidPattern
from phalanx.intel.sharing._limits import MAX_PATTERN_CHARS, MAX_PATTERN_DEPTH, MAX_PATTERN_TOKENS, MAX_PATTERN_VALUES

Literal = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """One test of one property. ``path`` are the steps below the type; an index of a list is an int, or ``*``."""

    type: str
    path: tuple[str | int, ...]
    operator: str
    values: tuple[Literal, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Combined:
    """``operator`` is AND, OR, or between observations FOLLOWEDBY."""

    operator: str
    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Observation:
    """What is in brackets: it holds for one observation."""

    test: "Node"


@dataclass(frozen=True, slots=True)
class Qualified:
    """An observation with REPEATS, WITHIN or START … STOP; ``numbers`` are its numbers or times."""

    part: "Node"
    qualifier: str
    numbers: tuple[str, ...]


Node = Comparison | Combined | Observation | Qualified

_TOKEN: Final = re.compile(
    r"""\s*(?:
    (?P<time>t'[^']{0,64}')
  | (?P<binary>[bh]'[^']*')
  | (?P<text>'(?:[^'\\]|\\.)*')
  | (?P<number>[+-]?(?:\d+\.\d*|\.\d+|\d+))
  | (?P<word>[A-Za-z_][A-Za-z0-9_-]*)
  | (?P<sign><=|>=|!=|==|<>|[=<>\[\]().,:*])
)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT: Final = re.compile(r"\s*(?://[^\n]*|/\*.*?\*/)", re.DOTALL)
_TESTS: Final = frozenset({"=", "==", "!=", "<>", "<", ">", "<=", ">="})
_WORD_TESTS: Final = frozenset({"IN", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"})
_RESERVED: Final = _WORD_TESTS | {
    "AND", "OR", "NOT", "FOLLOWEDBY", "EXISTS", "WITHIN", "REPEATS", "START", "STOP", "TIMES", "SECONDS",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def parse_pattern(text: str) -> Node:
    """The tree of a pattern. Raises ``InvalidPattern`` and ``LimitExceeded``."""
    if len(text) > MAX_PATTERN_CHARS:
        raise LimitExceeded("characters of a pattern", maximum=MAX_PATTERN_CHARS, seen=len(text))
    parser = _Parser(_tokens(text), len(text))
    tree = parser.observations(0)
    parser.end()
    return tree


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    place = 0
    while place < len(text):
        if comment := _COMMENT.match(text, place):
            place = comment.end()
            continue
        found = _TOKEN.match(text, place)
        if found is None:
            if not text[place:].strip():
                break
            place += len(text[place:]) - len(text[place:].lstrip())
            raise InvalidPattern(place, f"{text[place : place + 20]!r} cannot be read")
        kind = str(found.lastgroup)
        tokens.append(_Token(kind, found.group(kind), found.start(kind)))
        if len(tokens) > MAX_PATTERN_TOKENS:
            raise LimitExceeded("tokens of a pattern", maximum=MAX_PATTERN_TOKENS, seen=len(tokens))
        place = found.end()
    return tokens


class _Parser:
    """Recursive descent; each level of the grammar is one method."""

    def __init__(self, tokens: list[_Token], length: int) -> None:
        self._tokens = tokens
        self._length = length
        self._place = 0

    def observations(self, depth: int) -> Node:
        return self._combined(("FOLLOWEDBY", "OR", "AND"), self._qualified, depth)

    def end(self) -> None:
        if self._place < len(self._tokens):
            raise self._wrong("nothing is expected here")

    def _combined(self, operators: tuple[str, ...], part: Callable[[int], Node], depth: int) -> Node:
        """Parts joined by the operators, the loosest first."""
        if not operators:
            return part(depth)
        parts = [self._combined(operators[1:], part, depth)]
        while self._take(operators[0]):
            parts.append(self._combined(operators[1:], part, depth))
        return parts[0] if len(parts) == 1 else Combined(operators[0], tuple(parts))

    def _qualified(self, depth: int) -> Node:
        self._bound(depth)
        node: Node
        if self._take("["):
            node = Observation(self._combined(("OR", "AND"), self._test, depth + 1))
            self._need("]")
        elif self._take("("):
            node = self.observations(depth + 1)
            self._need(")")
        else:
            raise self._wrong("`[` or `(` is expected")
        while True:
            if self._take("REPEATS"):
                numbers = (self._number(),)
                self._need("TIMES")
                node = Qualified(node, "REPEATS", numbers)
            elif self._take("WITHIN"):
                numbers = (self._number(),)
                self._need("SECONDS")
                node = Qualified(node, "WITHIN", numbers)
            elif self._take("START"):
                start = self._time()
                self._need("STOP")
                node = Qualified(node, "START", (start, self._time()))
            else:
                return node

    def _test(self, depth: int) -> Node:
        self._bound(depth)
        if self._take("("):
            inner = self._combined(("OR", "AND"), self._test, depth + 1)
            self._need(")")
            return inner
        negated = self._take("NOT")
        if self._take("EXISTS"):
            kind, path = self._object_path()
            return Comparison(kind, path, "EXISTS", (), negated)
        kind, path = self._object_path()
        negated = self._take("NOT") or negated
        return self._comparison(kind, path, negated=negated)

    def _comparison(self, kind: str, path: tuple[str | int, ...], *, negated: bool) -> Comparison:
        token = self._next("a comparison")
        if token.text in _TESTS and token.kind == "sign":
            operator = {"==": "=", "<>": "!="}.get(token.text, token.text)
            return Comparison(kind, path, operator, (self._literal(),), negated)
        if token.kind != "word" or token.text not in _WORD_TESTS:
            self._place -= 1
            raise self._wrong("a comparison is expected")
        if token.text != "IN":
            value = self._literal()
            if not isinstance(value, str):
                raise self._wrong(f"{token.text} needs text")
            return Comparison(kind, path, token.text, (value,), negated)
        self._need("(")
        values: list[Literal] = []
        while not self._take(")"):
            if values:
                self._need(",")
            values.append(self._literal())
            if len(values) > MAX_PATTERN_VALUES:
                raise LimitExceeded("values of a pattern", maximum=MAX_PATTERN_VALUES, seen=len(values))
        return Comparison(kind, path, "IN", tuple(values), negated)

    def _object_path(self) -> tuple[str, tuple[str | int, ...]]:
        token = self._next("the type of an object")
        if token.kind != "word" or token.text in _RESERVED:
            self._place -= 1
            raise self._wrong("the type of an object is expected")
        self._need(":")
        path: list[str | int] = [self._step()]
        while True:
            if self._take("."):
                path.append(self._step())
            elif self._take("["):
                path.append(self._index())
                self._need("]")
            else:
                return token.text, tuple(path)

    def _step(self) -> str:
        token = self._next("the name of a property")
        if token.kind == "text":
            return _unquoted(token)
        if token.kind != "word":
            self._place -= 1
            raise self._wrong("the name of a property is expected")
        return token.text

    def _index(self) -> str | int:
        token = self._next("an index")
        if token.text == "*":
            return "*"
        if token.kind == "number" and token.text.isdecimal() and len(token.text) < 10:
            return int(token.text)
        self._place -= 1
        raise self._wrong("an index is a number or `*`")

    def _literal(self) -> Literal:
        token = self._next("a value")
        if token.kind == "text":
            return _unquoted(token)
        if token.kind in ("time", "binary"):
            return token.text[2:-1]
        if token.kind == "number":
            if len(token.text) > 64:
                raise self._wrong("a number is too long")
            return float(token.text) if "." in token.text else int(token.text)
        if token.text in ("true", "false"):
            return token.text == "true"
        self._place -= 1
        raise self._wrong("a value is expected")

    def _number(self) -> str:
        token = self._next("a number")
        if token.kind != "number" or token.text[0] == "-":
            self._place -= 1
            raise self._wrong("a number is expected")
        return token.text

    def _time(self) -> str:
        token = self._next("a time")
        if token.kind not in ("time", "text"):
            self._place -= 1
            raise self._wrong("a time like t'2026-01-01T00:00:00Z' is expected")
        return token.text[2:-1] if token.kind == "time" else _unquoted(token)

    def _next(self, what: str) -> _Token:
        if self._place >= len(self._tokens):
            raise InvalidPattern(self._length, f"{what} is expected")
        self._place += 1
        return self._tokens[self._place - 1]

    def _take(self, text: str) -> bool:
        if self._place < len(self._tokens):
            token = self._tokens[self._place]
            if token.text == text and token.kind in ("word", "sign"):
                self._place += 1
                return True
        return False

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise self._wrong(f"`{text}` is expected")

    def _bound(self, depth: int) -> None:
        if depth > MAX_PATTERN_DEPTH:
            raise LimitExceeded("depth of a pattern", maximum=MAX_PATTERN_DEPTH, seen=depth)

    def _wrong(self, reason: str) -> InvalidPattern:
        there = self._place < len(self._tokens)
        return InvalidPattern(self._tokens[self._place].position if there else self._length, reason)


def _unquoted(token: _Token) -> str:
    return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)
