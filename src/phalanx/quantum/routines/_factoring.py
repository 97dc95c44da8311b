"""Shor's algorithm run to its end on a toy number, beside what it takes to do the same to a key.

The order of ``a`` modulo ``n`` is measured by phase estimation with one control qubit that is measured and used again
(Parker and Plenio, Phys. Rev. Lett. 85, 2000), so the state is one register of the number's width. Multiplication is a
permutation of amplitudes. Numbers that factor in a fraction of a second here say nothing about keys: those are judged
by ``phalanx.quantum.resources``.
"""

import math
from fractions import Fraction

import numpy as np

from phalanx.core import Baseline, InvalidInput, Rng
from phalanx.quantum.routines._answer import Answer, simulated
from phalanx.quantum.routines._limits import MAX_FACTOR_ATTEMPTS, MAX_FACTORED_BITS

_UNIT = "multiplications modulo the number"
_CLAIM = (
    "polynomial in the number's bits where the best classical method known is not; a number this small is factored by "
    "trial division at once, so this run shows the algorithm and no threat"
)


def factor(number: int, *, seed: int) -> Answer:
    """Two factors of an odd number that is no prime power. Simulated. Raises ``InvalidInput``."""
    _check(number)
    rng = Rng(seed).child("shor")
    bits = number.bit_length()
    multiplications, attempts, shots = 0, 0, 0
    found: tuple[int, int] | None = None
    while found is None and attempts < MAX_FACTOR_ATTEMPTS:
        attempts += 1
        base = rng.integer(2, number - 1)
        if (shared := math.gcd(base, number)) > 1:
            continue  # a classical accident: nothing was learned from a circuit
        phase = measured_phase(base, number, rng)
        shots += 1
        multiplications += 2 * bits
        order = _order(base, number, phase, bits)
        if order and order % 2 == 0:
            root = pow(base, order // 2, number)
            shared = math.gcd(root - 1, number)
            if 1 < shared < number:
                found = shared, number // shared
    divisor = smallest_divisor(number)
    classical = (
        Baseline(method="trial division", value=float(divisor), error=0.0, cost=divisor // 2, cost_unit="divisions"),
    )
    return Answer(
        routine="key-exposure",
        found={
            "number": number, "factors": sorted(found) if found else [], "attempts": attempts,
            "circuits_run": shots, "width_qubits": bits + 1,
        },
        quantum=Baseline(
            method="shor, semiclassical", value=float(min(found)) if found else 0.0, error=0.0, cost=multiplications,
            cost_unit=_UNIT,
        ),
        classical=classical, agrees=found is not None, claim=_CLAIM,
        provenance=simulated(seed, classical, shots=max(1, shots)),
    )  # fmt: skip


def smallest_divisor(number: int) -> int:
    """By trial division of a number that can be factored. Raises ``InvalidInput``."""
    _check(number)
    return next(d for d in range(3, math.isqrt(number) + 1, 2) if number % d == 0)


def measured_phase(base: int, number: int, rng: Rng) -> float:
    """One measurement of k/order, to twice as many bits as the number has, least significant bit first."""
    n_bits, size = 2 * number.bit_length(), number
    state = np.zeros(size, dtype=np.complex128)
    state[1] = 1.0
    powers = [pow(base, 1 << (n_bits - 1 - j), number) for j in range(n_bits)]
    places = np.arange(size, dtype=np.int64)
    phase = 0.0
    for power in powers:
        # Control in |+⟩, multiply where it is one, turn by what is known already, measure in the same basis.
        moved = np.empty_like(state)
        moved[places * power % size] = state
        moved *= np.exp(-2j * math.pi * phase / 2)
        zero = (state + moved) / 2
        chance = float(np.sum(np.abs(zero) ** 2))
        bit = 0 if rng.random() < chance else 1
        state = zero if bit == 0 else (state - moved) / 2
        state /= np.linalg.norm(state)
        phase = (phase + bit) / 2
    return phase


def _order(base: int, number: int, phase: float, bits: int) -> int:
    """The order by the phase's continued fraction, or a small multiple of it; 0 when it is neither."""
    denominator = Fraction(round(phase * (1 << 2 * bits)), 1 << 2 * bits).limit_denominator(number).denominator
    for times in range(1, 4):
        if pow(base, denominator * times, number) == 1:
            return denominator * times
    return 0


def _check(number: int) -> None:
    if not 15 <= number < 1 << MAX_FACTORED_BITS or number % 2 == 0:
        raise InvalidInput("number", f"is odd, 15 at least and below 2^{MAX_FACTORED_BITS}, got {number}")
    divisors = [d for d in range(3, math.isqrt(number) + 1, 2) if number % d == 0]
    if not divisors:
        raise InvalidInput("number", f"{number} is prime")
    rest = number
    while rest % divisors[0] == 0:
        rest //= divisors[0]
    if rest == 1:
        raise InvalidInput("number", f"{number} is a power of {divisors[0]}: classical methods see that at once")
