"""Frames survive the wire, and nothing else gets in."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import FutureVersion, TenantId, WireError
from phalanx.messaging import Envelope, Kind, Malformed, Marking, decode_envelope
from phalanx.messaging._frames import Frame, Item, Settled, decode_frame, encode_frame

NUMBERS = st.integers(1, 2**62)
RANGES = st.tuples(NUMBERS, NUMBERS).map(lambda pair: (min(pair), max(pair)))
ENVELOPE = Envelope(
    v=1, kind=Kind.REPLY, origin="o", number=1, sender="p/a", to=("q/b",), body=b"body", at_ns=1, deadline_ns=2,
    tenant=TenantId("acme"), marking=Marking.GREEN,
)  # fmt: skip
ITEMS = st.integers(1, 5).flatmap(
    lambda parts: st.builds(
        Item, NUMBERS, st.binary(max_size=60), st.integers(0, parts - 1), st.just(parts), st.booleans()
    )
)
ENDS = st.builds(
    Settled, NUMBERS, st.integers(0, 1_000), st.lists(st.tuples(st.text(max_size=9), st.integers(0, 20))).map(tuple)
)
FRAMES = st.builds(
    Frame, v=st.sampled_from((1, 2)), origin=st.text(min_size=1, max_size=36), floor=NUMBERS,
    items=st.lists(ITEMS).map(tuple), asked=st.lists(NUMBERS).map(tuple), stream=st.text(max_size=36),
    complete=NUMBERS, ranges=st.lists(RANGES).map(tuple),
    settled=st.lists(ENDS).map(tuple), taken=st.lists(RANGES).map(tuple),
)  # fmt: skip


@given(FRAMES)
def test_what_is_written_is_read(frame):
    assert decode_frame(encode_frame(frame)) == frame


@given(FRAMES, st.lists(st.binary(max_size=60), max_size=5))
def test_envelopes_are_items_as_they_are(frame, bodies):
    whole = [Item(n, msgspec.structs.replace(ENVELOPE, body=body)) for n, body in enumerate(bodies, 1)]
    frame = msgspec.structs.replace(frame, items=(*frame.items, *whole))
    assert decode_frame(encode_frame(frame)) == frame


def test_an_envelope_that_cannot_be_read_takes_no_other_along():
    newer = (*msgspec.structs.astuple(ENVELOPE), "a field that is not known here")
    good, parts = Item(1, ENVELOPE), Item(3, b"part", 0, 2)
    frame = Frame(2, "o", 1, (good, Item(2, newer), parts), (7,))
    read = decode_frame(encode_frame(frame))
    assert [one.number for one in read.items] == [1, 2, 3]
    assert decode_envelope(read.items[0].data) == ENVELOPE
    assert read.items[2] == parts
    assert read.asked == (7,)
    with pytest.raises(Malformed):
        decode_envelope(read.items[1].data)


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
        replace(frame, taken=((3, 2),)),
        replace(frame, items=(Item(1, ENVELOPE, 0, 2),)),
        replace(frame, v=0),
    ):
        with pytest.raises(Malformed):
            decode_frame(encode_frame(bad))
    with pytest.raises(FutureVersion):
        decode_frame(encode_frame(replace(frame, v=3)))
