"""Cryptography over maintained libraries, under one catalogue of names; nothing home-made where there is a library.

The primitives are here: signatures, key encapsulation, authenticated encryption, derivation,
each classical, post-quantum or both at once. Every stored key, signature and ciphertext names
its algorithm. Verification raises; it never returns a bool. What is built from them is in the
packages below: ``entropy``, ``sharing``, ``identity``, ``channel``, ``vault``.

Errors::

    PhalanxError
    └── CryptoError
        ├── InvalidSignature    the signature does not belong to the message and key
        ├── InvalidKey          bytes are not a key or signature in our format
        ├── NotAuthentic        sealed bytes were changed, or sealed under another key
        └── AlgorithmForbidden  the policy in force does not allow it
"""

from phalanx.crypto._aead import KEY_BYTES, NONCE_BYTES, TAG_BYTES, Aead
from phalanx.crypto._catalogue import (
    AES_256_GCM,
    ARGON2ID,
    CHACHA20_POLY1305,
    ED25519,
    ED25519_ML_DSA_44,
    ED25519_ML_DSA_65,
    FN_DSA_512,
    FN_DSA_1024,
    HKDF_SHA2_256,
    HKDF_SHA2_512,
    ML_DSA_44,
    ML_DSA_65,
    ML_DSA_87,
    ML_KEM_768,
    ML_KEM_1024,
    SHA2_256,
    SHA2_512,
    SHA3_256,
    SHA3_512,
    SLH_DSA_SHA2_128F,
    SLH_DSA_SHA2_128S,
    SLH_DSA_SHAKE_128F,
    SLH_DSA_SHAKE_128S,
    X25519,
    X25519_ML_KEM_768,
    Algorithm,
    Kind,
    algorithm,
    algorithms,
)
from phalanx.crypto._derive import ARGON2_LANES, ARGON2_MEMORY_KIB, ARGON2_PASSES, argon2id, digest, hkdf
from phalanx.crypto._errors import AlgorithmForbidden, CryptoError, InvalidKey, InvalidSignature, NotAuthentic
from phalanx.crypto._hybrid import HybridSigner, PublicKey
from phalanx.crypto._kem import DecapsulationKey, EncapsulationKey
from phalanx.crypto._policy import CryptoPolicy
from phalanx.crypto._signing import SigningKey, VerifyingKey

__all__ = [
    "AES_256_GCM",
    "ARGON2ID",
    "ARGON2_LANES",
    "ARGON2_MEMORY_KIB",
    "ARGON2_PASSES",
    "CHACHA20_POLY1305",
    "ED25519",
    "ED25519_ML_DSA_44",
    "ED25519_ML_DSA_65",
    "FN_DSA_512",
    "FN_DSA_1024",
    "HKDF_SHA2_256",
    "HKDF_SHA2_512",
    "KEY_BYTES",
    "ML_DSA_44",
    "ML_DSA_65",
    "ML_DSA_87",
    "ML_KEM_768",
    "ML_KEM_1024",
    "NONCE_BYTES",
    "SHA2_256",
    "SHA2_512",
    "SHA3_256",
    "SHA3_512",
    "SLH_DSA_SHA2_128F",
    "SLH_DSA_SHA2_128S",
    "SLH_DSA_SHAKE_128F",
    "SLH_DSA_SHAKE_128S",
    "TAG_BYTES",
    "X25519",
    "X25519_ML_KEM_768",
    "Aead",
    "Algorithm",
    "AlgorithmForbidden",
    "CryptoError",
    "CryptoPolicy",
    "DecapsulationKey",
    "EncapsulationKey",
    "HybridSigner",
    "InvalidKey",
    "InvalidSignature",
    "Kind",
    "NotAuthentic",
    "PublicKey",
    "SigningKey",
    "VerifyingKey",
    "algorithm",
    "algorithms",
    "argon2id",
    "digest",
    "hkdf",
]
