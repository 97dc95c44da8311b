"""A chain of certificates as it is carried: from an identity up to its organisation's root.

``succession`` are earlier certificates of the organisation, the newest first, so that whoever
trusted an earlier root can follow it to the one that this chain ends at. As text a chain is
base64 between two marks, for mail and files.
"""

import base64
import binascii
import hashlib
import textwrap
from dataclasses import dataclass
from functools import cached_property

import msgspec

from phalanx.crypto.identity._certificate import Certificate
from phalanx.crypto.identity._errors import InvalidCertificate
from phalanx.crypto.identity._limits import MAX_CHAIN, MAX_CHAIN_BYTES, MAX_SUCCESSION

_BEGIN = "-----BEGIN PHALANX IDENTITY-----"
_END = "-----END PHALANX IDENTITY-----"
_COLUMNS = 76


class _Carried(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="form", tag="chain"):
    certificates: tuple[bytes, ...]
    succession: tuple[bytes, ...] = ()


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(_Carried)


@dataclass(frozen=True)
class Chain:
    """Certificates from the identity itself (``leaf``) to its root, in order. Nothing is verified yet."""

    certificates: tuple[Certificate, ...]
    succession: tuple[Certificate, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= len(self.certificates) <= MAX_CHAIN:
            raise InvalidCertificate("chain", f"it has {len(self.certificates)} links, not 1 to {MAX_CHAIN}")
        if len(self.succession) > MAX_SUCCESSION:
            raise InvalidCertificate("chain", f"more than {MAX_SUCCESSION} earlier roots")

    @property
    def leaf(self) -> Certificate:
        return self.certificates[0]

    @property
    def root(self) -> Certificate:
        return self.certificates[-1]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the whole chain, in hex."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def below(self, leaf: Certificate) -> "Chain":
        """The chain of a certificate that this chain's leaf issued."""
        return Chain((leaf, *self.certificates), self.succession)

    def to_bytes(self) -> bytes:
        return _encoder.encode(
            _Carried(
                certificates=tuple(one.to_bytes() for one in self.certificates),
                succession=tuple(one.to_bytes() for one in self.succession),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Chain":
        """Raises ``InvalidCertificate``."""
        if len(data) > MAX_CHAIN_BYTES:
            raise InvalidCertificate("chain", f"it has {len(data)} bytes, more than {MAX_CHAIN_BYTES}")
        try:
            carried = _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidCertificate("chain", str(error)) from error
        if len(carried.certificates) > MAX_CHAIN or len(carried.succession) > MAX_SUCCESSION:
            raise InvalidCertificate("chain", "it has too many links")
        return cls(
            tuple(Certificate.from_bytes(one) for one in carried.certificates),
            tuple(Certificate.from_bytes(one) for one in carried.succession),
        )

    def to_text(self) -> str:
        body = textwrap.wrap(base64.b64encode(self.to_bytes()).decode(), _COLUMNS)
        return "\n".join((_BEGIN, *body, _END, ""))

    @classmethod
    def from_text(cls, text: str) -> "Chain":
        """Raises ``InvalidCertificate``. What stands before and after the marks is left alone."""
        _, begin, rest = text[: 2 * MAX_CHAIN_BYTES].partition(_BEGIN)
        body, end, _ = rest.partition(_END)
        if not begin or not end:
            raise InvalidCertificate("chain", f"there is no text from {_BEGIN!r} to {_END!r}")
        try:
            data = base64.b64decode("".join(body.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidCertificate("chain", f"its text is not base64: {error}") from error
        return cls.from_bytes(data)
