"""Placing over a fleet: load and calibration are those of now, results keep their kind, decisions are kept."""

import asyncio
import math
from dataclasses import replace

import pytest

from phalanx.allocation import Ask, Bookable, NothingFits, Placements, Reservations, built_in_policies
from phalanx.allocation._waiting import opens_in_s
from phalanx.allocation.money import OwnPrices, Prices, PriceTable
from phalanx.core import DEFAULT_TENANT, InvalidInput, Origin, TenantId
from phalanx.devices import (
    DeviceModel,
    Fleet,
    Jobs,
    JobWishes,
    Modality,
    Numbers,
    ProviderContext,
    SessionLimits,
    Status,
    Window,
    Wish,
    calibration,
    local_provider,
    price_per_shot,
)
from phalanx.quantum import Gates
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld

GHZ = Gates(3).h(0).cx(0, 1).cx(1, 2).measure(0, 1, 2).circuit()


def model(name, error, at_ns=1, n=5):
    numbers = Numbers(
        two_qubit_error=error, one_qubit_error=1e-4, readout_error=0.01, t1_ns=1e5, t2_ns=1e5, one_qubit_ns=40.0,
        two_qubit_ns=300.0, readout_ns=1_000.0,
    )  # fmt: skip
    return DeviceModel(
        name=f"x.{name}", provider="x", kind=Modality.SUPERCONDUCTING, origin=Origin.EMULATED, n_qubits=n,
        limits=SessionLimits(max_shots=10_000),
        calibration=calibration(n, [(at, at + 1) for at in range(n - 1)], numbers, calibrated_at_ns=at_ns, source="t"),
    )  # fmt: skip


class Changing:
    """A backend whose device becomes another."""

    def __init__(self, device):
        self.device = device

    async def run(self, circuit, /, *, shots, seed):
        await asyncio.Event().wait()


def simulated(main, seed=1):
    SimWorld(seed).run(main)


def made(world, *backends, policy="success_probability", **options):
    local = local_provider(ProviderContext(world.offload, world.clock)).backends()
    fleet = Fleet([*local, *backends])
    return fleet, Placements(fleet, world.clock, world.offload, built_in_policies(), policy=policy, **options)


def wish(**wishes):
    return Wish(circuit=GHZ, shots=100, tenant=DEFAULT_TENANT, **wishes)


@pytest.mark.requirement("QRM-2", "QRM-6")
def test_calibration_and_load_are_those_of_now():
    async def main(world):
        a, b = Changing(model("a", 0.01)), Changing(model("b", 0.02))
        _, placements = made(world, a, b)
        assert (await placements.choose(wish(origin=Origin.EMULATED))).device == "x.a"
        a.device = model("a", 0.2, at_ns=2)
        assert (await placements.choose(wish(origin=Origin.EMULATED))).device == "x.b"
        _, idle = made(world, a, b, policy="least_busy")
        before = (await idle.choose(wish(origin=Origin.EMULATED))).device
        for _ in range(3):
            idle.sent(before)
        assert (await idle.choose(wish(origin=Origin.EMULATED))).device != before
        for _ in range(3):
            idle.back(before)
        assert (await idle.choose(wish(origin=Origin.EMULATED))).device == before

    simulated(main)


@pytest.mark.requirement("QRM-2")
def test_results_keep_their_kind_and_each_refusal_its_reason():
    async def main(world):
        fleet, placements = made(world, Changing(model("a", 0.01)))
        local = [one.name for one in fleet.devices() if one.origin is Origin.SIMULATED]
        chosen = await placements.choose(wish(subject="job 1"))
        assert chosen.device in local
        assert set(chosen.order) <= set(local)
        reasons = {one.device: one.reason for one in placements.recent(DEFAULT_TENANT)[0].devices}
        assert "less disturbed" in reasons["x.a"]
        assert reasons["local.stabiliser"] == "runs what names it, and nothing else"
        asked = await placements.explain(wish(origin=Origin.EMULATED, without={"x.a": "it failed"}))
        told = {one.device: one.reason for one in asked.devices}
        assert (asked.device, told["x.a"]) == ("", "it failed")
        assert "emulated ones are asked for" in told["local.statevector"]
        with pytest.raises(NothingFits, match="it failed"):
            await placements.choose(wish(origin=Origin.EMULATED, without={"x.a": "it failed"}))
        assert (await placements.explain(wish(without=dict.fromkeys(local, "down")))).device == "x.a"
        assert len(placements.recent(DEFAULT_TENANT)) == 1, "what was only asked is not kept"
        assert placements.recent(TenantId("other")) == []
        with pytest.raises(InvalidInput):
            await placements.explain(wish(), policy="no such")

    simulated(main)


