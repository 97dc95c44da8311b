"""Budgets of tenants with real jobs: what is refused and how it is said, and what is settled."""

import asyncio
import dataclasses

import msgspec
import pytest

from phalanx.allocation import Placements, built_in_policies
from phalanx.allocation.money import (
    ACCOUNTS,
    Budgets,
    ChargeState,
    OverBudget,
    Period,
    PriceTable,
    run_seconds,
)
from phalanx.core import DEFAULT_TENANT, NO_TRACE, NS_PER_S, InvalidInput, NotFound, Origin, Provenance, TenantId
from phalanx.devices import (
    Fleet,
    Job,
    Jobs,
    JobState,
    JobWishes,
    Loss,
    Modality,
    PriceShape,
    ShotResult,
    calibration,
    ideal_device,
    price_per_gate_shot,
    price_per_second,
    price_per_shot,
)
from phalanx.devices._calibration import Numbers
from phalanx.quantum import Gates, features
from phalanx.telemetry import Telemetry
from phalanx.testing import job_ended, run_with_store, running_jobs

BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
OTHER = TenantId("other")


class Machine:
    """Counts what it is told to; ``seconds`` is what it says it took."""

    def __init__(self, name="far.machine", price=None, seconds=None, fails=False):
        self.device = ideal_device(name, 4, max_shots=10_000)
        if price is not None:
            self.device = dataclasses.replace(self.device, price=price)
        self.seconds, self.fails = seconds, fails
        self.gate = asyncio.Event()
        self.gate.set()

    async def run(self, circuit, /, *, shots, seed):
        await self.gate.wait()
        if self.fails:
            raise RuntimeError("it broke")
        came = Provenance(
            origin=Origin.SIMULATED, device=self.device.name, circuits=(circuit.digest,), shots=shots, seed=seed
        )
        return ShotResult({"00": shots}, came, self.seconds)


def opened(world, store, *machines):
    fleet = Fleet(machines)
    budgets = Budgets(store, world.clock, fleet, world.offload)
    return budgets, Jobs(store, world.clock, world.ids, fleet, Telemetry(world.clock), purse=budgets)


async def view(budgets, tenant=DEFAULT_TENANT, name="lab"):
    return await budgets.view(await budgets.get(tenant, name))


@pytest.mark.requirement("QRM-8")
def test_a_job_holds_its_estimate_and_what_it_took_is_spent():
    async def main(world, store):
        machine = Machine(price=price_per_shot(0.30, 0.01, as_of_ns=7, source="a list"))
        budgets, jobs = opened(world, store, machine)
        await budgets.put(DEFAULT_TENANT, "lab", unit="USD", limit=10, period=Period.MONTH)
        machine.gate.clear()
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=100)
            now = await view(budgets)
            assert (now.held, now.spent, now.left) == (1.3, 0.0, 8.7)
            machine.gate.set()
            await job_ended(world, jobs, job)
        now = await view(budgets)
        assert (now.held, now.spent, now.left, now.overrun) == (0.0, 1.3, 8.7, 0.0)
        charge = await budgets.charge(DEFAULT_TENANT, job.id)
        assert charge.state is ChargeState.SETTLED
        assert (charge.price.source, charge.price.as_of_ns) == ("a list", 7)
        assert [one.id for one in await budgets.charges(await budgets.get(DEFAULT_TENANT, "lab"))] == [job.id]

    run_with_store(main)


@pytest.mark.requirement("QRM-8")
def test_what_is_refused_says_what_it_costs_what_is_left_and_when_more_comes():
    async def main(world, store):
        budgets, jobs = opened(world, store, Machine(price=price_per_shot(0.30, 0.01, as_of_ns=1, source="a list")))
        await budgets.put(DEFAULT_TENANT, "lab", unit="USD", limit=2, period=Period.DAY)
        await jobs.submit(DEFAULT_TENANT, BELL, shots=100)
        with pytest.raises(OverBudget) as refused:
            await jobs.submit(DEFAULT_TENANT, BELL, shots=100, key="k")
        error = refused.value
        assert (error.costs, error.left, error.limit, error.budget) == (1.3, 0.7, 2.0, "lab")
        assert "it costs 1.3 USD, and of the 2 USD of budget 'lab' 0.7 are left" in error.message
        assert "at 00:00 UTC" in error.hint
        assert error.renews_at_ns > world.clock.wall_ns()
        assert len(await jobs.newest(DEFAULT_TENANT, limit=9)) == 1, "nothing was written"
        await jobs.submit(OTHER, BELL, shots=5_000)
        await world.clock.sleep((error.renews_at_ns - world.clock.wall_ns()) / NS_PER_S + 1)
        await jobs.submit(DEFAULT_TENANT, BELL, shots=100, key="k")
        assert (await view(budgets)).held == 1.3, "a new day, a new account"

    run_with_store(main)


