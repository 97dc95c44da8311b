"""Syslog messages out of a stream: RFC 6587's two framings, and what hostile peers make of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import BatchId, TenantId, derive_id
from phalanx.intel import read_chunk
from phalanx.intel.reading import SyslogFrames

pytestmark = pytest.mark.requirement("INT-1")

MESSAGE = b"<34>1 2026-03-02T08:30:00Z host app 4711 ID - hello"
messages = st.binary(min_size=1, max_size=60).map(
    lambda data: b"<" + data.replace(b"\n", b" ").replace(b"\0", b" ").strip() + b">"
)


def frames(**options):
    return SyslogFrames(**{"max_bytes": 1_000, **options})


def cut_into(data, sizes):
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


@given(st.lists(st.tuples(messages, st.booleans()), max_size=8), st.lists(st.integers(0, 40), max_size=20))
def test_both_framings_however_the_bytes_arrive(told, sizes):
    stream = b"".join(b"%d %s" % (len(one), one) if counted else one + b"\n" for one, counted in told)
    decoder = frames()
    lines = [line for piece in cut_into(stream, sizes) for line in decoder.feed(piece)]
    assert lines + decoder.end() == [one for one, _ in told]
    assert not decoder.is_within


@given(st.binary(max_size=300), st.lists(st.integers(0, 40), max_size=20), st.sampled_from(["auto", "lines", "octets"]))
def test_garbage_is_bounded_and_comes_out_the_same_however_it_arrives(data, sizes, framing):
    whole, pieces = frames(max_bytes=600, framing=framing), frames(max_bytes=600, framing=framing)
    once = whole.feed(data) + whole.end()
    assert [line for piece in cut_into(data, sizes) for line in pieces.feed(piece)] + pieces.end() == once
    assert pieces.held_bytes == 0
    assert all(b"\n" not in line and line.strip() for line in once)


def test_a_nul_ends_a_line_too_and_is_what_it_is_within_a_counted_message():
    # RFC 6587, section 3.4.2: senders exist that end a message with a NUL, or with both.
    assert frames().feed(b"<34>a\0<34>b\0\n<34>c\n5 <3>a\0") == [b"<34>a", b"<34>b", b"<34>c", b"<3>a"]
    assert frames().feed(b"6 <3>a\0b<34>c\0") == [b"<3>a\0b", b"<34>c"]


def test_a_message_with_newlines_is_one_line():
    assert frames().feed(b"11 <34>a\r\nb\nc\n") == [b"<34>a\r#012b#012c"]


@pytest.mark.parametrize("counted", [True, False])
def test_a_huge_message_is_passed_over_and_its_beginning_goes_to_quarantine(counted):
    decoder, size = frames(), 100_000_000
    stream = [b"%d " % size if counted else b"", MESSAGE, *([b"x" * 999_999] * 100), b"x" * (100 - len(MESSAGE))]
    lines = []
    for piece in [*stream, b"" if counted else b"\n", b"%d %s" % (len(MESSAGE), MESSAGE)]:
        lines += decoder.feed(piece)
        assert decoder.held_bytes <= 1_000
    assert decoder.cut == 1
    assert lines[0].startswith(b"phalanx unread: 100000000 bytes, more than")
    assert b"it begins: " + MESSAGE in lines[0]
    assert len(lines[0]) < 700
    assert lines[1:] == [MESSAGE]
    now_ns = 1_772_440_200_000_000_000
    for reader in ("auto", "syslog"):
        out = read_chunk(
            lines[0], reader=reader, tenant=TenantId("t"), batch=BatchId(derive_id(now_ns, "b")), accepted_at_ns=now_ns
        )
        assert "that a listener takes" in out.rejected[0].reason


def test_a_count_that_nobody_can_mean_breaks_the_stream():
    decoder = frames(framing="octets")
    assert decoder.feed(b"99999999999999 <34>x") == []
    assert decoder.is_broken
    assert frames(framing="octets").feed(b"<34>x\n") == []


def test_digits_that_are_no_count_are_a_line():
    assert frames().feed(b"2026-03-02T08:30:00Z host app: x\n") == [b"2026-03-02T08:30:00Z host app: x"]
    assert frames().feed(b"12345678901 x\n") == [b"12345678901 x"]
    assert frames().feed(b"\n\n\0 \n") == []
