"""What an entry says beyond its metadata, and the salted commitment by which its leaf binds it.

The commitment is SHA-256 over a domain, 32 bytes of salt and the payload, which is the body as
canonical JSON. The salt keeps anybody from guessing a payload from its commitment; who is shown
payload and salt can check them against the leaf, and nobody can find others that fit.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from phalanx.core import EntropySource, InvalidInput, LimitExceeded, WireError, encode_json
from phalanx.ledger._errors import InvalidProof
from phalanx.ledger._limits import MAX_PAYLOAD_BYTES, SALTS_AT_ONCE

SALT_BYTES = 32
_DOMAIN = b"phalanx/ledger/payload/v1\x00"
_decode = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What has to be shown of an entry so that somebody else can check its body."""

    salt: bytes
    payload: bytes

    def check(self, commitment: str) -> None:
        """That this is what the leaf commits to; raises ``InvalidProof``."""
        if len(self.salt) != SALT_BYTES or commit(self.salt, self.payload).hex() != commitment:
            raise InvalidProof("payload and salt are not the ones its leaf commits to")


class Salts:
    """Draws salts, many from the operating system at once."""

    def __init__(self, entropy: EntropySource) -> None:
        self._entropy = entropy
        self._drawn = b""

    def draw(self) -> bytes:
        if not self._drawn:
            self._drawn = self._entropy.token(SALTS_AT_ONCE * SALT_BYTES)
        salt, self._drawn = self._drawn[:SALT_BYTES], self._drawn[SALT_BYTES:]
        return salt


def encode_payload(body: Mapping[str, Any]) -> bytes:
    """Raises ``InvalidInput`` for a body that is not JSON and ``LimitExceeded`` for one too long."""
    try:
        payload = encode_json(body)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidInput("body", f"cannot be written as JSON: {error}") from error
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise LimitExceeded("bytes of one ledger entry's body", maximum=MAX_PAYLOAD_BYTES, seen=len(payload))
    return payload


def decode_payload(payload: bytes) -> dict[str, Any]:
    """Raises ``WireError`` for bytes that are no JSON object."""
    try:
        return _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError("ledger payload", str(error)) from error


def commit(salt: bytes, payload: bytes) -> bytes:
    return hashlib.sha256(_DOMAIN + salt + payload).digest()
