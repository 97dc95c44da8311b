"""Key encapsulation: ML-KEM (FIPS 203), X25519 as DHKEM (RFC 9180 §4.1), and the two together.

The hybrid's shared key is SHA3-256 over a label, both shared keys, both ciphertexts and both
public keys, all of fixed length. It is as good as the better half, and it is bound to the whole
exchange: whoever changes a ciphertext or a public key gets another key, whatever the halves
themselves promise. ML-KEM rejects implicitly: a wrong ciphertext gives a key that nobody knows,
not an error. So a shared key says nothing until something sealed under it opens.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
    MLKEM1024PrivateKey,
    MLKEM1024PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from phalanx.crypto._catalogue import ML_KEM_768, ML_KEM_1024, X25519, X25519_ML_KEM_768, Kind, algorithm, sized
from phalanx.crypto._errors import InvalidKey
from phalanx.crypto._named import pack_named, unpack_named

SHARED_BYTES = 32
_HYBRID_LABEL = b"phalanx hybrid kem v1: X25519 + ML-KEM-768\x00"
# RFC 9180 §4.1 and §7.1: the suite of DHKEM(X25519, HKDF-SHA256).
_DHKEM = b"HPKE-v1KEM\x00\x20"


class _Public(Protocol):
    def encapsulate(self) -> tuple[bytes, bytes]: ...


class _Private(Protocol):
    @property
    def public(self) -> bytes: ...

    def decapsulate(self, ciphertext: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Mechanism:
    generate: Callable[[], bytes]
    private: Callable[[bytes], _Private]
    public: Callable[[bytes], _Public]


class EncapsulationKey:
    """A public key to which a fresh shared key can be sent."""

    __slots__ = ("_key", "algorithm", "raw")

    def __init__(self, name: str, raw: bytes) -> None:
        known = algorithm(name, Kind.KEM)
        sized(f"{name} public key", raw, known.public_bytes)
        try:
            self._key = _MECHANISMS[name].public(raw)
        except ValueError as error:
            raise InvalidKey(f"{name} public key", str(error)) from error
        self.algorithm = name
        self.raw = raw

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EncapsulationKey) and (self.algorithm, self.raw) == (other.algorithm, other.raw)

    def __hash__(self) -> int:
        return hash((self.algorithm, self.raw))

    def encapsulate(self) -> tuple[bytes, bytes]:
        """A fresh shared key of 32 bytes, and the ciphertext that brings it to the key's owner."""
        try:
            return self._key.encapsulate()
        except ValueError as error:
            raise InvalidKey(f"{self.algorithm} public key", str(error)) from error

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key's named bytes, in hex."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_bytes(self) -> bytes:
        return pack_named("encapsulation-key", self.algorithm, self.raw)

    @classmethod
    def from_bytes(cls, data: bytes) -> "EncapsulationKey":
        return cls(*unpack_named("encapsulation-key", data))


class DecapsulationKey:
    """The private key that gets the shared key out. Its representation shows nothing secret."""

    __slots__ = ("_key", "_seed", "algorithm", "public")

    def __init__(self, name: str, seed: bytes) -> None:
        known = algorithm(name, Kind.KEM)
        sized(f"{name} private key", seed, known.private_bytes)
        self._key = _MECHANISMS[name].private(seed)
        self._seed = seed
        self.algorithm = name
        self.public = EncapsulationKey(name, self._key.public)

    @classmethod
    def generate(cls, name: str) -> "DecapsulationKey":
        algorithm(name, Kind.KEM)
        return cls(name, _MECHANISMS[name].generate())

    @property
    def seed(self) -> bytes:
        """The secret itself; it leaves the process only sealed, or into a key file."""
        return self._seed

    def decapsulate(self, ciphertext: bytes) -> bytes:
        """The shared key of 32 bytes; raises ``InvalidKey`` for what cannot be a ciphertext."""
        sized(f"{self.algorithm} ciphertext", ciphertext, algorithm(self.algorithm).output_bytes)
        try:
            return self._key.decapsulate(ciphertext)
        except ValueError as error:
            raise InvalidKey(f"{self.algorithm} ciphertext", str(error)) from error

    def to_bytes(self) -> bytes:
        """The secret itself, named. Keep it where only its owner can read it."""
        return pack_named("decapsulation-key", self.algorithm, self._seed)

    @classmethod
    def from_bytes(cls, data: bytes) -> "DecapsulationKey":
        return cls(*unpack_named("decapsulation-key", data))


class _MlKemPublic:
    __slots__ = ("_key",)

    def __init__(self, key: Any) -> None:
        self._key = key

    def encapsulate(self) -> tuple[bytes, bytes]:
        shared, ciphertext = self._key.encapsulate()
        return bytes(shared), bytes(ciphertext)


