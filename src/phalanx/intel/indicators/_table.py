"""A table of digests: built once, never changed, the same bytes in memory, in a file and on a GPU.

Layout of a file: the header below, then four arrays, each from a multiple of 64 bytes on: ``words`` (the filter),
``starts`` (buckets), ``high``, ``low`` and ``notes``, all little-endian. A value takes 20 bytes, and 2 for filter and
buckets. There is nothing in it but digests under a secret key, and the numbers of notes.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from phalanx.core import LimitExceeded, StorageCorrupt
from phalanx.intel.indicators._limits import BUCKET_VALUES, FILTER_BITS_PER_VALUE, MAX_TABLE_VALUES

Words = NDArray[np.uint64]
Narrow = NDArray[np.uint32]

# Instead of the number of a note: what came before of this value does not count any more.
REMOVED: Final = (1 << 32) - 1
_MAGIC: Final = b"PHXIND1\n"
_ALIGN: Final = 64


@dataclass(frozen=True, slots=True)
class Digests:
    """128 bits for each value, in two words."""

    high: Words
    low: Words

    def __len__(self) -> int:
        return len(self.high)


class Arithmetic:
    """How it is calculated: with compiled kernels, or in NumPy for as long as those are not there."""

    def __init__(self, *, compiled: bool) -> None:
        self.compiled = compiled

    @property
    def forms(self) -> Any:
        """The module with the functions."""
        if self.compiled:
            from phalanx.intel.indicators import _kernels

            return _kernels
        from phalanx.intel.indicators import _plain

        return _plain

    def digests(self, messages: Sequence[bytes], key: bytes) -> Digests:
        """Of each message under ``key``, 16 bytes."""
        data = np.frombuffer(b"".join(messages), np.uint8)
        ends = np.cumsum(np.fromiter(map(len, messages), np.int64, len(messages)))
        starts = ends - np.fromiter(map(len, messages), np.int64, len(messages))
        return self.digests_at(data, starts, ends, key)

    def digests_at(
        self, data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], key: bytes
    ) -> Digests:
        """Of ``data[starts[i]:ends[i]]``."""
        high, low = np.empty(len(starts), np.uint64), np.empty(len(starts), np.uint64)
        self.forms.digest_all(data, starts, ends, np.frombuffer(key, "<u8").astype(np.uint64), high, low)
        return Digests(high, low)


@dataclass(frozen=True, slots=True)
class IndicatorTable:
    """Digests in order, each with the number of its note; entries of one digest in the order in which they came."""

    words: Words
    starts: Narrow
    high: Words
    low: Words
    notes: Narrow

    def __len__(self) -> int:
        return len(self.high)

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        return self.words, self.starts, self.high, self.low, self.notes

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.arrays)

    def find(self, asked: Digests, arithmetic: Arithmetic) -> NDArray[np.int64]:
        """Where each stands first, -1 where it does not."""
        places = np.empty(len(asked), np.int64)
        arithmetic.forms.find_all(
            self.words, self.starts, self.high, self.low, np.ascontiguousarray(asked.high),
            np.ascontiguousarray(asked.low), places,
        )  # fmt: skip
        return places

    def run(self, place: int) -> list[int]:
        """Notes of the digest that stands first at ``place``, from the oldest on."""
        end = place + 1
        while end < len(self) and self.high[end] == self.high[place] and self.low[end] == self.low[place]:
            end += 1
        return [int(note) for note in self.notes[place:end]]


def build_table(digests: Digests, notes: Narrow, arithmetic: Arithmetic) -> IndicatorTable:
    """A table of all of them; the later of two stands behind the earlier. Raises ``LimitExceeded``."""
    n = len(digests)
    if n > MAX_TABLE_VALUES:
        raise LimitExceeded("values of a table", maximum=MAX_TABLE_VALUES, seen=n)
    words = np.zeros(n * FILTER_BITS_PER_VALUE // 64 + 1, np.uint64)
    starts = np.zeros(n // BUCKET_VALUES + 2, np.uint32)
    high, low, ordered = np.empty(n, np.uint64), np.empty(n, np.uint64), np.empty(n, np.uint32)
    arithmetic.forms.sort_into(digests.high, digests.low, notes, starts, high, low, ordered)
    arithmetic.forms.fill_filter(words, low)
    return IndicatorTable(words, starts, high, low, ordered)


def merge_tables(
    tables: Sequence[IndicatorTable], holds: NDArray[np.bool_], source_of: Narrow, arithmetic: Arithmetic, *,
    oldest: bool,
) -> IndicatorTable:  # fmt: skip
    """One table of several, from the oldest on, without what does not count any more.

    ``holds[note]`` says whether a note still holds, ``source_of[note]`` whose it is: of one value and one source the
    latest counts, also where it holds no more. With ``oldest`` there is nothing before these tables that a removal, or
    what is over, could be about.
    """
    high = np.concatenate([table.high for table in tables])
    low = np.concatenate([table.low for table in tables])
    notes = np.concatenate([table.notes for table in tables])
    joined = build_table(Digests(high, low), notes, arithmetic)
    drop = _superseded(joined, source_of, oldest=oldest)
    if oldest:
        said = np.flatnonzero(joined.notes != REMOVED)
        drop[said] |= ~holds[joined.notes[said]]
    if not drop.any():
        return joined
    return build_table(Digests(joined.high[~drop], joined.low[~drop]), joined.notes[~drop], arithmetic)


def _superseded(table: IndicatorTable, source_of: Narrow, *, oldest: bool) -> NDArray[np.bool_]:
    """Which entries do not count: those before a removal, and all but the latest of a source."""
    n = len(table)
    drop = np.zeros(n, np.bool_)
    if not n:
        return drop
    first = np.ones(n, np.bool_)
    first[1:] = (table.high[1:] != table.high[:-1]) | (table.low[1:] != table.low[:-1])
    run = np.cumsum(first) - 1
    gone = table.notes == REMOVED
    last_removal = np.full(int(run[-1]) + 1, -1, np.int64)
    where = np.flatnonzero(gone)
    last_removal[run[where]] = where
    at = np.arange(n)
    drop |= at < last_removal[run]
    if oldest:
        drop |= gone
    else:
        drop |= gone & (at != last_removal[run])
    live = np.flatnonzero(~gone & ~drop)
    order = live[np.lexsort((live, source_of[table.notes[live]], run[live]))]
    same = (run[order[1:]] == run[order[:-1]]) & (
        source_of[table.notes[order[1:]]] == source_of[table.notes[order[:-1]]]
    )
    drop[order[:-1][same]] = True
    return drop


def table_pieces(table: IndicatorTable) -> Iterable[bytes]:
    """The bytes of a file."""
    sizes = np.array([len(array) for array in table.arrays], "<u8")
    header = _MAGIC + sizes.tobytes()
    yield header.ljust(_ALIGN, b"\0")
    for array in table.arrays:
        step = 1 << 22
        little = array if sys.byteorder == "little" else array.astype(array.dtype.newbyteorder("<"))
        for begin in range(0, len(array), step):
            yield little[begin : begin + step].tobytes()
        yield bytes(-array.nbytes % _ALIGN)


def table_of(view: memoryview, name: str) -> IndicatorTable:
    """The table whose file ``view`` is of, without reading it. Raises ``StorageCorrupt``."""
    if len(view) < _ALIGN or bytes(view[: len(_MAGIC)]) != _MAGIC:
        raise StorageCorrupt(name, 0, "it does not begin as a table of indicators does")
    sizes = [int(size) for size in np.frombuffer(view[len(_MAGIC) : len(_MAGIC) + 40], "<u8")]
    arrays: list[NDArray[Any]] = []
    at = _ALIGN
    for size, dtype in zip(sizes, ("<u8", "<u4", "<u8", "<u8", "<u4"), strict=True):
        nbytes = size * np.dtype(dtype).itemsize
        if at + nbytes > len(view):
            raise StorageCorrupt(name, at, "it ends before its arrays do")
        arrays.append(np.frombuffer(view[at : at + nbytes], dtype))
        at += nbytes + -nbytes % _ALIGN
    words, starts, high, low, notes = arrays
    if at != len(view) or not len(high) == len(low) == len(notes) or len(starts) < 2 or not len(words):
        raise StorageCorrupt(name, at, "its arrays do not belong together")
    return IndicatorTable(words, starts, high, low, notes)
