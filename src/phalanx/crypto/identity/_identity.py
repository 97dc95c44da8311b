"""An identity with its private key, and where private keys are kept."""

from typing import Protocol

import msgspec

from phalanx.crypto import InvalidKey, SigningKey
from phalanx.crypto.identity._chain import Chain
from phalanx.crypto.identity._errors import InvalidCertificate
from phalanx.crypto.identity._limits import MAX_CHAIN_BYTES
from phalanx.crypto.identity._model import Subject
from phalanx.crypto.identity._path import Verified

_DOMAIN = b"phalanx identity v1\x00"


class KeyCabinet(Protocol):
    """Keeps private keys under names of its callers' making. Nothing is overwritten: a name is used once."""

    async def load(self, name: str) -> bytes | None: ...

    async def save(self, name: str, secret: bytes) -> None:
        """Durable when it returns."""
        ...

    async def erase(self, name: str) -> None:
        """Erasing what is not there is not an error."""
        ...


class Identity:
    """A subject's private key and the chain that says whose it is. Its representation shows nothing secret."""

    __slots__ = ("chain", "key")

    def __init__(self, key: SigningKey, chain: Chain) -> None:
        if chain.leaf.key != key.public:
            raise InvalidCertificate("identity", f"the key is not the one of {chain.leaf.subject}")
        self.key = key
        self.chain = chain

    def __repr__(self) -> str:
        return f"Identity({self.subject}, epoch {self.chain.leaf.epoch}, {self.fingerprint[:16]}…)"

    @property
    def subject(self) -> Subject:
        return self.chain.leaf.subject

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key, in hex: what people compare."""
        return self.chain.leaf.key_fingerprint

    def sign(self, message: bytes, *, purpose: str) -> bytes:
        """A signature as this subject. ``purpose`` keeps what is signed for one end from serving another."""
        return self.key.sign(_framed(message, purpose))

    def to_bytes(self) -> bytes:
        """The secret itself, with its chain. Keep it where only its owner can read it."""
        return msgspec.msgpack.encode(_File(key=self.key.to_bytes(), chain=self.chain.to_bytes()))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Identity":
        """Raises ``InvalidCertificate``."""
        if len(data) > 2 * MAX_CHAIN_BYTES:
            raise InvalidCertificate("identity", f"it has {len(data)} bytes")
        try:
            found = msgspec.msgpack.decode(data, type=_File)
            return cls(SigningKey.from_bytes(found.key), Chain.from_bytes(found.chain))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidCertificate("identity", str(error)) from error
        except InvalidKey as error:
            raise InvalidCertificate("identity", error.message) from error


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="form", tag="identity"):
    key: bytes
    chain: bytes


def require_signature(verified: Verified, message: bytes, signature: bytes, *, purpose: str) -> None:
    """Raises ``InvalidSignature`` unless ``verified`` signed ``message`` for ``purpose``."""
    verified.key.verify(_framed(message, purpose), signature)


def _framed(message: bytes, purpose: str) -> bytes:
    # The purpose is text without a zero, so no two pairs of purpose and message frame alike.
    assert purpose.isprintable(), purpose
    return b"".join((_DOMAIN, purpose.encode(), b"\x00", message))
