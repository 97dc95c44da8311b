"""One segment file: its header, where its frames lie, and reading them."""

from array import array
from bisect import bisect_right
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from phalanx.adapters._limits import INDEX_STEP_BYTES, INLINE_BYTES, READ_BYTES
from phalanx.adapters.storage import _frames
from phalanx.adapters.storage._files import Files
from phalanx.adapters.storage._frames import FRAME_HEAD_BYTES, HEADER_BYTES, MARKER_BYTES, BadFrame, Frame
from phalanx.core import EntropySource, FutureVersion, Offload, StorageCorrupt

SUFFIX = ".segment"


@dataclass(slots=True, eq=False)
class Segment:
    """A file whose first ``size`` bytes are durable. Its first record is number ``base``.

    ``offsets`` and ``positions`` lead to some of its frames, about one every
    ``INDEX_STEP_BYTES``; they fill up as the file is written or read through.
    """

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
        i = bisect_right(self.offsets, offset) - 1
        return (self.offsets[i], self.positions[i]) if i >= 0 else (self.base, HEADER_BYTES)

    async def frames(self, files: Files, offload: Offload, offset: int) -> AsyncIterator[Frame]:
        """The frames from the one that holds ``offset`` to the durable end.

        Raises ``StorageCorrupt`` at the first one that is not sound.
        """
        base, position = self.near(offset)
        data, at = b"", 0
        while position < self.size:
            n_bytes = FRAME_HEAD_BYTES
            try:
                if len(data) - at >= n_bytes:
                    n_bytes = _frames.frame_bytes(self.marker, data, at)
                if len(data) - at < n_bytes <= self.size - position:
                    n_read = min(max(n_bytes, READ_BYTES), self.size - position)
                    data, at = await files.read(self.path, position, n_read), 0
                    if len(data) == n_read:
                        continue
                if len(data) - at > INLINE_BYTES:
                    frame = await offload.run(_frames.decode_frame, self.marker, data, at, base)
                else:
                    frame = _frames.decode_frame(self.marker, data, at, base)
            except BadFrame as bad:
                raise StorageCorrupt(self.path, position, str(bad)) from bad
            self.note(base, position)
            base += len(frame.records)
            position += frame.n_bytes
            at += frame.n_bytes
            if base > offset:
                yield frame


async def create_segment(files: Files, folder: str, base: int, entropy: EntropySource) -> Segment:
    """A new file, durable with its header, that waits for record ``base``."""
    name = segment_name(base)
    path = f"{folder}/{name}"
    if name in await files.list(folder):
        # What an earlier attempt left that found no space; it never got a record.
        await files.remove(path)
    marker = entropy.token(MARKER_BYTES)
    await files.append_sync(path, _frames.encode_header(base, marker))
    await files.sync_folder(folder)
    return Segment(path, base, marker, HEADER_BYTES)


async def open_segment(files: Files, path: str, *, is_last: bool) -> Segment | None:
    """The file as it is found, or None when it is the last one and its creation was torn."""
    size = await files.size(path)
    header = _frames.decode_header(await files.read(path, 0, HEADER_BYTES))
    if header is None and is_last and size <= HEADER_BYTES:
        return None
    if header is None:
        raise StorageCorrupt(path, 0, "its header is not one")
    if header.version > _frames.FORMAT_VERSION:
        raise FutureVersion(f"journal segment {path}", seen=header.version, known=_frames.FORMAT_VERSION)
    if not path.endswith(f"/{segment_name(header.base)}"):
        raise StorageCorrupt(path, 0, f"it begins with record {header.base}, which its name denies")
    return Segment(path, header.base, header.marker, size)


def segment_name(base: int) -> str:
    return f"{base:020d}{SUFFIX}"
