"""`phalanx bench mitigation`: what is measured is told with its cost, and mitigation is not always right."""

import asyncio

import pytest

from phalanx.bench._model import BenchOptions
from phalanx.bench.analyses import _mitigation


@pytest.mark.requirement("HWF-6")
def test_each_method_is_told_with_its_error_its_gain_and_its_cost(monkeypatch):
    monkeypatch.setattr(_mitigation, "_SHOTS", 400)
    found = asyncio.run(_mitigation.mitigation_bench(BenchOptions(seed=1, quick=True)))
    for truth in ("drifted", "drifted_and_disturbed"):
        plain = found.baselines[truth]["no_mitigation"]["error"]
        assert 0 < plain["low"] <= plain["value"] <= plain["high"]
        for name, one in found.figures[truth].items():
            assert one["shots_times"] >= 1
            assert 0 <= one["harmed_share"] <= 1
            assert found.ratios[truth][name] == pytest.approx(one["error"]["value"] / plain["value"], abs=2e-3)
