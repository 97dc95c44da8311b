"""How often something was seen, in a fixed number of counters: a count–min sketch with conservative update.

A count is never too low, and too high only where keys collide in every row. When the total is full all counters are
halved, so that what is long ago counts for less. Hashes are CRCs: the same on every machine.
"""

import zlib

import msgspec

from phalanx.intel.detectors._limits import SKETCH_COUNTERS, SKETCH_FULL, SKETCH_ROWS

_MASK = SKETCH_COUNTERS - 1


class Sketch(msgspec.Struct, array_like=True):
    """Made by ``new``. Two ``rows`` of counters: lists, because what is counted is looked at one by one."""

    rows: list[list[int]]
    total: int = 0

    @classmethod
    def new(cls) -> "Sketch":
        return cls([[0] * SKETCH_COUNTERS for _ in range(SKETCH_ROWS)])

    def seen(self, at: tuple[int, int]) -> int:
        """How often, or a little more."""
        one, other = self.rows
        return min(one[at[0]], other[at[1]])

    def take(self, *places: tuple[int, int]) -> list[int]:
        """How often each was seen before; then each counts once more."""
        one, other = self.rows
        found = [min(one[at], other[too]) for at, too in places]
        for at, too in places:
            low = min(one[at], other[too])
            if one[at] == low:
                one[at] = low + 1
            if other[too] == low:
                other[too] = low + 1
        return found

    def halve(self) -> None:
        """Half of every count is forgotten."""
        for row in self.rows:
            row[:] = [counter >> 1 for counter in row]
        self.total //= 2

    @property
    def full(self) -> bool:
        return self.total >= SKETCH_FULL


def places_of(key: bytes) -> tuple[int, int]:
    """Where the counters of ``key`` are, in each row."""
    crc = zlib.crc32(key)
    return crc & _MASK, (crc * 0x9E3779B1 >> 15) & _MASK
