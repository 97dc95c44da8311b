"""Arithmetic modulo a prime, and polynomials over it. Values are plain integers in [0, modulus).

``GF256`` is the field of plain shares: 2^256 + 297 is the smallest prime above 2^256, so that
every 256-bit secret is one element of it and an element takes 33 bytes. Verifiable sharing over
a group of prime order q needs the field of integers modulo q instead, because exponents add
modulo q.

Polynomials are lists of coefficients, lowest first, without zeros at the end; the zero
polynomial is the empty list. Python's integers do not run in constant time: whoever can time
this process to the microsecond from the same machine is inside the boundary already.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phalanx.core import EntropySource
from phalanx.crypto.sharing._limits import EXTRA_DRAW_BYTES

Polynomial = list[int]


@dataclass(frozen=True, slots=True)
class Field:
    """The integers modulo a prime. ``name`` is what shares call it."""

    name: str
    modulus: int

    @property
    def element_bytes(self) -> int:
        return (self.modulus.bit_length() + 7) // 8

    def to_bytes(self, value: int) -> bytes:
        return value.to_bytes(self.element_bytes)

    def from_bytes(self, raw: bytes) -> int:
        """The element that ``raw`` writes in the one form there is; raises ValueError for any other."""
        value = int.from_bytes(raw)
        if len(raw) != self.element_bytes or value >= self.modulus:
            raise ValueError(f"not an element of {self.name}")
        return value

    def draw(self, entropy: EntropySource) -> int:
        """A secret element, uniform up to 2^-128."""
        return int.from_bytes(entropy.token(self.element_bytes + EXTRA_DRAW_BYTES)) % self.modulus

    def reduced(self, digest: bytes) -> int:
        """An element that follows from ``digest``, which must be as wide as a draw."""
        assert len(digest) >= self.element_bytes + EXTRA_DRAW_BYTES
        return int.from_bytes(digest) % self.modulus

    def draw_polynomial(self, constant: int, n_coefficients: int, entropy: EntropySource) -> Polynomial:
        """Uniform among the polynomials below degree ``n_coefficients`` with this constant (zeros at the end stay)."""
        return [constant, *(self.draw(entropy) for _ in range(n_coefficients - 1))]

    def evaluate(self, coefficients: Sequence[int], x: int) -> int:
        value = 0
        for coefficient in reversed(coefficients):
            value = (value * x + coefficient) % self.modulus
        return value

    def weights(self, points: Sequence[int], at: int = 0) -> dict[int, int]:
        """Lagrange's weights: f(at) is the sum of weight · f(point) for every f below degree ``len(points)``."""
        p = self.modulus
        found = {}
        for here in points:
            above = below = 1
            for there in points:
                if there != here:
                    above = above * (at - there) % p
                    below = below * (here - there) % p
            found[here] = above * pow(below, -1, p) % p
        return found

    def interpolate(self, values: Mapping[int, int]) -> Polynomial:
        """The one polynomial below degree ``len(values)`` through all points (Newton's form, multiplied out)."""
        p, points = self.modulus, list(values)
        slopes = [values[point] for point in points]
        for order in range(1, len(points)):
            for i in range(len(points) - 1, order - 1, -1):
                run = pow(points[i] - points[i - order], -1, p)
                slopes[i] = (slopes[i] - slopes[i - 1]) * run % p
        found: Polynomial = []
        for point, slope in zip(reversed(points), reversed(slopes), strict=True):
            found = self.add(self.multiply(found, [-point % p, 1]), [slope])
        return trimmed(found)

    def add(self, a: Sequence[int], b: Sequence[int]) -> Polynomial:
        short, long = sorted((a, b), key=len)
        mixed = [(x + y) % self.modulus for x, y in zip(short, long, strict=False)]
        return trimmed([*mixed, *long[len(short) :]])

    def multiply(self, a: Sequence[int], b: Sequence[int]) -> Polynomial:
        if not a or not b:
            return []
        product = [0] * (len(a) + len(b) - 1)
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                product[i + j] += x * y
        return trimmed([value % self.modulus for value in product])

    def divide(self, a: Sequence[int], b: Sequence[int]) -> tuple[Polynomial, Polynomial]:
        """Quotient and remainder."""
        p, rest = self.modulus, list(a)
        lead = pow(b[-1], -1, p)
        quotient = [0] * max(len(a) - len(b) + 1, 0)
        for shift in range(len(quotient) - 1, -1, -1):
            factor = quotient[shift] = rest[shift + len(b) - 1] * lead % p
            for i, value in enumerate(b):
                rest[shift + i] = (rest[shift + i] - factor * value) % p
        return trimmed(quotient), trimmed(rest)


def trimmed(polynomial: Polynomial) -> Polynomial:
    while polynomial and polynomial[-1] == 0:
        polynomial.pop()
    return polynomial


GF256 = Field("gf-2^256+297", 2**256 + 297)
