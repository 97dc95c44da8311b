"""A routed circuit as pulses, turns about axes in the equator: one where there were several gates on a qubit.

Machines that change phases by shifting the frame of what follows have no gate about z: such turns are kept until the
next pulse, whose axis they move, and are dropped before a measurement, which does not see them.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phalanx.core import Circuit
from phalanx.quantum._arrays import steps_of
from phalanx.quantum._canonical import BARRIER, MEASURE, Step, is_static
from phalanx.quantum._errors import InvalidCircuit
from phalanx.quantum._gates import GATES
from phalanx.quantum.mapping._native import turns

_CLOSE = 1e-10


@dataclass(frozen=True, slots=True)
class Pulse:
    """One qubit turned by ``angle`` about the axis at ``phase`` from x in the equator; with two qubits, a cz."""

    qubits: tuple[int, ...]
    angle: float = 0.0
    phase: float = 0.0


def to_pulses(circuit: Circuit) -> tuple[list[Pulse], tuple[int, ...]]:
    """Pulses of a circuit in one-qubit gates and cz, up to a global phase; and the qubit that each bit is read from.

    Raises ``InvalidCircuit`` for other gates, and for what measures in between, resets or decides.
    """
    steps = steps_of(circuit)
    if not is_static(steps.steps):
        raise InvalidCircuit("pulses hold no resets, conditions or measurements in between")
    writer, measured = _Writer(steps.n_qubits), [-1] * steps.n_bits
    for step in steps.steps:
        if step.name == MEASURE:
            measured[step.bit] = step.qubits[0]
        elif len(step.qubits) == 1 and step.name != BARRIER:
            writer.turn(step)
        elif step.name == "cz":
            writer.join(step.qubits)
        elif step.name != BARRIER:
            raise InvalidCircuit(f"pulses hold no {step.name}: map the circuit to cz first")
    if -1 in measured:
        raise InvalidCircuit(f"bit {measured.index(-1)} is never written")
    return writer.finished(), tuple(measured)


class _Writer:
    """Joins one-qubit gates, and keeps each qubit's frame."""

    def __init__(self, n_qubits: int) -> None:
        self._found: list[Pulse] = []
        self._pending: dict[int, npt.NDArray[np.complex128]] = {}
        self._frame = [0.0] * n_qubits

    def turn(self, step: Step) -> None:
        (qubit,) = step.qubits
        matrix = np.array(GATES[step.name].matrix(*step.params), dtype=np.complex128).reshape(2, 2)
        self._pending[qubit] = matrix @ self._pending[qubit] if qubit in self._pending else matrix

    def join(self, qubits: tuple[int, ...]) -> None:
        for qubit in qubits:
            self._flush(qubit)
        self._found.append(Pulse(qubits))

    def finished(self) -> list[Pulse]:
        for qubit in sorted(self._pending):
            self._flush(qubit)
        return self._found

    def _flush(self, qubit: int) -> None:
        matrix = self._pending.pop(qubit, None)
        if matrix is None:
            return
        theta, after, before, _ = turns(matrix)
        self._frame[qubit] += before
        if theta > _CLOSE:
            phase = math.remainder(math.pi / 2 - self._frame[qubit], 2 * math.pi) + 0.0
            self._found.append(Pulse((qubit,), theta, phase))
        self._frame[qubit] += after
