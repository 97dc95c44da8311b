"""Filters: which words may be in the values of a column, in few bits.

A filter never says no to a word that is there, and rarely yes to one that is not (Bloom, 1970). Beside the words of the
values, which are runs of letters and digits, it holds all groups of three letters, so that parts of words can be asked
for too. All of it is in lower case.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from phalanx.intel.archive._limits import FILTER_BITS, FILTER_PROBES, HASH_BLOCK_BYTES, MAX_WORD_BYTES

SEPARATOR = 0xFF
_BASE = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_TRIPLE_SALT = 0xD6E8FEB86659FD93
_U64 = np.uint64

# Which bytes belong to words: ASCII letters and digits, and whatever is part of a letter beyond ASCII.
IS_WORD = np.zeros(256, bool)
for _byte in b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ":
    IS_WORD[_byte] = True
IS_WORD[0x80:SEPARATOR] = True

_N_TRIPLES = 1 << 16


class Filter:
    """Asks a filter's bytes."""

    __slots__ = ("_bits", "_n_bits")

    def __init__(self, data: bytes) -> None:
        self._bits = data
        self._n_bits = len(data) * 8

    def may_hold(self, hashes: Iterable[int]) -> bool:
        """Whether all of ``hashes`` may be there."""
        return all(self._has(one) for one in hashes)

    def _has(self, value: int) -> bool:
        first, step = value & 0xFFFFFFFF, (value >> 32) | 1
        for _ in range(FILTER_PROBES):
            at = first % self._n_bits
            if not self._bits[at >> 3] >> (at & 7) & 1:
                return False
            first = (first + step) & 0xFFFFFFFF
        return True


