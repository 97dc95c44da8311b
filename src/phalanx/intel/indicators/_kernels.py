"""Compiled digests and look-ups. Free functions over arrays.

A digest is SipHash-2-4 with 128 bits of output (Aumasson, Bernstein 2012, and the authors' reference for 128 bits):
two words, of which the first orders a table and the second fills the filter and settles what is equal.
``words`` is uint64[n_words]; a value sets four bits in one of them. ``starts`` is uint32[n_buckets + 1]: where the
values of each bucket begin. Buckets and words are picked by the upper half of a digest's word, multiplied and shifted.

A plain reference stands in the tests, forms in NumPy under the same names in ``_plain``.
"""

import numpy as np
from numpy.typing import NDArray

from phalanx.core import kernel

Words = NDArray[np.uint64]
Narrow = NDArray[np.uint32]

_BLOCK = 4_096
_U32 = np.uint64(32)
_U6 = np.uint64(6)
_MASK6 = np.uint64(63)
_ONE = np.uint64(1)
_I0, _I1 = np.uint64(0x736F6D6570736575), np.uint64(0x646F72616E646F6D)
_I2, _I3 = np.uint64(0x6C7967656E657261), np.uint64(0x7465646279746573)
_XEE, _XDD = np.uint64(0xEE), np.uint64(0xDD)


@kernel
def _round(
    v0: np.uint64, v1: np.uint64, v2: np.uint64, v3: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    v0 += v1
    v1 = (v1 << np.uint64(13)) | (v1 >> np.uint64(51))
    v1 ^= v0
    v0 = (v0 << _U32) | (v0 >> _U32)
    v2 += v3
    v3 = (v3 << np.uint64(16)) | (v3 >> np.uint64(48))
    v3 ^= v2
    v0 += v3
    v3 = (v3 << np.uint64(21)) | (v3 >> np.uint64(43))
    v3 ^= v0
    v2 += v1
    v1 = (v1 << np.uint64(17)) | (v1 >> np.uint64(47))
    v1 ^= v2
    v2 = (v2 << _U32) | (v2 >> _U32)
    return v0, v1, v2, v3


@kernel
def digest_all(
    data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], key: Words, high: Words, low: Words
) -> None:
    """Fill ``high`` and ``low`` with the digests of ``data[starts[i]:ends[i]]`` under ``key``, two words."""
    for i in range(len(starts)):
        begin, end = starts[i], ends[i]
        n = end - begin
        v0, v1 = key[0] ^ _I0, key[1] ^ _I1 ^ _XEE
        v2, v3 = key[0] ^ _I2, key[1] ^ _I3
        at = begin
        for _ in range(n >> 3):
            word = np.uint64(0)
            for j in range(8):
                word |= np.uint64(data[at + j]) << np.uint64(8 * j)
            v3 ^= word
            v0, v1, v2, v3 = _round(v0, v1, v2, v3)
            v0, v1, v2, v3 = _round(v0, v1, v2, v3)
            v0 ^= word
            at += 8
        word = np.uint64(n & 255) << np.uint64(56)
        for j in range(end - at):
            word |= np.uint64(data[at + j]) << np.uint64(8 * j)
        v3 ^= word
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        v0 ^= word
        v2 ^= _XEE
        for _ in range(4):
            v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        high[i] = v0 ^ v1 ^ v2 ^ v3
        v1 ^= _XDD
        for _ in range(4):
            v0, v1, v2, v3 = _round(v0, v1, v2, v3)
        low[i] = v0 ^ v1 ^ v2 ^ v3


@kernel
def fill_filter(words: Words, low: Words) -> None:
    """Set the bits of every digest."""
    n_words = np.uint64(len(words))
    for i in range(len(low)):
        one = low[i]
        mask = (
            (_ONE << (one & _MASK6)) | (_ONE << ((one >> _U6) & _MASK6))
            | (_ONE << ((one >> np.uint64(12)) & _MASK6)) | (_ONE << ((one >> np.uint64(18)) & _MASK6))
        )  # fmt: skip
        words[((one >> _U32) * n_words) >> _U32] |= mask


@kernel
def sort_into(
    high: Words, low: Words, notes: Narrow, starts: Narrow, to_high: Words, to_low: Words, to_notes: Narrow
) -> None:
    """Order by digest, equal ones as they came, and fill ``starts``: by bucket first, then within each."""
    n, n_buckets = len(high), np.uint64(len(starts) - 1)
    for i in range(n):
        starts[((high[i] >> _U32) * n_buckets >> _U32) + _ONE] += np.uint32(1)
    for b in range(len(starts) - 1):
        starts[b + 1] += starts[b]
    for i in range(n):
        bucket = (high[i] >> _U32) * n_buckets >> _U32
        to = starts[bucket]
        starts[bucket] = to + np.uint32(1)
        to_high[to] = high[i]
        to_low[to] = low[i]
        to_notes[to] = notes[i]
    # Each bucket's start has moved to its end, which is where the next one begins.
    for b in range(len(starts) - 1, 0, -1):
        starts[b] = starts[b - 1]
    starts[0] = np.uint32(0)
    for b in range(len(starts) - 1):
        first, end = np.int64(starts[b]), np.int64(starts[b + 1])
        for i in range(first + 1, end):
            one, two, note = to_high[i], to_low[i], to_notes[i]
            j = i
            while j > first and (to_high[j - 1] > one or (to_high[j - 1] == one and to_low[j - 1] > two)):
                to_high[j], to_low[j], to_notes[j] = to_high[j - 1], to_low[j - 1], to_notes[j - 1]
                j -= 1
            to_high[j], to_low[j], to_notes[j] = one, two, note


@kernel
def find_all(
    words: Words, starts: Narrow, high: Words, low: Words, asked_high: Words, asked_low: Words,
    places: NDArray[np.int64],
) -> int:  # fmt: skip
    """Where each digest that is asked for stands first, -1 where it does not; returns how many passed the filter.

    In blocks, the filter before the table: reads of the one overlap, and few values come to the other. What a damaged
    file may say of buckets stays within the table.
    """
    n_words, n_buckets, n = np.uint64(len(words)), np.uint64(len(starts) - 1), np.int64(len(high))
    passed = np.empty(_BLOCK, np.int64)
    total = 0
    for block in range(0, len(asked_high), _BLOCK):
        end = min(block + _BLOCK, len(asked_high))
        count = 0
        for i in range(block, end):
            one = asked_low[i]
            mask = (
                (_ONE << (one & _MASK6)) | (_ONE << ((one >> _U6) & _MASK6))
                | (_ONE << ((one >> np.uint64(12)) & _MASK6)) | (_ONE << ((one >> np.uint64(18)) & _MASK6))
            )  # fmt: skip
            word = words[((one >> _U32) * n_words) >> _U32]
            places[i] = -1
            passed[count] = i
            count += (word & mask) == mask
        total += count
        for k in range(count):
            i = passed[k]
            one, two = asked_high[i], asked_low[i]
            bucket = (one >> _U32) * n_buckets >> _U32
            for at in range(min(np.int64(starts[bucket]), n), min(np.int64(starts[bucket + _ONE]), n)):
                if high[at] == one and low[at] == two:
                    places[i] = at
                    break
    return total
