"""Pauli frames around two-qubit gates: the circuit stays what it is, and errors become a mixture of Paulis."""

from functools import cache

import numpy as np
import numpy.typing as npt

from phalanx.core import InvalidInput, Rng
from phalanx.quantum._canonical import Step, Steps
from phalanx.quantum._gates import Op
from phalanx.quantum.mapping._native import to_native

LETTERS = "IXYZ"
# By code 0…15, first qubit's letter times four plus the second's.
Frame = tuple[int, int]
_TWIRLED = ("cx", "cz", "ecr")


@cache
def frames_of(name: str) -> tuple[int, ...]:
    """For each pair of Paulis before a gate, the pair after it that undoes them, up to a sign."""
    if name not in _TWIRLED:
        raise InvalidInput("twirling", f"a machine's own gate is one of {', '.join(_TWIRLED)}, not {name!r}")
    from phalanx.quantum._unitary import unitary

    gate = unitary(2, [(name, (0, 1), ())])
    paulis = [_pair(code) for code in range(16)]
    found = []
    for before in paulis:
        after = gate @ before @ gate.conj().T
        sizes = [abs(np.trace(after @ one.conj().T)) / 4 for one in paulis]
        found.append(int(np.argmax(sizes)))
        assert max(sizes) > 1 - 1e-9, "a Clifford gate takes Paulis to Paulis"
    return tuple(found)


def twirled(steps: Steps, basis: str, rng: Rng) -> Steps:
    """One draw: each two-qubit gate between Paulis that undo each other, joined with the turns around them."""
    made: list[Step] = []
    for step in steps.steps:
        if step.name != basis:
            made.append(step)
            continue
        code = rng.integer(0, 16)
        made += pauli_steps(code, step.qubits)
        made.append(step)
        made += pauli_steps(frames_of(basis)[code], step.qubits)
    return joined(Steps(steps.n_qubits, steps.n_bits, made), basis)


def pauli_steps(code: int, qubits: tuple[int, ...]) -> list[Step]:
    """The Paulis of a code on one or two qubits."""
    letters = [code] if len(qubits) == 1 else [code >> 2, code & 3]
    return [Step(LETTERS[letter].lower(), (qubit,)) for letter, qubit in zip(letters, qubits, strict=True) if letter]


def joined(steps: Steps, basis: str) -> Steps:
    """Neighbouring one-qubit gates made one again."""
    return steps._replace(steps=to_native(steps.steps, basis, steps.n_qubits))


def _pair(code: int) -> npt.NDArray[np.complex128]:
    from phalanx.quantum._unitary import unitary

    ops = [Op(LETTERS[letter].lower(), (at,)) for at, letter in enumerate((code >> 2, code & 3)) if letter]
    return unitary(2, [(op.name, op.qubits, op.params) for op in ops])
