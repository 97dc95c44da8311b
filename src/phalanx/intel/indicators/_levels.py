"""Tables of one tenant, from the oldest to the newest: how they are merged, and how values are found in them.

A few large tables and small new ones: each is at least four times as long as the one after it, so a value is copied
a number of times that grows as the logarithm, and a look-up goes through few tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from phalanx.intel.indicators._limits import FLUSH_VALUES, MAX_COUNTED_VALUES, TIER_FACTOR
from phalanx.intel.indicators._model import Note
from phalanx.intel.indicators._table import REMOVED, Arithmetic, Digests, IndicatorTable, merge_tables


@dataclass(frozen=True, slots=True)
class Level:
    """A table and the file it lies in; no file where it is in memory alone."""

    table: IndicatorTable
    file: str = ""


@dataclass(frozen=True, slots=True)
class Levels:
    """All tables of a tenant at one moment; never changed, so that whoever looks sees one state."""

    levels: tuple[Level, ...] = ()

    @property
    def fresh(self) -> int:
        """How many entries are in memory alone."""
        return sum(len(level.table) for level in self.levels if not level.file)

    @property
    def full(self) -> bool:
        """Whether what is in memory should become a file."""
        return self.fresh >= FLUSH_VALUES

    def counts(self, n_notes: int) -> NDArray[np.int64]:
        """How many entries point to each of ``n_notes`` notes."""
        found = np.zeros(n_notes, np.int64)
        for level in self.levels:
            numbers = np.asarray(level.table.notes)
            found += np.bincount(numbers[numbers != REMOVED], minlength=n_notes)
        return found

    def census(self, notes: Sequence[Note], now_ns: int, arithmetic: Arithmetic) -> tuple[NDArray[np.int64], bool]:
        """How many values each note is on, and whether that is exact: a few tables are put together for it."""
        if not self.levels or sum(len(level.table) for level in self.levels) > MAX_COUNTED_VALUES:
            return self.counts(len(notes)), not self.levels
        merged = merged_of(self.levels, notes, now_ns, arithmetic, oldest=True)
        return Levels((Level(merged),)).counts(len(notes)), True

    def with_new(self, table: IndicatorTable, notes: Sequence[Note], now_ns: int, arithmetic: Arithmetic) -> "Levels":
        """With ``table`` on top, small ones in memory merged into larger ones."""
        levels = [*self.levels, Level(table)]
        while len(levels) > 1 and not levels[-2].file and _close(levels[-2], levels[-1]):
            merged = merged_of(levels[-2:], notes, now_ns, arithmetic, oldest=len(levels) == 2)
            levels[-2:] = [Level(merged)]
        return Levels(tuple(levels))

    def to_flush(self) -> int:
        """From which level on everything should become one file."""
        at = next((place for place, level in enumerate(self.levels) if not level.file), len(self.levels))
        weight = sum(len(level.table) for level in self.levels[at:])
        while at > 0 and len(self.levels[at - 1].table) < TIER_FACTOR * weight:
            at -= 1
            weight += len(self.levels[at].table)
        return at

    def with_file(self, at: int, level: Level) -> "Levels":
        """With ``level`` in place of everything from ``at`` on."""
        return replace(self, levels=(*self.levels[:at], level))

    def notes_of(self, asked: Digests, arithmetic: Arithmetic) -> dict[int, list[int]]:
        """Numbers of notes by the place of the digest in ``asked``, the newest first, as far as none was removed."""
        found: dict[int, list[int]] = {}
        closed: set[int] = set()
        for level in reversed(self.levels):
            places = level.table.find(asked, arithmetic)
            for which in np.flatnonzero(places >= 0).tolist():
                if which in closed:
                    continue
                for note in reversed(level.table.run(int(places[which]))):
                    if note == REMOVED:
                        closed.add(which)
                        break
                    found.setdefault(which, []).append(note)
        return found


def merged_of(
    levels: Sequence[Level], notes: Sequence[Note], now_ns: int, arithmetic: Arithmetic, *, oldest: bool
) -> IndicatorTable:
    """One table of ``levels`` without what ended, was removed or was replaced."""
    holds, sources = _columns(notes, now_ns)
    return merge_tables([level.table for level in levels], holds, sources, arithmetic, oldest=oldest)


def _columns(notes: Sequence[Note], now_ns: int) -> tuple[NDArray[np.bool_], NDArray[np.uint32]]:
    numbers: dict[tuple[str, str], int] = {}
    # What begins later is kept: only what is over is not.
    holds = np.fromiter((not note.gone and not 0 < note.until_ns <= now_ns for note in notes), np.bool_, len(notes))
    sources = np.fromiter((numbers.setdefault(note.origin, len(numbers)) for note in notes), np.uint32, len(notes))
    return holds, sources


def _close(older: Level, newer: Level) -> bool:
    return len(older.table) < TIER_FACTOR * len(newer.table)
