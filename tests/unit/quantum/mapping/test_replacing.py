"""A routed circuit goes to the best qubits that carry it: as good as trying all of them, and still the same circuit."""

import itertools

import numpy as np
import pytest

from phalanx.core import Rng
from phalanx.quantum import Gates, simulate
from phalanx.quantum.circuits import read
from phalanx.quantum.mapping import Noise, estimated_success, map_circuit
from phalanx.quantum.mapping._replacing import Terrain, replaced
from phalanx.quantum.simulators import probabilities

CHAIN = Gates(3).h(0).cx(0, 1).cx(1, 2).cx(0, 1).measure(0, 1, 2)
BARRED = """OPENQASM 3.0; include "stdgates.inc"; qubit[3] q; bit[3] c;
h q[0]; cx q[0], q[1]; barrier q; cx q[1], q[2]; c = measure q;"""
GRID = np.array([(0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5)], np.int32)


def noise(seed, *, t1=np.inf, pairs=GRID, n=6):
    draw = Rng(seed).numpy()
    return Noise(
        t1_ns=np.full(n, t1), t2_ns=np.full(n, t1), readout_error=draw.uniform(0.01, 0.2, n),
        one_qubit_error=draw.uniform(1e-4, 5e-3, n), one_qubit_ns=np.full(n, 40.0), readout_ns=np.full(n, 1e3),
        pairs=pairs, two_qubit_error=draw.uniform(0.005, 0.2, len(pairs)), two_qubit_ns=np.full(len(pairs), 300.0),
    )  # fmt: skip


def native_of(mapped):
    from phalanx.quantum._arrays import steps_of

    return steps_of(mapped.circuit)


@pytest.mark.requirement("QRM-5")
@pytest.mark.parametrize("seed", range(6))
def test_no_other_place_is_better(seed):
    known = noise(seed)
    found = map_circuit(CHAIN, known.pairs, 6, noise=known)
    steps = native_of(found)
    reached = estimated_success(steps, known).log_probability
    used = sorted({q for step in steps.steps for q in step.qubits})
    best = max(
        estimated_success(steps._replace(steps=[
            step._replace(qubits=tuple(dict(zip(used, there, strict=True)).get(q, q) for q in step.qubits))
            for step in steps.steps
        ]), known).log_probability
        for there in itertools.permutations(range(6), len(used))
    )  # fmt: skip
    assert reached == pytest.approx(best, abs=1e-9)
    assert np.isfinite(best)


@pytest.mark.parametrize("seed", range(8))
def test_barriers_go_along(seed):
    known = noise(seed)
    found = native_of(map_circuit(read(BARRED), known.pairs, 6, noise=known))
    barriers = [step.qubits for step in found.steps if step.name == "barrier"]
    assert barriers == [tuple(sorted({q for step in found.steps if step.name != "barrier" for q in step.qubits}))]


@pytest.mark.parametrize("trial", range(5))
def test_gates_meet_where_couplers_are_on_both_sides_of_barriers_and_decisions(trial):
    """What a barrier or a decision puts in order is routed in that order: nothing is done between strangers."""
    draw = Rng(trial).numpy()
    lines = ['OPENQASM 3.0; include "stdgates.inc"; qubit[5] q; bit[6] c; h q[0];']
    for step in range(30):
        a, b = draw.choice(5, 2, replace=False)
        lines.append(f"cx q[{a}], q[{b}];")
        if step % 7 == 3:
            lines.append("barrier q;")
        if step % 11 == 5:
            lines.append(f"c[5] = measure q[{a}]; if (c[5] == true) {{ cx q[{b}], q[{(b + 1) % 5}]; }}")
    lines.append("c[0:4] = measure q;")
    known = noise(trial)
    for found in (
        map_circuit(read("\n".join(lines)), GRID, 6, noise=known), map_circuit(read("\n".join(lines)), GRID, 6)
    ):  # fmt: skip
        assert np.isfinite(estimated_success(found.circuit, known).log_probability)


def test_a_poor_place_is_left_and_the_circuit_stays_the_same():
    bad = noise(1, t1=5e4)
    poor = map_circuit(CHAIN, bad.pairs, 6)  # laid out without knowing errors
    steps = native_of(poor)
    neighbours = np.full((6, 3), -1, np.int32)
    for q in range(6):
        near = [int(b if a == q else a) for a, b in GRID if q in (a, b)]
        neighbours[q, : len(near)] = near
    moved, places, success = replaced(steps.steps, steps.n_bits, Terrain.of(bad, neighbours))
    assert places, "another place is better"
    assert success > estimated_success(steps, bad).log_probability
    _, none, same = replaced(moved, steps.n_bits, Terrain.of(bad, neighbours))
    assert (none, same) == ({}, success), "and that one is the best"
    ideal = noise(1)
    silent = Noise(
        t1_ns=ideal.t1_ns, t2_ns=ideal.t2_ns, readout_error=np.zeros(6), one_qubit_error=np.zeros(6),
        one_qubit_ns=np.zeros(6), readout_ns=np.zeros(6), pairs=GRID, two_qubit_error=np.zeros(7),
        two_qubit_ns=np.zeros(7),
    )  # fmt: skip
    assert probabilities(map_circuit(CHAIN, GRID, 6, noise=bad).circuit, silent) == pytest.approx(
        simulate.probabilities(CHAIN), abs=1e-9
    )


def test_where_each_qubit_begins_and_ends_is_said_of_the_new_place():
    known = noise(4)
    swapping = Gates(4).h(0).cx(0, 1).cx(0, 2).cx(0, 3).cx(1, 2).cx(2, 3).cx(1, 3).measure(0, 1, 2, 3)
    found = map_circuit(swapping, known.pairs, 6, noise=known)
    assert found.n_swaps > 0
    measured = {step.bit: step.qubits[0] for step in native_of(found).steps if step.name == "measure"}
    assert [measured[bit] for bit in range(4)] == list(found.final)
    assert len(set(found.layout)) == 4
