"""Circuits of qubits on photons: each qubit is one photon in one of two modes (Knill, Laflamme and Milburn, 2001).

Gates on one qubit are beam splitters and phases. A CZ is one of two kinds:

- post-selected (Ralph et al., Phys. Rev. A 65, 062324): two empty modes, and one run in nine works. That it did is
  known only at the end, by one photon in each pair of modes; no later gate may put right by chance what went wrong.
- heralded (Knill, quant-ph/0110144): two photons more, and two runs in 27 work. The two photons say so at once.

A gate between two parts of the circuit that nothing else joins may be post-selected: how many photons a part has
changes through that gate alone, so a wrong number stays wrong until the end. All others are heralded.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from phalanx.core import Circuit, LimitExceeded
from phalanx.quantum._circuits import parse
from phalanx.quantum._errors import InvalidCircuit
from phalanx.quantum._gates import GATES
from phalanx.quantum._limits import MAX_MODES, MAX_PHOTONS
from phalanx.quantum.mapping import map_circuit
from phalanx.quantum.photonic._components import BeamSplitter, Component, PhaseShifter, interferometer
from phalanx.quantum.photonic._matrices import Matrix
from phalanx.quantum.photonic._program import Condition, Herald, PhotonicProgram

POSTSELECTED, HERALDED = Fraction(1, 9), Fraction(2, 27)
_THIRD = 2 * math.acos(math.sqrt(1 / 3))
_STILL = np.eye(2, dtype=np.complex128)


@dataclass(frozen=True, slots=True)
class OnPhotons:
    """A circuit as a program. ``success`` is how probable it is that perfect photons come through."""

    program: PhotonicProgram
    n_qubits: int
    postselected: int
    heralded: int

    @property
    def success(self) -> Fraction:
        return POSTSELECTED**self.postselected * HERALDED**self.heralded


def on_photons(circuit: Circuit) -> OnPhotons:
    """Raises ``InvalidCircuit`` for what photons cannot do, ``LimitExceeded`` for what needs too many of them."""
    n = circuit.n_qubits
    _check_room(n, 0, 0)
    measured = parse(circuit).measured
    if not measured:
        raise InvalidCircuit("measures nothing: there is no outcome to count")
    pairs = np.stack(np.triu_indices(n, 1), axis=1)
    mapped = parse(map_circuit(circuit, pairs, n, basis="cz", trials=1).circuit)
    if len(set(mapped.measured)) != len(mapped.measured):
        raise InvalidCircuit("measures a qubit twice: a photon is detected once")
    gates = [op.qubits for op in mapped.ops if op.name == "cz"]
    alone = _alone(n, gates)
    _check_room(n, sum(alone), len(gates) - sum(alone))
    made, at = _Rails(n), 0
    for op in mapped.ops:
        if op.name == "cz":
            made.cz(*op.qubits, heralded=not alone[at])
            at += 1
        else:
            made.turn(op.qubits[0], np.array(GATES[op.name].matrix(*op.params), np.complex128).reshape(2, 2))
    return OnPhotons(made.program(mapped.measured), n, sum(alone), len(gates) - sum(alone))


@dataclass(slots=True)
class _Rails:
    """Qubit q is a photon in mode 2q for 0 and 2q + 1 for 1; what gates need besides comes after."""

    n_qubits: int
    circuit: list[Component] = field(default_factory=list)
    heralds: list[Herald] = field(default_factory=list)
    modes: int = 0
    waiting: dict[int, Matrix] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.modes = 2 * self.n_qubits

    def turn(self, qubit: int, matrix: Matrix) -> None:
        """Gates on one qubit are put together until something else happens to it."""
        self.waiting[qubit] = matrix @ self.waiting.get(qubit, _STILL)

    def cz(self, first: int, second: int, *, heralded: bool) -> None:
        self._done((first, second))
        a, b, more = 2 * first, 2 * second, (self.modes, self.modes + 1)
        self.modes += 2
        if heralded:
            self.circuit.append(interferometer((a + 1, b + 1, *more), knill()))
            self.heralds += [Herald(mode=mode) for mode in more]
            return
        # Light where none should be tells that a gate failed, or that there were more photons than it was meant for.
        self.heralds += [Herald(mode=mode, photons=0) for mode in more]
        # The rails of 0 lose to the empty modes what those of 1 lose by meeting: every case is left with a third.
        self.circuit += [
            BeamSplitter(modes=(a, more[0]), theta=_THIRD, convention="h"),
            BeamSplitter(modes=(b, more[1]), theta=_THIRD, convention="h"),
            BeamSplitter(modes=(a + 1, b + 1), theta=_THIRD, convention="h"),
            PhaseShifter(mode=b + 1, phi=math.pi),
        ]

    def program(self, measured: Iterable[int]) -> PhotonicProgram:
        self._done(range(self.n_qubits))
        photons = [0] * self.modes
        for qubit in range(self.n_qubits):
            photons[2 * qubit] = 1
        for herald in self.heralds:
            photons[herald.mode] = herald.photons
        return PhotonicProgram(
            modes=self.modes, photons=tuple(photons), circuit=tuple(self.circuit), detectors="threshold",
            heralds=tuple(self.heralds),
            postselect=tuple(Condition(modes=(2 * q, 2 * q + 1), photons=(1,)) for q in range(self.n_qubits)),
            rails=tuple((2 * q, 2 * q + 1) for q in measured),
        )  # fmt: skip

    def _done(self, qubits: Iterable[int]) -> None:
        for qubit in qubits:
            matrix = self.waiting.pop(qubit, _STILL)
            if np.abs(matrix - _STILL).max() > 1e-12:
                self.circuit.append(interferometer((2 * qubit, 2 * qubit + 1), matrix))


def knill() -> Matrix:
    """(4, 4) on the rails of 1 of both qubits and two modes with a photon each, which come out as they went in."""
    two, six = math.sqrt(2), math.sqrt(6)
    plus, minus = math.sqrt(3 + six) / 3, math.sqrt(3 - six) / 3
    small = math.sqrt(1 / 6 - 1 / (3 * six))
    return np.array(
        [
            [-1 / 3, -two / 3, two / 3, 2 / 3],
            [two / 3, -1 / 3, -2 / 3, two / 3],
            [-plus, minus, -plus / two, small],
            [-minus, -plus, -small, -plus / two],
        ],
        np.complex128,
    )


def _alone(n_qubits: int, gates: list[tuple[int, ...]]) -> list[bool]:
    """Of each gate whether nothing else joins what it joins."""
    times = Counter(frozenset(gate) for gate in gates)
    return [times[frozenset(gate)] == 1 and not _joined(n_qubits, gates, gate) for gate in gates]


def _joined(n_qubits: int, gates: list[tuple[int, ...]], without: tuple[int, ...]) -> bool:
    """Whether the two qubits of a gate hang together by others."""
    part = list(range(n_qubits))

    def root(qubit: int) -> int:
        while part[qubit] != qubit:
            qubit = part[qubit]
        return qubit

    for a, b in gates:
        if {a, b} != set(without):
            part[root(a)] = root(b)
    return root(without[0]) == root(without[1])


def _check_room(n_qubits: int, postselected: int, heralded: int) -> None:
    hint = "take fewer qubits or two-qubit gates: a gate that closes a ring, or comes twice, needs two photons more"
    photons, modes = n_qubits + 2 * heralded, 2 * (n_qubits + postselected + heralded)
    if photons > MAX_PHOTONS:
        raise LimitExceeded("photons of one circuit", maximum=MAX_PHOTONS, seen=photons, hint=hint)
    if modes > MAX_MODES:
        raise LimitExceeded("modes of one circuit", maximum=MAX_MODES, seen=modes, hint=hint)
