"""What one node gives another so that it may join: a text, and the proof made from it.

The token holds a key for the server and the inviting organisation's root, so whoever receives it knows whom it
talks to. Its secret never travels: the joining node proves that it has the secret with a MAC over its own root, and
thereby says which organisation the operator who carried the token meant. Anyone who obtains a token before it was
used can join instead: it is a secret.
"""

import hmac
from hashlib import sha256
from typing import ClassVar

import msgspec

from phalanx.node._token_text import CarriedToken

_DOMAIN = b"phalanx cluster enrolment 1"
SECRET_BYTES = 32


class JoinToken(CarriedToken, frozen=True, kw_only=True):
    """``name`` is what the invitation is called, ``host`` the inviting process, ``root`` its organisation's chain."""

    PREFIX: ClassVar[str] = "phalanx-join-1."
    FIELD: ClassVar[str] = "cluster.token"
    name: str
    host: str
    urls: tuple[str, ...]
    ca: str
    seed: str
    root: str
    secret: bytes
    expires_ns: int

    def __repr__(self) -> str:
        return f"JoinToken({self.name} to {self.host})"

    def enrolment(self, process: str, root: bytes) -> "Enrolment":
        """What ``process`` shows to be believed that ``root`` is its organisation's."""
        return Enrolment(self.name, root, _mac(self.secret, self.name, process, root))


class Enrolment(msgspec.Struct, frozen=True, array_like=True):
    """A claim, made with a token: the process that shows it is of the organisation with that root."""

    name: str
    root: bytes
    mac: bytes

    def holds(self, secret: bytes, process: str) -> bool:
        return hmac.compare_digest(self.mac, _mac(secret, self.name, process, self.root))


def _mac(secret: bytes, name: str, process: str, root: bytes) -> bytes:
    parts = (_DOMAIN, name.encode(), process.encode(), root)
    return hmac.digest(secret, b"".join(len(part).to_bytes(4) + part for part in parts), sha256)
