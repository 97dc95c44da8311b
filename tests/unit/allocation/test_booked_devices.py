"""What somebody has booked is kept free for them: jobs of others wait, move away before, or leave when it opens."""

import pytest

from phalanx.allocation import Ask, Bookable, Placements, Reservations, built_in_policies
from phalanx.allocation.money import Budgets, Period
from phalanx.core import DEFAULT_TENANT, NS_PER_S, Provenance, TenantId, Unavailable
from phalanx.devices import Fleet, Jobs, JobState, JobWishes, ShotResult, Stage
from phalanx.node import Work
from phalanx.node.managers._desk import ManagerDesk
from phalanx.quantum import Gates
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld, job_ended, line_of_three, running_jobs

BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
LAB = TenantId("lab.acme/default")


class Vendor:
    """Takes so long from when it was sent, and notes who ran from when until when."""

    def __init__(self, world, name, error, *, took_s):
        self.world, self.device, self.took_s = world, line_of_three(name, error), took_s
        self.begun, self.spans, self.dropped, self.fails = {}, [], set(), False

    async def run(self, circuit, /, *, shots, seed):
        raise AssertionError("jobs are submitted")

    async def submit(self, circuit, /, *, shots, seed, key):
        self.begun.setdefault(key, self.world.loop.time())
        return key

    async def stage(self, handle, /):
        if handle in self.dropped:
            return Stage.NOTHING
        return Stage.DONE if self.world.loop.time() >= self.begun[handle] + self.took_s else Stage.RUNNING

    async def collect(self, handle, circuit, /, *, shots, seed):
        begun_s = self.begun[handle]
        try:
            await self.world.clock.sleep(max(0.0, begun_s + self.took_s - self.world.loop.time()))
        finally:
            self.spans.append((begun_s, self.world.loop.time()))
        if self.fails:
            raise Unavailable(self.device.name, "it went away")
        came_from = Provenance(
            origin=self.device.origin, device=self.device.name, circuits=(circuit.digest,), shots=shots, seed=seed
        )
        return ShotResult({"00": shots}, came_from)

    async def recall(self, handle, /):
        self.dropped.add(handle)


class Desk:
    def __init__(self, world, store, *vendors):
        self.world = world
        fleet = Fleet(vendors)
        self.placements = Placements(fleet, world.clock, world.offload, built_in_policies(), policy="shortlist")
        self.reservations = Reservations(store, world.clock, world.ids, self.placements.booked)
        self.budgets = Budgets(store, world.clock, fleet, world.offload)
        self.jobs = Jobs(
            store, world.clock, world.ids, fleet, Telemetry(world.clock), chooser=self.placements, purse=self.budgets
        )
        self.manager = ManagerDesk(
            "hq.acme", store, world.clock, world.offload, self.placements, self.reservations, self.jobs, self.budgets
        )
        self.jobs.use_windows(self.manager)
        self.vendors = vendors

    async def declare(self):
        for vendor in self.vendors:
            await self.reservations.declare(Bookable(name=vendor.device.name))

    async def book(self, device, *, begins_s, lasts_s, tenant="somebody"):
        ask = Ask(
            demands={device: 1}, duration_ns=round(lasts_s * NS_PER_S),
            earliest_ns=self.world.clock.wall_ns() + round(begins_s * NS_PER_S),
        )  # fmt: skip
        return (await self.reservations.book(tenant, ask))[0]

    async def submit(self, **others):
        return await self.jobs.submit(DEFAULT_TENANT, BELL, shots=10, **others)

    async def ended(self, job):
        return await job_ended(self.world, self.jobs, job)


def simulated(main, *vendors):
    async def begin(world):
        desk = Desk(world, world.store("node"), *(Vendor(world, *args, took_s=took_s) for *args, took_s in vendors))
        await desk.declare()
        async with running_jobs(desk.jobs):
            await main(world, desk)

    SimWorld(2).run(begin)


