"""Circuits onto coupling graphs, and how likely the result is to hold."""

import math

import numpy as np
import pytest

from phalanx.core import InvalidInput, Rng
from phalanx.quantum import GATE_NAMES, Gates, InvalidCircuit, Op, parse, simulate
from phalanx.quantum._canonical import Step, read
from phalanx.quantum._gates import shape_of
from phalanx.quantum._unitary import overlap, unitary
from phalanx.quantum.circuits import read as read_text
from phalanx.quantum.mapping import Noise, estimated_success, map_circuit
from phalanx.quantum.mapping._kernels import idle_times
from phalanx.quantum.mapping._native import TWO_QUBIT_BASES, split_steps, to_native

pytestmark = pytest.mark.requirement("QRM-1")

LINE = [(q, q + 1) for q in range(9)]
RING = [*LINE, (9, 0)]
TREE = [(0, 1), (0, 2), (1, 3), (1, 4), (2, 5), (2, 6), (6, 7), (7, 8)]


def random_circuit(seed, n=6, length=40):
    rng = Rng(seed).child("mapping")
    gates = Gates(n)
    for _ in range(length):
        name = rng.choice(GATE_NAMES)
        n_qubits, n_params = shape_of(name)
        params = tuple(rng.uniform(-4, 4) for _ in range(n_params))
        gates.add(Op(name, tuple(rng.sample(range(n), n_qubits)), params))
    return gates.measure(*rng.sample(range(n), 4))


def noise(n=10, pairs=LINE, **changed):
    values = {
        "t1_ns": np.full(n, 1e5), "t2_ns": np.full(n, 8e4), "readout_error": np.full(n, 0.02),
        "one_qubit_error": np.full(n, 1e-3), "one_qubit_ns": np.full(n, 35.0), "readout_ns": np.full(n, 700.0),
        "pairs": np.array(pairs, dtype=np.int32), "two_qubit_error": np.full(len(pairs), 0.01),
        "two_qubit_ns": np.full(len(pairs), 300.0),
    }  # fmt: skip
    return Noise(**(values | changed))


@pytest.mark.parametrize("basis", TWO_QUBIT_BASES)
@pytest.mark.parametrize("name", GATE_NAMES)
def test_every_gate_in_a_machines_own(name, basis):
    n_qubits, n_params = shape_of(name)
    rng = Rng(5).child(name)
    for angles in ([rng.uniform(-7, 7) for _ in range(n_params)], [0.0] * n_params, [math.pi] * n_params):
        step = Step(name, tuple(range(n_qubits)), tuple(angles))
        native = to_native(split_steps([step]), basis, n_qubits)
        assert {one.name for one in native} <= {"rz", "sx", "x", basis}
        ours = unitary(n_qubits, [(step.name, step.qubits, step.params)])
        theirs = unitary(n_qubits, [(one.name, one.qubits, one.params) for one in native])
        assert overlap(ours, theirs) > 1 - 1e-9


@pytest.mark.parametrize("pairs", [LINE, RING, TREE], ids=["line", "ring", "tree"])
@pytest.mark.parametrize("seed", range(4))
def test_a_mapped_circuit_gives_the_same_results_over_couplers_that_there_are(seed, pairs):
    gates = random_circuit(seed)
    mapped = map_circuit(gates, pairs, 10, trials=2)
    joined = {frozenset(pair) for pair in pairs}
    steps = read(mapped.circuit).steps
    assert all(frozenset(step.qubits) in joined for step in steps if len(step.qubits) == 2)
    assert sum(len(step.qubits) == 2 for step in steps) == mapped.n_two
    assert np.allclose(simulate.probabilities(parse(mapped.circuit)), simulate.probabilities(gates), atol=1e-9)


def test_what_is_decided_stays_in_order():
    text = (
        'OPENQASM 3.0; include "stdgates.inc"; qubit[4] q; bit[2] c; h q[0]; c[0] = measure q[0]; '
        "if (c[0]) { ccx q[0], q[1], q[3]; } reset q[0]; cx q[0], q[3]; c[1] = measure q[3];"
    )
    steps = read(map_circuit(read_text(text), [(0, 1), (1, 2), (2, 3)], 4, trials=1).circuit).steps
    measured = next(at for at, step in enumerate(steps) if step.name == "measure")
    decided = [at for at, step in enumerate(steps) if step.condition]
    assert decided
    assert min(decided) > measured
    assert max(decided) < next(at for at, step in enumerate(steps) if step.name == "reset")


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidCircuit, match="needs 3 qubits, 2 of the device"):
        map_circuit(Gates(3).ccx(0, 1, 2), [(0, 1), (2, 3)], 4)
    with pytest.raises(InvalidInput, match="basis"):
        map_circuit(Gates(1).h(0), [(0, 1)], 2, basis="xy")


def test_idle_qubits_wait_as_late_as_possible():
    # h 0; h 1; cx 0 1; h 0; h 0; cx 0 1: the second qubit waits for the two gates of the first, and not at the start.
    kinds = np.array([0, 0, 1, 0, 0, 1], dtype=np.uint8)
    first = np.array([0, 1, 0, 0, 0, 0], dtype=np.int32)
    second = np.array([-1, -1, 1, -1, -1, 1], dtype=np.int32)
    idle = np.zeros((6, 2))
    duration = idle_times(kinds, first, second, np.array([40.0, 35, 300, 35, 35, 300]), 2, idle)
    assert duration == 40 + 300 + 70 + 300
    assert idle.tolist() == [[0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 70]]


def test_success_is_the_product_of_what_may_fail():
    found = estimated_success(Gates(2).add(Op("sx", (0,))).cx(0, 1).rz(0.3, 1).measure(0, 1), noise())
    assert found.log_probability == pytest.approx(math.log(0.999 * 0.99 * 0.98**2))
    assert found.duration_ns == 35 + 300 + 700
    waited = estimated_success(Gates(2).cx(0, 1).x(0).x(0).cx(0, 1), noise())
    kept = (1 + math.exp(-70 / 1e5) + 2 * math.exp(-70 / 8e4)) / 4
    assert waited.log_probability == pytest.approx(math.log(0.99**2 * 0.999**2 * (2 * kept + 1) / 3))
    assert estimated_success(Gates(3).cx(0, 2), noise()).log_probability == -math.inf


def test_a_layout_goes_where_errors_are_small():
    errors = np.full(9, 0.2)
    errors[6:] = 0.001
    mapped = map_circuit(Gates(3).cx(0, 1).cx(1, 2).measure(0, 1, 2), LINE, 10, noise=noise(two_qubit_error=errors))
    assert set(mapped.layout) <= {6, 7, 8, 9}
    assert mapped.n_swaps == 0
