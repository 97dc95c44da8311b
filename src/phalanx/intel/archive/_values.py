"""The different values of a column as one text, and which of them pass a test."""

import ipaddress
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from phalanx.intel.archive._automaton import Automaton
from phalanx.intel.archive._columns import STR, Key, key_of, kind_of, text_of
from phalanx.intel.archive._filters import IS_WORD, hashes_of_literal
from phalanx.intel.archive._limits import CHECK_EVERY_VALUES
from phalanx.intel.archive._query import Sign
from phalanx.intel.sigma._texts import as_number

Flags = npt.NDArray[np.bool_]
Check = Callable[[], None]
SEPARATOR_BYTE = b"\xff"


class Values:
    """``blob`` has every value between separators; ``kinds`` says of which type each was, all texts when empty."""

    def __init__(self, blob: bytes, kinds: bytes = b"") -> None:
        self.blob = blob
        self.kinds = kinds

    @classmethod
    def of(cls, keys: Sequence[Key]) -> "Values":
        """Of the keys of a column."""
        plain = set(map(type, keys)) <= {str}
        texts: Sequence[str] = keys if plain else list(map(text_of, keys))  # type: ignore[assignment]
        kinds = b"" if plain else bytes(map(kind_of, keys))
        try:
            joined = SEPARATOR_BYTE.join(map(str.encode, texts))
        except UnicodeEncodeError:
            joined = SEPARATOR_BYTE.join([text.encode("utf-8", "surrogatepass") for text in texts])
        return cls(SEPARATOR_BYTE + joined + SEPARATOR_BYTE, kinds)

    @property
    def size(self) -> int:
        """What it takes in memory, about."""
        return 3 * len(self.blob) + 16 * len(self)

    def __len__(self) -> int:
        return len(self._edges) - 1

    @cached_property
    def _beyond(self) -> npt.NDArray[np.int64]:
        """Where bytes are that are no ASCII letter: separators, and mostly nothing else."""
        return np.flatnonzero(np.frombuffer(self.blob, np.uint8) >= 0x80).astype(np.int64, copy=False)

    @cached_property
    def _edges(self) -> npt.NDArray[np.int64]:
        beyond = self._beyond
        edges = beyond[np.frombuffer(self.blob, np.uint8)[beyond] == 0xFF]
        return beyond if len(edges) == len(beyond) else edges

    @cached_property
    def _is_ascii(self) -> bool:
        return len(self._beyond) == len(self._edges)

    @cached_property
    def lowered(self) -> bytes:
        """The same in lower case."""
        if self._is_ascii:
            return self.blob.lower()
        # Few values have letters beyond ASCII: those are made anew one by one, and put in place of what they were.
        edges, plain = self._edges, self.blob.lower()
        beyond = self._beyond[np.frombuffer(self.blob, np.uint8)[self._beyond] != 0xFF]
        parts, done = [], 0
        for number in np.unique(np.searchsorted(edges, beyond) - 1).tolist():
            start, end = int(edges[number]) + 1, int(edges[number + 1])
            parts += [plain[done:start], lower(self.blob[start:end].decode("utf-8", "surrogatepass"))]
            done = end
        return b"".join((*parts, plain[done:]))

    @cached_property
    def lowered_edges(self) -> npt.NDArray[np.int64]:
        """Where separators are in ``lowered``."""
        if self._is_ascii:
            return self._edges
        return np.flatnonzero(np.frombuffer(self.lowered, np.uint8) == 0xFF).astype(np.int64)

    def key(self, code: int) -> Key:
        """The value of a code, which counts from 1."""
        text = self.blob[self._edges[code - 1] + 1 : self._edges[code]].decode("utf-8", "surrogatepass")
        return key_of(self.kinds[code - 1] if self.kinds else STR, text)

    def text(self, code: int) -> str:
        return text_of(self.key(code))

    def keys(self) -> list[Key]:
        """All of them, in order."""
        texts = [text.decode("utf-8", "surrogatepass") for text in self.blob[1:-1].split(SEPARATOR_BYTE)]
        if not self.kinds:
            return list(texts)
        return [key_of(kind, text) for kind, text in zip(self.kinds, texts, strict=True)]


def lower(text: str) -> bytes:
    """How texts are compared."""
    return text.lower().encode("utf-8", "surrogatepass")


def places_of(haystack: bytes, needle: bytes) -> list[int]:
    places, at = [], haystack.find(needle)
    while at >= 0:
        places.append(at)
        at = haystack.find(needle, at + 1)
    return places


