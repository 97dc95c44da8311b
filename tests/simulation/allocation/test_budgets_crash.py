"""Power lost at any time, any number of times: every job's money is counted once, in the end and on the way."""

import asyncio
import dataclasses

import pytest

from phalanx.allocation.money import ACCOUNTS, CHARGES, Account, Budgets, Charge, ChargeState, Period
from phalanx.core import DEFAULT_TENANT, Origin, PhalanxError, Provenance, decode
from phalanx.devices import MICROS, Fleet, Jobs, JobState, ShotResult, ideal_device, price_per_shot
from phalanx.quantum import Gates
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld

CIRCUIT = Gates(1).h(0).measure(0).circuit()
KEYS = [f"job-{n}" for n in range(8)]
EACH = 0.5 + 40 * 0.01


class Machine:
    """Every third job breaks, however often it is tried."""

    def __init__(self, clock):
        price = price_per_shot(0.5, 0.01, as_of_ns=1, source="a list")
        self.device = dataclasses.replace(ideal_device("a.machine", 2, max_shots=1_000), price=price)
        self._clock = clock

    async def run(self, circuit, /, *, shots, seed):
        await self._clock.sleep(0.2)
        if seed % 3 == 0:
            raise RuntimeError("it broke")
        came = Provenance(
            origin=Origin.SIMULATED, device=self.device.name, circuits=(circuit.digest,), shots=shots, seed=seed
        )
        return ShotResult({"0": shots}, came)


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("seed", range(10))
def test_power_lost_at_any_time_counts_no_job_twice(seed):
    async def main(world):
        node, rng = world.node("n"), world.rng.child("crashes")
        current = {}

        async def program(node):
            store = current["store"] = world.store("n")
            fleet = Fleet([Machine(world.clock)])
            budgets = Budgets(store, world.clock, fleet, world.offload)
            jobs = Jobs(store, world.clock, world.ids, fleet, Telemetry(world.clock), purse=budgets)
            await budgets.put(DEFAULT_TENANT, "lab", unit="USD", limit=100, period=Period.ONCE)
            async with asyncio.TaskGroup() as group:
                running = group.create_task(jobs.run())
                made = [await jobs.submit(DEFAULT_TENANT, CIRCUIT, shots=40, seed=n, key=key)
                        for n, key in enumerate(KEYS)]  # fmt: skip
                for job in made:
                    while not (await jobs.get(DEFAULT_TENANT, job.id)).state.final:
                        await world.clock.sleep(0.05)
                running.cancel()
            return jobs

        crashes = 0
        while True:
            task = node.start(program)
            done, _ = await asyncio.wait([task], timeout=rng.uniform(0, 0.25 + 0.3 * crashes))
            if done:
                break
            await node.crash(power_loss=rng.chance(0.7))
            crashes += 1
            await check(world.store("n"), ended=False)
        assert crashes > 0
        ended = await task.result().newest(DEFAULT_TENANT, limit=100)
        assert len(ended) == len(KEYS)
        assert sum(job.state is JobState.COMPLETED for job in ended) >= 2
        await check(current["store"], ended=True)

    SimWorld(seed).run(main)


async def check(store, *, ended):
    try:
        charges = [decode(row.value, Charge) for row in await store.scan(CHARGES, DEFAULT_TENANT)]
        row = await store.get(ACCOUNTS, DEFAULT_TENANT, "lab/USD/all")
    except PhalanxError as error:
        raise AssertionError("what was stored cannot be read") from error
    if row is None:
        assert not charges
        return
    account = decode(row.value, Account)
    by_state = {state: sum(one.state is state for one in charges) for state in ChargeState}
    assert account.held == by_state[ChargeState.HELD] * round(EACH * MICROS)
    assert account.spent == by_state[ChargeState.SETTLED] * round(EACH * MICROS)
    assert not (ended and account.held)
