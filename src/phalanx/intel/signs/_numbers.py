"""Moduli that share a factor, or that give one away. Pure, over Python's integers.

Batch GCD by product and remainder trees (Bernstein, "How to find smooth parts of integers", 2004; Heninger et al.,
"Mining your Ps and Qs", 2012): for all moduli at once in time that is almost linear in their length.
ROCA: the fingerprint of Nemec et al. (CVE-2017-15361): modulo small primes such moduli are powers of 65537.
"""

import math
from collections.abc import Sequence
from functools import cache

_GENERATOR = 65_537
# The primes of the published fingerprint.
_ROCA_PRIMES = (
    11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
)  # fmt: skip
_SMALL = 1 << 16


def shared_factors(moduli: Sequence[int]) -> dict[int, int]:
    """For each place whose modulus shares a factor with another: that factor.

    The same modulus twice is the same key, not a shared factor: give each once.
    """
    if len(moduli) < 2:
        return {}
    assert len(set(moduli)) == len(moduli), "each modulus once"
    levels = [list(moduli)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([math.prod(below[at : at + 2]) for at in range(0, len(below), 2)])
    rests = levels.pop()
    while levels:
        below = levels.pop()
        rests = [rests[place // 2] % (one * one) for place, one in enumerate(below)]
    found = {}
    for place, (one, rest) in enumerate(zip(moduli, rests, strict=True)):
        factor = math.gcd(rest // one, one)
        if factor == one:
            # Both factors are shared, each with another: pair by pair tells them apart.
            factor = next((two for other in moduli if other != one and 1 < (two := math.gcd(one, other)) < one), one)
        if factor > 1:
            found[place] = factor
    return found


def small_factor(modulus: int) -> int:
    """A prime below 65,536 that divides it, 0 for none."""
    if math.gcd(modulus, _product_of_small_primes()) == 1:
        return 0
    return next(prime for prime in _small_primes() if not modulus % prime)


def close_factor(modulus: int, rounds: int) -> int:
    """A factor near the square root, by Fermat's method within ``rounds``; 0 for none."""
    root = math.isqrt(modulus)
    if root * root == modulus:
        return root
    for middle in range(root + 1, root + 1 + rounds):
        rest = middle * middle - modulus
        half = math.isqrt(rest)
        if half * half == rest and middle - half > 1:
            return middle - half
    return 0


def looks_like_roca(modulus: int) -> bool:
    """Whether it has the fingerprint of CVE-2017-15361; one in about 2**27 others has it by chance."""
    return all(modulus % prime in powers for prime, powers in _roca_powers())


@cache
def _roca_powers() -> tuple[tuple[int, frozenset[int]], ...]:
    found = []
    for prime in _ROCA_PRIMES:
        powers, one = set(), 1
        while one not in powers:
            powers.add(one)
            one = one * _GENERATOR % prime
        found.append((prime, frozenset(powers)))
    return tuple(found)


@cache
def _small_primes() -> tuple[int, ...]:
    sieve = bytearray([1]) * _SMALL
    sieve[:2] = b"\0\0"
    for number in range(2, math.isqrt(_SMALL) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, _SMALL, number)))
    return tuple(number for number in range(_SMALL) if sieve[number])


@cache
def _product_of_small_primes() -> int:
    return math.prod(_small_primes())
