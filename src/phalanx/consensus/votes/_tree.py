"""A tree of one-time keys (FIPS 205 §6, without the forest and the layers above): many votes under one root.

A leaf is the hash over the ends of its chains; the root is what others know. Everything secret
follows from one seed of 32 bytes by the PRF of the standard, so that is all that is kept.
"""

import hashlib
import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from phalanx.consensus.votes._chains import VALUE_BYTES, VALUE_WORDS, VOTE_CHAINS, Winternitz, Words, as_bytes, as_words
from phalanx.consensus.votes._limits import LEAVES_AT_ONCE, MAX_HEIGHT, MIN_HEIGHT
from phalanx.core import InvalidInput

# Address types of FIPS 205, table 1.
WOTS_HASH, WOTS_PK, TREE, WOTS_PRF = 0, 1, 2, 5
_ROOT = struct.Struct(">4sB32s32s")
_MAGIC = b"PHXV"
_DIGEST_DOMAIN = b"phalanx vote v1\x00"

_START_256 = np.array(
    [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19], np.uint32
)
_START_512 = np.array(
    [
        0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
        0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
    ],
    np.uint64,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Root:
    """The public half of a vote key: its public seed and the root of its tree."""

    height: int
    public_seed: bytes
    root: bytes

    def to_bytes(self) -> bytes:
        return _ROOT.pack(_MAGIC, self.height, self.public_seed, self.root)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Root":
        """Raises ``InvalidInput`` for bytes that are no root."""
        if len(data) != _ROOT.size:
            raise InvalidInput("vote key", f"it has {len(data)} bytes, not {_ROOT.size}")
        magic, height, public_seed, root = _ROOT.unpack(data)
        if magic != _MAGIC or not MIN_HEIGHT <= height <= MAX_HEIGHT:
            raise InvalidInput("vote key", "it is no root of a vote tree")
        return cls(height, public_seed, root)

    def digest(self, leaf: int, statement: bytes) -> bytes:
        """What a leaf signs: the statement, bound to this key and leaf."""
        bound = b"".join((_DIGEST_DOMAIN, self.public_seed, self.root, leaf.to_bytes(4), statement))
        return hashlib.sha256(bound).digest()


@dataclass(frozen=True, slots=True)
class Midstates:
    """The hashes of FIPS 205 after their first block, for some public seeds: a column each."""

    narrow: Words
    wide: NDArray[np.uint64]


def midstates(public_seeds: list[bytes]) -> Midstates:
    from phalanx.consensus.votes import _kernels

    n = len(public_seeds)
    narrow, wide = np.empty((8, n), np.uint32), np.empty((8, n), np.uint64)
    for first in range(0, n, _kernels.WIDE_LANES):
        some = public_seeds[first : first + _kernels.WIDE_LANES]
        state = np.repeat(_START_256[:, None], _kernels.LANES, 1)
        block = np.zeros((16, _kernels.LANES), np.uint32)
        block[:8, : len(some)] = as_words(b"".join(some), len(some))
        _kernels.compress_256(state, block)
        narrow[:, first : first + len(some)] = state[:, : len(some)]
        state_512 = np.repeat(_START_512[:, None], _kernels.WIDE_LANES, 1)
        block_512 = np.zeros((16, _kernels.WIDE_LANES), np.uint64)
        block_512[:4, : len(some)] = np.frombuffer(b"".join(some), ">u8").reshape(len(some), 4).T
        _kernels.compress_512(state_512, block_512)
        wide[:, first : first + len(some)] = state_512[:, : len(some)]
    return Midstates(narrow, wide)


@dataclass(frozen=True, slots=True)
class VoteTree:
    """A whole key: its secret seed and every node. ``levels[z]`` is uint32[8, 2^(height − z)]."""

    root: Root
    _secret_seed: bytes = field(repr=False)
    _mids: Midstates = field(repr=False)
    _levels: tuple[Words, ...] = field(repr=False)

    @property
    def leaves(self) -> int:
        return 1 << self.root.height

    def chains_at(self, leaf: int, steps: NDArray[np.int64]) -> bytes:
        """Each chain of a leaf at the step of its digit."""
        return as_bytes(self.walked(np.array([leaf]), steps))

    def walked(self, leaves: NDArray[np.int64], steps: NDArray[np.int64]) -> Words:
        """The chains of some leaves, each at its step."""
        return _walked(self._secret_seed, self._mids, VOTE_CHAINS, 0, leaves, steps)

    def path(self, leaf: int) -> bytes:
        """The siblings from the leaf up to the root."""
        siblings = [self._levels[z][:, [(leaf >> z) ^ 1]] for z in range(self.root.height)]
        return as_bytes(np.concatenate(siblings, axis=1))


def grow(secret_seed: bytes, public_seed: bytes, height: int) -> VoteTree:
    """Make every leaf and node of a key. Takes 45 ms for 1,024 leaves: off the event loop."""
    mids = midstates([public_seed])
    levels = tree_levels(secret_seed, mids, VOTE_CHAINS, 0, height)
    return VoteTree(Root(height, public_seed, as_bytes(levels[-1])), secret_seed, mids, tuple(levels))


def tree_levels(secret_seed: bytes, mids: Midstates, chains: Winternitz, layer: int, height: int) -> list[Words]:
    """All nodes, leaves first: xmss_node of FIPS 205, algorithm 9, from the bottom up."""
    from phalanx.consensus.votes import _kernels

    leaves = np.empty((VALUE_WORDS, 1 << height), np.uint32)
    for first in range(0, 1 << height, LEAVES_AT_ONCE):
        some = np.arange(first, min(first + LEAVES_AT_ONCE, 1 << height))
        ends = _walked(secret_seed, mids, chains, layer, some, np.full(some.size * chains.chains, chains.last))
        leaves[:, some] = fold_leaves(mids, np.zeros(some.size, np.int64), layer, some.astype(np.uint32), ends)
    levels = [leaves]
    for z in range(1, height + 1):
        below = levels[-1]
        n = below.shape[1] // 2
        pairs = np.ascontiguousarray(below.reshape(VALUE_WORDS, n, 2).transpose(2, 0, 1).reshape(2 * VALUE_WORDS, n))
        out = np.empty((VALUE_WORDS, n), np.uint32)
        zeros = np.zeros(n, np.uint32)
        _kernels.fold(
            mids.wide, np.zeros(n, np.int64), layer, TREE, zeros, np.full(n, z, np.uint32),
            np.arange(n, dtype=np.uint32), pairs, out,
        )  # fmt: skip
        levels.append(out)
    return levels


def fold_leaves(
    mids: Midstates, which: NDArray[np.int64], layer: int, leaves: NDArray[np.uint32], ends: Words
) -> Words:
    """T_len: the leaf over the ends of its chains, for ``leaves.size`` leaves at once."""
    from phalanx.consensus.votes import _kernels

    n = leaves.size
    data = np.ascontiguousarray(ends.reshape(VALUE_WORDS, n, -1).transpose(2, 0, 1).reshape(-1, n))
    out = np.empty((VALUE_WORDS, n), np.uint32)
    zeros = np.zeros(n, np.uint32)
    _kernels.fold(mids.wide, which, layer, WOTS_PK, leaves, zeros, zeros, data, out)
    return out


def _walked(
    secret_seed: bytes,
    mids: Midstates,
    chains: Winternitz,
    layer: int,
    leaves: NDArray[np.int64],
    steps: NDArray[np.int64],
) -> Words:
    """The chains of some leaves, each from its secret start to its step."""
    from phalanx.consensus.votes import _kernels

    n = leaves.size * chains.chains
    which = np.zeros(n, np.int64)
    pairs = np.repeat(leaves.astype(np.uint32), chains.chains)
    numbers = np.tile(np.arange(chains.chains, dtype=np.uint32), leaves.size)
    values = np.repeat(as_words(secret_seed, 1), n, axis=1)
    _kernels.hash_lanes(mids.narrow, which, np.arange(n), layer, WOTS_PRF, pairs, numbers, 0, values)
    _kernels.walk_chains(mids.narrow, which, layer, pairs, numbers, np.zeros(n, np.int64), steps, values)
    return values


assert VALUE_BYTES == 4 * VALUE_WORDS
