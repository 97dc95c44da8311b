"""The manager's process dies at any moment of a question, any number of times: each key is one job in one window."""

import asyncio
import dataclasses
import itertools

import pytest

from phalanx.allocation import Bookable, Placements, Reservations, built_in_policies
from phalanx.allocation.money import Budgets, Period
from phalanx.core import Origin, PhalanxError, Provenance, TenantId
from phalanx.devices import Fleet, Jobs, JobState, ShotResult, ideal_device, price_per_shot
from phalanx.node.managers._desk import ManagerDesk
from phalanx.node.managers._words import Work
from phalanx.quantum import Gates
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld

CIRCUIT = Gates(1).h(0).measure(0).circuit()
LAB = TenantId("lab.acme/default")
KEYS = [f"k{n}" for n in range(6)]


class Machine:
    def __init__(self, clock):
        price = price_per_shot(1.0, 0.0, as_of_ns=1, source="a list")
        self.device = dataclasses.replace(ideal_device("a.machine", 2, max_shots=1_000), price=price)
        self._clock = clock

    async def run(self, circuit, /, *, shots, seed):
        await self._clock.sleep(0.2)
        came = Provenance(
            origin=Origin.SIMULATED, device=self.device.name, circuits=(circuit.digest,), shots=shots, seed=seed
        )
        return ShotResult({"0": shots}, came)


async def opened(world, node):
    """A manager on what its store has."""
    store, fleet = world.store("n"), Fleet([Machine(world.clock)])
    budgets = Budgets(store, world.clock, fleet, world.offload)
    placements = Placements(fleet, world.clock, world.offload, built_in_policies(), policy="shortlist")
    calendar = Reservations(store, world.clock, world.ids)
    jobs = Jobs(store, world.clock, world.ids, fleet, Telemetry(world.clock), purse=budgets)
    await calendar.declare(Bookable(name="a.machine"))
    await budgets.put(LAB, "grant", unit="USD", limit=100, period=Period.ONCE)
    desk = ManagerDesk("hq.acme", store, world.clock, world.offload, placements, calendar, jobs, budgets)
    return desk, calendar, jobs, budgets


async def serve(world, node):
    desk, calendar, jobs, _budgets = await opened(world, node)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(jobs.run())
        made = {key: await desk.submit(LAB, key, Work(circuit=CIRCUIT, shots=10)) for key in KEYS}
        for key in KEYS:
            while not (await desk.job(LAB, key)).state.final:
                await world.clock.sleep(0.05)
        running.cancel()
    return made, await calendar.bookings(LAB), (await desk.budgets(LAB))[0], await jobs.newest(LAB, limit=100)


@pytest.mark.requirement("QRM-3", "QRM-7", "QRM-11")
@pytest.mark.parametrize("seed", range(8))
def test_a_key_is_one_job_in_one_window_whenever_the_manager_dies(seed):
    async def main(world):
        node, rng = world.node("n"), world.rng.child("crashes")
        crashes = 0
        while True:
            task = node.start(lambda node: serve(world, node))
            done, _ = await asyncio.wait([task], timeout=rng.uniform(0, 0.05 + 0.3 * crashes))
            if done:
                break
            await node.crash(power_loss=rng.chance(0.7))
            crashes += 1
        assert crashes > 0
        made, windows, budget, jobs = task.result()
        assert len(jobs) == len(KEYS)
        assert {one.id for one in jobs} == {one.id for one in made.values()}
        assert all(one.state is JobState.COMPLETED for one in jobs)
        assert (budget.spent, budget.held) == (float(len(KEYS)), 0.0)
        for key in KEYS:
            mine = [one for one in windows if one.id.startswith(f"{LAB}/{key}.") and one.state.value != "expired"]
            assert len(mine) <= 1, mine
        used = sorted((one.start_ns, one.end_ns) for one in windows if one.state.value in {"booked", "done"})
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(used))
        began = {one.id: one.started_at_ns for one in jobs}
        assert all(began[one.id] >= one.wishes.not_before_ns for one in jobs), "not before its window opened"

    SimWorld(seed).run(main)


@pytest.mark.requirement("QRM-8")
def test_what_is_refused_gives_its_window_back_and_nothing_is_run_without_a_budget():
    async def main(world):
        desk, calendar, _, budgets = await opened(world, None)
        with pytest.raises(PhalanxError, match="no budget was granted"):
            await desk.submit(TenantId("other.acme/default"), "k", Work(circuit=CIRCUIT))
        await budgets.put(LAB, "grant", unit="USD", limit=0.5, period=Period.ONCE)
        with pytest.raises(PhalanxError, match="it costs 1 USD"):
            await desk.submit(LAB, "k", Work(circuit=CIRCUIT))
        assert [one.state.value for one in await calendar.bookings(LAB)] == ["cancelled"]
        placed = await desk.place(LAB, "held", Work(circuit=CIRCUIT, hold_s=20.0))
        assert await desk.place(LAB, "held", Work(circuit=CIRCUIT, hold_s=20.0)) == placed
        await world.clock.sleep(25.0)
        again = await desk.place(LAB, "held", Work(circuit=CIRCUIT, hold_s=20.0))
        assert again.window.id != placed.window.id, "what ran out is held anew"
        assert await desk.cancel(LAB, "held") is None
        assert all(not one.is_live for one in await calendar.bookings(LAB))

    SimWorld(1).run(main)
