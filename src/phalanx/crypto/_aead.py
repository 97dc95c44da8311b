"""Authenticated encryption under a key and a nonce of the caller's.

A nonce is used once under one key: twice, and both messages and the key's authenticity are
lost. Whoever calls this must say how it keeps to that; channels count, the vault draws at
random within a bound.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from phalanx.crypto._catalogue import AES_256_GCM, CHACHA20_POLY1305, Kind, algorithm, sized
from phalanx.crypto._errors import NotAuthentic

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16

_CIPHERS: dict[str, type[AESGCM | ChaCha20Poly1305]] = {AES_256_GCM: AESGCM, CHACHA20_POLY1305: ChaCha20Poly1305}


class Aead:
    """A cipher with its key in place. ``seal(nonce, plaintext, aad)`` is the library's own call: no cost on top."""

    __slots__ = ("_open", "algorithm", "seal")

    def __init__(self, name: str, key: bytes) -> None:
        algorithm(name, Kind.AEAD)
        cipher = _CIPHERS[name](sized(f"{name} key", key, KEY_BYTES))
        self.algorithm = name
        self.seal = cipher.encrypt
        self._open = cipher.decrypt

    def open(self, nonce: bytes, sealed: bytes, aad: bytes | None) -> bytes:
        """The plaintext; raises ``NotAuthentic`` for anything that this key, nonce and aad did not seal."""
        try:
            return self._open(nonce, sealed, aad)
        except (InvalidTag, ValueError):
            raise NotAuthentic("what was sealed") from None
