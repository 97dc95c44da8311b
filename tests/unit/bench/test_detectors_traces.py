"""The traces of the benchmark have a truth that its detector finds and that is not found by itself."""

import pytest

from phalanx.bench.intel import _detectors_traces as bench_traces
from phalanx.core import Rng


@pytest.mark.requirement("INT-6")
def test_beacons_are_found_up_to_a_seventh_of_jitter_and_wide_jitter_is_honestly_missed():
    figures, floors = bench_traces.traces(Rng(5), quick=True)
    assert figures["beacon_jitter_0pct"]["recall"] == figures["beacon_jitter_10pct"]["recall"] == 1.0
    assert figures["beacon_jitter_50pct"]["recall"] < 0.5
    for name, figure in figures.items():
        assert figure["false_alarms"] <= floors[name]["counting_calls"]["false_alarms"] + 1
        assert figure["of_pairs"] > 500


@pytest.mark.requirement("INT-6")
def test_alarms_that_are_wrong_are_counted_as_such():
    scored = bench_traces._scored({"a>b", "c>d"}, {"a>b", "e>f"}, pairs=10)
    assert (scored["recall"], scored["false_alarms"], scored["of_pairs"]) == (0.5, 1, 8)
