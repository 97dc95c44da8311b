"""What processes say to each other: batches of items, and of words about the items that came the other way.

An item is an envelope, its bytes, or one part of them, under a number of its stream. Most are envelopes as they are: a
frame of hundreds is written by one call and read by one. A stream goes from one incarnation of a process to one other
process; ``origin`` names the incarnation. Number 0 means that nobody keeps count.
"""

import msgspec

from phalanx.core import FutureVersion
from phalanx.messaging._envelope import Envelope
from phalanx.messaging._errors import Malformed
from phalanx.messaging._limits import (
    MAX_FRAME_ASKED,
    MAX_FRAME_ITEMS,
    MAX_FRAME_RANGES,
    MAX_FRAME_SETTLED,
    MAX_FRAME_TAKEN,
    MAX_PARTS,
)

VERSION = 2
# Of the first version ends were told one by one, and items were bytes.
OLDEST = 1
# What an envelope that is a whole item takes besides its body, as a rule.
ENVELOPE_BYTES = 256


class Item(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """``part`` of ``parts``, whose numbers follow each other. ``again``: an earlier incarnation may have sent it."""

    number: int
    data: bytes | Envelope
    part: int = 0
    parts: int = 1
    again: bool = False


class Settled(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """The end of an item at its receiver: how many recipients took it, and how it ended at the others."""

    number: int
    taken: int
    refused: tuple[tuple[str, int], ...] = ()


class Frame(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """``floor``: every lower number of this stream has its end. The rest is about the receiver's own stream.

    ``stream`` is the incarnation of the receiver that it is about; everything up to ``complete`` and in ``ranges`` was
    received, ``settled`` came to its end, and what is in the ranges of ``taken`` was taken by its one recipient.
    ``asked`` are numbers of this stream whose end the sender waits for.
    """

    v: int
    origin: str
    floor: int
    items: tuple[Item, ...] = ()
    asked: tuple[int, ...] = ()
    stream: str = ""
    complete: int = 0
    ranges: tuple[tuple[int, int], ...] = ()
    settled: tuple[Settled, ...] = ()
    taken: tuple[tuple[int, int], ...] = ()


class _RawItem(msgspec.Struct, array_like=True):
    number: int
    data: msgspec.Raw
    part: int = 0
    parts: int = 1
    again: bool = False


class _RawFrame(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    v: int
    origin: str
    floor: int
    items: tuple[_RawItem, ...] = ()
    asked: tuple[int, ...] = ()
    stream: str = ""
    complete: int = 0
    ranges: tuple[tuple[int, int], ...] = ()
    settled: tuple[Settled, ...] = ()
    taken: tuple[tuple[int, int], ...] = ()


class _Header(msgspec.Struct, array_like=True):
    v: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Frame)
_raw_decoder = msgspec.msgpack.Decoder(_RawFrame)
_bytes = msgspec.msgpack.Decoder(bytes)
_header = msgspec.msgpack.Decoder(_Header)


def encode_frame(frame: Frame) -> bytes:
    return _encoder.encode(frame)


def decode_frame(data: bytes) -> Frame:
    """Raises ``Malformed``, ``FutureVersion``."""
    try:
        frame = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if (seen := _version(data)) > VERSION:
            raise FutureVersion("frame", seen=seen, known=VERSION) from error
        frame = _one_by_one(data, error)
    if not OLDEST <= frame.v <= VERSION:
        raise FutureVersion("frame", seen=frame.v, known=VERSION) if frame.v > VERSION else Malformed("version 0")
    if problem := _problem(frame):
        raise Malformed(problem)
    return frame


def _one_by_one(data: bytes, error: Exception) -> Frame:
    """A frame in which some envelope cannot be read: as bytes they have an end each, and the others their due."""
    try:
        raw = _raw_decoder.decode(data)
        items = [Item(one.number, _bytes_of(bytes(one.data)), one.part, one.parts, one.again) for one in raw.items]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed(str(error)) from error
    rest = {name: getattr(raw, name) for name in Frame.__struct_fields__ if name != "items"}
    return Frame(**rest, items=tuple(items))


def _bytes_of(data: bytes) -> bytes:
    """An item's bytes: what it says if it is bytes, and as it is written if it is an envelope."""
    try:
        return _bytes.decode(data)
    except msgspec.DecodeError:
        return data


def _problem(frame: Frame) -> str:
    lists = (
        (len(frame.items), MAX_FRAME_ITEMS), (len(frame.asked), MAX_FRAME_ASKED),
        (len(frame.ranges), MAX_FRAME_RANGES), (len(frame.settled), MAX_FRAME_SETTLED),
        (len(frame.taken), MAX_FRAME_TAKEN),
    )  # fmt: skip
    if any(seen > most for seen, most in lists):
        return "a list in it is too long"
    if not frame.origin or frame.floor < 0 or frame.complete < 0:
        return "it says not where it comes from, or counts below zero"
    for item in frame.items:
        if item.number < 0 or ((item.parts != 1 or item.part) and not _is_part(item)):
            return "an item's numbers cannot be"
    if any(low < 1 or high < low for ranges in (frame.ranges, frame.taken) for low, high in ranges):
        return "a range runs backwards"
    if any(one.number < 1 or one.taken < 0 for one in frame.settled):
        return "an end's numbers cannot be"
    return ""


def _is_part(item: Item) -> bool:
    return 1 <= item.parts <= MAX_PARTS and 0 <= item.part < item.parts and isinstance(item.data, bytes)


def _version(data: bytes) -> int:
    try:
        return _header.decode(data).v
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0
