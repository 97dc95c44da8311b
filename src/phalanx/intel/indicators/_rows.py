"""Rows of values and of notes: how they are packed, and what is in them."""

import zlib
from collections.abc import AsyncIterator, Sequence

import numpy as np
from numpy.typing import NDArray

from phalanx.core import NO_TRACE, Put, Row, Store, Table, TenantId, encode
from phalanx.intel.indicators._limits import CHUNK_BYTES, CHUNK_VALUES, PAGE_ROWS
from phalanx.intel.indicators._model import Kind, Manifest, NoteRow, ValueRow
from phalanx.intel.indicators._values import Asked, indicator_key


def packed_rows(
    tenant: TenantId, values: Sequence[Asked], notes: Sequence[int], *, first: int, removed: bool, at_ns: int
) -> list[ValueRow]:
    """Rows of values, each with the number of its note, numbered from ``first`` on."""
    rows: list[ValueRow] = []
    begin = size = 0
    lines = [f"{asked.kind.value}\t{asked.value}" for asked in values]
    for place, line in enumerate(lines):
        size += len(line)
        if place + 1 == len(lines) or size >= CHUNK_BYTES or place + 1 - begin >= CHUNK_VALUES:
            number = first + len(rows)
            text = "\n".join(lines[begin : place + 1]).encode("utf-8", "surrogatepass")
            rows.append(ValueRow(
                id=number_key(number), tenant=tenant, trace=NO_TRACE, at_ns=at_ns, number=number, n=place + 1 - begin,
                removed=removed, packed=zlib.compress(text, 1),
                notes=np.array(notes[begin : place + 1], "<u4").tobytes(),
            ))  # fmt: skip
            begin, size = place + 1, 0
    return rows


def values_of(row: ValueRow) -> list[Asked]:
    lines = zlib.decompress(row.packed).decode("utf-8", "surrogatepass").split("\n")
    return [indicator_key(Kind(kind), value) for kind, _, value in (line.partition("\t") for line in lines)]


def notes_of(row: ValueRow) -> NDArray[np.uint32]:
    return np.frombuffer(row.notes, "<u4")


def number_key(number: int) -> str:
    return f"{number:012d}"


def put_of(table: Table, record: NoteRow | ValueRow | Manifest) -> Put:
    return Put(table, record.tenant, record.id, encode(record))


async def rows_of(
    store: Store, table: Table, tenant: TenantId, *, after: str = "", reverse: bool = False
) -> AsyncIterator[Row]:
    """All rows of a table past ``after``, or from the last one back."""
    while True:
        rows = await store.scan(table, tenant, after=after, limit=PAGE_ROWS, reverse=reverse)
        for row in rows:
            yield row
        if len(rows) < PAGE_ROWS:
            return
        after = rows[-1].key


def told_in(row: ValueRow, wanted: frozenset[str]) -> list[tuple[str, int]]:
    """Which of the lines that are wanted a row has, each with the number of its note."""
    text = zlib.decompress(row.packed)
    # Most rows have none: they are not taken apart.
    if not any(line.encode("utf-8", "surrogatepass") in text for line in wanted):
        return []
    lines = text.decode("utf-8", "surrogatepass").split("\n")
    return [(line, note) for line, note in zip(lines, notes_of(row).tolist(), strict=True) if line in wanted]