class Test(ABC):
    """Says which values pass: a flag for each, or None for none of them."""

    def needs(self) -> list[list[int]]:
        """Hashes of which one group is wholly in the filter of a column that has such a value; none: unknown."""
        return []

    @abstractmethod
    def flags(self, values: Values, check: Check) -> Flags | None:
        """A flag for each value; ``check`` is called now and then, and raises when nobody waits any more."""


@dataclass(frozen=True, slots=True)
class AnyValue(Test):
    """Every value there is."""

    def flags(self, values: Values, check: Check) -> Flags | None:  # noqa: ARG002 - a test's signature
        return np.ones(len(values), bool)


@dataclass(frozen=True, slots=True)
class Equal(Test):
    """The value is one of ``texts``, which are in lower case."""

    texts: tuple[bytes, ...]

    def needs(self) -> list[list[int]]:
        return [hashes_of_literal(text, starts=True, ends=True) for text in self.texts]

    def flags(self, values: Values, check: Check) -> Flags | None:
        flags = None
        for text in self.texts:
            places = places_of(values.lowered, SEPARATOR_BYTE + text + SEPARATOR_BYTE)
            if places:
                flags = np.zeros(len(values), bool) if flags is None else flags
                flags[np.searchsorted(values.lowered_edges, places)] = True
        check()
        return flags


@dataclass(frozen=True, slots=True)
class Words(Test):
    """``text`` is in the value, and no word goes on beyond its edges; beyond one that is ``open`` it may."""

    text: bytes
    open_start: bool = False
    open_end: bool = False

    def needs(self) -> list[list[int]]:
        return [hashes_of_literal(self.text, starts=not self.open_start, ends=not self.open_end)]

    def flags(self, values: Values, check: Check) -> Flags | None:
        haystack = values.lowered
        places = np.array(places_of(haystack, self.text), np.int64)
        check()
        if not len(places):
            return None
        text = np.frombuffer(haystack, np.uint8)
        if self.text and IS_WORD[self.text[0]] and not self.open_start:
            places = places[~IS_WORD[text[places - 1]]]
        if self.text and IS_WORD[self.text[-1]] and not self.open_end:
            places = places[~IS_WORD[text[places + len(self.text)]]]
        if not len(places):
            return None
        flags = np.zeros(len(values), bool)
        flags[np.searchsorted(values.lowered_edges, places, side="right") - 1] = True
        return flags


@dataclass(frozen=True, slots=True)
class Like(Test):
    """The value matches an automaton; all that do have ``literal`` in them, unless it is empty."""

    automaton: Automaton
    literal: bytes

    def needs(self) -> list[list[int]]:
        return [hashes_of_literal(self.literal, starts=False, ends=False)] if len(self.literal) > 2 else []

    def flags(self, values: Values, check: Check) -> Flags | None:
        edges = values.lowered_edges
        if self.literal:
            places = places_of(values.lowered, self.literal)
            check()
            if not places:
                return None
            at = np.unique(np.searchsorted(edges, places, side="right") - 1)
        else:
            at = np.arange(len(values))
        found = at[self.automaton.matches(values.lowered, edges[at] + 1, edges[at + 1], check)]
        if not len(found):
            return None
        flags = np.zeros(len(values), bool)
        flags[found] = True
        return flags


class _OneByOne(Test):
    @abstractmethod
    def _holds(self, text: str) -> bool:
        """Whether one value passes."""

    def flags(self, values: Values, check: Check) -> Flags | None:
        flags = np.zeros(len(values), bool)
        for number, text in enumerate(values.blob[1:-1].split(SEPARATOR_BYTE)):
            if number % CHECK_EVERY_VALUES == 0:
                check()
            flags[number] = self._holds(text.decode("utf-8", "surrogatepass"))
        return flags if flags.any() else None


@dataclass(frozen=True, slots=True)
class Number(_OneByOne):
    """The value is a number that compares so."""

    sign: Sign
    number: float

    def _holds(self, text: str) -> bool:
        value = as_number(text)
        if value is None:
            return False
        match self.sign:
            case Sign.LESS:
                return value < self.number
            case Sign.AT_MOST:
                return value <= self.number
            case Sign.MORE:
                return value > self.number
        return value >= self.number


@dataclass(frozen=True, slots=True)
class InNetwork(_OneByOne):
    """The value is an address of a network."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network

    def _holds(self, text: str) -> bool:
        # Most texts are no addresses, which is seen without trying.
        if len(text) > 45 or not text[:1] or text[0] not in "0123456789abcdefABCDEF:":
            return False
        try:
            return ipaddress.ip_address(text) in self.network
        except ValueError:
            return False
