"""Provenance: an emulated result names its calibration, and no other one does."""

import pytest

from phalanx.core import Baseline, Origin, Provenance

BASELINE = Baseline(method="monte-carlo", value=0.4, error=0.01, cost=1_000, cost_unit="samples")


def provenance(**changes):
    values = {"origin": Origin.SIMULATED, "device": "local", "circuits": ("ab",), "shots": 10, "seed": 1}
    return Provenance(**values | changes)


def test_emulation_needs_the_date_of_its_calibration():
    assert provenance(origin=Origin.EMULATED, calibrated_at_ns=5).calibrated_at_ns == 5
    with pytest.raises(ValueError, match="calibrated_at_ns"):
        provenance(origin=Origin.EMULATED)


@pytest.mark.parametrize("origin", [Origin.SIMULATED, Origin.HARDWARE])
def test_only_emulation_has_one(origin):
    assert provenance(origin=origin, baselines=(BASELINE,)).baselines == (BASELINE,)
    with pytest.raises(ValueError, match="calibrated_at_ns"):
        provenance(origin=origin, calibrated_at_ns=5)


def test_a_date_of_zero_is_a_date():
    assert provenance(origin=Origin.EMULATED, calibrated_at_ns=0).calibrated_at_ns == 0
    with pytest.raises(ValueError, match="calibrated_at_ns"):
        provenance(calibrated_at_ns=0)
