"""Tokens as text that people carry: a prefix that says what it is for, and the rest in URL-safe letters."""

import base64
import binascii
from typing import ClassVar, Self

import msgspec

from phalanx.core import InvalidInput

_MAX_CHARS = 64 * 1024


class CarriedToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``PREFIX`` begins its text; ``FIELD`` is what errors call the place where the text was given."""

    PREFIX: ClassVar[str]
    FIELD: ClassVar[str]

    def to_text(self) -> str:
        return self.PREFIX + base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Raises ``InvalidInput`` without repeating the text, which may be a secret that was mistyped."""
        text = text.strip()
        if not text.startswith(cls.PREFIX) or len(text) > _MAX_CHARS:
            raise InvalidInput(cls.FIELD, f"it does not begin with {cls.PREFIX}")
        body = text.removeprefix(cls.PREFIX)
        try:
            return msgspec.msgpack.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=cls)
        except (binascii.Error, ValueError, msgspec.DecodeError) as error:
            raise InvalidInput(cls.FIELD, "it is cut off or damaged") from error
