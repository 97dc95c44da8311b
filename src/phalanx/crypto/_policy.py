"""Which algorithms may be used for something new. What is already there stays readable.

A name forbids exactly that algorithm: without ``Ed25519`` alone, the hybrid that has it as one
half is still allowed, for it stands on the other half.
"""

from dataclasses import dataclass

from phalanx.core import InvalidInput
from phalanx.crypto._catalogue import algorithm
from phalanx.crypto._errors import AlgorithmForbidden, InvalidKey


@dataclass(frozen=True, slots=True)
class CryptoPolicy:
    """``forbidden`` names of the catalogue; ``experimental`` allows those whose standard is not final."""

    forbidden: frozenset[str] = frozenset()
    experimental: bool = False

    def __post_init__(self) -> None:
        for name in self.forbidden:
            try:
                algorithm(name)
            except InvalidKey as error:
                raise InvalidInput("crypto.forbidden", error.reason) from error

    def verdict(self, name: str) -> str:
        """Empty when ``name`` is allowed, else the reason why it is not."""
        if name in self.forbidden:
            return "the policy forbids it"
        if algorithm(name).experimental and not self.experimental:
            return "its standard is not final, and the policy does not allow experiments"
        return ""

    def require(self, name: str) -> None:
        """Raises ``AlgorithmForbidden`` unless ``name`` may be used for something new."""
        if reason := self.verdict(name):
            raise AlgorithmForbidden(name, reason)
