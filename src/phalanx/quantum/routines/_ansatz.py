"""The circuit that variational routines turn: layers of RY on every qubit between chains of CZ. Its states are real.

Amplitudes of a whole batch of angles are computed at once: a gradient by parameter shifts is one call. The derivative
by an angle is half the difference of values at angles shifted by ±π/2, exactly (Schuld et al. 2019), and that of the
state is half the state at an angle shifted by π, from which the metric of states follows (Stokes et al. 2020).
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.quantum._circuits import Gates
from phalanx.quantum.routines._limits import MAX_BATCH_AMPLITUDES, MAX_LAYERS, MAX_VARIED_QUBITS

Floats = npt.NDArray[np.float64]
_RATE, _DECAY_1, _DECAY_2, _TINY = 0.08, 0.9, 0.999, 1e-9
_RIDGE = 1e-3


class Layers:
    """``n_qubits`` under ``layers`` chains of CZ; one angle for each qubit before, between and after them."""

    def __init__(self, n_qubits: int, layers: int) -> None:
        if not 1 <= n_qubits <= MAX_VARIED_QUBITS:
            raise LimitExceeded("qubits of a circuit that is varied", maximum=MAX_VARIED_QUBITS, seen=n_qubits)
        if not 0 <= layers <= MAX_LAYERS:
            raise InvalidInput("layers", f"lie in [0, {MAX_LAYERS}], got {layers}")
        self.n_qubits, self.layers = n_qubits, layers
        self.n_angles = n_qubits * (layers + 1)
        index = np.arange(1 << n_qubits)
        bits = index[:, None] >> np.arange(n_qubits - 1, -1, -1) & 1
        self._signs = np.prod(1.0 - 2.0 * bits[:, :-1] * bits[:, 1:], axis=1) if n_qubits > 1 else np.ones(2)

    def states(self, angles: Floats) -> Floats:
        """(batch, 2^n) for angles (batch, n_angles)."""
        batch, n = len(angles), self.n_qubits
        if batch << n > MAX_BATCH_AMPLITUDES:
            half = batch // 2
            return np.concatenate([self.states(angles[:half]), self.states(angles[half:])])
        state = np.zeros((batch, 1 << n))
        state[:, 0] = 1.0
        cosines, sines = np.cos(angles / 2), np.sin(angles / 2)
        for layer in range(self.layers + 1):
            if layer:
                state *= self._signs
            for q in range(n):
                at = layer * n + q
                cube = state.reshape(batch, 1 << q, 2, -1)
                low, high = cube[:, :, 0], cube[:, :, 1]
                c, s = cosines[:, at, None, None], sines[:, at, None, None]
                cube[:, :, 0], cube[:, :, 1] = c * low - s * high, s * low + c * high
        return state

    def gates(self, angles: Floats) -> Gates:
        """The circuit, for a device."""
        gates, n = Gates(self.n_qubits), self.n_qubits
        for layer in range(self.layers + 1):
            if layer:
                for q in range(n - 1):
                    gates.cz(q, q + 1)
            for q in range(n):
                gates.ry(float(angles[layer * n + q]), q)
        return gates


def shifted(angles: Floats, by: float = math.pi / 2) -> Floats:
    """(2, n, n): the angles, each in turn more and less by so much."""
    step = by * np.eye(angles.size)
    return np.stack([angles + step, angles - step])


def metric(layers: Layers, angles: Floats) -> Floats:
    """(n, n): how far states are apart for small changes of angles, the real part of the Fubini–Study metric."""
    state = layers.states(angles[None])[0]
    turned = layers.states(shifted(angles, math.pi)[0]) / 2
    along = turned @ state
    return np.asarray(turned @ turned.T - np.outer(along, along))


class Adam:
    """Steps down a gradient (Kingma and Ba 2015)."""

    def __init__(self, size: int, *, rate: float = _RATE) -> None:
        self._first, self._second, self._rate, self._step = np.zeros(size), np.zeros(size), rate, 0

    def step(self, gradient: Floats) -> Floats:
        """What to take off the angles."""
        self._step += 1
        self._first = _DECAY_1 * self._first + (1 - _DECAY_1) * gradient
        self._second = _DECAY_2 * self._second + (1 - _DECAY_2) * gradient**2
        first = self._first / (1 - _DECAY_1**self._step)
        return np.asarray(self._rate * first / (np.sqrt(self._second / (1 - _DECAY_2**self._step)) + _TINY))


def natural_step(layers: Layers, angles: Floats, gradient: Floats, *, rate: float) -> Floats:
    """What to take off the angles by natural gradient: the steepest way in states instead of in angles."""
    size = len(angles)
    step = rate * np.linalg.solve(metric(layers, angles) + _RIDGE * np.eye(size), gradient)
    # Where the metric is all but singular, a step may be as long as it likes; no turn is longer than this.
    longest = float(np.abs(step).max())
    return np.asarray(step * min(1.0, 0.5 / max(longest, _TINY)), dtype=np.float64)


def descended(
    loss: Callable[[Floats], tuple[float, Floats]], angles: Floats, steps: int, *, rate: float = _RATE
) -> tuple[Floats, float]:
    """The best angles seen by Adam, and their loss."""
    adam = Adam(angles.size, rate=rate)
    best, least = angles.copy(), math.inf
    for _ in range(steps):
        value, gradient = loss(angles)
        if value < least:
            best, least = angles.copy(), value
        angles = angles - adam.step(gradient)
    return best, least
