"""Leaves made ready before they are needed: every step of every chain, so that signing looks up and hashes nothing.

A leaf takes as long to make ready as to sign with, and 17 KiB of memory until it is used; it is the same
secret as the seed it follows from, and like it leaves the process never.
"""

from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from phalanx.consensus.votes._chains import VALUE_BYTES, VOTE_CHAINS, as_bytes
from phalanx.consensus.votes._tree import VoteTree

_PER_BYTE = 8 // VOTE_CHAINS.log_w
_W = VOTE_CHAINS.last + 1
# Where the steps of each chain begin.
_CHAINS = np.arange(VOTE_CHAINS.chains) * _W


class ReadyLeaf(msgspec.Struct, frozen=True, gc=False):
    """``steps`` is uint8[chains * w, 32]: each chain at each of its steps. ``path`` leads to the root."""

    steps: NDArray[np.uint8]
    path: bytes

    def __repr__(self) -> str:
        return "ReadyLeaf(…)"  # it is a secret

    def chains_at(self, digest: bytes) -> bytes:
        """Each chain at the step of its digit."""
        digits_of = _digits_of_byte()
        message = b"".join([digits_of[one] for one in digest])
        checksum = VOTE_CHAINS.last * VOTE_CHAINS.digits_of_digest - sum(message)
        places = range(VOTE_CHAINS.digits_of_checksum - 1, -1, -1)
        digits = message + bytes([checksum >> place * VOTE_CHAINS.log_w & VOTE_CHAINS.last for place in places])
        return self.steps.take(_CHAINS + np.frombuffer(digits, np.uint8), axis=0).tobytes()


def ready_leaves(tree: VoteTree, leaves: Sequence[int]) -> list[ReadyLeaf]:
    """Make ``leaves`` ready."""
    n = len(leaves)
    steps = np.empty((n, VOTE_CHAINS.chains, _W, VALUE_BYTES), np.uint8)
    for step in range(_W):
        at = np.full(n * VOTE_CHAINS.chains, step)
        walked = np.frombuffer(as_bytes(tree.walked(np.asarray(leaves), at)), np.uint8)
        steps[:, :, step] = walked.reshape(n, VOTE_CHAINS.chains, VALUE_BYTES)
    flat = steps.reshape(n, VOTE_CHAINS.chains * _W, VALUE_BYTES)
    return [ReadyLeaf(flat[place], tree.path(leaf)) for place, leaf in enumerate(leaves)]


@lru_cache(maxsize=1)
def _digits_of_byte() -> tuple[bytes, ...]:
    log_w, last = VOTE_CHAINS.log_w, VOTE_CHAINS.last
    return tuple(
        bytes([one >> log_w * (_PER_BYTE - 1 - place) & last for place in range(_PER_BYTE)]) for one in range(256)
    )
