"""Each mitigation by itself: circuits stay what they are, and values are those of closed forms."""

import itertools

import numpy as np
import pytest

from phalanx.core import InvalidInput, LimitExceeded, Rng, Unavailable
from phalanx.quantum import Gates
from phalanx.quantum._arrays import steps_of
from phalanx.quantum._canonical import write
from phalanx.quantum.circuits import equivalent
from phalanx.quantum.mapping import map_circuit
from phalanx.quantum.mitigation import (
    Cancelling,
    Mitigation,
    confusions,
    cost_of,
    extrapolated,
    folded,
    frames_of,
    nearest_counts,
    observed,
    parities,
    twirled,
)

WHOLE = Gates(3).h(0).cx(0, 1).ry(0.3, 1).cx(1, 2).rx(0.7, 2).cp(0.4, 0, 2).measure(0, 1, 2)


def n_twos(steps):
    return sum(len(step.qubits) == 2 and step.name != "barrier" for step in steps.steps)


@pytest.mark.requirement("HWF-6")
@pytest.mark.parametrize("how", ["local", "whole"])
@pytest.mark.parametrize("basis", ["cx", "cz", "ecr"])
@pytest.mark.parametrize("scale", [1, 1.5, 2, 3, 5])
def test_folded_circuits_do_the_same_with_so_many_times_the_gates(how, basis, scale):
    fitted = map_circuit(WHOLE, [(0, 1), (1, 2)], 3, basis=basis).circuit
    steps = steps_of(fitted)
    more = folded(steps, scale, how=how, rng=Rng(1))
    assert equivalent(fitted, write(more)).equal
    assert n_twos(more) == pytest.approx(scale * n_twos(steps), abs=1)


def test_what_decides_is_not_folded():
    from phalanx.quantum.circuits import read

    circuit = read("OPENQASM 3.0; include 'stdgates.inc'; qubit[2] q; bit[1] c; c[0] = measure q[0]; reset q[0];"
                   .replace("'", '"'))  # fmt: skip
    with pytest.raises(InvalidInput, match="folded"):
        folded(steps_of(circuit), 3, rng=Rng(1))
    with pytest.raises(InvalidInput, match="scale"):
        folded(steps_of(WHOLE), 0.5, rng=Rng(1))


@pytest.mark.requirement("HWF-6")
def test_extrapolation_is_exact_on_the_curves_it_is_for():
    scales = (1.0, 2.0, 3.0)
    x = np.array(scales)[:, None]
    assert extrapolated(scales, 0.9 - 0.1 * x, "linear") == pytest.approx([0.9])
    assert extrapolated(scales, 0.9 - 0.1 * x + 0.02 * x**2, "richardson") == pytest.approx([0.9])
    assert extrapolated(scales, -0.8 * np.exp(-0.3 * x), "exponential") == pytest.approx([-0.8])
    # No exponential goes through zero: the line answers.
    assert extrapolated(scales, 0.2 - 0.1 * x, "exponential") == pytest.approx([0.2])
    with pytest.raises(InvalidInput):
        extrapolated((1.0, 1.0), np.ones((2, 1)), "linear")


@pytest.mark.requirement("HWF-6")
def test_reading_errors_are_undone_exactly_where_all_outcomes_are_seen():
    truth = np.array([0.4, 0.1, 0.2, 0.3])
    each = [np.array([[0.97, 0.08], [0.03, 0.92]]), np.array([[0.9, 0.05], [0.1, 0.95]])]
    read = np.kron(*each) @ truth
    counts = {f"{at:02b}": round(1e9 * p) for at, p in enumerate(read)}
    zeros = {f"{at:02b}": round(1e9 * p) for at, p in enumerate(np.kron(*each)[:, 0])}
    ones = {f"{at:02b}": round(1e9 * p) for at, p in enumerate(np.kron(*each)[:, 3])}
    confusion = confusions(zeros, ones)
    assert confusion == pytest.approx(np.array(each), abs=1e-8)
    quasi = observed(counts, confusion)
    assert [quasi[f"{at:02b}"] for at in range(4)] == pytest.approx(truth, abs=1e-8)
    assert parities(counts, (0, 1), confusion)[0] == pytest.approx(0.4 - 0.1 - 0.2 + 0.3, abs=1e-8)
    assert parities(counts, (1,), confusion)[0] == pytest.approx(0.2, abs=1e-8)
    assert parities(counts, (1,), None)[0] != pytest.approx(0.2, abs=1e-2)
    with pytest.raises(Unavailable, match="bit 1"):
        confusions({"00": 50, "01": 50}, {"10": 50, "11": 50})


