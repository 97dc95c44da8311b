"""Compiling or loading the kernels of this package ahead of need."""

import numpy as np

from phalanx.consensus.votes._chains import VALUE_BYTES, VOTE_CHAINS
from phalanx.consensus.votes._limits import MIN_HEIGHT
from phalanx.consensus.votes._tree import grow
from phalanx.consensus.votes._verify import WotsVerifier


def warm_votes() -> None:
    """Grow a small tree, sign with it and verify: twenty seconds the first time on a machine, then less than one.

    The seeds are nobody's: nothing that anybody relies on is signed with them.
    """
    tree = grow(bytes(VALUE_BYTES), bytes(VALUE_BYTES), MIN_HEIGHT)
    statement = b"warm"
    digits = VOTE_CHAINS.digits([tree.root.digest(0, statement)])
    signature = b"".join((bytes(4), tree.chains_at(0, np.asarray(digits).reshape(-1)), tree.path(0)))
    WotsVerifier().verify(tree.root.to_bytes(), statement, signature)
