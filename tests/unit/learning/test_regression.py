"""Online regression is the closed form and knows what it does not know; off-policy values hold when half is wrong."""

import numpy as np
import pytest

from phalanx.core import InvalidInput, Rng
from phalanx.learning import Logged, OnlineRegression, doubly_robust


@pytest.mark.requirement("LRN-1")
def test_it_is_the_closed_form_whatever_the_order():
    draw = Rng(1).numpy()
    shared, groups = draw.normal(size=(40, 2)), draw.integers(0, 3, 40)
    values = shared @ [1.0, -2.0] + np.array([0.3, 0.0, -0.3])[groups] + draw.normal(0.0, 0.1, 40)
    made = OnlineRegression(2, shared_sd=1.0, own_sd=(0.5,), noise_sd=0.1)
    for row, group, value in zip(shared, groups, values, strict=True):
        made.learn(value, row, str(group))
    whole = np.hstack([shared, np.eye(3)[groups]])
    prior = np.diag([1.0, 1.0, 4.0, 4.0, 4.0]) * 0.1**2
    weights = np.linalg.solve(whole.T @ whole + prior, whole.T @ values)
    for group in range(3):
        expected = weights[:2] @ [0.5, 0.5] + weights[2 + group]
        assert made.predict(np.array([0.5, 0.5]), str(group)).mean == pytest.approx(expected, abs=1e-9)


@pytest.mark.requirement("LRN-1")
def test_intervals_hold_what_they_say_and_strangers_are_less_sure():
    draw = Rng(2).numpy()
    made = OnlineRegression(1, own_sd=(0.5,), noise_sd=0.5)
    held = []
    offsets = {str(group): draw.normal(0.0, 0.5) for group in range(10)}
    for step in range(800):
        group = str(draw.integers(0, 10))
        value = 2.0 + offsets[group] + draw.normal(0.0, 0.2)
        low, high = made.predict(np.ones(1), group).interval(0.9)
        if step > 200:
            held.append(low <= value <= high)
        made.learn(value, np.ones(1), group)
    assert 0.85 < np.mean(held) < 0.95
    assert made.predict(np.ones(1), "never seen").sd > 1.2 * made.predict(np.ones(1), "3").sd
    with pytest.raises(InvalidInput):
        made.learn(float("nan"), np.ones(1), "3")


@pytest.mark.requirement("LRN-1")
def test_what_is_a_circuits_is_not_held_against_its_device():
    draw = Rng(5).numpy()
    circuits = draw.normal(0.0, 0.3, 8)
    made = OnlineRegression(1, shared_sd=0.1, own_sd=(0.1, 0.3), noise_sd=0.1)
    for step in range(400):
        # The first device only ever gets the four worst circuits, and is the better one by 0.05.
        circuit = int(draw.integers(0, 8))
        device = "a" if circuits[circuit] < np.median(circuits) and step % 3 else "b"
        value = circuits[circuit] + (0.05 if device == "a" else 0.0) + draw.normal(0.0, 0.02)
        made.learn(value, np.ones(1), device, str(circuit))
    better = made.predict(np.ones(1), "a", "0").mean - made.predict(np.ones(1), "b", "0").mean
    assert better == pytest.approx(0.05, abs=0.015)


def test_what_is_forgotten_is_learned_anew():
    made = OnlineRegression(1, forget=0.9)
    for value in [1.0] * 50 + [3.0] * 50:
        made.learn(value, np.ones(1), "a")
    assert made.predict(np.ones(1), "a").mean == pytest.approx(3.0, abs=0.1)


@pytest.mark.requirement("LRN-2")
def test_the_value_is_right_when_the_model_or_the_chances_are():
    draw = Rng(3).numpy()
    truth = {True: 0.8, False: 0.6}  # what the policy wants, and the other one

    def logged(model_error, chance_said):
        rows = []
        for _ in range(4_000):
            same = bool(draw.random() < 0.3)
            rows.append(Logged(
                expected=truth[same] + model_error, wanted=truth[True] + model_error,
                chance=chance_said if same else 1.0 - chance_said, reward=truth[same] + draw.normal(0.0, 0.1),
                same=same,
            ))  # fmt: skip
        return doubly_robust(rows, Rng(4))

    for found in (logged(0.3, 0.3), logged(0.0, 0.6)):
        assert found.worth.low - 0.01 <= 0.8 <= found.worth.high + 0.01
        assert found.gain.low > 0.1
        assert found.matched == pytest.approx(0.3 * found.n, rel=0.1)
    assert abs(logged(0.3, 0.6).worth.value - 0.8) > 0.1, "both wrong: it is wrong"
    with pytest.raises(InvalidInput):
        doubly_robust([], Rng(1))
