"""Bringing accepted events into the archive: a reader of the intake journal with a cursor of its own.

It reads behind the intake, independently of the sentinel: when one of them has no room or fails, the other goes on.
What it read and did not write yet is read again after a crash, from the cursor on.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from phalanx.core import (
    NS_PER_S,
    PROBE_TENANT,
    AlertLevel,
    AlertSink,
    BatchId,
    Clock,
    EventBatch,
    Offload,
    StorageFull,
    WireError,
    decode,
)
from phalanx.crypto import CryptoError
from phalanx.crypto.vault import Shredded
from phalanx.intel._intake import Intake
from phalanx.intel._limits import ARCHIVE_POLL_S, MAX_TAKE_BYTES
from phalanx.intel._model import Chunk
from phalanx.intel.archive import ARCHIVE_RETRY_S, SEGMENT_AFTER_S, TAKE_RECORDS, Archive
from phalanx.intel.reading import read_lines, slices, split_lines
from phalanx.telemetry import Telemetry


class Archivist:
    """Fills an archive: ``run`` it as a task. ``paused`` says why it waits; empty when it does not."""

    def __init__(
        self, archive: Archive, intake: Intake, *, clock: Clock, offload: Offload, telemetry: Telemetry,
        alerts: AlertSink,
    ) -> None:  # fmt: skip
        self.archive = archive
        self._intake = intake
        self._journal = intake.journal
        self._seals = intake.seals
        self._clock = clock
        self._offload = offload
        self._alerts = alerts
        self._log = telemetry.log.bind(room="intel")
        self.paused = ""
        self._read = 0
        metrics = telemetry.metrics
        self._events = metrics.counter("phalanx_archived_events_total", "Events that are in a segment.").labels()
        self._waiting = metrics.gauge("phalanx_archive_waiting_events", "Read, and not in a segment yet.").labels()

    @property
    def offset(self) -> int:
        """The journal offset before which everything can be searched."""
        return self._read

    async def run(self) -> None:
        """Follow the journal until cancelled, at any point: what was not written is read again."""
        while True:
            try:
                if not self.paused:
                    await self._resume()
                if self.archive.is_full:
                    await self.flush()
                while True:
                    await self._follow()
            except StorageFull as full:
                if not self.paused:
                    self._alerts.alert(AlertLevel.WARNING, "intel", "the archive of events has no room and waits")
                    self._log.warning("archive pauses", reason=full.message, offset=self._read)
                self.paused = full.message
                await self._clock.sleep(ARCHIVE_RETRY_S)

    async def drained(self) -> None:
        """Return when everything accepted so far can be searched."""
        end = self._journal.end
        while self._read < end:
            await self._clock.sleep(ARCHIVE_POLL_S)

    async def flush(self) -> None:
        """Write what was read into segments."""
        waiting = self.archive.waiting
        await self.archive.write(self._read)
        self._events.inc(waiting)
        self._waiting.set(0)
        self.paused = ""

    async def _resume(self) -> None:
        await self.archive.open()
        self._read = self.archive.offset
        if self._read < self._journal.start:
            # The archive was off for a while, and the journal went on.
            self._log.warning("events passed the archive by", before=self._journal.start, cursor=self._read)
            self._read = self._journal.start

    async def _follow(self) -> None:
        if self._read >= self._journal.end:
            self._waiting.set(self.archive.waiting)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SEGMENT_AFTER_S if self.archive.waiting else None):
                    await self._intake.wait_past(self._read)
            if self._is_old():
                await self.flush()
            return
        for frame in await self._journal.read(self._read, max_records=TAKE_RECORDS, max_bytes=MAX_TAKE_BYTES):
            for batches in await self._batches(frame):
                for batch in batches:
                    self.archive.add(batch)
                await asyncio.sleep(0)
            self._read += 1
            if self.archive.is_full:
                await self.flush()
        if self._is_old():
            await self.flush()

    def _is_old(self) -> bool:
        since_ns = self.archive.waiting_since_ns
        return bool(since_ns) and self._clock.wall_ns() - since_ns > SEGMENT_AFTER_S * NS_PER_S

    async def _batches(self, frame: bytes) -> list[Sequence[EventBatch]]:
        """The events of a record; none where it cannot be read, which the sentinel tells."""
        try:
            chunk = await self._seals.open(decode(frame, Chunk))
        except (Shredded, WireError, CryptoError):
            return []
        if chunk.tenant == PROBE_TENANT:
            return []
        return [
            await self._offload.run(_read, chunk, first_row, lines)
            for first_row, lines in slices(split_lines(chunk.data))
        ]


def _read(chunk: Chunk, first_row: int, lines: Sequence[bytes]) -> Sequence[EventBatch]:
    try:
        return read_lines(
            lines, first_row=first_row, reader=chunk.reader, tenant=chunk.tenant, batch=BatchId(chunk.id),
            accepted_at_ns=chunk.at_ns,
        ).batches  # fmt: skip
    except Exception:  # noqa: BLE001 - a poisoned line costs itself alone; the sentinel puts it into quarantine
        if len(lines) == 1:
            return ()
    return [batch for row, line in enumerate(lines, first_row) for batch in _read(chunk, row, [line])]
