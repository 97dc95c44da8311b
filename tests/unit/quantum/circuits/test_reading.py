"""OpenQASM 2 and 3 in."""

import math

import pytest

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.quantum import Gates, UnreadableCircuit, features, gate_array
from phalanx.quantum.circuits import _expanding, language_of, read

pytestmark = pytest.mark.requirement("QRM-1")

TWO = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
THREE = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'


def lines(text):
    return [line for line in read(text).qasm3.splitlines()[2:] if not line.startswith(("qubit", "bit"))]


def test_two_spellings_of_one_circuit_are_one_circuit():
    old = read(
        TWO + "qreg a[1]; qreg b[1]; creg k[2]; h a; CX a[0],b[0]; u1(pi/2) b[0]; measure a->k[0]; measure b[0]->k[1];"
    )
    new = read(
        THREE
        + "qubit[2] q; bit[2] c; h q[0]; ctrl @ x q[0], q[1]; s q[0]; inv @ s q[0]; c = measure q;".replace(
            "s q[0]; inv @ s q[0]", "p(pi / 2.0) q[1]"
        )
    )
    assert old == new == Gates(2).h(0).cx(0, 1).p(math.pi / 2, 1).measure(0, 1).circuit()


def test_canonical_text_reads_as_itself():
    circuit = read(THREE + "qubit[3] q; bit[2] c; rzz(0.25) q[0], q[2]; c[0] = measure q[0]; reset q[0]; barrier q; "
                   "if (c[0] == 1) { x q[1]; } else { iswap q[1], q[2]; } c[1] = measure q[1];")  # fmt: skip
    assert read(circuit.qasm3) == circuit
    assert read(circuit) == circuit
    assert gate_array(circuit).circuit() == circuit


def test_registers_are_laid_end_to_end_and_calls_are_spread_over_them():
    assert lines(TWO + "qreg a[2]; qreg b[2]; cx a,b; h b; cx a[0],b;") == [
        "cx q[0], q[2];", "cx q[1], q[3];", "h q[2];", "h q[3];", "cx q[0], q[2];", "cx q[0], q[3];",
    ]  # fmt: skip


def test_gates_are_expanded_under_their_parameters():
    text = TWO + "gate twist(a,b) x,y { rx(a/2) x; cx x,y; rz(-b*2^2) y; } qreg q[2]; twist(pi,1) q[1],q[0];"
    assert lines(text) == [f"rx({math.pi / 2!r}) q[1];", "cx q[1], q[0];", "rz(-4.0) q[0];"]


def test_a_gate_that_does_what_ours_does_is_ours():
    text = "OPENQASM 2.0; gate h a { U(pi/2,0,pi) a; } gate cx c,t { CX c,t; } qreg q[2]; h q[0]; cx q[0],q[1];"
    assert lines(text) == ["h q[0];", "cx q[0], q[1];"]
    other = "OPENQASM 2.0; gate h a { U(pi/2,0,0) a; } qreg q[1]; h q[0];"
    assert lines(other) == [f"u3({math.pi / 2!r}, 0.0, 0.0) q[0];"]


def test_conditions_become_conjunctions():
    head = THREE + "qubit[2] q; bit[3] c; c[0] = measure q[0]; "
    assert lines(head + "if (c == 5) x q[1];")[-1] == "if (c[0] && !c[1] && c[2]) { x q[1]; }"
    assert lines(head + "if (c[0] || c[1]) x q[1];")[1:] == [
        "if (!c[0] && c[1]) { x q[1]; }", "if (c[0] && !c[1]) { x q[1]; }", "if (c[0] && c[1]) { x q[1]; }",
    ]  # fmt: skip
    assert lines(head + "if (c[0]) { if (!c[0]) { x q[1]; } else { y q[1]; } }")[1:] == ["if (c[0]) { y q[1]; }"]


