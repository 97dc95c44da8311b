"""Whether two circuits do the same, by the strongest way that their size allows."""

from dataclasses import dataclass

import numpy as np

from phalanx.core import Circuit, Rng
from phalanx.quantum._arrays import GateArray, steps_of
from phalanx.quantum._canonical import BARRIER, MEASURE, Step, Steps, is_static
from phalanx.quantum._circuits import Gates
from phalanx.quantum._errors import TooWide
from phalanx.quantum._unitary import overlap, unitary

_UNITARY_QUBITS = 9
_RANDOM_QUBITS = 20
_RANDOM_INPUTS = 3
_SHOTS = 4_096
_TOLERANCE = 1e-7


@dataclass(frozen=True, slots=True)
class Equivalence:
    """``how``: ``text``, ``unitary`` (exact), ``tableau`` (exact), ``random inputs`` or ``samples``."""

    equal: bool
    how: str
    detail: str


def equivalent(
    first: "Circuit | Gates | GateArray", second: "Circuit | Gates | GateArray", *, seed: int = 1
) -> Equivalence:
    """Compare up to a global phase, which bit each qubit is measured into included.

    Exact by unitary up to 9 qubits and by tableau for Clifford circuits of any width; random inputs up to 20 qubits;
    circuits that decide or reset are compared by samples. Raises ``TooWide`` for what is wider.
    """
    a, b = steps_of(first), steps_of(second)
    if a == b:
        return Equivalence(equal=True, how="text", detail="the same steps")
    if not (is_static(a.steps) and is_static(b.steps)):
        return _by_samples(a, b, seed)
    if _measured(a) != _measured(b):
        return Equivalence(equal=False, how="text", detail="other qubits are measured, or into other bits")
    n = max(a.n_qubits, b.n_qubits)
    gates = [[step for step in one.steps if step.name not in (MEASURE, BARRIER)] for one in (a, b)]
    used = sorted({qubit for side in gates for step in side for qubit in step.qubits}) or [0]
    place = {qubit: at for at, qubit in enumerate(used)}
    gates = [[step._replace(qubits=tuple(place[q] for q in step.qubits)) for step in side] for side in gates]
    n = len(used)
    if n <= _UNITARY_QUBITS:
        one, two = (unitary(n, [(step.name, step.qubits, step.params) for step in side]) for side in gates)
        same = overlap(one, two)
        return Equivalence(equal=same > 1 - _TOLERANCE, how="unitary", detail=f"overlap {same:.12f} on {n} qubits")
    tables = [_tableau(n, side) for side in gates]
    if tables[0] is not None and tables[1] is not None:
        same_table = all(np.array_equal(x, y) for x, y in zip(tables[0], tables[1], strict=True))
        return Equivalence(equal=same_table, how="tableau", detail=f"stabilisers of {n} qubits")
    if n > _RANDOM_QUBITS:
        raise TooWide(n, maximum=_RANDOM_QUBITS, hint="wider circuits are compared where their gates are Clifford")
    return _by_inputs(n, gates, seed)


def _measured(steps: Steps) -> list[tuple[int, int]]:
    return sorted((step.bit, step.qubits[0]) for step in steps.steps if step.name == MEASURE)


def _by_inputs(n: int, gates: list[list[Step]], seed: int) -> Equivalence:
    """The same random product states through both."""
    from phalanx.quantum.simulators._kernels import evolve
    from phalanx.quantum.simulators._tape import Tape

    rng = Rng(seed).child("equivalence")
    worst = 1.0
    for _ in range(_RANDOM_INPUTS):
        before = [Step("u3", (q,), tuple(rng.uniform(-3, 3) for _ in range(3))) for q in range(n)]
        states = []
        for side in gates:
            tape = Tape(n)
            tape.steps([*before, *side])
            _, target, _, controls, matrix, *_ = tape.arrays()
            state = np.zeros(1 << n, dtype=np.complex128)
            state[0] = 1
            evolve(state, target, controls, matrix)
            states.append(state)
        worst = min(worst, overlap(*states))
    detail = f"least overlap {worst:.12f} of {_RANDOM_INPUTS} random inputs on {n} qubits"
    return Equivalence(equal=worst > 1 - _TOLERANCE, how="random inputs", detail=detail)


def _tableau(n: int, steps: list[Step]) -> tuple[np.typing.NDArray[np.bool_], ...] | None:
    """Where every X and Z goes: (x, z, sign), columns by qubit. None where a gate is not Clifford."""
    from phalanx.quantum._clifford import clifford_word

    x = np.zeros((n, 2 * n), dtype=bool)
    z = np.zeros((n, 2 * n), dtype=bool)
    sign = np.zeros(2 * n, dtype=bool)
    x[np.arange(n), np.arange(n)] = z[np.arange(n), np.arange(n) + n] = True
    for step in steps:
        word = clifford_word(step.name, step.params)
        if word is None:
            return None
        for gate, on in word:
            a = step.qubits[on[0]]
            if gate == "cx":
                b = step.qubits[on[1]]
                sign ^= x[a] & z[b] & ~(x[b] ^ z[a])
                x[b] ^= x[a]
                z[a] ^= z[b]
            elif gate == "x":
                sign ^= z[a]
            elif gate == "z":
                sign ^= x[a]
            else:
                sign ^= x[a] & z[a]
                if gate == "h":
                    x[a], z[a] = z[a].copy(), x[a].copy()
                else:
                    z[a] ^= x[a]
    return x, z, sign


def _by_samples(a: Steps, b: Steps, seed: int) -> Equivalence:
    from phalanx.quantum._canonical import write
    from phalanx.quantum.simulators import run

    if a.n_bits != b.n_bits:
        return Equivalence(equal=False, how="samples", detail="they have different bits")
    counts = [run(write(side), shots=_SHOTS, rng=Rng(seed).child(str(at))).counts for at, side in enumerate((a, b))]
    keys = set(counts[0]) | set(counts[1])
    distance = sum(abs(counts[0].get(key, 0) - counts[1].get(key, 0)) for key in keys) / (2 * _SHOTS)
    bound = 1.5 * float(np.sqrt(2 * len(keys) / _SHOTS))
    detail = f"{_SHOTS} shots of each differ by {distance:.3f}, of which chance explains up to {bound:.3f}"
    return Equivalence(equal=distance <= bound, how="samples", detail=detail)
