"""Iterative amplitude estimation against an ideal device that is nothing but a binomial."""

import itertools
import math

import numpy as np
import pytest

from phalanx.core import Rng
from phalanx.quantum import AmplitudeSearch, Look, samples_for
from phalanx.quantum._search import Exhausted, confidence_interval


def search(p, *, epsilon, alpha, seed):
    draw = Rng(seed).numpy()
    theta = math.asin(math.sqrt(p))
    state = AmplitudeSearch(epsilon=epsilon, alpha=alpha)
    looks = []
    while not state.done:
        goals = int(draw.binomial(state.shots, math.sin(state.power * theta) ** 2))
        looks.append(Look(state.power, state.shots, goals))
        state.tell(looks[-1])
    return state.interval, looks


EASY_AND_HARD = [0.0, 1e-4, 0.05, 0.25, math.sin(math.pi / 10) ** 2, 0.5, 0.75, 0.9, 0.999, 1.0]


@pytest.mark.parametrize("alpha", [0.05, 0.4])
def test_the_interval_holds_as_often_as_it_says(alpha):
    runs, missed = 0, 0
    for p in EASY_AND_HARD:
        for seed in range(40):
            try:
                (low, high), _ = search(p, epsilon=0.01, alpha=alpha, seed=seed)
            except Exhausted:  # a failure that was noticed, and is reported as one
                continue
            runs += 1
            assert high - low <= 0.02
            missed += not low - 1e-12 <= p <= high + 1e-12
    assert runs > 390
    assert missed <= alpha * runs / 2, "the bound is an upper one; half of it leaves no doubt"


def test_powers_are_odd_and_at_least_double():
    for seed in range(20):
        _, looks = search(0.3, epsilon=0.002, alpha=0.05, seed=seed)
        powers = list(dict.fromkeys(look.power for look in looks))
        assert powers[0] == 1
        assert all(power % 2 == 1 for power in powers)
        assert all(later >= 2 * earlier for earlier, later in itertools.pairwise(powers))
        assert powers[-1] <= math.pi / 4 / 0.002


def mean_calls(epsilon):
    calls = [
        sum(look.calls for look in search(p, epsilon=epsilon, alpha=0.05, seed=seed)[1])
        for p in np.linspace(0.1, 0.9, 9)
        for seed in range(6)
    ]
    return sum(calls) / len(calls)


@pytest.mark.requirement("IRS-2")
def test_calls_grow_like_one_over_epsilon_where_monte_carlo_grows_like_its_square():
    epsilons = [0.02, 0.01, 0.005, 0.002, 0.001]
    quantum = [mean_calls(epsilon) for epsilon in epsilons]
    classical = [samples_for(epsilon, probability=0.5, alpha=0.05) for epsilon in epsilons]
    slope = np.polyfit(np.log(epsilons), np.log(quantum), 1)[0]
    assert -1.15 < slope < -0.75
    assert np.polyfit(np.log(epsilons), np.log(classical), 1)[0] == pytest.approx(-2, abs=0.05)
    assert classical[0] / quantum[0] > 1.5, "at 2 % there is little to gain"
    assert classical[-1] / quantum[-1] > 40, "at 0.1 % there is"


def test_at_equal_calls_the_error_is_far_below_that_of_monte_carlo():
    p, draw = 0.37, Rng(5).numpy()
    quantum, classical = [], []
    for seed in range(30):
        (low, high), looks = search(p, epsilon=0.002, alpha=0.05, seed=seed)
        calls = sum(look.calls for look in looks)
        quantum.append((low + high) / 2 - p)
        classical.append(draw.binomial(calls, p) / calls - p)
    rms = [math.sqrt(sum(e * e for e in errors) / len(errors)) for errors in (quantum, classical)]
    assert rms[0] < rms[1] / 4


def test_answers_that_exclude_each_other_are_noticed():
    state = AmplitudeSearch(epsilon=0.01, alpha=0.05)
    state.tell(Look(1, 48, 9))
    state.tell(Look(1, 48, 48))
    with pytest.raises(Exhausted):
        state.tell(Look(state.power, 48, 48))


def test_samples_for_is_enough_and_hardly_more_than_enough():
    for p in (0.02, 0.37, 0.5, 0.93):
        n = samples_for(0.01, probability=p, alpha=0.05)
        low, high = confidence_interval(p, n, 0.05)
        assert max(p - low, high - p) == pytest.approx(0.01, rel=1e-3)


def test_the_interval_of_no_hits_and_of_all_hits_is_the_closed_form():
    low, high = confidence_interval(0.0, 100, 0.05)
    assert (low, high) == (pytest.approx(0, abs=1e-9), pytest.approx(1 - 0.025**0.01, abs=1e-8))
    low, high = confidence_interval(1.0, 100, 0.05)
    assert (low, high) == (pytest.approx(0.025**0.01, abs=1e-8), pytest.approx(1, abs=1e-9))


def test_the_interval_is_never_narrower_than_the_exact_one():
    # Clopper and Pearson (1934) for 7 hits of 20 at 95 %: 0.1539 to 0.5922.
    low, high = confidence_interval(7 / 20, 20, 0.05)
    assert 0.10 < low < 0.1539
    assert 0.5922 < high < 0.66
