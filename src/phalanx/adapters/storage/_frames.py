"""The bytes of a segment file. Pure: no file is touched here.

A segment is a header and then frames, each the records of one write::

    header   "PHXJ" | version u16 | 0 u16 | base u64 | marker 8 bytes | crc u32
    frame    marker | base u64 | count u32 | length u32 | crc u32 | lengths u32 × count | records

All numbers are little-endian, ``base`` is the number of the first record, ``length`` counts
what follows the crc, and a crc is CRC-32 of everything of its part but itself.

Invariants that recovery stands on:

- A frame is durable before the next one is begun. So an unreadable frame with a sound frame
  behind it was damaged later, and one with nothing sound behind it may be a torn write.
- The marker is drawn at random for each segment, so that nobody outside can send a record
  that looks like a sound frame and turns a torn write into an alleged damage.
- The header is durable before the first frame, so a file no longer than a header holds no
  record.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from phalanx.adapters._limits import MAX_APPEND_BYTES

FORMAT_VERSION = 1
MARKER_BYTES = 8

_HEADER = struct.Struct("<4sHHQ8s")
_FRAME = struct.Struct("<8sQII")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CRC.size
FRAME_HEAD_BYTES = _FRAME.size + _CRC.size
_MAGIC = b"PHXJ"
# A group is one append at least, and appends that fit into less together.
_MAX_BODY_BYTES = MAX_APPEND_BYTES


class BadFrame(Exception):
    """These bytes are not a sound frame; the message says why."""


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """What a segment says of itself."""

    version: int
    base: int
    marker: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """One sound frame and the length it takes in the file."""

    base: int
    records: list[bytes]
    n_bytes: int


def encode_header(base: int, marker: bytes) -> bytes:
    assert len(marker) == MARKER_BYTES, len(marker)
    head = _HEADER.pack(_MAGIC, FORMAT_VERSION, 0, base, marker)
    return head + _CRC.pack(zlib.crc32(head))


def decode_header(data: bytes) -> SegmentHeader | None:
    """The header that ``data`` begins with, or None when it is none. Any version is returned."""
    if len(data) < HEADER_BYTES:
        return None
    magic, version, _, base, marker = _HEADER.unpack_from(data)
    (crc,) = _CRC.unpack_from(data, _HEADER.size)
    if magic != _MAGIC or crc != zlib.crc32(data[: _HEADER.size]):
        return None
    return SegmentHeader(version, base, marker)


def encode_frame(marker: bytes, base: int, records: Sequence[bytes]) -> bytes:
    assert records, "a frame has at least one record"
    body = b"".join((struct.pack(f"<{len(records)}I", *map(len, records)), *records))
    head = _FRAME.pack(marker, base, len(records), len(body))
    return b"".join((head, _CRC.pack(zlib.crc32(body, zlib.crc32(head))), body))


def frame_bytes(marker: bytes, data: bytes, at: int) -> int:
    """How long the frame at ``at`` says it is. Needs ``FRAME_HEAD_BYTES`` of it.

    Raises ``BadFrame`` when no frame begins there.
    """
    found, _, count, length = _FRAME.unpack_from(data, at)
    if found != marker:
        raise BadFrame("no frame begins here")
    if not 0 < count * 4 <= length <= _MAX_BODY_BYTES:
        raise BadFrame(f"a frame cannot have {count} records in {length} bytes")
    return FRAME_HEAD_BYTES + int(length)


def decode_frame(marker: bytes, data: bytes, at: int, base: int) -> Frame:
    """The frame at ``at``, whose first record must be number ``base``.

    Raises ``BadFrame`` when it is not sound or not complete.
    """
    if len(data) - at < FRAME_HEAD_BYTES or (n_bytes := frame_bytes(marker, data, at)) > len(data) - at:
        raise BadFrame("the frame is cut short")
    _, found_base, count, _ = _FRAME.unpack_from(data, at)
    (crc,) = _CRC.unpack_from(data, at + _FRAME.size)
    body = memoryview(data)[at + FRAME_HEAD_BYTES : at + n_bytes]
    if crc != zlib.crc32(body, zlib.crc32(memoryview(data)[at : at + _FRAME.size])):
        raise BadFrame("its checksum does not match")
    if found_base != base:
        raise BadFrame(f"it holds record {found_base} where {base} belongs")
    lengths = struct.unpack_from(f"<{count}I", data, at + FRAME_HEAD_BYTES)
    position = at + FRAME_HEAD_BYTES + 4 * count
    if position + sum(lengths) != at + n_bytes:
        raise BadFrame("its records do not fill it")
    records = []
    for length in lengths:
        records.append(data[position : position + length])
        position += length
    return Frame(base, records, n_bytes)


def has_sound_frame(marker: bytes, data: bytes, base: int) -> bool:
    """Whether ``data`` holds, anywhere, a sound frame of records at or after ``base``."""
    at = data.find(marker)
    while at >= 0:
        try:
            (found_base,) = struct.unpack_from("<Q", data, at + MARKER_BYTES)
            if found_base >= base:
                decode_frame(marker, data, at, found_base)
                return True
        except (BadFrame, struct.error):
            pass
        at = data.find(marker, at + 1)
    return False
