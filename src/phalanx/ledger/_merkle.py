"""The Merkle tree of RFC 6962 §2.1 and RFC 9162 §2.1: hashing, proofs and their verification.

Invariants:

- a leaf is hashed with the prefix 0x00 and a node with 0x01, so neither passes for the other;
- a ``Tree`` gives the hash of every complete, aligned subtree and nothing else; such a hash
  never changes, which is what tlog-tiles builds on;
- every range the recursions of the RFC visit starts where such a subtree starts, so roots and
  proofs of any size up to the present one cost O(log² n) hashes at most.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Protocol

from phalanx.ledger._errors import InvalidProof

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_over(hashes: bytes) -> bytes:
    """The hash over as many hashes, side by side, as a power of two."""
    pair = 2 * HASH_BYTES
    while len(hashes) > HASH_BYTES:
        hashes = b"".join(
            [hashlib.sha256(b"\x01" + hashes[at : at + pair]).digest() for at in range(0, len(hashes), pair)]
        )
    return hashes


class Tree(Protocol):
    """What roots and proofs are computed from."""

    def __len__(self) -> int: ...

    def subtree(self, level: int, position: int) -> bytes:
        """The hash over the leaves from ``position·2^level`` to below ``(position+1)·2^level``."""
        ...


class HashTree:
    """Leaf hashes and the complete subtrees above them: 64 bytes per leaf."""

    __slots__ = ("_levels",)

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[bytearray] = [bytearray()]
        for leaf in leaves:
            self.append(leaf)

    def __len__(self) -> int:
        return len(self._levels[0]) // HASH_BYTES

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash and every subtree that it completes."""
        assert len(leaf) == HASH_BYTES, len(leaf)
        position, level, hashed = len(self), 0, leaf
        self._levels[0] += leaf
        while position & 1:
            hashed = node_hash(self.subtree(level, position - 1), hashed)
            position, level = position >> 1, level + 1
            if level == len(self._levels):
                self._levels.append(bytearray())
            self._levels[level] += hashed

    def subtree(self, level: int, position: int) -> bytes:
        """The hash over the leaves from ``position·2^level`` to below ``(position+1)·2^level``."""
        at = position * HASH_BYTES
        found = bytes(self._levels[level][at : at + HASH_BYTES])
        assert len(found) == HASH_BYTES, (level, position)
        return found


def root(tree: Tree, size: int) -> bytes:
    """MTH of the first ``size`` leaves."""
    assert 0 <= size <= len(tree), (size, len(tree))
    return _range_hash(tree, 0, size) if size else EMPTY_ROOT


def inclusion_proof(tree: Tree, index: int, size: int) -> list[bytes]:
    """PATH(index, D[size]): the siblings from the leaf up to the root."""
    assert 0 <= index < size <= len(tree), (index, size, len(tree))
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(tree, middle, end))
            end = middle
        else:
            path.append(_range_hash(tree, start, middle))
            start = middle
    return path[::-1]


def consistency_proof(tree: Tree, old_size: int, new_size: int) -> list[bytes]:
    """PROOF(old, D[new]): that the first ``old_size`` leaves are a prefix. Empty when either is trivial."""
    assert 0 <= old_size <= new_size <= len(tree), (old_size, new_size, len(tree))
    if old_size == 0:
        return []
    proof: list[bytes] = []
    start, end = 0, new_size
    while old_size != end:
        middle = start + _split(end - start)
        if old_size <= middle:
            proof.append(_range_hash(tree, middle, end))
            end = middle
        else:
            proof.append(_range_hash(tree, start, middle))
            start = middle
    if start > 0:
        proof.append(_range_hash(tree, start, end))
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> None:
    """RFC 9162 §2.1.3.2; raises ``InvalidProof``."""
    if not 0 <= index < size:
        raise InvalidProof(f"there is no leaf {index} in a tree of {size}")
    _, found = _climb(leaf, proof, index, size - 1)
    if found != expected_root:
        raise InvalidProof("it leads to another root")


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """RFC 9162 §2.1.4.2, and the two trivial cases it leaves out; raises ``InvalidProof``."""
    if not 0 <= old_size <= new_size:
        raise InvalidProof(f"a tree of {old_size} is no prefix of one of {new_size}")
    if old_size in (0, new_size):
        if proof:
            raise InvalidProof("it should be empty")
        if old_root != (new_root if old_size == new_size else EMPTY_ROOT):
            raise InvalidProof("the old root is another one")
        return
    if not proof:
        raise InvalidProof("it is empty")
    steps = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old_found, new_found = _climb(steps[0], steps[1:], fn, sn)
    if old_found != old_root:
        raise InvalidProof("it leads to another old root")
    if new_found != new_root:
        raise InvalidProof("it leads to another new root")


def _climb(start: bytes, steps: Sequence[bytes], fn: int, sn: int) -> tuple[bytes, bytes]:
    """The loop that both verifications of RFC 9162 share, under its names ``fn`` and ``sn``.

    The second hash takes in every step; the first only those on the left, which an older tree
    has too.
    """
    left = both = start
    for step in steps:
        if sn == 0:
            raise InvalidProof("it is longer than the tree is high")
        if fn & 1 or fn == sn:
            left, both = node_hash(step, left), node_hash(step, both)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            both = node_hash(both, step)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise InvalidProof("it is shorter than the tree is high")
    return left, both


def _split(n: int) -> int:
    """The largest power of two below ``n``."""
    return 1 << (n - 1).bit_length() - 1


def _range_hash(tree: Tree, start: int, end: int) -> bytes:
    n = end - start
    level = n.bit_length() - 1
    if n == 1 << level:
        return tree.subtree(level, start >> level)
    middle = start + _split(n)
    return node_hash(_range_hash(tree, start, middle), _range_hash(tree, middle, end))
