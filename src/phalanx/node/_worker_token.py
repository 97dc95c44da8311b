"""What a node gives a worker so that it may work for it: a text that is a secret.

It holds a key for the server, with which a worker can take tickets and answer and nothing else, and the secret under
which node and worker seal what they say. It stays good until the worker is removed.
"""

import base64
import binascii

import msgspec

from phalanx.core import InvalidInput

_PREFIX = "phalanx-worker-1."
_MAX_CHARS = 64 * 1024


class WorkerToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``name`` is what the worker is called, ``host`` the node that it works for."""

    name: str
    host: str
    urls: tuple[str, ...]
    ca: str
    seed: str
    secret: bytes

    def __repr__(self) -> str:
        return f"WorkerToken({self.name} for {self.host})"

    def to_text(self) -> str:
        return _PREFIX + base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")

    @classmethod
    def from_text(cls, text: str) -> "WorkerToken":
        """Raises ``InvalidInput`` without repeating the text."""
        text = text.strip()
        if not text.startswith(_PREFIX) or len(text) > _MAX_CHARS:
            raise InvalidInput("token", f"it does not begin with {_PREFIX}")
        body = text.removeprefix(_PREFIX)
        try:
            return msgspec.msgpack.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=cls)
        except (binascii.Error, ValueError, msgspec.DecodeError) as error:
            raise InvalidInput("token", "it is cut off or damaged") from error
