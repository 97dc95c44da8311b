"""Bytes for one recipient's eyes: a fresh KEM key seals each message once.

``context`` says what the bytes are for and is authenticated; it goes into the key as well, so
that a sealed message opened for another purpose fails even before the cipher looks at it. The
nonce is constant because no key is used twice. Who sealed it is not shown: what carries sealed
bytes is signed.
"""

import msgspec

from phalanx.crypto import AES_256_GCM, Aead, DecapsulationKey, EncapsulationKey, InvalidKey, NotAuthentic, hkdf

_NONCE = bytes(12)
_LABEL = b"phalanx sealed for one v1\x00"


class _Sealed(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    kem: str
    aead: str
    ciphertext: bytes
    body: bytes


def seal_for(recipient: EncapsulationKey, plaintext: bytes, context: bytes) -> bytes:
    """``plaintext`` so that only ``recipient`` reads it, and only as ``context``."""
    shared, ciphertext = recipient.encapsulate()
    aead = Aead(AES_256_GCM, _key(shared, recipient.algorithm, context))
    body = aead.seal(_NONCE, plaintext, context)
    return msgspec.msgpack.encode(_Sealed(recipient.algorithm, AES_256_GCM, ciphertext, body))


def open_sealed(recipient: DecapsulationKey, sealed: bytes, context: bytes) -> bytes:
    """The plaintext; raises ``NotAuthentic`` for anything not sealed for this key and context."""
    try:
        wire = msgspec.msgpack.decode(sealed, type=_Sealed)
        if (wire.kem, wire.aead) != (recipient.algorithm, AES_256_GCM):
            raise NotAuthentic("what was sealed")
        shared = recipient.decapsulate(wire.ciphertext)
    except (msgspec.DecodeError, UnicodeDecodeError, InvalidKey) as error:
        raise NotAuthentic("what was sealed") from error
    return Aead(AES_256_GCM, _key(shared, wire.kem, context)).open(_NONCE, wire.body, context)


def _key(shared: bytes, kem: str, context: bytes) -> bytes:
    return hkdf(shared, salt=b"", info=_LABEL + kem.encode() + b"\x00" + context, length=32)
