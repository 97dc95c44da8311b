"""Many beacons at once, none of which hides another."""

import pytest

from phalanx.bench.intel._detectors_traces import traces
from phalanx.core import Rng


@pytest.mark.requirement("INT-2")
def test_many_beacons_with_some_jitter_are_found_among_people_who_browse():
    figures, _ = traces(Rng(3).child("many"), quick=True)
    for jitter in (0, 10, 20):
        found = figures[f"beacon_jitter_{jitter}pct"]
        assert found["recall"] == 1.0, jitter
        assert found["false_alarms"] == 0, jitter