def filter_of(lowered: bytes) -> bytes:
    """The filter of a column whose values in lower case stand between separators in ``lowered``."""
    hashes = np.concatenate([_word_hashes(lowered), _triple_hashes(lowered)])
    hashes = _different(hashes)
    n_bytes = max(8, (len(hashes) * FILTER_BITS + 7) // 8)
    n_bits = np.uint32(n_bytes * 8)
    bits = np.zeros(n_bytes * 8, bool)
    first, step = (hashes & _U64(0xFFFFFFFF)).astype(np.uint32), (hashes >> _U64(32)).astype(np.uint32) | np.uint32(1)
    for _ in range(FILTER_PROBES):
        bits[first % n_bits] = True
        first = first + step
    return np.packbits(bits, bitorder="little").tobytes()


def hashes_of_literal(literal: bytes, *, starts: bool, ends: bool) -> list[int]:
    """Hashes that a filter holds if some value contains ``literal``; ``starts`` and ``ends`` say where it is whole.

    A word at an edge counts as a word only when the value, or a byte of no word, is known to lie beyond it.
    """
    text = np.frombuffer(literal, np.uint8)
    found = []
    for start, end in _runs(text):
        whole = (start > 0 or starts) and (end < len(literal) or ends)
        word = literal[start:end]
        if whole:
            found += [_mixed(_plain_hash(word[at : at + MAX_WORD_BYTES])) for at in range(0, len(word), MAX_WORD_BYTES)]
    return found + [_triple_hash(literal[at : at + 3]) for at in range(len(literal) - 2)]


def _runs(text: npt.NDArray[np.uint8]) -> list[tuple[int, int]]:
    inside = np.concatenate(([False], IS_WORD[text], [False]))
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    return [(int(edges[at]), int(edges[at + 1])) for at in range(0, len(edges), 2)]


def _plain_hash(word: bytes) -> int:
    """Σ (byte + 1) · BASE^position, modulo 2^64."""
    total, power = 0, 1
    for byte in word:
        total = (total + (byte + 1) * power) & _MASK
        power = power * _BASE & _MASK
    return total


def _mixed(value: int) -> int:
    value ^= value >> 31
    value = value * 0xBF58476D1CE4E5B9 & _MASK
    return value ^ value >> 29


def _mixed_all(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    values = values ^ (values >> _U64(31))
    values = values * _U64(0xBF58476D1CE4E5B9)
    return values ^ (values >> _U64(29))


def _triple_hash(three: bytes) -> int:
    return _mixed((_triple_number(three) * _TRIPLE_SALT + 1) & _MASK)


def _triple_number(three: bytes) -> int:
    return (three[0] * 9277 + three[1] * 131 + three[2]) % _N_TRIPLES


def _triple_hashes(lowered: bytes) -> npt.NDArray[np.uint64]:
    """Groups of three that do not reach over a separator."""
    seen = np.zeros(_N_TRIPLES, bool)
    for start in range(0, len(lowered), HASH_BLOCK_BYTES):
        block = np.frombuffer(lowered[start : start + HASH_BLOCK_BYTES + 2], np.uint8)
        if len(block) < 3:
            continue
        wide = block.astype(np.uint32)
        numbers = (wide[:-2] * np.uint32(9277) + wide[1:-1] * np.uint32(131) + wide[2:]) % np.uint32(_N_TRIPLES)
        apart = block == SEPARATOR
        if apart.any():
            numbers = numbers[~(apart[:-2] | apart[1:-1] | apart[2:])]
        seen[numbers] = True
    numbers64 = np.flatnonzero(seen).astype(np.uint64)
    return _mixed_all(numbers64 * _U64(_TRIPLE_SALT) + _U64(1))


def _word_hashes(lowered: bytes) -> npt.NDArray[np.uint64]:
    parts: list[npt.NDArray[np.uint64]] = []
    for block in _blocks(lowered):
        text = np.frombuffer(block, np.uint8)
        inside = np.concatenate(([False], IS_WORD[text], [False]))
        edges = np.flatnonzero(inside[1:] != inside[:-1])
        starts, ends = edges[0::2], edges[1::2]
        if len(starts) and int((ends - starts).max()) > MAX_WORD_BYTES:
            starts, ends = _cut(starts, ends)
        powers, inverses = _powers(len(text) + 1)
        sums = np.zeros(len(text) + 1, np.uint64)
        np.cumsum((text.astype(np.uint64) + _U64(1)) * powers[: len(text)], out=sums[1:])
        parts.append(_different(_mixed_all((sums[ends] - sums[starts]) * inverses[starts])))
    return np.concatenate(parts) if parts else np.zeros(0, np.uint64)


def _different(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Each once. Sorting is several times as fast here as asking a table."""
    hashes = np.sort(hashes)
    return hashes[np.concatenate(([True], hashes[1:] != hashes[:-1]))] if len(hashes) else hashes


def _cut(starts: npt.NDArray[np.intp], ends: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    pairs = [
        (at, min(at + MAX_WORD_BYTES, end))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        for at in range(start, end, MAX_WORD_BYTES)
    ]
    cut = np.array(pairs, np.intp)
    return cut[:, 0], cut[:, 1]


def _blocks(lowered: bytes) -> Sequence[bytes]:
    """Blocks that end at separators, so that no word lies in two; a longer value is a block of its own."""
    blocks, start = [], 0
    while start < len(lowered):
        end = start + HASH_BLOCK_BYTES
        if end < len(lowered):
            end = lowered.rfind(b"\xff", start + 1, end) + 1 or (lowered.find(b"\xff", end) + 1 or len(lowered))
        blocks.append(lowered[start:end])
        start = end
    return blocks


_made: list[tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]] = []


def _powers(n: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """BASE^i and BASE^-i for i below ``n``, modulo 2^64."""
    if not _made or len(_made[-1][0]) < n:
        size = max(n, HASH_BLOCK_BYTES + 2)
        inverse = pow(_BASE, -1, 1 << 64)
        tables = []
        for base in (_BASE, inverse):
            powers = np.full(size, base, np.uint64)
            powers[0] = 1
            tables.append(np.cumprod(powers, dtype=np.uint64))
        _made[:] = [(tables[0], tables[1])]
    return _made[-1]
