"""Verifying votes: many at once, and each exact sequence of bytes once per process.

A signature is ``leaf (4 bytes) ‖ chains × 32 bytes ‖ path, height × 32 bytes``. Its digits say
how far each chain was walked; walking the rest, folding the ends and climbing the path must
lead to the signer's root.

A verdict is remembered by the digest of key, statement and signature together, so that nothing
but the very same question gets the same answer. What is remembered is bounded.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from phalanx.consensus.votes._chains import VALUE_BYTES, VALUE_WORDS, VOTE_CHAINS, as_bytes, as_words
from phalanx.consensus.votes._errors import InvalidVote
from phalanx.consensus.votes._limits import MAX_REMEMBERED, MAX_STATEMENT_BYTES
from phalanx.consensus.votes._tree import TREE, Root, fold_leaves, midstates
from phalanx.core import InvalidInput

LEAF_BYTES = 4
CHAINS_BYTES = VOTE_CHAINS.chains * VALUE_BYTES

# Root, statement and signature.
Item = tuple[bytes, bytes, bytes]


def signature_bytes(height: int) -> int:
    """How long a signature by a key of this height is."""
    return LEAF_BYTES + CHAINS_BYTES + height * VALUE_BYTES


class WotsVerifier:
    """Verifies votes by one-time keys. ``remember`` bounds what it keeps of earlier verdicts; 0 keeps nothing."""

    def __init__(self, *, remember: int = MAX_REMEMBERED) -> None:
        self._remember = remember
        self._verdicts: OrderedDict[bytes, bool] = OrderedDict()
        self.verified = 0

    def verify(self, root: bytes, statement: bytes, signature: bytes) -> None:
        """Raises ``InvalidVote`` unless ``signature`` is by ``root`` over ``statement``."""
        if not self.verify_many([(root, statement, signature)])[0]:
            raise InvalidVote("it is not by this key over this statement")

    def verify_many(self, items: Sequence[Item]) -> list[bool]:
        """A verdict for each, in order. Takes 25 µs for each that was not asked before."""
        digests = [_digest_of(item) for item in items]
        fresh: dict[bytes, Item] = {}
        for digest, item in zip(digests, items, strict=True):
            if digest in self._verdicts:
                self._verdicts.move_to_end(digest)
            elif digest not in fresh:
                fresh[digest] = item
        found = dict(zip(fresh, _verify(list(fresh.values())), strict=True))
        self.verified += len(fresh)
        answers = [found[digest] if digest in found else self._verdicts[digest] for digest in digests]
        self._verdicts.update(found)
        while len(self._verdicts) > self._remember:
            self._verdicts.popitem(last=False)
        return answers


def _digest_of(item: Item) -> bytes:
    root, statement, signature = item
    # Lengths stand between, so that no byte can move from one part to the next.
    hashed = hashlib.blake2b(len(root).to_bytes(4) + len(statement).to_bytes(4) + root + statement, digest_size=32)
    hashed.update(signature)
    return hashed.digest()


def _verify(items: list[Item]) -> list[bool]:
    verdicts = [False] * len(items)
    by_height: dict[int, list[tuple[int, Root, bytes, bytes]]] = {}
    for at, (raw, statement, signature) in enumerate(items):
        try:
            root = Root.from_bytes(raw)
        except InvalidInput:
            continue
        if len(signature) == signature_bytes(root.height) and len(statement) <= MAX_STATEMENT_BYTES:
            by_height.setdefault(root.height, []).append((at, root, statement, signature))
    for height, some in by_height.items():
        good = _verify_of_height(height, [(root, statement, signature) for _, root, statement, signature in some])
        for (at, *_), verdict in zip(some, good, strict=True):
            verdicts[at] = verdict
    return verdicts


def _verify_of_height(height: int, items: list[tuple[Root, bytes, bytes]]) -> list[bool]:
    from phalanx.consensus.votes import _kernels

    n = len(items)
    seeds = {root.public_seed: None for root, _, _ in items}
    column = {seed: at for at, seed in enumerate(seeds)}
    mids = midstates(list(seeds))
    which = np.array([column[root.public_seed] for root, _, _ in items])
    leaves = np.array([int.from_bytes(signature[:LEAF_BYTES]) for _, _, signature in items], np.uint32)
    inside = leaves < (1 << height)

    digits = VOTE_CHAINS.digits(
        [root.digest(int(leaf), statement) for (root, statement, _), leaf in zip(items, leaves, strict=True)]
    )
    chains = b"".join(signature[LEAF_BYTES : LEAF_BYTES + CHAINS_BYTES] for _, _, signature in items)
    values = as_words(chains, n * VOTE_CHAINS.chains)
    each = VOTE_CHAINS.chains
    _kernels.walk_chains(
        mids.narrow, np.repeat(which, each), 0, np.repeat(leaves, each), np.tile(np.arange(each, dtype=np.uint32), n),
        digits.reshape(-1), np.full(n * each, VOTE_CHAINS.last), values,
    )  # fmt: skip
    node = fold_leaves(mids, which, 0, leaves, values)

    paths = as_words(b"".join(signature[LEAF_BYTES + CHAINS_BYTES :] for _, _, signature in items), n * height)
    paths = paths.reshape(VALUE_WORDS, n, height)
    index, zeros = leaves.copy(), np.zeros(n, np.uint32)
    for z in range(height):
        right = (index & 1).astype(bool)
        sibling = paths[:, :, z]
        pair = np.concatenate([np.where(right, sibling, node), np.where(right, node, sibling)])
        index >>= 1
        above = np.empty((VALUE_WORDS, n), np.uint32)
        _kernels.fold(mids.wide, which, 0, TREE, zeros, np.full(n, z + 1, np.uint32), index, pair, above)
        node = above
    reached = as_bytes(node)
    return [
        bool(inside[at]) and reached[at * VALUE_BYTES : (at + 1) * VALUE_BYTES] == root.root
        for at, (root, _, _) in enumerate(items)
    ]
