"""Jobs whose device fails, is slow, or is not what it was: where they go, and what is left behind to be read."""

import asyncio
from dataclasses import replace

import pytest

from phalanx.allocation import Placements, built_in_policies
from phalanx.core import DEFAULT_TENANT, Origin, Provenance, Unavailable
from phalanx.devices import (
    Fleet,
    Jobs,
    JobState,
    JobWishes,
    LeftSending,
    ProviderContext,
    ShotResult,
    listed_price,
    local_provider,
    subscription,
)
from phalanx.quantum import Gates
from phalanx.telemetry import Telemetry
from phalanx.testing import MemoryAudit, job_ended, line_of_three, run_with_store, running_jobs

# Machines of one's own: it is known that one more run costs nothing.
OURS = subscription(0.0, as_of_ns=1, source="a list of ours")
BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()


def model(name, error, *, at_ns=1):
    return line_of_three(f"{name[0]}.{name}", error, calibrated_at_ns=at_ns, price=OURS)


class Vendor:
    """A machine whose jobs wait at its vendor, and that takes as long as it is told."""

    def __init__(self, world, device, *, took_s=1.0, fails=False):
        self.world, self.device, self.took_s, self.fails = world, device, took_s, fails
        self.sent, self.recalled = [], []

    async def run(self, circuit, /, *, shots, seed):
        raise AssertionError("jobs are submitted")

    async def submit(self, circuit, /, *, shots, seed, key):
        if key not in self.sent:
            self.sent.append(key)
        return f"at {self.device.name}: {key}"

    async def collect(self, handle, circuit, /, *, shots, seed):
        await self.world.clock.sleep(self.took_s)
        if self.fails:
            raise Unavailable(self.device.name, "it went away")
        came_from = Provenance(
            origin=self.device.origin, device=self.device.name, circuits=(circuit.digest,), shots=shots, seed=seed
        )
        return ShotResult({"00": shots}, came_from)

    async def recall(self, handle, /):
        self.recalled.append(handle)


def made(world, store, *vendors, book=None, local=True):
    ideal = local_provider(ProviderContext(world.offload, world.clock)).backends() if local else []
    fleet = Fleet([*ideal, *vendors])
    placements = Placements(fleet, world.clock, world.offload, built_in_policies(), policy="success_probability")
    audit = book or MemoryAudit()
    jobs = Jobs(store, world.clock, world.ids, fleet, Telemetry(world.clock), chooser=placements, audit=audit)
    return jobs, placements


async def submitted(jobs, **wishes):
    return await jobs.submit(DEFAULT_TENANT, BELL, shots=10, origin=Origin.HARDWARE, wishes=JobWishes(**wishes))


@pytest.mark.requirement("QRM-7")
def test_a_job_moves_on_and_says_where_it_was():
    async def main(world, store):
        good, other = Vendor(world, model("a-good", 0.001), fails=True), Vendor(world, model("b-other", 0.02))
        jobs, _ = made(world, store, good, other)
        async with running_jobs(jobs):
            job = await submitted(jobs)
            assert job.device == "a.a-good"
            found = await job_ended(world, jobs, job)
        assert (found.state, found.device) == (JobState.COMPLETED, "b.b-other")
        assert [(one.kind, one.before, one.after) for one in found.moves] == [("moved", "a.a-good", "b.b-other")]
        assert "it went away" in found.moves[0].why
        assert found.provenance.device == "b.b-other"

    run_with_store(main)


@pytest.mark.requirement("QRM-7")
def test_where_none_is_left_it_is_done_classically_and_the_ledger_says_so():
    async def main(world, store):
        book = MemoryAudit()
        jobs, _ = made(world, store, Vendor(world, model("a-only", 0.001), fails=True), book=book)
        async with running_jobs(jobs):
            found = await job_ended(world, jobs, await submitted(jobs))
            assert (found.state, found.device) == (JobState.COMPLETED, "local.statevector")
            assert found.provenance.origin is Origin.SIMULATED
            assert [one.kind for one in found.moves] == ["degraded"]
            assert [(entry.subject, entry.body["after"]) for entry in book.entries] == [(found.id, "local.statevector")]
            strict = await job_ended(world, jobs, await submitted(jobs, degrade=False))
            assert strict.state is JobState.FAILED
            assert "it went away" in strict.error
            assert len(book.entries) == 1

    run_with_store(main)


@pytest.mark.requirement("QRM-7")
def test_a_job_that_finds_nothing_waits_for_a_device_to_come_back():
    async def main(world, store):
        only = Vendor(world, model("a-only", 0.001), fails=True)
        jobs, placements = made(world, store, only)
        async with running_jobs(jobs):
            job = await submitted(jobs, degrade=False)
            begun_ns = world.clock.wall_ns()
            await world.clock.sleep(10.0)
            shown = placements.now(await jobs.get(DEFAULT_TENANT, job.id), jobs, seen_by=DEFAULT_TENANT)
            assert shown.waits is not None
            assert "no device that fits works now" in shown.waits.why
            assert "it went away" in shown.waits.why
            assert (shown.waits.until_ns - begun_ns) / 10**9 == pytest.approx(31.0, abs=1.0)
            assert not (await jobs.get(DEFAULT_TENANT, job.id)).state.final
            only.fails = False
            assert (await job_ended(world, jobs, job)).state is JobState.COMPLETED

    run_with_store(main)


