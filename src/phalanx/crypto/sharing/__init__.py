"""Secrets that no single person holds: k of n shares give one back, and lies are found and named.

``split`` and ``recover`` share one 256-bit secret and decode it although shares are wrong;
``PEDERSEN``, ``FELDMAN`` and ``HASH`` share it verifiably.

Errors::

    CryptoError
    └── SharingError
        ├── InvalidShare        damaged, of another set or epoch, or refuted by its commitment
        ├── NotEnoughShares     fewer usable shares than the threshold
        ├── Undecodable         more shares are wrong than can be told from right ones
        ├── InvalidDealing      what a dealer published is no sharing
        └── GenerationFailed    a run without a dealer ended without a key
"""

from phalanx.crypto.sharing._errors import (
    GenerationFailed,
    InvalidDealing,
    InvalidShare,
    NotEnoughShares,
    SharingError,
    Undecodable,
)
from phalanx.crypto.sharing._groups import Group, ffdhe2048, ffdhe3072, safe_prime_group
from phalanx.crypto.sharing._limits import MAX_SHARES
from phalanx.crypto.sharing._shares import Recovered, Share, recover, split
from phalanx.crypto.sharing._verifiable import (
    FELDMAN,
    HASH,
    PEDERSEN,
    Commitment,
    Dealing,
    GroupScheme,
    HashScheme,
    Scheme,
    Terms,
    VerifiableShare,
    recover_verified,
)

__all__ = [
    "FELDMAN",
    "HASH",
    "MAX_SHARES",
    "PEDERSEN",
    "Commitment",
    "Dealing",
    "GenerationFailed",
    "Group",
    "GroupScheme",
    "HashScheme",
    "InvalidDealing",
    "InvalidShare",
    "NotEnoughShares",
    "Recovered",
    "Scheme",
    "Share",
    "SharingError",
    "Terms",
    "Undecodable",
    "VerifiableShare",
    "ffdhe2048",
    "ffdhe3072",
    "recover",
    "recover_verified",
    "safe_prime_group",
    "split",
]
