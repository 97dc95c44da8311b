"""Circuits as the tapes that kernels run, on the qubits that anything happens to."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.quantum._canonical import BARRIER, MEASURE, RESET, Condition, Step, Steps, is_static
from phalanx.quantum._clifford import Word, clifford_word
from phalanx.quantum._gates import GATES, parts_of

GATE, MEASUREMENT, RESETTING, RELAXATION, MIX_ONE, MIX_TWO = range(6)
_CLIFFORD = {"x": 0, "z": 1, "h": 2, "s": 3, "cx": 4}


@dataclass(slots=True)
class Tape:
    """Entries under construction; ``arrays`` gives them to a kernel. See ``_kernels`` for what they mean."""

    n: int
    kind: list[int] = field(default_factory=list)
    target: list[int] = field(default_factory=list)
    other: list[int] = field(default_factory=list)
    controls: list[int] = field(default_factory=list)
    matrix: list[tuple[complex, complex, complex, complex]] = field(default_factory=list)
    value: list[tuple[float, float]] = field(default_factory=list)
    bit: list[int] = field(default_factory=list)
    when: list[int] = field(default_factory=list)
    conditions: dict[Condition, int] = field(default_factory=dict)

    def add(
        self, kind: int, target: int, *, other: int = 0, controls: int = 0, value: tuple[float, float] = (0.0, 0.0),
        matrix: tuple[complex, complex, complex, complex] = (1, 0, 0, 1), bit: int = -1, condition: Condition = (),
    ) -> None:  # fmt: skip
        """One entry; ``target`` and ``other`` are qubits."""
        self.kind.append(kind)
        self.target.append(self.n - 1 - target)
        self.other.append(self.n - 1 - other)
        self.controls.append(controls)
        self.matrix.append(matrix)
        self.value.append(value)
        self.bit.append(bit)
        self.when.append(self.conditions.setdefault(condition, len(self.conditions)) if condition else -1)

    def gate(self, step: Step) -> None:
        """A gate as controlled 2×2 matrices."""
        for name, places, params in parts_of(step.name, step.params):
            *controls, target = (step.qubits[place] for place in places)
            mask = sum(1 << (self.n - 1 - control) for control in controls)
            matrix = GATES[name].matrix(*params)
            self.add(GATE, target, controls=mask, matrix=matrix, condition=step.condition)

    def steps(self, steps: Iterable[Step]) -> None:
        """Steps without noise."""
        for step in steps:
            if step.name == MEASURE:
                self.add(MEASUREMENT, step.qubits[0], bit=step.bit, condition=step.condition)
            elif step.name == RESET:
                self.add(RESETTING, step.qubits[0], condition=step.condition)
            elif step.name != BARRIER:
                self.gate(step)

    def arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """kind, target, other, controls, matrix, value, bit, when."""
        return (
            np.array(self.kind, dtype=np.int64), np.array(self.target, dtype=np.int64),
            np.array(self.other, dtype=np.int64), np.array(self.controls, dtype=np.int64),
            np.array(self.matrix, dtype=np.complex128).reshape(-1, 2, 2),
            np.array(self.value, dtype=np.float64).reshape(-1, 2), np.array(self.bit, dtype=np.int64),
            np.array(self.when, dtype=np.int64),
        )  # fmt: skip


def condition_arrays(conditions: Iterable[Condition]) -> tuple[npt.NDArray[Any], ...]:
    """starts, bits, wanted."""
    starts, bits, wanted = [0], [], []
    for condition in conditions:
        bits += [bit for bit, _ in condition]
        wanted += [value for _, value in condition]
        starts.append(len(bits))
    return np.array(starts, dtype=np.int64), np.array(bits, dtype=np.int64), np.array(wanted, dtype=np.uint8)


def compact(steps: Steps) -> tuple[Steps, list[int]]:
    """The same on the qubits that anything happens to, counted anew; and which those were."""
    active = sorted({qubit for step in steps.steps if step.name != BARRIER for qubit in step.qubits}) or [0]
    place = {qubit: at for at, qubit in enumerate(active)}
    moved = [step._replace(qubits=tuple(place[q] for q in step.qubits)) for step in steps.steps if step.name != BARRIER]
    return Steps(len(active), steps.n_bits, moved), active


def finals(steps: list[Step]) -> tuple[list[Step], list[tuple[int, int]]]:
    """Where all measurements are final: the rest, and (qubit, bit) of each; else everything, and none."""
    if not is_static(steps):
        return steps, []
    rest = [step for step in steps if step.name != MEASURE]
    return rest, [(step.qubits[0], step.bit) for step in steps if step.name == MEASURE]


def clifford_tape(steps: list[Step]) -> tuple[tuple[npt.NDArray[Any], ...], bool] | None:
    """kind, first, second, bit, when, starts, bits, wanted; whether only Paulis are decided. None: not Clifford."""
    known: dict[tuple[str, tuple[float, ...]], Word | None] = {}
    conditions: dict[Condition, int] = {}
    rows: list[tuple[int, int, int, int, int]] = []
    paulis = True
    for step in steps:
        when = conditions.setdefault(step.condition, len(conditions)) if step.condition else -1
        if step.name in (MEASURE, RESET):
            paulis = paulis and when < 0
            rows.append((5 if step.name == MEASURE else 6, step.qubits[0], 0, step.bit, when))
            continue
        if step.name == BARRIER:
            continue
        key = (step.name, step.params)
        if key not in known:
            known[key] = clifford_word(*key)
        word = known[key]
        if word is None:
            return None
        for gate, on in word:
            paulis = paulis and (when < 0 or gate in ("x", "z"))
            second = step.qubits[on[1]] if len(on) > 1 else 0
            rows.append((_CLIFFORD[gate], step.qubits[on[0]], second, -1, when))
    table = np.array(rows, dtype=np.int64).reshape(-1, 5)
    columns = tuple(np.ascontiguousarray(table[:, at]) for at in range(5))
    return (*columns, *condition_arrays(conditions)), paulis
