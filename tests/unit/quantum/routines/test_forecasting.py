"""Reservoirs: physical states, memory that fades, and a readout that wins where there is something to learn."""

import numpy as np
import pytest

from phalanx.core import InvalidInput, Rng
from phalanx.quantum.routines import PhaseKernel, forecast, novelty, quantum_features

T = np.arange(400)
WAVES = 20 + 8 * np.sin(T / 5) + 3 * np.sin(T / 1.7)


@pytest.mark.requirement("LRN-5")
def test_waves_are_forecast_better_than_as_it_was():
    answer = forecast(WAVES.tolist(), seed=1)
    off = answer.found["mean_off"]
    assert off["reservoir"] < 0.3 * off["as it was"]
    assert off["autoregression"] < 0.3 * off["as it was"]
    expected = 20 + 8 * np.sin(400 / 5) + 3 * np.sin(400 / 1.7)
    assert answer.found["next_by"]["autoregression"] == pytest.approx(expected, abs=0.5)
    assert answer.quantum.cost_unit == answer.classical[0].cost_unit
    assert forecast(WAVES.tolist(), seed=1) == answer


def test_on_noise_nothing_is_won_and_that_is_said():
    noise = np.random.default_rng(4).normal(size=300)
    answer = forecast(noise.tolist(), seed=1)
    off = answer.found["mean_off"]
    assert off["reservoir"] > 0.9 * np.std(noise)
    assert answer.agrees == (off["reservoir"] <= min(one.value for one in answer.classical))


def test_features_are_means_of_signs_and_forget_the_beginning():
    rng = np.random.default_rng(2)
    tail = rng.random(60)
    one = quantum_features(np.concatenate([rng.random(20), tail]), Rng(5))
    other = quantum_features(np.concatenate([rng.random(20), tail]), Rng(5))
    assert np.abs(one).max() <= 1 + 1e-9
    assert one[:20] != pytest.approx(other[:20], abs=1e-3)
    assert one[-1] == pytest.approx(other[-1], abs=1e-3)


@pytest.mark.parametrize("series", [[1.0] * 10, [float("nan")] * 100])
def test_a_series_that_is_none_is_refused(series):
    with pytest.raises(InvalidInput, match="series"):
        forecast(series, seed=1)


def test_what_is_unlike_the_usual_is_novel():
    rng = np.random.default_rng(7)
    usual, same, other = rng.normal(1, 0.2, (80, 4)), rng.normal(1, 0.2, (20, 4)), rng.normal(2.2, 0.2, (20, 4))
    kernel = PhaseKernel(4, bandwidth=0.5, pairs="chain")
    scores = novelty(kernel.matrix(np.vstack([same, other]), usual))
    assert np.mean(scores[:20, None] < scores[None, 20:]) > 0.98