@pytest.mark.parametrize("how", ["fails", "cancelled"])
def test_what_failed_or_was_cancelled_costs_nothing(how):
    async def main(world, store):
        machine = Machine(price=price_per_shot(0.30, 0.01, as_of_ns=1, source="a list"), fails=True)
        budgets, jobs = opened(world, store, machine)
        await budgets.put(DEFAULT_TENANT, "lab", unit="USD", limit=2, period=Period.ONCE)
        machine.gate.clear()
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=100)
            assert (await view(budgets)).held == 1.3
            if how == "cancelled":
                await jobs.cancel(DEFAULT_TENANT, job.id)
            machine.gate.set()
            await job_ended(world, jobs, job)
        now = await view(budgets)
        assert (now.held, now.spent, now.left) == (0.0, 0.0, 2.0)
        assert now.renews_at_ns == 0
        assert (await budgets.charge(DEFAULT_TENANT, job.id)).state is ChargeState.RELEASED

    run_with_store(main)


def test_what_a_vendor_had_begun_of_a_mitigated_job_is_charged_for_all_of_its_circuits():
    """Circuits that tell how the machine reads are run beside it, and were begun as well."""

    async def main(world, store):
        machine = Machine(price=price_per_shot(0.0, 0.01, as_of_ns=7, source="a list"))
        budgets, _ = opened(world, store, machine)
        await budgets.put(DEFAULT_TENANT, "lab", unit="USD", limit=100, period=Period.MONTH)
        job = Job(
            id="j", tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=1, device=machine.device.name, circuit=BELL, shots=100,
            seed=1, mitigate="readout", reason="asked for",
        )  # fmt: skip
        assert job.times > 1
        async with budgets.due(job) as dues:
            await store.commit([*dues.writes])
        held = (await view(budgets)).held
        lost = (Loss(at_ns=1, device=job.device, handle="h", charged=True),)
        failed = msgspec.structs.replace(job, state=JobState.FAILED, losses=lost, finished_at_ns=2)
        async with budgets.due(failed) as dues:
            await store.commit([*dues.writes])
        assert (await view(budgets)).spent == held == pytest.approx(job.times * 1.0)

    run_with_store(main)


@pytest.mark.requirement("QRM-8")
def test_a_node_that_dies_with_a_job_settles_it_once_in_its_next_life():
    async def main(world, store):
        machine = Machine(price=price_per_shot(0.30, 0.01, as_of_ns=1, source="a list"))
        budgets, jobs = opened(world, store, machine)
        await budgets.put(DEFAULT_TENANT, "lab", unit="USD", limit=2, period=Period.ONCE)
        machine.gate.clear()
        async with running_jobs(jobs):
            job = await jobs.submit(DEFAULT_TENANT, BELL, shots=100)
            while (await jobs.get(DEFAULT_TENANT, job.id)).state is not JobState.RUNNING:
                await world.clock.sleep(0.1)
        again = Machine(price=price_per_shot(9.0, 9.0, as_of_ns=2, source="a dearer list"))
        budgets, jobs = opened(world, store, again)
        async with running_jobs(jobs):
            await job_ended(world, jobs, job)
        now = await view(budgets)
        assert (now.held, now.spent) == (0.0, 1.3), "by the prices it was submitted under, once"

    run_with_store(main)


def test_no_more_is_spent_on_a_job_than_whoever_submits_it_allows():
    async def main(world, store):
        budgets, jobs = opened(world, store, Machine(price=price_per_shot(0.30, 0.01, as_of_ns=1, source="a list")))
        with pytest.raises(InvalidInput, match=r"it would cost 1\.3000 USD on far.machine, and may cost 1"):
            await jobs.submit(DEFAULT_TENANT, BELL, shots=100, wishes=JobWishes(budget=1.0))
        assert await jobs.newest(DEFAULT_TENANT, limit=9) == [], "nothing was written"
        await jobs.submit(DEFAULT_TENANT, BELL, shots=100, wishes=JobWishes(budget=1.3))
        own = PriceTable(device="far.*", shape=PriceShape.TASK_AND_SHOT, currency="EUR", as_of_ns=5, source="ours",
                         per_shot=0.1)  # fmt: skip
        await budgets.prices.put(own)
        with pytest.raises(InvalidInput, match=r"it would cost 10\.0000 EUR"):
            await jobs.submit(DEFAULT_TENANT, BELL, shots=100, wishes=JobWishes(budget=1.3))

    run_with_store(main)


