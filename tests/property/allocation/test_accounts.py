"""Budgets under any sequence of jobs: never negative, never counted twice, never beyond what was granted."""

import asyncio
import contextlib
import dataclasses

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.allocation.money import ACCOUNTS, CHARGES, Account, Budgets, Charge, ChargeState, OverBudget, Period
from phalanx.core import DEFAULT_TENANT, NO_TRACE, Expect, Put, decode
from phalanx.devices import JOBS, MICROS, Fleet, Job, JobState, commit_paid, ideal_device, price_per_shot
from phalanx.quantum import Gates
from phalanx.testing import SimWorld

CIRCUIT = Gates(1).h(0).measure(0).circuit()
CHEAP, DEAR = "a.cheap", "a.dear"
LIMIT = 3.0


class Machine:
    def __init__(self, name, per_shot):
        price = price_per_shot(0.0, per_shot, as_of_ns=1, source="a list")
        self.device = dataclasses.replace(ideal_device(name, 2, max_shots=10_000), price=price)


def job(number, device, shots):
    return Job(
        id=f"{number:08x}", tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=1, device=device, circuit=CIRCUIT, shots=shots,
        seed=1, reason="",
    )  # fmt: skip


# What may happen to a job: (what, which of the jobs so far, on which device, of how many shots)
steps = st.lists(
    st.tuples(
        st.sampled_from(("submit", "submit", "complete", "complete", "fail", "cancel", "move", "again", "day")),
        st.integers(0, 11), st.sampled_from((CHEAP, DEAR)), st.integers(1, 120),
    ),
    max_size=40,
)  # fmt: skip


@pytest.mark.requirement("QRM-8")
@given(steps, st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_budgets_add_up_whatever_jobs_do(steps, seed):
    async def main(world):
        store = world.store("disk")
        fleet = Fleet([Machine(CHEAP, 0.01), Machine(DEAR, 0.05)])
        # Two managers on one store, as two nodes have them.
        both = [Budgets(store, world.clock, fleet, world.offload) for _ in range(2)]
        await both[0].put(DEFAULT_TENANT, "lab", unit="USD", limit=LIMIT, period=Period.DAY)
        await both[0].put(DEFAULT_TENANT, "few", unit="shots", limit=200, period=Period.ONCE)
        jobs, versions = {}, {}

        async def write(one, purse):
            expect = [Expect(JOBS, DEFAULT_TENANT, one.id, versions.get(one.id, 0))]
            versions[one.id] = await commit_paid(store, purse, one, [Put(JOBS, DEFAULT_TENANT, one.id, b"")], expect)
            jobs[one.id] = one

        for count, (what, which, device, shots) in enumerate(steps):
            purse, known = both[count % 2], sorted(jobs)
            chosen = jobs[known[which % len(known)]] if known else None
            if what == "day":
                await world.clock.sleep(86_400)
            elif what == "submit" or chosen is None:
                with contextlib.suppress(OverBudget):
                    await write(job(count, device, shots), purse)
            elif what == "again":
                await write(chosen, purse)
            elif not chosen.state.final:
                await change(what, chosen, device, shots, write, purse)
            await check(store, jobs)

    SimWorld(seed).run(main)


async def change(what, one, device, shots, write, purse):
    if what == "move":
        with contextlib.suppress(OverBudget):
            await write(msgspec.structs.replace(one, device=device), purse)
    elif what == "complete":
        # Fewer shots may come back than were asked for.
        done = {"0": min(shots, one.shots)}
        await write(msgspec.structs.replace(one, state=JobState.COMPLETED, counts=done, finished_at_ns=2), purse)
    else:
        state = JobState.FAILED if what == "fail" else JobState.CANCELLED
        await write(msgspec.structs.replace(one, state=state, finished_at_ns=2), purse)


async def check(store, jobs):
    """An account of its own: what jobs are, by hand, is what accounts say."""
    per_shot = {CHEAP: 0.01, DEAR: 0.05}
    charges = {row.key: decode(row.value, Charge) for row in await store.scan(CHARGES, DEFAULT_TENANT)}
    assert set(charges) == set(jobs)
    held, spent = {}, {}
    for one in jobs.values():
        charge = charges[one.id]
        for hold in charge.holds:
            size = {"shots": 1.0, "USD": per_shot[one.device]}[hold.unit]
            if not one.state.final:
                held[hold.account] = held.get(hold.account, 0) + round(one.shots * size * MICROS)
            elif one.state is JobState.COMPLETED:
                spent[hold.account] = spent.get(hold.account, 0) + round(sum(one.counts.values()) * size * MICROS)
        assert (charge.state is ChargeState.HELD) == (not one.state.final)
    for row in await store.scan(ACCOUNTS, DEFAULT_TENANT):
        account = decode(row.value, Account)
        assert (account.held, account.spent) == (held.get(row.key, 0), spent.get(row.key, 0))
        limit = {"lab": LIMIT, "few": 200}[row.key.partition("/")[0]] * MICROS
        assert account.held + account.spent <= limit
        assert account.overrun == 0


def test_managers_at_the_same_moment_do_not_grant_more_than_there_is():
    async def main(world):
        store = world.store("disk")
        fleet = Fleet([Machine(CHEAP, 0.01)])
        both = [Budgets(store, world.clock, fleet, world.offload) for _ in range(2)]
        await both[0].put(DEFAULT_TENANT, "lab", unit="USD", limit=1.0, period=Period.MONTH)

        async def submit(number):
            one = job(number, CHEAP, 30)
            expect = [Expect(JOBS, DEFAULT_TENANT, one.id, 0)]
            await commit_paid(store, both[number % 2], one, [Put(JOBS, DEFAULT_TENANT, one.id, b"")], expect)

        came = await asyncio.gather(*(submit(n) for n in range(12)), return_exceptions=True)
        assert sum(one is None for one in came) == 3
        assert all(one is None or isinstance(one, OverBudget) for one in came), came

    for seed in range(5):
        SimWorld(seed).run(main)
