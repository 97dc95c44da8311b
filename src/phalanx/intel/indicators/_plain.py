"""The same as ``_kernels`` in NumPy, for as long as those are not compiled: slower, and equal to the last bit."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Narrow = NDArray[np.uint32]

_U32 = np.uint64(32)
_MASK6 = np.uint64(63)
_ONE = np.uint64(1)


def _turned(word: Words, by: int) -> Words:
    turned: Words = (word << np.uint64(by)) | (word >> np.uint64(64 - by))
    return turned


def _round(v: list[Any]) -> None:
    v[0] = v[0] + v[1]
    v[1] = _turned(v[1], 13) ^ v[0]
    v[0] = _turned(v[0], 32)
    v[2] = v[2] + v[3]
    v[3] = _turned(v[3], 16) ^ v[2]
    v[0] = v[0] + v[3]
    v[3] = _turned(v[3], 21) ^ v[0]
    v[2] = v[2] + v[1]
    v[1] = _turned(v[1], 17) ^ v[2]
    v[2] = _turned(v[2], 32)


def digest_all(
    data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], key: Words, high: Words, low: Words
) -> None:
    """All values at once, word by word: those that are done drop out."""
    n = len(starts)
    if not n:
        return
    lengths = ends - starts
    order = np.argsort(-(lengths >> 3), kind="stable")
    begin, length = starts[order], lengths[order]
    whole = length >> 3
    padded = np.concatenate([data, np.zeros(8, np.uint8)])
    shifts = np.arange(8, dtype=np.uint64) * np.uint64(8)
    eight = np.arange(8)
    v = [
        np.full(n, word, np.uint64)
        for word in (
            key[0] ^ np.uint64(0x736F6D6570736575), key[1] ^ np.uint64(0x646F72616E646F6D ^ 0xEE),
            key[0] ^ np.uint64(0x6C7967656E657261), key[1] ^ np.uint64(0x7465646279746573),
        )
    ]  # fmt: skip
    for step in range(int(whole[0])):
        m = int(np.searchsorted(-whole, -step, side="left"))
        word = (padded[(begin[:m] + 8 * step)[:, None] + eight].astype(np.uint64) << shifts).sum(
            axis=1, dtype=np.uint64
        )
        part = [one[:m] for one in v]
        part[3] = part[3] ^ word
        _round(part)
        _round(part)
        part[0] = part[0] ^ word
        for one, new in zip(v, part, strict=True):
            one[:m] = new
    rest = length & 7
    left = padded[np.minimum((begin + 8 * whole)[:, None] + eight, len(padded) - 1)].astype(np.uint64)
    left[eight >= rest[:, None]] = 0
    word = (left << shifts).sum(axis=1, dtype=np.uint64) | (length & 255).astype(np.uint64) << np.uint64(56)
    v[3] = v[3] ^ word
    _round(v)
    _round(v)
    v[0] = v[0] ^ word
    v[2] = v[2] ^ np.uint64(0xEE)
    for _ in range(4):
        _round(v)
    high[order] = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] = v[1] ^ np.uint64(0xDD)
    for _ in range(4):
        _round(v)
    low[order] = v[0] ^ v[1] ^ v[2] ^ v[3]


def _masks(low: Words) -> Words:
    masks = np.zeros(len(low), np.uint64)
    for shift in (0, 6, 12, 18):
        masks |= _ONE << ((low >> np.uint64(shift)) & _MASK6)
    return masks


def fill_filter(words: Words, low: Words) -> None:
    """Set the bits of every digest."""
    np.bitwise_or.at(words, (((low >> _U32) * np.uint64(len(words))) >> _U32).astype(np.int64), _masks(low))


def sort_into(
    high: Words, low: Words, notes: Narrow, starts: Narrow, to_high: Words, to_low: Words, to_notes: Narrow
) -> None:
    """Order by digest, equal ones in the order in which they came, and fill ``starts``."""
    order = np.lexsort((np.arange(len(high)), low, high))
    to_high[:], to_low[:], to_notes[:] = high[order], low[order], notes[order]
    buckets = ((to_high >> _U32) * np.uint64(len(starts) - 1) >> _U32).astype(np.int64)
    starts[:] = np.searchsorted(buckets, np.arange(len(starts)), side="left")


def find_all(
    words: Words, starts: Narrow, high: Words, low: Words, asked_high: Words, asked_low: Words,
    places: NDArray[np.int64],
) -> int:  # fmt: skip
    """Where each digest that is asked for stands first, -1 where it does not; returns how many passed the filter."""
    places[:] = -1
    masks = _masks(asked_low)
    seen = words[(((asked_low >> _U32) * np.uint64(len(words))) >> _U32).astype(np.int64)]
    passed = np.flatnonzero((seen & masks) == masks)
    one, two, n = asked_high[passed], asked_low[passed], len(high)
    bucket = ((one >> _U32) * np.uint64(len(starts) - 1) >> _U32).astype(np.int64)
    at, end = np.minimum(starts[bucket].astype(np.int64), n), np.minimum(starts[bucket + 1].astype(np.int64), n)
    left = np.flatnonzero(at < end)
    while len(left):
        here = at[left]
        hit = (high[here] == one[left]) & (low[here] == two[left])
        places[passed[left[hit]]] = here[hit]
        at[left] += 1
        left = left[~hit]
        left = left[at[left] < end[left]]
    return len(passed)
