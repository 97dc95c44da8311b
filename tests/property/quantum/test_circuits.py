"""Circuits at large: text and back, and the simulator against plain matrix algebra."""

import functools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.quantum import GATE_NAMES, Gates, Op, parse, simulate

ANGLES = st.floats(-10, 10, allow_nan=False)
N_QUBITS = {"cx": 2, "cz": 2, "cp": 2, "swap": 2, "ccx": 3}
WITH_ANGLE = {"rx", "ry", "rz", "p", "cp"}

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
    "sx": lambda: ((1 + 1j) * np.eye(2) + (1 - 1j) * X) / 2,
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
        params = (draw(ANGLES) + 0.0,) if name in WITH_ANGLE else ()
        gates.add(Op(name, tuple(qubits), params))
    return gates.measure(*draw(st.permutations(range(n)))[: draw(st.integers(0, n))])


def on(n, factors):
    """The operator that has these one-qubit factors and identity elsewhere."""
    return functools.reduce(np.kron, [factors.get(q, np.eye(2)) for q in range(n)])


def dense(op, n):
    if op.name == "swap":
        a, b = op.qubits
        return (np.eye(1 << n) + sum(on(n, {a: P, b: P}) for P in (X, Y, Z))) / 2
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
