"""Bringing accepted events into the archive.

It goes along with the sentinel, which hands over what it reads, so that nothing is read twice. It does not depend on
it: what it was not handed, or what the sentinel does not come to, it reads from the intake's journal itself. What it
has and did not write yet is read again after a crash, from its own cursor on.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence

from phalanx.core import (
    NS_PER_S,
    PROBE_TENANT,
    AlertLevel,
    AlertSink,
    Clock,
    EventBatch,
    Offload,
    StorageFull,
    WireError,
    decode,
)
from phalanx.crypto import CryptoError
from phalanx.crypto.vault import Shredded
from phalanx.intel._detecting import read_rows
from phalanx.intel._intake import Intake
from phalanx.intel._limits import ARCHIVE_POLL_S, HANDED_WITHIN_S, MAX_READ_ROWS, MAX_TAKE_BYTES
from phalanx.intel._model import Chunk
from phalanx.intel.archive import ARCHIVE_RETRY_S, NOWHERE, SEGMENT_AFTER_S, TAKE_RECORDS, Archive, Position
from phalanx.intel.reading import slices, split_lines
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
        # Up to where something was handed over last, and whether nothing was for some time.
        self._handed = NOWHERE
        # Where the journal ended when this began; what is before it was accepted in an earlier life.
        self._goal = self._journal.end
        self._is_alone = False
        self._wanted = asyncio.Event()
        metrics = telemetry.metrics
        self._events = metrics.counter("phalanx_archived_events_total", "Events that are in a segment.").labels()
        self._waiting = metrics.gauge(
            "phalanx_archive_waiting_events", "Events read that are not in a segment yet."
        ).labels()

    @property
    def offset(self) -> int:
        """The journal offset before which everything can be searched."""
        return self.archive.read_to[0]

    @property
    def left(self) -> int:
        """Records accepted before this began that cannot be searched yet."""
        return max(0, self._goal - max(self.offset, self._journal.start))

    def hand(self, start: Position, end: Position, batches: Sequence[EventBatch]) -> None:
        """Take what somebody else read of the journal, where it follows on what is there."""
        self._handed, self._is_alone = end, False
        if start == self.archive.read_to and not self.archive.is_full:
            self._add(batches, end)
        if self.archive.is_full or self.archive.read_to < end:
            self._wanted.set()

    async def run(self) -> None:
        """Follow the journal until cancelled, at any point: what was not written is read again."""
        while True:
            try:
                if not self.paused:
                    await self._resume()
                while True:
                    await self._follow()
            except StorageFull as full:
                if not self.paused:
                    self._alerts.alert(AlertLevel.WARNING, "intel", "the archive of events has no room and waits")
                    self._log.warning("archive pauses", reason=full.message, offset=self.offset)
                self.paused = full.message
                await self._clock.sleep(ARCHIVE_RETRY_S)

    async def drained(self) -> None:
        """Return when everything accepted so far can be searched."""
        end = self._journal.end
        while self.offset < end:
            await self._clock.sleep(ARCHIVE_POLL_S)

    async def flush(self) -> None:
        """Write what was read into segments."""
        self._events.inc(await self.archive.write())
        self._waiting.set(self.archive.waiting)
        self.paused = ""

    async def _resume(self) -> None:
        await self.archive.open()
        if self.offset < self._journal.start:
            # The archive was off for a while, and the journal went on.
            self._log.warning("events passed the archive by", before=self._journal.start, cursor=self.offset)
            self.archive.add((), read_to=(self._journal.start, 0))

    async def _follow(self) -> None:
        self._waiting.set(self.archive.waiting)
        if self.archive.is_full or self._is_old():
            await self.flush()
        elif self.offset >= self._journal.end:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SEGMENT_AFTER_S if self.archive.waiting else None):
                    await self._intake.wait_past(self.offset)
        elif self._is_alone or self.archive.read_to < self._handed:
            await self._read_on()
        else:
            await self._go_along()

    async def _go_along(self) -> None:
        """Wait for as long as something is handed over, until there is something else to do."""
        self._wanted.clear()
        self._is_alone = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HANDED_WITHIN_S):
                await self._wanted.wait()

    async def _read_on(self) -> None:
        offset, row = self.archive.read_to
        for frame in await self._journal.read(offset, max_records=TAKE_RECORDS, max_bytes=MAX_TAKE_BYTES):
            chunk = await self._chunk(frame)
            if chunk is not None and not await self._read_rows(chunk, offset, row):
                return
            if self.archive.read_to[0] != offset:
                return
            offset, row = offset + 1, 0
            self._add((), (offset, row))

    async def _read_rows(self, chunk: Chunk, offset: int, row: int) -> bool:
        """Take what is left of a record; False when something else is to be done first."""
        for first_row, lines in slices(split_lines(chunk.data), row, most=MAX_READ_ROWS):
            outs = await self._offload.run(read_rows, chunk, first_row, lines)
            # Meanwhile the same may have been handed over.
            if self.archive.read_to != (offset, first_row) or self.archive.is_full:
                return False
            self._add([batch for out in outs for batch in out.batches], (offset, first_row + len(lines)))
        return True

    def _add(self, batches: Iterable[EventBatch], read_to: Position) -> None:
        self.archive.add((batch for batch in batches if batch.tenant != PROBE_TENANT), read_to=read_to)

    def _is_old(self) -> bool:
        return self.archive.waited_ns > SEGMENT_AFTER_S * NS_PER_S

    async def _chunk(self, frame: bytes) -> Chunk | None:
        """A record; None where it cannot be read, which the sentinel tells."""
        try:
            return await self._seals.open(decode(frame, Chunk))
        except (Shredded, WireError, CryptoError):
            return None
