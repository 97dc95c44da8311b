"""Classical annealing against a plain reference, against Boltzmann's law, and its bound."""

import numpy as np
import pytest

from phalanx.core import LimitExceeded
from phalanx.quantum.simulators import annealed
from phalanx.quantum.simulators._kernels_annealing import anneal


def plain(fields, couplings, betas, spins, generator):
    """The same, with energies told by their formula. ``couplings`` (n, n) is symmetric."""

    def energy(row):
        return float(fields @ row + row @ couplings @ row / 2)

    for row in spins:
        for beta in betas:
            for at in range(fields.size):
                turned = row.copy()
                turned[at] = -turned[at]
                cost = energy(turned.astype(float)) - energy(row.astype(float))
                if cost <= 1e-12 or generator.random() < np.exp(-beta * cost):
                    row[at] = -row[at]


def of_pairs(pairs, weights, n):
    ends = np.concatenate([pairs, pairs[:, ::-1]])
    order = np.argsort(ends[:, 0], kind="stable")
    return np.searchsorted(ends[order, 0], np.arange(n + 1)), ends[order, 1], np.concatenate([weights, weights])[order]


def test_the_kernel_sweeps_as_the_reference_does():
    made = np.random.default_rng(7)
    n = 6
    pairs = np.array([(a, b) for a in range(n) for b in range(a + 1, n) if made.random() < 0.6], np.int64)
    fields, weights = made.normal(size=n), made.normal(size=len(pairs))
    dense = np.zeros((n, n))
    dense[pairs[:, 0], pairs[:, 1]] = weights
    betas, begun = np.geomspace(0.1, 5.0, 20), (2 * made.integers(0, 2, (8, n)) - 1).astype(np.int8)
    ours, theirs = begun.copy(), begun.copy()
    anneal(fields, *of_pairs(pairs, weights, n), betas, ours, np.random.default_rng(3))
    plain(fields, dense + dense.T, betas, theirs, np.random.default_rng(3))
    assert np.array_equal(ours, theirs)
    assert not np.array_equal(ours, begun)


def test_at_one_temperature_states_are_as_frequent_as_boltzmann_says():
    fields, pairs, weights = np.array([0.3, -0.5, 0.2]), np.array([[0, 1], [1, 2]]), np.array([0.7, -0.4])
    spins = np.ones((40_000, 3), np.int8)
    anneal(fields, *of_pairs(pairs, weights, 3), np.full(40, 0.8), spins, np.random.default_rng(11))
    states = 2 * ((np.arange(8)[:, None] >> np.arange(3)) & 1) - 1
    energies = states @ fields + (states[:, pairs[:, 0]] * states[:, pairs[:, 1]]) @ weights
    wanted = np.exp(-0.8 * energies)
    seen = np.bincount(((spins + 1) // 2) @ (1 << np.arange(3)), minlength=8) / len(spins)
    assert seen == pytest.approx(wanted / wanted.sum(), abs=0.01)


def test_what_would_take_too_long_is_refused_before_it_begins():
    fields, pairs = np.zeros(4_096), np.stack([np.arange(4_095), np.arange(1, 4_096)], axis=1).astype(np.int32)
    with pytest.raises(LimitExceeded, match="steps of annealing"):
        annealed(fields, pairs, np.ones(4_095), shots=10_000, generator=np.random.default_rng(1))


@pytest.mark.parametrize("tiny", [5e-324, 1e-300, 1e-17])
@pytest.mark.filterwarnings("error")
def test_a_term_that_is_next_to_nothing_does_not_cool_the_others_to_a_stop(tiny):
    made = np.random.default_rng(1)
    pairs = np.array([(a, b) for a in range(30) for b in range(a + 1, 30)], np.int32)
    weights = made.normal(size=len(pairs))

    def drawn(first):
        fields = np.zeros(30)
        fields[0] = first
        return annealed(fields, pairs, weights, shots=20, generator=np.random.default_rng(2))

    assert (drawn(tiny) == drawn(0.0)).all()


@pytest.mark.filterwarnings("error")
def test_a_problem_of_next_to_nothing_is_none():
    nothing = np.full(2, 5e-324)
    spins = annealed(nothing, np.empty((0, 2), np.int32), np.empty(0), shots=3, generator=np.random.default_rng(2))
    assert spins.shape == (3, 2)
