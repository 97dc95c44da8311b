"""Any circuit out: as text, or as the object of an SDK."""

from collections.abc import Callable
from typing import Any

from phalanx.core import Circuit, InvalidInput
from phalanx.quantum._arrays import GateArray, steps_of
from phalanx.quantum._canonical import BARRIER, MEASURE, RESET, Step, Steps
from phalanx.quantum._canonical import write as write_canonical
from phalanx.quantum._circuits import Gates
from phalanx.quantum._errors import InvalidCircuit
from phalanx.quantum.circuits._sdks import to_braket, to_cirq, to_pennylane, to_qiskit, to_stim
from phalanx.quantum.mapping._native import to_cx

# What the file of OpenQASM 2 has had from its beginning; the rest is written in these.
_OLD = frozenset({
    "id", "x", "y", "z", "h", "s", "sdg", "t", "tdg", "rx", "ry", "rz", "u3", "cx", "cy", "cz", "ch", "ccx", "crz",
})  # fmt: skip
_OLD_NAMES = {"p": "u1", "cp": "cu1"}


def convert(circuit: "Circuit | Gates | GateArray", language: str) -> Any:
    """The circuit in a language: text for ``openqasm2`` and ``openqasm3``, an object for the SDKs.

    Raises ``InvalidCircuit`` where the language cannot say it, ``Unavailable`` where the extra is missing.
    """
    writer = _WRITERS.get(language)
    if writer is None:
        raise InvalidInput("language", f"{language!r} is not written; these are: {', '.join(_WRITERS)}")
    return writer(steps_of(circuit))


def to_openqasm2(steps: Steps) -> str:
    """OpenQASM 2, over the gates of the original ``qelib1.inc``. Where anything is decided, each bit is a register."""
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";', f"qreg q[{steps.n_qubits}];"]
    decided = any(step.condition for step in steps.steps)
    if decided:
        lines += [f"creg c{bit}[1];" for bit in range(steps.n_bits)]
    elif steps.n_bits:
        lines.append(f"creg c[{steps.n_bits}];")
    for step in steps.steps:
        head = ""
        if len(step.condition) > 1:
            raise InvalidCircuit("OpenQASM 2 decides on one register; this condition reads several bits")
        if step.condition:
            bit, value = step.condition[0]
            head = f"if(c{bit}=={int(value)}) "
        bit_name = f"c{step.bit}[0]" if decided else f"c[{step.bit}]"
        lines += [head + line for line in _old_lines(step, bit_name)]
    return "\n".join(lines) + "\n"


def _old_lines(step: Step, bit: str) -> list[str]:
    qubits = [f"q[{qubit}]" for qubit in step.qubits]
    if step.name == MEASURE:
        return [f"measure {qubits[0]} -> {bit};"]
    if step.name in (RESET, BARRIER):
        return [f"{step.name} {','.join(qubits)};"]
    name = _OLD_NAMES.get(step.name, step.name)
    if step.name in _OLD or step.name in _OLD_NAMES:
        angles = f"({','.join(map(repr, step.params))})" if step.params else ""
        return [f"{name}{angles} {','.join(qubits)};"]
    if step.name in ("sx", "sxdg"):
        return [f"rx({'' if step.name == 'sx' else '-'}pi/2) {qubits[0]};"]
    return [
        line
        for part, places, params in to_cx(step.name, step.params)
        for line in _old_lines(Step(part, tuple(step.qubits[at] for at in places), params), bit)
    ]


_WRITERS: dict[str, Callable[[Steps], Any]] = {
    "openqasm3": lambda steps: write_canonical(steps).qasm3,
    "openqasm2": to_openqasm2,
    "qiskit": to_qiskit,
    "cirq": to_cirq,
    "braket": to_braket,
    "pennylane": to_pennylane,
    "stim": to_stim,
}