def test_where_nothing_fits_each_device_says_why_among_its_own_kind_and_many_that_are_alike_once():
    async def main(world):
        _, placements = made(world, *(Changing(model(name, 0.01)) for name in "abcde"))
        with pytest.raises(NothingFits) as refused:
            await placements.choose(replace(wish(), shots=10**9))
        told = refused.value.refusals
        assert "takes fewer than 1000000000 shots at once, and so it is with 5 others" in " ".join(told)
        assert not any("less disturbed" in one for one in told), "no kind is there that would be"

    simulated(main)


@pytest.mark.requirement("QRM-1")
def test_a_job_is_placed_by_the_policy_with_its_wishes():
    async def main(world):
        fleet, placements = made(world, Changing(model("a", 0.01)), Changing(model("b", 0.002)))
        jobs = Jobs(world.store("node"), world.clock, world.ids, fleet, Telemetry(world.clock), chooser=placements)
        job = await jobs.submit(DEFAULT_TENANT, GHZ, shots=10, origin=Origin.EMULATED)
        assert job.device == "x.b"
        assert "likeliest to succeed" in job.reason
        assert placements.recent(DEFAULT_TENANT)[0].subject == f"job {job.id}"
        with pytest.raises(NothingFits, match=r"fidelity of 0\.999"):
            await jobs.submit(DEFAULT_TENANT, GHZ, shots=10, origin=Origin.EMULATED, wishes=JobWishes(fidelity=0.9999))
        late = JobWishes(deadline_at_ns=world.clock.wall_ns())
        with pytest.raises(NothingFits, match="late"):
            await jobs.submit(DEFAULT_TENANT, GHZ, shots=10, origin=Origin.EMULATED, wishes=late)

    simulated(main)


def test_a_device_that_is_named_has_to_grant_what_is_wished_besides():
    async def main(world):
        dear = replace(model("dear", 0.01), price=price_per_shot(0.3, 0.01, as_of_ns=1, source="a list"))
        closed = replace(model("closed", 0.01), status=Status.OFFLINE)
        fleet, placements = made(world, Changing(dear), Changing(closed), Changing(model("bad", 0.4)))
        jobs = Jobs(world.store("n"), world.clock, world.ids, fleet, Telemetry(world.clock), placements)

        async def named(device, origin=None, **wishes):
            asked = JobWishes(**wishes)
            return await jobs.submit(DEFAULT_TENANT, GHZ, shots=100, device=device, origin=origin, wishes=asked)

        with pytest.raises(InvalidInput, match="it gives emulated results, and hardware ones are asked for"):
            await named("x.dear", Origin.HARDWARE)
        with pytest.raises(InvalidInput, match="it is in local, not in eu"):
            await named("x.dear", regions=("eu",))
        with pytest.raises(InvalidInput, match="it would cost more than 1"):
            await named("x.dear", budget=1.0)
        with pytest.raises(InvalidInput, match=r"below a fidelity of 0\.9"):
            await named("x.bad", fidelity=0.9)
        with pytest.raises(InvalidInput, match="it would be late"):
            await named("x.dear", deadline_at_ns=world.clock.wall_ns() + 1)
        assert await jobs.newest(DEFAULT_TENANT, limit=9) == [], "nothing is written"
        assert (await named("x.dear", Origin.EMULATED, budget=2.0, fidelity=0.5, regions=("local",))).device == "x.dear"
        assert (await named("x.closed", fidelity=0.5)).device == "x.closed", "it waits for it"
        chosen = await jobs.submit(
            DEFAULT_TENANT, GHZ, shots=100, device="x.dear", movable=True, wishes=JobWishes(budget=1.0)
        )
        assert chosen.device == "x.dear", "who chose it has looked at the wishes"

    simulated(main)