def test_seconds_are_settled_by_what_the_vendor_counted_and_beyond_the_estimate_is_overrun():
    async def main(world, store):
        budgets, jobs = opened(world, store, Machine(price=price_per_second(2.0, as_of_ns=1, source="x"), seconds=3.0))
        await budgets.put(DEFAULT_TENANT, "lab", unit="USD", limit=5, period=Period.ONCE)
        async with running_jobs(jobs):
            await job_ended(world, jobs, await jobs.submit(DEFAULT_TENANT, BELL, shots=100))
            now = await view(budgets)
            assert (now.spent, now.left) == (6.0, 0.0), "it was used, so it is spent; left is never negative"
            assert 5.9 < now.overrun <= 6.0
            with pytest.raises(OverBudget):
                await jobs.submit(DEFAULT_TENANT, BELL, shots=1)

    run_with_store(main)


@pytest.mark.requirement("QRM-8")
def test_where_no_device_was_named_a_job_goes_where_what_is_left_is_enough():
    async def main(world, store):
        dear = Machine("a.dear", price=price_per_shot(0.30, 0.01, as_of_ns=1, source="a list"))
        cheap = Machine("b.cheap", price=price_per_shot(0.0, 0.005, as_of_ns=1, source="a list"))
        fleet = Fleet([dear, cheap])
        budgets = Budgets(store, world.clock, fleet, world.offload)
        placements = Placements(fleet, world.clock, world.offload, built_in_policies(), policy="least_busy")
        jobs = Jobs(store, world.clock, world.ids, fleet, Telemetry(world.clock), placements, budgets)
        await budgets.put(DEFAULT_TENANT, "lab", unit="USD", limit=2, period=Period.DAY)
        assert [(await jobs.submit(DEFAULT_TENANT, BELL, shots=100)).device for _ in range(2)] == ["a.dear", "b.cheap"]
        with pytest.raises(OverBudget, match=r"of the 2 USD of budget 'lab' 0\.2 are left"):
            await jobs.submit(DEFAULT_TENANT, BELL, shots=100)
        with pytest.raises(OverBudget):
            await jobs.submit(DEFAULT_TENANT, BELL, shots=20, device="a.dear")
        assert (await jobs.submit(DEFAULT_TENANT, BELL, shots=20, key="k")).device == "b.cheap"
        assert (await jobs.submit(DEFAULT_TENANT, BELL, shots=20, key="k")).device == "b.cheap", "the same job"
        assert len(await jobs.newest(DEFAULT_TENANT, limit=9)) == 3
        await budgets.put(DEFAULT_TENANT, "jobs", unit="jobs", limit=0, period=Period.DAY)
        with pytest.raises(OverBudget, match="jobs"):
            await jobs.submit(DEFAULT_TENANT, BELL, shots=1)

    run_with_store(main)


def test_quotas_count_jobs_shots_and_free_devices_too():
    async def main(world, store):
        budgets, jobs = opened(world, store, Machine())
        await budgets.put(DEFAULT_TENANT, "lab", unit="shots", limit=150, period=Period.ONCE)
        await budgets.put(DEFAULT_TENANT, "two", unit="jobs", limit=2, period=Period.ONCE)
        await budgets.put(DEFAULT_TENANT, "money", unit="USD", limit=0, period=Period.ONCE)
        await jobs.submit(DEFAULT_TENANT, BELL, shots=100)
        with pytest.raises(OverBudget, match="it costs 60"):
            await jobs.submit(DEFAULT_TENANT, BELL, shots=60)
        await jobs.submit(DEFAULT_TENANT, BELL, shots=49)
        with pytest.raises(OverBudget, match="jobs"):
            await jobs.submit(DEFAULT_TENANT, BELL, shots=1)

    run_with_store(main)


def test_money_in_a_currency_without_a_budget_is_refused_where_there_are_budgets():
    async def main(world, store):
        price = price_per_shot(0.3, 0.01, as_of_ns=1, source="x", currency="HQC")
        budgets, jobs = opened(world, store, Machine(price=price))
        await jobs.submit(DEFAULT_TENANT, BELL, shots=1)
        await budgets.put(DEFAULT_TENANT, "lab", unit="USD", limit=100, period=Period.ONCE)
        with pytest.raises(OverBudget, match="none in HQC"):
            await jobs.submit(DEFAULT_TENANT, BELL, shots=1)

    run_with_store(main)


