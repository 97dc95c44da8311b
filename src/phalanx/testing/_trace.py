"""Everything that happened in a world, in order and comparable.

Two runs of one seed must give equal traces; that is the whole test of determinism. What a
person reads are the entries (sends, deliveries, disk operations, crashes, notes). The picks
of the scheduler are too many to keep, so they are folded into a number that counts towards
equality and the digest.
"""

import hashlib
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import NamedTuple

from phalanx.testing._limits import MAX_TRACE_ENTRIES

_FOLD_PRIME = 1_099_511_628_211
_FOLD_MASK = (1 << 64) - 1


class TraceEntry(NamedTuple):
    """One thing that happened: when (since the world began), where, what, and its details."""

    at_ns: int
    where: str
    what: str
    detail: tuple[str | float, ...]

    def __str__(self) -> str:
        return f"{self.at_ns / 1e9:.9f} {self.where} {self.what} {' '.join(map(str, self.detail))}".rstrip()


class Trace:
    """A growing list of entries. Compare with ``==``, name a run by ``digest()``."""

    def __init__(self, now_ns: Callable[[], int], *, keep: int = MAX_TRACE_ENTRIES) -> None:
        self._now_ns = now_ns
        self._keep = keep
        self._entries: list[TraceEntry] = []
        self._hash = hashlib.sha256()
        self._forgotten = 0
        self._picks = 0

    def note(self, where: str, what: str, *detail: str | float) -> None:
        self._entries.append(TraceEntry(self._now_ns(), where, what, detail))
        if len(self._entries) >= 2 * self._keep:
            self._forget(self._keep)

    def fold_pick(self, serial: int) -> None:
        """Count one choice of the scheduler towards the digest."""
        self._picks = (self._picks * _FOLD_PRIME + serial + 1) & _FOLD_MASK

    def _forget(self, n: int) -> None:
        for entry in self._entries[:n]:
            self._hash.update(repr(entry).encode())
        del self._entries[:n]
        self._forgotten += n

    def digest(self) -> str:
        """SHA-256 over everything that ever happened, forgotten entries included."""
        whole = self._hash.copy()
        for entry in self._entries:
            whole.update(repr(entry).encode())
        whole.update(self._picks.to_bytes(8))
        return whole.hexdigest()

    def of(self, *, where: str | None = None, what: str | None = None) -> list[TraceEntry]:
        """The kept entries of one place or kind."""
        return [e for e in self._entries if where in (None, e.where) and what in (None, e.what)]

    def first_difference(self, other: "Trace") -> tuple[TraceEntry | None, TraceEntry | None] | None:
        """The first entries that differ, to start looking from; None if all kept ones are equal."""
        pairs = zip_longest(self, other)
        return next((pair for pair in pairs if pair[0] != pair[1]), None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Trace) and self.digest() == other.digest()

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __iter__(self) -> Iterator[TraceEntry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __str__(self) -> str:
        return "\n".join(map(str, self._entries))
