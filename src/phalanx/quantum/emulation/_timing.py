"""Steps with the time that each of their qubits has waited, and what is done in waiting: pulses that undo slow drift.

A circuit has no word for waiting, so a schedule stands beside its steps. ``waits`` (k, 2) float64 are nanoseconds
before each step, for its first and second qubit. Steps run as late as possible.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from phalanx.core import InvalidInput
from phalanx.quantum._arrays import gate_array
from phalanx.quantum._canonical import BARRIER, MEASURE, RESET, Step, Steps
from phalanx.quantum.mapping import Noise
from phalanx.quantum.mapping._noise import timeline

# Pulses of a decoupling sequence, by their axes; each stands in the middle of its part of the waiting time.
SEQUENCES: Mapping[str, tuple[str, ...]] = {"xx": ("x", "x"), "xy4": ("x", "y", "x", "y")}
# A window must hold the pulses this many times, or they cost more than they can bring.
_ROOM = 2.0


class Timed(NamedTuple):
    """A circuit and its schedule; without barriers, which have done their work."""

    circuit: Steps
    waits: npt.NDArray[np.float64]


def timed(steps: Steps, noise: Noise) -> Timed:
    """Mapped steps as late as possible. What comes before a qubit's first step is no waiting."""
    from phalanx.quantum.mapping._kernels import idle_times
    from phalanx.quantum.simulators import step_ns

    couplers = noise.couplers()
    kept = Steps(steps.n_qubits, steps.n_bits, [step for step in steps.steps if step.name != BARRIER])
    kinds, first, second, _ = timeline(gate_array(kept))
    durations = np.array([step_ns(step, noise, couplers) for step in kept.steps], dtype=np.float64)
    waits = np.zeros((len(kept.steps), 2))
    idle_times(kinds, first, second, durations, noise.n_qubits, waits)
    return Timed(kept, waits)


def decoupled(schedule: Timed, noise: Noise, sequence: str) -> Timed:
    """Pulses in every window that has room for them; what they do together is nothing but a turn of the frame."""
    if sequence not in SEQUENCES:
        raise InvalidInput("decoupling", f"{sequence!r} is none of {', '.join(SEQUENCES)}")
    pulses = SEQUENCES[sequence]
    steps: list[Step] = []
    waits: list[tuple[float, float]] = []
    for step, before in zip(schedule.circuit.steps, schedule.waits.tolist(), strict=True):
        left = list(before)
        for place, qubit in enumerate(step.qubits):
            pulse_ns = float(noise.one_qubit_ns[qubit])
            free = left[place] - len(pulses) * pulse_ns
            if pulse_ns <= 0 or free < _ROOM * len(pulses) * pulse_ns or step.condition:
                continue
            part = free / len(pulses)
            for at, axis in enumerate(pulses):
                # Y is X between turns of the frame, which take no time.
                if axis == "y":
                    steps.append(Step("z", (qubit,)))
                    waits.append((0.0, 0.0))
                steps.append(Step("x", (qubit,)))
                waits.append((part / 2 if at == 0 else part, 0.0))
            left[place] = part / 2
        steps.append(step)
        waits.append((left[0], left[1]))
    found = np.array(waits, dtype=np.float64).reshape(-1, 2)
    # A Z was put before the wait of its pulse, which it commutes with.
    return Timed(Steps(schedule.circuit.n_qubits, schedule.circuit.n_bits, steps), found)


def detuned(schedule: Timed, noise: Noise, detuning: npt.NDArray[np.float64], shift: npt.NDArray[np.float64]) -> Timed:
    """Phases that a machine picks up: ``detuning`` (n,) rad/ns all the time, ``shift`` (m, 2) rad with each coupler."""
    from phalanx.quantum.simulators import step_ns

    couplers = noise.couplers()
    steps: list[Step] = []
    waits: list[tuple[float, float]] = []

    def turn(angle: float, qubit: int) -> None:
        if angle:
            steps.append(Step("rz", (qubit,), (math.remainder(angle, 4 * math.pi),)))
            waits.append((0.0, 0.0))

    for step, (first, second) in zip(schedule.circuit.steps, schedule.waits.tolist(), strict=True):
        for qubit, wait in zip(step.qubits, (first, second), strict=False):
            turn(detuning[qubit] * wait, qubit)
        steps.append(step)
        waits.append((first, second))
        if step.name in (MEASURE, RESET):
            continue
        if len(step.qubits) == 2:
            coupler = couplers[step.qubits]
            took = step_ns(step, noise, couplers)
            for place, qubit in enumerate(step.qubits):
                turn(detuning[qubit] * took + (shift[coupler, place] if coupler >= 0 else 0.0), qubit)
    found = np.array(waits, dtype=np.float64).reshape(-1, 2)
    return Timed(Steps(schedule.circuit.n_qubits, schedule.circuit.n_bits, steps), found)
