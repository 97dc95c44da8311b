"""The library calls behind each signature algorithm, under one shape.

A context of up to 255 bytes separates uses of one key. FIPS 204, 205 and the draft of FIPS 206
have a place for it; a hybrid puts it into what both halves sign. Plain Ed25519 has none and
refuses one.

What the two halves of a hybrid sign is ``domain ‖ length of context ‖ context ‖ message``. The
domain names both algorithms, so that one half cut out of a hybrid signature is not a valid
plain signature of the message by that key, and the halves of two hybrids do not mix.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature as _LibraryRefusal
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import (
    MLDSA44PrivateKey,
    MLDSA44PublicKey,
    MLDSA65PrivateKey,
    MLDSA65PublicKey,
    MLDSA87PrivateKey,
    MLDSA87PublicKey,
)

from phalanx.core import InvalidInput, Unavailable
from phalanx.crypto._catalogue import ED25519, FN_DSA_512, FN_DSA_1024, ML_DSA_44, ML_DSA_65, ML_DSA_87, algorithm
from phalanx.crypto._errors import InvalidSignature

MAX_CONTEXT_BYTES = 255
_HYBRID_DOMAIN = "phalanx hybrid signature v1: {} + {}\x00"


class Verifier(Protocol):
    """A public key as its library holds it. Raises ``InvalidSignature``."""

    def verify(self, message: bytes, signature: bytes, context: bytes) -> None: ...


class Signer(Protocol):
    """A private key as its library holds it. ``public`` is the raw public key, ``verifier`` the same at work."""

    @property
    def public(self) -> bytes: ...

    def verifier(self) -> Verifier: ...

    def sign(self, message: bytes, context: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Scheme:
    """How keys of one algorithm are made and read. ``generate`` gives a private key's bytes and the key at work."""

    generate: Callable[[], tuple[bytes, Signer]]
    signer: Callable[[bytes], Signer]
    verifier: Callable[[bytes], Verifier]


def scheme(name: str) -> Scheme:
    """The calls of a signature algorithm of the catalogue; ``Unavailable`` names a missing extra."""
    if "+" in name:
        classical, _, post_quantum = name.partition("+")
        return _hybrid(classical, post_quantum)
    if name.startswith("SLH-DSA"):
        return _slh_dsa(name)
    if name in (FN_DSA_512, FN_DSA_1024):
        return _fn_dsa(name)
    return _OPENSSL[name]


