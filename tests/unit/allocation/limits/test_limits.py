"""Limits that follow each machine: floors, reasons, what is recorded, and what they do to placements and queues."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from phalanx.allocation import Placements, built_in_policies
from phalanx.allocation.limits import DeviceLimits, fresh_for
from phalanx.core import DEFAULT_TENANT, Origin
from phalanx.devices import (
    DeviceModel,
    Fleet,
    History,
    Modality,
    Numbers,
    QueueState,
    SessionLimits,
    Wish,
    calibration,
    watch_devices,
)
from phalanx.quantum import Gates
from phalanx.testing import MemoryAudit, SimWorld

HOUR_NS = 3_600 * 10**9
BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()


class Machine:
    """Says what it was last set to."""

    def __init__(self, device):
        self.device = device

    async def look(self):
        return self.device

    async def run(self, circuit, /, *, shots, seed):
        raise AssertionError("nothing is run here")


def device(name="a.one", *, at_ns, two=0.01, depth=None, origin=Origin.HARDWARE):
    numbers = Numbers(two_qubit_error=two, one_qubit_error=1e-4, readout_error=0.02)
    return DeviceModel(
        name=name, provider="a", kind=Modality.SUPERCONDUCTING, origin=origin, n_qubits=2,
        limits=SessionLimits(max_shots=1_000), queue=QueueState(depth=depth),
        calibration=calibration(2, [(0, 1)], numbers, calibrated_at_ns=at_ns, source="made"),
    )  # fmt: skip


def limits_of(world, store, book, **settings):
    wanted = {"fresh_ns": 48 * HOUR_NS, "adaptive_freshness": False, "adaptive_queues": True, **settings}
    return DeviceLimits(store, world.clock, book, **wanted)


@pytest.mark.requirement("LRN-3")
def test_a_steady_machine_stays_fresh_longer_and_none_less_than_the_floor():
    times = np.arange(40, dtype=np.int64) * 24 * HOUR_NS
    still = np.full((40, 1), 0.2)
    assert fresh_for(times, still, 24 * HOUR_NS).limit_ns == 14 * 24 * HOUR_NS
    # A walk: what changes by 0.02 from day to day has changed by more than is tolerated after a few days.
    walk = 0.2 + 0.02 * np.cumsum(np.where(np.arange(40) % 8 < 4, 1.0, -1.0))[:, None]
    found = fresh_for(times, walk, 24 * HOUR_NS)
    assert found.limit_ns == 2 * 24 * HOUR_NS, found
    assert "in 48 h" in found.why
    jumping = np.where(np.arange(40) % 2, 0.1, 0.9)[:, None]
    restless = fresh_for(times, jumping, 24 * HOUR_NS)
    assert (restless.limit_ns, restless.why[:9]) == (24 * HOUR_NS, "the floor")
    few = fresh_for(times[:5], still[:5], 24 * HOUR_NS)
    assert few.limit_ns == 24 * HOUR_NS
    assert "too few" in few.why


@pytest.mark.requirement("LRN-3", "QRM-4")
def test_a_stale_machine_is_chosen_only_where_no_fresher_fits():
    async def main(world):
        now_ns = world.clock.wall_ns()
        good = Machine(device("a.good", at_ns=now_ns - 60 * HOUR_NS, two=0.001))
        poor = Machine(device("a.poor", at_ns=now_ns - HOUR_NS, two=0.05))
        fleet = Fleet([good, poor])
        limits = limits_of(world, world.store("node"), MemoryAudit())
        placements = Placements(
            fleet, world.clock, world.offload, built_in_policies(), policy="shortlist", limits=limits
        )  # fmt: skip
        wish = Wish(circuit=BELL, shots=10, tenant=DEFAULT_TENANT)
        found = await placements.explain(wish)
        assert found.device == "a.poor"
        assert [one.reason for one in found.devices if one.device == "a.good"] == [
            "was calibrated 60 h ago, more than 48 h"
        ]
        assert (await placements.explain(replace(wish, without={"a.poor": "is away"}))).device == "a.good"
        good.device = device("a.good", at_ns=now_ns, two=0.001)
        assert (await placements.explain(wish)).device == "a.good"
        assert limits.stale(device(at_ns=1, origin=Origin.EMULATED)) == "", "what is emulated does not age"
        assert limits.stale(device(at_ns=0)) == "", "a date that nobody knows is not judged"
        never = limits_of(world, world.store("node"), MemoryAudit(), fresh_ns=0)
        assert never.stale(device(at_ns=1)) == ""

    SimWorld(3).run(main)


@pytest.mark.requirement("LRN-3")
def test_an_adaptive_age_is_recorded_kept_and_seen():
    async def main(world):
        store, book = world.store("node"), MemoryAudit()
        limits, history = limits_of(world, store, book, adaptive_freshness=True), History(store, world.clock)
        first_ns = world.clock.wall_ns()
        for day in range(20):
            seen = device(at_ns=first_ns + day * 24 * HOUR_NS)
            await history.observe(seen)
            await limits.look(seen, QueueState(), history)
        (view,) = limits.views([seen])
        assert view.fresh_h > 48.0
        assert [(one.subject, one.body["limit"]) for one in book.entries] == [
            ("a.one", "freshness_h") for _ in view.changes
        ]
        assert (view.changes[-1].after, view.changes[-1].why) == (view.fresh_h, view.why)
        assert len({entry.id for entry in book.entries}) == len(book.entries)
        again = limits_of(world, store, book, adaptive_freshness=True)
        await again.recall()
        assert again.views([seen]) == [view], "a restart forgets nothing"
        fixed = limits_of(world, store, book)
        await fixed.recall()
        assert fixed.views([seen])[0].fresh_h == 48.0, "what is switched off is not in force"

    SimWorld(3).run(main)


@pytest.mark.requirement("LRN-3", "QRM-7")
def test_a_queue_is_long_by_the_machines_own_measure():
    async def main(world):
        store, book = world.store("node"), MemoryAudit()
        limits, history = limits_of(world, store, book), History(store, world.clock)
        usual = [100 + number % 20 for number in range(320)]
        told = []
        for before, depth in zip([*usual[:1], *usual], usual, strict=False):
            told.append(await limits.look(device(at_ns=1, depth=depth), QueueState(depth=before), history))
        assert not any(told[:255])
        (view,) = limits.views([device(at_ns=1, depth=1)])
        assert (view.queue, view.queue_unit, view.looks) == (118.0, "jobs", 320)
        assert [(one.body["limit"], one.body["before"], one.body["after"]) for one in book.entries] == [
            ("queue", 10.0, 118.0)
        ]
        assert "95% of 256 looks" in book.entries[0].body["why"]
        long = await limits.look(device(at_ns=1, depth=150), QueueState(depth=140), history)
        assert long == "its queue is long: 150 jobs, usually at most 118"
        assert await limits.look(device(at_ns=1, depth=90), QueueState(depth=10), history) == "", "it always is"
        fixed = limits_of(world, store, book, adaptive_queues=False)
        await fixed.recall()
        assert "grew from 10 to 90" in await fixed.look(device(at_ns=1, depth=90), QueueState(depth=10), history)

    SimWorld(3).run(main)


@pytest.mark.requirement("LRN-3", "QRM-7")
def test_who_watches_machines_asks_their_limits():
    async def main(world):
        store = world.store("node")
        limits, history = limits_of(world, store, MemoryAudit()), History(store, world.clock)
        machine = Machine(device(at_ns=1, depth=5))
        changed = []

        async def tell(name, why):
            changed.append((name, why))

        alerts = type("Alerts", (), {"alert": lambda *_: None})()
        watching = asyncio.ensure_future(
            watch_devices(Fleet([machine]), history, world.clock, alerts, tell, limits.look)
        )  # fmt: skip
        await world.clock.sleep(300.0 * 260 + 1.0)
        assert limits.views([machine.device])[0].looks >= 260
        assert changed == []
        machine.device = device(at_ns=1, depth=12)
        await world.clock.sleep(300.0)
        assert changed == [("a.one", "its queue is long: 12 jobs, usually at most 10")]
        watching.cancel()

    SimWorld(3).run(main)
