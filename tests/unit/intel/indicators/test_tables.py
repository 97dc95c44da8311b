"""Digests and tables: against OpenSSL's SipHash, a plain reference, and one form beside the other."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import StorageCorrupt
from phalanx.intel.indicators._table import (
    REMOVED,
    Arithmetic,
    Digests,
    build_table,
    merge_tables,
    table_of,
    table_pieces,
)

KEY = bytes(range(16))
FORMS = [Arithmetic(compiled=False), Arithmetic(compiled=True)]
both = pytest.mark.parametrize("arithmetic", FORMS, ids=["plain", "compiled"])

# openssl mac -macopt hexkey:000102030405060708090a0b0c0d0e0f -macopt size:16 SIPHASH, of the bytes 0 … n-1; the first
# two stand in the vectors of the authors' reference too.
VECTORS = {
    0: "a3817f04ba25a8e66df67214c7550293",
    1: "da87c1d86b99af44347659119b22fc45",
    7: "a1f1ebbed8dbc153c0b84aa61ff08239",
    8: "3b62a9ba6258f5610f83e264f31497b4",
    15: "5493e99933b0a8117e08ec0f97cfc3d9",
    63: "5150d1772f50834a503e069a973fbd7c",
}


def siphash(message: bytes, key: bytes) -> tuple[int, int]:
    """SipHash-2-4-128 as the paper writes it."""
    mask = (1 << 64) - 1
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D ^ 0xEE, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def turn(word: int, by: int) -> int:
        return (word << by | word >> (64 - by)) & mask

    def rounds(n: int) -> None:
        for _ in range(n):
            v[0] = v[0] + v[1] & mask
            v[1] = turn(v[1], 13) ^ v[0]
            v[0] = turn(v[0], 32)
            v[2] = v[2] + v[3] & mask
            v[3] = turn(v[3], 16) ^ v[2]
            v[0] = v[0] + v[3] & mask
            v[3] = turn(v[3], 21) ^ v[0]
            v[2] = v[2] + v[1] & mask
            v[1] = turn(v[1], 17) ^ v[2]
            v[2] = turn(v[2], 32)

    padded = message + bytes(-(len(message) + 1) % 8) + bytes([len(message) & 255])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xEE
    rounds(4)
    one = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] ^= 0xDD
    rounds(4)
    return one, v[0] ^ v[1] ^ v[2] ^ v[3]


def pairs(digests: Digests) -> list[tuple[int, int]]:
    return list(zip(digests.high.tolist(), digests.low.tolist(), strict=True))


@both
def test_digests_are_those_of_openssl(arithmetic):
    found = arithmetic.digests([bytes(range(n)) for n in VECTORS], KEY)
    told = [one.to_bytes(8, "little").hex() + two.to_bytes(8, "little").hex() for one, two in pairs(found)]
    assert told == list(VECTORS.values())


@both
@settings(max_examples=30, deadline=None)
@given(messages=st.lists(st.binary(max_size=300), max_size=20), key=st.binary(min_size=16, max_size=16))
def test_digests_are_those_of_the_reference(arithmetic, messages, key):
    assert pairs(arithmetic.digests(messages, key)) == [siphash(message, key) for message in messages]


def some(n: int, seed: int = 1) -> Digests:
    rng = np.random.default_rng(seed)
    return Digests(rng.integers(0, 1 << 64, n, np.uint64), rng.integers(0, 1 << 64, n, np.uint64))


@pytest.mark.requirement("INT-2")
@both
@pytest.mark.parametrize("n", [0, 1, 7, 5_000])
def test_what_is_in_a_table_is_found_and_nothing_else(arithmetic, n):
    digests, others = some(n), some(20_000, seed=2)
    table = build_table(digests, np.arange(n, dtype=np.uint32), arithmetic)
    places = table.find(digests, arithmetic)
    assert table.notes[places].tolist() == list(range(n))
    assert (table.find(others, arithmetic) == -1).all()
    half_right = Digests(digests.high, digests.low ^ np.uint64(1 << 63))
    assert (table.find(half_right, arithmetic) == -1).all()


@given(
    chosen=st.lists(st.integers(0, 30), max_size=120),
    asked=st.lists(st.integers(0, 60), max_size=40),
)
@settings(max_examples=60, deadline=None)
def test_both_forms_build_and_find_the_same(chosen, asked):
    rng = np.random.default_rng(5)
    high = rng.integers(0, 4, 61, dtype=np.uint64) << np.uint64(62) | rng.integers(0, 3, 61, dtype=np.uint64)
    low = rng.integers(0, 1 << 64, 61, dtype=np.uint64)
    notes = np.arange(len(chosen), dtype=np.uint32)
    built = [build_table(Digests(high[chosen], low[chosen]), notes, one) for one in FORMS]
    for plain, compiled in zip(built[0].arrays, built[1].arrays, strict=True):
        assert plain.tolist() == compiled.tolist()
    found = [table.find(Digests(high[asked], low[asked]), one) for table, one in zip(built, FORMS, strict=True)]
    assert found[0].tolist() == found[1].tolist()
    assert [place >= 0 for place in found[0]] == [one in chosen for one in asked]


@both
def test_merging_keeps_what_counts(arithmetic):
    value = some(4)
    sources = np.array([0, 1, 0, 1], np.uint32)
    holds = np.array([True, True, True, False])

    def table(*entries):
        return build_table(
            Digests(value.high[[e[0] for e in entries]], value.low[[e[0] for e in entries]]),
            np.array([e[1] for e in entries], np.uint32),
            arithmetic,
        )

    older = table((0, 0), (0, 1), (1, 0), (2, 3), (3, 1))
    newer = table((0, 2), (1, REMOVED), (3, REMOVED), (3, 0))

    def seen(merged):
        places = merged.find(value, arithmetic)
        return [sorted(merged.run(int(place))) if place >= 0 else [] for place in places]

    assert seen(merge_tables([older, newer], holds, sources, arithmetic, oldest=True)) == [[1, 2], [], [], [0]]
    assert seen(merge_tables([older, newer], holds, sources, arithmetic, oldest=False)) == [
        [1, 2], [REMOVED], [3], [0, REMOVED],
    ]  # fmt: skip


def test_a_table_is_its_bytes():
    table = build_table(some(1_000), np.arange(1_000, dtype=np.uint32), FORMS[0])
    data = b"".join(table_pieces(table))
    again = table_of(memoryview(data), "x")
    assert [a.tolist() for a in again.arrays] == [a.tolist() for a in table.arrays]
    assert hashlib.sha256(data).digest() == hashlib.sha256(b"".join(table_pieces(again))).digest()
    for bad in (data[:-1], data[:40], b"x" + data[1:], data[:8] + b"\xff" * 8 + data[16:]):
        with pytest.raises(StorageCorrupt):
            table_of(memoryview(bad), "x")


@both
def test_a_damaged_directory_leads_nowhere_else(arithmetic):
    table = build_table(some(100), np.arange(100, dtype=np.uint32), arithmetic)
    table.starts[:] = 4_000_000_000
    assert (table.find(some(100), arithmetic) == -1).all()
