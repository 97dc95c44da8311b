"""Dropping what does not count any more from the rows of a tenant's indicators.

Everything is in one table by then, which has what counts and nothing else. Rows are looked at from the newest back, so
that of what was put several times the newest stays. They are changed from the oldest on: rows are what a book is made
anew from, and what removed or replaced a value has to outlive it, wherever a crash comes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from phalanx.core import Delete, NotFound, Offload, Store, TenantId, decode
from phalanx.intel.indicators._model import VALUES, Note, ValueRow
from phalanx.intel.indicators._rows import notes_of, packed_rows, put_of, rows_of, values_of
from phalanx.intel.indicators._table import Arithmetic, IndicatorTable

Flags = NDArray[np.bool_]


@dataclass(slots=True)
class Tidied:
    """``used`` says for each note whether a row that stays has it; ``dropped`` how many rows went."""

    used: Flags
    dropped: int = 0
    # Rows that change, the newest first, with which of their values stay; none of them does where there is nothing.
    plans: list[tuple[str, Flags | None]] = field(default_factory=list)


async def tidied_rows(
    store: Store, tenant: TenantId, table: IndicatorTable | None, key: bytes, notes: tuple[Note, ...],
    now_ns: int, *, offload: Offload, arithmetic: Arithmetic,
) -> Tidied:  # fmt: skip
    """Drop values from rows that are not in ``table``, and rows that nothing is left of."""
    over = np.array([note.gone or 0 < note.until_ns <= now_ns for note in notes], np.bool_)
    claimed = np.zeros(0 if table is None else len(table), np.bool_)
    tidied = Tidied(np.zeros(len(notes), np.bool_))

    def look(row: ValueRow) -> None:
        _plan(tidied, row, over, _counting(row, table, key, claimed, arithmetic))

    async for found in rows_of(store, VALUES, tenant, reverse=True):
        await offload.run(look, decode(found.value, ValueRow))
    for row_key, keep in reversed(tidied.plans):
        if keep is None:
            await store.commit([Delete(VALUES, tenant, row_key)])
            tidied.dropped += 1
            continue
        stored = await store.get(VALUES, tenant, row_key)
        if stored is None:
            raise NotFound("row of indicators", row_key)
        smaller = await offload.run(_smaller, decode(stored.value, ValueRow), keep)
        await store.commit([put_of(VALUES, smaller)])
    return tidied


def _counting(
    row: ValueRow, table: IndicatorTable | None, key: bytes, claimed: Flags, arithmetic: Arithmetic
) -> tuple[Flags, Flags]:
    """Which values of a row are in the table with its note, and which of those are in no newer row."""
    there, newest = np.zeros(row.n, np.bool_), np.zeros(row.n, np.bool_)
    if row.removed or table is None:
        return there, newest
    numbers = notes_of(row)
    digests = arithmetic.digests([asked.key for asked in values_of(row)], key)
    for at, place in _places(table, table.find(digests, arithmetic), numbers):
        there[at] = True
        newest[at] = not claimed[place]
        claimed[place] = True
    return there, newest


def _places(table: IndicatorTable, first: NDArray[np.int64], numbers: NDArray[np.uint32]) -> Iterator[tuple[int, int]]:
    for at in np.flatnonzero(first >= 0).tolist():
        place = int(first[at])
        for offset, note in enumerate(table.run(place)):
            if note == numbers[at]:
                yield at, place + offset


def _plan(tidied: Tidied, row: ValueRow, over: Flags, counting: tuple[Flags, Flags]) -> None:
    there, newest = counting
    if not newest.any():
        tidied.plans.append((row.id, None))
        return
    numbers = notes_of(row)
    # What is over says so by its note, and what stands in a newer row does so there; everything else would come back
    # once what removed or replaced it is gone.
    comes_back = ~there & ~over[numbers]
    if comes_back.any() or 2 * int(np.count_nonzero(newest)) < row.n:
        tidied.plans.append((row.id, newest))
        numbers = numbers[newest]
    tidied.used[numbers] = True


def _smaller(row: ValueRow, keep: Flags) -> ValueRow:
    values = [asked for asked, stays in zip(values_of(row), keep.tolist(), strict=True) if stays]
    [made] = packed_rows(
        row.tenant, values, notes_of(row)[keep].tolist(), first=row.number, removed=False, at_ns=row.at_ns
    )
    return made
