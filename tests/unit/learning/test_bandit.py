"""Offsets are learned from chosen arms alone, and exploring stays within its slack."""

import math

import pytest

from phalanx.core import Rng
from phalanx.learning import OffsetBandit


@pytest.mark.requirement("LRN-2")
def test_the_posterior_is_the_closed_form():
    made = OffsetBandit(prior_sd=0.5, noise_sd=0.2, slack=0.1)
    for reward in (1.1, 1.3):
        made.learn("a", 1.0, reward)
    precision = 1 / 0.25 + 2 / 0.04
    found = made.offset("a")
    assert found.mean == pytest.approx((0.4 / 0.04) / precision)
    assert (found.sd, found.n) == (pytest.approx(math.sqrt(1 / precision)), 2)
    assert made.offset("b").mean == 0.0


@pytest.mark.requirement("LRN-2")
def test_only_arms_within_the_slack_are_tried():
    made = OffsetBandit(prior_sd=5.0, noise_sd=0.1, slack=0.1)
    made.learn("a", 1.0, 1.0)
    assert made.choose({"a": 1.0, "near": 0.95, "far": 0.5}) == "near"
    assert OffsetBandit(prior_sd=5.0, noise_sd=0.1, slack=0.0).choose({"a": 1.0, "near": 0.95}) == "a"


@pytest.mark.requirement("LRN-2")
def test_it_comes_to_prefer_what_is_better_than_its_score():
    rng = Rng(5)
    made = OffsetBandit(prior_sd=0.3, noise_sd=0.1, slack=0.3)
    truth = {"a": -0.2, "b": 0.1, "c": 0.0}
    regret = []
    for _ in range(120):
        scores = {arm: rng.uniform(0.9, 1.0) for arm in truth}
        arm = made.choose(scores)
        made.learn(arm, scores[arm], scores[arm] + truth[arm] + rng.gauss(0.0, 0.05))
        real = {one: scores[one] + truth[one] for one in truth}
        regret.append(max(real.values()) - real[arm])
    assert sum(regret[60:]) / 60 < 0.01 < sum(regret[:10]) / 10 + 0.02
    assert made.offset("b").mean == pytest.approx(0.1, abs=0.05)
