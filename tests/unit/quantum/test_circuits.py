import hashlib

import pytest

from phalanx.core import Circuit, LimitExceeded
from phalanx.quantum import GATE_NAMES, Gates, InvalidCircuit, Op, parse

BELL = """\
OPENQASM 3.0;
include "stdgates.inc";
qubit[2] q;
bit[2] c;
h q[0];
cx q[0], q[1];
c[0] = measure q[0];
c[1] = measure q[1];
"""


def canonical(*lines, width=2):
    text = f'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[{width}] q;\n' + "".join(f"{line}\n" for line in lines)
    return Circuit.from_canonical(text, width)


def test_a_circuit_is_written_as_canonical_openqasm_3():
    circuit = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
    assert circuit.qasm3 == BELL
    assert circuit.digest == hashlib.sha256(BELL.encode()).hexdigest()
    assert circuit.n_qubits == 2


def test_every_gate_is_written_and_read():
    ops = [
        Op("x", (0,)), Op("y", (1,)), Op("z", (2,)), Op("h", (0,)), Op("s", (0,)), Op("sdg", (0,)), Op("t", (0,)),
        Op("tdg", (0,)), Op("sx", (0,)), Op("rx", (0,), (0.1,)), Op("ry", (0,), (-1e-05,)), Op("rz", (0,), (1e22,)),
        Op("p", (0,), (3.0,)), Op("cx", (0, 2)), Op("cz", (2, 1)), Op("cp", (0, 1), (0.25,)), Op("ccx", (2, 0, 1)),
        Op("swap", (0, 1)), Op("id", (0,)), Op("sxdg", (1,)), Op("u3", (1,), (0.1, -0.2, 0.3)), Op("cy", (0, 1)),
        Op("ch", (1, 0)), Op("csx", (1, 2)), Op("crx", (0, 1), (0.5,)), Op("cry", (0, 1), (0.5,)),
        Op("crz", (0, 1), (0.5,)), Op("cu", (2, 1), (0.1, 0.2, 0.3, 0.4)), Op("ccz", (0, 1, 2)), Op("cswap", (0, 2, 1)),
        Op("rxx", (0, 1), (0.7,)), Op("ryy", (0, 1), (0.7,)), Op("rzz", (0, 1), (0.7,)), Op("rzx", (0, 1), (0.7,)),
        Op("iswap", (0, 1)), Op("ecr", (0, 1)), Op("dcx", (0, 1)),
    ]  # fmt: skip
    assert {op.name for op in ops} == set(GATE_NAMES)
    gates = Gates(3).extend(ops)
    assert parse(gates.circuit()).ops == ops


def test_builder_methods_write_the_gate_they_are_named_for():
    gates = Gates(3).x(0).y(0).z(0).h(0).rx(1, 0).ry(2, 0).rz(3, 0).p(4, 0)
    gates.cx(0, 1).cz(0, 1).cp(5, 0, 1).ccx(0, 1, 2).swap(1, 2)
    assert " ".join(op.name for op in gates.ops) == "x y z h rx ry rz p cx cz cp ccx swap"
    assert [op.params for op in gates.ops if op.params] == [(1.0,), (2.0,), (3.0,), (4.0,), (5.0,)]


def test_minus_zero_has_no_second_spelling():
    assert Gates(1).ry(-0.0, 0).circuit() == Gates(1).ry(0.0, 0).circuit()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ry(.5) q[0];", "canonical"),
        ("ry(0.50) q[0];", "canonical"),
        ("ry(5e-1) q[0];", "canonical"),
        ("ry(-0.0) q[0];", "canonical"),
        ("ry(1e999) q[0];", "finite"),
        ("ry(1-2) q[0];", "not a number"),
        ("ry(pi) q[0];", "canonical form"),
        ("ry q[0];", "takes 1 qubits and 1 parameters"),
        ("h(0.5) q[0];", "takes 1 qubits and 0 parameters"),
        ("cx q[0];", "takes 2 qubits"),
        ("cx q[0],q[1];", "canonical form"),
        ("cx q[0], q[0];", "twice"),
        ("cx q[0], q[2];", "outside"),
        ("cx q[0], q[01];", "canonical"),
        ("bogus q[0];", "unknown gate"),
        ("h q[0]; h q[1];", "canonical form"),
        (" h q[0];", "canonical form"),
        ("", "canonical form"),
    ],
)
def test_what_is_not_canonical_is_refused_by_line(line, reason):
    with pytest.raises(InvalidCircuit, match="line 5") as caught:
        parse(canonical("h q[0];", line, "h q[1];"))
    assert reason in caught.value.reason
    assert caught.value.line == 5


@pytest.mark.parametrize(
    "lines",
    [
        ["bit[2] c;", "c[0] = measure q[0];"],
        ["bit[1] c;", "h q[0];"],
        ["bit[1] c;", "c[0] = measure q[0];", "h q[0];"],
        ["bit[2] c;", "c[1] = measure q[0];", "c[0] = measure q[1];"],
        ["bit[2] c;", "c[0] = measure q[0];", "c[1] = measure q[0];"],
        ["bit[1] c;", "c[0] = measure q[2];"],
        ["bit[1] c;", "c[0] = measure q[00];"],
        ["bit[9] c;"],
        ["bit[0] c;"],
    ],
)
def test_measurements_are_last_complete_and_in_order(lines):
    with pytest.raises(InvalidCircuit):
        parse(canonical(*lines))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "OPENQASM 2.0;\n",
        'OPENQASM 3.0;\ninclude "stdgates.inc";\n',
        'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[3] q;\n',
        'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;',
        'OPENQASM 3.0;\r\ninclude "stdgates.inc";\r\nqubit[2] q;\r\n',
    ],
)
def test_a_text_that_is_not_the_circuit_it_claims_is_refused(text):
    with pytest.raises(InvalidCircuit):
        parse(Circuit.from_canonical(text, 2))


def test_a_forged_digest_is_refused():
    with pytest.raises(InvalidCircuit, match="digest"):
        parse(Circuit(qasm3=BELL, n_qubits=2, digest="0" * 64))


def test_gates_after_a_measurement_are_refused():
    with pytest.raises(InvalidCircuit, match="measurement"):
        Gates(1).measure(0).h(0)
    with pytest.raises(InvalidCircuit, match="twice"):
        Gates(1).measure(0, 0)
    with pytest.raises(InvalidCircuit, match="there are 1"):
        Gates(1).measure(1)


def test_angles_are_finite():
    with pytest.raises(InvalidCircuit, match="finite"):
        Gates(1).ry(float("nan"), 0)


@pytest.mark.parametrize("width", [0, 16_385])
def test_width_is_bounded(width):
    with pytest.raises(LimitExceeded):
        Gates(width)


def test_a_controlled_z_says_how_many_ancillas_it_needs():
    with pytest.raises(InvalidCircuit, match="needs 2 ancillas, got 1"):
        Gates(6).mcz(range(5), ancillas=(5,))
