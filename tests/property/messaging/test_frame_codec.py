"""Frames survive the wire, and nothing else gets in."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import FutureVersion, WireError
from phalanx.messaging import Malformed
from phalanx.messaging._frames import Frame, Item, Settled, decode_frame, encode_frame

NUMBERS = st.integers(1, 2**62)
ITEMS = st.integers(1, 5).flatmap(
    lambda parts: st.builds(
        Item, NUMBERS, st.binary(max_size=60), st.integers(0, parts - 1), st.just(parts), st.booleans()
    )
)
ENDS = st.builds(
    Settled, NUMBERS, st.integers(0, 1_000), st.lists(st.tuples(st.text(max_size=9), st.integers(0, 20))).map(tuple)
)
FRAMES = st.builds(
    Frame, v=st.just(1), origin=st.text(min_size=1, max_size=36), floor=NUMBERS, items=st.lists(ITEMS).map(tuple),
    asked=st.lists(NUMBERS).map(tuple), stream=st.text(max_size=36), complete=NUMBERS,
    ranges=st.lists(st.tuples(NUMBERS, NUMBERS).map(lambda pair: (min(pair), max(pair)))).map(tuple),
    settled=st.lists(ENDS).map(tuple),
)  # fmt: skip


@given(FRAMES)
def test_what_is_written_is_read(frame):
    assert decode_frame(encode_frame(frame)) == frame


@given(FRAMES, st.data())
def test_damage_is_an_error_or_another_frame_and_never_a_crash(frame, data):
    raw = bytearray(encode_frame(frame))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(WireError):
        decode_frame(bytes(raw))


@given(FRAMES)
def test_what_no_sender_of_ours_writes_is_malformed(frame):
    replace = msgspec.structs.replace
    for bad in (
        replace(frame, origin=""),
        replace(frame, floor=-1),
        replace(frame, ranges=((2, 1),)),
        replace(frame, items=(Item(1, b"", 1, 1),)),
        replace(frame, items=(Item(1, b"", 0, 1_000_000),)),
        replace(frame, asked=(1,) * 5_000),
        replace(frame, settled=(Settled(0, 1),)),
        replace(frame, v=0),
    ):
        with pytest.raises(Malformed):
            decode_frame(encode_frame(bad))
    with pytest.raises(FutureVersion):
        decode_frame(encode_frame(replace(frame, v=2)))