class _Ed25519Signer:
    __slots__ = ("_key",)

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @property
    def public(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    def verifier(self) -> Verifier:
        return _Ed25519Verifier(self._key.public_key())

    def sign(self, message: bytes, context: bytes) -> bytes:
        _require_no_context(context)
        return self._key.sign(message)


class _Ed25519Verifier:
    __slots__ = ("_key",)

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    def verify(self, message: bytes, signature: bytes, context: bytes) -> None:
        _require_no_context(context)
        try:
            self._key.verify(signature, message)
        except _LibraryRefusal:
            raise InvalidSignature(ED25519) from None


class _MlDsaSigner:
    __slots__ = ("_key", "_name")

    def __init__(self, name: str, key: Any) -> None:
        self._name = name
        self._key = key

    @property
    def public(self) -> bytes:
        return bytes(self._key.public_key().public_bytes_raw())

    def verifier(self) -> Verifier:
        return _MlDsaVerifier(self._name, self._key.public_key())

    def sign(self, message: bytes, context: bytes) -> bytes:
        return bytes(self._key.sign(message, context))


class _MlDsaVerifier:
    __slots__ = ("_key", "_name")

    def __init__(self, name: str, key: Any) -> None:
        self._name = name
        self._key = key

    def verify(self, message: bytes, signature: bytes, context: bytes) -> None:
        try:
            self._key.verify(signature, message, context)
        except _LibraryRefusal:
            raise InvalidSignature(self._name) from None


def _ml_dsa(name: str, private: Any, public: Any) -> Scheme:
    def generate() -> tuple[bytes, Signer]:
        key = private.generate()
        return bytes(key.private_bytes_raw()), _MlDsaSigner(name, key)

    return Scheme(
        generate=generate,
        signer=lambda raw: _MlDsaSigner(name, private.from_seed_bytes(raw)),
        verifier=lambda raw: _MlDsaVerifier(name, public.from_public_bytes(raw)),
    )


class _SlhDsaKey:
    """FIPS 205 §9.1: a private key ends in its public key."""

    __slots__ = ("_library", "_name", "_raw")

    def __init__(self, name: str, library: Any, raw: bytes) -> None:
        self._name = name
        self._library = library
        self._raw = raw

    @property
    def public(self) -> bytes:
        return self._raw[len(self._raw) // 2 :]

    def verifier(self) -> Verifier:
        return _SlhDsaKey(self._name, self._library, self.public)

    def sign(self, message: bytes, context: bytes) -> bytes:
        return bytes(self._library.sign(self._raw, message, context))

    def verify(self, message: bytes, signature: bytes, context: bytes) -> None:
        import pqcrypto

        try:
            self._library.verify(self._raw, message, signature, context)
        except (pqcrypto.InvalidSignatureError, ValueError):
            # A signature of another length is a ValueError there.
            raise InvalidSignature(self._name) from None


def _slh_dsa(name: str) -> Scheme:
    library = importlib.import_module("pqcrypto.sign").__dict__[name.lower().replace("-", "_")]

    def generate() -> tuple[bytes, Signer]:
        raw = bytes(library.keygen()[1])
        return raw, _SlhDsaKey(name, library, raw)

    return Scheme(
        generate=generate,
        signer=lambda raw: _SlhDsaKey(name, library, raw),
        verifier=lambda raw: _SlhDsaKey(name, library, raw),
    )


class _FnDsaSigner:
    """The library signs with a private key of its own form, behind which we keep the public key."""

    __slots__ = ("_key", "_library", "_logn", "_name", "public")

    def __init__(self, name: str, library: Any, logn: int, raw: bytes) -> None:
        public_bytes = algorithm(name).public_bytes
        self._name = name
        self._library = library
        self._logn = logn
        self._key = library.SigningKey(logn, raw[:-public_bytes])
        self.public = raw[-public_bytes:]

    def verifier(self) -> Verifier:
        return _FnDsaVerifier(self._name, self._library, self._logn, self.public)

    def sign(self, message: bytes, context: bytes) -> bytes:
        return bytes(self._library.sign(self._key, message, context))


class _FnDsaVerifier:
    __slots__ = ("_key", "_library", "_name")

    def __init__(self, name: str, library: Any, logn: int, raw: bytes) -> None:
        self._name = name
        self._library = library
        self._key = library.VerifyKey(logn, raw)

    def verify(self, message: bytes, signature: bytes, context: bytes) -> None:
        if not self._library.verify(self._key, signature, message, context):
            raise InvalidSignature(self._name)


def _fn_dsa(name: str) -> Scheme:
    try:
        library = importlib.import_module("py_fn_dsa")
    except ImportError as error:
        raise Unavailable(name, "py-fn-dsa is not installed", hint="pip install 'phalanx[fndsa]'") from error
    logn = library.LOGN_512 if name == FN_DSA_512 else library.LOGN_1024

    def generate() -> tuple[bytes, Signer]:
        public, private = library.keygen(logn)
        raw = bytes(private.key_data + public.key_data)
        return raw, _FnDsaSigner(name, library, logn, raw)

    return Scheme(
        generate=generate,
        signer=lambda raw: _FnDsaSigner(name, library, logn, raw),
        verifier=lambda raw: _FnDsaVerifier(name, library, logn, raw),
    )


class _HybridSigner:
    __slots__ = ("_domain", "_first", "_first_bytes", "_second")

    def __init__(self, domain: bytes, first: Signer, second: Signer, first_bytes: int) -> None:
        self._domain = domain
        self._first = first
        self._second = second
        self._first_bytes = first_bytes

    @property
    def public(self) -> bytes:
        return self._first.public + self._second.public

    def verifier(self) -> Verifier:
        return _HybridVerifier(self._domain, self._first.verifier(), self._second.verifier(), self._first_bytes)

    def sign(self, message: bytes, context: bytes) -> bytes:
        bound = _bound(self._domain, message, context)
        return self._first.sign(bound, b"") + self._second.sign(bound, b"")


class _HybridVerifier:
    __slots__ = ("_domain", "_first", "_first_bytes", "_second")

    def __init__(self, domain: bytes, first: Verifier, second: Verifier, first_bytes: int) -> None:
        self._domain = domain
        self._first = first
        self._second = second
        self._first_bytes = first_bytes

    def verify(self, message: bytes, signature: bytes, context: bytes) -> None:
        bound = _bound(self._domain, message, context)
        self._first.verify(bound, signature[: self._first_bytes], b"")
        self._second.verify(bound, signature[self._first_bytes :], b"")


def _hybrid(first: str, second: str) -> Scheme:
    a, b = scheme(first), scheme(second)
    known = algorithm(first)
    domain = _HYBRID_DOMAIN.format(first, second).encode()
    private, public, signature = known.private_bytes, known.public_bytes, known.output_bytes

    def generate() -> tuple[bytes, Signer]:
        (raw_a, key_a), (raw_b, key_b) = a.generate(), b.generate()
        return raw_a + raw_b, _HybridSigner(domain, key_a, key_b, signature)

    return Scheme(
        generate=generate,
        signer=lambda raw: _HybridSigner(domain, a.signer(raw[:private]), b.signer(raw[private:]), signature),
        verifier=lambda raw: _HybridVerifier(domain, a.verifier(raw[:public]), b.verifier(raw[public:]), signature),
    )


def _bound(domain: bytes, message: bytes, context: bytes) -> bytes:
    return b"".join((domain, bytes([len(context)]), context, message))


def _require_no_context(context: bytes) -> None:
    if context:
        raise InvalidInput("context", f"{ED25519} has no place for one", hint="use a hybrid, or put it in the message")


def _generate_ed25519() -> tuple[bytes, Signer]:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes_raw(), _Ed25519Signer(key)


_OPENSSL = {
    ED25519: Scheme(
        generate=_generate_ed25519,
        signer=lambda raw: _Ed25519Signer(Ed25519PrivateKey.from_private_bytes(raw)),
        verifier=lambda raw: _Ed25519Verifier(Ed25519PublicKey.from_public_bytes(raw)),
    ),
    ML_DSA_44: _ml_dsa(ML_DSA_44, MLDSA44PrivateKey, MLDSA44PublicKey),
    ML_DSA_65: _ml_dsa(ML_DSA_65, MLDSA65PrivateKey, MLDSA65PublicKey),
    ML_DSA_87: _ml_dsa(ML_DSA_87, MLDSA87PrivateKey, MLDSA87PublicKey),
}
