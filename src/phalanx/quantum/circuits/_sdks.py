"""To the objects of the SDKs, each loaded when it is asked for."""

import importlib
from typing import Any

from phalanx.core import Unavailable
from phalanx.quantum._canonical import BARRIER, MEASURE, RESET, Step, Steps, is_static
from phalanx.quantum._clifford import clifford_word
from phalanx.quantum._errors import InvalidCircuit
from phalanx.quantum._gates import GATES, parts_of
from phalanx.quantum.mapping._native import to_cx

_EXTRAS = {
    "qiskit": "ibm",
    "cirq": "google",
    "braket": "braket",
    "pennylane": "pennylane",
    "stim": "stim",
    "pyqir": "qir",
}

_BRAKET = {
    "id": "i", "x": "x", "y": "y", "z": "z", "h": "h", "s": "s", "sdg": "si", "t": "t", "tdg": "ti", "sx": "v",
    "sxdg": "vi", "rx": "rx", "ry": "ry", "rz": "rz", "p": "phaseshift", "cx": "cnot", "cy": "cy", "cz": "cz",
    "cp": "cphaseshift", "ccx": "ccnot", "swap": "swap", "cswap": "cswap", "iswap": "iswap", "rxx": "xx", "ryy": "yy",
    "rzz": "zz",
}  # fmt: skip
_PENNYLANE = {
    "id": "Identity", "x": "PauliX", "y": "PauliY", "z": "PauliZ", "h": "Hadamard", "s": "S", "t": "T", "sx": "SX",
    "rx": "RX", "ry": "RY", "rz": "RZ", "p": "PhaseShift", "u3": "U3", "cx": "CNOT", "cy": "CY", "cz": "CZ",
    "ch": "CH", "cp": "ControlledPhaseShift", "crx": "CRX", "cry": "CRY", "crz": "CRZ", "ccx": "Toffoli", "ccz": "CCZ",
    "swap": "SWAP", "cswap": "CSWAP", "iswap": "ISWAP", "ecr": "ECR", "rxx": "IsingXX", "ryy": "IsingYY",
    "rzz": "IsingZZ",
}  # fmt: skip


