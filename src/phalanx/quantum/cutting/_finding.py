"""Where to cut: the wires and gates whose cutting costs least and leaves pieces that fit, found by annealing.

A node is one end of a two-qubit gate. Nodes that follow each other on a qubit are joined by its wire, the two of a gate
by the gate; each node belongs to a piece, and what joins nodes of different pieces is cut. A piece needs as many qubits
as there are unbroken runs of its nodes along qubits.
"""

import itertools
import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from phalanx.core import Circuit, InvalidInput, LimitExceeded, Rng
from phalanx.quantum._arrays import steps_of
from phalanx.quantum._canonical import BARRIER, MEASURE, Step, is_static
from phalanx.quantum.cutting._decomposing import (
    WIRE_WEIGHT,
    Floats,
    cuttable,
    gate_turn,
    size_of,
    turn_weights,
    wire_weights,
)
from phalanx.quantum.cutting._limits import MAX_CUT_GATES, MAX_CUT_OVERHEAD, MAX_CUTS, SEARCH_ROUNDS

Ints = npt.NDArray[np.int64]
_FAR = 1e4


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut: ``kind`` is ``gate`` or ``wire``, ``where`` says it to people, ``weights`` as of the decomposition."""

    kind: str
    where: str
    weights: Floats = field(repr=False)

    @property
    def overhead(self) -> float:
        return size_of(self.weights) ** 2


@dataclass(frozen=True, slots=True)
class CutPlan:
    """A circuit in pieces. ``labels`` (gates, 2) is the piece of each end of each two-qubit gate.

    ``overhead`` is how many times as many shots the same precision needs as without cuts.
    """

    n_qubits: int
    max_qubits: int
    steps: tuple[Step, ...] = field(repr=False)
    labels: Ints = field(repr=False)
    cuts: tuple[Cut, ...]
    widths: tuple[int, ...]

    @property
    def overhead(self) -> float:
        return math.prod(cut.overhead for cut in self.cuts)

    def told(self) -> str:
        if len(self.widths) == 1:
            return f"it fits as it is: {self.n_qubits} qubits"
        into = f"{len(self.widths)} pieces of {', '.join(map(str, self.widths))} qubits"
        if not self.cuts:
            return f"it falls into {into} by itself"
        counts = {kind: sum(cut.kind == kind for cut in self.cuts) for kind in ("gate", "wire")}
        kinds = [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items() if count]
        return f"{into} by cutting {' and '.join(kinds)}; the same precision needs {self.overhead:,.4g} times the shots"


def find_cuts(circuit: Circuit, max_qubits: int, *, seed: int = 1, force: bool = False) -> CutPlan:
    """Pieces of at most ``max_qubits``, at the least overhead that is found.

    Raises ``LimitExceeded`` where that is above its bound and not ``force``\\ d: nothing has been paid then.
    """
    steps = steps_of(circuit)
    if not is_static(steps.steps):
        raise InvalidInput("circuit", "what measures in between, resets or decides is not cut")
    if max_qubits < 2 and steps.n_qubits > 1:
        raise InvalidInput("max_qubits", "pieces have two qubits at least")
    gates = cuttable([step for step in steps.steps if step.name not in (MEASURE, BARRIER)])
    twos = [step for step in gates if len(step.qubits) == 2]
    if len(twos) > MAX_CUT_GATES:
        raise LimitExceeded("two-qubit gates of a circuit to cut", maximum=MAX_CUT_GATES, seen=len(twos))
    search = _Search(steps.n_qubits, twos, max_qubits)
    labels = search.best(Rng(seed).child("cuts"))
    cuts = _cuts(twos, labels, search)
    plan = CutPlan(steps.n_qubits, max_qubits, tuple(gates), labels, cuts, search.widths(labels))
    if len(cuts) > MAX_CUTS:
        raise LimitExceeded("cuts of a circuit", maximum=MAX_CUTS, seen=len(cuts), hint="allow wider pieces")
    if plan.overhead > MAX_CUT_OVERHEAD and not force:
        raise LimitExceeded(
            "times as many shots for a circuit that is cut", maximum=int(MAX_CUT_OVERHEAD),
            seen=int(min(plan.overhead, 1e18)), hint="allow wider pieces, or force it",
        )  # fmt: skip
    return plan


class _Search:
    """Labels of nodes, and what they cost. Node 2·g + side is that end of gate g."""

    def __init__(self, n_qubits: int, twos: list[Step], max_qubits: int) -> None:
        self._n, self._max = n_qubits, max_qubits
        self._gates = np.arange(2 * len(twos)).reshape(-1, 2)
        self._price = np.array([2 * math.log(size_of(weights_of(step))) for step in twos])
        self.lines: list[list[int]] = [[] for _ in range(n_qubits)]
        for at, step in enumerate(twos):
            for side, qubit in enumerate(step.qubits):
                self.lines[qubit].append(2 * at + side)
        self.wires = np.array(
            [pair for line in self.lines for pair in itertools.pairwise(line)], dtype=np.int64
        ).reshape(-1, 2)
        self._first = np.array([line[0] for line in self.lines if line], dtype=np.int64)
        self._idle = sum(not line for line in self.lines)

    def widths(self, labels: Ints) -> tuple[int, ...]:
        flat = labels.reshape(-1)
        counts = self._counted(flat, int(flat.max(initial=0)) + 1)
        spare = counts.tolist()
        # A qubit that meets no other is put where there is room.
        for _ in range(self._idle):
            least = int(np.argmin(spare)) if spare else 0
            if not spare or spare[least] >= self._max:
                spare.append(1)
            else:
                spare[least] += 1
        return tuple(int(one) for one in spare if one)

    def best(self, rng: Rng) -> Ints:
        """(gates, 2). The cheapest found that fits."""
        if self._n <= self._max or not len(self._gates):
            return np.zeros_like(self._gates)
        least = math.ceil(self._n / self._max)
        found: tuple[float, Ints] | None = None
        for pieces in (least, least + 1, least + 2):
            cost, labels = self._annealed(pieces, rng.child(str(pieces)))
            if found is None or cost < found[0] - 1e-9:
                found = cost, labels
        assert found is not None
        if self._excess(found[1], int(found[1].max()) + 1):
            raise LimitExceeded("qubits of the widest piece", maximum=self._max, seen=max(self.widths(found[1])),
                                hint="no way was found to cut it to that")  # fmt: skip
        names = {label: at for at, label in enumerate(dict.fromkeys(found[1].tolist()))}
        return np.array([names[label] for label in found[1].tolist()], dtype=np.int64).reshape(-1, 2)

    def _counted(self, flat: Ints, pieces: int) -> Ints:
        counts = np.bincount(flat[self._first], minlength=pieces)
        if len(self.wires):
            begins = flat[self.wires[:, 1]]
            counts = counts + np.bincount(begins[begins != flat[self.wires[:, 0]]], minlength=pieces)
        return np.asarray(counts, dtype=np.int64)

    def _excess(self, flat: Ints, pieces: int) -> int:
        return int(np.maximum(self._counted(flat, pieces) - self._max, 0).sum())

    def _cost(self, flat: Ints, pieces: int) -> float:
        cut = flat[self._gates[:, 0]] != flat[self._gates[:, 1]]
        broken = int((flat[self.wires[:, 0]] != flat[self.wires[:, 1]]).sum()) if len(self.wires) else 0
        price = float(self._price[cut].sum()) + broken * 2 * math.log(WIRE_WEIGHT)
        return price + _FAR * self._excess(flat, pieces)

    def _annealed(self, pieces: int, rng: Rng) -> tuple[float, Ints]:
        """From qubits in their order: whole qubits, and ends of their lines, change pieces."""
        draw = rng.numpy()
        qubits = [line for line in self.lines if line]
        flat = np.zeros(2 * len(self._gates), dtype=np.int64)
        for at, line in enumerate(qubits):
            flat[line] = min(pieces - 1, at * pieces // len(qubits))
        cost = self._cost(flat, pieces)
        best, least = flat.copy(), cost
        rounds = min(SEARCH_ROUNDS, 200 * len(flat))
        for step in range(rounds):
            heat = 6.0 * (1 - step / rounds) ** 2 + 1e-3
            moved = flat.copy()
            line = qubits[int(draw.integers(len(qubits)))]
            kind = int(draw.integers(4))
            if kind == 0:
                moved[line] = draw.integers(pieces)
            elif kind == 1:
                other = qubits[int(draw.integers(len(qubits)))]
                moved[line], moved[other] = flat[other[0]], flat[line[0]]
            else:
                place = int(draw.integers(len(line)))
                moved[line[place:] if kind == 2 else line[: place + 1]] = draw.integers(pieces)
            now = self._cost(moved, pieces)
            if now <= cost or draw.random() < math.exp((cost - now) / heat):
                flat, cost = moved, now
                if cost < least - 1e-12:
                    best, least = flat.copy(), cost
        return least, best


def weights_of(step: Step) -> Floats:
    """The weights of a gate that is cut."""
    turn = gate_turn(step.name, step.params)
    assert turn is not None, "the steps were made cuttable"
    return turn_weights(turn[1])


def _cuts(twos: list[Step], labels: Ints, search: _Search) -> tuple[Cut, ...]:
    """Gates first, in order, then wires in order of their qubits."""
    found = [
        Cut("gate", f"gate {at + 1}, {step.name} on {step.qubits[0]} and {step.qubits[1]}", weights_of(step))
        for at, (step, (one, other)) in enumerate(zip(twos, labels.tolist(), strict=True))
        if one != other
    ]
    flat = labels.reshape(-1)
    for qubit, line in enumerate(search.lines):
        found += [
            Cut("wire", f"qubit {qubit} before two-qubit gate {after // 2 + 1}", wire_weights())
            for before, after in itertools.pairwise(line)
            if flat[before] != flat[after]
        ]
    return tuple(found)
