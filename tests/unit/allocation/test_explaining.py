"""Where a published circuit goes over published calibrations, and what is said of every device."""

import json

import pytest
from click.testing import CliRunner

from phalanx.allocation import Requirement, explain, published_devices, requirement_of, warm_decisions
from phalanx.cli import main  # noqa: F401 - the command is importable as installed
from phalanx.cli.devices._allocate import allocate
from phalanx.core import InvalidInput
from phalanx.quantum import Gates, features

GHZ = Gates(4).h(0).cx(0, 1).cx(1, 2).cx(2, 3).measure(0, 1, 2, 3).circuit()


@pytest.mark.requirement("QRM-1", "QRM-2")
@pytest.mark.parametrize("policy", ["success_probability", "shortlist", "composite"])
def test_every_device_has_its_reason(policy):
    warm_decisions()
    models = published_devices()
    wanted = requirement_of(features(GHZ), shots=100)
    assert (wanted.width, wanted.n_two, wanted.n_measured, wanted.degree) == (4, 3, 4, 1.5)
    found = explain(GHZ, wanted, models, policy=policy)
    assert {one.device for one in found.devices} == {one.name for one in models}
    assert found.device == found.devices[0].device
    assert all(one.reason for one in found.devices)
    narrow = next(one for one in found.devices if one.device == "ibm.fake_armonk")
    assert (narrow.fits, narrow.reason) == (False, "has 1 connected qubits that work, 4 are needed")
    laid = [one for one in found.devices if one.success is not None]
    assert len(laid) == (3 if policy == "success_probability" else 0)
    assert laid == sorted(laid, key=lambda one: -one.score)


def test_where_nothing_fits_it_says_so():
    found = explain(GHZ, Requirement(width=4, regions=frozenset({"moon"})), published_devices())
    assert (found.device, found.reason) == ("", "no device fits")
    assert {one.reason for one in found.devices if "qubits" not in one.reason} == {"is not in moon"}
    with pytest.raises(InvalidInput):
        explain(GHZ, Requirement(width=4), published_devices(), policy="best")


def test_the_command_says_it_too(tmp_path):
    file = tmp_path / "ghz.qasm"
    file.write_text(GHZ.qasm3)
    shown = CliRunner().invoke(allocate, ["explain", str(file), "--json", "--fidelity", "0.5"], catch_exceptions=False)
    found = json.loads(shown.stdout)
    assert found["device"] == found["devices"][0]["device"]
    table = CliRunner().invoke(allocate, ["explain", str(file)], catch_exceptions=False)
    assert "is likeliest to succeed" in table.stdout
