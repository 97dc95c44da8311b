"""Which entry an id belongs to, in sorted runs that need not be in memory. Pure.

An id is known by its fingerprint, 64 bits of a hash; two ids may share one, so whoever finds an
entry by fingerprint looks at its id. A run covers consecutive entries. It is pages of
fingerprints, sorted, with the index of each, every page an equal part of all fingerprints, and
a Bloom filter, which is all that is kept in memory: two bytes for each entry. Six probes of
sixteen bits a key let one in a thousand fingerprints through that are not there.

What a run looks like follows from the ids it covers and from nothing else, so an audit
rebuilds it and compares.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]

_BITS_PER_ID = 16
_PROBES = 6
_FINGERPRINT_BITS = 64
_HALF_BITS = 32
_HALF_MASK = (1 << _HALF_BITS) - 1
_WORD = np.dtype("<u8")


@dataclass(frozen=True, slots=True)
class Run:
    """The ids of entries ``start`` to below ``end``, as its filter and where its pages are."""

    start: int
    end: int
    n_pages: int
    filter: bytes

    def may_hold(self, fingerprint: int) -> bool:
        """Whether it may be there; False is sure."""
        n_bits = len(self.filter) * 8
        a, b = fingerprint >> _HALF_BITS, fingerprint & _HALF_MASK | 1
        for i in range(_PROBES):
            bit = (a + i * b) % n_bits
            if not self.filter[bit >> 3] >> (bit & 7) & 1:
                return False
        return True

    def may_hold_which(self, fingerprints: U64) -> npt.NDArray[np.intp]:
        """Positions of those that may be there, of many at once."""
        bloom = np.frombuffer(self.filter, np.uint8)
        left = np.arange(len(fingerprints))
        for i in range(_PROBES):
            # Most drop out at the first probe, so the others are asked for few.
            bits = _probe(fingerprints[left], i, len(bloom) * 8)
            left = left[(bloom[bits >> np.uint64(3)] >> (bits & np.uint64(7)).astype(np.uint8)) & np.uint8(1) != 0]
        return left

    def page_of(self, fingerprint: int) -> int:
        return fingerprint * self.n_pages >> _FINGERPRINT_BITS


@dataclass(frozen=True, slots=True)
class BuiltRun:
    """A run with its pages, as bytes to be stored."""

    run: Run
    pages: tuple[bytes, ...]


def fingerprint(entry_id: str) -> int:
    return int.from_bytes(hashlib.blake2b(entry_id.encode(), digest_size=8).digest())


def build_run(start: int, fingerprints: Sequence[int] | U64, *, page_ids: int) -> BuiltRun:
    """The run of entries that begin at ``start`` and have these fingerprints, in order."""
    found = np.asarray(fingerprints, np.uint64)
    return _built(start, found, np.arange(start, start + len(found), dtype=np.uint64), page_ids)


def merge_runs(start: int, pages: Sequence[bytes], *, page_ids: int) -> BuiltRun:
    """One run of the pages of several that lie side by side."""
    found = [read_page(page) for page in pages]
    fingerprints = np.concatenate([fingerprints for fingerprints, _ in found])
    return _built(start, fingerprints, np.concatenate([indexes for _, indexes in found]), page_ids)


def read_page(page: bytes) -> tuple[U64, U64]:
    """Sorted fingerprints and the index of each."""
    words = np.frombuffer(page, _WORD)
    half = len(words) // 2
    return words[:half], words[half:]


def find_in_page(page: bytes, fingerprint: int) -> list[int]:
    """Indexes of the entries with this fingerprint: one, except where two ids share it."""
    fingerprints, indexes = read_page(page)
    sought = np.uint64(fingerprint)
    first, last = np.searchsorted(fingerprints, sought, "left"), np.searchsorted(fingerprints, sought, "right")
    return [int(index) for index in indexes[first:last]]


def _built(start: int, fingerprints: U64, indexes: U64, page_ids: int) -> BuiltRun:
    order = np.lexsort((indexes, fingerprints))
    fingerprints, indexes = fingerprints[order], indexes[order]
    n_ids = len(fingerprints)
    n_pages = max(n_ids // page_ids, 1)
    # The first fingerprint of page p is the least one of which p · 2^64 / n_pages is not more.
    firsts = np.array([-(-(page << _FINGERPRINT_BITS) // n_pages) for page in range(1, n_pages)], np.uint64)
    cuts = [0, *(int(cut) for cut in np.searchsorted(fingerprints, firsts)), n_ids]
    pages = tuple(
        fingerprints[first:last].astype(_WORD).tobytes() + indexes[first:last].astype(_WORD).tobytes()
        for first, last in pairwise(cuts)
    )
    bloom = np.zeros(n_ids * _BITS_PER_ID // 8, np.uint8)
    for i in range(_PROBES):
        bits = _probe(fingerprints, i, len(bloom) * 8)
        np.bitwise_or.at(bloom, bits >> np.uint64(3), np.uint8(1) << (bits & np.uint64(7)).astype(np.uint8))
    return BuiltRun(Run(start, start + n_ids, n_pages, bloom.tobytes()), pages)


def _probe(fingerprints: U64, i: int, n_bits: int) -> U64:
    """Double hashing: bit ``a + i·b``, from the two halves of a fingerprint."""
    a, b = fingerprints >> np.uint64(_HALF_BITS), fingerprints & np.uint64(_HALF_MASK) | np.uint64(1)
    return (a + np.uint64(i) * b) % np.uint64(n_bits)
