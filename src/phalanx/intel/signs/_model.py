"""What a sign is, and how sure one may be of it."""

from dataclasses import dataclass
from enum import Enum


class Certainty(Enum):
    """``PROVEN``: the sign carries its proof, which anybody can check. ``PATTERN``: it looks like one."""

    PROVEN = "proven"
    PATTERN = "pattern"


@dataclass(frozen=True, slots=True)
class SeenKey:
    """A public key that was seen. ``where`` says where: a file, a certificate, an event."""

    where: str
    algorithm: str
    bits: int
    fingerprint: str
    modulus: int = 0
    exponent: int = 0


@dataclass(frozen=True, slots=True)
class Sign:
    """Something about a key. ``proof`` is what shows it, as a factor in hexadecimal; empty where nothing does."""

    kind: str
    certainty: Certainty
    key: SeenKey
    told: str
    proof: str = ""
