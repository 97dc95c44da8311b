"""Four vendors read our circuits and compute what our simulator computes.

The text goes to each as it is, except that PennyLane knows the gates but not the ``include``, and that a
state is asked for unmeasured.
"""

import functools

import numpy as np
import pytest

from phalanx.core import Rng
from phalanx.quantum import Amplifier, AttackModel, Gates, Op, Stage, parse, simulate

pytestmark = pytest.mark.vendor

# Those that each of the four knows by name from the text alone.
GATE_NAMES = (
    "x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "rx", "ry", "rz", "p", "cx", "cz", "cp", "ccx", "swap",
)  # fmt: skip
N_QUBITS = {"cx": 2, "cz": 2, "cp": 2, "swap": 2, "ccx": 3}
WITH_ANGLE = {"rx", "ry", "rz", "p", "cp"}
N_RANDOM = 36


def random_circuit(seed):
    """Three to five qubits; every gate comes up in some circuit."""
    rng = Rng(seed).child("vendors")
    gates = Gates(rng.integer(3, 6))
    for _ in range(30):
        name = rng.choice(GATE_NAMES)
        qubits = tuple(rng.sample(range(gates.n_qubits), N_QUBITS.get(name, 1)))
        gates.add(Op(name, qubits, (rng.uniform(-4, 4),) if name in WITH_ANGLE else ()))
    return gates.measure(*rng.sample(range(gates.n_qubits), rng.integer(1, gates.n_qubits + 1)))


@functools.cache
def circuits():
    chain = [[Stage("a", (0.3, 0.2))], [Stage("b", (0.6,)), Stage("c", (0.1,))], [Stage("d", (0.8,))]]
    amplified = [parse(Amplifier(AttackModel.through(chain)).circuit(k)) for k in (0, 1, 4)]
    found = [*map(random_circuit, range(N_RANDOM)), *amplified]
    assert {op.name for gates in found for op in gates.ops} == set(GATE_NAMES)
    return found


def same_state(theirs, ours):
    """Equal but for the global phase, which means nothing."""
    overlap = np.vdot(theirs, ours)
    assert abs(overlap) == pytest.approx(1, abs=1e-9)
    assert np.allclose(theirs * (overlap / abs(overlap)), ours, atol=1e-7)


@pytest.mark.requirement("QRM-1")
def test_qiskit():
    from qiskit import qasm3
    from qiskit.quantum_info import Statevector

    for gates in circuits():
        read = qasm3.loads(gates.circuit().qasm3)
        measured = {read.find_bit(i.clbits[0]).index: read.find_bit(i.qubits[0]).index for i in read.data if i.clbits}
        assert [measured[bit] for bit in range(len(measured))] == gates.measured
        theirs = Statevector(read.remove_final_measurements(inplace=False)).reverse_qargs()
        same_state(theirs.data, simulate.statevector(gates))


@pytest.mark.requirement("QRM-1")
def test_cirq():
    import cirq
    from cirq.contrib.qasm_import import circuit_from_qasm

    for gates in circuits():
        read = circuit_from_qasm(gates.circuit().qasm3)
        order = [cirq.NamedQubit(f"q_{q}") for q in range(gates.n_qubits)]
        measured = {
            cirq.measurement_key_name(op): op.qubits[0] for op in read.all_operations() if cirq.is_measurement(op)
        }
        assert [measured[f"c_{bit}"] for bit in range(len(measured))] == [order[q] for q in gates.measured]
        unmeasured = cirq.drop_terminal_measurements(read)
        state = cirq.Circuit(op for op in unmeasured.all_operations() if not isinstance(op.gate, cirq.IdentityGate))
        theirs = state.final_state_vector(qubit_order=order, dtype=np.complex128)
        same_state(theirs, simulate.statevector(gates))


# Braket looks for an include among its files. The standard file's controlled gates are `ctrl @` ones, which
# its simulator (1.41.2) applies to the wrong qubits when these are not neighbours; so the names are bound to
# Braket's own gates, and the ones it knows by the same name need no line.
STDGATES_FOR_BRAKET = """\
gate cx a, b { cnot a, b; }
gate ccx a, b, c { ccnot a, b, c; }
gate p(phi) a { phaseshift(phi) a; }
gate cp(phi) a, b { cphaseshift(phi) a, b; }
gate sdg a { si a; }
gate tdg a { ti a; }
gate sx a { v a; }
"""


@pytest.fixture
def braket(tmp_path, monkeypatch):
    from braket.devices import LocalSimulator
    from braket.ir.openqasm import Program

    (tmp_path / "stdgates.inc").write_text(STDGATES_FOR_BRAKET)
    monkeypatch.chdir(tmp_path)
    return lambda source, shots: LocalSimulator().run(Program(source=source), shots=shots).result()


@pytest.mark.requirement("QRM-1")
def test_braket(braket):
    for gates in circuits():
        # Braket leaves out qubits that nothing touches.
        touched = Gates(gates.n_qubits).extend(Op("p", (q,), (0.5,)) for q in range(gates.n_qubits))
        source = touched.extend(gates.ops).circuit().qasm3
        result = braket(source + "#pragma braket result state_vector\n", 0)
        same_state(result.values[0], simulate.statevector(touched))


@pytest.mark.requirement("QRM-1")
def test_braket_reads_the_measurements(braket):
    result = braket(Gates(3).x(2).measure(2, 0).circuit().qasm3, 10)
    outcomes = zip(*result.measurements, strict=True)
    assert dict(zip(result.measured_qubits, outcomes, strict=True)) == {2: (1,) * 10, 0: (0,) * 10}


@pytest.mark.requirement("QRM-1")
def test_pennylane():
    import pennylane as qml

    for gates in circuits():
        source = gates.circuit().qasm3.replace('include "stdgates.inc";\n', "")
        unmeasured = source[: source.index("c[0] = measure")].replace(f"bit[{len(gates.measured)}] c;\n", "")
        wires = [f"q[{q}]" for q in range(gates.n_qubits)]

        @qml.qnode(qml.device("default.qubit", wires=wires))
        def state(text=unmeasured):
            qml.from_qasm3(text)()
            return qml.state()

        same_state(np.asarray(state()), simulate.statevector(gates))
