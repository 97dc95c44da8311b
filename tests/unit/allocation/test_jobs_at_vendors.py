"""Jobs that wait at a vendor move when their device is not what it was; what vendors charge for is what is spent."""

import asyncio

import pytest

from phalanx.allocation import Placements, built_in_policies
from phalanx.allocation.money import Budgets, ChargeState, Period
from phalanx.core import DEFAULT_TENANT, NS_PER_S, Provenance, Unavailable
from phalanx.devices import (
    Fleet,
    History,
    Jobs,
    JobState,
    JobWishes,
    QueueState,
    ShotResult,
    Stage,
    StagedBackend,
    price_per_shot,
    watch_devices,
)
from phalanx.quantum import Gates
from phalanx.telemetry import Telemetry
from phalanx.testing import job_ended, line_of_three, run_with_store, running_jobs

BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()


def model(name, error, fee, *, queue=None):
    price = price_per_shot(fee, 0.0, as_of_ns=1, source="made")
    return line_of_three(f"{name[0]}.{name}", error, price=price, queue=queue or QueueState())


class Vendor:
    """A machine whose jobs wait ``waits_s`` and then take ``took_s``; a job that has begun cannot be dropped."""

    stops_running = False

    def __init__(self, world, device, *, waits_s=0.0, took_s=1.0):
        self.world, self.device, self.waits_s, self.took_s = world, device, waits_s, took_s
        self.sent, self.dropped = {}, set()
        self.next_look = device

    async def run(self, circuit, /, *, shots, seed):
        raise AssertionError("jobs are submitted")

    async def look(self):
        self.device = self.next_look
        return self.device

    async def submit(self, circuit, /, *, shots, seed, key):
        self.sent.setdefault(key, (self.world.loop.time() + self.waits_s, self.took_s))
        return key

    async def stage(self, handle, /):
        begins, took_s = self.sent[handle]
        if handle in self.dropped:
            return Stage.NOTHING
        now = self.world.loop.time()
        return Stage.WAITING if now < begins else Stage.RUNNING if now < begins + took_s else Stage.DONE

    async def collect(self, handle, circuit, /, *, shots, seed):
        while (stage := await self.stage(handle)) is not Stage.DONE:
            if stage is Stage.NOTHING:
                raise Unavailable(self.device.name, "it was dropped")
            await self.world.clock.sleep(0.5)
        came_from = Provenance(
            origin=self.device.origin, device=self.device.name, circuits=(circuit.digest,), shots=shots, seed=seed
        )
        return ShotResult({"00": shots}, came_from)

    async def recall(self, handle, /):
        if await self.stage(handle) is not Stage.WAITING and not self.stops_running:
            raise Unavailable(self.device.name, "it has begun")
        self.dropped.add(handle)


async def made(world, store, *backends, granted=100.0):
    fleet = Fleet(backends)
    budgets = Budgets(store, world.clock, fleet, world.offload)
    await budgets.put(DEFAULT_TENANT, "lab", unit="USD", limit=granted, period=Period.MONTH)
    placements = Placements(fleet, world.clock, world.offload, built_in_policies(), policy="shortlist")
    jobs = Jobs(
        store, world.clock, world.ids, fleet, Telemetry(world.clock), placements, budgets, None, world.offload
    )  # fmt: skip
    return jobs, budgets, fleet


async def view(budgets):
    found = await budgets.view(await budgets.get(DEFAULT_TENANT, "lab"))
    return round(found.spent, 6), round(found.held, 6)


@pytest.mark.requirement("QRM-7")
def test_what_waits_at_a_vendor_moves_and_its_money_with_it():
    async def main(world, store):
        good = Vendor(world, model("a-good", 0.001, 7.0), waits_s=500.0)
        other = Vendor(world, model("b-other", 0.01, 2.0))
        assert isinstance(good, StagedBackend)
        jobs, budgets, _ = await made(world, store, good, other)
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10)
            named = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, device="a.a-good")
            await world.clock.sleep(2.0)
            assert await view(budgets) == (0.0, 14.0)
            assert await jobs.reconsider("a.a-good", "nothing happened") == 0, "where it is still the best it stays"
            await world.clock.sleep(1.0)
            good.device = model("a-good", 0.3, 7.0)
            assert await jobs.reconsider("a.a-good", "its calibration drifted") == 1
            found = await job_ended(world, jobs, job)
            assert good.dropped == {job.id}
            assert (found.state, found.device, found.moves[0].why) == (
                JobState.COMPLETED, "b.b-other", "its calibration drifted",
            )  # fmt: skip
            assert [(one.device, one.charged) for one in found.losses] == [("a.a-good", False)]
            assert await view(budgets) == (2.0, 7.0)
            assert (await budgets.charge(DEFAULT_TENANT, job.id)).used == ("b.b-other",)
            assert (await job_ended(world, jobs, named)).device == "a.a-good"
        assert await view(budgets) == (9.0, 0.0)
        assert len(good.sent) == 2

    run_with_store(main, seed=3)


@pytest.mark.requirement("QRM-7")
def test_what_has_begun_stays():
    async def main(world, store):
        good = Vendor(world, model("a-good", 0.001, 7.0), took_s=500.0)
        jobs, _, _ = await made(world, store, good, Vendor(world, model("b-other", 0.01, 2.0)))
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10)
            await world.clock.sleep(2.0)
            good.device = model("a-good", 0.3, 7.0)
            assert await jobs.reconsider("a.a-good", "its calibration drifted") == 0
            assert (await job_ended(world, jobs, job)).device == "a.a-good"

    run_with_store(main, seed=3)


