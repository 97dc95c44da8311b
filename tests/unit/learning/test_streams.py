import msgspec
import numpy as np
import pytest

from phalanx.core import InvalidInput
from phalanx.learning import AdaptiveThreshold, Drift


@pytest.mark.requirement("LRN-3")
def test_a_stationary_stream_keeps_its_window():
    alarms = 0
    for seed in range(20):
        draw, drift = np.random.default_rng(seed), Drift()
        alarms += sum(drift.add(float(value)) for value in draw.random(2_000) < 0.3)
    assert alarms <= 4, "one false change in 10,000 values is more than the confidence promises"


@pytest.mark.requirement("LRN-3")
def test_a_change_shows_soon_and_what_was_before_is_forgotten():
    for seed in range(10):
        draw, drift = np.random.default_rng(seed), Drift()
        for value in draw.random(1_000) < 0.2:
            drift.add(float(value))
        after = 0
        for value in draw.random(400) < 0.6:
            after += 1
            if drift.add(float(value)):
                break
        assert after < 200
        for value in draw.random(600) < 0.6:
            drift.add(float(value))
        assert 0.5 < drift.mean < 0.7


def test_the_window_knows_the_mean_and_variance_of_what_it_holds():
    draw, drift = np.random.default_rng(1), Drift(delta=1e-9)
    values = draw.random(777)
    for value in values:
        drift.add(float(value))
    assert drift.width == 777
    assert drift.mean == pytest.approx(values.mean())
    assert drift.spread / drift.width == pytest.approx(values.var())
    assert sum(len(level.totals) for level in drift.levels) < 60


def test_what_is_left_after_a_change_adds_up():
    draw, drift = np.random.default_rng(2), Drift()
    values = np.concatenate((draw.random(500) * 0.2, 0.8 + draw.random(500) * 0.2))
    for value in values:
        drift.add(float(value))
    kept = values[-drift.width :]
    assert drift.changes >= 1
    assert drift.width < 600
    assert drift.mean == pytest.approx(kept.mean())
    assert drift.spread == pytest.approx(kept.var() * len(kept))


def test_a_drift_goes_on_where_it_was_stored():
    draw, drift = np.random.default_rng(3), Drift()
    values = [float(value) for value in draw.random(300)]
    for value in values[:150]:
        drift.add(value)
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(drift), type=Drift)
    for value in values[150:]:
        assert drift.add(value) == again.add(value)
    assert again == drift
    with pytest.raises(InvalidInput):
        drift.add(1.5)


@pytest.mark.requirement("LRN-3")
def test_a_threshold_lets_about_the_wanted_part_pass():
    draw = np.random.default_rng(4)
    threshold = AdaptiveThreshold.between(0.0, 100.0, passing=0.01)
    threshold.learn([float(value) for value in draw.exponential(size=4_000)])
    passed = sum(threshold.passes(float(value)) for value in draw.exponential(size=10_000))
    assert 50 < passed < 200


@pytest.mark.requirement("LRN-3")
def test_a_threshold_stays_between_floor_and_ceiling_whatever_comes():
    threshold = AdaptiveThreshold.between(2.0, 5.0, passing=0.01)
    threshold.learn([0.0] * 1_000)
    assert threshold.value == 2.0
    threshold.learn([50.0] * 5_000)
    assert threshold.value == 5.0
    threshold.learn([0.0] * 5_000)
    assert threshold.value == 2.0
    assert {change.set_by for change in threshold.changes} == {"floor", "ceiling"}
    assert threshold.passes(2.5)


@pytest.mark.requirement("LRN-3")
def test_every_move_of_a_threshold_is_on_record():
    draw = np.random.default_rng(5)
    threshold = AdaptiveThreshold.between(0.1, 100.0, passing=0.05)
    value, moves = threshold.value, 0
    for score in draw.exponential(size=3_000):
        threshold.passes(float(score))
        if threshold.value != value:
            moves += 1
            last = threshold.changes[-1]
            assert (last.before, last.after, last.at_score) == (value, threshold.value, threshold.seen)
            value = threshold.value
    assert moves == len(threshold.changes) > 0


def test_a_threshold_that_cannot_be_is_refused():
    with pytest.raises(InvalidInput):
        AdaptiveThreshold.between(2.0, 1.0, passing=0.01)
    with pytest.raises(InvalidInput):
        AdaptiveThreshold.between(0.0, 1.0, passing=0.0)
