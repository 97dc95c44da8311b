"""How often something was seen, in a fixed number of counters: a count–min sketch with conservative update.

A count is never too low, and too high only where keys collide in every row. When the total is full all counters are
halved, so that what is long ago counts for less. Hashes are CRCs: the same on every machine.
"""

import zlib

import msgspec
import numpy as np

from phalanx.intel.detectors._limits import SKETCH_COUNTERS, SKETCH_FULL, SKETCH_ROWS

_MASK = SKETCH_COUNTERS - 1


class Sketch(msgspec.Struct, array_like=True):
    """Made by ``new``. ``rows`` are counters of 16 bits."""

    rows: list[bytearray]
    total: int = 0

    @classmethod
    def new(cls) -> "Sketch":
        return cls([bytearray(2 * SKETCH_COUNTERS) for _ in range(SKETCH_ROWS)])

    def view(self) -> list[memoryview]:
        """The counters to be read and written; made once, for it costs more than a look."""
        return [memoryview(row).cast("H") for row in self.rows]

    def halve(self) -> None:
        """Half of every count is forgotten."""
        for row in self.rows:
            counters = np.frombuffer(row, np.uint16)
            counters >>= 1
        self.total //= 2

    @property
    def full(self) -> bool:
        return self.total >= SKETCH_FULL


def places_of(key: bytes) -> tuple[int, int]:
    """Where the counters of ``key`` are, in each row."""
    crc = zlib.crc32(key)
    return crc & _MASK, (crc * 0x9E3779B1 >> 15) & _MASK


def seen(rows: list[memoryview], at: tuple[int, int]) -> int:
    """How often, or a little more."""
    return min(rows[0][at[0]], rows[1][at[1]])


def count(rows: list[memoryview], at: tuple[int, int]) -> None:
    """Once more."""
    low = min(rows[0][at[0]], rows[1][at[1]])
    if low < 0xFFFF:
        for row, place in zip(rows, at, strict=True):
            if row[place] == low:
                row[place] = low + 1
