"""The pool: no source, however bad or clever, takes anything away from the operating system's bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import LimitExceeded, Rng
from phalanx.crypto.entropy import EntropyPool
from phalanx.testing import SimEntropy

pytestmark = pytest.mark.requirement("CRY-3")


class Known:
    """An operating system whose draws a test knows, and may change one by one."""

    def __init__(self, seed=1):
        self._entropy = SimEntropy(Rng(seed))
        self.drawn = []
        self.flip = b""

    def token(self, n_bytes):
        drawn = self._entropy.token(n_bytes)
        if self.flip:
            drawn = xor(drawn, self.flip.ljust(n_bytes, b"\0")[:n_bytes])
            self.flip = b""
        self.drawn.append(drawn)
        return drawn


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b, strict=True))


draws = st.lists(st.one_of(st.integers(1, 64), st.integers(4000, 9000)), min_size=1, max_size=8)
stirs = st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=40)), max_size=4)


@settings(max_examples=50)
@given(draws, stirs, st.binary(min_size=1, max_size=32))
def test_the_system_reaches_every_token_whole_whatever_sources_did(sizes, hostile, flip):
    """The adversary chooses all samples and even knows the stream: a token still varies with each system byte.

    Two runs differ in one draw of the system alone; the tokens differ by exactly that. So the
    stream is independent of the draw, and the token is as hard to guess as the draw.
    """
    known = [Known(), Known()]
    pools = [EntropyPool(one) for one in known]
    for name, samples in hostile:
        for pool in pools:
            pool.stir(name, samples)
    for n_bytes in sizes[:-1]:
        assert pools[0].token(n_bytes) == pools[1].token(n_bytes)
    known[1].flip = flip
    first, second = (pool.token(sizes[-1]) for pool in pools)
    assert xor(first, second) == flip.ljust(sizes[-1], b"\0")[: sizes[-1]]
    assert first != known[0].drawn[-1], "the stream is on top of it"


@given(st.binary(min_size=1, max_size=64), st.binary(min_size=1, max_size=64))
def test_a_good_source_saves_a_system_that_repeats_itself(samples, others):
    """The other way round: a machine restored from a snapshot draws the same, and only noise sets it apart."""
    pools = [EntropyPool(Known()), EntropyPool(Known())]
    pools[0].stir("dice", samples)
    pools[1].stir("dice", others)
    assert (pools[0].token(32) == pools[1].token(32)) is (samples == others)


@given(stirs)
def test_samples_add_and_never_replace(hostile):
    """Two pools that differ in what came before still differ after the same samples and the same system bytes."""
    streams = []
    for flip in (b"", b"\x01"):
        known = Known()
        known.flip = flip
        pool = EntropyPool(known)
        for name, samples in hostile:
            pool.stir(name, samples)
        streams.append(pool._stream(32))
    assert streams[0] != streams[1]


def test_samples_count_from_the_next_byte_on():
    """What the stream had ready before is not handed out any more."""
    pools = [EntropyPool(Known()), EntropyPool(Known())]
    assert pools[0].token(8) == pools[1].token(8)
    pools[0].stir("dice", b"1")
    pools[1].stir("dice", b"2")
    assert pools[0].token(8) != pools[1].token(8)


@settings(max_examples=30)
@given(draws)
def test_no_byte_of_the_stream_is_handed_out_twice_and_none_is_kept(sizes):
    pool = EntropyPool(Known())
    seen = b""
    for n_bytes in sizes:
        key = pool._key
        stream = pool._stream(n_bytes)
        assert len(stream) == n_bytes
        seen += stream
        at = pool._at
        assert bytes(pool._block[:at]) == bytes(at), "what was handed out is overwritten"
        assert key not in (stream, bytes(pool._block))
    chunks = [seen[at : at + 16] for at in range(0, len(seen) - 15, 16)]
    assert len(set(chunks)) == len(chunks)


def test_the_source_is_part_of_what_is_stirred_in():
    pools = [EntropyPool(Known()), EntropyPool(Known())]
    pools[0].stir("a", b"b\x00c")
    pools[1].stir("a\x00b", b"c")
    assert pools[0].token(16) != pools[1].token(16)


def test_bounds():
    pool = EntropyPool(Known())
    assert pool.token(0) == b""
    assert len(pool.token(2**20)) == 2**20
    for n_bytes in (-1, 2**20 + 1):
        with pytest.raises(LimitExceeded):
            pool.token(n_bytes)