@pytest.mark.requirement("QRM-7")
def test_a_job_that_may_not_move_again_waits_and_says_that(monkeypatch):
    monkeypatch.setattr("phalanx.devices._moving.MAX_JOB_MOVES", 1)
    monkeypatch.setattr("phalanx.devices._running.MAX_JOB_MOVES", 1)

    async def main(world, store):
        first, second = Vendor(world, model("a-first", 0.001), fails=True), Vendor(world, model("b-next", 0.01))
        second.fails = True
        jobs, placements = made(world, store, first, second, Vendor(world, model("c-works", 0.02)))
        async with running_jobs(jobs):
            job = await submitted(jobs, degrade=False)
            await world.clock.sleep(10.0)
            shown = placements.now(await jobs.get(DEFAULT_TENANT, job.id), jobs, seen_by=DEFAULT_TENANT)
            assert shown.device == "b.b-next"
            assert "b.b-next does not work now, and it may move no more than 1 times" in shown.waits.why
            assert "it went away" in shown.waits.why

    run_with_store(main)


@pytest.mark.requirement("QRM-7")
def test_what_takes_too_long_is_begun_elsewhere_and_the_first_result_counts():
    async def main(world, store):
        slow, other = Vendor(world, model("a-slow", 0.001)), Vendor(world, model("b-other", 0.02))
        jobs, placements = made(world, store, slow, other)
        async with running_jobs(jobs):
            for _ in range(8):
                assert (await job_ended(world, jobs, await submitted(jobs))).device == "a.a-slow"
            assert 1.0 < placements.patience_s("a.a-slow") < 10.0
            slow.took_s = 10_000.0
            began = world.loop.time()
            job = await submitted(jobs)
            found = await job_ended(world, jobs, job)
            assert world.loop.time() - began < 10.0
        assert (found.device, [one.kind for one in found.moves]) == ("b.b-other", ["hedged"])
        assert slow.recalled == [f"at a.a-slow: {job.id}"], "the vendor is asked to drop the first"
        assert other.recalled == []
        assert other.sent == [f"{job.id}-second"]

    run_with_store(main)


async def hurried(world, store, slow, other):
    """A job that takes long on ``slow``, as it ended, and the jobs it was one of."""
    jobs, _ = made(world, store, slow, other)
    async with running_jobs(jobs):
        for _ in range(8):
            assert (await job_ended(world, jobs, await submitted(jobs))).device == slow.device.name
        slow.took_s = 100.0
        return await job_ended(world, jobs, await submitted(jobs)), jobs


@pytest.mark.requirement("QRM-7")
@pytest.mark.parametrize("first_fails", [False, True])
def test_a_second_device_that_fails_is_blamed_itself(first_fails):
    async def main(world, store):
        slow, other = Vendor(world, model("a-slow", 0.001)), Vendor(world, model("b-other", 0.02), fails=True)

        async def collect(handle, circuit, **how):
            slow.fails = slow.took_s > 1.0 and first_fails
            return await Vendor.collect(slow, handle, circuit, **how)

        slow.collect = collect
        found, jobs = await hurried(world, store, slow, other)
        assert found.moves[0].kind == "hedged"
        told = {name: await jobs.failures.of(DEFAULT_TENANT, name) for name in ("a.a-slow", "b.b-other")}
        assert [one.device for one in told["b.b-other"]] == ["b.b-other"]
        assert "b.b-other" in told["b.b-other"][0].why
        assert all("b.b-other" not in one.why for one in told["a.a-slow"])
        assert bool(told["a.a-slow"]) is first_fails
        if not first_fails:
            assert (found.state, found.device) == (JobState.COMPLETED, "a.a-slow")

    run_with_store(main)


@pytest.mark.requirement("QRM-7")
def test_a_real_machine_without_a_price_list_is_no_second_device_for_what_is_not_urgent():
    async def main(world, store):
        slow = Vendor(world, model("a-slow", 0.001))
        other = Vendor(world, replace(model("b-other", 0.02), price=listed_price("nobody.knows")))
        assert other.device.is_unlisted
        found, _ = await hurried(world, store, slow, other)
        assert (found.device, found.moves, other.sent) == ("a.a-slow", (), [])

    run_with_store(main)


@pytest.mark.requirement("QRM-7")
def test_what_may_have_arrived_where_nobody_waits_for_it_any_more_is_counted():
    async def main(world, store):
        slow, other = Vendor(world, model("a-slow", 0.001)), Vendor(world, model("b-other", 0.02))

        async def submit(circuit, *, shots, seed, key):
            if slow.took_s > 1.0:
                try:
                    await world.clock.sleep(10_000)
                except asyncio.CancelledError as left:
                    raise LeftSending from left
            return await Vendor.submit(slow, circuit, shots=shots, seed=seed, key=key)

        slow.submit = submit
        found, _ = await hurried(world, store, slow, other)
        assert (found.state, found.device) == (JobState.COMPLETED, "b.b-other")
        assert [(one.device, one.handle, one.charged) for one in found.losses] == [("a.a-slow", found.id, True)]

    run_with_store(main)


