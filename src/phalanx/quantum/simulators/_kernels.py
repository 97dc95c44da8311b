"""Kernels over amplitudes: states, density matrices, and trajectories with noise.

Positions are of bits in an index: qubit q of n is at n-1-q. A tape is one entry a step: ``kind`` (0 gate, 1
measurement, 2 reset, 3 relaxation, 4 and 5 depolarisation of one and two qubits), ``target`` and ``other``
positions, ``controls`` an int64 mask, ``matrix`` (k, 2, 2) complex128, ``value`` (k, 2) float64, ``bit``, and
``when`` the place of its condition or -1. Conditions lie end to end: ``starts`` (c + 1,) into ``bits`` and
``wanted``. ``generator`` is a NumPy one.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.core import fast_kernel, kernel

Array = npt.NDArray[Any]


@fast_kernel
def turn(state: Array, target: int, controls: int, matrix: Array) -> None:
    """One controlled 2×2 matrix on all amplitudes."""
    a, b, c, d = matrix[0, 0], matrix[0, 1], matrix[1, 0], matrix[1, 1]
    low = (1 << target) - 1
    half = state.size >> 1
    diagonal = b == 0 and c == 0
    for i in range(half):
        i0 = ((i & ~low) << 1) | (i & low)
        if i0 & controls != controls:
            continue
        i1 = i0 | (1 << target)
        x, y = state[i0], state[i1]
        if diagonal:
            state[i0] = a * x
            state[i1] = d * y
        else:
            state[i0] = a * x + b * y
            state[i1] = c * x + d * y


@kernel
def evolve(state: Array, target: Array, controls: Array, matrix: Array) -> None:
    """All gates of a tape that has nothing else."""
    for k in range(target.size):
        turn(state, target[k], controls[k], matrix[k])


@fast_kernel
def excited(state: Array, target: int) -> float:
    """The probability of 1."""
    total = 0.0
    low = (1 << target) - 1
    for i in range(state.size >> 1):
        x = state[((i & ~low) << 1) | (i & low) | (1 << target)]
        total += x.real * x.real + x.imag * x.imag
    return total


@fast_kernel
def scale(state: Array, target: int, zero: float, one: float) -> None:
    """Multiply where the bit is 0 and where it is 1."""
    low = (1 << target) - 1
    for i in range(state.size >> 1):
        i0 = ((i & ~low) << 1) | (i & low)
        state[i0] *= zero
        state[i0 | (1 << target)] *= one


@fast_kernel
def lower(state: Array, target: int, factor: float) -> None:
    """1 becomes 0, and 0 vanishes."""
    low = (1 << target) - 1
    for i in range(state.size >> 1):
        i0 = ((i & ~low) << 1) | (i & low)
        state[i0] = state[i0 | (1 << target)] * factor
        state[i0 | (1 << target)] = 0.0


@kernel
def pauli(state: Array, target: int, which: int) -> None:
    """1 is X, 2 is Y, 3 is Z; up to a phase."""
    low = (1 << target) - 1
    for i in range(state.size >> 1):
        i0 = ((i & ~low) << 1) | (i & low)
        i1 = i0 | (1 << target)
        if which != 3:
            x, y = state[i0], state[i1]
            state[i0], state[i1] = y, x
        if which != 1:
            state[i1] = -state[i1]


@kernel
def holds(when: int, starts: Array, bits: Array, wanted: Array, seen: Array) -> bool:
    """Whether a condition holds for the bits of one shot."""
    missed = 0
    for j in range(starts[when], starts[when + 1]):
        missed += seen[bits[j]] != wanted[j]
    return missed == 0


@kernel
def relax(state: Array, target: int, damping: float, flip: float, generator: Any) -> None:
    """Amplitude damping as a jump or none, then a phase flip by chance."""
    if damping > 0.0:
        p = excited(state, target)
        if generator.random() < damping * p:
            lower(state, target, 1.0 / np.sqrt(p))
        else:
            rest = 1.0 / np.sqrt(1.0 - damping * p)
            scale(state, target, rest, np.sqrt(1.0 - damping) * rest)
    if flip > 0.0 and generator.random() < flip:
        pauli(state, target, 3)


@kernel
def measure(state: Array, target: int, generator: Any) -> int:
    """Collapse; returns the outcome."""
    p = excited(state, target)
    if generator.random() < p:
        scale(state, target, 0.0, 1.0 / np.sqrt(p))
        return 1
    scale(state, target, 1.0 / np.sqrt(max(1.0 - p, 1e-300)), 0.0)
    return 0


@kernel
def trajectories(
    n: int, kind: Array, target: Array, other: Array, controls: Array, matrix: Array, value: Array, bit: Array,
    when: Array, starts: Array, bits: Array, wanted: Array, final: Array, flips: Array, out: Array, generator: Any,
) -> None:  # fmt: skip
    """One run of the tape for each row of ``out`` (shots, bits) uint8, each with its own chances.

    ``final`` (m, 2) int64 are measurements after all else, position and bit: they are drawn from the last state at
    once, and read wrongly with the chance in ``flips`` (m,).
    """
    state = np.empty(1 << n, np.complex128)
    for shot in range(out.shape[0]):
        state[:] = 0.0
        state[0] = 1.0
        seen = out[shot]
        for k in range(kind.size):
            if when[k] >= 0 and not holds(when[k], starts, bits, wanted, seen):
                continue
            what = kind[k]
            if what == 0:
                turn(state, target[k], controls[k], matrix[k])
            elif what == 1:
                outcome = measure(state, target[k], generator)
                wrong = value[k, 0] > 0.0 and generator.random() < value[k, 0]
                seen[bit[k]] = 1 - outcome if wrong else outcome
            elif what == 2:
                if measure(state, target[k], generator) == 1:
                    pauli(state, target[k], 1)
            elif what == 3:
                relax(state, target[k], value[k, 0], value[k, 1], generator)
            elif generator.random() < value[k, 0]:
                if what == 4:
                    which = int(generator.random() * 4.0)
                    if which:
                        pauli(state, target[k], which)
                else:
                    which = int(generator.random() * 16.0)
                    if which & 3:
                        pauli(state, target[k], which & 3)
                    if which >> 2:
                        pauli(state, other[k], which >> 2)
        if final.shape[0]:
            _draw(state, final, flips, seen, generator)


@kernel
def _draw(state: Array, final: Array, flips: Array, seen: Array, generator: Any) -> None:
    left = generator.random()
    index = state.size - 1
    for i in range(state.size):
        left -= state[i].real * state[i].real + state[i].imag * state[i].imag
        if left < 0.0:
            index = i
            break
    for j in range(final.shape[0]):
        value = (index >> final[j, 0]) & 1
        wrong = flips[j] > 0.0 and generator.random() < flips[j]
        seen[final[j, 1]] = 1 - value if wrong else value


@kernel
def evolve_density(
    n: int, rho: Array, kind: Array, target: Array, other: Array, controls: Array, matrix: Array, value: Array
) -> None:
    """A tape of gates, relaxation (damping and what is left of the coherence) and depolarisation on a density matrix.

    ``rho`` (4^n,) has the rows' bits above the columns'.
    """
    for k in range(kind.size):
        if kind[k] == 0:
            turn(rho, target[k] + n, controls[k] << n, matrix[k])
            turn(rho, target[k], controls[k], np.conj(matrix[k]))
        elif kind[k] == 3:
            _relax_density(rho, target[k] + n, target[k], value[k, 0], value[k, 1])
        elif kind[k] == 4:
            _mix_one(rho, target[k] + n, target[k], value[k, 0])
        else:
            _mix_two(rho, n, target[k], other[k], value[k, 0])


@fast_kernel
def _relax_density(rho: Array, row: int, column: int, damping: float, kept: float) -> None:
    r, c = 1 << row, 1 << column
    for i in range(rho.size):
        if i & r or i & c:
            continue
        one = rho[i | r | c]
        rho[i] += damping * one
        rho[i | r | c] = (1.0 - damping) * one
        rho[i | r] *= kept
        rho[i | c] *= kept


@fast_kernel
def _mix_one(rho: Array, row: int, column: int, lost: float) -> None:
    r, c = 1 << row, 1 << column
    for i in range(rho.size):
        if i & r or i & c:
            continue
        mean = (rho[i] + rho[i | r | c]) * (0.5 * lost)
        rho[i] = (1.0 - lost) * rho[i] + mean
        rho[i | r | c] = (1.0 - lost) * rho[i | r | c] + mean
        rho[i | r] *= 1.0 - lost
        rho[i | c] *= 1.0 - lost


@fast_kernel
def _mix_two(rho: Array, n: int, first: int, second: int, lost: float) -> None:
    a, b = (1 << first) | (1 << (first + n)), (1 << second) | (1 << (second + n))
    every = a | b
    for i in range(rho.size):
        if i & every:
            continue
        mean = (rho[i] + rho[i | a] + rho[i | b] + rho[i | every]) * (0.25 * lost)
        part = every
        while True:
            rho[i | part] *= 1.0 - lost
            if part == 0:
                break
            part = (part - 1) & every
        rho[i] += mean
        rho[i | a] += mean
        rho[i | b] += mean
        rho[i | every] += mean
