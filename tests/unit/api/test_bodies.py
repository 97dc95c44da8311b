"""Request bodies are read within a bound at every moment, compressed ones too."""

import asyncio
import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from phalanx.api._bodies import gunzip, read_body
from phalanx.api._limits import MAX_BODY_BYTES, MAX_GZIP_MEMBERS
from phalanx.api._problems import UnsupportedMedia
from phalanx.core import InvalidInput, LimitExceeded

MIB = 1024 * 1024


class Inline:
    async def run(self, work, /, *args, **kwargs):
        return work(*args, **kwargs)


class Sender:
    """An HTTP peer that sends ``chunks`` and remembers how many were taken."""

    def __init__(self, chunks):
        self.chunks = iter(chunks)
        self.taken = 0

    async def receive(self):
        chunk = next(self.chunks, None)
        if chunk is None:
            return {"type": "http.request", "body": b"", "more_body": False}
        self.taken += 1
        return {"type": "http.request", "body": chunk, "more_body": True}


def read(sender, **headers):
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "method": "POST", "path": "/", "headers": raw}, sender.receive)
    return asyncio.run(read_body(request, Inline()))


def test_a_plain_body_arrives_whole():
    assert read(Sender([b"ab", b"", b"cd"])) == b"abcd"


@given(st.binary(max_size=20_000), st.integers(1, 5))
def test_a_gzip_body_of_several_members_arrives_whole(data, members):
    packed = gzip.compress(data) * members
    assert read(Sender([packed[:7], packed[7:]]), content_encoding="gzip") == data * members


def test_a_body_that_announces_too_much_is_refused_unread():
    sender = Sender([b"x"])
    with pytest.raises(LimitExceeded) as caught:
        read(sender, content_length=str(MAX_BODY_BYTES + 1))
    assert caught.value.maximum == MAX_BODY_BYTES
    assert sender.taken == 0


def test_a_body_that_announces_nothing_is_read_no_further_than_the_bound():
    sender = Sender([bytes(MIB)] * 1_000)
    with pytest.raises(LimitExceeded):
        read(sender)
    assert sender.taken == MAX_BODY_BYTES // MIB + 1


def test_a_gzip_bomb_is_unfolded_no_further_than_the_bound():
    deflate = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    bomb = b"".join(deflate.compress(bytes(MIB)) for _ in range(512)) + deflate.flush()
    assert len(bomb) < MAX_BODY_BYTES
    tracemalloc.start()
    with pytest.raises(LimitExceeded):
        gunzip(bomb, MAX_BODY_BYTES)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 4 * MAX_BODY_BYTES


def test_a_body_of_endless_empty_members_is_refused():
    with pytest.raises(LimitExceeded) as caught:
        gunzip(gzip.compress(b"") * (MAX_GZIP_MEMBERS + 1), MAX_BODY_BYTES)
    assert caught.value.limit == "gzip members"


def test_exactly_the_bound_is_accepted():
    assert len(gunzip(gzip.compress(bytes(1_000)), 1_000)) == 1_000
    with pytest.raises(LimitExceeded):
        gunzip(gzip.compress(bytes(1_001)), 1_000)


# Packed at no time, so that the test has the same name in every process.
PACKED = gzip.compress(b"abc", mtime=0)


@pytest.mark.parametrize("packed", [b"", b"plain text", PACKED[:-3], PACKED + b"tail"])
def test_what_is_not_gzip_is_refused(packed):
    with pytest.raises(InvalidInput):
        gunzip(packed, 1_000)


def test_an_encoding_we_do_not_speak_is_refused():
    with pytest.raises(UnsupportedMedia) as caught:
        read(Sender([]), content_encoding="br")
    assert caught.value.accepted == "identity, gzip"
