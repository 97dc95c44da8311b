"""What one job costs, as it is shown: through real jobs, their charges and their price lists."""

import pytest

from phalanx.allocation.money import Budgets, Period
from phalanx.core import DEFAULT_TENANT, Origin, Provenance, Unavailable
from phalanx.devices import FREE, Fleet, Jobs, JobState, ShotResult, Stage, price_per_shot
from phalanx.quantum import Gates
from phalanx.telemetry import Telemetry
from phalanx.testing import job_ended, line_of_three, run_with_store, running_jobs

BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
LIST = price_per_shot(0.3, 0.01, as_of_ns=1_767_225_600 * 10**9, source="vendor.example/prices")


class Machine:
    """Takes a second; ``fails`` after it began, as often as that says."""

    def __init__(self, world, name="vendor.one", *, price=LIST, origin=Origin.HARDWARE, fails=0, error=1e-3):
        self.world, self.fails = world, fails
        self.device = line_of_three(name, error, price=price, origin=origin)

    async def run(self, circuit, /, *, shots, seed):
        raise AssertionError("jobs are submitted")

    async def submit(self, circuit, /, *, shots, seed, key):
        return key

    async def stage(self, handle, /):
        return Stage.RUNNING

    async def recall(self, handle, /):
        raise Unavailable(self.device.name, "it has begun")

    async def collect(self, handle, circuit, /, *, shots, seed):
        await self.world.clock.sleep(1.0)
        if self.fails:
            self.fails -= 1
            raise Unavailable(self.device.name, "it broke")
        came = Provenance(
            origin=self.device.origin, device=self.device.name, circuits=(circuit.digest,), shots=shots, seed=seed
        )
        return ShotResult({"00": shots}, came)


def told_of(*machines, granted=True, charges=None):
    """What is told of a job on the first machine: while it is under way, and when it has ended."""
    told = []

    async def main(world, store):
        fleet = Fleet([one(world) for one in machines])
        budgets = Budgets(store, world.clock, fleet, world.offload)
        if granted:
            await budgets.put(DEFAULT_TENANT, "lab", unit="USD", limit=100.0, period=Period.MONTH)
        jobs = Jobs(store, world.clock, world.ids, fleet, Telemetry(world.clock), purse=budgets, offload=world.offload)
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=100, device="vendor.one", movable=len(machines) > 1)
            told.append(await budgets.cost(DEFAULT_TENANT, job.id))
            ended = await job_ended(world, jobs, job)
            told.append(await budgets.cost(DEFAULT_TENANT, job.id))
            told.append(ended.state)
            if charges is not None:
                charges.append(await budgets.charge(DEFAULT_TENANT, job.id))
        assert await budgets.cost(DEFAULT_TENANT, "no such job") is None

    run_with_store(main)
    return told


@pytest.mark.requirement("QRM-9")
@pytest.mark.parametrize("granted", [True, False])
def test_what_is_held_and_what_was_charged_and_by_which_list(granted):
    before, after, state = told_of(Machine, granted=granted)
    assert state is JobState.COMPLETED
    assert (before.state, before.held["USD"], before.held["shots"], before.charged) == ("held", 1.3, 100, {})
    assert (after.state, after.charged["USD"], after.held) == ("settled", 1.3, {})
    (one,) = after.lists
    assert (one.device, one.source, one.shape, one.currency) == (
        "vendor.one", "vendor.example/prices", "task-and-shot", "USD",
    )  # fmt: skip
    assert before.told.startswith("1.3 USD held (100 shots")
    assert after.told.startswith("1.3 USD charged (100 shots")
    assert after.told.endswith(", by the list of vendor.one (vendor.example/prices, 2026-01-01)")


@pytest.mark.requirement("QRM-9")
@pytest.mark.parametrize("origin", [Origin.SIMULATED, Origin.EMULATED])
def test_what_runs_here_costs_nothing_and_says_so(origin):
    before, after, _ = told_of(lambda world: Machine(world, price=FREE, origin=origin))
    assert (before.lists, after.lists) == ((), ())
    assert after.told.startswith(f"nothing: what is {origin.value} here costs nothing (100 shots")
    assert after.charged["USD"] == 0.0
    assert after.charged["shots"] == 100


@pytest.mark.requirement("QRM-9")
def test_a_real_machine_without_a_list_is_not_free():
    _, after, _ = told_of(lambda world: Machine(world, price=FREE))
    assert after.told.startswith("not known: no price list of vendor.one is known here (100 shots")


@pytest.mark.requirement("QRM-9")
def test_what_came_to_nothing_is_charged_where_it_had_begun():
    _, after, state = told_of(lambda world: Machine(world, fails=9))
    assert state is JobState.FAILED
    assert after.told.startswith("1.3 USD charged")
    _, after, state = told_of(
        lambda world: Machine(world, fails=9), lambda world: Machine(world, "vendor.two", error=1e-2)
    )
    assert state is JobState.COMPLETED
    assert after.charged["USD"] == 2.6
    assert "2 times" in after.told
    assert [one.device for one in after.lists] == ["vendor.one", "vendor.two"]


@pytest.mark.requirement("QRM-9")
def test_what_never_began_costs_nothing():
    class Refuses(Machine):
        async def submit(self, circuit, /, *, shots, seed, key):
            raise Unavailable(self.device.name, "it takes nothing")

    _, after, state = told_of(Refuses)
    assert state is JobState.FAILED
    assert (after.state, after.charged) == ("released", {})
    assert after.told == "nothing: no device was charged for, and what it held is free again"


@pytest.mark.requirement("QRM-11")
def test_what_each_device_was_due_is_written_with_the_charge():
    charges = []
    told_of(
        lambda world: Machine(world, fails=9), lambda world: Machine(world, "vendor.two", error=1e-2), charges=charges
    )
    (charge,) = charges
    assert (charge.device, charge.ended) == ("vendor.two", "Completed")
    assert [(one.device, one.spent["USD"]) for one in charge.shares] == [
        ("vendor.two", 1_300_000), ("vendor.one", 1_300_000)
    ]  # fmt: skip
    assert sum(one.spent["USD"] for one in charge.shares) == charge.spent["USD"]
