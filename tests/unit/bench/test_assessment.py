"""What the benchmark of assessments rests on: components that know nothing of the test, and paired differences."""

import numpy as np
import pytest

from phalanx.bench.analyses._assessment import _difference, chosen_kernel, gaussian_kernels, principal, quantum_kernels
from phalanx.core import Rng

RNG = np.random.default_rng(5)


def test_components_do_not_depend_on_what_is_judged():
    fit, test = RNG.normal(size=(60, 12)) ** 2, RNG.normal(size=(20, 12)) ** 2
    first, _ = principal(fit, test)
    again, moved = principal(fit, test * 100)
    assert first == pytest.approx(again)
    assert first.std(axis=0) == pytest.approx(np.ones(first.shape[1]))
    assert moved.shape == (20, first.shape[1])


def test_differences_are_paired_and_a_machine_differs_from_itself_by_nothing():
    attack = RNG.random(400) < 0.5
    said = RNG.random(400)
    none = _difference(said, said, attack, 4, Rng(1))
    assert none["accuracy"]["over_rows"] == none["accuracy"]["over_draws"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    perfect = attack.astype(float)
    better = _difference(perfect, said, attack, 4, Rng(1))
    assert better["accuracy"]["over_draws"]["low"] > 0
    assert better["brier"]["over_draws"]["high"] < 0
    assert len(better["accuracy"]["by_draw"]) == 4


@pytest.mark.requirement("QML-1")
@pytest.mark.parametrize("kernels", [quantum_kernels, gaussian_kernels])
def test_each_kernel_is_chosen_by_rows_held_out(kernels):
    rows = RNG.normal(size=(90, 8))
    attack = rows[:, 0] * rows[:, 1] > 0
    (_, kernel), ridge, scores = chosen_kernel(kernels(), rows, attack, np.arange(90) % 5)
    assert ridge > 0
    assert kernel(rows[:2], rows).shape == (2, 90)
    assert np.mean((scores > 0) == attack) > 0.55