class _MlKemPrivate:
    __slots__ = ("_key",)

    def __init__(self, key: Any) -> None:
        self._key = key

    @property
    def public(self) -> bytes:
        return bytes(self._key.public_key().public_bytes_raw())

    def decapsulate(self, ciphertext: bytes) -> bytes:
        return bytes(self._key.decapsulate(ciphertext))


class _X25519Public:
    __slots__ = ("_key", "_raw")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._key = X25519PublicKey.from_public_bytes(raw)

    def encapsulate(self) -> tuple[bytes, bytes]:
        ephemeral = X25519PrivateKey.generate()
        enc = ephemeral.public_key().public_bytes_raw()
        return _dhkem(ephemeral.exchange(self._key), enc, self._raw), enc


class _X25519Private:
    __slots__ = ("_key", "public")

    def __init__(self, raw: bytes) -> None:
        self._key = X25519PrivateKey.from_private_bytes(raw)
        self.public = self._key.public_key().public_bytes_raw()

    def decapsulate(self, ciphertext: bytes) -> bytes:
        # The library refuses the all-zero result of a point of small order.
        secret = self._key.exchange(X25519PublicKey.from_public_bytes(ciphertext))
        return _dhkem(secret, ciphertext, self.public)


def _dhkem(secret: bytes, enc: bytes, recipient: bytes) -> bytes:
    """ExtractAndExpand of RFC 9180 §4.1."""
    extracted = HKDF.extract(SHA256(), b"", _DHKEM + b"eae_prk" + secret)
    info = SHARED_BYTES.to_bytes(2) + _DHKEM + b"shared_secret" + enc + recipient
    return HKDFExpand(SHA256(), SHARED_BYTES, info).derive(extracted)


class _HybridPublic:
    __slots__ = ("_classical", "_post_quantum", "_raw")

    def __init__(self, raw: bytes) -> None:
        split = algorithm(X25519).public_bytes
        self._raw = raw
        self._classical = _X25519Public(raw[:split])
        self._post_quantum = _MlKemPublic(MLKEM768PublicKey.from_public_bytes(raw[split:]))

    def encapsulate(self) -> tuple[bytes, bytes]:
        (first, first_text), (second, second_text) = self._classical.encapsulate(), self._post_quantum.encapsulate()
        ciphertext = first_text + second_text
        return combine(first, second, ciphertext, self._raw), ciphertext


class _HybridPrivate:
    __slots__ = ("_classical", "_post_quantum", "public")

    def __init__(self, seed: bytes) -> None:
        split = algorithm(X25519).private_bytes
        self._classical = _X25519Private(seed[:split])
        self._post_quantum = _MlKemPrivate(MLKEM768PrivateKey.from_seed_bytes(seed[split:]))
        self.public = self._classical.public + self._post_quantum.public

    def decapsulate(self, ciphertext: bytes) -> bytes:
        split = algorithm(X25519).output_bytes
        first = self._classical.decapsulate(ciphertext[:split])
        second = self._post_quantum.decapsulate(ciphertext[split:])
        return combine(first, second, ciphertext, self.public)


def combine(first: bytes, second: bytes, ciphertext: bytes, public: bytes) -> bytes:
    """The hybrid's shared key; see the module. Every part has a fixed length."""
    return hashlib.sha3_256(b"".join((_HYBRID_LABEL, first, second, ciphertext, public))).digest()


_MECHANISMS = {
    X25519: _Mechanism(lambda: X25519PrivateKey.generate().private_bytes_raw(), _X25519Private, _X25519Public),
    ML_KEM_768: _Mechanism(
        lambda: MLKEM768PrivateKey.generate().private_bytes_raw(),
        lambda seed: _MlKemPrivate(MLKEM768PrivateKey.from_seed_bytes(seed)),
        lambda raw: _MlKemPublic(MLKEM768PublicKey.from_public_bytes(raw)),
    ),
    ML_KEM_1024: _Mechanism(
        lambda: MLKEM1024PrivateKey.generate().private_bytes_raw(),
        lambda seed: _MlKemPrivate(MLKEM1024PrivateKey.from_seed_bytes(seed)),
        lambda raw: _MlKemPublic(MLKEM1024PublicKey.from_public_bytes(raw)),
    ),
    X25519_ML_KEM_768: _Mechanism(
        lambda: X25519PrivateKey.generate().private_bytes_raw() + MLKEM768PrivateKey.generate().private_bytes_raw(),
        _HybridPrivate,
        _HybridPublic,
    ),
}
