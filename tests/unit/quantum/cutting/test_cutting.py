"""Cut circuits: means from the pieces are those of the whole, the overhead is told before, and bounds hold."""

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import InvalidInput, LimitExceeded, Origin, Provenance, Rng
from phalanx.quantum import Gates, Observable, Op, ShotResult, simulate
from phalanx.quantum._gates import shape_of
from phalanx.quantum.circuits import read
from phalanx.quantum.cutting import circuits_of, cut_mean, exact_mean, find_cuts
from phalanx.quantum.simulators import run as run_simulator

TWOS = ("cx", "cy", "cz", "cp", "crz", "rxx", "ryy", "rzz", "rzx", "swap", "ch")


async def ideal(circuit, /, *, shots, seed):
    counts = run_simulator(circuit, shots=shots, rng=Rng(seed)).counts
    made = Provenance(origin=Origin.SIMULATED, device="ideal", circuits=(circuit.digest,), shots=shots, seed=seed)
    return ShotResult(counts, made)


@st.composite
def circuits(draw):
    n = draw(st.integers(2, 5))
    gates = Gates(n)
    angle = st.floats(-3, 3, allow_nan=False).map(lambda value: value + 0.0)
    for _ in range(draw(st.integers(1, 4))):
        gates.extend(Op("u3", (q,), (draw(angle), draw(angle), draw(angle))) for q in range(n))
        pair = draw(st.permutations(range(n)))[:2]
        name = draw(st.sampled_from(TWOS))
        gates.add(Op(name, tuple(pair), tuple(draw(angle) for _ in range(shape_of(name)[1]))))
    return gates


@pytest.mark.requirement("HWF-2")
@settings(max_examples=12, deadline=None)
@given(circuits(), st.integers(2, 4), st.data())
def test_the_mean_from_pieces_is_that_of_the_whole(gates, most, data):
    n = gates.n_qubits
    letters = data.draw(st.dictionaries(st.integers(0, n - 1), st.sampled_from("XYZ"), min_size=1))
    observable = Observable(((1.0, tuple(sorted(letters.items()))), (0.5, ((n - 1, "Z"),)), (-2.0, ())))
    plan = find_cuts(gates.circuit(), most, force=True)
    assert max(plan.widths) <= most
    assert sum(plan.widths) == n + sum(cut.kind == "wire" for cut in plan.cuts)
    if np.prod([4.0 if cut.kind == "wire" else 5.0 for cut in plan.cuts]) > 700:
        return
    assert exact_mean(plan, observable) == pytest.approx(observable.exact(simulate.statevector(gates)), abs=1e-9)


def two_blocks():
    """Three qubits at work, then three with one of them."""
    gates = Gates(5)
    for block in ((0, 1, 2), (2, 3, 4)):
        for turn in range(3):
            gates.extend(Op("ry", (q,), (0.3 + 0.2 * q + 0.5 * turn,)) for q in block)
            gates.cx(block[0], block[1]).cx(block[1], block[2]).cx(block[0], block[2])
    return gates


@pytest.mark.requirement("HWF-2")
def test_a_wire_is_cut_where_that_is_cheaper_and_a_gate_where_that_is():
    plan = find_cuts(two_blocks().circuit(), 3)
    assert [cut.kind for cut in plan.cuts] == ["wire"]
    assert plan.overhead == pytest.approx(16)
    weak = Gates(4).cx(0, 1).cx(2, 3)
    weak.add(Op("rzz", (1, 2), (0.1,)))
    plan = find_cuts(weak.circuit(), 2)
    assert [cut.kind for cut in plan.cuts] == ["gate"]
    assert plan.overhead == pytest.approx((1 + 2 * np.sin(0.1)) ** 2)


@pytest.mark.requirement("HWF-2")
def test_pieces_that_are_run_give_the_mean_within_the_error_that_is_told():
    gates, observable = two_blocks(), Observable.read("Z0 Y4 + 0.5*X1 X2 - 0.2*Z3 + 1")
    plan = find_cuts(gates.circuit(), 3)
    exact = observable.exact(simulate.statevector(gates))
    off = []
    for seed in range(12):
        found = asyncio.run(cut_mean(plan, observable, run=ideal, shots=2_000, seed=seed))
        off.append((found.value - exact) / found.error)
    assert abs(np.mean(off)) < 1.2
    assert 0.4 < np.std(off) < 1.9
    assert found.circuits == len(circuits_of(plan, observable))
    assert found.shots == 2_000 * found.circuits
    assert all(circuit.n_qubits <= 3 for circuit in circuits_of(plan, observable))
    assert found.provenance[0].mitigation == "circuit cut"


def test_a_cut_that_needs_too_many_shots_is_refused_before_anything_is_run():
    dense = Gates(6)
    for _ in range(4):
        for a in range(6):
            for b in range(a + 1, 6):
                dense.cx(a, b)
    with pytest.raises(LimitExceeded, match=r"times as many shots|cuts of a circuit"):
        find_cuts(dense.circuit(), 3)


def test_what_fits_or_falls_apart_is_not_cut():
    assert find_cuts(Gates(3).h(0).cx(0, 1).circuit(), 3).told() == "it fits as it is: 3 qubits"
    apart = find_cuts(Gates(4).cx(0, 2).cx(1, 3).circuit(), 2)
    assert not apart.cuts
    assert apart.overhead == 1
    assert "by itself" in apart.told()
    idle = find_cuts(Gates(3).cx(0, 1).x(2).circuit(), 2)
    assert exact_mean(idle, Observable.read("Z2")) == pytest.approx(-1)


def test_what_is_not_cut_is_refused():
    text = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nbit[1] c;\nc[0] = measure q[0];\nreset q[0];\n'
    with pytest.raises(InvalidInput, match="not cut"):
        find_cuts(read(text), 2)
    with pytest.raises(InvalidInput, match="max_qubits"):
        find_cuts(Gates(2).cx(0, 1).circuit(), 1)
    with pytest.raises(InvalidInput, match="observable"):
        exact_mean(find_cuts(Gates(2).cx(0, 1).circuit(), 2), Observable.read("Z5"))
