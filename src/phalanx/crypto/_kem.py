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
    @property
    def raw(self) -> bytes: ...

    def encapsulate(self) -> tuple[bytes, bytes]: ...


class _Private(Protocol):
    @property
    def public(self) -> _Public: ...

    def decapsulate(self, ciphertext: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Mechanism:
    generate: Callable[[], tuple[bytes, _Private]]
    private: Callable[[bytes], _Private]
    public: Callable[[bytes], _Public]


class EncapsulationKey:
    """A public key to which a fresh shared key can be sent."""

    __slots__ = ("_key", "algorithm", "raw")

    def __init__(self, name: str, raw: bytes, *, key: "_Public | None" = None) -> None:
        """``key`` is the same key as the library holds it already, when somebody has it."""
        known = algorithm(name, Kind.KEM)
        sized(f"{name} public key", raw, known.public_bytes)
        try:
            self._key = key or _MECHANISMS[name].public(raw)
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

    def __init__(self, name: str, seed: bytes, *, key: "_Private | None" = None) -> None:
        """``key`` is the same key as the library holds it already, when somebody has it."""
        known = algorithm(name, Kind.KEM)
        sized(f"{name} private key", seed, known.private_bytes)
        self._key = key or _MECHANISMS[name].private(seed)
        self._seed = seed
        self.algorithm = name
        self.public = EncapsulationKey(name, self._key.public.raw, key=self._key.public)

    @classmethod
    def generate(cls, name: str) -> "DecapsulationKey":
        algorithm(name, Kind.KEM)
        seed, key = _MECHANISMS[name].generate()
        return cls(name, seed, key=key)

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
    __slots__ = ("_key", "raw")

    def __init__(self, key: Any) -> None:
        self._key = key
        self.raw = bytes(key.public_bytes_raw())

    def encapsulate(self) -> tuple[bytes, bytes]:
        shared, ciphertext = self._key.encapsulate()
        return bytes(shared), bytes(ciphertext)


class _MlKemPrivate:
    __slots__ = ("_key", "public")

    def __init__(self, key: Any) -> None:
        self._key = key
        self.public = _MlKemPublic(key.public_key())

    def decapsulate(self, ciphertext: bytes) -> bytes:
        return bytes(self._key.decapsulate(ciphertext))


class _X25519Public:
    __slots__ = ("_key", "raw")

    def __init__(self, key: X25519PublicKey) -> None:
        self._key = key
        self.raw = key.public_bytes_raw()

    def encapsulate(self) -> tuple[bytes, bytes]:
        ephemeral = X25519PrivateKey.generate()
        enc = ephemeral.public_key().public_bytes_raw()
        return _dhkem(ephemeral.exchange(self._key), enc, self.raw), enc


class _X25519Private:
    __slots__ = ("_key", "public")

    def __init__(self, key: X25519PrivateKey) -> None:
        self._key = key
        self.public = _X25519Public(key.public_key())

    def decapsulate(self, ciphertext: bytes) -> bytes:
        # The library refuses the all-zero result of a point of small order.
        secret = self._key.exchange(X25519PublicKey.from_public_bytes(ciphertext))
        return _dhkem(secret, ciphertext, self.public.raw)


def _dhkem(secret: bytes, enc: bytes, recipient: bytes) -> bytes:
    """ExtractAndExpand of RFC 9180 §4.1."""
    extracted = HKDF.extract(SHA256(), b"", _DHKEM + b"eae_prk" + secret)
    info = SHARED_BYTES.to_bytes(2) + _DHKEM + b"shared_secret" + enc + recipient
    return HKDFExpand(SHA256(), SHARED_BYTES, info).derive(extracted)


class _HybridPublic:
    __slots__ = ("_classical", "_post_quantum", "raw")

    def __init__(self, classical: _Public, post_quantum: _Public) -> None:
        self._classical = classical
        self._post_quantum = post_quantum
        self.raw = classical.raw + post_quantum.raw

    def encapsulate(self) -> tuple[bytes, bytes]:
        (first, first_text), (second, second_text) = self._classical.encapsulate(), self._post_quantum.encapsulate()
        ciphertext = first_text + second_text
        return combine(first, second, ciphertext, self.raw), ciphertext


class _HybridPrivate:
    __slots__ = ("_classical", "_post_quantum", "public")

    def __init__(self, classical: _Private, post_quantum: _Private) -> None:
        self._classical = classical
        self._post_quantum = post_quantum
        self.public = _HybridPublic(classical.public, post_quantum.public)

    def decapsulate(self, ciphertext: bytes) -> bytes:
        split = algorithm(X25519).output_bytes
        first = self._classical.decapsulate(ciphertext[:split])
        second = self._post_quantum.decapsulate(ciphertext[split:])
        return combine(first, second, ciphertext, self.public.raw)


def combine(first: bytes, second: bytes, ciphertext: bytes, public: bytes) -> bytes:
    """The hybrid's shared key; see the module. Every part has a fixed length."""
    return hashlib.sha3_256(b"".join((_HYBRID_LABEL, first, second, ciphertext, public))).digest()


def _ml_kem(private: Any, public: Any) -> _Mechanism:
    def generate() -> tuple[bytes, _Private]:
        key = private.generate()
        return bytes(key.private_bytes_raw()), _MlKemPrivate(key)

    return _Mechanism(
        generate,
        lambda seed: _MlKemPrivate(private.from_seed_bytes(seed)),
        lambda raw: _MlKemPublic(public.from_public_bytes(raw)),
    )


def _x25519() -> _Mechanism:
    def generate() -> tuple[bytes, _Private]:
        key = X25519PrivateKey.generate()
        return key.private_bytes_raw(), _X25519Private(key)

    return _Mechanism(
        generate,
        lambda seed: _X25519Private(X25519PrivateKey.from_private_bytes(seed)),
        lambda raw: _X25519Public(X25519PublicKey.from_public_bytes(raw)),
    )


def _hybrid(a: _Mechanism, b: _Mechanism) -> _Mechanism:
    """X25519 first, as in its name."""
    private, public = algorithm(X25519).private_bytes, algorithm(X25519).public_bytes

    def generate() -> tuple[bytes, _Private]:
        (seed_a, key_a), (seed_b, key_b) = a.generate(), b.generate()
        return seed_a + seed_b, _HybridPrivate(key_a, key_b)

    return _Mechanism(
        generate,
        lambda seed: _HybridPrivate(a.private(seed[:private]), b.private(seed[private:])),
        lambda raw: _HybridPublic(a.public(raw[:public]), b.public(raw[public:])),
    )


_MECHANISMS = {
    X25519: _x25519(),
    ML_KEM_768: _ml_kem(MLKEM768PrivateKey, MLKEM768PublicKey),
    ML_KEM_1024: _ml_kem(MLKEM1024PrivateKey, MLKEM1024PublicKey),
}
_MECHANISMS[X25519_ML_KEM_768] = _hybrid(_MECHANISMS[X25519], _MECHANISMS[ML_KEM_768])
