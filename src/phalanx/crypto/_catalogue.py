"""The catalogue of algorithms: what each is called, where it is specified, who implements it.

Names are those of the standards and travel in every stored key, signature and ciphertext, so
that a reader knows what it holds before it trusts it, and so that one can be replaced by
another. ``level`` is NIST's security category (1 as hard as AES-128 … 5 as AES-256), 0 where
the standard claims none; ``quantum_safe`` says whether a quantum computer is believed to leave
that level standing. A hybrid is listed like any other: it holds while one of its halves does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from phalanx.crypto._errors import InvalidKey

ED25519 = "Ed25519"
ML_DSA_44 = "ML-DSA-44"
ML_DSA_65 = "ML-DSA-65"
ML_DSA_87 = "ML-DSA-87"
ED25519_ML_DSA_44 = "Ed25519+ML-DSA-44"
ED25519_ML_DSA_65 = "Ed25519+ML-DSA-65"
SLH_DSA_SHA2_128S = "SLH-DSA-SHA2-128s"
SLH_DSA_SHA2_128F = "SLH-DSA-SHA2-128f"
SLH_DSA_SHAKE_128S = "SLH-DSA-SHAKE-128s"
SLH_DSA_SHAKE_128F = "SLH-DSA-SHAKE-128f"
FN_DSA_512 = "FN-DSA-512"
FN_DSA_1024 = "FN-DSA-1024"

X25519 = "X25519"
ML_KEM_768 = "ML-KEM-768"
ML_KEM_1024 = "ML-KEM-1024"
X25519_ML_KEM_768 = "X25519+ML-KEM-768"

AES_256_GCM = "AES-256-GCM"
CHACHA20_POLY1305 = "ChaCha20-Poly1305"

SHA2_256 = "SHA2-256"
SHA2_512 = "SHA2-512"
SHA3_256 = "SHA3-256"
SHA3_512 = "SHA3-512"

HKDF_SHA2_256 = "HKDF-SHA2-256"
HKDF_SHA2_512 = "HKDF-SHA2-512"
ARGON2ID = "Argon2id"


class Kind(Enum):
    """What an algorithm is for."""

    SIGNATURE = "signature"
    KEM = "key encapsulation"
    AEAD = "authenticated encryption"
    HASH = "hash"
    KDF = "key derivation"
    PASSPHRASE = "passphrase hashing"  # noqa: S105 - it names a kind, it is none


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One entry. Sizes are in bytes; ``output_bytes`` is a signature, ciphertext, tag, digest or shared key.

    ``extra`` names the optional dependency that brings it; empty when it is always there.
    """

    name: str
    kind: Kind
    standard: str
    library: str
    level: int
    private_bytes: int = 0
    public_bytes: int = 0
    output_bytes: int = 0
    quantum_safe: bool = True
    experimental: bool = False
    extra: str = ""


_OPENSSL = "cryptography (OpenSSL)"
_STDLIB = "hashlib (OpenSSL)"
_RUST = "pqcrypto (Rust)"
_FN_DSA = "py-fn-dsa (C)"
_SIGNATURE, _KEM = Kind.SIGNATURE, Kind.KEM


def _slh_dsa() -> list[Algorithm]:
    """The twelve sets of FIPS 205: two hash families, three levels, small or fast signatures."""
    signature_bytes = {"128s": 7_856, "128f": 17_088, "192s": 16_224, "192f": 35_664, "256s": 29_792, "256f": 49_856}
    level, half = {"128": 1, "192": 3, "256": 5}, {"128": 32, "192": 48, "256": 64}
    return [
        Algorithm(
            name=f"SLH-DSA-{family}-{size}",
            kind=_SIGNATURE,
            standard="FIPS 205",
            library=_RUST,
            level=level[size[:3]],
            private_bytes=2 * half[size[:3]],
            public_bytes=half[size[:3]],
            output_bytes=n_bytes,
        )
        for family in ("SHA2", "SHAKE")
        for size, n_bytes in signature_bytes.items()
    ]


