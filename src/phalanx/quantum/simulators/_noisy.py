"""What noise adds to a mapped circuit: relaxation while gates run and while qubits wait, and depolarisation on top.

A gate's error is what its calibration says in all: of it, relaxation during the gate explains a part, and
depolarisation the rest, as in Qiskit Aer's model of devices. Times are as late as possible.
"""

import math

import numpy as np

from phalanx.quantum._arrays import gate_array
from phalanx.quantum._canonical import BARRIER, MEASURE, RESET, Step, Steps
from phalanx.quantum.mapping import FRAME_GATES, Noise
from phalanx.quantum.mapping._noise import timeline
from phalanx.quantum.simulators._tape import MEASUREMENT, MIX_ONE, MIX_TWO, RELAXATION, RESETTING, Tape


def noisy_tape(
    steps: Steps, noise: Noise, *, density: bool, waits: "np.typing.NDArray[np.float64] | None" = None
) -> tuple[Tape, list[tuple[int, int]], list[float]]:
    """The tape, the final measurements (qubit, bit), and how often each is read wrongly.

    A relaxation's second value is the chance of a phase flip, and for a density matrix what is left of the coherence.
    ``waits`` (k, 2) is how long each step's qubits have waited, in ns; without it steps run as late as possible.
    """
    from phalanx.quantum.mapping._kernels import idle_times
    from phalanx.quantum.simulators._tape import finals

    couplers = noise.couplers()
    kinds, first, second, _ = timeline(gate_array(steps))
    durations = np.array([step_ns(step, noise, couplers) for step in steps.steps])
    idle = np.zeros((len(steps.steps), 2)) if waits is None else waits
    if waits is None:
        idle_times(kinds, first, second, durations, noise.n_qubits, idle)
    _, last = finals(steps.steps)
    tape = Tape(steps.n_qubits)
    for at, step in enumerate(steps.steps):
        if step.name == BARRIER:
            continue
        for place, qubit in enumerate(step.qubits):
            _relax(tape, qubit, float(idle[at, place]), noise, density=density)
        if step.name == MEASURE:
            if not last:
                wrong = (float(noise.readout_error[step.qubits[0]]), 0.0)
                tape.add(MEASUREMENT, step.qubits[0], bit=step.bit, value=wrong, condition=step.condition)
            continue
        if step.name == RESET:
            tape.add(RESETTING, step.qubits[0], condition=step.condition)
            continue
        tape.gate(step)
        if step.name not in FRAME_GATES:
            _gate_noise(tape, step, float(durations[at]), noise, couplers, density=density)
    return tape, last, [float(noise.readout_error[qubit]) for qubit, _ in last]


def step_ns(step: Step, noise: Noise, couplers: "np.typing.NDArray[np.int32]") -> float:
    """How long a step takes; ``couplers`` as of ``Noise.couplers``."""
    if step.name == BARRIER or step.name in FRAME_GATES:
        return 0.0
    if step.name in (MEASURE, RESET):
        return float(noise.readout_ns[step.qubits[0]])
    if len(step.qubits) == 1:
        return float(noise.one_qubit_ns[step.qubits[0]])
    coupler = couplers[step.qubits]
    return float(noise.two_qubit_ns[coupler]) if coupler >= 0 else 0.0


def _relax(tape: Tape, qubit: int, time_ns: float, noise: Noise, *, density: bool) -> None:
    if time_ns <= 0:
        return
    damping = -math.expm1(-time_ns / noise.t1_ns[qubit])
    kept = math.exp(-time_ns / noise.t2_ns[qubit])
    flip = max(0.0, (1 - kept / math.sqrt(1 - damping)) / 2) if damping < 1 else 0.0
    if damping > 0 or kept < 1:
        tape.add(RELAXATION, qubit, value=(damping, kept if density else flip))


def depolarisation(step: Step, time_ns: float, noise: Noise, couplers: "np.typing.NDArray[np.int32]") -> float:
    """The share of a gate's state that is lost beyond what relaxation during the gate explains; may be negative."""
    kept = [
        (1 + math.exp(-time_ns / noise.t1_ns[q]) + 2 * math.exp(-time_ns / noise.t2_ns[q])) / 4 for q in step.qubits
    ]
    size = 1 << len(step.qubits)
    fidelity = (size * math.prod(kept) + 1) / (size + 1)
    if len(step.qubits) == 1:
        error = float(noise.one_qubit_error[step.qubits[0]])
    else:
        coupler = couplers[step.qubits]
        error = float(noise.two_qubit_error[coupler]) if coupler >= 0 else 0.0
    error = min(error, size / (size + 1))
    return size * (error - (1 - fidelity)) / (size * fidelity - 1)


def _gate_noise(
    tape: Tape, step: Step, time_ns: float, noise: Noise, couplers: "np.typing.NDArray[np.int32]", *, density: bool
) -> None:
    """After the gate: depolarisation, then relaxation for as long as the gate took."""
    lost = depolarisation(step, time_ns, noise, couplers)
    if lost > 0:
        kind = MIX_ONE if len(step.qubits) == 1 else MIX_TWO
        tape.add(kind, step.qubits[0], other=step.qubits[-1], value=(min(lost, 1.0), 0.0))
    for qubit in step.qubits:
        _relax(tape, qubit, time_ns, noise, density=density)