@pytest.mark.requirement("QRM-7")
def test_a_restart_finds_both_attempts_and_sends_neither_again():
    async def main(world, store):
        slow, other = Vendor(world, model("a-slow", 0.001)), Vendor(world, model("b-other", 0.02))
        first, _ = made(world, store, slow, other)
        async with running_jobs(first):
            for _ in range(8):
                await job_ended(world, first, await submitted(first))
            slow.took_s = other.took_s = 10_000.0
            job = await submitted(first)
            while not (await first.get(DEFAULT_TENANT, job.id)).second_handle:
                await world.clock.sleep(0.5)
        other.took_s = 1.0
        second, _ = made(world, store, slow, other)
        async with running_jobs(second):
            found = await job_ended(world, second, job)
        assert (found.state, found.device) == (JobState.COMPLETED, "b.b-other")
        assert other.sent == [f"{job.id}-second"]
        assert slow.sent.count(job.id) == 1

    run_with_store(main)


@pytest.mark.requirement("QRM-7")
def test_what_waits_moves_when_its_device_is_not_what_it_was():
    class Here(Vendor):
        submit = None  # not queued at a vendor: few run at once, the others wait here

        async def run(self, circuit, /, *, shots, seed):
            return await self.collect("", circuit, shots=shots, seed=seed)

    class Plain:
        def __init__(self, inner):
            self.inner = inner

        @property
        def device(self):
            return self.inner.device

        async def run(self, circuit, /, *, shots, seed):
            return await self.inner.run(circuit, shots=shots, seed=seed)

    async def main(world, store):
        one, two = Here(world, model("a-one", 0.001), took_s=100.0), Here(world, model("b-two", 0.02))
        jobs, _ = made(world, store, Plain(one), Plain(two))
        async with running_jobs(jobs):
            several = [await submitted(jobs) for _ in range(4)]
            named = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, device="a.a-one")
            await world.clock.sleep(1.0)
            assert {job.device for job in several} == {"a.a-one"}
            one.device = model("a-one", 0.3, at_ns=2)
            assert await jobs.reconsider("a.a-one", "its calibration drifted") == 2
            found = [await job_ended(world, jobs, job) for job in several]
            assert [job.device for job in found].count("b.b-two") == 2
            assert {move.why for job in found for move in job.moves} == {"its calibration drifted"}
            assert (await job_ended(world, jobs, named)).device == "a.a-one", "where somebody named a device it stays"

    run_with_store(main)


class Away(Vendor):
    """Takes nothing until it is back."""

    def __init__(self, world, device, back_s):
        super().__init__(world, device)
        self.back_s, self.tried = back_s, []

    async def submit(self, circuit, /, *, shots, seed, key):
        began_s = self.world.clock.monotonic_ns() / 1e9
        self.tried.append(round(began_s))
        await self.world.clock.sleep(1.0)
        if began_s < self.back_s:
            raise Unavailable(self.device.name, "it went away")
        return await super().submit(circuit, shots=shots, seed=seed, key=key)


@pytest.mark.requirement("QRM-7")
def test_one_of_many_jobs_that_wait_tries_whether_a_machine_works_again_and_all_are_done_when_it_does():
    async def main(world, store):
        start_s = round(world.clock.monotonic_ns() / 1e9)
        machine = Away(world, model("a-only", 0.001), back_s=start_s + 200)
        jobs, _ = made(world, store, machine, local=False)
        async with running_jobs(jobs):
            many = [await submitted(jobs) for _ in range(30)]
            ended = [await job_ended(world, jobs, one) for one in many]
        assert {one.state for one in ended} == {JobState.COMPLETED}
        tried_s = [at - start_s for at in machine.tried]
        assert tried_s[:33] == [0] * 30 + [31, 92, 213], "then it is back, and the others follow"
        assert len(tried_s) == 62
        assert min(tried_s[33:]) > 213

    run_with_store(main)


@pytest.mark.requirement("QRM-7")
def test_behind_a_trial_that_stays_in_a_queue_nobody_waits_for_ever():
    async def main(world, store):
        start_s = round(world.clock.monotonic_ns() / 1e9)
        machine = Away(world, model("a-only", 0.001), back_s=start_s + 20)
        jobs, _ = made(world, store, machine, local=False)
        async with running_jobs(jobs):
            for _ in range(5):
                await submitted(jobs)
            await world.clock.sleep(10.0)
            machine.took_s = 7_200.0
            await world.clock.sleep(1_000.0)
        tried_s = [at - start_s for at in machine.tried]
        assert tried_s[:6] == [0] * 5 + [31], "one tries it, and is in the queue there for two hours"
        assert len(tried_s) == 10
        assert 631 <= min(tried_s[6:]) <= max(tried_s[6:]) < 700

    run_with_store(main)
