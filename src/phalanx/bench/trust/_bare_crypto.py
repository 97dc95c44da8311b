"""The libraries behind the catalogue, called directly: what an algorithm costs with nothing of ours around it."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import mldsa, mlkem
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from phalanx.crypto import (
    AES_256_GCM,
    CHACHA20_POLY1305,
    ED25519,
    FN_DSA_512,
    ML_DSA_44,
    ML_DSA_65,
    ML_DSA_87,
    ML_KEM_768,
    ML_KEM_1024,
    X25519,
)


@dataclass(frozen=True, slots=True)
class SignatureCalls:
    """``generate() → key``, ``sign(key, message) → signature``, ``verify(key, message, signature)``."""

    generate: Callable[[], Any]
    sign: Callable[[Any, bytes], Any]
    verify: Callable[[Any, bytes, Any], Any]


@dataclass(frozen=True, slots=True)
class KemCalls:
    """``generate() → key``, ``encaps(key) → (shared, ciphertext)``, ``decaps(key, ciphertext)``."""

    generate: Callable[[], Any]
    encaps: Callable[[Any], Any]
    decaps: Callable[[Any, Any], Any]


def bare_signature(name: str) -> SignatureCalls:
    """The library's calls; a hybrid's are those of both halves, one after the other."""
    if "+" in name:
        first, second = map(bare_signature, name.split("+"))
        return SignatureCalls(
            generate=lambda: (first.generate(), second.generate()),
            sign=lambda keys, message: (first.sign(keys[0], message), second.sign(keys[1], message)),
            verify=lambda keys, message, signatures: (
                first.verify(keys[0], message, signatures[0]),
                second.verify(keys[1], message, signatures[1]),
            ),
        )
    if name.startswith("SLH-DSA"):
        slh = importlib.import_module("pqcrypto.sign").__dict__[name.lower().replace("-", "_")]
        return SignatureCalls(
            slh.keygen,
            lambda pair, message: slh.sign(pair[1], message),
            lambda pair, message, s: slh.verify(pair[0], message, s),
        )
    if name.startswith("FN-DSA"):
        fn = importlib.import_module("py_fn_dsa")
        logn = fn.LOGN_512 if name == FN_DSA_512 else fn.LOGN_1024
        return SignatureCalls(
            generate=lambda: fn.keygen(logn),
            sign=lambda pair, message: fn.sign(pair[1], message),
            verify=lambda pair, message, s: fn.verify(pair[0], s, message),
        )
    return _openssl_signature(_SIGNERS[name])


def bare_kem(name: str) -> KemCalls:
    """The library's calls. Bare X25519 is two exchanges, with no key derived from them."""
    if "+" in name:
        first, second = map(bare_kem, name.split("+"))
        return KemCalls(
            generate=lambda: (first.generate(), second.generate()),
            encaps=lambda keys: (None, (first.encaps(keys[0])[1], second.encaps(keys[1])[1])),
            decaps=lambda keys, texts: (first.decaps(keys[0], texts[0]), second.decaps(keys[1], texts[1])),
        )
    if name == X25519:
        return KemCalls(generate=_x25519_pair, encaps=_x25519_encaps, decaps=lambda pair, text: pair[0].exchange(text))
    private = _KEMS[name]
    return KemCalls(
        generate=lambda: _pair(private.generate()),
        encaps=lambda pair: pair[1].encapsulate(),
        decaps=lambda pair, text: pair[0].decapsulate(text),
    )


def bare_aead(name: str, key: bytes) -> Any:
    """The library's own object, with ``encrypt`` and ``decrypt``."""
    return {AES_256_GCM: AESGCM, CHACHA20_POLY1305: ChaCha20Poly1305}[name](key)


def _openssl_signature(private: Any) -> SignatureCalls:
    return SignatureCalls(
        generate=lambda: _pair(private.generate()),
        sign=lambda pair, message: pair[0].sign(message),
        verify=lambda pair, message, signature: pair[1].verify(signature, message),
    )


def _pair(private: Any) -> tuple[Any, Any]:
    return private, private.public_key()


def _x25519_pair() -> tuple[Any, Any]:
    return _pair(X25519PrivateKey.generate())


def _x25519_encaps(pair: tuple[Any, Any]) -> tuple[bytes, Any]:
    private, public = _x25519_pair()
    return private.exchange(pair[1]), public


_SIGNERS: dict[str, Any] = {
    ED25519: Ed25519PrivateKey,
    ML_DSA_44: mldsa.MLDSA44PrivateKey,
    ML_DSA_65: mldsa.MLDSA65PrivateKey,
    ML_DSA_87: mldsa.MLDSA87PrivateKey,
}
_KEMS: dict[str, Any] = {ML_KEM_768: mlkem.MLKEM768PrivateKey, ML_KEM_1024: mlkem.MLKEM1024PrivateKey}