def test_tables_of_this_node_go_before_the_provider_and_are_checked():
    async def main(world, store):
        budgets, jobs = opened(world, store, Machine())
        wide = PriceTable(device="far.*", shape=PriceShape.TASK_AND_SHOT, currency="EUR", as_of_ns=5, source="ours",
                          per_shot=0.1)  # fmt: skip
        await budgets.prices.put(wide)
        assert (await budgets.estimate(await jobs.submit(DEFAULT_TENANT, BELL, shots=10))).micros["EUR"] == 1_000_000
        narrow = PriceTable(device="far.machine", shape=PriceShape.TASK_AND_SHOT, currency="EUR", as_of_ns=6,
                            source="ours", per_shot=0.2)  # fmt: skip
        await budgets.prices.put(narrow)
        model = Machine().device
        assert await budgets.prices.of(model) == narrow
        await budgets.prices.remove("far.machine")
        assert await budgets.prices.of(model) == wide
        with pytest.raises(NotFound):
            await budgets.prices.remove("far.machine")
        for bad in ({"device": "far"}, {"currency": "jobs"}, {"source": ""}, {"per_shot": -1.0}):
            fields = {name: getattr(narrow, name) for name in narrow.__struct_fields__}
            with pytest.raises(InvalidInput):
                await budgets.prices.put(PriceTable(**(fields | bad)))

    run_with_store(main)


def test_budgets_are_changed_removed_and_begin_anew_in_another_unit():
    async def main(world, store):
        budgets, jobs = opened(world, store, Machine())
        for bad in ({"name": ""}, {"name": "a/b"}, {"unit": ""}, {"limit": -1.0}, {"limit": 1e99}):
            with pytest.raises(InvalidInput):
                await budgets.put(
                    DEFAULT_TENANT, **({"name": "lab", "unit": "jobs", "limit": 1.0, "period": Period.DAY} | bad)
                )
        await budgets.put(DEFAULT_TENANT, "lab", unit="jobs", limit=5, period=Period.ONCE)
        await jobs.submit(DEFAULT_TENANT, BELL, shots=3)
        await budgets.put(DEFAULT_TENANT, "lab", unit="jobs", limit=0, period=Period.ONCE)
        assert (await view(budgets)).left == 0.0
        await budgets.put(DEFAULT_TENANT, "lab", unit="shots", limit=9, period=Period.ONCE)
        assert (await view(budgets)).left == 9.0
        await budgets.remove(DEFAULT_TENANT, "lab")
        with pytest.raises(NotFound):
            await budgets.remove(DEFAULT_TENANT, "lab")
        assert await budgets.all(DEFAULT_TENANT) == []
        assert await store.scan(ACCOUNTS, OTHER) == []

    run_with_store(main)


def test_periods_are_of_utc():
    at = 1_764_547_199 * NS_PER_S  # 2025-11-30T23:59:59Z
    assert Period.DAY.span(at).name == "2025-11-30"
    assert Period.MONTH.span(at).end_ns == Period.DAY.span(at).end_ns == 1_764_547_200 * NS_PER_S
    assert Period.MONTH.span(at + NS_PER_S).name == "2025-12"
    assert Period.MONTH.span(at + NS_PER_S).end_ns == 1_767_225_600 * NS_PER_S
    assert Period.DAY.span(at).told() == "on 2025-12-01 at 00:00 UTC"


@pytest.mark.requirement("QRM-8")
def test_estimates_are_the_published_formulas():
    """IonQ's gate-shot prices, as of 2025: 1q 0.0001645, 2q 0.001121 a shot, at least 25.79."""
    price = price_per_gate_shot(0.0001645, 0.001121, 25.79, as_of_ns=1, source="IonQ")
    counts = features(Gates(2).h(0).h(1).cx(0, 1).cx(0, 1).measure(0, 1).circuit())
    assert price.cost(100, counts.n_one, counts.n_two, counts.n_measured, 0.0).amount == 25.79
    assert price.cost(100_000, 2, 2, 2, 0.0).amount == pytest.approx(100_000 * (2 * 0.0001645 + 2 * 0.001121))
    numbers = Numbers(
        readout_error=0.0, one_qubit_error=0.0, two_qubit_error=0.0, one_qubit_ns=10e3, two_qubit_ns=200e3,
        readout_ns=100e3,
    )  # fmt: skip
    known = calibration(2, [[0, 1]], numbers, calibrated_at_ns=1, source="x")
    slow = dataclasses.replace(ideal_device("a.ion", 2, max_shots=10), calibration=known)
    # One-qubit layers: h and measure count as depth 1 each here; two-qubit layers 2.
    deep = counts.depth - counts.two_qubit_depth
    assert run_seconds(slow, counts, 1_000) == pytest.approx(1_000 * (deep * 10e-6 + 2 * 200e-6 + 100e-6))
    # Ions whose maker publishes no times take what is usual for ions, here as where devices are compared by time.
    silent = dataclasses.replace(
        slow, kind=Modality.TRAPPED_ION, calibration=calibration(2, [[0, 1]], Numbers(), calibrated_at_ns=1, source="x")
    )
    assert run_seconds(silent, counts, 1_000) == pytest.approx(1_000 * (deep * 135e-6 + 2 * 600e-6 + 300e-6))