@pytest.mark.requirement("QRM-3")
def test_a_job_waits_for_the_end_of_a_window_of_others_and_not_of_its_own():
    async def main(world, desk):
        begins_s = world.loop.time()
        await desk.book("a.one", begins_s=0.0, lasts_s=100.0)
        job = await desk.ended(await desk.submit(device="a.one"))
        assert job.state is JobState.COMPLETED
        assert desk.vendors[0].spans[0][0] >= begins_s + 100.0
        own = await desk.book("a.one", begins_s=0.0, lasts_s=100.0, tenant=DEFAULT_TENANT)
        begins_s = world.loop.time()
        assert (await desk.ended(await desk.submit(device="a.one"))).state is JobState.COMPLETED
        assert desk.vendors[0].spans[1][0] < begins_s + 5.0, own

    simulated(main, ("a.one", 0.01, 3.0))


@pytest.mark.requirement("QRM-3")
def test_a_job_that_would_wait_long_goes_to_another_device():
    async def main(world, desk):
        await desk.book("a.one", begins_s=0.0, lasts_s=3_600.0)
        job = await desk.ended(await desk.submit())
        assert (job.state, job.device) == (JobState.COMPLETED, "b.two")
        assert desk.vendors[0].begun == {}
        assert [one.kind for one in job.moves] in ([], ["yielded"]), "placed there, or moved there"
        named = await desk.submit(device="a.one", wishes=JobWishes(patient=False))
        await world.clock.sleep(600.0)
        assert (await desk.jobs.get(DEFAULT_TENANT, named.id)).state is JobState.QUEUED, "somebody named its device"

    simulated(main, ("a.one", 0.001, 3.0), ("b.two", 0.05, 3.0))


@pytest.mark.requirement("QRM-3", "QRM-7")
def test_what_runs_when_a_window_opens_leaves_and_is_done_elsewhere_or_after():
    async def main(world, desk):
        moving, named = await desk.submit(), await desk.submit(device="a.one")
        await world.clock.sleep(5.0)
        opens_s = world.loop.time() + 10.0
        await desk.book("a.one", begins_s=10.0, lasts_s=300.0)
        moved, stayed = await desk.ended(moving), await desk.ended(named)
        assert (moved.state, moved.device) == (JobState.COMPLETED, "b.two")
        assert moved.moves[0].why == "others have booked a.one from now on"
        assert (stayed.state, stayed.device, stayed.moves[0].kind) == (JobState.COMPLETED, "a.one", "paused")
        assert stayed.attempts == 1, "it was not its fault"
        assert {one.device for one in moved.losses} == {"a.one"}
        for begun_s, ended_s in desk.vendors[0].spans:
            assert ended_s <= opens_s + 1.0 or begun_s >= opens_s + 300.0, (begun_s, ended_s, opens_s)

    simulated(main, ("a.one", 0.001, 60.0), ("b.two", 0.05, 60.0))


@pytest.mark.requirement("QRM-3")
def test_what_is_known_to_take_longer_than_there_is_left_is_not_begun():
    async def main(world, desk):
        for _ in range(8):
            assert (await desk.ended(await desk.submit(device="a.one"))).state is JobState.COMPLETED
        before = len(desk.vendors[0].begun)
        await desk.book("a.one", begins_s=20.0, lasts_s=100.0)
        job = await desk.ended(await desk.submit(device="a.one"))
        assert (job.losses, job.moves) == ((), ()), "it was not begun in vain"
        assert len(desk.vendors[0].begun) == before + 1

    simulated(main, ("a.one", 0.01, 30.0))


