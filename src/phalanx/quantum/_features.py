"""What can be said of a circuit without running it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phalanx.core import Circuit
from phalanx.quantum._arrays import GateArray, steps_of
from phalanx.quantum._canonical import BARRIER, MEASURE, RESET, Step, Steps, is_static
from phalanx.quantum._circuits import Gates
from phalanx.quantum._clifford import is_clifford

# What a three-qubit gate comes to in the usual decomposition: two-qubit and one-qubit gates, and its depth.
_WIDE = {"ccx": (6, 9, 11), "ccz": (6, 7, 11), "cswap": (8, 9, 13)}


@dataclass(frozen=True, slots=True, eq=False)
class CircuitFeatures:
    """Counts of a circuit. A three-qubit gate counts as the two- and one-qubit gates that it is usually made of.

    ``pairs`` (k, 2) int32 are the pairs of qubits that interact, smaller first, in order; ``pair_counts`` (k,) how
    often. ``depth`` counts every step but barriers, ``two_qubit_depth`` those on several qubits only. ``n_active`` are
    the qubits that any step touches.
    """

    n_qubits: int
    n_bits: int
    n_active: int
    depth: int
    two_qubit_depth: int
    n_one: int
    n_two: int
    n_three: int
    n_measured: int
    n_resets: int
    pairs: npt.NDArray[np.int32]
    pair_counts: npt.NDArray[np.int64]
    is_clifford: bool
    has_mid_circuit: bool
    has_feed_forward: bool
    family: str | None = None


def features(circuit: "Circuit | Gates | Steps | GateArray") -> CircuitFeatures:
    """The features of a circuit in any of its forms."""
    steps = steps_of(circuit)
    depths = _Depths(steps.n_qubits, steps.n_bits)
    known: dict[tuple[str, tuple[float, ...]], bool] = {}
    pairs: dict[tuple[int, int], int] = {}
    one = two = three = measured = resets = 0
    clifford = True
    for step in steps.steps:
        depths.add(step)
        name, qubits = step.name, step.qubits
        if name == MEASURE:
            measured += 1
        elif name == RESET:
            resets += 1
        elif name != BARRIER:
            key = (name, step.params)
            if clifford:
                if key not in known:
                    known[key] = is_clifford(name, step.params)
                clifford = known[key]
            if len(qubits) == 1:
                one += 1
            elif len(qubits) == 2:
                two += 1
                _count(pairs, qubits[0], qubits[1], 1)
            else:
                three += 1
                n_two, n_one, _ = _WIDE[name]
                two, one = two + n_two, one + n_one
                a, b, c = qubits
                for first, second in ((a, b), (a, c), (b, c)):
                    _count(pairs, first, second, 2)
                if name == "cswap":
                    _count(pairs, b, c, 2)
    in_order = sorted(pairs)
    return CircuitFeatures(
        n_qubits=steps.n_qubits,
        n_bits=steps.n_bits,
        n_active=sum(level > 0 for level in depths.qubits),
        depth=max(depths.qubits),
        two_qubit_depth=max(depths.wide),
        n_one=one,
        n_two=two,
        n_three=three,
        n_measured=measured,
        n_resets=resets,
        pairs=np.array(in_order, dtype=np.int32).reshape(-1, 2),
        pair_counts=np.array([pairs[pair] for pair in in_order], dtype=np.int64),
        is_clifford=clifford,
        has_mid_circuit=not is_static(step._replace(condition=()) for step in steps.steps),
        has_feed_forward=any(step.condition for step in steps.steps),
    )


class _Depths:
    """The level that each qubit and each bit has reached."""

    def __init__(self, n_qubits: int, n_bits: int) -> None:
        self.qubits = [0] * n_qubits
        self.wide = [0] * n_qubits
        self._bits = [0] * n_bits

    def add(self, step: Step) -> None:
        qubits = step.qubits
        level = max([self.qubits[qubit] for qubit in qubits])
        if step.name == BARRIER:
            # What follows begins together; a qubit that nothing has touched stays untouched.
            for qubit in qubits:
                if self.qubits[qubit]:
                    self.qubits[qubit] = level
            return
        for bit, _ in step.condition:
            level = max(level, self._bits[bit])
        level += _WIDE[step.name][2] if len(qubits) == 3 else 1
        for qubit in qubits:
            self.qubits[qubit] = level
        if step.bit >= 0:
            self._bits[step.bit] = level
        if len(qubits) > 1:
            wide = max([self.wide[qubit] for qubit in qubits]) + (_WIDE[step.name][0] if len(qubits) == 3 else 1)
            for qubit in qubits:
                self.wide[qubit] = wide


def _count(pairs: dict[tuple[int, int], int], first: int, second: int, n: int) -> None:
    pair = (first, second) if first < second else (second, first)
    pairs[pair] = pairs.get(pair, 0) + n
