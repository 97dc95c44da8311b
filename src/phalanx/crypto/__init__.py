"""Signatures that outlive quantum computers: hybrid keys over maintained libraries, nothing home-made.

Every stored key and signature names its algorithms. Verification raises; it never returns a bool.

Errors::

    PhalanxError
    └── CryptoError
        ├── InvalidSignature    the signature does not belong to the message and key
        └── InvalidKey          bytes are not a key or signature in the form we write
"""

from phalanx.crypto._algorithms import ED25519, ML_DSA_44, SigningKey, VerifyingKey
from phalanx.crypto._errors import CryptoError, InvalidKey, InvalidSignature
from phalanx.crypto._hybrid import HybridSigner, PublicKey, Signature

__all__ = [
    "ED25519",
    "ML_DSA_44",
    "CryptoError",
    "HybridSigner",
    "InvalidKey",
    "InvalidSignature",
    "PublicKey",
    "Signature",
    "SigningKey",
    "VerifyingKey",
]
