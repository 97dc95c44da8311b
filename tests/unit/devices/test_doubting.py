"""Jobs of a node that was restored: what may have been sent since the backup is not sent again."""

import contextlib

import msgspec
import pytest

from phalanx.core import DEFAULT_TENANT, Origin, Provenance, Put, decode, encode
from phalanx.devices import JOBS, Fleet, Job, Jobs, JobState, MaybeSent, ShotResult
from phalanx.quantum import Gates
from phalanx.telemetry import Telemetry
from phalanx.testing import job_ended, line_of_three, run_with_store, running_jobs

pytestmark = pytest.mark.requirement("QRM-8")

BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
WHY = "the node was restored from a backup of yesterday"


class Vendor:
    """A machine at a vendor that can be asked for its jobs by key, or cannot."""

    def __init__(self, world, name="vendor.one", *, finds, error=1e-3):
        self.world, self.finds = world, finds
        self.device = line_of_three(name, error)
        self.there, self.sent = {}, []

    @contextlib.contextmanager
    def marking(self, key, mark, /, *, before):
        if before and not self.finds:
            raise MaybeSent(self.device.name, key)
        yield

    async def run(self, circuit, /, *, shots, seed):
        raise AssertionError("jobs are submitted")

    async def submit(self, circuit, /, *, shots, seed, key):
        if self.finds and key in self.there:
            return self.there[key]
        self.sent.append(key)
        self.there[key] = f"at-{self.device.name}-{key}"
        return self.there[key]

    async def collect(self, handle, circuit, /, *, shots, seed):
        came_from = Provenance(
            origin=Origin.HARDWARE, device=self.device.name, circuits=(circuit.digest,), shots=shots, seed=seed
        )
        return ShotResult({"00": shots}, came_from)

    async def recall(self, handle, /):
        raise AssertionError("nothing is dropped")


class Here:
    """A simulator of this machine: what runs there again costs nothing."""

    def __init__(self):
        self.device = line_of_three("local.ideal", 1e-9, origin=Origin.SIMULATED)

    async def run(self, circuit, /, *, shots, seed):
        came_from = Provenance(
            origin=Origin.SIMULATED, device=self.device.name, circuits=(circuit.digest,), shots=shots, seed=seed
        )
        return ShotResult({"00": shots}, came_from)


def made(world, store, *machines):
    return Jobs(store, world.clock, world.ids, Fleet(machines), Telemetry(world.clock))


async def lost_life(world, store, machines, **asked):
    """A job as a backup has it, and what the life that was lost after the backup did with it."""
    jobs = made(world, store, *machines)
    job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, **asked)
    backup = await store.get(JOBS, DEFAULT_TENANT, job.id)
    async with running_jobs(jobs):
        ended = await job_ended(world, jobs, job)
    assert ended.state is JobState.COMPLETED
    kept = decode(backup.value, Job)
    await store.commit([Put(JOBS, DEFAULT_TENANT, job.id, encode(kept), {"state": [kept.state.value]})])
    return job


async def restored(world, store, machines, job):
    jobs = made(world, store, *machines)
    changed = await jobs.doubt(WHY)
    assert await jobs.doubt(WHY) == 0, "asked again it changes nothing"
    async with running_jobs(jobs):
        return changed, await job_ended(world, jobs, job)


def test_what_was_sent_since_the_backup_is_collected_where_the_vendor_can_be_asked():
    async def main(world, store):
        machines = (Vendor(world, finds=True), Here())
        job = await lost_life(world, store, machines, device="vendor.one")
        changed, ended = await restored(world, store, machines, job)
        assert (changed, ended.state, ended.device) == (1, JobState.COMPLETED, "vendor.one")
        assert machines[0].sent == [job.id]
        assert WHY in ended.reason

    run_with_store(main)


def test_where_nobody_can_be_asked_the_job_ends_and_says_what_to_look_for():
    async def main(world, store):
        machines = (Vendor(world, finds=False), Here())
        job = await lost_life(world, store, machines, device="vendor.one", movable=True)
        changed, ended = await restored(world, store, machines, job)
        assert (changed, ended.state) == (1, JobState.FAILED)
        assert machines[0].sent == [job.id]
        assert f"look for a job named {job.id} there" in ended.error
        assert [(one.device, one.charged) for one in ended.losses] == [("vendor.one", True)]

    run_with_store(main)


def test_what_may_have_gone_to_any_of_several_vendors_goes_to_none():
    async def main(world, store):
        machines = (Vendor(world, finds=True), Vendor(world, "vendor.two", finds=True, error=1e-2))
        job = await lost_life(world, store, machines, device="vendor.one", movable=True)
        changed, ended = await restored(world, store, machines, job)
        assert (changed, ended.state) == (1, JobState.FAILED)
        assert ended.error == f"{WHY}, and it may have been sent since: look for {job.id} at vendor.one, vendor.two"
        assert [key for one in machines for key in one.sent] == [job.id]

    run_with_store(main)


def test_what_a_vendor_has_is_collected_and_begun_nowhere_else():
    async def main(world, store):
        machines = (Vendor(world, finds=False), Vendor(world, "vendor.two", finds=False, error=1e-2))
        jobs = made(world, store, *machines)
        job = await jobs.submit(DEFAULT_TENANT, BELL, shots=10, device="vendor.one", movable=True)
        sent, version = await jobs.load(DEFAULT_TENANT, job.id)
        await jobs.write(msgspec.structs.replace(sent, handle="at-vendor", state=JobState.RUNNING), version)
        changed, ended = await restored(world, store, machines, job)
        assert (changed, ended.state, ended.device, ended.pinned) == (1, JobState.COMPLETED, "vendor.one", True)
        assert not any(one.sent for one in machines)

    run_with_store(main)


def test_what_runs_here_is_run_again():
    async def main(world, store):
        machines = (Here(), Vendor(world, finds=False))
        job = await lost_life(world, store, machines, device="local.ideal", movable=True)
        changed, ended = await restored(world, store, machines, job)
        assert (changed, ended.state, ended.pinned) == (0, JobState.COMPLETED, False)

    run_with_store(main)
