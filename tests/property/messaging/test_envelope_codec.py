"""Envelopes survive the wire, and nothing else gets in."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import FutureVersion, TenantId, TraceId, WireError
from phalanx.messaging import Envelope, Kind, Malformed, Marking, decode_envelope, encode_envelope

NAMES = st.text(min_size=1, max_size=40)
TIMES = st.integers(0, 2**63 - 1)
ENVELOPES = st.builds(
    Envelope,
    v=st.just(1), kind=st.sampled_from(Kind), origin=NAMES, number=TIMES, sender=NAMES,
    to=st.lists(NAMES, min_size=1, max_size=5).map(tuple), body=st.binary(max_size=200), at_ns=TIMES,
    deadline_ns=TIMES, tenant=NAMES.map(TenantId), marking=st.sampled_from(Marking),
    audience=st.lists(NAMES, max_size=4).map(tuple), organisation=st.text(max_size=20),
    trace=st.text(max_size=36).map(TraceId), reply_to=st.text(max_size=50), epoch=TIMES, hops=st.integers(0, 64),
)  # fmt: skip


@given(ENVELOPES)
def test_what_is_written_is_read(envelope):
    assert decode_envelope(encode_envelope(envelope)) == envelope


@given(ENVELOPES, st.data())
def test_damage_is_an_error_or_another_envelope_and_never_a_crash(envelope, data):
    raw = bytearray(encode_envelope(envelope))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(WireError):
        decode_envelope(bytes(raw))


@given(st.binary(max_size=200))
def test_noise_is_malformed(noise):
    with pytest.raises(WireError):
        decode_envelope(noise)


@given(ENVELOPES)
def test_newer_versions_are_refused_before_anything_is_lost(envelope):
    fields = list(msgspec.structs.astuple(envelope))
    with pytest.raises(FutureVersion):
        decode_envelope(msgspec.msgpack.encode([2, *fields[1:], "something new"]))
    with pytest.raises(Malformed):
        decode_envelope(msgspec.msgpack.encode([*fields, "one field too many"]))
    with pytest.raises(Malformed):
        decode_envelope(msgspec.msgpack.encode([0, *fields[1:]]))


@given(ENVELOPES)
def test_what_no_sender_of_ours_writes_is_malformed(envelope):
    replace = msgspec.structs.replace
    for bad in (
        replace(envelope, to=()),
        replace(envelope, number=-1),
        replace(envelope, sender=""),
        replace(envelope, to=("x" * 300,)),
        replace(envelope, audience=("x",) * 65),
    ):
        with pytest.raises(Malformed):
            decode_envelope(encode_envelope(bad))