def test_loops_constants_aliases_and_inputs():
    text = (
        THREE
        + "const int n = 2; input float t; qubit[n * 2] q; let odd = q[1:2:3]; "
        + "for int i in [0:n] { rx(t * i) q[i]; } h odd;"
    )
    found = read(text, parameters={"t": 0.5}).qasm3.splitlines()[3:]
    assert found == ["rx(0.0) q[0];", "rx(0.5) q[1];", "rx(1.0) q[2];", "h q[1];", "h q[3];"]
    with pytest.raises(UnreadableCircuit, match="has no value"):
        read(text)


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        (TWO + "qreg q[2];\ncx q[0],q[0];", 4, 1, "a qubit twice"),
        (TWO + "qreg q[2];\n h q[2];", 4, 4, "there is no 2"),
        (TWO + "qreg q[2];\nfoo q[0];", 4, 1, "no gate or register"),
        (TWO + "qreg q[2]; rz(1/0) q[0];", 3, 16, "division"),
        (TWO + "qreg q[2]; qreg q[1];", 3, 17, "declared twice"),
        (TWO + "gate a x { a x; } qreg q[1]; a q;", 3, 12, "calls itself"),
        (TWO + "opaque magic a; qreg q[1]; magic q[0];", 3, 28, "opaque"),
        (TWO + "qreg q[2]; creg c[1]; measure q -> c;", 3, 23, "2 qubits are measured into 1 bits"),
        (THREE + "qubit q; def f() { }", 3, 10, "subroutines"),
        (THREE + "qubit q; rx(1/2) q;", 3, 14, "truncates"),
        (THREE + "qubit q; bit c; if (c) { c = measure q; x q; }", 3, 41, "was written before"),
        (THREE + "qubit q; §", 3, 10, "no gate or register"),
        (THREE + 'include "other.inc";', 3, 1, "can be included"),
        (THREE + "qubit q; if (true) { x q;", 3, 10, "reads no bit"),
        ("OPENQASM 4.0; qubit q;", 1, 10, "not read"),
        ("", 1, 1, "no qubits"),
    ],
)
def test_a_refusal_says_where_and_why(text, line, column, reason):
    with pytest.raises(UnreadableCircuit) as caught:
        read(text)
    assert reason in caught.value.reason
    assert (caught.value.line, caught.value.column) == (line, column)


def doubling(depth):
    gates = "gate g0 a { x a; } " + " ".join(f"gate g{n} a {{ g{n - 1} a; g{n - 1} a; }}" for n in range(1, depth))
    return TWO + gates + f" qreg q[1]; g{depth - 1} q[0];"


@pytest.mark.parametrize(
    "text",
    [
        TWO + "qreg q[99999999];",
        TWO + "".join(f"qreg q{n}[1];" for n in range(5_000)),
        doubling(60),
        doubling(200),
        TWO + "qreg q[1]; rx(" + "(" * 10_000 + "1" + ")" * 10_000 + ") q[0];",
        TWO + "qreg q[1]; rx(" + "-" * 10_000 + "1) q[0];",
        TWO + "qreg q[1]; rx(" + "1+" * 10_000 + "1) q[0];",
        TWO + "qreg q[1]; rx(9^9^9^9) q[0];",
        TWO + "qreg q[1]; rx(1e999) q[0];",
        THREE + "qubit q; " + "if (true) { " * 10_000,
        THREE + "qubit q; bit c; " + "if (c) { " * 10_000 + "x q;" + "}" * 10_000,
        THREE + "qubit q; for int i in [0:16000] { for int j in [0:16000] { } }",
        THREE + "qubit q; for int i in [0:1000000000] { }",
        THREE + "qubit q; pow(1000000000) @ x q;",
        THREE + "qubit[40] q; " + "ctrl(12) @ " * 3 + "x " + ", ".join(f"q[{n}]" for n in range(37)) + ";",
        "OPENQASM 3.0;" + " " * (17 << 20),
        TWO + "qreg q[1]; " + "a" * 1_000_000 + ";",
        TWO + "qreg q[1]; h" + " " * 1_000_000 + "!",
        THREE + "qubit q; for int i in [0:16000] { h q; /*" + "x" * 1_000_000 + "*/ }",
        THREE + "qubit q; for int i in [0:16000] { barrier q" + ", q" * 100_000 + "; }",
        TWO + "gate g a { rx(" + "(1+1)+" * 200 + "1) a; } qreg q[1]; g q[0];",
    ],
    ids=range(21),
)
def test_hostile_programs_are_refused_not_expanded(text, monkeypatch):
    monkeypatch.setattr(_expanding, "MAX_CALLS", 100_000)
    with pytest.raises((UnreadableCircuit, LimitExceeded)):
        read(text)


def test_gates_that_do_nothing_cost_nothing():
    assert features(read(doubling(60).replace("{ x a; }", "{ }"))).depth == 0


def test_languages_are_told_apart():
    assert language_of(TWO) == "openqasm2"
    assert language_of(THREE) == "openqasm3"
    with pytest.raises(InvalidInput, match="objects of"):
        language_of(object())


def test_features():
    text = (
        TWO
        + "qreg q[4]; creg c[2]; h q[0]; cx q[2],q[0]; cx q[0],q[2]; rz(pi/2) q[1]; "
        + "measure q[0]->c[0]; measure q[2]->c[1];"
    )
    found = features(read(text))
    assert (found.n_qubits, found.n_active, found.depth, found.two_qubit_depth) == (4, 3, 4, 2)
    assert (found.n_one, found.n_two, found.n_three, found.n_measured) == (2, 2, 0, 2)
    assert found.pairs.tolist() == [[0, 2]]
    assert found.pair_counts.tolist() == [2]
    assert (found.is_clifford, found.has_mid_circuit, found.has_feed_forward) == (True, False, False)
    moving = features(read(text + "if (c==1) t q[3]; h q[0];"))
    assert (moving.is_clifford, moving.has_mid_circuit, moving.has_feed_forward) == (False, True, True)
    assert features(Gates(3).ccx(0, 1, 2)).n_two == 6
