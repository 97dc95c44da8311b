"""Circuits at large: text and back, and the simulator against plain matrix algebra."""

import functools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.quantum import GATE_NAMES, Gates, Op, parse, simulate

ANGLES = st.floats(-10, 10, allow_nan=False)
TWO = (
    "cx",
    "cz",
    "cp",
    "swap",
    "cy",
    "ch",
    "csx",
    "crx",
    "cry",
    "crz",
    "cu",
    "rxx",
    "ryy",
    "rzz",
    "rzx",
    "iswap",
    "ecr",
)
N_QUBITS = dict.fromkeys((*TWO, "dcx"), 2) | dict.fromkeys(("ccx", "ccz", "cswap"), 3)
ONE_ANGLE = ("rx", "ry", "rz", "p", "cp", "crx", "cry", "crz", "rxx", "ryy", "rzz", "rzx")
N_ANGLES = dict.fromkeys(ONE_ANGLE, 1) | {"u3": 3, "cu": 4}

X = np.array([[0, 1], [1, 0]])
Y = np.array([[0, -1j], [1j, 0]])
Z = np.diag([1, -1])
# By their definitions, not by the production table: rotations from the Pauli matrices, the rest as powers of Z and X.
MATRICES = {
    "x": lambda: X,
    "y": lambda: Y,
    "z": lambda: Z,
    "h": lambda: (X + Z) / np.sqrt(2),
    "s": lambda: np.diag([1, 1j]),
    "sdg": lambda: np.diag([1, -1j]),
    "t": lambda: np.diag([1, np.exp(1j * np.pi / 4)]),
    "tdg": lambda: np.diag([1, np.exp(-1j * np.pi / 4)]),
    "id": lambda: np.eye(2),
    "sx": lambda: ((1 + 1j) * np.eye(2) + (1 - 1j) * X) / 2,
    "sxdg": lambda: ((1 - 1j) * np.eye(2) + (1 + 1j) * X) / 2,
    "u3": lambda t, f, v: np.diag([1, np.exp(1j * f)]) @ MATRICES["ry"](t) @ np.diag([1, np.exp(1j * v)]),
    "cu": lambda t, f, v, g: np.exp(1j * g) * MATRICES["u3"](t, f, v),
    "cy": lambda: Y,
    "ch": lambda: MATRICES["h"](),
    "csx": lambda: MATRICES["sx"](),
    "crx": lambda a: MATRICES["rx"](a),
    "cry": lambda a: MATRICES["ry"](a),
    "crz": lambda a: MATRICES["rz"](a),
    "ccz": lambda: Z,
    "rx": lambda a: np.cos(a / 2) * np.eye(2) - 1j * np.sin(a / 2) * X,
    "ry": lambda a: np.cos(a / 2) * np.eye(2) - 1j * np.sin(a / 2) * Y,
    "rz": lambda a: np.cos(a / 2) * np.eye(2) - 1j * np.sin(a / 2) * Z,
    "p": lambda a: np.diag([1, np.exp(1j * a)]),
    "cx": lambda: X,
    "cz": lambda: Z,
    "cp": lambda a: np.diag([1, np.exp(1j * a)]),
    "ccx": lambda: X,
}


@st.composite
def circuits(draw):
    n = draw(st.integers(1, 6))
    names = [name for name in GATE_NAMES if N_QUBITS.get(name, 1) <= n]
    gates = Gates(n)
    for name in draw(st.lists(st.sampled_from(names), max_size=25)):
        qubits = draw(st.permutations(range(n)))[: N_QUBITS.get(name, 1)]
        params = tuple(draw(ANGLES) + 0.0 for _ in range(N_ANGLES.get(name, 0)))
        gates.add(Op(name, tuple(qubits), params))
    return gates.measure(*draw(st.permutations(range(n)))[: draw(st.integers(0, n))])


def on(n, factors):
    """The operator that has these one-qubit factors and identity elsewhere."""
    return functools.reduce(np.kron, [factors.get(q, np.eye(2)) for q in range(n)])


PAULIS = {"rxx": (X, X), "ryy": (Y, Y), "rzz": (Z, Z), "rzx": (Z, X)}


def special(op, n):
    a, b = op.qubits[-2:]
    swap = (np.eye(1 << n) + sum(on(n, {a: P, b: P}) for P in (X, Y, Z))) / 2
    if op.name == "iswap":
        return swap @ (np.eye(1 << n) * (1 + 1j) + on(n, {a: Z, b: Z}) * (1 - 1j)) / 2
    if op.name == "ecr":
        return (on(n, {a: X}) - on(n, {a: Y, b: X})) / np.sqrt(2)
    if op.name == "dcx":
        return dense(Op("cx", (b, a)), n) @ dense(Op("cx", (a, b)), n)
    return np.eye(1 << n) + on(n, {op.qubits[0]: np.diag([0, 1])}) @ (swap - np.eye(1 << n))


def dense(op, n):
    if op.name == "swap":
        a, b = op.qubits
        return (np.eye(1 << n) + sum(on(n, {a: P, b: P}) for P in (X, Y, Z))) / 2
    if op.name in PAULIS:
        first, second = (on(n, {q: P}) for q, P in zip(op.qubits, PAULIS[op.name], strict=True))
        (angle,) = op.params
        return np.cos(angle / 2) * np.eye(1 << n) - 1j * np.sin(angle / 2) * first @ second
    if op.name in ("iswap", "ecr", "dcx", "cswap"):
        return special(op, n)
    *controls, target = op.qubits
    when_all_one = dict.fromkeys(controls, np.diag([0, 1]))
    change = MATRICES[op.name](*op.params) - np.eye(2)
    return np.eye(1 << n) + on(n, when_all_one | {target: change})


@settings(deadline=None)
@given(circuits())
def test_text_and_back(gates):
    circuit = gates.circuit()
    again = parse(circuit)
    assert (again.n_qubits, again.ops, again.measured) == (gates.n_qubits, gates.ops, gates.measured)
    assert again.circuit() == circuit


@settings(deadline=None)
@given(circuits())
def test_the_simulator_does_what_the_matrices_say(gates):
    state = np.zeros(1 << gates.n_qubits, dtype=complex)
    state[0] = 1
    for op in gates.ops:
        state = dense(op, gates.n_qubits) @ state
    assert np.allclose(simulate.statevector(gates), state, atol=1e-12)


@settings(deadline=None)
@given(circuits().filter(lambda gates: gates.measured))
def test_probabilities_are_the_marginal_of_the_state(gates):
    expected = {}
    for index, amplitude in enumerate(simulate.statevector(gates)):
        bits = f"{index:0{gates.n_qubits}b}"
        key = "".join(bits[q] for q in gates.measured)
        expected[key] = expected.get(key, 0.0) + abs(amplitude) ** 2
    found = simulate.probabilities(gates)
    assert len(found) == 1 << len(gates.measured)
    for index, p in enumerate(found):
        assert abs(p - expected[f"{index:0{len(gates.measured)}b}"]) < 1e-12


@settings(deadline=None)
@given(st.integers(1, 8), st.data())
def test_a_z_under_many_controls_flips_one_sign_and_leaves_ancillas_clean(n, data):
    width = n + max(0, n - 3)
    gates = Gates(width)
    for q in range(n):
        gates.ry(data.draw(ANGLES), q)
    before = simulate.statevector(gates)
    after = simulate.statevector(gates.mcz(range(n), ancillas=range(n, width)))
    expected = before.copy()
    expected[((1 << n) - 1) << (width - n)] *= -1
    assert np.allclose(after, expected, atol=1e-12)
