"""Ideal statevector simulation in NumPy.

Qubit 0 is the leftmost: the amplitude of ``|q0 q1 … ⟩`` is at the index those bits spell, and a
key of ``counts`` spells the classical bits ``c0 c1 …`` from left to right.

Limits: ``MAX_SIMULATED_QUBITS`` qubits (64 MiB of amplitudes), checked before anything is
allocated; measurements are last. No noise: what a noisy device would do is another device's matter.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from phalanx.core import LimitExceeded, Rng
from phalanx.quantum._circuits import Gates
from phalanx.quantum._errors import InvalidCircuit, TooWide
from phalanx.quantum._gates import GATES, SPLIT, SWAP, Op, parts_of
from phalanx.quantum._limits import MAX_SHOTS, MAX_SIMULATED_QUBITS, MAX_SIMULATED_UPDATES

Amplitudes = npt.NDArray[np.complex128]
Probabilities = npt.NDArray[np.float64]

_SHORT_ROW = 8


def statevector(gates: Gates) -> Amplitudes:
    """The state after all gates, as ``2^n`` amplitudes. Measurements are left out."""
    check_width(gates)
    n = gates.n_qubits
    state = np.zeros(1 << n, dtype=np.complex128)
    state[0] = 1.0
    scratch = np.empty_like(state)
    bound: dict[Op, Callable[[], None]] = {}  # A repeated gate acts on the same views of the state.
    for op in gates.ops:
        apply = bound.get(op)
        if apply is None:
            apply = bound[op] = _bind(state, scratch, op)
        apply()
    return state


def probabilities(gates: Gates) -> Probabilities:
    """How likely each outcome of the measured qubits is, in order of the key it will have."""
    if not gates.measured:
        raise InvalidCircuit("nothing is measured")
    n = gates.n_qubits
    weights = np.abs(statevector(gates).reshape((2,) * n)) ** 2
    unmeasured = tuple(q for q in range(n) if q not in gates.measured)
    kept = sorted(gates.measured)
    marginal = weights.sum(axis=unmeasured).transpose([kept.index(q) for q in gates.measured])
    return np.ascontiguousarray(marginal, dtype=np.float64).reshape(-1)


def sample(weights: Probabilities, shots: int, rng: Rng) -> dict[str, int]:
    """Outcomes of ``shots`` draws from ``probabilities``, by key in order; what never came up is absent."""
    if not 1 <= shots <= MAX_SHOTS:
        raise LimitExceeded("shots of one run", maximum=MAX_SHOTS, seen=shots)
    # Rounding leaves the sum a few ulp from one; negatives cannot occur in a sum of squares.
    drawn = rng.numpy().multinomial(shots, weights / weights.sum())
    width = weights.size.bit_length() - 1
    return {f"{outcome:0{width}b}": int(drawn[outcome]) for outcome in np.flatnonzero(drawn)}


def counts(gates: Gates, shots: int, rng: Rng) -> dict[str, int]:
    """Outcomes of ``shots`` runs of a circuit."""
    return sample(probabilities(gates), shots, rng)


def check_width(gates: Gates) -> None:
    """Refuse what would not fit, before memory is taken."""
    if gates.n_qubits > MAX_SIMULATED_QUBITS:
        raise TooWide(gates.n_qubits)
    updates = len(gates.ops) << gates.n_qubits
    if updates > MAX_SIMULATED_UPDATES:
        raise LimitExceeded("gates × amplitudes of a simulation", maximum=MAX_SIMULATED_UPDATES, seen=updates)


def _bind(state: Amplitudes, scratch: Amplitudes, op: Op) -> Callable[[], None]:
    """One gate as a call without arguments, bound to the views of the state that it mixes."""
    if op.name == SWAP:
        first, second = op.qubits
        return _exchange(_part(state, {first: 1, second: 0}), _part(state, {first: 0, second: 1}), 1, 1)
    if op.name in SPLIT:
        parts = [
            _bind(state, scratch, Op(name, tuple(op.qubits[at] for at in places), params))
            for name, places, params in parts_of(op.name, op.params)
        ]
        return _sequence(parts)
    *controls, target = op.qubits
    a, b, c, d = GATES[op.name].matrix(*op.params)
    fixed = dict.fromkeys(controls, 1)
    low, high = _part(state, {**fixed, target: 0}), _part(state, {**fixed, target: 1})
    if b == 0 and c == 0:
        return _scale(low, high, a, d)
    if a == 0 and d == 0:
        return _exchange(low, high, b, c)
    if controls:
        return _blend(low, high, (a, b, c, d))
    return _mix(state, scratch, target, np.array([[a, b], [c, d]], dtype=np.complex128))


def _sequence(parts: list[Callable[[], None]]) -> Callable[[], None]:
    def apply() -> None:
        for part in parts:
            part()

    return apply


def _blend(low: Amplitudes, high: Amplitudes, matrix: tuple[complex, complex, complex, complex]) -> Callable[[], None]:
    a, b, c, d = matrix

    def apply() -> None:
        before = low.copy()
        np.copyto(low, a * before + b * high)
        np.copyto(high, c * before + d * high)

    return apply


def _part(state: Amplitudes, fixed: dict[int, int]) -> Amplitudes:
    """The amplitudes where these qubits have these values, as a view with as few axes as possible."""
    shape: list[int] = []
    at: list[slice | int] = []
    n, done = state.size.bit_length() - 1, 0
    for qubit in sorted(fixed):
        shape += [1 << (qubit - done), 2]
        at += [slice(None), fixed[qubit]]
        done = qubit + 1
    return state.reshape([*shape, 1 << (n - done)])[tuple(at)]


def _scale(low: Amplitudes, high: Amplitudes, a: complex, d: complex) -> Callable[[], None]:
    def apply() -> None:
        if a != 1:
            np.multiply(low, a, out=low)
        if d != 1:
            np.multiply(high, d, out=high)

    return apply


def _exchange(low: Amplitudes, high: Amplitudes, b: complex, c: complex) -> Callable[[], None]:
    def apply() -> None:
        before = low.copy()
        np.copyto(low, high)
        np.copyto(high, before)
        if b != 1:
            np.multiply(low, b, out=low)
        if c != 1:
            np.multiply(high, c, out=high)

    return apply


def _mix(state: Amplitudes, scratch: Amplitudes, target: int, matrix: Amplitudes) -> Callable[[], None]:
    right = state.size >> (target + 1)
    if right >= _SHORT_ROW:
        pairs = (-1, 2, right)
        return _product(matrix, state.reshape(pairs), scratch.reshape(pairs), state, scratch)
    # Many tiny products would be slow; widened to rows, they are one call of the linear algebra library.
    rows = (-1, 2 * right)
    wide = (matrix.T[:, None, :, None] * np.eye(right)[:, None, :]).reshape(2 * right, 2 * right)
    return _product(state.reshape(rows), wide, scratch.reshape(rows), state, scratch)


def _product(
    left: Amplitudes, right: Amplitudes, out: Amplitudes, state: Amplitudes, scratch: Amplitudes
) -> Callable[[], None]:
    def apply() -> None:
        np.matmul(left, right, out=out)
        np.copyto(state, scratch)

    return apply