@pytest.mark.requirement("QRM-3", "QRM-7", "QRM-11")
def test_a_managers_job_moves_off_a_device_that_fails_into_a_window_there():
    async def main(world, desk):
        await desk.budgets.put(LAB, "grant", unit="jobs", limit=10, period=Period.ONCE)
        desk.vendors[0].fails = True
        # What else is booked at the second device is not pushed aside.
        await desk.book("b.two", begins_s=0.0, lasts_s=20.0)
        work = Work(circuit=BELL, shots=10, origin="hardware")
        job = await desk.manager.submit(LAB, "night", work)
        assert job.device == "a.one"
        found = await desk.ended(job)
        assert (found.state, found.device) == (JobState.COMPLETED, "b.two")
        assert "it went away" in found.moves[0].why
        windows = {one.id: one for one in await desk.reservations.bookings(LAB)}
        assert sorted(windows) == ["lab.acme/default/night.0", "lab.acme/default/night.1"]
        assert not windows["lab.acme/default/night.0"].is_live
        there = windows["lab.acme/default/night.1"]
        assert list(there.ask.demands) == ["b.two"]
        assert found.wishes.window == there.id
        assert found.wishes.not_before_ns == there.start_ns
        assert (await desk.manager.job(LAB, "night")).device == "b.two"
        assert (await desk.manager.place(LAB, "night", work)).explanation.device == "b.two"

    simulated(main, ("a.one", 0.001, 3.0), ("b.two", 0.05, 3.0))


@pytest.mark.requirement("QRM-3", "QRM-7", "QRM-11")
def test_a_managers_job_moves_off_a_device_whose_calibration_breaks():
    async def main(world, desk):
        await desk.budgets.put(LAB, "grant", unit="jobs", limit=10, period=Period.ONCE)
        await desk.book("a.one", begins_s=0.0, lasts_s=50.0)
        await desk.book("b.two", begins_s=0.0, lasts_s=30.0)
        job = await desk.manager.submit(LAB, "night", Work(circuit=BELL, shots=10, origin="hardware"))
        assert job.wishes.not_before_ns > world.clock.wall_ns(), "its window opens later"
        first = job.device
        other = next(one for one in desk.vendors if one.device.name != first)
        broken = next(one for one in desk.vendors if one.device.name == first)
        await world.clock.sleep(1.0)
        broken.device = line_of_three(first, 0.5)
        assert await desk.jobs.reconsider(first, "its calibration drifted") == 1
        found = await desk.ended(job)
        assert (found.state, found.device) == (JobState.COMPLETED, other.device.name)
        live = [one for one in await desk.reservations.bookings(LAB) if one.is_live]
        assert all(list(one.ask.demands) == [other.device.name] for one in live)

    simulated(main, ("a.one", 0.001, 3.0), ("b.two", 0.05, 3.0))


@pytest.mark.requirement("QRM-3", "QRM-5")
def test_a_job_says_until_when_it_waits_and_for_whose_window():
    async def main(world, desk):
        now_ns = world.clock.wall_ns()
        await desk.book("a.one", begins_s=0.0, lasts_s=50.0, tenant="lab")
        await desk.book("a.one", begins_s=50.0, lasts_s=50.0, tenant="plant")
        await desk.book("a.one", begins_s=900.0, lasts_s=50.0, tenant="later")
        waiting = await desk.submit(device="a.one")
        waits = desk.placements.waits(waiting, seen_by=DEFAULT_TENANT)
        assert waits is not None
        assert (waits.until_ns - now_ns) / NS_PER_S == pytest.approx(100.0, abs=0.1)
        assert (waits.by, waits.own) == (("lab", "plant"), False)
        assert waits.why == "a.one is booked by lab and plant"
        hidden = desk.placements.waits(waiting, seen_by=TenantId("lab"))
        assert hidden is not None
        assert hidden.why == "a.one is booked by another tenant", "who books is not for every tenant"
        opens_ns = now_ns + 30 * NS_PER_S
        early = await desk.submit(device="b.two", wishes=JobWishes(not_before_ns=opens_ns))
        own = desk.placements.waits(early, seen_by=DEFAULT_TENANT)
        assert own is not None
        assert (own.until_ns, own.own, own.by) == (opens_ns, True, (DEFAULT_TENANT,))
        assert desk.placements.waits(await desk.submit(device="b.two"), seen_by=DEFAULT_TENANT) is None
        await world.clock.sleep(102.0)
        begun = await desk.jobs.get(DEFAULT_TENANT, waiting.id)
        assert begun.state is not JobState.QUEUED
        assert desk.placements.waits(begun, seen_by=DEFAULT_TENANT) is None

    simulated(main, ("a.one", 0.01, 30.0), ("b.two", 0.05, 3.0))
