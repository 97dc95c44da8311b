"""Letting old events go: the journal's oldest chunks, and what the store knows about them.

The rows go first and the journal's records after them, so that a crash between the two leaves
nothing that points at what is not there; the next call finds the same records again.
"""

import contextlib
from collections.abc import Callable

from phalanx.core import MAX_PAGE_ROWS, Delete, Journal, Row, Store, WireError, Write, decode
from phalanx.crypto.vault import Shredded
from phalanx.intel._limits import MAX_TAKE_BYTES, TRIM_RECORDS
from phalanx.intel._model import BATCHES, IDEMPOTENCY, QUARANTINE, REPLAYS, Chunk, cursor_key, read_cursor


class Retention:
    """Cuts one journal to a size. A chunk that the sentinel has not consumed is never dropped."""

    def __init__(self, journal: Journal, store: Store, also_needed_from: Callable[[], int] | None = None) -> None:
        """``also_needed_from`` tells the offset of the oldest chunk that somebody else still has to read."""
        self._journal = journal
        self._store = store
        self._also_needed_from = also_needed_from
        # The journal gives room back in segments, so it may still hold records that are done with.
        self._dropped_before = 0

    async def trim(self, max_bytes: int) -> int:
        """Keep the newest ``max_bytes`` of accepted data and drop older chunks; how many were dropped."""
        journal = self._journal
        row = await self._store.get(*cursor_key())
        consumed = min(read_cursor(None if row is None else row.value).offset, journal.end)
        if self._also_needed_from is not None:
            consumed = min(consumed, self._also_needed_from())
        floor_bytes = await size_bytes(journal) - max_bytes
        keep_from = await _first_past(journal, floor_bytes, consumed)
        first = offset = max(journal.start, self._dropped_before)
        while offset < keep_from:
            records = min(TRIM_RECORDS, keep_from - offset)
            frames = await journal.read(offset, max_records=records, max_bytes=MAX_TAKE_BYTES)
            writes: list[Write] = []
            for frame in frames:
                chunk = _chunk(frame)
                if chunk is not None:
                    writes += await _deletes(self._store, chunk)
            if writes:
                await self._store.commit(writes)
            offset = self._dropped_before = offset + len(frames)
            await journal.trim(offset)
        return offset - first


async def size_bytes(journal: Journal) -> int:
    """The size of all data ever accepted into the journal, as its last chunk tells."""
    for offset in range(journal.end - 1, journal.start - 1, -1):
        chunk = await _chunk_at(journal, offset)
        if chunk is not None:
            return chunk.total_bytes
    return 0


async def _first_past(journal: Journal, floor_bytes: int, end: int) -> int:
    """The first offset before ``end`` whose chunk reaches beyond ``floor_bytes``; by bisection."""
    low, high = journal.start, end
    while low < high:
        middle = (low + high) // 2
        chunk = await _chunk_at(journal, middle)
        # A damaged record counts as young: it may cost room for a while, but no younger chunk.
        if chunk is None or chunk.total_bytes > floor_bytes:
            high = middle
        else:
            low = middle + 1
    return low


async def _chunk_at(journal: Journal, offset: int) -> Chunk | None:
    return _chunk((await journal.read(offset, max_records=1))[0])


def _chunk(frame: bytes) -> Chunk | None:
    try:
        return decode(frame, Chunk)
    except WireError:
        return None


async def _deletes(store: Store, chunk: Chunk) -> list[Write]:
    rows: list[Row] = []
    # What a shredded tenant left is erased by who shreds.
    with contextlib.suppress(Shredded):
        rows = await store.scan(QUARANTINE, chunk.tenant, prefix=chunk.id[:31], limit=MAX_PAGE_ROWS)
    writes: list[Write] = [Delete(table, chunk.tenant, row.key) for row in rows for table in (QUARANTINE, REPLAYS)]
    writes.append(Delete(BATCHES, chunk.tenant, chunk.id))
    if chunk.idempotency_key:
        writes.append(Delete(IDEMPOTENCY, chunk.tenant, chunk.idempotency_key))
    return writes
