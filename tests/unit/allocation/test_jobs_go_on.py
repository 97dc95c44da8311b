"""What goes wrong with one job, wherever that is, ends that job at most: others go on, and money is counted once."""

import asyncio
import dataclasses
import math

import pytest

from phalanx.allocation import Placements, built_in_policies
from phalanx.allocation.money import Budgets, ChargeState, Period
from phalanx.core import DEFAULT_TENANT, Provenance, StorageFull, Unavailable
from phalanx.devices import (
    Fleet,
    Jobs,
    JobState,
    JobWishes,
    LeftSending,
    ShotResult,
    Stage,
    price_per_second,
    price_per_shot,
)
from phalanx.quantum import Gates
from phalanx.telemetry import Telemetry
from phalanx.testing import job_ended, line_of_three, run_with_store, running_jobs

BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()


class Machine:
    """At a vendor who looks for keys among the jobs of all machines of an ``account``, and takes seconds to drop one.

    ``fails`` so many runs at their end.
    """

    def __init__(self, world, name, error=0.001, *, fee=7.0, account=None, waits_s=0.0, fails=0):
        price = price_per_shot(fee, 0.0, as_of_ns=1, source="made")
        self.world, self.device = world, line_of_three(name, error, price=price)
        self.account = {} if account is None else account
        self.waits_s, self.fails = waits_s, fails
        self.began, self.dropped = {}, set()

    async def run(self, circuit, /, *, shots, seed):
        raise AssertionError("jobs are submitted")

    async def submit(self, circuit, /, *, shots, seed, key):
        if key not in self.account:
            self.account[key] = self
            self.began[key] = self.world.loop.time() + self.waits_s
        return key

    async def stage(self, handle, /):
        if handle in self.dropped:
            return Stage.NOTHING
        since = self.world.loop.time() - self.account[handle].began[handle]
        return Stage.WAITING if since < 0.0 else Stage.RUNNING if since < 1.0 else Stage.DONE

    async def collect(self, handle, circuit, /, *, shots, seed):
        assert self.account[handle] is self, "another machine's job"
        while (stage := await self.stage(handle)) is not Stage.DONE:
            if stage is Stage.NOTHING:
                raise Unavailable(self.device.name, "it was dropped")
            await self.world.clock.sleep(0.5)
        if self.fails:
            self.fails -= 1
            raise Unavailable(self.device.name, "it came to nothing")
        came_from = Provenance(
            origin=self.device.origin, device=self.device.name, circuits=(circuit.digest,), shots=shots, seed=seed
        )
        return ShotResult({"00": shots}, came_from)

    async def recall(self, handle, /):
        self.dropped.add(handle)
        await self.world.clock.sleep(2.0)


async def made(world, store, *machines, granted=100.0):
    fleet = Fleet(machines)
    budgets = Budgets(store, world.clock, fleet, world.offload)
    await budgets.put(DEFAULT_TENANT, "lab", unit="USD", limit=granted, period=Period.MONTH)
    placements = Placements(fleet, world.clock, world.offload, built_in_policies(), policy="shortlist")
    jobs = Jobs(
        store, world.clock, world.ids, fleet, Telemetry(world.clock), placements, budgets, None, world.offload
    )  # fmt: skip
    return jobs, budgets, placements


async def spent(budgets, job):
    charge = await budgets.charge(DEFAULT_TENANT, job.id)
    return charge.state, charge.spent.get("USD", 0) / 10**6


@pytest.mark.requirement("QRM-7", "QRM-8")
def test_one_more_machine_of_a_vendor_does_not_find_what_the_first_was_sent():
    async def main(world, store):
        account = {}
        one, two = Machine(world, "a.one", account=account, fails=1), Machine(world, "a.two", 0.01, account=account)
        jobs, budgets, _ = await made(world, store, one, two)
        async with running_jobs(jobs):
            job = await job_ended(world, jobs, await jobs.submit(DEFAULT_TENANT, BELL, shots=10))
        assert (job.state, job.device, [move.after for move in job.moves]) == (JobState.COMPLETED, "a.two", ["a.two"])
        assert set(account) == {job.id, f"{job.id}-at-2"}
        assert await jobs.failures.of(DEFAULT_TENANT, "a.two") == []
        assert await spent(budgets, job) == (ChargeState.SETTLED, 14.0)

    run_with_store(main)


@pytest.mark.requirement("QRM-7", "QRM-8")
def test_a_cancelled_job_is_no_failure_of_its_device_and_goes_nowhere_else():
    async def main(world, store):
        one, two = Machine(world, "a.one", waits_s=100.0), Machine(world, "b.two", 0.01)
        jobs, budgets, placements = await made(world, store, one, two)
        async with running_jobs(jobs):
            for _ in range(2):
                job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10)
                await world.clock.sleep(5.0)
                found = await jobs.cancel(DEFAULT_TENANT, job.id)
                assert (found.state, found.device, found.moves) == (JobState.CANCELLED, "a.one", ())
                assert await spent(budgets, job) == (ChargeState.RELEASED, 0.0)
            await world.clock.sleep(5.0)
        assert two.began == {}
        assert await jobs.failures.of(DEFAULT_TENANT, "a.one") == []
        assert placements.kept_away("a.one") == ""

    run_with_store(main)


