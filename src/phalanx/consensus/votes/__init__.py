"""Votes signed at the speed of hashing: one-time signatures that a quantum computer does not break.

A participant has a tree of one-time keys for an epoch (``VoteKeys``); its root is bound to it
when the epoch is signed. Each vote uses the next leaf, and no leaf twice, even across a crash.
``WotsVerifier`` checks many at once, in 25 µs each.

Errors::

    ConsensusError
    ├── InvalidVote             the signature does not belong to the statement and key
    └── VoteError
        ├── LeavesExhausted     every leaf of the key was used
        └── LeavesNotReserved   no leaf is durably taken yet
"""

from phalanx.consensus.votes._errors import InvalidVote, LeavesExhausted, LeavesNotReserved, VoteError
from phalanx.consensus.votes._keys import VOTE_KEYS, KeyName, Seal, VoteKeys, reserve_all
from phalanx.consensus.votes._limits import DEFAULT_HEIGHT, RESERVED_LEAVES
from phalanx.consensus.votes._tree import Root
from phalanx.consensus.votes._verify import WotsVerifier, signature_bytes
from phalanx.consensus.votes._warming import warm_votes

__all__ = [
    "DEFAULT_HEIGHT",
    "RESERVED_LEAVES",
    "VOTE_KEYS",
    "InvalidVote",
    "KeyName",
    "LeavesExhausted",
    "LeavesNotReserved",
    "Root",
    "Seal",
    "VoteError",
    "VoteKeys",
    "WotsVerifier",
    "reserve_all",
    "signature_bytes",
    "warm_votes",
]
