"""What somebody who keeps a private key sends to have its public part certified.

The key signs for whom it asks. So nobody gets a certificate for a key that is somebody else's,
and nobody's request serves for another subject. When it was made is not in it: who issues
decides whether to, each time.
"""

from dataclasses import dataclass

import msgspec

from phalanx.core import InvalidInput
from phalanx.crypto import InvalidSignature, SigningKey, VerifyingKey
from phalanx.crypto.identity._errors import InvalidCertificate
from phalanx.crypto.identity._limits import MAX_REQUEST_BYTES
from phalanx.crypto.identity._model import Subject

_DOMAIN = b"phalanx key request v1\x00"


class _Wire(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="form", tag="key-request"):
    subject: str
    key: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A public key with the proof that whoever asks has its private part."""

    subject: Subject
    key: VerifyingKey
    signature: bytes

    @classmethod
    def make(cls, subject: Subject, key: SigningKey) -> "KeyRequest":
        return cls(subject, key.public, key.sign(_statement(subject, key.public)))

    def require_proof(self, subject: Subject) -> None:
        """Raises ``InvalidInput`` unless the key's owner asks to be certified as ``subject``."""
        if self.subject != subject:
            raise InvalidInput("request", f"it is for {self.subject}, not for {subject}")
        try:
            self.key.verify(_statement(self.subject, self.key), self.signature)
        except InvalidSignature as error:
            raise InvalidInput(
                "request",
                "it does not prove that who made it has the private key",
                hint="make it where the private key is: `phalanx keys identity request`",
            ) from error

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode(
            _Wire(subject=str(self.subject), key=self.key.to_bytes(), signature=self.signature)
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "KeyRequest":
        """Raises ``InvalidCertificate``, ``InvalidInput`` and ``InvalidKey``. The proof is not looked at."""
        if len(data) > MAX_REQUEST_BYTES:
            raise InvalidCertificate("key request", f"it has {len(data)} bytes, more than {MAX_REQUEST_BYTES}")
        try:
            wire = msgspec.msgpack.decode(data, type=_Wire)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidCertificate("key request", str(error)) from error
        return cls(Subject.parse(wire.subject), VerifyingKey.from_bytes(wire.key), wire.signature)


def _statement(subject: Subject, key: VerifyingKey) -> bytes:
    # A subject's name has no zero byte, so no two pairs frame alike.
    return b"".join((_DOMAIN, str(subject).encode(), b"\x00", key.to_bytes()))
