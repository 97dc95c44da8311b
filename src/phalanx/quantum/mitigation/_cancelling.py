"""Errors cancelled by their opposites (Temme, Bravyi, Gambetta 2017), from what is known of a machine's noise.

The noise of a gate, and of waiting, is taken as the mixture of Paulis that twirling makes of it. Its inverse is a
mixture too, but with negative weights: Paulis are drawn by their size, put after the gate, and the outcome counts with
the drawn sign times ``weight``, the sum of sizes over all places multiplied. The mean is right, and needs ``weight``
squared times as many shots. What is not a mixture of Paulis (relaxation to 0) cancels on average only, thanks to the
twirling; what the calibration does not know stays.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phalanx.core import Rng
from phalanx.quantum._canonical import BARRIER, MEASURE, RESET, Step, Steps
from phalanx.quantum.emulation import timed
from phalanx.quantum.mapping import FRAME_GATES, Noise
from phalanx.quantum.mitigation._twirling import frames_of, joined, pauli_steps

Floats = npt.NDArray[np.float64]

# Whether two Paulis of I, X, Y, Z anticommute.
_ANTI = np.array([[0, 0, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0]])
_SIGNS = 1.0 - 2.0 * _ANTI
_SMALL = 1e-12


@dataclass(frozen=True, slots=True)
class _Place:
    """Where Paulis are drawn: after step ``at``, or before it for waiting; cumulative sizes, and their signs."""

    at: int
    before: bool
    qubits: tuple[int, ...]
    chances: Floats
    signs: Floats
    weight: float


class Cancelling:
    """The places of one mapped circuit, and circuits drawn from them."""

    def __init__(self, steps: Steps, noise: Noise, basis: str) -> None:
        schedule = timed(steps, noise)
        self._steps, self._basis = schedule.circuit, basis
        self._places = _places(schedule.circuit, schedule.waits, noise)
        self.weight = math.prod(place.weight for place in self._places)

    @property
    def overhead(self) -> float:
        """How many times as many shots the same precision needs."""
        return self.weight**2

    def drawn(self, rng: Rng) -> tuple[Steps, float]:
        """One circuit, and what its outcomes count: a sign times ``weight``."""
        numbers = rng.numpy()
        before: dict[int, list[Step]] = {}
        after: dict[int, list[Step]] = {}
        sign = 1.0
        rolls = numbers.random(len(self._places))
        for place, roll in zip(self._places, rolls, strict=True):
            code = min(int(np.searchsorted(place.chances, roll, side="right")), place.signs.size - 1)
            sign *= place.signs[code]
            (before if place.before else after).setdefault(place.at, []).extend(pauli_steps(code, place.qubits))
        made: list[Step] = []
        for at, step in enumerate(self._steps.steps):
            frame: list[Step] = []
            if step.name == self._basis:
                code = int(numbers.integers(16))
                made += pauli_steps(code, step.qubits)
                frame = pauli_steps(frames_of(self._basis)[code], step.qubits)
            made += before.get(at, [])
            made.append(step)
            made += after.get(at, [])
            made += frame
        return joined(self._steps._replace(steps=made), self._basis), sign * self.weight


def _places(steps: Steps, waits: Floats, noise: Noise) -> list[_Place]:
    from phalanx.quantum.simulators import depolarisation, step_ns

    couplers = noise.couplers()
    found: list[_Place] = []
    for at, step in enumerate(steps.steps):
        if step.name == BARRIER:
            continue
        for side, qubit in enumerate(step.qubits):
            if waits[at, side] > 0:
                _add(found, at, (qubit,), _kept(float(waits[at, side]), qubit, noise), before=True)
        if step.name in FRAME_GATES or step.name in (MEASURE, RESET):
            continue
        time_ns = step_ns(step, noise, couplers)
        kept = _kept(time_ns, step.qubits[0], noise)
        if len(step.qubits) == 2:
            kept = np.outer(kept, _kept(time_ns, step.qubits[1], noise)).reshape(-1)
        lost = max(0.0, depolarisation(step, time_ns, noise, couplers))
        kept = np.where(np.arange(kept.size) == 0, 1.0, kept * (1 - lost))
        _add(found, at, step.qubits, kept, before=False)
    return found


def _kept(time_ns: float, qubit: int, noise: Noise) -> Floats:
    """What is left of I, X, Y and Z after waiting, as twirling makes of it."""
    coherence = math.exp(-time_ns / noise.t2_ns[qubit])
    return np.array([1.0, coherence, coherence, math.exp(-time_ns / noise.t1_ns[qubit])])


def _add(found: list[_Place], at: int, qubits: tuple[int, ...], kept: Floats, *, before: bool) -> None:
    """The inverse mixture of what keeps so much of each Pauli: a Walsh transform of the inverses."""
    signs = _SIGNS if len(qubits) == 1 else np.kron(_SIGNS, _SIGNS)
    quasi = signs @ (1.0 / np.maximum(kept, _SMALL)) / kept.size
    weight = float(np.abs(quasi).sum())
    if weight > 1 + _SMALL:
        chances = np.cumsum(np.abs(quasi) / weight)
        found.append(_Place(at, before, qubits, chances, np.where(quasi < 0, -1.0, 1.0), weight))
