"""Journals as folders of segment files.

Concurrent appends share one write and one ``fdatasync``: while one group is being written
the next one gathers. A write that fails (no space, a disk error) is cut off again before
anything else is written, so the file never holds a record that was refused, and reading goes
on throughout. ``_frames`` says what lies in a file and what recovery relies on.

On opening, the last segment is read through: what a torn write left at its end is cut off,
any other damage is ``StorageCorrupt``. Older segments are checked as they are read.
"""

import asyncio
import errno
import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from phalanx.adapters._limits import (
    GROUP_BYTES,
    INLINE_BYTES,
    MAX_APPEND_BYTES,
    MAX_RECORD_BYTES,
    MAX_WAITING_BYTES,
    SEGMENT_BYTES,
)
from phalanx.adapters.storage import _frames
from phalanx.adapters.storage._files import Files
from phalanx.adapters.storage._groups import Groups
from phalanx.adapters.storage._segment import SUFFIX, Segment, create_segment, open_segment
from phalanx.core import (
    EntropySource,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Offload,
    StorageCorrupt,
    StorageError,
    StorageFull,
    Unavailable,
)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_LENGTH_BYTES = 4
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class SegmentJournals:
    """Opens journals by name, each in a folder of its own below ``folder`` of ``files``.

    ``entropy`` marks the segments, ``offload`` frames what is too big for the event loop. A
    segment is closed once it has ``segment_bytes``; whole segments are what ``trim`` drops.
    """

    def __init__(
        self,
        files: Files,
        folder: str = "",
        *,
        entropy: EntropySource,
        offload: Offload,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._files = files
        self._folder = folder
        self._entropy = entropy
        self._offload = offload
        self._segment_bytes = segment_bytes
        self._open: dict[str, SegmentJournal] = {}

    async def open(self, name: str) -> "SegmentJournal":
        check_journal_name(name)
        if (known := self._open.get(name)) is not None and not known.closed:
            raise Unavailable(f"journal {name}", "it is open already", hint="share the open one, or close it first")
        journal = SegmentJournal(
            self._files,
            f"{self._folder}/{name}" if self._folder else name,
            entropy=self._entropy,
            offload=self._offload,
            segment_bytes=self._segment_bytes,
        )
        self._open[name] = journal
        try:
            await journal.recover()
        except BaseException:
            del self._open[name]
            raise
        return journal

    async def close(self) -> None:
        """Close every journal that is still open."""
        for journal in self._open.values():
            await journal.close()
        self._open.clear()


class SegmentJournal:
    """A ``Journal`` in segment files. Made by ``SegmentJournals.open``.

    ``cut_bytes`` is what a torn write had left when it was opened.
    """

    def __init__(
        self, files: Files, folder: str, *, entropy: EntropySource, offload: Offload, segment_bytes: int
    ) -> None:
        self._files = files
        self._folder = folder
        self._entropy = entropy
        self._offload = offload
        self._segment_bytes = segment_bytes
        self._segments: list[Segment] = []
        self._end = 0
        self._appends: Groups[Sequence[bytes], int] = Groups(
            f"journal {folder}",
            self._append_group,
            weigh=append_bytes,
            max_weight=GROUP_BYTES,
            max_waiting=MAX_WAITING_BYTES,
        )
        self._trimming = asyncio.Lock()
        self._undo_due = False
        self.cut_bytes = 0

    @property
    def start(self) -> int:
        return self._segments[0].base

    @property
    def end(self) -> int:
        return self._end

    @property
    def closed(self) -> bool:
        return self._appends.closed

    async def append(self, records: Sequence[bytes]) -> int:
        check_records(records)
        self._appends.require_open()
        return await self._appends.ask(records) if records else self._end

    async def read(self, offset: int, *, max_records: int = 1_000, max_bytes: int = 1 << 23) -> list[bytes]:
        self._appends.require_open()
        out: list[bytes] = []
        room = max_bytes
        while offset < self._end and len(out) < max_records:
            if offset < self.start:
                if out:
                    return out
                raise self._trimmed(offset)
            segment = self._segments[self._behind(offset) - 1]
            try:
                async for frame in segment.frames(self._files, self._offload, offset):
                    for record in frame.records[max(0, offset - frame.base) :]:
                        if out and (len(out) >= max_records or len(record) > room):
                            return out
                        out.append(record)
                        room -= len(record)
                        offset += 1
                    if len(out) >= max_records or room <= 0:
                        return out
            except OSError as error:
                if segment.base < self.start:
                    raise self._trimmed(offset) from error
                raise self._typed(error) from error
            self._check_sequel(segment, offset)
        return out

    async def trim(self, before: int) -> None:
        self._appends.require_open()
        async with self._trimming:
            while len(self._segments) > 1 and self._segments[1].base <= before:
                oldest = self._segments.pop(0)
                try:
                    await self._files.remove(oldest.path)
                    # One by one, so that a power loss never leaves a gap between those kept.
                    await self._files.sync_folder(self._folder)
                except OSError as error:
                    raise self._typed(error) from error

    async def close(self) -> None:
        """Finish what was appended; the journal may then be opened again."""
        await self._appends.close()

    async def recover(self) -> None:
        """Read the folder and cut off a torn write. Called once, before anything else."""
        try:
            await self._files.make_folder(self._folder)
            names = [name for name in await self._files.list(self._folder) if name.endswith(SUFFIX)]
            for name in names:
                path = f"{self._folder}/{name}"
                segment = await open_segment(self._files, path, is_last=name == names[-1])
                if segment is None:
                    await self._files.remove(path)
                    await self._files.sync_folder(self._folder)
                else:
                    self._segments.append(segment)
            if not self._segments:
                base = int(names[-1].removesuffix(SUFFIX)) if names else 0
                self._segments.append(await create_segment(self._files, self._folder, base, self._entropy))
            await self._recover_tail(self._segments[-1])
        except OSError as error:
            raise self._typed(error) from error

    async def _recover_tail(self, segment: Segment) -> None:
        self._end = segment.base
        position = _frames.HEADER_BYTES
        try:
            async for frame in segment.frames(self._files, self._offload, segment.base):
                self._end += len(frame.records)
                position += frame.n_bytes
        except StorageCorrupt:
            rest = await self._files.read(segment.path, position + 1)
            if _frames.has_sound_frame(segment.marker, rest, self._end + 1):
                raise
            self.cut_bytes = segment.size - position
            await self._files.truncate(segment.path, position)
            segment.size = position
        # What a killed process wrote may not be durable yet; from here on it is shown, so it must be.
        await self._files.append_sync(segment.path, b"")
        await self._files.sync_folder(self._folder)

    async def _append_group(self, appends: Sequence[Sequence[bytes]]) -> list[int]:
        try:
            first = await self._write([record for records in appends for record in records])
        except OSError as error:
            raise self._typed(error) from error
        return list(accumulate(map(len, appends[:-1]), initial=first))

    async def _write(self, records: list[bytes]) -> int:
        """Make ``records`` durable as one frame, or leave the file as it was and raise."""
        if self._undo_due:
            await self._undo()
        if self._segments[-1].size >= self._segment_bytes:
            self._segments.append(await create_segment(self._files, self._folder, self._end, self._entropy))
        active = self._segments[-1]
        if sum(map(len, records)) > INLINE_BYTES:
            data = await self._offload.run(_frames.encode_frame, active.marker, self._end, records)
        else:
            data = _frames.encode_frame(active.marker, self._end, records)
        self._undo_due = True
        try:
            await self._files.append_sync(active.path, data)
        except OSError:
            await self._undo()
            raise
        self._undo_due = False
        first = self._end
        active.note(first, active.size)
        active.size += len(data)
        self._end += len(records)
        return first

    async def _undo(self) -> None:
        """Cut off what a failed write may have left. Until that succeeds, nothing else is written."""
        active = self._segments[-1]
        try:
            await self._files.truncate(active.path, active.size)
        except OSError as error:
            # Not StorageFull: that would promise that nothing of the write was kept.
            raise StorageError(f"journal {self._folder}: a failed write is not undone yet: {error}") from error
        self._undo_due = False

    def _behind(self, offset: int) -> int:
        """The index of the first segment that begins after ``offset``."""
        return bisect_right(self._segments, offset, key=lambda segment: segment.base)

    def _check_sequel(self, segment: Segment, offset: int) -> None:
        """The record behind a segment's last one must be the next segment's first."""
        if segment.base < self.start:
            return  # It was trimmed while it was read, and those behind it perhaps too.
        behind = self._behind(segment.base)
        if behind < len(self._segments) and offset < self._segments[behind].base:
            last = self._segments[behind].base - 1
            raise StorageCorrupt(segment.path, segment.size, f"records {offset} to {last} are missing")

    def _trimmed(self, offset: int) -> NotFound:
        return NotFound("journal record", f"{self._folder} {offset}", hint=f"kept are {self.start} and later")

    def _typed(self, error: OSError) -> StorageError:
        if error.errno in _FULL:
            return StorageFull(f"journal {self._folder}")
        return StorageError(f"journal {self._folder}: {error}", hint="look at the disk")


def check_journal_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidInput("journal name", f"{name!r} is not lower-case letters, digits, '-' and '_'")


def check_records(records: Sequence[bytes]) -> None:
    """Raises LimitExceeded when an append or one record of it is too much."""
    if (largest := max(map(len, records), default=0)) > MAX_RECORD_BYTES:
        raise LimitExceeded("a journal record in bytes", maximum=MAX_RECORD_BYTES, seen=largest)
    if (seen := append_bytes(records)) > MAX_APPEND_BYTES:
        raise LimitExceeded("an append in bytes", maximum=MAX_APPEND_BYTES, seen=seen)


def append_bytes(records: Sequence[bytes]) -> int:
    """What an append takes: its records and the length of each, which an empty record has too."""
    return sum(map(len, records)) + _LENGTH_BYTES * len(records)
