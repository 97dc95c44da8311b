"""Calibrations that are refreshed in a file, and emulated from it by a node that is told of it."""

import asyncio
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import msgspec
import pytest
from click.testing import CliRunner

from phalanx.adapters.providers import _iqm_snapshots as of_iqm
from phalanx.adapters.providers import braket_provider, google_provider, ibm_provider, iqm_provider, iqm_snapshots
from phalanx.cli.devices._group import devices
from phalanx.core import NS_PER_S, InvalidInput
from phalanx.devices import ProviderContext, Snapshot, read_snapshots, shipped_snapshots, write_snapshots
from phalanx.node import Settings, build_node, open_ports
from phalanx.testing import InlineOffload, SimWorld

LATER = datetime(2027, 2, 3, tzinfo=UTC)
LATER_NS = int(LATER.timestamp()) * NS_PER_S


def refreshed(provider):
    """The file as it may be made a year later: the same numbers, another date."""
    dated = [
        Snapshot(msgspec.structs.replace(one.head, calibrated_at_ns=LATER_NS), one.calibration)
        for one in shipped_snapshots(provider)
    ]
    return write_snapshots(dated)


def context(folder, options):
    return ProviderContext(InlineOffload(), SimWorld(1).clock, options=options, folder=folder)


@pytest.mark.requirement("QRM-4", "QRM-8")
@pytest.mark.parametrize(
    ("make", "provider", "name"),
    [
        (ibm_provider, "ibm", "ibm.fake_fez"),
        (google_provider, "google", "google.weber"),
        (iqm_provider, "iqm", "iqm.garnet"),
        (braket_provider, "iqm", "braket.iqm-garnet"),
    ],
)
def test_machines_are_emulated_from_the_file_that_the_settings_name(make, provider, name, tmp_path):
    (tmp_path / "fresh.npz").write_bytes(refreshed(provider))
    backends = make(context(tmp_path, {f"{provider}.snapshots": "fresh.npz"})).backends()
    known = next(one.device for one in backends if one.device.name == name).calibration
    shipped = next(one.device for one in make(context(tmp_path, {})).backends() if one.device.name == name).calibration
    assert known.calibrated_at_ns == LATER_NS
    assert shipped.calibrated_at_ns < LATER_NS
    assert known.id != shipped.id, "layouts and history of the other are not taken for its own"


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read: No such file"), (b"text", "phalanx devices refresh ibm"), ("google", "no machine of ibm")],
)
def test_a_file_that_holds_no_calibrations_of_the_maker_is_refused_by_name(content, said, tmp_path):
    if content is not None:
        (tmp_path / "x.npz").write_bytes(content if isinstance(content, bytes) else refreshed(content))
    with pytest.raises(InvalidInput) as refused:
        ibm_provider(context(tmp_path, {"ibm.snapshots": "x.npz"}))
    assert refused.value.field == "devices.options.ibm.snapshots"
    assert said in f"{refused.value.message} {refused.value.hint}"


def test_a_node_uses_what_its_settings_name(tmp_path):
    (tmp_path / "fresh.npz").write_bytes(refreshed("iqm"))
    settings = Settings.model_validate(
        {"node": {"data_dir": tmp_path}, "devices": {"options": {"iqm.snapshots": "fresh.npz"}}}
    )

    async def main():
        async with open_ports(settings) as ports, build_node(settings, ports) as node:
            return node.fleet.backend("iqm.garnet").device.calibration.calibrated_at_ns

    assert asyncio.run(main()) == LATER_NS


# An error profile as ``iqm-client`` has it: two qubits and their coupler.
PROFILE = SimpleNamespace(
    t1s={"QB1": 50_000.0, "QB2": 40_000.0},
    t2s={"QB1": 50_000.0, "QB2": 40_000.0},
    readout_errors={"QB1": {"0": 0.02, "1": 0.04}},
    single_qubit_gate_depolarizing_error_parameters={"prx": {"QB1": 0.002, "QB2": 0.004}},
    two_qubit_gate_depolarizing_error_parameters={"cz": {("QB1", "QB2"): 0.02}},
    single_qubit_gate_durations={"prx": 40.0},
    two_qubit_gate_durations={"cz": 80.0},
)


@pytest.fixture
def sdk_of_iqm(monkeypatch):
    """The maker's SDK is not installed: its modules as far as they are read."""
    for name in of_iqm._MACHINES:
        made = {f"IQMFake{name.title()}": lambda: SimpleNamespace(error_profile=PROFILE)}
        monkeypatch.setitem(sys.modules, f"iqm.qiskit_iqm.fake_backends.fake_{name}", SimpleNamespace(**made))
    monkeypatch.setattr(of_iqm, "version", lambda name: {"iqm-client": "37.0.0"}[name])


@pytest.mark.requirement("QRM-4")
def test_profiles_of_iqm_bear_the_date_of_the_release_they_came_with(sdk_of_iqm, tmp_path):
    (adonis, *_) = iqm_snapshots(LATER)
    assert adonis.head.calibrated_at_ns == adonis.calibration.calibrated_at_ns == LATER_NS
    assert adonis.head.source == "iqm-client 37.0.0, error profile without a date: that of the release"
    file = tmp_path / "iqm.npz"
    made = CliRunner().invoke(devices, ["refresh", "iqm", "--to", str(file), "--as-of", "2027-02-03"])
    assert made.exit_code == 0, made.output
    assert f"--set devices.options=iqm.snapshots={file}" in made.output
    assert {one.head.calibrated_at_ns for one in read_snapshots(file.read_bytes())} == {LATER_NS}
    undated = CliRunner().invoke(devices, ["refresh", "iqm", "--to", str(file)])
    assert undated.exit_code == 2
    assert "say when it was released" in undated.output
    dated = CliRunner().invoke(devices, ["refresh", "ibm", "--to", str(file), "--as-of", "2027-02-03"])
    assert "has dates itself" in dated.output
