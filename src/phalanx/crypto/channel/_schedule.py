"""Transcript and key schedule: which key comes from which secrets, and what binds it to the handshake.

    psk key        = HKDF(psk; "psk" ‖ id), or 32 zero bytes without a pre-shared key
    handshake      = HKDF(kem secret; salt = psk key; "handshake" ‖ H1)
    traffic i>r, r>i = HKDF(handshake; "traffic …" ‖ H3)
    traffic n+1    = HKDF(traffic n; "ratchet")          one way: nothing leads back
    frame key ‖ iv = HKDF(traffic n; "frame")

H1 covers the offer with its binders and the choice, H3 also both proofs. The cookie is no part
of it: it says where an address leads, and a responder that restarts asks for another one.

HKDF with the psk key as salt is HMAC keyed by one secret over the other: the result is secret
while either of them is (the same step as in RFC 8446 section 7.1, under the same assumption
that HMAC is a dual PRF).
"""

import hashlib
import hmac

from phalanx.crypto import KEY_BYTES, NONCE_BYTES, Aead, hkdf

_LABEL = b"phalanx channel v1: "
_NO_PSK = bytes(32)
CONFIRMATION_BYTES = 32

INITIATOR, RESPONDER = b"initiator", b"responder"


class Transcript:
    """A running hash over what both sides have said, each part with its length."""

    __slots__ = ("_hash",)

    def __init__(self, *parts: bytes) -> None:
        self._hash = hashlib.sha256(_LABEL + b"transcript")
        for part in parts:
            self.add(part)

    def add(self, part: bytes) -> None:
        self._hash.update(len(part).to_bytes(8))
        self._hash.update(part)

    def digest(self) -> bytes:
        return self._hash.digest()

    def copy(self) -> "Transcript":
        other = Transcript()
        other._hash = self._hash.copy()
        return other


class HandshakeKeys:
    """The keys that hide and confirm the two proofs. Each seals one message."""

    __slots__ = ("_aeads", "_confirm", "_ivs", "_secret")

    def __init__(self, aead: str, kem_secret: bytes, psk: tuple[bytes, bytes] | None, transcript: Transcript) -> None:
        salt = derive(psk[1], b"psk", psk[0]) if psk else _NO_PSK
        context = transcript.digest()
        self._secret = hkdf(kem_secret, salt=salt, info=_LABEL + b"handshake" + context)
        self._aeads: dict[bytes, Aead] = {}
        self._ivs: dict[bytes, bytes] = {}
        self._confirm: dict[bytes, bytes] = {}
        for role in (INITIATOR, RESPONDER):
            material = derive(self._secret, b"proof " + role, context, KEY_BYTES + NONCE_BYTES + CONFIRMATION_BYTES)
            self._aeads[role] = Aead(aead, material[:KEY_BYTES])
            self._ivs[role] = material[KEY_BYTES : KEY_BYTES + NONCE_BYTES]
            self._confirm[role] = material[KEY_BYTES + NONCE_BYTES :]

    def seal(self, role: bytes, proof: bytes, aad: bytes) -> bytes:
        return self._aeads[role].seal(self._ivs[role], proof, aad)

    def open(self, role: bytes, sealed: bytes, aad: bytes) -> bytes:
        return self._aeads[role].open(self._ivs[role], sealed, aad)

    def confirmation(self, role: bytes, transcript: Transcript) -> bytes:
        """Shows that ``role`` holds the handshake secret and saw this transcript."""
        return hmac.digest(self._confirm[role], transcript.digest(), "sha256")

    def traffic(self, role: bytes, transcript: Transcript) -> bytes:
        """The secret under which ``role`` sends its first frames."""
        return derive(self._secret, b"traffic " + role, transcript.digest())


def derive(secret: bytes, label: bytes, context: bytes = b"", length: int = KEY_BYTES) -> bytes:
    return hkdf(secret, salt=b"", info=_LABEL + label + b"\x00" + context, length=length)


def frame_key(aead: str, traffic: bytes) -> tuple[Aead, int]:
    """Cipher and nonce base of one epoch of one direction."""
    material = derive(traffic, b"frame", length=KEY_BYTES + NONCE_BYTES)
    return Aead(aead, material[:KEY_BYTES]), int.from_bytes(material[KEY_BYTES:])


def ratchet(traffic: bytes) -> bytes:
    """The next epoch's secret; the one before does not follow from it."""
    return derive(traffic, b"ratchet")


def binder(secret: bytes, psk_id: bytes, offer: bytes) -> bytes:
    """Shows that the initiator holds a pre-shared key, before the responder does any work for it."""
    return hmac.digest(derive(secret, b"binder", psk_id), offer, "sha256")


def signed_text(role: bytes, transcript: Transcript) -> bytes:
    """What ``role`` signs. The role keeps one side's signature from passing for the other's."""
    return _LABEL + b"signature of the " + role + b"\x00" + transcript.digest()
