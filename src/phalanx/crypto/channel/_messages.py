"""The messages of a handshake as bytes, and the first bytes of everything on the wire.

Everything begins with ``kind (1) ‖ id (8)``. The id is the receiver's for this channel, so that
one endpoint can tell its channels apart; a Hello, which has no receiver yet, carries the
initiator's. The rest of a handshake message is a MessagePack array, decoded strictly and
bounded before it is looked at; a message that we would have written otherwise is refused, so
that there is one encoding of each. What is hashed and signed are the bytes as they were sent.
"""

from typing import Any, TypeVar

import msgspec

from phalanx.crypto.channel._errors import HandshakeTampered
from phalanx.crypto.channel._limits import (
    MAX_CREDENTIAL_BYTES,
    MAX_HANDSHAKE_BYTES,
    MAX_NAME_BYTES,
    MAX_OFFERED,
    MAX_PSK_ID_BYTES,
    MAX_PSKS,
    MAX_REASON_BYTES,
)

HELLO, RETRY, REPLY, FINISH, REFUSE = 1, 2, 3, 4, 5
DATA, BATCH, CONTROL = 16, 17, 18

ID_BYTES = 8
PREFIX_BYTES = 1 + ID_BYTES
RANDOM_BYTES = 32

M = TypeVar("M", bound="_Message")


class _Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    def check(self) -> bool:
        """Whether every part is within its bounds."""
        return True


class Offer(_Message, frozen=True):
    """What the initiator can do, and its share of every key exchange it offers."""

    versions: tuple[int, ...]
    session: bytes
    random: bytes
    ordering: str
    suites: tuple[tuple[str, str], ...]
    signatures: tuple[str, ...]
    shares: tuple[tuple[str, bytes], ...]
    psk_mode: str
    psk_ids: tuple[bytes, ...]

    def check(self) -> bool:
        names = [*self.signatures, *(name for pair in self.suites for name in pair), *(kem for kem, _ in self.shares)]
        lists = (self.versions, self.suites, self.signatures, self.shares)
        return (
            len(self.session) == ID_BYTES
            and len(self.random) == RANDOM_BYTES
            and all(1 <= len(one) <= MAX_OFFERED for one in lists)
            and all(len(name) <= MAX_NAME_BYTES for name in names)
            and len(self.psk_ids) <= MAX_PSKS
            and all(len(psk_id) <= MAX_PSK_ID_BYTES for psk_id in self.psk_ids)
        )


class Hello(_Message, frozen=True):
    """An encoded ``Offer``, a binder for every pre-shared key in it, and the responder's cookie."""

    cookie: bytes
    offer: bytes
    binders: tuple[bytes, ...]

    def check(self) -> bool:
        return len(self.cookie) <= MAX_NAME_BYTES and len(self.binders) <= MAX_PSKS


class Retry(_Message, frozen=True):
    """The responder asks to see that the initiator gets what is sent to its address."""

    cookie: bytes

    def check(self) -> bool:
        return 1 <= len(self.cookie) <= MAX_NAME_BYTES


class Choice(_Message, frozen=True):
    """What the responder chose of the offer, and its share."""

    version: int
    session: bytes
    random: bytes
    suite: tuple[str, str]
    ciphertext: bytes
    psk_id: bytes | None

    def check(self) -> bool:
        return len(self.session) == ID_BYTES and len(self.random) == RANDOM_BYTES


class Reply(_Message, frozen=True):
    """An encoded ``Choice`` in the clear, and the responder's ``Proof`` under the handshake key."""

    choice: bytes
    sealed: bytes


class Finish(_Message, frozen=True):
    """The initiator's ``Proof`` under the handshake key."""

    sealed: bytes


class Proof(_Message, frozen=True):
    """Who speaks, that they hold their signing key, and that they hold the handshake secret."""

    credential: bytes
    signature: bytes
    confirmation: bytes

    def check(self) -> bool:
        return len(self.credential) <= MAX_CREDENTIAL_BYTES


class Refusal(_Message, frozen=True):
    """Why there will be no channel. Not authenticated: a hint for people, never a reason to weaken anything."""

    reason: str

    def check(self) -> bool:
        return len(self.reason) <= MAX_REASON_BYTES and self.reason.isprintable()


_encoder = msgspec.msgpack.Encoder()
_decoders: dict[type[_Message], Any] = {
    kind: msgspec.msgpack.Decoder(kind) for kind in (Offer, Hello, Retry, Choice, Reply, Finish, Proof, Refusal)
}


def prefix(kind: int, session: bytes) -> bytes:
    return bytes((kind,)) + session


def pack(message: _Message) -> bytes:
    return _encoder.encode(message)


def unpack(data: bytes, kind: type[M]) -> M:
    """The message in ``data``; raises ``HandshakeTampered`` for anything else."""
    if len(data) > MAX_HANDSHAKE_BYTES:
        raise HandshakeTampered(f"a message of {len(data)} bytes is too long")
    try:
        found: M = _decoders[kind].decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise HandshakeTampered(f"what should be a {kind.__name__} is malformed") from None
    if not found.check() or pack(found) != data:
        raise HandshakeTampered(f"a {kind.__name__} exceeds its bounds, or is not in our form")
    return found


def wire(kind: int, session: bytes, message: _Message) -> bytes:
    """A whole handshake message."""
    return prefix(kind, session) + pack(message)


def read(data: bytes, kind: int, form: type[M], session: bytes) -> M:
    """The message behind the prefix, which must be of this kind and for this id."""
    if data[:PREFIX_BYTES] != prefix(kind, session):
        raise HandshakeTampered(f"a {form.__name__} for this handshake was expected")
    return unpack(data[PREFIX_BYTES:], form)
