"""What is noted of a job while it is on its way to a vendor, on virtual time."""

import asyncio
import contextlib

import pytest

from phalanx.core import DEFAULT_TENANT, Origin, Provenance, Unavailable
from phalanx.devices import (
    Fleet,
    Jobs,
    JobState,
    JobWishes,
    LeftSending,
    MarkedBackend,
    MaybeSent,
    ShotResult,
    VendorAway,
)
from phalanx.quantum import Gates
from phalanx.telemetry import Telemetry
from phalanx.testing import job_ended, line_of_three, run_with_store, running_jobs

BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()


class Side:
    """The vendor's side: what it was sent, how long that takes, and what it refuses."""

    def __init__(self):
        self.sent, self.takes_s, self.done = [], 0.0, True
        self.refuses, self.away, self.back_s = 0, 0, 0.0


class Forgetful:
    """A machine whose vendor cannot be asked for a job by its key."""

    def __init__(self, world, side, name="vendor.one", error=1e-3):
        self.world, self.side, self.device = world, side, line_of_three(name, error)
        self.marks = {}

    @contextlib.contextmanager
    def marking(self, key, mark, /, *, before):
        if before:
            raise MaybeSent(self.device.name, key)
        self.marks[key] = mark
        yield

    async def run(self, circuit, /, *, shots, seed):
        raise AssertionError("jobs are submitted")

    async def submit(self, circuit, /, *, shots, seed, key):
        if self.side.away:
            self.side.away -= 1
            raise Unavailable(self.device.name, "it is away")
        await self.marks[key]()
        if self.side.refuses:
            self.side.refuses -= 1
            raise Unavailable(self.device.name, "it takes nothing now")
        self.side.sent.append(key)
        try:
            await self.world.clock.sleep(self.side.takes_s)
        except asyncio.CancelledError as left:
            raise LeftSending from left
        return f"vendor-{key}"

    async def collect(self, handle, circuit, /, *, shots, seed):
        while not self.side.done:
            await self.world.clock.sleep(1.0)
        came_from = Provenance(
            origin=Origin.HARDWARE, device=self.device.name, circuits=(circuit.digest,), shots=shots, seed=seed
        )
        return ShotResult({"00": shots}, came_from)

    async def recall(self, handle, /):
        raise Unavailable(self.device.name, "it drops nothing")


def made(world, store, *machines):
    return Jobs(store, world.clock, world.ids, Fleet(machines), Telemetry(world.clock))


async def until(world, jobs, job, wanted):
    while not wanted(found := await jobs.get(DEFAULT_TENANT, job.id)):
        await world.clock.sleep(0.1)
    return found


def lost(job):
    return [(one.device, one.handle, one.charged) for one in job.losses]


@pytest.mark.requirement("QRM-8")
def test_a_mark_goes_when_the_vendor_says_what_it_calls_the_job():
    async def main(world, store):
        side = Side()
        side.takes_s, side.done = 5.0, False
        machine = Forgetful(world, side)
        assert isinstance(machine, MarkedBackend)
        jobs = made(world, store, machine)
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, device="vendor.one")
            marked = await until(world, jobs, job, lambda one: one.sending)
            assert (marked.sending, marked.handle, marked.state) == ({job.id: "vendor.one"}, "", JobState.RUNNING)
            noted = await until(world, jobs, job, lambda one: one.handle)
            assert noted.sending == {}
            side.done = True
            assert (await job_ended(world, jobs, job)).state is JobState.COMPLETED

    run_with_store(main)


