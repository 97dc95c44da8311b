"""Patterns as automata over bytes, run over many values at once.

A wildcard or regular expression becomes a deterministic automaton, so a value takes time in proportion to its length,
whatever the pattern: there is nothing to backtrack. A pattern whose automaton would be too large is refused. Values are
asked in lower case. Not regular, and so refused: references back, looking around. ``.`` is any letter at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from phalanx.intel.archive._limits import CHECK_EVERY_BYTES, FEW_VALUES, MAX_NFA_STATES, MAX_STATES

_ASCII = frozenset(range(128))
_DIGITS = frozenset(b"0123456789")
_WORDS = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyz_")
_SPACES = frozenset(b" \t\n\r\f\v")
_LEADS = frozenset(range(0xC0, 0xFF))
_FOLLOWS = frozenset(range(0x80, 0xC0))
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_CLASSES = {"d": _DIGITS, "w": _WORDS, "s": _SPACES}
_MAX_REPEAT = 255

ANY, ANY_TEXT = "any", "any-text"


class BadPattern(Exception):
    """Why a pattern is not one, and at which of its letters (from 0)."""

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(reason)
        self.at = at
        self.reason = reason


@dataclass(slots=True)
class Nfa:
    """States with edges on sets of bytes, and edges that take nothing: always, at the start, or at the end."""

    edges: list[list[tuple[frozenset[int], int]]] = field(default_factory=list)
    free: list[list[int]] = field(default_factory=list)
    at_start: dict[int, list[int]] = field(default_factory=dict)
    at_end: dict[int, list[int]] = field(default_factory=dict)

    def state(self) -> int:
        if len(self.edges) >= MAX_NFA_STATES:
            raise BadPattern(0, "the pattern is too long")
        self.edges.append([])
        self.free.append([])
        return len(self.edges) - 1

    def text(self, start: int, text: str) -> int:
        """From ``start`` through ``text``; where it ends."""
        for byte in text.lower().encode("utf-8", "surrogatepass"):
            after = self.state()
            self.edges[start].append((frozenset((byte,)), after))
            start = after
        return start

    def letter(self, start: int, ascii_set: frozenset[int], *, beyond: bool) -> int:
        """One letter: an ASCII one of the set, or also any ``beyond`` ASCII."""
        after = self.state()
        self.edges[start].append((ascii_set, after))
        if beyond:
            many = self.state()
            self.edges[start].append((_LEADS, many))
            self.edges[many].append((_FOLLOWS, many))
            self.free[many].append(after)
        return after

    def anything(self, start: int) -> int:
        """Any number of any letters."""
        loop = self.state()
        self.free[start].append(loop)
        self.edges[loop].append((frozenset(range(0xFF)), loop))
        return loop


class Automaton:
    """Made by ``compiled``: asks values whether they match."""

    def __init__(self, classes: npt.NDArray[np.uint8], table: npt.NDArray[np.int32], accepts: npt.NDArray[np.bool_],
                 accepts_at_end: npt.NDArray[np.bool_]) -> None:  # fmt: skip
        self._classes = classes
        self._table = table
        self._accepts = accepts | accepts_at_end
        self._rows: list[list[int]] | None = None

    def matches(
        self, blob: bytes, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], check: Callable[[], None]
    ) -> npt.NDArray[np.bool_]:
        """Which of the values ``blob[start:end]`` match. ``check`` is called between stretches of work."""
        lengths = ends - starts
        order = np.argsort(-lengths, kind="stable")
        text = np.frombuffer(blob, np.uint8)
        begin, left = starts[order], lengths[order]
        states = np.zeros(len(order), np.int32)
        active, at = len(order), 0
        while True:
            while active and left[active - 1] <= at:
                active = int(np.searchsorted(-left[:active], -at, side="left"))
            if active <= FEW_VALUES:
                break
            states[:active] = self._table[states[:active], self._classes[text[begin[:active] + at]]]
            at += 1
            if at % 64 == 0:
                check()
        for number in range(active):
            end = int(begin[number] + left[number])
            for start in range(int(begin[number]) + at, end, CHECK_EVERY_BYTES):
                check()
                states[number] = self._walk(int(states[number]), blob, start, min(start + CHECK_EVERY_BYTES, end))
        found = np.zeros(len(order), bool)
        found[order] = self._accepts[states]
        return found

    def match(self, text: bytes) -> bool:
        """Whether one value matches."""
        return bool(self._accepts[self._walk(0, text, 0, len(text))])

    def _walk(self, state: int, text: bytes, start: int, end: int) -> int:
        if self._rows is None:
            self._rows = [[row[one] for one in self._classes.tolist()] for row in self._table.tolist()]
        for byte in text[start:end]:
            state = self._rows[state][byte]
        return state


def compiled(nfa: Nfa, start: int, final: int) -> Automaton:
    """The deterministic automaton of ``nfa``. Raises ``BadPattern`` when it has too many states."""
    symbols = {edge[0] for edges in nfa.edges for edge in edges}
    signature: dict[tuple[bool, ...], int] = {}
    ordered = list(symbols)
    classes = np.zeros(256, np.uint8)
    members: list[int] = []
    for byte in range(256):
        one = tuple(byte in symbol for symbol in ordered)
        if one not in signature:
            if len(signature) == 255:
                raise BadPattern(0, "the pattern has too many kinds of letters")
            signature[one] = len(signature)
            members.append(byte)
        classes[byte] = signature[one]
    first = _closure(nfa, [start], start=True)
    numbers = {first: 0}
    todo, table = [first], []
    while todo:
        states = todo.pop(0)
        row = []
        for byte in members:
            after = _closure(nfa, [to for one in states for symbol, to in nfa.edges[one] if byte in symbol])
            if after not in numbers:
                if len(numbers) >= MAX_STATES:
                    raise BadPattern(0, "the pattern is too complex: its automaton has too many states")
                numbers[after] = len(numbers)
                todo.append(after)
            row.append(numbers[after])
        table.append(row)
    accepts = np.array([final in states for states in numbers], bool)
    at_end = np.array([final in _closure(nfa, list(states), end=True) for states in numbers], bool)
    return Automaton(classes, np.array(table, np.int32), accepts, at_end)


def _closure(nfa: Nfa, states: Sequence[int], *, start: bool = False, end: bool = False) -> frozenset[int]:
    seen = set(states)
    todo = list(seen)
    while todo:
        one = todo.pop()
        onward = list(nfa.free[one])
        if start:
            onward += nfa.at_start.get(one, ())
        if end:
            onward += nfa.at_end.get(one, ())
        for after in onward:
            if after not in seen:
                seen.add(after)
                todo.append(after)
    return frozenset(seen)


def regex(pattern: str) -> Automaton:
    """Values in which ``pattern`` is found, whatever the case of letters. Raises ``BadPattern``."""
    reader = _Regex(pattern)
    start = reader.nfa.state()
    inside = reader.nfa.state()
    # What is before the match; only its first place is the start.
    reader.nfa.free[start].append(inside)
    before = reader.nfa.anything(start)
    reader.nfa.free[before].append(inside)
    # The start of the value is known where nothing was taken.
    reader.nfa.at_start = {}
    end = reader.whole(inside)
    final = reader.nfa.anything(end)
    return compiled(reader.nfa, start, final)


class _Regex:
    def __init__(self, pattern: str) -> None:
        self.nfa = Nfa()
        self._text = pattern
        self._at = 4 if pattern.startswith("(?i)") else 0
        self._depth = 0

    def whole(self, start: int) -> int:
        end = self._choice(start)
        if self._at < len(self._text):
            raise BadPattern(self._at, "a parenthesis is closed that was not opened")
        return end

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _choice(self, start: int) -> int:
        ends = [self._run(start)]
        while self._peek() == "|":
            self._at += 1
            ends.append(self._run(start))
        end = self.nfa.state()
        for one in ends:
            self.nfa.free[one].append(end)
        return end

    def _run(self, start: int) -> int:
        # A state of its own, so that a loop at the beginning is not entered by other choices.
        own = self.nfa.state()
        self.nfa.free[start].append(own)
        while self._peek() not in ("", "|", ")"):
            own = self._repeated(own)
        return own

    def _repeated(self, start: int) -> int:
        begin = self._at
        end = self._atom(start)
        after = self._at
        low, high = self._times()
        if (low, high) == (1, 1):
            return end
        if low == 1 and high is None:
            return self._looped(start, end)
        # What was read is read again, once for each time.
        done = self._at
        at = start if low else self._fresh(start)
        states = [at]
        for count in range(max(low, high or 0, 1)):
            self._at = begin
            at = self._atom(self._fresh(at))
            states.append(at)
            assert self._at == after, count
        self._at = done
        if high is None:
            return self._looped(states[-2], at) if low else self._optional(states[0], self._looped(states[0], at))
        out = self.nfa.state()
        for one in states[low:]:
            self.nfa.free[one].append(out)
        return out

    def _fresh(self, state: int) -> int:
        made = self.nfa.state()
        self.nfa.free[state].append(made)
        return made

    def _looped(self, start: int, end: int) -> int:
        out = self.nfa.state()
        self.nfa.free[end] += [start, out]
        return out

    def _optional(self, start: int, end: int) -> int:
        self.nfa.free[start].append(end)
        return end

    def _times(self) -> tuple[int, int | None]:
        sign = self._peek()
        bounds: tuple[int, int | None]
        if sign and sign in "*+?":
            self._at += 1
            bounds = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        elif sign == "{" and (close := self._text.find("}", self._at)) > 0:
            inside = self._text[self._at + 1 : close]
            low, comma, high = inside.partition(",")
            if not low.isdigit() or (high and not high.isdigit()):
                return 1, 1
            bounds = (int(low), (int(high) if high else None) if comma else int(low))
            if (
                bounds[0] > _MAX_REPEAT
                or (bounds[1] or 0) > _MAX_REPEAT
                or (bounds[1] is not None and bounds[1] < bounds[0])
            ):
                raise BadPattern(self._at, f"a repetition is of at most {_MAX_REPEAT} times")
            self._at = close + 1
        else:
            return 1, 1
        if self._peek() == "?":
            # Lazy or not, the same values match.
            self._at += 1
        if self._peek() and self._peek() in "*+":
            raise BadPattern(self._at, "two repetitions stand after one another")
        return bounds

    def _atom(self, start: int) -> int:
        letter = self._peek()
        at = self._at
        self._at += 1
        match letter:
            case "(":
                return self._group(start)
            case ".":
                return self.nfa.letter(start, _ASCII, beyond=True)
            case "[":
                return self._set(start)
            case "\\":
                return self._escape(start)
            case "^":
                end = self.nfa.state()
                self.nfa.at_start.setdefault(start, []).append(end)
                return end
            case "$":
                end = self.nfa.state()
                self.nfa.at_end.setdefault(start, []).append(end)
                return end
            case "*" | "+" | "?":
                raise BadPattern(at, "there is nothing to repeat")
        return self.nfa.text(start, letter)

    def _group(self, start: int) -> int:
        at = self._at - 1
        if self._peek() == "?":
            if self._text[self._at : self._at + 2] != "?:":
                raise BadPattern(at, "of groups with ? only (?:…) is known")
            self._at += 2
        self._depth += 1
        if self._depth > 32:
            raise BadPattern(at, "it is nested too deeply")
        end = self._choice(start)
        self._depth -= 1
        if self._peek() != ")":
            raise BadPattern(at, "this parenthesis is not closed")
        self._at += 1
        return end

    def _escape(self, start: int) -> int:
        letter = self._peek()
        if not letter:
            raise BadPattern(self._at - 1, "nothing follows the backslash")
        self._at += 1
        if letter.lower() in _CLASSES:
            members = _CLASSES[letter.lower()]
            negated = letter.isupper()
            return self.nfa.letter(start, _ASCII - members if negated else members, beyond=negated)
        if letter in _ESCAPES:
            return self.nfa.text(start, _ESCAPES[letter])
        if letter.isalnum():
            raise BadPattern(self._at - 2, f"\\{letter} is not known")
        return self.nfa.text(start, letter)

    def _set(self, start: int) -> int:
        at = self._at - 1
        negated = self._peek() == "^"
        self._at += negated
        members: set[int] = set()
        first = True
        while self._peek() != "]" or first:
            if not self._peek():
                raise BadPattern(at, "this bracket is not closed")
            first = False
            low = self._member(members)
            if low is not None and self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                high = self._member(set())
                if high is None or high < low:
                    raise BadPattern(self._at, "this is no range")
                members |= {ord(chr(one).lower()) for one in range(low, high + 1)}
        self._at += 1
        return self.nfa.letter(start, _ASCII - members if negated else frozenset(members), beyond=negated)

    def _member(self, members: set[int]) -> int | None:
        letter = self._peek()
        self._at += 1
        if letter == "\\":
            letter = self._peek()
            self._at += 1
            if letter in _CLASSES:
                members |= _CLASSES[letter]
                return None
            letter = _ESCAPES.get(letter, letter)
        if len(letter) != 1 or ord(letter) > 127:
            raise BadPattern(self._at - 1, "in brackets only ASCII letters are known")
        members.add(ord(letter.lower()))
        return ord(letter)
