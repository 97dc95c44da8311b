"""Every built-in policy keeps the contract, and prefers what it says it prefers."""

import asyncio

import numpy as np
import pytest

from phalanx.allocation import PolicyContext, built_in_policies
from phalanx.allocation._policies import undominated
from phalanx.core import InvalidInput
from phalanx.quantum import Gates
from phalanx.testing.contracts import POLICY_CHECKS
from phalanx.testing.contracts._policies import policy_case

POLICIES = built_in_policies()


def first(name, **changes):
    policies = built_in_policies(PolicyContext(**changes)) if changes else POLICIES
    return policies[name].rank(policy_case(without="local.ideal", steady=True)).preferences[0].device


@pytest.mark.requirement("QRM-2")
@pytest.mark.parametrize("check", POLICY_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", sorted(POLICIES))
def test_the_contract(name, check):
    asyncio.run(check(POLICIES[name]))


@pytest.mark.requirement("QRM-2")
def test_each_prefers_what_it_says():
    assert first("least_busy") != "x.busy"
    assert first("best_error") == "x.good"
    assert first("success_probability") == "x.good"
    assert first("expected_fidelity") == "x.good"
    assert first("shortlist") == "x.good"
    busy = POLICIES["least_busy"].rank(policy_case()).preferences[-1]
    assert (busy.device, busy.score) == ("x.busy", -600.0)


def test_weights_of_pareto_are_heard():
    assert first("pareto", fidelity=1.0, time=0.0, money=0.0) == "x.good"
    hurried = built_in_policies(PolicyContext(fidelity=0.0, time=1.0, money=0.0))["pareto"]
    assert hurried.rank(policy_case(without="local.ideal")).preferences[-1].device == "x.busy"
    with pytest.raises(InvalidInput):
        PolicyContext(fidelity=0.0, time=0.0, money=0.0)


def test_undominated_is_what_nobody_beats_in_all_three():
    success, seconds, prices = np.array([0.9, 0.8, 0.8, 0.5]), np.array([9.0, 1.0, 2.0, 1.0]), np.zeros(4)
    assert undominated(success, seconds, prices).tolist() == [True, True, False, False]
    assert undominated(np.ones(2), np.ones(2), np.ones(2)).all(), "equals do not beat each other"


@pytest.mark.requirement("QRM-5")
def test_what_is_expected_is_simulated_under_the_known_noise():
    case = policy_case(without="local.ideal")
    ranking = POLICIES["expected_fidelity"].rank(case)
    best, *_ = ranking.preferences
    assert best.score == case.expected(best.device)
    assert 0.5 < case.expected("x.poor") < case.expected("x.good") < 1.0
    assert case.expected("local.ideal") == 1.0
    wide = policy_case(without="local.ideal", circuit=Gates(9).h(0).measure(0).circuit())
    assert wide.expected("x.good") is None
    guess = policy_case(without="local.ideal", circuit=Gates(2).h(0).h(1).measure(0, 1).circuit())
    assert "not simulated" in POLICIES["expected_fidelity"].rank(guess).reason