@pytest.mark.requirement("QRM-7")
def test_a_queue_that_grows_moves_what_would_be_late():
    async def main(world, store):
        good = Vendor(world, model("a-good", 0.001, 7.0), waits_s=5_000.0)
        jobs, budgets, fleet = await made(world, store, good, Vendor(world, model("b-other", 0.01, 2.0)))
        told = []
        alerts = type("Alerts", (), {"alert": lambda _, *what: told.append(what)})()
        watching = asyncio.ensure_future(
            watch_devices(fleet, History(store, world.clock), world.clock, alerts, jobs.reconsider)
        )
        async with running_jobs(jobs):
            due = JobWishes(deadline_at_ns=world.clock.wall_ns() + 2_000 * NS_PER_S)
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, wishes=due)
            await world.clock.sleep(10.0)
            assert (await jobs.get(DEFAULT_TENANT, job.id)).device == "a.a-good"
            good.next_look = model("a-good", 0.001, 7.0, queue=QueueState(wait_ns_p50=3_000 * NS_PER_S))
            good.device = model("a-good", 0.001, 7.0, queue=QueueState(wait_ns_p50=10 * NS_PER_S))
            found = await job_ended(world, jobs, job)
        watching.cancel()
        assert (found.state, found.device) == (JobState.COMPLETED, "b.b-other")
        assert "its queue grew" in found.moves[0].why
        assert await view(budgets) == (2.0, 0.0)

    run_with_store(main, seed=3)


async def hedged(world, store, *, first, granted=100.0):
    """A job whose first device takes longer than it did, and is begun on a second one."""
    slow = Vendor(world, model("a-slow", 0.001, 7.0))
    other = Vendor(world, model("b-other", 0.01, 2.0), took_s=30.0)
    jobs, budgets, _ = await made(world, store, slow, other, granted=granted)
    async with running_jobs(jobs):
        for _ in range(10):
            await job_ended(world, jobs, await jobs.submit(DEFAULT_TENANT, BELL, shots=10))
        spent, _ = await view(budgets)
        for name, value in first.items():
            setattr(slow, name, value)
        due = JobWishes(deadline_at_ns=world.clock.wall_ns() + 10**14)
        job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, wishes=due)
        most = 0.0
        while not (found := await jobs.get(DEFAULT_TENANT, job.id)).state.final:
            most = max(most, (await view(budgets))[1])
            await world.clock.sleep(0.5)
        charge = await budgets.charge(DEFAULT_TENANT, job.id)
        assert charge.state is ChargeState.SETTLED
        return found, most, (await view(budgets))[0] - spent, charge


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize(
    ("first", "paid"),
    [
        ({"waits_s": 10_000.0}, 2.0),
        ({"took_s": 10_000.0}, 9.0),
        ({"took_s": 10_000.0, "stops_running": True}, 9.0),
    ],
    ids=["waited", "had begun", "had begun and was stopped"],
)
def test_a_hedged_job_holds_two_prices_and_pays_what_was_charged(first, paid):
    async def main(world, store):
        found, most, spent, charge = await hedged(world, store, first=first)
        assert (found.state, found.device) == (JobState.COMPLETED, "b.b-other")
        assert most == 9.0, "both are held while both run"
        assert spent == pytest.approx(paid)
        assert charge.device == "b.b-other"
        assert sorted(charge.used) == (["a.a-slow", "b.b-other"] if paid > 2 else ["b.b-other"])
        assert [one.charged for one in found.losses] == [paid > 2]

    run_with_store(main, seed=3)


@pytest.mark.requirement("QRM-8")
def test_a_second_attempt_that_nobody_may_pay_for_is_not_begun():
    async def main(world, store):
        found, most, spent, _ = await hedged(world, store, first={"took_s": 300.0}, granted=78.0)
        assert (found.state, found.device, found.moves) == (JobState.COMPLETED, "a.a-slow", ())
        assert (most, spent) == (7.0, 7.0)

    run_with_store(main, seed=3)


@pytest.mark.requirement("QRM-8")
def test_a_cancelled_job_pays_for_what_had_begun():
    async def main(world, store):
        slow = Vendor(world, model("a-slow", 0.001, 7.0), took_s=100.0)
        jobs, budgets, _ = await made(world, store, slow)
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10)
            await world.clock.sleep(5.0)
            found = await jobs.cancel(DEFAULT_TENANT, job.id)
            slow.waits_s = 100.0
            waits = await jobs.submit(DEFAULT_TENANT, BELL, shots=10)
            await world.clock.sleep(5.0)
            await jobs.cancel(DEFAULT_TENANT, waits.id)
        assert found.state is JobState.CANCELLED
        assert await view(budgets) == (7.0, 0.0)

    run_with_store(main, seed=3)


@pytest.mark.requirement("QRM-7")
def test_a_job_comes_back_to_a_vendor_that_dropped_it_as_another_one():
    async def main(world, store):
        good = Vendor(world, model("a-good", 0.001, 7.0), waits_s=500.0)
        other = Vendor(world, model("b-other", 0.01, 2.0), waits_s=500.0)
        jobs, budgets, _ = await made(world, store, good, other)
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10)
            await world.clock.sleep(2.0)
            for vendor, error in ((good, 0.3), (other, 0.5)):
                vendor.device = model(vendor.device.name[2:], error, vendor.device.price.fixed)
                assert await jobs.reconsider(vendor.device.name, "its calibration drifted") == 1
                await world.clock.sleep(2.0)
            found = await job_ended(world, jobs, job)
        assert (found.state, found.device) == (JobState.COMPLETED, "a.a-good")
        assert (list(good.sent), list(other.sent)) == ([job.id, f"{job.id}-at-3-2"], [f"{job.id}-at-2"])
        assert await view(budgets) == (7.0, 0.0)

    run_with_store(main, seed=3)
