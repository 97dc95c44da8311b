"""The world that policies are judged in: drift, near peers, and figures that mean what they say."""

import numpy as np
import pytest

from phalanx.bench.allocation import _placement as bench
from phalanx.bench.allocation._placement_world import World, drifted, noise_of, read_devices
from phalanx.core import Rng


class Named:
    family = "any"


def world(log_success, realised):
    log_success, realised = np.array(log_success, float), np.array(realised, float)
    n = log_success.shape[1]
    return World(
        tuple(Named() for _ in log_success), tuple(f"x.{at}" for at in range(n)), log_success, log_success,
        np.zeros(log_success.shape), np.arange(n) / 100, np.exp(log_success), np.zeros(log_success.shape), realised,
    )  # fmt: skip


@pytest.mark.requirement("QRM-5")
def test_regret_and_gain_are_what_they_are_called():
    made = world([[-0.1, -0.2, np.nan]] * 2, [[[0.8, 0.4, np.nan]] * 2])
    found = bench.judged(made, [np.arange(3)], Rng(1))
    assert found["success_probability"]["regret"] == pytest.approx(0.0)
    assert found["success_probability"]["above_random"] == pytest.approx(0.8 / 0.6 - 1)
    assert found["random"]["regret"] == pytest.approx(0.25)
    assert found["oracle"]["worth"] == pytest.approx(0.8)
    wrong = bench.judged(world([[-0.2, -0.1]], [[[0.8, 0.4]]]), [np.arange(2)], Rng(1))
    assert wrong["success_probability"]["regret"] == pytest.approx(0.5)


@pytest.mark.requirement("LRN-2")
def test_who_learns_leaves_what_disappoints():
    jobs = 40
    made = world([[-0.10, -0.11]] * jobs, [[[0.5, 0.89]] * jobs])
    worth = bench.learned(made, [np.arange(2)], Rng(3))
    assert len(worth) == jobs * bench.PASSES
    assert worth[:, 1].mean() > 0.88


@pytest.mark.requirement("QRM-5")
def test_the_truth_is_not_what_the_scorer_knows():
    noise = noise_of(read_devices()[0].calibration)
    truth = drifted(noise, Rng(4).numpy())
    known = noise.two_qubit_error > 0
    assert not np.any(truth.two_qubit_error[known] == noise.two_qubit_error[known])
    ratio = np.log(truth.two_qubit_error[known] / noise.two_qubit_error[known])
    assert np.std(ratio) == pytest.approx(0.29, rel=0.25)
    assert np.all(truth.t2_ns <= 2 * truth.t1_ns)


def test_near_peers_are_the_closest_together():
    scores = [[-9.0, -1.0, *(-2.0 - 0.01 * at for at in range(14)), -5.0]]
    assert bench.near_peers(world(scores, [scores])).tolist() == list(range(2, 16))
