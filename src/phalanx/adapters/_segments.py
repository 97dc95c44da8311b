"""Journals as folders of segment files.

Concurrent appends share one write and one ``fdatasync``: while one group is being written
the next one gathers. A write that fails (no space, a disk error) is cut off again before
anything else is written, so the file never holds a record that was refused, and reading goes
on throughout. ``_frames`` says what lies in a file and what recovery relies on.

On opening, the last segment is read through: what a torn write left at its end is cut off,
any other damage is ``StorageCorrupt``. Older segments are checked as they are read.
"""

import asyncio
import bisect
import errno
import re
from array import array
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from phalanx.adapters import _frames
from phalanx.adapters._files import Files
from phalanx.adapters._frames import HEADER_BYTES, MARKER_BYTES, BadFrame, Frame
from phalanx.adapters._limits import (
    GROUP_BYTES,
    INDEX_STEP_BYTES,
    INLINE_BYTES,
    MAX_APPEND_BYTES,
    MAX_RECORD_BYTES,
    READ_BYTES,
    SEGMENT_BYTES,
)
from phalanx.core import (
    EntropySource,
    FutureVersion,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Offload,
    StorageCorrupt,
    StorageError,
    StorageFull,
    Unavailable,
)

_SUFFIX = ".segment"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
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
        if not _NAME.fullmatch(name):
            raise InvalidInput("journal name", f"{name!r} is not lower-case letters, digits, '-' and '_'")
        if (known := self._open.get(name)) is not None and not known.closed:
            raise Unavailable(f"journal {name}", "it is open already", hint="share the open one, or close it first")
        folder = f"{self._folder}/{name}" if self._folder else name
        journal = SegmentJournal(
            self._files, folder, entropy=self._entropy, offload=self._offload, segment_bytes=self._segment_bytes
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


@dataclass(slots=True)
class _Segment:
    """One file. ``size`` counts its durable bytes, ``offsets``/``positions`` lead into it."""

    path: str
    base: int
    marker: bytes
    size: int
    offsets: "array[int]" = field(default_factory=lambda: array("Q"))
    positions: "array[int]" = field(default_factory=lambda: array("Q"))

    def note(self, offset: int, position: int) -> None:
        """Remember where a frame lies, if it is far enough past the last one remembered."""
        last = self.positions[-1] if self.positions else 0
        if position >= last + INDEX_STEP_BYTES:
            self.offsets.append(offset)
            self.positions.append(position)

    def near(self, offset: int) -> tuple[int, int]:
        """The last remembered frame at or before ``offset``: its first record and position."""
        i = bisect.bisect_right(self.offsets, offset) - 1
        return (self.offsets[i], self.positions[i]) if i >= 0 else (self.base, HEADER_BYTES)


@dataclass(slots=True)
class _Append:
    records: Sequence[bytes]
    n_bytes: int
    done: "asyncio.Future[int]"


class SegmentJournal:
    """A ``Journal`` in segment files. Made by ``SegmentJournals.open``."""

    def __init__(
        self, files: Files, folder: str, *, entropy: EntropySource, offload: Offload, segment_bytes: int
    ) -> None:
        self._files = files
        self._folder = folder
        self._entropy = entropy
        self._offload = offload
        self._segment_bytes = segment_bytes
        self._segments: list[_Segment] = []
        self._end = 0
        self._waiting: deque[_Append] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._trimming = asyncio.Lock()
        self._undo_due = False
        self.closed = False
        self.cut_bytes = 0

    @property
    def start(self) -> int:
        return self._segments[0].base

    @property
    def end(self) -> int:
        return self._end

    async def append(self, records: Sequence[bytes]) -> int:
        n_bytes = sum(map(len, records))
        if records and (largest := max(map(len, records))) > MAX_RECORD_BYTES:
            raise LimitExceeded("a journal record in bytes", maximum=MAX_RECORD_BYTES, seen=largest)
        if (seen := max(n_bytes, 4 * len(records))) > MAX_APPEND_BYTES:
            raise LimitExceeded("an append in bytes", maximum=MAX_APPEND_BYTES, seen=seen)
        self._require_open()
        if not records:
            return self._end
        append = _Append(records, n_bytes, asyncio.get_running_loop().create_future())
        self._waiting.append(append)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_groups(), name=f"journal {self._folder}")
        return await append.done

    async def read(self, offset: int, *, max_records: int = 1_000, max_bytes: int = 1 << 23) -> list[bytes]:
        self._require_open()
        out: list[bytes] = []
        room = max_bytes
        while offset < self._end and len(out) < max_records:
            if offset < self.start:
                raise NotFound("journal record", f"{self._folder} {offset}", hint=f"kept are {self.start} and later")
            segment = self._segments[bisect.bisect_right(self._segments, offset, key=lambda s: s.base) - 1]
            async for frame in self._frames_from(segment, offset):
                for record in frame.records[max(0, offset - frame.base) :]:
                    if out and (len(out) >= max_records or len(record) > room):
                        return out
                    out.append(record)
                    room -= len(record)
                    offset += 1
                if len(out) >= max_records or room <= 0:
                    return out
        return out

    async def trim(self, before: int) -> None:
        self._require_open()
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
        self.closed = True
        if self._writing is not None:
            await asyncio.wait([self._writing])

    # Writing: one task at a time, alive only while there is something to write.

    async def _write_groups(self) -> None:
        group: list[_Append] = []
        try:
            while self._waiting:
                group = self._next_group()
                try:
                    first = await self._write([record for append in group for record in append.records])
                except OSError as error:
                    for append in group:
                        _fail(append, self._typed(error))
                    continue
                for append in group:
                    if not append.done.done():
                        append.done.set_result(first)
                    first += len(append.records)
        except BaseException as error:
            # A simulated power loss or the end of the loop: nobody may wait for it for ever.
            for append in (*group, *self._waiting):
                _fail(append, StorageError(f"journal {self._folder} stopped: {error!r}"))
            self._waiting.clear()
            raise
        finally:
            self._writing = None

    def _next_group(self) -> list[_Append]:
        group = [self._waiting.popleft()]
        n_bytes = group[0].n_bytes
        while self._waiting and n_bytes + self._waiting[0].n_bytes <= GROUP_BYTES:
            group.append(self._waiting.popleft())
            n_bytes += group[-1].n_bytes
        return group

    async def _write(self, records: list[bytes]) -> int:
        """Make ``records`` durable as one frame, or leave the file as it was and raise OSError."""
        if self._undo_due:
            await self._undo()
        if self._segments[-1].size >= self._segment_bytes:
            self._segments.append(await self._new_segment(self._end))
        active = self._segments[-1]
        if sum(map(len, records)) > INLINE_BYTES:
            data = await self._offload.run(_frames.encode_frame, active.marker, self._end, records)
        else:
            data = _frames.encode_frame(active.marker, self._end, records)
        try:
            await self._files.append_sync(active.path, data)
        except OSError:
            self._undo_due = True
            await self._undo(quietly=True)
            raise
        first = self._end
        active.note(first, active.size)
        active.size += len(data)
        self._end += len(records)
        return first

    async def _undo(self, *, quietly: bool = False) -> None:
        """Cut off what a failed write may have left. If that fails too, it stays due."""
        active = self._segments[-1]
        try:
            await self._files.truncate(active.path, active.size)
        except OSError:
            if quietly:
                return
            raise
        self._undo_due = False

    async def _new_segment(self, base: int) -> _Segment:
        name = f"{base:020d}{_SUFFIX}"
        path = f"{self._folder}/{name}"
        if name in await self._files.list(self._folder):
            # What an earlier attempt left that found no space; it never got a record.
            await self._files.remove(path)
        header = _frames.encode_header(base, self._entropy.token(MARKER_BYTES))
        await self._files.append_sync(path, header)
        await self._files.sync_folder(self._folder)
        return _Segment(path, base, header[-4 - MARKER_BYTES : -4], HEADER_BYTES)

    # Recovery and reading.

    async def recover(self) -> None:
        """Read the folder; cut off a torn write."""
        try:
            await self._files.make_folder(self._folder)
            names = [name for name in await self._files.list(self._folder) if name.endswith(_SUFFIX)]
            for name in names:
                await self._recover_segment(name, is_last=name == names[-1])
            if not self._segments:
                base = int(names[-1].removesuffix(_SUFFIX)) if names else 0
                self._segments.append(await self._new_segment(base))
            await self._recover_tail(self._segments[-1])
        except OSError as error:
            raise self._typed(error) from error

    async def _recover_segment(self, name: str, *, is_last: bool) -> None:
        path = f"{self._folder}/{name}"
        size = await self._files.size(path)
        header = _frames.decode_header(await self._files.read(path, 0, HEADER_BYTES))
        if header is None and is_last and size <= HEADER_BYTES:
            # Its creation was torn, so it never got a record.
            await self._files.remove(path)
            await self._files.sync_folder(self._folder)
            return
        if header is None:
            raise StorageCorrupt(path, 0, "the segment header is not one")
        if header.version > _frames.FORMAT_VERSION:
            raise FutureVersion(f"journal segment {path}", seen=header.version, known=_frames.FORMAT_VERSION)
        if name != f"{header.base:020d}{_SUFFIX}":
            raise StorageCorrupt(path, 0, f"the file is named for another record than {header.base}")
        self._segments.append(_Segment(path, header.base, header.marker, size))

    async def _recover_tail(self, segment: _Segment) -> None:
        self._end = segment.base
        position = HEADER_BYTES
        try:
            async for frame in self._frames_from(segment, segment.base):
                self._end += len(frame.records)
                position += frame.n_bytes
        except StorageCorrupt:
            rest = await self._files.read(segment.path, position + 1)
            if _frames.has_sound_frame(segment.marker, rest, self._end + 1):
                raise
            self.cut_bytes = segment.size - position
            await self._files.truncate(segment.path, position)
            segment.size = position

    async def _frames_from(self, segment: _Segment, offset: int) -> AsyncIterator[Frame]:
        """Sound frames of ``segment`` from near ``offset`` to its durable end."""
        base, position = segment.near(offset)
        data, at = b"", 0
        while position < segment.size:
            try:
                n_bytes = _frames.FRAME_HEAD_BYTES
                if len(data) - at >= n_bytes:
                    n_bytes = _frames.frame_bytes(segment.marker, data, at)
                if len(data) - at < n_bytes <= segment.size - position:
                    n_read = min(max(n_bytes, READ_BYTES), segment.size - position)
                    data, at = await self._read_file(segment, position, n_read), 0
                    if len(data) == n_read:
                        continue
                frame = await self._decode(segment, data, at, base)
            except BadFrame as bad:
                raise StorageCorrupt(segment.path, position, str(bad)) from bad
            segment.note(base, position)
            base += len(frame.records)
            position += frame.n_bytes
            at += frame.n_bytes
            if base > offset:
                yield frame
        after = next((s.base for s in self._segments if s.base > segment.base), None)
        if after is not None and base != after:
            raise StorageCorrupt(segment.path, position, f"records {base} to {after - 1} are missing")

    async def _decode(self, segment: _Segment, data: bytes, at: int, base: int) -> Frame:
        if len(data) - at > INLINE_BYTES:
            return await self._offload.run(_frames.decode_frame, segment.marker, data, at, base)
        return _frames.decode_frame(segment.marker, data, at, base)

    async def _read_file(self, segment: _Segment, position: int, n: int) -> bytes:
        try:
            return await self._files.read(segment.path, position, n)
        except FileNotFoundError as error:
            if segment in self._segments:
                raise StorageCorrupt(segment.path, position, "the file is gone") from error
            raise NotFound("journal record", segment.path, hint=f"kept are {self.start} and later") from error
        except OSError as error:
            raise self._typed(error) from error

    def _require_open(self) -> None:
        if self.closed:
            raise StorageError(f"journal {self._folder} is closed")

    def _typed(self, error: OSError) -> StorageError:
        if error.errno in _FULL:
            return StorageFull(f"journal {self._folder}")
        return StorageError(f"journal {self._folder}: {error}", hint="look at the disk", errno=error.errno)


def _fail(append: _Append, error: StorageError) -> None:
    if not append.done.done():
        append.done.set_exception(error)
