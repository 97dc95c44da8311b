"""The quantum desk of a script: jobs that outlive it, devices that are wrapped, and one process at a time."""

import asyncio

import pytest

from phalanx.allocation import Ask
from phalanx.core import DEFAULT_TENANT, NS_PER_S, InvalidInput, Origin, Unavailable
from phalanx.devices import Jobs, JobState, JobWishes
from phalanx.node import open_quantum_desk
from phalanx.node.quantum._desk import _beside
from phalanx.quantum import Gates

BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()


class Stuck:
    """A machine on which nothing ends."""

    def __init__(self, machine):
        self._machine, self.begun = machine, asyncio.Event()

    @property
    def device(self):
        return self._machine.device

    async def run(self, circuit, /, *, shots, seed):
        self.begun.set()
        await asyncio.Event().wait()


def stuck_h2(machine):
    return Stuck(machine) if machine.device.name == "quantinuum.h2-1" else machine


@pytest.mark.requirement("QRM-7")
def test_a_job_that_was_not_done_goes_on_when_the_desk_is_opened_again(tmp_path):
    folder = tmp_path / "desk"

    async def main():
        async with open_quantum_desk(folder, wrap=stuck_h2) as desk:
            job = await desk.jobs.submit(DEFAULT_TENANT, BELL, shots=100, device="quantinuum.h2-1", seed=3)
            await desk.fleet.backend("quantinuum.h2-1").begun.wait()
            with pytest.raises(Unavailable, match="is using it"):
                async with open_quantum_desk(folder):
                    pass
        async with open_quantum_desk(folder) as desk:
            done = await desk.jobs.ended(DEFAULT_TENANT, job.id)
            assert (done.state, sum(done.counts.values())) == (JobState.COMPLETED, 100)
            assert done.provenance.origin is Origin.EMULATED
            fresh = await desk.jobs.submit(DEFAULT_TENANT, BELL, shots=100, device="quantinuum.h2-1", seed=3)
            assert (await desk.jobs.ended(DEFAULT_TENANT, fresh.id)).counts == done.counts
            assert (await desk.budgets.charge(DEFAULT_TENANT, fresh.id)).ended_at_ns
        with pytest.raises(InvalidInput, match="policy"):
            async with open_quantum_desk(folder, policy="none such"):
                pass

    asyncio.run(main())


@pytest.mark.requirement("QRM-3")
def test_what_others_booked_at_the_desk_is_free_of_ones_jobs(tmp_path):
    async def main():
        async with open_quantum_desk(tmp_path) as desk:
            chosen = await desk.jobs.submit(DEFAULT_TENANT, BELL, shots=100, origin=Origin.EMULATED)
            ask = Ask(demands={chosen.device: 1}, duration_ns=600 * NS_PER_S, earliest_ns=desk.clock.wall_ns())
            await desk.calendar.book("others", ask)
            soon = JobWishes(deadline_at_ns=desk.clock.wall_ns() + 60 * NS_PER_S)
            job = await desk.jobs.submit(DEFAULT_TENANT, BELL, shots=100, origin=Origin.EMULATED, wishes=soon)
            assert job.device != chosen.device
            assert (await desk.jobs.ended(DEFAULT_TENANT, job.id)).state is JobState.COMPLETED
            assert not desk.alerts.recent(), "no plug-in was left out"

    asyncio.run(main())


def test_what_fails_beside_a_script_ends_it_and_what_it_raises_is_raised(tmp_path, monkeypatch):
    async def broken(_):
        raise RuntimeError("the disk is gone")

    async def main():
        with pytest.raises(KeyError, match="mine"):
            async with open_quantum_desk(tmp_path):
                raise KeyError("mine")
        monkeypatch.setattr(Jobs, "run", broken)
        with pytest.raises(RuntimeError, match="the disk is gone"):
            async with open_quantum_desk(tmp_path):
                await asyncio.Event().wait()

    asyncio.run(main())


@pytest.mark.parametrize("block", ["swallows it", "fails as well", "waits"])
def test_what_fails_beside_a_script_is_never_lost(block):
    class Broken(Exception):
        pass

    async def breaks():
        raise Broken

    async def work():
        async with _beside(breaks(), asyncio.Event().wait()):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if block == "fails as well":
                    raise ValueError("while it cleaned up") from None
                if block == "waits":
                    raise

    async def main():
        with pytest.raises(Broken):
            await work()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    asyncio.run(main())
