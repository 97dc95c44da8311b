"""What is kept of devices over time, and what counts as drift."""

import csv
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from phalanx.core import Origin, ns_from_iso
from phalanx.devices import (
    DeviceModel,
    History,
    HistoryNumber,
    Modality,
    Numbers,
    QueueState,
    SessionLimits,
    Status,
    calibration,
    drifts,
    history_line,
    history_svg,
    history_view,
    seen_calibration,
    shipped_snapshots,
    topology_svg,
)
from phalanx.testing import SimWorld

DAY_NS = 86_400_000_000_000
DAILY = Path(__file__).parents[4] / "shared/data/calibrations/ibm_perth_daily/ibm_perth_calibration.csv"


def device(day, *, t1_ns=100_000.0, two=0.01, **others):
    made = calibration(
        3, [(0, 1), (1, 2)], Numbers(t1_ns=t1_ns, two_qubit_error=two, readout_error=0.02),
        calibrated_at_ns=day * DAY_NS, source="a test",
    )  # fmt: skip
    return DeviceModel(
        name="test.line", provider="test", kind=Modality.SUPERCONDUCTING, origin=Origin.HARDWARE, n_qubits=3,
        limits=SessionLimits(max_shots=10), calibration=made, **others,
    )  # fmt: skip


@pytest.mark.requirement("QRM-4")
def test_what_leaves_its_usual_range_is_named_with_its_place():
    days = np.random.default_rng(5).normal(0, 0.05, (12, 2))
    earlier = [
        seen_calibration(device(day, two=(0.01 * np.exp(noise)).tolist()), 0) for day, noise in enumerate(days, 1)
    ]
    assert drifts(earlier, seen_calibration(device(20, two=[0.0101, 0.0099]), 0)) == ()
    (found,) = drifts(earlier, seen_calibration(device(20, two=[0.0101, 0.03]), 0))
    assert (found.number, found.where) == ("two_qubit_error", (1, 2))
    assert found.ratio == pytest.approx(3.0, rel=0.1)
    assert drifts([], earlier[0]) == ()
    assert drifts(earlier[:1], seen_calibration(device(20, two=[0.0101, 0.025]), 0)) == (), (
        "one day is no range yet: a public machine moves as much"
    )


@pytest.mark.requirement("QRM-4")
def test_calibrations_are_kept_once_and_states_when_they_change():
    async def main(world):
        history = History(world.store("node"), world.clock)
        for day in range(1, 10):
            assert await history.observe(device(day)) == ()
            assert await history.observe(device(day)) == ()
        (found,) = await history.observe(device(10, two=[0.01, 0.2]))
        assert found.where == (1, 2)
        assert await history.observe(device(3, two=[0.3, 0.3])) == (), "an older one is not news"
        last = device(10, two=[0.01, 0.2])
        seen = await history.calibrations(last)
        assert [one.calibrated_at_ns // DAY_NS for one in seen] == list(range(1, 11))
        await history.observe(replace(last, status=Status.MAINTENANCE, queue=QueueState(depth=4)))
        states = await history.states(last.name)
        assert [(one.status, one.depth) for one in states] == [("online", None), ("maintenance", 4)]
        view = history_view(last.name, seen, states)
        assert [bool(point.drifts) for point in view.calibrations] == [False] * 9 + [True]
        line = history_line(last.name, seen, HistoryNumber.TWO_QUBIT_ERROR, 1)
        assert line[2][-1] == (10 * DAY_NS, pytest.approx(20.0))
        assert line[3] == [10 * DAY_NS]
        assert "#c2410c" in history_svg(*line)

    SimWorld(1).run(main)


@pytest.mark.requirement("QRM-4")
@pytest.mark.skipif(not DAILY.exists(), reason="the public test data is not beside the checkout")
def test_few_of_the_days_of_a_real_machine_are_drift():
    days = defaultdict(dict)
    with DAILY.open() as file:
        for row in csv.DictReader(file):
            if row["kind"] == "qubit":
                days[row["last_update"]][int(row["qubits"])] = row
    seen = []
    for date, rows in sorted(days.items()):
        numbers = Numbers(
            t1_ns=[float(rows[q]["T1_us"]) * 1e3 for q in range(7)],
            t2_ns=[float(rows[q]["T2_us"]) * 1e3 for q in range(7)],
            readout_error=[float(rows[q]["readout_error"]) for q in range(7)],
        )
        made = calibration(7, [], numbers, calibrated_at_ns=ns_from_iso(date), source="ibm_perth")
        seen.append(seen_calibration(replace(device(1), n_qubits=7, calibration=made), 0))
    assert len(seen) > 60
    found = [len(drifts(seen[:at], one)) for at, one in enumerate(seen)][14:]
    values = 21 * len(found)
    assert 0 < sum(found) < 0.05 * values, "what is usual is not drift, and something happened in four months"


def test_a_map_shows_every_qubit_and_coupler_and_dashes_what_is_masked():
    snapshot = next(one for one in shipped_snapshots("ibm") if one.head.name == "fake_fez")
    model = replace(device(1), name="test.fez", n_qubits=156, calibration=snapshot.calibration)
    picture = topology_svg(model)
    assert picture.count("<circle") == 156
    assert picture.count("<line") == len(snapshot.calibration.pair)
    assert (
        picture.count("stroke-dasharray")
        == snapshot.calibration.faulty_coupler.sum() + snapshot.calibration.faulty_qubit.sum()
    )
    assert "nan" not in picture
    assert topology_svg(device(1, two=[0.01, 1.0])).count("dasharray") == 1


def test_pictures_say_when_and_what_in_full():
    hour = 3_600 * 10**9
    line = history_svg("worker.one: load", "processes", [(hour * at, float(at)) for at in (24, 25, 26)])
    assert "1970-01-02 00:00 to 1970-01-02 02:00 UTC" in line
    assert "1970-01-02 to 1970-01-31" in history_svg("x", "y", [(24 * hour * at, float(at)) for at in (1, 30)])
    assert history_svg("x", "y", [(hour, 0.408)]).count(">0.408<") == 1
