"""Graded canary keys: keys whose breaking proves what somebody can do.

A ladder of RSA keys, from lengths that anybody factors to those that nobody should. Their private halves are thrown
away as they are made, so that nobody has them: who signs a challenge with one has factored it. The node publishes the
public halves and a challenge that is its own; an answer is checked like any signature.

- What it proves is that a key of that length was broken (or that the machine that made it was watched). By which means
  is not said: below ``CLASSICAL_BITS`` ordinary computers do it, and an answer is no sign of a quantum computer.
- An answer to a longer one is one that no published classical computation reaches, and it is told as that.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from phalanx.core import InvalidInput

# The longest modulus of general form whose factors were published is RSA-250, of 829 bits (2020).
CLASSICAL_BITS = 829
# The library makes no shorter key than this, which is within what is still out of reach.
GRADES = (1_024, 1_536, 2_048, 3_072)
_EXPONENT = 65_537


@dataclass(frozen=True, slots=True)
class CanaryKey:
    """A public key that nobody has the private half of."""

    grade: int
    modulus: int
    exponent: int = _EXPONENT

    @property
    def name(self) -> str:
        digest = hashlib.sha256(f"{self.modulus:x}".encode()).hexdigest()
        return f"rsa-{self.grade}-{digest[:16]}"

    def challenge(self, node: str) -> bytes:
        """What is to be signed: nothing that anybody else's protocol would sign."""
        return f"phalanx canary key {self.name} of {node}: whoever signs this has broken it".encode()


def make_canaries(grades: Sequence[int] = GRADES) -> list[CanaryKey]:
    """A key of each grade. What could answer for it is not kept."""
    return [
        CanaryKey(grade, rsa.generate_private_key(_EXPONENT, grade).public_key().public_numbers().n) for grade in grades
    ]


def verify_answer(key: CanaryKey, node: str, signature: bytes) -> None:
    """Whether ``signature`` (RSASSA-PKCS1-v1_5 with SHA-256) answers the challenge. Raises ``InvalidInput``."""
    public = rsa.RSAPublicNumbers(key.exponent, key.modulus).public_key()
    try:
        public.verify(signature, key.challenge(node), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise InvalidInput("signature", f"it does not answer the challenge of {key.name}") from None
