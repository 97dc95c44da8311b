"""Looking things up: findings, events by id, the latest events, the quarantine."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from phalanx.core import (
    MAX_PAGE_ROWS,
    BatchId,
    Event,
    EventBatch,
    Finding,
    Journal,
    NotFound,
    Row,
    Severity,
    Store,
    TenantId,
    decode,
    id_time_ms,
    is_id,
    split_event_id,
)
from phalanx.crypto import CryptoError
from phalanx.intel._limits import HUNT_PART_BYTES, MAX_HUNT_BYTES, MAX_HUNT_CHUNKS, MAX_SCANNED_CHUNKS
from phalanx.intel._model import BATCHES, FINDINGS, QUARANTINE, BatchEntry, Chunk, Quarantine
from phalanx.intel._reread import Reread
from phalanx.intel._retention import Retention
from phalanx.intel._sealing import ChunkSeals
from phalanx.intel.reading import OWN, read_lines, slices, split_lines

_PAGE_CHUNKS = 16


class Findings:
    """Findings of a tenant, in order of their ids, which is the order of their hours."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, tenant: TenantId, finding: str) -> Finding:
        """Raises ``NotFound``."""
        row = await self._store.get(FINDINGS, tenant, finding)
        if row is None:
            raise NotFound("finding", finding)
        return decode(row.value, Finding)

    async def list(
        self,
        tenant: TenantId,
        *,
        after: str = "",
        limit: int = 100,
        case: str = "",
        trace: str = "",
        severity: Severity | None = None,
        rule: str = "",
        reverse: bool = False,
    ) -> list[Finding]:
        """At most one of ``case``, ``trace`` (an event among the evidence), ``severity`` and ``rule``."""
        least = severity.name.lower() if severity else ""
        narrowed = [("case", case), ("trace", trace), ("severity", least), ("rule", rule)]
        wanted = [(index, value) for index, value in narrowed if value]
        assert len(wanted) <= 1, "a listing is narrowed by one thing"
        limit = min(limit, MAX_PAGE_ROWS)
        if wanted:
            index, value = wanted[0]
            rows = await self._store.find(FINDINGS, tenant, index, value, after=after, limit=limit, reverse=reverse)
        else:
            rows = await self._store.scan(FINDINGS, tenant, after=after, limit=limit, reverse=reverse)
        return [decode(row.value, Finding) for row in rows]


class Kept(Protocol):
    """What keeps events beyond the journal: the archive."""

    def offset(self) -> int: ...

    async def event(self, tenant: TenantId, event: str) -> Event:
        """Raises ``NotFound``."""
        ...


