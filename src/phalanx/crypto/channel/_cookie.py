"""Cookies: proof that an initiator receives what is sent to its address, without state for it (RFC 9000 section 8.1).

A cookie is a MAC over the address, the offer and the time slot, under a secret of this process.
It is not a secret, opens nothing, and is no part of what the handshake signs.
"""

import hashlib
import hmac

from phalanx.core import EntropySource
from phalanx.crypto.channel._limits import COOKIE_SLOT_NS

_SECRET_BYTES = 32


class CookieJar:
    """Makes and checks cookies; one that was made holds for this slot of time and the next."""

    __slots__ = ("_secret",)

    def __init__(self, entropy: EntropySource) -> None:
        self._secret = entropy.token(_SECRET_BYTES)

    def make(self, address: str, offer: bytes, now_ns: int) -> bytes:
        return self._mac(address, offer, now_ns // COOKIE_SLOT_NS)

    def holds(self, cookie: bytes, address: str, offer: bytes, now_ns: int) -> bool:
        slot = now_ns // COOKIE_SLOT_NS
        return any(hmac.compare_digest(cookie, self._mac(address, offer, one)) for one in (slot, slot - 1))

    def _mac(self, address: str, offer: bytes, slot: int) -> bytes:
        name = address.encode()
        text = b"".join((slot.to_bytes(8, signed=True), len(name).to_bytes(4), name, hashlib.sha256(offer).digest()))
        return hmac.digest(self._secret, text, "sha256")
