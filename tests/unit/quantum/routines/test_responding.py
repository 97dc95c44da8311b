"""The choice of responses: gradients against differences, values against a plain sum, bounds and refusals."""

import itertools

import numpy as np
import pytest

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.quantum.routines import Action, choose_responses, expectation_and_gradient

ACTIONS = [Action(name=f"a{j}", worth=w, cost=c) for j, (w, c) in enumerate([(5, 3), (4, 2), (3, 2), (6, 5), (1, 1)])]


def by_hand(actions, budget, conflicts):
    """The best choice, by trying each."""
    best = 0.0
    for size in range(len(actions) + 1):
        for choice in itertools.combinations(actions, size):
            names = {one.name for one in choice}
            if sum(one.cost for one in choice) <= budget:
                spoilt = sum(loss for a, b, loss in conflicts if {a, b} <= names)
                best = max(best, sum(one.worth for one in choice) - spoilt)
    return best


@pytest.mark.requirement("IRS-2")
@pytest.mark.parametrize("conflicts", [[], [("a0", "a1", 4.0)], [("a1", "a2", 10.0), ("a0", "a4", -2.0)]])
@pytest.mark.parametrize("budget", [0.5, 3.0, 7.0, 100.0])
def test_the_exact_answer_is_that_of_trying_each_and_what_is_found_keeps_to_the_budget(budget, conflicts):
    answer = choose_responses(ACTIONS, budget=budget, conflicts=conflicts, seed=2, layers=3, steps=60)
    worth = by_hand(ACTIONS, budget, conflicts)
    assert answer.found["best_possible"] == pytest.approx(worth)
    assert answer.classical[0].value == pytest.approx(worth)
    assert answer.found["worth"] == pytest.approx(worth)  # 32 choices, 256 shots
    assert answer.found["mean_measured"] > answer.found["mean_of_all"]
    chosen = [one for one in ACTIONS if one.name in answer.found["actions"]]
    assert sum(one.cost for one in chosen) <= budget


def test_gradients_are_those_of_small_differences():
    rng = np.random.default_rng(3)
    values, angles = rng.normal(size=64), rng.normal(size=(3, 2))
    _, gradient = expectation_and_gradient(values, angles)
    for place in np.ndindex(angles.shape):
        step = np.zeros_like(angles)
        step[place] = 1e-5
        above, below = (expectation_and_gradient(values, angles + sign * step)[0] for sign in (1, -1))
        assert gradient[place] == pytest.approx((above - below) / 2e-5, abs=1e-6)


def test_one_layer_on_one_action_has_the_closed_form():
    # exp(iβX)·Z·exp(−iβX) = Z·cos 2β + Y·sin 2β, and ⟨Y⟩ = sin γ after the phase.
    values = np.array([0.5, -0.5])
    for phase, mixing in itertools.product((0.3, 1.1, -0.7), (0.2, -0.9)):
        expected, _ = expectation_and_gradient(values, np.array([[phase, mixing]]))
        assert expected == pytest.approx(0.5 * np.sin(2 * mixing) * np.sin(phase), abs=1e-12)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"budget": 0.0}, "budget"), ({"layers": 0}, "layers"), ({"shots": 0}, "shots"), ({"steps": 10**6}, "steps"),
        ({"conflicts": [("a0", "nobody", 1.0)]}, "conflicts"),
        ({"actions": [Action(name="a", worth=1, cost=-1)]}, "actions"),
        ({"actions": [Action(name="a", worth=1, cost=1)] * 2}, "actions"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_its_field(change, field):
    given = {"actions": ACTIONS, "budget": 5.0, "seed": 1} | change
    with pytest.raises(InvalidInput, match=field):
        choose_responses(given.pop("actions"), **given)


def test_more_actions_than_can_be_weighed_are_refused():
    with pytest.raises(LimitExceeded):
        choose_responses([Action(name=str(j), worth=1, cost=1) for j in range(19)], budget=1.0, seed=1)
