"""Whatever text comes in: a circuit, or a refusal; and what is written is read as the same circuit."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.quantum import Gates, InvalidCircuit, Op
from phalanx.quantum._gates import shape_of
from phalanx.quantum.circuits import _expanding, convert, equivalent, read

pytestmark = pytest.mark.requirement("QRM-1")

WORDS = st.sampled_from([
    "OPENQASM 3.0;", "OPENQASM 2.0;", "qubit[3] q;", "qreg q[2];", "creg c[2];", "bit[2] c;", "gate g(a) x, y {", "}",
    "{", "if (c[0] == 1)", "if(c==2)", "else", "for int i in [0:3]", "h q[0];", "g(pi/2) q[0], q[1];", "cx q, q;",
    "measure q -> c;", "c = measure q;", "reset q;", "barrier q;", "ctrl @ x q[0], q[1];", "inv @ pow(2) @ s q[0];",
    "negctrl(2) @", "let r = q[0:1];", "const int n = 3;", "rx(", "-", "pi", ")", "q[i]", ";", "(", "1/2", "**",
    "//x\n", "/*", "*/", "$0", "@", "#pragma", '"', "include", "input float t;", "\x00", "é", "99999999999999999999",
    "1e400",
])  # fmt: skip


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(_expanding, "MAX_CALLS", 20_000)


@settings(max_examples=400, deadline=None)
@given(st.lists(WORDS, max_size=25).map(" ".join) | st.text(max_size=60) | st.binary(max_size=60))
def test_no_text_does_anything_but_be_read_or_refused(text):
    try:
        circuit = read(text)
    except (InvalidCircuit, InvalidInput, LimitExceeded):
        return
    assert read(circuit.qasm3) == circuit


GATES = ("h", "t", "sx", "rx", "u3", "cx", "cp", "cu", "swap", "iswap", "ecr", "ryy", "ccx", "cswap", "csx", "ccz")


@st.composite
def circuits(draw):
    gates = Gates(4)
    for name in draw(st.lists(st.sampled_from(GATES), max_size=12)):
        n_qubits, n_params = shape_of(name)
        angles = st.floats(-7, 7, allow_nan=False).map(lambda angle: angle + 0.0)
        gates.add(
            Op(name, tuple(draw(st.permutations(range(4)))[:n_qubits]), tuple(draw(angles) for _ in range(n_params)))
        )
    return gates.measure(*draw(st.permutations(range(4)))[:2])


@settings(deadline=None)
@given(circuits())
def test_texts_out_and_in(gates):
    circuit = gates.circuit()
    assert read(circuit.qasm3) == circuit
    assert equivalent(circuit, read(convert(circuit, "openqasm2"))).equal
