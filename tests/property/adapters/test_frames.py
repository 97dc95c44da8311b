"""The segment format: what is written is read back, and nothing else passes for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.adapters.storage import _frames

MARKER = b"\x11\x22\x33\x44\x55\x66\x77\x88"
_records = st.lists(st.binary(max_size=40), min_size=1, max_size=6)
_bases = st.integers(0, 2**64 - 1)


@given(_records, _bases, st.binary(max_size=10), st.binary(max_size=10))
def test_round_trip(records, base, before, after):
    data = before + _frames.encode_frame(MARKER, base, records) + after
    frame = _frames.decode_frame(MARKER, data, len(before), base)
    assert (frame.base, frame.records) == (base, records)
    assert frame.n_bytes == len(data) - len(before) - len(after)


@given(_records, st.data())
def test_any_changed_or_missing_byte_is_noticed(records, data):
    frame = _frames.encode_frame(MARKER, 7, records)
    at = data.draw(st.integers(0, len(frame) - 1))
    flipped = frame[:at] + bytes([frame[at] ^ data.draw(st.integers(1, 255))]) + frame[at + 1 :]
    for bad in (flipped, frame[:at]):
        with pytest.raises(_frames.BadFrame):
            _frames.decode_frame(MARKER, bad, 0, 7)
    with pytest.raises(_frames.BadFrame, match="holds record 7 where 8 belongs"):
        _frames.decode_frame(MARKER, frame, 0, 8)


@given(_bases)
def test_header(base):
    header = _frames.encode_header(base, MARKER)
    assert len(header) == _frames.HEADER_BYTES
    assert _frames.decode_header(header + b"rest") == _frames.SegmentHeader(1, base, MARKER)
    for at in range(len(header)):
        damaged = header[:at] + bytes([header[at] ^ 1]) + header[at + 1 :]
        assert _frames.decode_header(damaged) is None
        assert _frames.decode_header(header[:at]) is None


@given(st.binary(max_size=60), _records, st.binary(max_size=60))
def test_a_sound_frame_is_found_wherever_it_lies(before, records, after):
    frame = _frames.encode_frame(MARKER, 9, records)
    assert _frames.has_sound_frame(MARKER, before + MARKER + frame + after, 9)
    assert not _frames.has_sound_frame(MARKER, before + frame + after, 10), "it is older than asked for"
    assert not _frames.has_sound_frame(MARKER, before + frame[:-1], 9), "it is not whole"
    assert not _frames.has_sound_frame(b"otherone", before + frame + after, 9), "it is of another segment"