def test_counts_nearest_to_quasi_probabilities_are_a_projection():
    assert nearest_counts({"00": 0.6, "01": -0.1, "10": 0.5}, 1_000) == {"00": 550, "10": 450}
    found = nearest_counts({"0": 1 / 3, "1": 2 / 3}, 10)
    assert found == {"0": 3, "1": 7}
    assert sum(found.values()) == 10


def test_too_many_different_outcomes_are_refused():
    counts = {f"{at:013b}": 1 for at in range(5_000)}
    with pytest.raises(LimitExceeded):
        observed(counts, np.tile(np.eye(2), (13, 1, 1)))


@pytest.mark.requirement("HWF-6")
@pytest.mark.parametrize("basis", ["cx", "cz", "ecr"])
def test_frames_leave_a_circuit_what_it_is(basis):
    fitted = map_circuit(WHOLE, [(0, 1), (1, 2)], 3, basis=basis).circuit
    drawn = [write(twirled(steps_of(fitted), basis, Rng(seed))) for seed in range(8)]
    assert all(equivalent(fitted, one).equal for one in drawn)
    assert len({one.digest for one in drawn}) > 4
    assert sorted(frames_of(basis)) == list(range(16))
    assert frames_of("cx")[1 << 2] == 0b0101  # X on the control becomes X on both.


@pytest.mark.requirement("HWF-6")
def test_the_weight_of_cancelling_one_gate_is_that_of_the_inverse_channel(machine_with):
    # Depolarisation that keeps f of each Pauli: weights (1 + 15/f)/16 and 15 times (1 - 1/f)/16.
    steps = steps_of(Gates(2).cx(0, 1).measure(0, 1))
    noise = machine_with(n=2, two=0.03).noise
    kept = 1 - 4 * 0.03 / 3
    found = Cancelling(steps, noise, "cx")
    assert found.weight == pytest.approx((1 + 15 / kept) / 16 + 15 * (1 / kept - 1) / 16)
    assert found.overhead == pytest.approx(found.weight**2)
    signs = [found.drawn(Rng(seed))[1] / found.weight for seed in range(400)]
    assert {round(sign) for sign in signs} == {-1, 1}
    # The mean sign is one over the weight.
    assert np.mean(signs) == pytest.approx(1 / found.weight, abs=0.03)


def test_what_cannot_be_wanted_is_refused():
    assert str(Mitigation.read("")) == ""
    assert not Mitigation.read("")
    assert Mitigation.read("zne:exponential, readout:observed,dd:xx,twirl:4") == Mitigation(
        zne="exponential", readout="observed", decoupling="xx", twirls=4
    )
    for text in ("magic", "zne:magic", "pec,zne", "pec,dd", "twirl:many", "readout:all", "pec:999999"):
        with pytest.raises(InvalidInput):
            Mitigation.read(text)
    with pytest.raises(InvalidInput):
        Mitigation(zne="linear", scales=(1.0, 1.0))


@pytest.mark.requirement("HWF-6")
def test_what_it_takes_is_known_before_and_bounded():
    cost = cost_of(Mitigation.read("zne:richardson,readout"), groups=2, shots=1_000)
    assert (cost.circuits, cost.shots, cost.plain_shots) == (2 * 3 + 4, 10_000, 2_000)
    weights = np.array([15, -10, 3]) / 8  # Lagrange at zero through 1, 3, 5
    assert cost.variance == pytest.approx(3 * (weights**2).sum())
    pec = Mitigation.read("pec")
    with pytest.raises(LimitExceeded, match="cancel"):
        cost_of(pec, groups=1, shots=1_000, overhead=1e6)
    assert cost_of(pec, groups=1, shots=1_000, overhead=1e6, force=True).variance == 1e6
    with pytest.raises(LimitExceeded):
        cost_of(pec, groups=1, shots=10**9)


def test_all_signs_of_a_pair_of_paulis_are_those_of_matrices():
    from phalanx.quantum.mitigation._cancelling import _ANTI

    paulis = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]
    for (a, one), (b, other) in itertools.product(enumerate(paulis), repeat=2):
        assert _ANTI[a, b] == (not np.allclose(one @ other, other @ one))
