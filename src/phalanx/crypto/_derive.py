"""Keys from secrets: HKDF (RFC 5869) from good ones, Argon2id (RFC 9106) from passphrases; and hashes by name."""

import hashlib
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from phalanx.core import InvalidInput
from phalanx.crypto._catalogue import HKDF_SHA2_256, HKDF_SHA2_512, SHA2_256, SHA2_512, SHA3_256, SHA3_512, Kind
from phalanx.crypto._catalogue import algorithm as _algorithm

# RFC 9106 §4, second recommended option: 64 MiB, three passes, four lanes.
ARGON2_MEMORY_KIB = 65_536
ARGON2_PASSES = 3
ARGON2_LANES = 4
MIN_SALT_BYTES = 8

_HKDF: dict[str, Callable[[], HashAlgorithm]] = {HKDF_SHA2_256: SHA256, HKDF_SHA2_512: SHA512}
_HASHES: dict[str, Callable[[bytes], Any]] = {
    SHA2_256: hashlib.sha256,
    SHA2_512: hashlib.sha512,
    SHA3_256: hashlib.sha3_256,
    SHA3_512: hashlib.sha3_512,
}


def hkdf(secret: bytes, *, salt: bytes, info: bytes, length: int = 32, algorithm: str = HKDF_SHA2_256) -> bytes:
    """``length`` bytes of key from a secret that is already hard to guess; ``info`` says what for."""
    _algorithm(algorithm, Kind.KDF)
    return HKDF(_HKDF[algorithm](), length, salt, info).derive(secret)


def argon2id(
    passphrase: bytes,
    *,
    salt: bytes,
    length: int = 32,
    memory_kib: int = ARGON2_MEMORY_KIB,
    passes: int = ARGON2_PASSES,
    lanes: int = ARGON2_LANES,
) -> bytes:
    """``length`` bytes of key from a passphrase; slow and hungry on purpose (0.1 s and 64 MiB by default)."""
    if len(salt) < MIN_SALT_BYTES:
        raise InvalidInput("salt", f"it has {len(salt)} bytes, fewer than {MIN_SALT_BYTES}")
    try:
        kdf = Argon2id(salt=salt, length=length, iterations=passes, lanes=lanes, memory_cost=memory_kib)
    except ValueError as error:
        raise InvalidInput("Argon2id parameters", str(error)) from error
    return kdf.derive(passphrase)


def digest(algorithm: str, data: bytes) -> bytes:
    """The hash of ``data`` under the hash of that name."""
    _algorithm(algorithm, Kind.HASH)
    return bytes(_HASHES[algorithm](data).digest())