@pytest.mark.requirement("QRM-8")
def test_what_was_refused_bears_no_mark_and_may_go_elsewhere():
    async def main(world, store):
        side, other = Side(), Side()
        side.refuses = 1
        jobs = made(world, store, Forgetful(world, side), Forgetful(world, other, "vendor.two", 1e-2))
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, device="vendor.one", movable=True)
            ended = await job_ended(world, jobs, job)
        assert (ended.state, ended.device, ended.sending, ended.losses) == (JobState.COMPLETED, "vendor.two", {}, ())
        assert (side.sent, other.sent) == ([], [f"{job.id}-at-2"])

    run_with_store(main)


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("restarts", [False, True])
def test_what_is_cancelled_while_it_may_be_on_its_way_is_paid_for(restarts):
    async def main(world, store):
        side = Side()
        side.takes_s = 1e9
        jobs = made(world, store, Forgetful(world, side))
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, device="vendor.one")
            await until(world, jobs, job, lambda one: one.sending)
            if not restarts:
                await jobs.cancel(DEFAULT_TENANT, job.id)
        ended = await jobs.cancel(DEFAULT_TENANT, job.id)
        assert (ended.state, ended.sending) == (JobState.CANCELLED, {})
        assert lost(ended) == [("vendor.one", job.id, True)]

    run_with_store(main)


@pytest.mark.requirement("QRM-8")
def test_what_was_on_its_way_when_the_node_died_is_not_sent_again():
    async def main(world, store):
        side, other = Side(), Side()
        side.takes_s = 1e9
        machines = (Forgetful(world, side), Forgetful(world, other, "vendor.two", 1e-2))
        async with running_jobs(jobs := made(world, store, *machines)):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, device="vendor.one", movable=True)
            await until(world, jobs, job, lambda one: one.sending)
        side.takes_s = 0.0
        async with running_jobs(jobs := made(world, store, *machines)):
            ended = await job_ended(world, jobs, job)
        assert (ended.state, ended.sending, lost(ended)) == (JobState.FAILED, {}, [("vendor.one", job.id, True)])
        assert f"look for a job named {job.id} there" in ended.error
        assert (side.sent, other.sent) == ([job.id], [])

    run_with_store(main)


@pytest.mark.requirement("QRM-8")
def test_what_may_be_at_a_vendor_that_has_not_said_yet_goes_nowhere_else():
    """A vendor that can be asked for its jobs, and is away when the node is there again."""

    class Asked(Forgetful):
        @contextlib.contextmanager
        def marking(self, key, mark, /, *, before):
            self.marks[key] = mark
            yield

        async def submit(self, circuit, /, *, shots, seed, key):
            if key in self.side.sent and not self.side.away:
                return f"vendor-{key}"
            return await super().submit(circuit, shots=shots, seed=seed, key=key)

    async def main(world, store):
        side, other = Side(), Side()
        side.takes_s = 1e9
        machines = (Asked(world, side), Forgetful(world, other, "vendor.two", 1e-2))
        async with running_jobs(jobs := made(world, store, *machines)):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, device="vendor.one", movable=True)
            await until(world, jobs, job, lambda one: one.sending)
        side.away, side.takes_s = 2, 0.0
        async with running_jobs(jobs := made(world, store, *machines)):
            ended = await job_ended(world, jobs, job)
        assert (ended.state, ended.device, ended.losses) == (JobState.COMPLETED, "vendor.one", ())
        assert (side.sent, other.sent) == ([job.id], [])
        # One that stays away: the job ends, and says what to look for.
        side.takes_s = 1e9
        async with running_jobs(jobs := made(world, store, *machines)):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, device="vendor.one", movable=True)
            await until(world, jobs, job, lambda one: one.sending)
        side.away = 1_000
        async with running_jobs(jobs := made(world, store, *machines)):
            ended = await job_ended(world, jobs, job)
        assert (ended.state, ended.sending, lost(ended)) == (JobState.FAILED, {}, [("vendor.one", job.id, True)])
        assert f"look for a job named {job.id} there" in ended.error
        assert other.sent == []

    run_with_store(main)


