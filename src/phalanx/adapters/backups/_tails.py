"""How much of a journal's last segment is whole, while somebody may be appending to it."""

import os

from phalanx.adapters.storage import _frames
from phalanx.core import FutureVersion, StorageCorrupt


def whole_bytes(file: int, size: int, path: str) -> int:
    """The length of the first ``size`` bytes of an open segment up to its last whole frame; 0 where it has no header.

    What is behind is a frame that was being written. Raises ``StorageCorrupt`` when a sound frame comes behind one
    that is not: that was damaged, and would be so in a copy.
    """
    data = os.pread(file, size, 0)
    header = _frames.decode_header(data)
    if header is None:
        if len(data) > _frames.HEADER_BYTES:
            raise StorageCorrupt(path, 0, "its header is not one")
        return 0
    if header.version > _frames.FORMAT_VERSION:
        raise FutureVersion(f"journal segment {path}", seen=header.version, known=_frames.FORMAT_VERSION)
    at, base = _frames.HEADER_BYTES, header.base
    while at < len(data):
        try:
            frame = _frames.decode_frame(header.marker, data, at, base)
        except _frames.BadFrame as bad:
            if _frames.has_sound_frame(header.marker, data[at + 1 :], base + 1):
                raise StorageCorrupt(path, at, str(bad)) from bad
            break
        at += frame.n_bytes
        base += len(frame.records)
    return at
