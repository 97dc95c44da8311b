"""Every language out and back in, and each SDK's own idea of the circuit against ours."""

import numpy as np
import pytest

from phalanx.core import Rng
from phalanx.quantum import GATE_NAMES, Gates, InvalidCircuit, Op, parse, simulate
from phalanx.quantum._gates import shape_of
from phalanx.quantum._unitary import overlap
from phalanx.quantum.circuits import convert, equivalent, read

pytestmark = [pytest.mark.vendor, pytest.mark.requirement("QRM-1")]

LANGUAGES = ("openqasm3", "openqasm2", "qiskit", "cirq", "braket", "pennylane")
FEED_FORWARD = """OPENQASM 3.0; include "stdgates.inc"; qubit[3] q; bit[3] c; ry(1.2) q[0]; h q[1]; cx q[1], q[2];
cx q[0], q[1]; h q[0]; c[0] = measure q[0]; c[1] = measure q[1]; if (c[1]) { x q[2]; } if (!c[0]) { z q[2]; }
reset q[0]; c[2] = measure q[2];"""


def random_circuit(seed, n=5, length=45):
    rng = Rng(seed).child("languages")
    gates = Gates(n)
    names = list(GATE_NAMES)
    rng.shuffle(names)
    for at in range(length):
        name = names[at % len(names)]
        n_qubits, n_params = shape_of(name)
        gates.add(Op(name, tuple(rng.sample(range(n), n_qubits)), tuple(rng.uniform(-4, 4) for _ in range(n_params))))
    return gates.measure(*rng.sample(range(n), n))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("seed", range(3))
def test_there_and_back(language, seed):
    circuit = random_circuit(seed).circuit()
    found = equivalent(circuit, read(convert(circuit, language)))
    assert found.equal, found
    assert found.how in ("unitary", "text")


@pytest.mark.parametrize("language", ["openqasm3", "openqasm2", "qiskit", "cirq"])
def test_decisions_there_and_back(language):
    circuit = read(FEED_FORWARD)
    again = read(convert(circuit, language))
    assert equivalent(circuit, again).equal
    assert "if (c[1]) { x q[2]; }" in again.qasm3
    for other in ("braket", "pennylane"):
        with pytest.raises(InvalidCircuit, match="conditions"):
            convert(circuit, other)


def test_qiskit_means_the_same():
    from qiskit import qasm2
    from qiskit.quantum_info import Statevector

    for seed in range(3):
        gates = random_circuit(seed)
        ours = simulate.statevector(gates)
        for theirs in (convert(gates, "qiskit"), qasm2.loads(convert(gates, "openqasm2"))):
            state = Statevector(theirs.remove_final_measurements(inplace=False)).reverse_qargs()
            assert overlap(state.data, ours) > 1 - 1e-9


def test_qiskit_library_circuits_come_in_by_their_definitions():
    from qiskit import QuantumCircuit
    from qiskit.circuit.library import QFTGate
    from qiskit.quantum_info import Operator

    from phalanx.quantum._unitary import unitary

    circuit = QuantumCircuit(4)
    circuit.append(QFTGate(4), range(4))
    circuit.mcx([0, 1, 2], 3)
    circuit.unitary(np.array([[0, 1j], [1, 0]]), [2])
    ours = unitary(4, [(op.name, op.qubits, op.params) for op in parse(read(circuit)).ops])
    assert overlap(Operator(circuit).reverse_qargs().data, ours) > 1 - 1e-9


def test_cirq_means_the_same():
    import cirq

    gates = random_circuit(4)
    theirs = cirq.drop_terminal_measurements(convert(gates, "cirq")).final_state_vector(dtype=np.complex128)
    assert overlap(theirs, simulate.statevector(gates)) > 1 - 1e-9
    q = cirq.LineQubit.range(3)
    own = cirq.Circuit(cirq.FSimGate(0.3, 0.7)(q[0], q[1]), cirq.X(q[2]) ** 0.3, cirq.CNOT(q[0], q[2]) ** 0.5,
                       cirq.Z(q[1]).controlled_by(q[0], q[2]), cirq.ry(0.4)(q[0]).controlled_by(q[1]))  # fmt: skip
    ours = simulate.statevector(parse(read(own)))
    assert overlap(own.final_state_vector(dtype=np.complex128), ours) > 1 - 1e-9


def test_braket_means_the_same():
    from braket.devices import LocalSimulator

    gates = random_circuit(5)
    unmeasured = Gates(5).extend(gates.ops)
    result = LocalSimulator().run(convert(unmeasured, "braket").state_vector(), shots=0).result()
    assert overlap(result.values[0], simulate.statevector(gates)) > 1 - 1e-9


def test_pennylane_means_the_same():
    import pennylane as qml

    gates = random_circuit(6)
    script = convert(gates, "pennylane")
    state = qml.device("default.qubit", wires=5).execute(qml.tape.QuantumScript(script.operations, [qml.state()]))
    assert overlap(np.asarray(state), simulate.statevector(gates)) > 1 - 1e-9


def test_stim_means_the_same_and_refuses_what_is_no_clifford_gate():
    stim = pytest.importorskip("stim", reason="the extra of this simulator is not installed")
    from phalanx.quantum import features

    rng = Rng(5).child("stim")
    names = [name for name in GATE_NAMES if shape_of(name)[1] == 0 and name not in ("t", "tdg", "ccx", "ccz", "cswap")]
    for _ in range(5):
        gates = Gates(4)
        for name in (*names, *names):
            try:
                gates.add(Op(name, tuple(rng.sample(range(4), shape_of(name)[0])), ()))
            except InvalidCircuit:
                continue
            if not features(gates).is_clifford:
                gates.ops.pop()
        gates.add(Op("rz", (0,), (np.pi / 2,))).add(Op("ry", (1,), (-np.pi / 2,)))
        state = stim.TableauSimulator()
        state.do(convert(gates, "stim"))
        theirs = state.state_vector(endian="big")
        assert overlap(theirs.astype(complex), simulate.statevector(gates)) > 1 - 1e-6
    with pytest.raises(InvalidCircuit, match="Clifford"):
        convert(Gates(1).rx(0.3, 0), "stim")