def test_a_window_opens_later_this_week_or_next():
    day = 86_400
    thursday_noon_ns = (day // 2) * 10**9  # the first day of the epoch
    assert opens_in_s((Window(3, 0, day),), thursday_noon_ns) == 0.0
    assert opens_in_s((Window(4, 3_600, day),), thursday_noon_ns) == day / 2 + 3_600
    assert opens_in_s((Window(3, 0, 3_600),), thursday_noon_ns) == 6.5 * day
    closed = replace(model("a", 0.01), windows=(Window(3, 0, 3_600),))
    assert math.isfinite(closed.windows[0].start_s)


@pytest.mark.requirement("QRM-3", "QRM-6")
def test_what_others_booked_is_waited_for_and_what_one_booked_oneself_is_not():
    async def main(world):
        a, b = Changing(model("a", 0.01)), Changing(model("b", 0.02))
        _, placements = made(world, a, b, policy="shortlist")
        _, idle = made(world, a, b, policy="least_busy")
        store = world.store("n")
        calendar = Reservations(store, world.clock, world.ids, placements.booked)
        other = Reservations(store, world.clock, world.ids, idle.booked)
        await calendar.declare(Bookable(name="x.a"))
        hour = Ask(demands={"x.a": 1}, duration_ns=3_600 * 10**9, earliest_ns=world.clock.wall_ns())
        booking = (await calendar.book("lab", hour))[0]

        emulated = wish(origin=Origin.EMULATED)
        hurried = wish(origin=Origin.EMULATED, deadline_s=600.0)
        assert (await placements.choose(emulated)).device == "x.a", "the best, for who has the time"
        assert (await placements.choose(hurried)).device == "x.b"
        told = {one.device: one.reason for one in (await placements.explain(hurried)).devices}
        assert "new work waits 3.6e+03 s there" in told["x.a"]
        mine = replace(hurried, tenant=TenantId("lab"))
        assert (await placements.choose(mine)).device == "x.a", "it is booked for it"

        assert (await idle.choose(emulated)).device == "x.a", "the other has not looked yet"
        watching = asyncio.create_task(other.watch())
        await world.clock.sleep(6.0)
        assert (await idle.choose(emulated)).device == "x.b"
        await calendar.cancel("lab", booking.id)
        assert (await placements.choose(hurried)).device == "x.a"
        await world.clock.sleep(6.0)
        assert (await idle.choose(emulated)).device == "x.a"
        watching.cancel()

    simulated(main)


@pytest.mark.requirement("QRM-8")
def test_decisions_are_by_this_nodes_own_prices_as_they_are_now():
    async def main(world):
        own = Prices(world.store("n"))
        listed = price_per_shot(0.3, 0.01, as_of_ns=1, source="a list")
        first, second = (replace(model(name, 0.01), price=listed) for name in ("first", "second"))
        _, placements = made(world, Changing(first), Changing(second), own_prices=OwnPrices(own))

        async def fits(device, budget):
            found = await placements.explain(wish(origin=Origin.EMULATED, budget=budget))
            return next(one.fits for one in found.devices if one.device == device)

        assert await fits("x.first", 1.3)
        await own.put(PriceTable.of("x.first", price_per_shot(5.0, 0.01, as_of_ns=2, source="our contract")))
        assert not await fits("x.first", 1.3)
        assert (await fits("x.second", 1.3), await fits("x.first", 6.0)) == (True, True)
        assert "it would cost more than 1.3" in placements.refusal("x.first", wish(budget=1.3))
        await own.remove("x.first")
        await own.put(PriceTable.of("x.*", price_per_shot(0.0, 0.02, as_of_ns=3, source="our contract")))
        assert not await fits("x.first", 1.3)
        assert await fits("x.second", 2.0)
        await own.remove("x.*")
        assert await fits("x.first", 1.3)

    simulated(main)
