"""Groups of prime order in which commitments live: the finite-field groups of RFC 7919.

No library at hand shows the group law of an elliptic curve, and a curve of our own is out of
the question. A safe-prime group needs nothing but modular powers: p = 2q + 1 with p and q
prime, and the squares modulo p are a group of order q. RFC 7919 gives its primes by formula,
so that nobody could choose them; the second generator is hashed from the group's name and
squared, so that nobody knows its logarithm. ffdhe3072 is rated at 128 bits against classical
computers (NIST SP 800-57). Shor's algorithm breaks discrete logarithms here as anywhere: what
that does and does not break is said in ``_verifiable``.
"""

import functools
import hashlib
from dataclasses import dataclass

from phalanx.crypto.sharing._field import Field

_E_GUARD_BITS = 64


@dataclass(frozen=True, slots=True)
class Group:
    """The squares modulo the safe prime ``p``, with two generators of unknown relation."""

    name: str
    p: int
    g: int
    h: int

    @property
    def field(self) -> Field:
        """Exponents: the integers modulo the group's order."""
        return Field(f"z-{self.name}", (self.p - 1) // 2)

    @property
    def element_bytes(self) -> int:
        return (self.p.bit_length() + 7) // 8

    def power(self, base: int, exponent: int) -> int:
        return pow(base, exponent, self.p)

    def multiply(self, *elements: int) -> int:
        product = 1
        for element in elements:
            product = product * element % self.p
        return product

    def contains(self, element: int) -> bool:
        """Whether ``element`` is a square modulo p (its Jacobi symbol is 1)."""
        return 0 < element < self.p and _jacobi(element, self.p) == 1

    def to_bytes(self, element: int) -> bytes:
        return element.to_bytes(self.element_bytes)


def safe_prime_group(name: str, p: int) -> Group:
    """The group of squares modulo the safe prime ``p``; whoever names the prime vouches for it."""
    # 4 is a square, not 1, and the order is prime: it generates the group whatever p is.
    n_bytes = (p.bit_length() + 7) // 8 + 16
    wide = hashlib.shake_256(f"phalanx second generator v1: {name}".encode()).digest(n_bytes)
    return Group(name, p, 4, pow(int.from_bytes(wide), 2, p))


@functools.cache
def ffdhe2048() -> Group:
    """RFC 7919, appendix A.1: 112 bits against classical computers."""
    return safe_prime_group("ffdhe2048", _rfc7919(2048, 560_316))


@functools.cache
def ffdhe3072() -> Group:
    """RFC 7919, appendix A.2: 128 bits against classical computers."""
    return safe_prime_group("ffdhe3072", _rfc7919(3072, 2_625_351))


def _rfc7919(n_bits: int, x: int) -> int:
    """p = 2^b - 2^(b-64) + (floor(2^(b-130) e) + X) 2^64 - 1."""
    e = _e_times_power_of_two(n_bits - 130)
    return (1 << n_bits) - (1 << n_bits - 64) + ((e + x) << 64) - 1


def _e_times_power_of_two(n_bits: int) -> int:
    term, total, n = 1 << n_bits + _E_GUARD_BITS, 0, 1
    while term:
        total += term
        term //= n
        n += 1
    return total >> _E_GUARD_BITS


def _jacobi(a: int, n: int) -> int:
    sign = 1
    a %= n
    while a:
        twos = (a & -a).bit_length() - 1
        a >>= twos
        if twos & 1 and n & 7 in (3, 5):
            sign = -sign
        if a & 3 == n & 3 == 3:
            sign = -sign
        a, n = n % a, a
    return sign if n == 1 else 0