class EventLog:
    """Accepted events, read back from the intake journal as long as they are kept."""

    def __init__(
        self, journal: Journal, store: Store, seals: ChunkSeals | None = None, archive: Kept | None = None
    ) -> None:
        """``archive`` keeps events longer than the journal, without the line that they came in."""
        self._journal = journal
        self._seals = seals or ChunkSeals()
        self._store = store
        self._archive = archive
        self._reread = Reread()
        self._retention = Retention(journal, store, None if archive is None else archive.offset)

    async def get(self, tenant: TenantId, event: str) -> Event:
        """The event of that id. Raises ``NotFound``, also when the line is in quarantine or was dropped."""
        if not is_id(event):
            raise NotFound("event", event, hint="an event id is 36 characters: a UUID")
        batch, row = split_event_id(event)
        stored = await self._store.get(BATCHES, tenant, batch)
        kept = None if stored is None else await self._chunk(decode(stored.value, BatchEntry).offset)
        if kept is None and self._archive is not None:
            return await self._archive.event(tenant, event)
        if kept is None or row >= len(kept[1]):
            raise NotFound("event", event, hint="it was never accepted, is not read yet, or is no longer kept")
        batches = _read(kept[0], row, kept[1][row : row + 1])
        if not batches:
            raise NotFound("event", event, hint="the line could not be read; it is in quarantine")
        return Event(batches[0], 0)

    async def recent(
        self, tenant: TenantId, *, limit: int = 100, after: str = "", source: str = "", reader: str = ""
    ) -> list[Event]:
        """The latest events, newest accepted first; those past the event ``after``, which are older.

        ``source`` is a log source as it is printed (``windows/process_creation/sysmon``), ``reader``
        the format that was found in the line. Looks through a bounded number of chunks.
        """
        limit = min(limit, MAX_PAGE_ROWS)
        events: list[Event] = []
        async for chunk, lines in self._newest(tenant, after, source):
            for first_row, part in reversed(list(slices(lines))):
                found = [event for batch in _read(chunk, first_row, part) for event in batch]
                found.sort(key=lambda event: event.batch.rows[event.index], reverse=True)
                events += [event for event in found if _wanted(event.batch, source, reader)]
                if len(events) >= limit:
                    return events[:limit]
                await asyncio.sleep(0)
        return events

    async def quarantine(
        self, tenant: TenantId, *, after: str = "", limit: int = 100, reverse: bool = False
    ) -> list[Quarantine]:
        """Lines that could not be read, by the id of the first of each group."""
        rows = await self._store.scan(QUARANTINE, tenant, after=after, limit=min(limit, MAX_PAGE_ROWS), reverse=reverse)
        return [decode(row.value, Quarantine) for row in rows]

    async def lines(self, tenant: TenantId, batch: str) -> Sequence[bytes] | None:
        """The lines of an accepted batch as they came, None when it is no longer kept."""
        stored = await self._store.get(BATCHES, tenant, batch)
        kept = None if stored is None else await self._chunk(decode(stored.value, BatchEntry).offset)
        return None if kept is None else kept[1]

    async def batches(self, tenant: TenantId, *, after: str = "", limit: int = 100) -> list[BatchEntry]:
        """Accepted batches, newest first, past the batch ``after``."""
        rows = await self._store.scan(BATCHES, tenant, after=after, limit=min(limit, MAX_PAGE_ROWS), reverse=True)
        return [decode(row.value, BatchEntry) for row in rows]

    async def around(self, tenant: TenantId, batch: str) -> AsyncIterator[tuple[Chunk, Sequence[bytes]]]:
        """Chunks with their lines, ``batch`` first and then those nearest to it, within the bounds of one hunt."""
        half = MAX_HUNT_CHUNKS // 2
        own = await self._store.get(BATCHES, tenant, batch)
        rows = [
            *([own] if own is not None else ()),
            *await self._store.scan(BATCHES, tenant, after=batch, limit=half, reverse=True),
            *await self._store.scan(BATCHES, tenant, after=batch, limit=half),
        ]
        here_ms, left_bytes = id_time_ms(batch), MAX_HUNT_BYTES
        for row in sorted(rows, key=lambda one: abs(id_time_ms(one.key) - here_ms)):
            kept = await self._chunk(decode(row.value, BatchEntry).offset)
            if kept is not None and kept[0].reader != OWN:
                yield kept
                left_bytes -= len(kept[0].data)
                if left_bytes <= 0:
                    return

    async def parts_around(self, tenant: TenantId, batch: str) -> AsyncIterator[list[tuple[Chunk, Sequence[bytes]]]]:
        """The same, several chunks at a time: as much as is worth the way off the event loop."""
        part: list[tuple[Chunk, Sequence[bytes]]] = []
        async for chunk, lines in self.around(tenant, batch):
            part.append((chunk, lines))
            if sum(len(one.data) for one, _ in part) >= HUNT_PART_BYTES:
                yield part
                part = []
        if part:
            yield part

    async def retain(self, max_bytes: int) -> int:
        """Drop the oldest chunks beyond ``max_bytes`` of data; how many. None that is not consumed."""
        return await self._retention.trim(max_bytes)

    async def _newest(self, tenant: TenantId, after: str, source: str) -> AsyncIterator[tuple[Chunk, Sequence[bytes]]]:
        """Chunks from the newest on, each with its lines that are older than the event ``after``."""
        batch = ""
        if after:
            if not is_id(after):
                raise NotFound("event", after)
            batch, row = split_event_id(after)
            stored = await self._store.get(BATCHES, tenant, batch)
            kept = None if stored is None else await self._chunk(decode(stored.value, BatchEntry).offset)
            if kept is not None:
                yield kept[0], kept[1][:row]
        for _ in range(0, MAX_SCANNED_CHUNKS, _PAGE_CHUNKS):
            page = await self._page(tenant, batch, source)
            for entry in page:
                kept = await self._chunk(entry.offset)
                if kept is not None:
                    yield kept
            if len(page) < _PAGE_CHUNKS:
                return
            batch = page[-1].id

    async def _page(self, tenant: TenantId, after: str, source: str) -> list[BatchEntry]:
        rows: list[Row]
        if source:
            rows = await self._store.find(
                BATCHES, tenant, "source", source, after=after, limit=_PAGE_CHUNKS, reverse=True
            )
        else:
            rows = await self._store.scan(BATCHES, tenant, after=after, limit=_PAGE_CHUNKS, reverse=True)
        return [decode(row.value, BatchEntry) for row in rows]

    async def _chunk(self, offset: int) -> tuple[Chunk, Sequence[bytes]] | None:
        """The chunk at ``offset`` and its lines, None when it is no longer kept."""
        if offset < self._journal.start:
            self._reread.forget(offset)
            return None
        known = self._reread.find(offset)
        if known is not None:
            try:
                await self._seals.require(known[0].tenant)
            except CryptoError:
                self._reread.forget(offset)
                raise
            return known
        frames = await self._journal.read(offset, max_records=1)
        if not frames:
            return None
        chunk = await self._seals.open(decode(frames[0], Chunk))
        lines = split_lines(chunk.data)
        self._reread.keep(offset, chunk, lines)
        return chunk, lines


def _read(chunk: Chunk, first_row: int, lines: Sequence[bytes]) -> tuple[EventBatch, ...]:
    out = read_lines(
        lines,
        first_row=first_row,
        reader=chunk.reader,
        tenant=chunk.tenant,
        batch=BatchId(chunk.id),
        accepted_at_ns=chunk.at_ns,
    )
    return out.batches


def _wanted(batch: EventBatch, source: str, reader: str) -> bool:
    return source in ("", str(batch.log_source)) and reader in ("", batch.reader)