@pytest.mark.requirement("QRM-8")
def test_who_asks_to_cancel_and_is_gone_leaves_a_job_that_is_carried_out():
    async def main(world, store):
        one = Machine(world, "a.one", waits_s=20.0)
        jobs, _, _ = await made(world, store, one)
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10)
            await world.clock.sleep(5.0)
            asking = asyncio.ensure_future(jobs.cancel(DEFAULT_TENANT, job.id))
            await asyncio.sleep(0)
            asking.cancel()
            found = await job_ended(world, jobs, job)
        assert (found.state, list(one.began)) == (JobState.COMPLETED, [job.id])

    run_with_store(main)


@pytest.mark.requirement("QRM-8")
def test_what_is_cancelled_on_its_way_to_a_vendor_that_is_sent_no_mark_is_paid_for():
    async def main(world, store):
        one = Machine(world, "a.one")

        async def submit(circuit, **how):
            try:
                await world.clock.sleep(100.0)
            except asyncio.CancelledError as left:
                raise LeftSending from left

        one.submit = submit
        jobs, budgets, _ = await made(world, store, one)
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10)
            await world.clock.sleep(5.0)
            found = await jobs.cancel(DEFAULT_TENANT, job.id)
        assert [(one.device, one.charged) for one in found.losses] == [("a.one", True)]
        assert await spent(budgets, job) == (ChargeState.SETTLED, 7.0)

    run_with_store(main)


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("degrade", [True, False])
def test_a_budget_that_does_not_reach_for_one_more_attempt_ends_the_job_and_pays_the_first(degrade):
    async def main(world, store):
        one, two = Machine(world, "a.one", fails=9), Machine(world, "b.two", 0.01)
        jobs, budgets, _ = await made(world, store, one, two, granted=10.0)
        async with running_jobs(jobs):
            wishes = JobWishes(degrade=degrade)
            job = await job_ended(world, jobs, await jobs.submit(DEFAULT_TENANT, BELL, shots=10, wishes=wishes))
        assert (job.state, job.moves, two.began) == (JobState.FAILED, (), {})
        assert "it came to nothing" in job.error
        assert "budget 'lab'" in job.error
        assert await spent(budgets, job) == (ChargeState.SETTLED, 7.0)

    run_with_store(main)


@pytest.mark.requirement("QRM-8")
def test_a_window_of_others_ends_a_job_that_nobody_can_pay_to_begin_again():
    async def main(world, store):
        one, other = Machine(world, "a.one"), Machine(world, "b.two", 0.01)
        jobs, budgets, placements = await made(world, store, one, other, granted=10.0)
        leaves_at = world.loop.time() + 5.5
        placements.leaves_s = lambda device, tenant: max(0.0, leaves_at - world.loop.time())

        async def stage(handle):
            return Stage.RUNNING

        one.stage = stage
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, device="a.one")
            ended = await job_ended(world, jobs, job)
        assert ended.state is JobState.FAILED
        assert "others have booked a.one" in ended.error
        assert "budget 'lab'" in ended.error
        assert await spent(budgets, job) == (ChargeState.SETTLED, 7.0)

    run_with_store(main)


@pytest.mark.requirement("QRM-7")
@pytest.mark.parametrize("what", ["stage", "recall"])
def test_a_plug_in_that_breaks_while_it_is_asked_to_drop_a_job_breaks_nothing_else(what):
    async def main(world, store):
        one, two = Machine(world, "a.one", fails=9), Machine(world, "b.two", 0.01, waits_s=5.0)

        async def broken(handle):
            raise RuntimeError("a bug of the plug-in")

        async def runs(handle):
            return Stage.RUNNING

        async def collect(handle, circuit, **how):
            raise Unavailable("a.one", "it came to nothing")

        one.collect, one.stage = collect, runs
        setattr(one, what, broken)
        jobs, budgets, _ = await made(world, store, one, two)
        async with running_jobs(jobs):
            beside = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, device="b.two")
            job = await job_ended(world, jobs, await jobs.submit(DEFAULT_TENANT, BELL, shots=10))
            assert (await job_ended(world, jobs, beside)).attempts == 1, "it was not begun again"
        assert (job.state, job.device) == (JobState.COMPLETED, "b.two")
        assert await spent(budgets, job) == (ChargeState.SETTLED, 14.0), "nobody says that the first had not begun"

    run_with_store(main)