_CATALOGUE: dict[str, Algorithm] = {
    one.name: one
    for one in (
        Algorithm(ED25519, _SIGNATURE, "RFC 8032", _OPENSSL, 1, 32, 32, 64, quantum_safe=False),
        Algorithm(ML_DSA_44, _SIGNATURE, "FIPS 204", _OPENSSL, 2, 32, 1_312, 2_420),
        Algorithm(ML_DSA_65, _SIGNATURE, "FIPS 204", _OPENSSL, 3, 32, 1_952, 3_309),
        Algorithm(ML_DSA_87, _SIGNATURE, "FIPS 204", _OPENSSL, 5, 32, 2_592, 4_627),
        Algorithm(ED25519_ML_DSA_44, _SIGNATURE, "RFC 8032 + FIPS 204", _OPENSSL, 2, 64, 1_344, 2_484),
        Algorithm(ED25519_ML_DSA_65, _SIGNATURE, "RFC 8032 + FIPS 204", _OPENSSL, 3, 64, 1_984, 3_373),
        *_slh_dsa(),
        # The private key is stored with its public key, which the library cannot derive.
        Algorithm(
            FN_DSA_512, _SIGNATURE, "FIPS 206 (draft)", _FN_DSA, 1, 2_242, 897, 666, experimental=True, extra="fndsa"
        ),
        Algorithm(
            FN_DSA_1024,
            _SIGNATURE,
            "FIPS 206 (draft)",
            _FN_DSA,
            5,
            4_162,
            1_793,
            1_280,
            experimental=True,
            extra="fndsa",
        ),
        Algorithm(X25519, _KEM, "RFC 7748, RFC 9180 §4.1", _OPENSSL, 1, 32, 32, 32, quantum_safe=False),
        Algorithm(ML_KEM_768, _KEM, "FIPS 203", _OPENSSL, 3, 64, 1_184, 1_088),
        Algorithm(ML_KEM_1024, _KEM, "FIPS 203", _OPENSSL, 5, 64, 1_568, 1_568),
        Algorithm(X25519_ML_KEM_768, _KEM, "RFC 7748 + FIPS 203", _OPENSSL, 3, 96, 1_216, 1_120),
        Algorithm(AES_256_GCM, Kind.AEAD, "SP 800-38D", _OPENSSL, 5, private_bytes=32, output_bytes=16),
        Algorithm(CHACHA20_POLY1305, Kind.AEAD, "RFC 8439", _OPENSSL, 5, private_bytes=32, output_bytes=16),
        Algorithm(SHA2_256, Kind.HASH, "FIPS 180-4", _STDLIB, 2, output_bytes=32),
        Algorithm(SHA2_512, Kind.HASH, "FIPS 180-4", _STDLIB, 5, output_bytes=64),
        Algorithm(SHA3_256, Kind.HASH, "FIPS 202", _STDLIB, 2, output_bytes=32),
        Algorithm(SHA3_512, Kind.HASH, "FIPS 202", _STDLIB, 5, output_bytes=64),
        Algorithm(HKDF_SHA2_256, Kind.KDF, "RFC 5869", _OPENSSL, 2, output_bytes=32),
        Algorithm(HKDF_SHA2_512, Kind.KDF, "RFC 5869", _OPENSSL, 5, output_bytes=64),
        Algorithm(ARGON2ID, Kind.PASSPHRASE, "RFC 9106", _OPENSSL, 0, output_bytes=32),
    )
}


def algorithms(kind: Kind | None = None) -> Sequence[Algorithm]:
    """Everything in the catalogue, or everything of one kind, in its order."""
    return [one for one in _CATALOGUE.values() if kind in (None, one.kind)]


def algorithm(name: str, kind: Kind | None = None) -> Algorithm:
    """Raises ``InvalidKey`` for a name that is not in the catalogue, or not of ``kind``."""
    found = _CATALOGUE.get(name)
    if found is None or kind not in (None, found.kind):
        known = ", ".join(one.name for one in algorithms(kind))
        what = "algorithm" if kind is None else f"{kind.value} algorithm"
        raise InvalidKey(what, f"{name!r} is none of {known}")
    return found


def sized(what: str, raw: bytes, n_bytes: int) -> bytes:
    """``raw`` if it has ``n_bytes``; raises ``InvalidKey`` otherwise."""
    if len(raw) != n_bytes:
        raise InvalidKey(what, f"it has {len(raw)} bytes, not {n_bytes}")
    return raw