def sdk(name: str) -> Any:
    """An SDK's module. Raises ``Unavailable`` with the extra that brings it."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        extra = _EXTRAS[name.partition(".")[0]]
        raise Unavailable(name, "it is not installed", hint=f"pip install 'phalanx[{extra}]'") from error


def to_qiskit(steps: Steps) -> Any:
    """A ``QuantumCircuit`` of one register of each kind."""
    qiskit = sdk("qiskit")
    circuit = qiskit.QuantumCircuit(
        qiskit.QuantumRegister(steps.n_qubits, "q"),
        *([qiskit.ClassicalRegister(steps.n_bits, "c")] if steps.n_bits else []),
    )
    for step in steps.steps:
        _add_to_qiskit(circuit, step, list(step.condition))
    return circuit


def _add_to_qiskit(circuit: Any, step: Step, conditions: list[tuple[int, bool]]) -> None:
    if conditions:
        bit, value = conditions[0]
        with circuit.if_test((circuit.clbits[bit], int(value))):
            _add_to_qiskit(circuit, step, conditions[1:])
    elif step.name == MEASURE:
        circuit.measure(step.qubits[0], step.bit)
    elif step.name == BARRIER:
        circuit.barrier(*step.qubits)
    else:
        getattr(circuit, {"u3": "u"}.get(step.name, step.name))(*step.params, *step.qubits)


def to_cirq(steps: Steps) -> Any:
    """A ``cirq.Circuit`` on a line of qubits; bit n is measured with the key ``c<n>``."""
    cirq = sdk("cirq")
    written: set[int] = set()
    operations = [cirq.I(qubit) for qubit in cirq.LineQubit.range(steps.n_qubits)]
    for step in steps.steps:
        if step.name == BARRIER:
            continue
        if step.name == MEASURE:
            if step.bit in written or step.condition:
                raise InvalidCircuit(
                    "Cirq writes a key once and always; this bit is written twice or under a condition"
                )
            written.add(step.bit)
        for operation in _cirq_operations(cirq, step):
            decided = operation
            for bit, value in step.condition:
                sympy = importlib.import_module("sympy")
                wanted = f"c{bit}" if value else sympy.Eq(sympy.Symbol(f"c{bit}"), 0)
                decided = decided.with_classical_controls(wanted)
            operations.append(decided)
    return cirq.Circuit(operations)


def _cirq_operations(cirq: Any, step: Step) -> list[Any]:
    qubits = [cirq.LineQubit(qubit) for qubit in step.qubits]
    if step.name == MEASURE:
        return [cirq.measure(qubits[0], key=f"c{step.bit}")]
    if step.name == RESET:
        return [cirq.ResetChannel()(qubits[0])]
    plain = {
        "id": cirq.I, "x": cirq.X, "y": cirq.Y, "z": cirq.Z, "h": cirq.H, "s": cirq.S, "t": cirq.T, "cx": cirq.CNOT,
        "sdg": cirq.S**-1, "tdg": cirq.T**-1, "cz": cirq.CZ, "swap": cirq.SWAP, "iswap": cirq.ISWAP, "ccx": cirq.CCX,
        "ccz": cirq.CCZ, "cswap": cirq.CSWAP,
    }  # fmt: skip
    turning = {"rx": cirq.rx, "ry": cirq.ry, "rz": cirq.rz}
    if step.name in plain:
        return [plain[step.name](*qubits)]
    if step.name in turning:
        return [turning[step.name](step.params[0])(*qubits)]
    numpy = importlib.import_module("numpy")
    made = []
    for name, places, params in parts_of(step.name, step.params):
        matrix = cirq.MatrixGate(numpy.array(GATES[name].matrix(*params), dtype=complex).reshape(2, 2))
        *controls, target = (qubits[at] for at in places)
        made.append(matrix(target).controlled_by(*controls) if controls else matrix(target))
    return made


def _plain_steps(steps: Steps, known: dict[str, str], language: str) -> list[Step]:
    """Gates that a language knows; the others taken apart. Raises where something else is decided or measured early."""
    if not is_static(steps.steps):
        raise InvalidCircuit(f"{language} objects hold no resets, conditions or measurements in between")
    found = []
    for step in steps.steps:
        if step.name in (MEASURE, BARRIER) or step.name in known:
            found.append(step)
            continue
        parts = parts_of(step.name, step.params)
        if len(parts) == 1:
            parts = to_cx(step.name, step.params)
        for name, places, params in parts:
            inner = Step(name, tuple(step.qubits[at] for at in places), params)
            found += [inner] if name in known or name == "u3" else _plain_steps(Steps(0, 0, [inner]), known, language)
    return found


def to_braket(steps: Steps) -> Any:
    """A ``braket.circuits.Circuit``; bits are measured in their order, so all of them must be written."""
    circuits = sdk("braket.circuits")
    circuit = circuits.Circuit()
    for qubit in range(steps.n_qubits):
        circuit.i(qubit)
    bits = []
    for step in _plain_steps(steps, _BRAKET | {"u3": "u"}, "Braket"):
        if step.name == MEASURE:
            bits.append(step.bit)
            circuit.measure(step.qubits[0])
        elif step.name == "u3":
            circuit.u(*step.qubits, *step.params)
        elif step.name != BARRIER:
            getattr(circuit, _BRAKET[step.name])(*step.qubits, *step.params)
    if bits != list(range(steps.n_bits)):
        raise InvalidCircuit("Braket has no bits that nothing is measured into")
    return circuit


def to_pennylane(steps: Steps) -> Any:
    """A ``QuantumScript`` whose wires are the qubits, and which counts the measured ones in the order of their bits."""
    qml = sdk("pennylane")
    operations = [qml.Identity(qubit) for qubit in range(steps.n_qubits)]
    measured = []
    for step in _plain_steps(steps, _PENNYLANE | {"sdg": "", "tdg": "", "sxdg": ""}, "PennyLane"):
        if step.name == MEASURE:
            measured.append(step.qubits[0])
        elif step.name in ("sdg", "tdg", "sxdg"):
            operations.append(
                qml.adjoint(getattr(qml, {"sdg": "S", "tdg": "T", "sxdg": "SX"}[step.name])(step.qubits[0]))
            )
        elif step.name != BARRIER:
            operations.append(getattr(qml, _PENNYLANE[step.name])(*step.params, wires=list(step.qubits)))
    return qml.tape.QuantumScript(operations, [qml.counts(wires=measured)] if measured else [])


def to_stim(steps: Steps) -> Any:
    """A ``stim.Circuit`` of X, Z, H, S and CX, up to a global phase; its records are the bits in their order."""
    circuit = sdk("stim").Circuit()
    bits = []
    for step in steps.steps:
        if step.condition:
            raise InvalidCircuit("Stim decides nothing but Pauli gates; conditions are not written")
        if step.name == MEASURE:
            bits.append(step.bit)
            circuit.append("M", step.qubits)
        elif step.name == RESET:
            circuit.append("R", step.qubits)
        elif step.name != BARRIER:
            word = clifford_word(step.name, step.params)
            if word is None:
                raise InvalidCircuit(f"Stim knows Clifford gates only, and {step.name} is none")
            for gate, places in word:
                circuit.append(gate.upper(), [step.qubits[at] for at in places])
    if bits != list(range(steps.n_bits)):
        raise InvalidCircuit("Stim has a record for each measurement; bits must be written once, in their order")
    return circuit
