"""A plan's pieces on qubits of their own, with slots where cuts were, and every circuit that fills the slots."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from phalanx.quantum._canonical import Step, Steps
from phalanx.quantum._observables import into_z
from phalanx.quantum.cutting._decomposing import ENDS, SIDES, STARTS, gate_turn, side_steps, start_steps
from phalanx.quantum.cutting._finding import CutPlan

NAMES = {"side": SIDES, "end": ENDS, "start": STARTS}


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a cut leaves a piece something to do: ``kind`` of ``NAMES``, on a qubit of the piece."""

    kind: str
    qubit: int
    cut: int
    right: bool


@dataclass(slots=True)
class Piece:
    """A part of the circuit. ``holds`` says which of the piece's qubits a whole qubit ends on."""

    steps: list["Step | Slot"] = field(default_factory=list)
    n_qubits: int = 0
    holds: dict[int, int] = field(default_factory=dict)

    @property
    def slots(self) -> list[Slot]:
        return [step for step in self.steps if isinstance(step, Slot)]


@dataclass(frozen=True, slots=True)
class Setting:
    """One circuit of a piece, and the bits whose parity counts."""

    steps: Steps
    bits: tuple[int, ...]


class TakingApart:
    """Goes through a plan's steps, and knows on which piece and which of its qubits each qubit is at the moment."""

    def __init__(self, plan: CutPlan) -> None:
        self._plan = plan
        self._pieces = [Piece() for _ in range(int(plan.labels.max(initial=0)) + 1)]
        self._wires = _wire_numbers(plan, sum(cut.kind == "gate" for cut in plan.cuts))
        self._where: dict[int, tuple[int, int]] = {}
        self._first: dict[int, int] = {}
        twos = (step for step in plan.steps if len(step.qubits) == 2)
        for step, labels in zip(twos, plan.labels.tolist(), strict=True):
            for qubit, label in zip(step.qubits, labels, strict=True):
                self._first.setdefault(qubit, label)

    def pieces(self) -> list[Piece]:
        """Each piece with its steps. For one call."""
        two = cuts = 0
        for step in self._plan.steps:
            if len(step.qubits) == 1:
                self._put(step.qubits[0], step.name, step.params)
                continue
            for side, qubit in enumerate(step.qubits):
                self._move(qubit, int(self._plan.labels[two, side]), two)
            (one, at), (other, beside) = (self._where[qubit] for qubit in step.qubits)
            if one == other:
                self._pieces[one].steps.append(step._replace(qubits=(at, beside)))
            else:
                self._cut(step, cuts)
                cuts += 1
            two += 1
        for qubit in range(self._plan.n_qubits):
            label, place = self._at(qubit)
            self._pieces[label].holds[qubit] = place
        return [piece for piece in self._pieces if piece.n_qubits]

    def _cut(self, step: Step, number: int) -> None:
        turn = gate_turn(step.name, step.params)
        assert turn is not None, "only what can be cut is"
        for name, side, params in turn[0]:
            self._put(step.qubits[side], name, params)
        for side, qubit in enumerate(step.qubits):
            label, place = self._where[qubit]
            self._pieces[label].steps.append(Slot("side", place, number, right=bool(side)))
        for name, side, params in turn[2]:
            self._put(step.qubits[side], name, params)

    def _move(self, qubit: int, wanted: int, two: int) -> None:
        """End a qubit's wire in its piece and begin it anew in another, where that is not the one it is in."""
        label, place = self._at(qubit)
        if label != wanted:
            cut = self._wires[qubit, two]
            self._pieces[label].steps.append(Slot("end", place, cut, right=False))
            fresh = self._begin(qubit, wanted)
            self._pieces[wanted].steps.append(Slot("start", fresh, cut, right=True))

    def _put(self, qubit: int, name: str, params: tuple[float, ...]) -> None:
        label, place = self._at(qubit)
        self._pieces[label].steps.append(Step(name, (place,), params))

    def _at(self, qubit: int) -> tuple[int, int]:
        if qubit not in self._where:
            idle = min(range(len(self._pieces)), key=lambda one: self._pieces[one].n_qubits)
            self._begin(qubit, self._first.get(qubit, idle))
        return self._where[qubit]

    def _begin(self, qubit: int, label: int) -> int:
        place = self._pieces[label].n_qubits
        self._pieces[label].n_qubits += 1
        self._where[qubit] = (label, place)
        return place


def settings_of(piece: Piece, letters: dict[int, str]) -> Iterator[tuple[Setting, tuple[int, ...]]]:
    """Every circuit of a piece with its place: signs first among the bits, then ends of wires, then what is asked."""
    slots = piece.slots
    for at in itertools.product(*(range(len(NAMES[slot.kind])) for slot in slots)):
        steps: list[Step] = []
        asked: dict[int, str] = {}
        bits = 0
        turn = iter(at)
        for step in piece.steps:
            if not isinstance(step, Slot):
                steps.append(step)
                continue
            what = NAMES[step.kind][next(turn)]
            if step.kind == "side":
                steps += side_steps(what, step.qubit, bits)
                bits += what == "sign"
            elif step.kind == "start":
                steps += start_steps(what, step.qubit)
            elif what != "i":
                asked[step.qubit] = what.upper()
        asked |= letters
        steps += [Step(op.name, op.qubits, op.params) for op in into_z(asked)]
        steps += [Step("measure", (qubit,), bit=bits + place) for place, qubit in enumerate(asked)]
        n_bits = bits + len(asked)
        yield Setting(Steps(piece.n_qubits, n_bits, steps), tuple(range(n_bits))), at


def _wire_numbers(plan: CutPlan, first: int) -> dict[tuple[int, int], int]:
    """The number of the cut of a qubit's wire before its two-qubit gate: by qubits, as the plan lists them."""
    lines: dict[int, list[tuple[int, int]]] = {}
    twos = [step for step in plan.steps if len(step.qubits) == 2]
    for at, step in enumerate(twos):
        for side, qubit in enumerate(step.qubits):
            lines.setdefault(qubit, []).append((at, int(plan.labels[at, side])))
    found: dict[tuple[int, int], int] = {}
    for qubit in sorted(lines):
        for (_, before), (at, after) in itertools.pairwise(lines[qubit]):
            if before != after:
                found[qubit, at] = first + len(found)
    return found
