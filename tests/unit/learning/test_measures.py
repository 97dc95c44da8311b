import math

import numpy as np
import pytest

from phalanx.core import InvalidInput, Rng
from phalanx.learning import (
    Calibration,
    bootstrap,
    brier,
    calibration_error,
    confusion,
    ranked_area,
    reliability,
    wilson,
)


def overconfident(n=4_000, seed=1):
    """Scores that rank well and say too much, and whether it was so."""
    draw = np.random.default_rng(seed)
    chance = draw.beta(0.7, 0.7, n)
    labels = draw.random(n) < chance
    return np.clip((chance - 0.5) * 1.8 + 0.5, 0, 1), labels


def test_isotonic_steps_are_those_of_an_independent_library():
    from sklearn.isotonic import IsotonicRegression

    scores, labels = overconfident(500)
    ours = Calibration.fitted(scores, labels)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(scores, labels)
    at = np.linspace(-0.2, 1.2, 400)
    assert np.allclose(ours.apply(at), theirs.predict(at), atol=1e-9)


def test_a_calibrated_score_can_be_believed():
    scores, labels = overconfident()
    calibration = Calibration.fitted(scores, labels)
    fresh, truth = overconfident(seed=2)
    before = calibration_error(reliability(fresh, truth))
    after = calibration_error(reliability(calibration.apply(fresh), truth))
    assert after < 0.03 < before
    assert brier(calibration.apply(fresh), truth) < brier(fresh, truth)


def test_calibration_without_data_is_refused():
    with pytest.raises(InvalidInput):
        Calibration.fitted(np.array([]), np.array([], bool))
    with pytest.raises(InvalidInput):
        Calibration.fitted(np.array([0.1]), np.array([True, False]))


def test_a_reliability_diagram_counts_every_statement_once():
    scores, labels = overconfident()
    bins = reliability(scores, labels)
    assert sum(one.count for one in bins) == len(scores)
    assert all(0 <= one.true <= 1 for one in bins)


def test_the_ranked_area_is_that_of_an_independent_library():
    from sklearn.metrics import roc_auc_score

    scores, labels = overconfident(700)
    assert ranked_area(np.round(scores, 2), labels) == pytest.approx(roc_auc_score(labels, np.round(scores, 2)))
    assert math.isnan(ranked_area(scores, np.ones(len(scores), bool)))


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)]
)
def test_wilsons_interval_is_the_published_one(hits, of, low, high):
    found = wilson(hits, of)
    assert (found.low, found.high) == (pytest.approx(low, abs=2e-4), pytest.approx(high, abs=2e-4))


def test_a_rare_attack_makes_most_alarms_false():
    said = np.array([True] * 99 + [False] + [True] + [False] * 99)
    labels = np.array([True] * 100 + [False] * 100)
    counted = confusion(said, labels)
    assert counted == (99, 1, 99, 1)
    assert counted.precision.value == 0.99
    assert counted.precision_at(0.0001) == pytest.approx(0.0098, abs=2e-4)


def test_a_bootstrap_holds_the_mean_and_repeats_itself():
    values = np.random.default_rng(1).normal(5.0, 1.0, 400)
    found = bootstrap(lambda places: float(values[places].mean()), 400, rng=Rng(1), rounds=300)
    assert found.low < found.value < found.high
    assert 0.1 < found.high - found.low < 0.3
    assert bootstrap(lambda places: float(values[places].mean()), 400, rng=Rng(1), rounds=300) == found