class Booking:
    """A chooser's windows: others have ``device`` from ``at_s`` for ``for_s``."""

    def __init__(self, jobs, world, device):
        self.world, self.device, self.at_s, self.for_s = world, device, float("inf"), 0.0
        chooser = jobs._chooser
        chooser.leaves_s = lambda name, tenant: self._in_s(name)
        chooser.opens_s = lambda name, tenant: self._left_s(name)

    def _in_s(self, name):
        left = self.at_s - self.world.loop.time()
        return max(0.0, left) if name == self.device and left > -self.for_s else float("inf")

    def _left_s(self, name):
        now = self.world.loop.time()
        return self.at_s + self.for_s - now if name == self.device and self.at_s <= now else 0.0


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_is_on_its_way_when_others_booking_begins_is_not_sent_there_again(elsewhere):
    async def main(world, store):
        side, other = Side(), Side()
        side.takes_s = 1e9
        machines = [Forgetful(world, side)]
        if elsewhere:
            machines.append(Forgetful(world, other, "vendor.two", 1e-2))
        jobs = made(world, store, *machines)
        booking = Booking(jobs, world, "vendor.one")
        booking.at_s, booking.for_s = world.loop.time() + 10.0, 30.0
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, device="vendor.one", movable=True)
            ended = await job_ended(world, jobs, job)
        assert side.sent == [job.id]
        assert lost(ended) == [("vendor.one", job.id, True)]
        assert (ended.state, len(other.sent)) == ((JobState.COMPLETED, 1) if elsewhere else (JobState.FAILED, 0)), (
            ended.error
        )

    run_with_store(main)


class Absent(Forgetful):
    """One whose vendor is not reached for a while; ``refuses`` what it is sent for good."""

    async def submit(self, circuit, /, *, shots, seed, key):
        if self.side.back_s > self.world.loop.time():
            raise VendorAway(self.device.name, "nobody answers")
        return await super().submit(circuit, shots=shots, seed=seed, key=key)


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize(
    ("away_s", "wishes", "took_s", "told"),
    [
        (1_800.0, {}, (1_800.0, 2_100.0), ""),
        (9_999.0, {}, (3_600.0, 3_601.0), "vendor.one did not come back in time: "),
        (9_999.0, {"deadline_at_ns": 500}, (500.0, 501.0), "vendor.one did not come back in time: "),
        (8_000.0, {"deadline_at_ns": 9_000}, (8_000.0, 8_300.0), ""),
        (9_999.0, {"patient": False}, (0.0, 1.0), "vendor.one is not available: nobody answers"),
    ],
)
def test_what_was_sent_to_a_device_by_name_waits_for_its_vendor_within_bounds(away_s, wishes, took_s, told):
    async def main(world, store):
        side, other = Side(), Side()
        begin_s = world.loop.time()
        side.back_s = begin_s + away_s
        jobs = made(world, store, Absent(world, side), Forgetful(world, other, "vendor.two", 1e-2))
        if "deadline_at_ns" in wishes:
            wishes["deadline_at_ns"] = world.clock.wall_ns() + wishes["deadline_at_ns"] * 10**9
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, device="vendor.one", wishes=JobWishes(**wishes))
            await world.clock.sleep(0.5)
            if wishes.get("patient", True):
                waiting = await jobs.get(DEFAULT_TENANT, job.id)
                assert waiting.state is JobState.QUEUED
                assert "vendor.one is away, and it was sent there by name" in jobs.rests(waiting)[1]
            ended = await job_ended(world, jobs, job)
        assert took_s[0] <= world.loop.time() - begin_s <= took_s[1] + 1.0
        assert ended.state is (JobState.FAILED if told else JobState.COMPLETED)
        assert ended.error.startswith(told)
        assert (other.sent, ended.moves, ended.losses) == ([], (), ())
        assert ended.attempts == 1, "what did not begin there was no attempt"

    run_with_store(main)


def test_what_a_device_fails_by_itself_is_not_waited_for():
    async def main(world, store):
        side = Side()
        side.refuses = 1
        jobs = made(world, store, Forgetful(world, side))
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, device="vendor.one")
            ended = await job_ended(world, jobs, job)
        assert (ended.state, ended.error) == (JobState.FAILED, "vendor.one is not available: it takes nothing now")

    run_with_store(main)
