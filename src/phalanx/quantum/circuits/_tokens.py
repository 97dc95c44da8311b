"""OpenQASM's words, one at a time, each with where it begins."""

import re
from bisect import bisect_right
from typing import NamedTuple

from phalanx.core import LimitExceeded
from phalanx.quantum._errors import UnreadableCircuit
from phalanx.quantum._limits import MAX_SOURCE_BYTES

_SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_TOKEN = re.compile(
    r"""(?P<number>(?:\d[\d_]*\.[\d_]*|\.\d[\d_]*|\d[\d_]*)(?:[eE][+-]?\d+)?)
    |(?P<word>[A-Za-z_\u00a1-\uffff][A-Za-z0-9_\u00a1-\uffff]*)
    |(?P<text>"[^"\n]*"|'[^'\n]*')
    |(?P<sign>==|!=|<=|>=|&&|\|\||\*\*|->|\+\+|\+=|-=|\*=|/=|<<|>>|[-+*/%^&|!~<>=()\[\]{},;:.@\#$])""",
    re.VERBOSE,
)


class Token(NamedTuple):
    """``kind`` is number, word, text, sign or end."""

    kind: str
    text: str
    at: int


class Tokens:
    """The words of a source, read where somebody looks."""

    def __init__(self, source: str) -> None:
        if len(source) > MAX_SOURCE_BYTES:
            raise LimitExceeded("a program's text (bytes)", maximum=MAX_SOURCE_BYTES, seen=len(source))
        self.source = source
        self.at = 0
        self._breaks = [at for at, char in enumerate(source) if char == "\n"]
        self._next: Token | None = None
        self.skip_space()

    def skip_space(self) -> None:
        found = _SPACE.match(self.source, self.at)
        assert found is not None
        self.at = found.end()
        self._next = None

    def peek(self) -> Token:
        if self._next is None:
            self._next = self._read()
        return self._next

    def take(self) -> Token:
        token = self.peek()
        self.at = token.at + len(token.text)
        self.skip_space()
        return token

    def maybe(self, *texts: str) -> Token | None:
        """The next word, taken, if it is one of these."""
        token = self.peek()
        return self.take() if token.text in texts and token.kind != "text" else None

    def expect(self, text: str) -> Token:
        token = self.peek()
        if token.text != text:
            raise self.error(f"expected {text!r}, got {token.text[:40] or 'the end'!r}")
        return self.take()

    def word(self, what: str) -> Token:
        token = self.peek()
        if token.kind != "word":
            raise self.error(f"expected {what}, got {token.text[:40] or 'the end'!r}")
        return self.take()

    def _read(self) -> Token:
        if self.at >= len(self.source):
            return Token("end", "", self.at)
        found = _TOKEN.match(self.source, self.at)
        if found is None:
            raise self.error(f"no word begins with {self.source[self.at]!r}")
        assert found.lastgroup is not None
        return Token(found.lastgroup, found[0], self.at)

    def error(self, reason: str, at: int | None = None) -> UnreadableCircuit:
        """What to raise for the place ``at``, or for where the reader stands."""
        place = self.at if at is None else at
        before = bisect_right(self._breaks, place - 1)
        start = self._breaks[before - 1] + 1 if before else 0
        return UnreadableCircuit(reason, line=before + 1, column=place - start + 1)