@pytest.mark.requirement("QRM-7")
@pytest.mark.parametrize("where", ["choose", "told"])
def test_a_policy_that_breaks_ends_one_job_at_most(where):
    async def main(world, store):
        one, two = Machine(world, "a.one", fails=1), Machine(world, "b.two", 0.01, waits_s=5.0)
        jobs, _, placements = await made(world, store, one, two)

        async def broken(asked):
            raise ZeroDivisionError("a bug of the policy")

        async with running_jobs(jobs):
            beside = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, device="b.two")
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10)
            setattr(placements, where, broken)
            job = await job_ended(world, jobs, job)
            beside = await job_ended(world, jobs, beside)
        assert (beside.state, beside.attempts) == (JobState.COMPLETED, 1)
        if where == "told":
            assert job.state is JobState.COMPLETED
            assert await jobs.failures.of(DEFAULT_TENANT, "b.two") == []
        else:
            assert (job.state, job.error) == (JobState.FAILED, "ZeroDivisionError: a bug of the policy")

    run_with_store(main)


@pytest.mark.requirement("QRM-8")
def test_a_job_whose_device_this_node_has_no_more_can_be_cancelled():
    async def main(world, store):
        one, two = Machine(world, "a.one", waits_s=1_000.0), Machine(world, "b.two", 0.01)
        jobs, _, _ = await made(world, store, one, two)
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10)
            await world.clock.sleep(5.0)
        jobs, budgets, _ = await made(world, store, two)
        async with running_jobs(jobs):
            await world.clock.sleep(5.0)
            found = await jobs.cancel(DEFAULT_TENANT, job.id)
        assert (found.state, found.losses[0].charged) == (JobState.CANCELLED, True), "it may have begun"
        assert await spent(budgets, job) == (ChargeState.SETTLED, 7.0)

    run_with_store(main)


@pytest.mark.requirement("QRM-8")
def test_what_was_lost_at_a_device_that_this_node_has_no_more_is_charged_by_its_estimate_of_then():
    async def main(world, store):
        one, two = Machine(world, "a.one", fails=9), Machine(world, "b.two", 0.01, fee=2.0, waits_s=100.0)
        jobs, _, _ = await made(world, store, one, two)
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10)
            await world.clock.sleep(20.0)
            assert (await jobs.get(DEFAULT_TENANT, job.id)).device == "b.two"
        jobs, budgets, _ = await made(world, store, two)
        async with running_jobs(jobs):
            assert (await job_ended(world, jobs, job)).state is JobState.COMPLETED
        assert await spent(budgets, job) == (ChargeState.SETTLED, 9.0)

    run_with_store(main)


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("used_s", [math.nan, math.inf, -5.0, 1e30])
def test_seconds_that_are_none_are_as_if_the_vendor_counted_none(used_s):
    async def main(world, store):
        one = Machine(world, "a.one")
        one.device = dataclasses.replace(one.device, price=price_per_second(2.0, as_of_ns=1, source="made"))

        async def collect(handle, circuit, **how):
            result = await Machine.collect(one, handle, circuit, **how)
            return dataclasses.replace(result, used_s=used_s)

        one.collect = collect
        jobs, budgets, _ = await made(world, store, one)
        async with running_jobs(jobs):
            job = await job_ended(world, jobs, await jobs.submit(DEFAULT_TENANT, BELL, shots=10))
        assert (job.state, job.used_s) == (JobState.COMPLETED, None)
        charge = await budgets.charge(DEFAULT_TENANT, job.id)
        assert charge.spent == charge.estimated
        assert await jobs.failures.of(DEFAULT_TENANT, "a.one") == []

    run_with_store(main)


class Fills:
    """A store that has no room, or is away, while ``error`` is set."""

    def __init__(self, store):
        self._store, self.error = store, None

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, writes, *, expect=()):
        if self.error is not None:
            raise self.error
        return await self._store.commit(writes, expect=expect)


@pytest.mark.requirement("QRM-7")
@pytest.mark.parametrize("error", [StorageFull("jobs"), Unavailable("PostgreSQL", "it went away")])
def test_while_nothing_can_be_stored_jobs_wait_and_no_device_is_blamed(error):
    async def main(world, store):
        one, two = Machine(world, "a.one", waits_s=3.0), Machine(world, "b.two", 0.01)
        disk = Fills(store)
        jobs, _, placements = await made(world, disk, one, two)
        running = asyncio.ensure_future(jobs.run())
        job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10)
        await world.clock.sleep(2.0)
        disk.error = error
        await world.clock.sleep(60.0)
        assert not running.done()
        disk.error = None
        found = await job_ended(world, jobs, job)
        assert (found.state, found.device, found.moves, two.began) == (JobState.COMPLETED, "a.one", (), {})
        assert placements.kept_away("a.one") == ""
        assert await jobs.failures.of(DEFAULT_TENANT, "a.one") == []
        running.cancel()

    run_with_store(main)


def test_who_waits_for_a_job_that_is_not_there_leaves_nothing_behind():
    async def main(world, store):
        jobs, _, _ = await made(world, store, Machine(world, "a.one"))
        for at in range(3):
            with pytest.raises(Exception, match="there is no job"):
                await jobs.ended(DEFAULT_TENANT, f"nobody's {at}")
        assert len(jobs._bells) == 0

    run_with_store(main)
