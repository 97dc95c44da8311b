"""From the objects of the SDKs. They are here already when somebody has one, so nothing is loaded that was not."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from phalanx.core import LimitExceeded
from phalanx.quantum._canonical import BARRIER, MEASURE, RESET, Condition, Step, Steps, finite
from phalanx.quantum._errors import UnreadableCircuit
from phalanx.quantum._gates import GATES, shape_of
from phalanx.quantum._limits import MAX_CIRCUIT_GATES, MAX_GATE_NESTING
from phalanx.quantum._unitary import same_but_for_phase
from phalanx.quantum.circuits._aliases import ALIASES, PHASE, Parts, controlled, one
from phalanx.quantum.circuits._conditions import joined
from phalanx.quantum.circuits._openqasm import read_openqasm
from phalanx.quantum.circuits._sdks import sdk
from phalanx.quantum.mapping._native import turns

Parameters = Mapping[str, float] | None
_NAMED = ("id", "x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "sxdg")


def from_braket(circuit: Any, parameters: Parameters = None) -> Steps:
    """A ``braket.circuits.Circuit``, through the OpenQASM that it writes itself."""
    kind = sdk("braket.circuits.serialization").IRType.OPENQASM
    return read_openqasm(circuit.to_ir(kind).source, parameters)


def from_pennylane(script: Any, parameters: Parameters = None) -> Steps:
    """A ``QuantumScript``, through the OpenQASM that it writes itself; wires in their order, measured as it says."""
    qml = sdk("pennylane")
    wires = script.wires if all(isinstance(wire, int) for wire in script.wires) else None
    ordered = qml.wires.Wires(range(max(script.wires) + 1)) if wires is not None and len(wires) else script.wires
    plain = qml.tape.QuantumScript(script.operations, [])
    text = qml.to_openqasm(plain, wires=ordered, rotations=False, measure_all=False)
    # It writes global phases with an operand, which is in no version of the language.
    steps = read_openqasm(re.sub(r"(?m)^gphase\([^;\n]*;$", "", text), parameters)
    measured = [wire for process in script.measurements for wire in (process.wires or ordered)]
    places = {wire: at for at, wire in enumerate(ordered)}
    gates = [step for step in steps.steps if step.name != MEASURE]
    gates += [Step(MEASURE, (places[wire],), bit=bit) for bit, wire in enumerate(dict.fromkeys(measured))]
    return Steps(steps.n_qubits, len(dict.fromkeys(measured)), gates)


def from_qiskit(circuit: Any, parameters: Parameters = None) -> Steps:
    """A ``QuantumCircuit``; what it does not name as we do is read from its definition."""
    if circuit.parameters:
        names = {parameter.name: parameter for parameter in circuit.parameters}
        missing = sorted(set(names) - set(parameters or {}))
        if missing:
            raise UnreadableCircuit(f"parameters have no value: {', '.join(missing[:10])}")
        circuit = circuit.assign_parameters({names[name]: (parameters or {})[name] for name in names})
    steps: list[Step] = []
    qubits = {qubit: at for at, qubit in enumerate(circuit.qubits)}
    bits = {bit: at for at, bit in enumerate(circuit.clbits)}
    _read_qiskit(circuit, qubits, bits, (), steps, 0)
    return Steps(len(circuit.qubits), len(circuit.clbits), steps)


def _read_qiskit(
    circuit: Any, qubits: dict[Any, int], bits: dict[Any, int], condition: Condition, steps: list[Step], depth: int
) -> None:
    if depth > MAX_GATE_NESTING:
        raise LimitExceeded("the nesting of gate definitions", maximum=MAX_GATE_NESTING, seen=depth)
    for item in circuit.data:
        operation, on = item.operation, tuple(qubits[qubit] for qubit in item.qubits)
        name = operation.name
        if len(steps) >= MAX_CIRCUIT_GATES:
            raise LimitExceeded("the gates of a circuit", maximum=MAX_CIRCUIT_GATES, seen=len(steps) + 1)
        if name == "measure":
            steps.append(Step(MEASURE, on, bit=bits[item.clbits[0]], condition=condition))
        elif name == "reset":
            steps.append(Step(RESET, on, condition=condition))
        elif name == "barrier":
            steps.append(Step(BARRIER, tuple(sorted(on))))
        elif name == "if_else":
            _read_if(operation, item, qubits, bits, condition, steps, depth)
        elif name not in ("delay", "global_phase"):
            parts = known_gate(name, tuple(operation.params))
            if parts is not None:
                steps += placed_steps(parts, on, condition)
            elif getattr(operation, "definition", None) is not None:
                inner = operation.definition
                places = dict(zip(inner.qubits, on, strict=True))
                clbits = dict(zip(inner.clbits, (bits[bit] for bit in item.clbits), strict=True))
                _read_qiskit(inner, places, clbits, condition, steps, depth + 1)
            else:
                raise UnreadableCircuit(f"the operation {name!r} is not read")


def _read_if(
    operation: Any, item: Any, qubits: dict[Any, int], bits: dict[Any, int], condition: Condition, steps: list[Step],
    depth: int,
) -> None:  # fmt: skip
    if not isinstance(operation.condition, tuple):
        raise UnreadableCircuit("a condition that is no bit or register equal to a value is not read")
    what, value = operation.condition
    group = [bits[bit] for bit in what] if hasattr(what, "__iter__") else [bits[what]]
    terms = [(bit, bool(int(value) >> at & 1)) for at, bit in enumerate(group)]
    holds: list[Condition] = [tuple(sorted(terms))]
    fails: list[Condition] = [
        tuple(sorted([*terms[:at], (terms[at][0], not terms[at][1])])) for at in range(len(terms))
    ]
    written = len(steps)
    for block, cubes in zip(operation.blocks, (holds, fails), strict=False):
        places = dict(zip(block.qubits, (qubits[qubit] for qubit in item.qubits), strict=True))
        clbits = dict(zip(block.clbits, (bits[bit] for bit in item.clbits), strict=True))
        for cube in cubes:
            both = joined(condition, cube)
            if both is not None:
                _read_qiskit(block, places, clbits, both, steps, depth + 1)
    read = {bit for bit, _ in (*terms, *condition)}
    if any(step.bit in read for step in steps[written:-1]):
        raise UnreadableCircuit("a branch goes on after it has written a bit that its condition reads")


def known_gate(name: str, params: tuple[Any, ...]) -> Parts | None:
    """A gate by the name that Qiskit, or another language, gives it."""
    alias = ALIASES.get(name)
    shape = (alias[0], alias[1]) if alias else shape_of(name)
    if shape is None or len(params) != shape[1]:
        return None
    try:
        angles = tuple(finite(float(value)) for value in params)
    except TypeError as error:
        raise UnreadableCircuit(f"a parameter of {name!r} is no number") from error
    return alias[2](*angles) if alias else one(name, *angles)


def placed_steps(parts: Parts, on: tuple[int, ...], condition: Condition) -> list[Step]:
    return [
        Step(name, tuple(on[at] for at in places), params, condition=condition)
        for name, places, params in parts
        if name != PHASE
    ]


def from_cirq(circuit: Any, parameters: Parameters = None) -> Steps:
    """A ``cirq.Circuit``: qubits in their order; keys ``c<n>`` are bit n, otherwise keys take bits as they come."""
    cirq = sdk("cirq")
    if parameters:
        circuit = cirq.resolve_parameters(circuit, dict(parameters))
    if cirq.is_parameterized(circuit):
        raise UnreadableCircuit("parameters have no value")
    qubits = {qubit: at for at, qubit in enumerate(sorted(circuit.all_qubits()))}
    if qubits and all(isinstance(qubit, cirq.LineQubit) and qubit.x >= 0 for qubit in qubits):
        qubits = {cirq.LineQubit(at): at for at in range(max(qubit.x for qubit in qubits) + 1)}
    reader = _CirqReader(cirq, qubits, _bits_of_keys(cirq, circuit))
    for operation in circuit.all_operations():
        reader.read(operation, 0)
    n_bits = 1 + max((bit for group in reader.keys.values() for bit in group), default=-1)
    return Steps(max(len(qubits), 1), n_bits, reader.steps)


def _bits_of_keys(cirq: Any, circuit: Any) -> dict[str, tuple[int, ...]]:
    widths: dict[str, int] = {}
    for operation in circuit.all_operations():
        if cirq.is_measurement(operation):
            key = str(cirq.measurement_key_name(operation))
            if key in widths:
                raise UnreadableCircuit(f"the key {key[:40]!r} is measured twice")
            widths[key] = len(operation.qubits)
    if all(re.fullmatch(r"c(0|[1-9]\d{0,4})", key) and width == 1 for key, width in widths.items()):
        return {key: (int(key[1:]),) for key in widths}
    found, at = {}, 0
    for key, width in widths.items():
        found[key] = tuple(range(at, at + width))
        at += width
    return found


class _CirqReader:
    def __init__(self, cirq: Any, qubits: dict[Any, int], keys: dict[str, tuple[int, ...]]) -> None:
        self._cirq = cirq
        self._qubits = qubits
        self.keys = keys
        self.steps: list[Step] = []

    def read(self, operation: Any, depth: int, condition: Condition = ()) -> None:
        cirq = self._cirq
        if depth > MAX_GATE_NESTING or len(self.steps) >= MAX_CIRCUIT_GATES:
            raise LimitExceeded("the gates of a circuit", maximum=MAX_CIRCUIT_GATES, seen=len(self.steps) + 1)
        on = tuple(self._qubits[qubit] for qubit in operation.qubits)
        if operation.classical_controls:
            both = joined(condition, self._condition(operation))
            if both is not None:
                self.read(operation.without_classical_controls(), depth + 1, both)
        elif cirq.is_measurement(operation):
            self._measure(operation, on, condition)
        elif isinstance(operation.gate, cirq.ResetChannel):
            self.steps.append(Step(RESET, on, condition=condition))
        elif isinstance(operation.gate, cirq.IdentityGate | cirq.GlobalPhaseGate):
            return
        else:
            parts = self._parts(operation)
            if parts is not None:
                self.steps += placed_steps(parts, on, condition)
                return
            inner = cirq.decompose_once(operation, default=None)
            if inner is None:
                raise UnreadableCircuit(f"the operation {str(operation)[:60]!r} is not read")
            for each in inner:
                self.read(each, depth + 1, condition)

    def _measure(self, operation: Any, on: tuple[int, ...], condition: Condition) -> None:
        if any(operation.gate.full_invert_mask()):
            raise UnreadableCircuit("measurements that invert are not read")
        bits = self.keys[str(self._cirq.measurement_key_name(operation))]
        for qubit, bit in zip(on, bits, strict=True):
            self.steps.append(Step(MEASURE, (qubit,), bit=bit, condition=condition))

    def _condition(self, operation: Any) -> Condition:
        terms: list[tuple[int, bool]] = []
        for control in operation.classical_controls:
            value = True
            if isinstance(control, self._cirq.KeyCondition):
                key = str(control.key)
            else:
                found = re.fullmatch(r"Eq\((\w+), ([01])\)", str(getattr(control, "expr", "")))
                if found is None:
                    raise UnreadableCircuit("a condition that is no key, or key equal to 0 or 1, is not read")
                key, value = found[1], found[2] == "1"
            if len(self.keys.get(key, ())) != 1:
                raise UnreadableCircuit(f"a condition reads the key {key[:40]!r}, which is not one bit")
            terms.append((self.keys[key][0], value))
        both = joined(tuple(sorted(set(terms))), ())
        if both is None:
            raise UnreadableCircuit("a condition contradicts itself")
        return both

    def _parts(self, operation: Any) -> Parts | None:
        cirq = self._cirq
        gate = operation.gate
        n = len(operation.qubits)
        if isinstance(operation, cirq.ControlledOperation) or isinstance(gate, cirq.ControlledGate):
            return self._controlled(operation)
        if n == 1 and cirq.has_unitary(operation):
            return one_qubit(np.asarray(cirq.unitary(operation)))
        plain = {
            cirq.CNOT: "cx", cirq.CZ: "cz", cirq.SWAP: "swap", cirq.ISWAP: "iswap", cirq.CCX: "ccx", cirq.CCZ: "ccz",
            cirq.CSWAP: "cswap",
        }  # fmt: skip
        for known, name in plain.items():
            if gate == known:
                return one(name)
        ising = ((cirq.ZZPowGate, "rzz"), (cirq.XXPowGate, "rxx"), (cirq.YYPowGate, "ryy"))
        for kind, name in ising:
            if isinstance(gate, kind):
                return one(name, finite(np.pi * float(gate.exponent)))
        if isinstance(gate, cirq.CZPowGate):
            return one("cp", finite(np.pi * float(gate.exponent)))
        return None

    def _controlled(self, operation: Any) -> Parts | None:
        cirq = self._cirq
        inner = operation.sub_operation if isinstance(operation, cirq.ControlledOperation) else None
        gate = operation.gate
        base = inner.gate if inner is not None else gate.sub_gate
        values = getattr(gate, "control_values", None)
        n = len(operation.qubits) - (len(inner.qubits) if inner is not None else base.num_qubits())
        if base.num_qubits() != 1 or (values is not None and not all(one_ == (1,) for one_ in values)):
            return None
        matrix = np.asarray(cirq.unitary(base))
        ((name, _, params),) = one_qubit(matrix)
        phase = float(np.angle(np.vdot(np.array(GATES[name].matrix(*params)).reshape(2, 2), matrix)))
        both = controlled(name, params, n)
        return both if abs(phase) < 1e-9 else (*both, *controlled(PHASE, (phase,), n))


def one_qubit(matrix: "np.typing.NDArray[np.complex128]") -> Parts:
    """A one-qubit unitary by the simplest name there is, up to a global phase."""
    for name in _NAMED:
        if same_but_for_phase(matrix, np.array(GATES[name].matrix()).reshape(2, 2), tolerance=1e-13):
            return one(name)
    theta, phi, lam, _ = turns(matrix)
    for name, angle in (("rz", phi + lam), ("ry", theta), ("rx", theta), ("rx", -theta), ("ry", -theta)):
        if same_but_for_phase(matrix, np.array(GATES[name].matrix(angle)).reshape(2, 2), tolerance=1e-13):
            return one(name, finite(angle))
    return one("u3", finite(theta), finite(phi), finite(lam))
