"""What processes say to each other: batches of items, and of words about the items that came the other way.

An item is an envelope's bytes, or one part of them, under a number of its stream. A stream goes from one incarnation of
a process to one other process; ``origin`` names the incarnation. Number 0 means that nobody keeps count.
"""

import msgspec

from phalanx.core import FutureVersion
from phalanx.messaging._errors import Malformed
from phalanx.messaging._limits import MAX_FRAME_ASKED, MAX_FRAME_ITEMS, MAX_FRAME_RANGES, MAX_FRAME_SETTLED, MAX_PARTS

VERSION = 1


class Item(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """``part`` of ``parts``, whose numbers follow each other. ``again``: an earlier incarnation may have sent it."""

    number: int
    data: bytes
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
    received, ``settled`` came to its end. ``asked`` are numbers of this stream whose end the sender waits for.
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


class _Header(msgspec.Struct, array_like=True):
    v: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Frame)
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
        raise Malformed(str(error)) from error
    if frame.v != VERSION:
        raise FutureVersion("frame", seen=frame.v, known=VERSION) if frame.v > VERSION else Malformed("version 0")
    if problem := _problem(frame):
        raise Malformed(problem)
    return frame


def _problem(frame: Frame) -> str:
    lists = (
        (len(frame.items), MAX_FRAME_ITEMS), (len(frame.asked), MAX_FRAME_ASKED),
        (len(frame.ranges), MAX_FRAME_RANGES), (len(frame.settled), MAX_FRAME_SETTLED),
    )  # fmt: skip
    if any(seen > most for seen, most in lists):
        return "a list in it is too long"
    if not frame.origin or frame.floor < 0 or frame.complete < 0:
        return "it says not where it comes from, or counts below zero"
    for item in frame.items:
        if not 1 <= item.parts <= MAX_PARTS or not 0 <= item.part < item.parts or item.number < 0:
            return "an item's numbers cannot be"
    if any(low < 1 or high < low for low, high in frame.ranges):
        return "a range runs backwards"
    if any(one.number < 1 or one.taken < 0 for one in frame.settled):
        return "an end's numbers cannot be"
    return ""


def _version(data: bytes) -> int:
    try:
        return _header.decode(data).v
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0
