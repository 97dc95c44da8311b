"""The registry of signature algorithms: a name, its sizes, and the library calls behind it.

Names are those of the standards (RFC 8032, FIPS 204) and travel in every stored key and
signature, so that a reader knows what it holds before it trusts it. Fresh keys come from the
operating system's generator inside the library; a private key is kept as its 32-byte seed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature as _LibraryRefusal
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from phalanx.crypto._errors import InvalidKey, InvalidSignature

ED25519 = "Ed25519"
ML_DSA_44 = "ML-DSA-44"


class _Public(Protocol):
    def verify(self, signature: bytes, data: bytes, /) -> None: ...

    def public_bytes_raw(self) -> bytes: ...


class _Private(Protocol):
    def sign(self, data: bytes, /) -> bytes: ...

    def public_key(self) -> _Public: ...

    def private_bytes_raw(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Algorithm:
    seed_bytes: int
    public_bytes: int
    signature_bytes: int
    generate: Callable[[], _Private]
    from_seed: Callable[[bytes], _Private]
    from_public: Callable[[bytes], _Public]


_REGISTRY = {
    ED25519: _Algorithm(
        32, 32, 64, Ed25519PrivateKey.generate, Ed25519PrivateKey.from_private_bytes, Ed25519PublicKey.from_public_bytes
    ),
    ML_DSA_44: _Algorithm(
        32,
        1312,
        2420,
        MLDSA44PrivateKey.generate,
        MLDSA44PrivateKey.from_seed_bytes,
        MLDSA44PublicKey.from_public_bytes,
    ),
}


class VerifyingKey:
    """A public key of one algorithm."""

    __slots__ = ("_key", "algorithm", "raw")

    def __init__(self, algorithm: str, raw: bytes) -> None:
        known = _known(algorithm)
        _sized(f"{algorithm} public key", raw, known.public_bytes)
        try:
            self._key = known.from_public(raw)
        except ValueError as error:
            raise InvalidKey(f"{algorithm} public key", str(error)) from error
        self.algorithm = algorithm
        self.raw = raw

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VerifyingKey) and (self.algorithm, self.raw) == (other.algorithm, other.raw)

    def __hash__(self) -> int:
        return hash((self.algorithm, self.raw))

    def verify(self, message: bytes, signature: bytes) -> None:
        """Returns when the signature holds and raises ``InvalidSignature`` when it does not."""
        try:
            self._key.verify(signature, message)
        except _LibraryRefusal:
            raise InvalidSignature(self.algorithm) from None


class SigningKey:
    """A private key of one algorithm. Its representation shows nothing secret."""

    __slots__ = ("_key", "algorithm", "public")

    def __init__(self, algorithm: str, seed: bytes) -> None:
        known = _known(algorithm)
        _sized(f"{algorithm} private key", seed, known.seed_bytes)
        self._key = known.from_seed(seed)
        self.algorithm = algorithm
        self.public = VerifyingKey(algorithm, self._key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, algorithm: str) -> "SigningKey":
        return cls(algorithm, _known(algorithm).generate().private_bytes_raw())

    @property
    def seed(self) -> bytes:
        """The secret itself; it leaves the process only into the node's key file."""
        return self._key.private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def checked_signature(algorithm: str, raw: bytes) -> bytes:
    """``raw`` if it has the size of the algorithm's signatures; raises ``InvalidKey`` otherwise."""
    _sized(f"{algorithm} signature", raw, _known(algorithm).signature_bytes)
    return raw


def _known(algorithm: str) -> _Algorithm:
    found = _REGISTRY.get(algorithm)
    if found is None:
        raise InvalidKey("key", f"algorithm {algorithm!r} is none of {', '.join(_REGISTRY)}")
    return found


def _sized(what: str, raw: bytes, n_bytes: int) -> None:
    if len(raw) != n_bytes:
        raise InvalidKey(what, f"it has {len(raw)} bytes, not {n_bytes}")
