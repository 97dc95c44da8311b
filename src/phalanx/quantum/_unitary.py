"""Small unitaries as matrices, for comparing gates and circuits. Qubit 0 is the leftmost."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from phalanx.quantum._gates import GATES, Part, parts_of

Amplitudes = npt.NDArray[np.complex128]


def apply_part(state: Amplitudes, part: Part) -> Amplitudes:
    """One gate on a state, or on each column of a matrix: axes 0 … n-1 are qubits."""
    for name, places, params in _placed(part):
        *controls, target = places
        matrix = np.array(GATES[name].matrix(*params), dtype=np.complex128).reshape(2, 2)
        at: list[slice | int] = [slice(None)] * state.ndim
        for control in controls:
            at[control] = 1
        inner = state[tuple(at)]
        axis = target - sum(control < target for control in controls)
        state = state.copy()
        state[tuple(at)] = np.moveaxis(np.tensordot(matrix, inner, axes=(1, axis)), 0, axis)
    return state


def unitary(n_qubits: int, parts: Iterable[Part]) -> Amplitudes:
    """The matrix of gates on ``n_qubits``."""
    size = 1 << n_qubits
    state = np.eye(size, dtype=np.complex128).reshape((2,) * n_qubits + (size,))
    for part in parts:
        state = apply_part(state, part)
    return np.ascontiguousarray(state.reshape(size, size))


def overlap(first: Amplitudes, second: Amplitudes) -> float:
    """How much of one is in the other: 1 where they are equal up to a global phase, for states and unitaries alike."""
    inner = abs(np.vdot(first, second))
    return float(inner / np.sqrt(np.vdot(first, first).real * np.vdot(second, second).real))


def same_but_for_phase(first: Amplitudes, second: Amplitudes, *, tolerance: float = 1e-9) -> bool:
    return first.shape == second.shape and overlap(first, second) >= 1 - tolerance


def _placed(part: Part) -> list[Part]:
    name, places, params = part
    if name in GATES:
        return [part]
    return [(inner, tuple(places[at] for at in on), values) for inner, on, values in parts_of(name, params)]
