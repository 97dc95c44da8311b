"""NATS' user keys: Ed25519 in the text form of nkeys.

A seed is ``SU…`` and is secret, a public key is ``U…``: base32 over prefix, 32 bytes, and their
CRC-16 (https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth).
Made here from the library's Ed25519, so that nothing else has to be installed for it.
"""

import base64
import binascii
from dataclasses import dataclass, field

from phalanx.core import EntropySource, InvalidInput

_SEED_BYTES = 32
_CRC_BYTES = 2
# The upper five bits of the first byte are the letter that the text begins with.
_USER = 20 << 3
_SEED = 18 << 3
_SEED_PREFIX = bytes((_SEED | _USER >> 5, (_USER & 31) << 3))


@dataclass(frozen=True, slots=True)
class Nkey:
    """A user's key pair; ``seed`` is its secret text, ``public`` what a server is told."""

    seed: str = field(repr=False)
    public: str

    @classmethod
    def generate(cls, entropy: EntropySource) -> "Nkey":
        return cls.from_seed(_text(_SEED_PREFIX, entropy.token(_SEED_BYTES)))

    @classmethod
    def from_seed(cls, seed: str) -> "Nkey":
        """Raises ``InvalidInput`` when the text is no user's seed."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.from_private_bytes(_secret(seed))
        return cls(seed.strip(), _text(bytes((_USER,)), key.public_key().public_bytes_raw()))

    def sign(self, nonce: str) -> bytes:
        """What a server is answered that asks for a signature: base64, as it travels."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.from_private_bytes(_secret(self.seed))
        return base64.b64encode(key.sign(nonce.encode()))


def _text(prefix: bytes, raw: bytes) -> str:
    body = prefix + raw
    return base64.b32encode(body + binascii.crc_hqx(body, 0).to_bytes(_CRC_BYTES, "little")).decode().rstrip("=")


def _secret(seed: str) -> bytes:
    seed = seed.strip()
    try:
        raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("nkey", "it is not the text of a seed") from error
    body, crc = raw[:-_CRC_BYTES], raw[-_CRC_BYTES:]
    if binascii.crc_hqx(body, 0).to_bytes(_CRC_BYTES, "little") != crc or len(body) != 2 + _SEED_BYTES:
        raise InvalidInput("nkey", "its check digits do not fit: a letter is wrong or missing")
    if body[:2] != _SEED_PREFIX:
        raise InvalidInput("nkey", "it is not a user's seed, which begins with SU")
    return body[2:]
