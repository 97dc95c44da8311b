"""Circuits of steps as jobs of a node: window, budget, record, route, and a kill in the middle."""

import asyncio
import contextlib
import dataclasses
from collections import Counter

import pytest

from phalanx.allocation import Ask, Bookable, BookingState, Placements, Reservations, built_in_policies
from phalanx.allocation.forecasts import Forecasts, QueueWaits
from phalanx.allocation.money import Budgets, ChargeState, Period
from phalanx.allocation.routing import Router
from phalanx.core import DEFAULT_TENANT, NS_PER_S, Origin, Provenance, Rng, Unavailable, derive_id, id_time_ns
from phalanx.devices import (
    DeviceModel,
    Emulated,
    Fleet,
    History,
    Jobs,
    JobState,
    Modality,
    Numbers,
    QueueState,
    SessionLimits,
    ShotResult,
    calibration,
    ideal_device,
    price_per_shot,
)
from phalanx.quantum import Gates
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld
from phalanx.workflows import (
    Criticality,
    Desk,
    Engine,
    Mode,
    OverSpent,
    Placing,
    Retry,
    Step,
    StepFailed,
    StepKind,
    StepOutput,
    Template,
)

BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
GHZ = Gates(3).h(0).cx(0, 1).cx(1, 2).measure(0, 1, 2).circuit()
PRICE = price_per_shot(1.0, 0.01, as_of_ns=0, source="a list")


def run_id(name="run"):
    return derive_id(10**18, name)


def machine(name="x.good", error=0.002, **how):
    numbers = Numbers(
        two_qubit_error=error, one_qubit_error=1e-4, readout_error=0.01, one_qubit_ns=40.0, two_qubit_ns=400.0,
        readout_ns=1_000.0, t1_ns=100_000.0, t2_ns=80_000.0,
    )  # fmt: skip
    return DeviceModel(
        name=name, provider="x", kind=Modality.SUPERCONDUCTING, origin=Origin.EMULATED, n_qubits=3,
        limits=SessionLimits(max_shots=10_000), price=PRICE,
        calibration=calibration(3, [(0, 1), (1, 2)], numbers, calibrated_at_ns=1, source="made"), **how,
    )  # fmt: skip


class Lab:
    """A machine on virtual time: a run takes ``took_s``, and says which circuits it was given."""

    def __init__(self, world, device, took_s=1.0):
        self.world, self.device, self.took_s = world, device, took_s
        self.ran, self.fails = [], False

    async def run(self, circuit, /, *, shots, seed):
        self.ran.append(circuit.digest)
        await self.world.clock.sleep(self.took_s)
        if self.fails:
            raise Unavailable(self.device.name, "it is away")
        dated = 1 if self.device.origin is Origin.EMULATED else None
        came = Provenance(
            origin=self.device.origin, device=self.device.name, circuits=(circuit.digest,), shots=shots, seed=seed,
            calibrated_at_ns=dated,
        )  # fmt: skip
        return ShotResult({"0" * circuit.n_qubits: shots}, came)


class Ways:
    """The router over the fleet, as a node has it."""

    def __init__(self, fleet):
        self.router, self._fleet = Router(), fleet

    async def route(self, tenant, circuit, shots, aims):
        return self.router.route(circuit, shots, aims, self._fleet.devices())


class House:
    """A node's jobs, budgets and calendar, and an engine on them; begun anew on the same store it is its next life."""

    def __init__(self, world, *backends, store=None):
        self.world, self.store = world, store or world.store("node")
        self.fleet = Fleet(backends)
        self.placements = Placements(
            self.fleet, world.clock, world.offload, built_in_policies(), policy="success_probability"
        )
        self.budgets = Budgets(self.store, world.clock, self.fleet, world.offload)
        self.jobs = Jobs(
            self.store, world.clock, world.ids, self.fleet, Telemetry(world.clock), self.placements, self.budgets
        )
        self.calendar = Reservations(self.store, world.clock, world.ids)
        self.history = History(self.store, world.clock)
        self.forecasts = Forecasts(self.store, world.clock, self.fleet, self.history, world.offload)
        self.engine = Engine(
            self.store, world.clock, Telemetry(world.clock), self.fleet, world.offload, Rng(1),
            chooser=self.placements, breakers=self.placements.breakers,
        )  # fmt: skip
        self.desk = Desk(
            self.jobs, self.budgets, self.calendar, Ways(self.fleet), QueueWaits(self.forecasts, world.clock),
            clock=world.clock, ids=world.ids, offload=world.offload,
        )  # fmt: skip
        self.engine.use(self.desk)

    @contextlib.asynccontextmanager
    async def open(self):
        for device in self.fleet.devices():
            await self.calendar.declare(Bookable(name=device.name))
        task = asyncio.create_task(self.jobs.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def run(self, template, name="run", **how):
        if template.name not in {one.name for one in self.engine.templates}:
            self.engine.register(template)
        outcome = await self.engine.run(
            template.name, run_id=run_id(name), tenant=DEFAULT_TENANT, trace=run_id("trace"), inputs={}, **how
        )
        return outcome.results["ask"]

    async def all_jobs(self):
        return await self.jobs.newest(DEFAULT_TENANT, limit=100)

    async def windows(self):
        return await self.calendar.bookings(DEFAULT_TENANT)


def asking(*circuits, name="t", shots=100, **placing):
    """A template of one quantum step that runs ``circuits`` one after the other."""

    async def ask(context):
        found = [await context.run_circuit(one, shots=shots, seed=context.seed) for one in circuits]
        return StepOutput(value=len(found), provenance=tuple(one.provenance for one in found))

    async def instead(_):
        return -1

    how = {key: placing.pop(key) for key in ("limit_s", "retry") if key in placing}
    step = Step(name="ask", kind=StepKind.QUANTUM, run=ask, fallback=instead, placing=Placing(**placing), **how)
    return Template(name=name, title="One question", steps=(step,))


def simulated(main, seed=1):
    return SimWorld(seed).run(main)


@pytest.mark.requirement("HWF-2", "QRM-1")
def test_a_steps_result_names_device_calibration_window_decision_and_cost():
    async def main(world):
        lab = Lab(world, machine())
        async with House(world, lab).open() as house:
            await house.budgets.put(DEFAULT_TENANT, "lab", unit="USD", limit=100, period=Period.ONCE)
            result = await house.run(asking(BELL, GHZ))
            (window,) = result.windows
            jobs = await house.all_jobs()
            assert (result.way, result.degraded, window.device, window.circuits) == ("circuits", "", "x.good", 2)
            assert set(window.jobs) == {job.id for job in jobs}
            assert window.decision in window.jobs
            assert window.calibration == lab.device.calibration.id
            assert window.calibration_age_s > 0
            (booked,) = await house.windows()
            assert (window.booking, window.booked_from_ns) == (booked.id, booked.start_ns)
            assert booked.state is BookingState.CANCELLED, "what was left of the window was given back"
            assert (window.cost, window.currency) == (4.0, "USD")
            assert 0 < window.survival <= window.bound < 1
            assert window.coherence == "layout-by-noise"
            view = await house.budgets.view((await house.budgets.all(DEFAULT_TENANT))[0])
            assert (view.spent, view.held) == (4.0, 0.0)

    simulated(main)


@pytest.mark.requirement("HWF-2", "LRN-4")
def test_how_long_a_step_will_wait_is_by_the_forecast_of_its_machines_queue():
    def real(depth):
        return dataclasses.replace(machine(), origin=Origin.HARDWARE, queue=QueueState(depth=depth))

    async def main(world):
        lab = Lab(world, real(2))
        async with House(world, lab).open() as house:
            first = (await house.run(asking(BELL))).windows[0]
            assert (first.forecast_s, first.forecast_by) == (20.0, "2 jobs that wait now, of 10 s")
            # It is looked at for an hour, in which it is twice as long: what is told at the moment is not all there is.
            await house.history.observe(real(4))
            await world.clock.sleep(3_600)
            await house.history.observe(real(4))
            (window,) = (await house.run(asking(BELL, name="u"), "later")).windows
            assert window.forecast_s == pytest.approx(40.0)
            assert window.forecast_by == "queue forecast, persistence: 4 jobs of 10 s"
            row = await house.forecasts.queue("x.good")
            assert (row.what, row.ahead_s, row.value) == ("queue", 300, 4.0)
            # What waits at the vendor is sent ahead of its window by as long.
            assert window.booked_from_ns - window.begun_ns > 30 * NS_PER_S

    simulated(main)


@pytest.mark.requirement("HWF-4", "QRM-6")
def test_a_killed_node_neither_submits_nor_charges_twice():
    async def killed_after(world, store, lab, killed_s):
        house = House(world, lab, store=store)
        async with house.open():
            await house.budgets.put(DEFAULT_TENANT, "lab", unit="USD", limit=100, period=Period.ONCE)
            going = asyncio.ensure_future(house.run(asking(BELL, GHZ, BELL)))
            await world.clock.sleep(killed_s)
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)

    async def main(world):
        for at, killed_s in enumerate((0.0, 0.4, 1.2, 2.0, 2.7, 3.3)):
            store, lab = world.store(f"node-{at}"), Lab(world, machine())
            await killed_after(world, store, lab, killed_s)
            async with House(world, lab, store=store).open() as house:
                result = await house.run(asking(BELL, GHZ, BELL))
                jobs = await house.all_jobs()
                assert Counter(job.circuit.digest for job in jobs) == {BELL.digest: 2, GHZ.digest: 1}, killed_s
                assert {job.state for job in jobs} == {JobState.COMPLETED}
                charges = [await house.budgets.charge(DEFAULT_TENANT, job.id) for job in jobs]
                assert {one.state for one in charges} == {ChargeState.SETTLED}
                view = await house.budgets.view((await house.budgets.all(DEFAULT_TENANT))[0])
                assert (view.spent, view.held) == (6.0, 0.0), killed_s
                assert sum(one.circuits for one in result.windows) == 3
                assert sum(one.cost for one in result.windows) == pytest.approx(6.0)

    simulated(main)


def test_a_resumed_step_does_not_wait_for_the_window_that_its_last_life_left():
    async def main(world):
        store, lab = world.store("node"), Lab(world, machine(), took_s=0.2)
        house = House(world, lab, store=store)
        async with house.open():
            # An hour each: what is left of the window would be hours.
            house.engine._around.circuits._booked._stays._took_s["x.good"] = 400.0
            going = asyncio.ensure_future(house.run(asking(BELL)))
            while not await house.windows():
                await world.clock.sleep(0.01)
            going.cancel()
            await asyncio.gather(going, return_exceptions=True)
        async with House(world, lab, store=store).open() as house:
            begun_ns = world.clock.wall_ns()
            await house.run(asking(BELL, GHZ))
            assert world.clock.wall_ns() - begun_ns < 60 * NS_PER_S

    simulated(main)


@pytest.mark.requirement("QRM-6")
def test_an_exhausted_budget_degrades_or_refuses_as_the_step_says():
    async def main(world):
        lab = Lab(world, machine())
        async with House(world, lab).open() as house:
            await house.budgets.put(DEFAULT_TENANT, "lab", unit="USD", limit=3, period=Period.ONCE)
            degraded = await house.run(asking(BELL, BELL))
            assert degraded.output == -1
            assert degraded.way == "fallback"
            assert "budget 'lab'" in degraded.degraded
            with pytest.raises(StepFailed) as refused:
                await house.run(asking(GHZ, name="strict", over_budget=OverSpent.REFUSE), "strict")
            assert (refused.value.step, refused.value.field) == ("ask", "budget")
            assert len(lab.ran) == 1, "nothing that nobody pays for is run"
            # The step's own bound, without any of the tenant's.
            with pytest.raises(StepFailed) as own:
                await house.run(asking(GHZ, name="small", budget=0.5, over_budget=OverSpent.REFUSE), "small")
            assert own.value.field == "budget"
            cheap = await house.run(asking(GHZ, name="cheap", budget=0.5), "cheap")
            assert cheap.output == -1

    simulated(main)


def test_what_costs_nothing_here_is_run_at_once_and_what_a_quota_counts_is_a_job():
    async def main(world):
        lab = Lab(world, ideal_device("local.ideal", 3, max_shots=1_000), took_s=0.0)
        async with House(world, lab).open() as house:
            result = await house.run(asking(BELL))
            assert (await house.all_jobs(), await house.windows()) == ([], [])
            assert result.windows[0].device == "local.ideal"
            assert result.windows[0].decision
            await world.clock.sleep(2.0)
            await house.budgets.put(DEFAULT_TENANT, "few", unit="jobs", limit=1, period=Period.ONCE)
            again = await house.run(asking(BELL, GHZ, name="both"), "again")
            assert len(await house.all_jobs()) == 1
            assert "budget 'few'" in again.degraded

    simulated(main)


@pytest.mark.requirement("QRM-7")
def test_a_machine_that_fails_is_left_for_another_and_the_last_for_the_fallback():
    async def main(world):
        good, poor = Lab(world, machine()), Lab(world, machine("x.poor", 0.05))
        good.fails = True
        async with House(world, good, poor).open() as house:
            result = await house.run(asking(BELL))
            (window,) = result.windows
            assert window.device == "x.poor"
            assert "it is away" in window.reason
            poor.fails = True
            begun_ns = world.clock.wall_ns()
            none = await house.run(asking(GHZ, name="none"), "none")
            assert none.output == -1
            assert none.degraded
            assert world.clock.wall_ns() - begun_ns < 10 * NS_PER_S, "the fallback does not wait for devices"

    simulated(main)


class AtVendor(Lab):
    """The same at a vendor: jobs are sent there."""

    async def submit(self, circuit, /, *, shots, seed, key):
        return key

    async def collect(self, handle, circuit, /, *, shots, seed):
        return await self.run(circuit, shots=shots, seed=seed)

    async def recall(self, handle, /):
        raise Unavailable(self.device.name, "it drops nothing")


@pytest.mark.requirement("QRM-8")
@pytest.mark.parametrize("named", [False, True])
def test_a_run_from_before_a_restore_sends_nothing_to_a_vendor(named):
    """What it sent there since the backup, nobody here knows; what begins later goes there as ever."""

    async def main(world):
        vendor, lab = AtVendor(world, machine()), Lab(world, machine("x.poor", 0.05))
        house = House(world, vendor, lab)
        house.desk.lives_since_ns = id_time_ns(run_id()) + 1
        async with house.open():
            wanted = {"device": "x.good"} if named else {}
            result = await house.run(asking(BELL, **wanted))
            if named:
                assert result.output == -1
                assert "restored from a backup" in result.degraded
            else:
                assert result.windows[0].device == "x.poor"
            assert vendor.ran == []
            house.desk.lives_since_ns = id_time_ns(run_id("later"))
            assert (await house.run(asking(BELL, name="u", **wanted), "later")).windows[0].device == "x.good"
            assert vendor.ran == [BELL.digest]

    simulated(main)


def test_a_step_waits_for_a_machine_that_somebody_booked_and_not_beyond_its_limit():
    async def main(world):
        lab = Lab(world, machine(), took_s=0.1)
        async with House(world, lab).open() as house:
            now_ns = world.clock.wall_ns()
            asked = Ask(demands={"x.good": 1}, duration_ns=30 * NS_PER_S, earliest_ns=now_ns)
            await house.calendar.book("somebody", asked)
            late = await house.run(asking(BELL, name="late", limit_s=10.0), "late")
            assert late.output == -1
            assert "window" in late.degraded
            result = await house.run(asking(BELL))
            assert result.windows[0].begun_ns >= now_ns + 30 * NS_PER_S
            assert result.windows[0].waited_s > 10

    simulated(main)


def test_circuits_of_one_step_are_jobs_at_the_same_machine_at_the_same_time_within_what_it_may_spend():
    def together(name, **placing):
        async def ask(context):
            found = await asyncio.gather(
                *(context.run_circuit(one, shots=100, seed=at) for at, one in enumerate((BELL, GHZ, BELL, GHZ)))
            )
            return StepOutput(value=len(found), provenance=tuple(one.provenance for one in found))

        async def instead(_):
            return -1

        step = Step(name="ask", kind=StepKind.QUANTUM, run=ask, fallback=instead, placing=Placing(**placing))
        return Template(name=name, title="At once", steps=(step,))

    async def main(world):
        lab = Lab(world, machine(), took_s=1.0)
        async with House(world, lab).open() as house:
            begun_ns = world.clock.wall_ns()
            result = await house.run(together("free"), "free")
            assert result.output == 4
            assert sum(one.circuits for one in result.windows) == 4
            assert (world.clock.wall_ns() - begun_ns) / NS_PER_S < 3.5, "they overlap"
            assert len(await house.windows()) == 1, "one window for all of them"
            begun_ns = world.clock.wall_ns()
            # Two dollars each: what is under way counts before the next is begun.
            bounded = await house.run(together("bounded", budget=5.0), "bounded")
            assert bounded.output == -1
            spent = [await house.budgets.charge(DEFAULT_TENANT, job.id) for job in await house.all_jobs()]
            assert sum(one.spent.get("USD", 0) for one in spent) / 1e6 <= 8.0 + 5.0

    simulated(main)


@pytest.mark.requirement("HWF-5")
def test_the_chart_of_a_run_under_way_tells_where_circuits_wait_and_run():
    async def main(world):
        lab = Lab(world, machine(), took_s=5.0)
        async with House(world, lab).open() as house:
            now_ns = world.clock.wall_ns()
            await house.calendar.book(
                "somebody", Ask(demands={"x.good": 1}, duration_ns=30 * NS_PER_S, earliest_ns=now_ns)
            )
            going = asyncio.ensure_future(house.run(asking(BELL)))
            await world.clock.sleep(5.0)
            (waits,) = (await house.engine.gantt(DEFAULT_TENANT, run_id())).bars
            assert (waits.status, waits.now[0].device, waits.now[0].stage) == (
                "running", "x.good", "waits for its window",
            )  # fmt: skip
            assert waits.now[0].booked_from_ns >= 29 * NS_PER_S
            assert waits.now[0].reason
            await world.clock.sleep(27.0)
            (runs,) = (await house.engine.gantt(DEFAULT_TENANT, run_id())).bars
            assert runs.now[0].stage == "runs"
            await going
            (done,) = (await house.engine.gantt(DEFAULT_TENANT, run_id())).bars
            assert (done.status, done.now) == ("done", ())

    simulated(main)


def test_the_most_urgent_step_has_the_machine_next_and_routine_makes_room():
    async def main(world):
        lab = Lab(world, machine(), took_s=1.0)
        async with House(world, lab).open() as house:
            ended = []

            async def one(name, criticality, circuit):
                template = asking(circuit, name=name, criticality=criticality)
                result = await house.run(template, name)
                ended.append((name, result.windows[0].priority))

            async with asyncio.TaskGroup() as group:
                group.create_task(one("first", Criticality.NORMAL, BELL))
                await world.clock.sleep(0.5)
                group.create_task(one("routine", Criticality.ROUTINE, GHZ))
                group.create_task(one("small", Criticality.NORMAL, BELL))
                group.create_task(one("large", Criticality.NORMAL, GHZ))
                group.create_task(one("critical", Criticality.CRITICAL, BELL))
            assert [name for name, _ in ended] == ["first", "critical", "large", "small", "routine"]
            assert dict(ended)["critical"] > 200 > dict(ended)["large"] > dict(ended)["small"] > 100

    simulated(main)


@pytest.mark.requirement("QRM-10")
def test_the_router_decides_with_its_reason_and_a_mode_forces_it():
    async def main(world):
        lab = Lab(world, machine(), took_s=0.1)
        async with House(world, lab).open() as house:
            routed = await house.run(asking(BELL, name="auto", mode=Mode.AUTO), "auto")
            assert (routed.way, routed.degraded, routed.output) == ("fallback", "", -1)
            assert "the classical fallback (classical)" in routed.why
            assert lab.ran == []
            worth = asking(BELL, GHZ, name="worth", mode=Mode.AUTO, worth=1_000, classical_fidelity=0.5)
            quantum = await house.run(worth, "worth")
            assert (quantum.way, quantum.output) == ("circuits", 2)
            assert quantum.why.startswith("x.good (quantum)")
            forced = await house.run(asking(BELL, name="classical", mode=Mode.CLASSICAL), "classical")
            assert (forced.way, forced.degraded, forced.output) == ("fallback", "", -1)
            floor = asking(BELL, name="floor", mode=Mode.AUTO, fidelity=0.999999, classical_fidelity=0.5)
            none = await house.run(floor, "floor")
            assert "no way is left" in none.degraded

    simulated(main)


def test_a_step_out_of_time_calls_its_job_back_and_holds_nothing():
    async def main(world):
        lab = Lab(world, machine(), took_s=100.0)
        async with House(world, lab).open() as house:
            await house.budgets.put(DEFAULT_TENANT, "lab", unit="USD", limit=100, period=Period.ONCE)
            result = await house.run(asking(BELL, limit_s=5.0))
            assert result.output == -1
            assert [job.state for job in await house.all_jobs()] == [JobState.CANCELLED]
            assert not [one for one in await house.windows() if one.is_live]
            view = await house.budgets.view((await house.budgets.all(DEFAULT_TENANT))[0])
            assert (view.spent, view.held) == (0.0, 0.0)

    simulated(main)


@pytest.mark.requirement("HWF-5")
def test_a_step_is_treated_against_noise_as_it_asks_and_says_what_that_brought():
    async def main(world):
        device = dataclasses.replace(machine(error=0.02))
        async with House(world, Emulated(device, world.offload)).open() as house:
            template = asking(GHZ, name="t", shots=2_000, mitigate="readout", coherence="best")
            result = await house.run(template)
            (window,) = result.windows
            assert window.coherence in {"layout-by-noise", "as-routed", "decoupling-xx", "decoupling-xy4"}
            assert "readout tensored" in window.mitigation
            assert window.benefit > 0, "readout errors are most of what is wrong here"
            assert window.cost == pytest.approx(1 + 3 * 2_000 * 0.01)
            assert result.provenance[0].mitigation == window.mitigation

    simulated(main)


def test_stale_calibrations_and_unknown_devices_leave_the_fallback():
    async def mean(context):
        found = await context.run_mean(BELL, "Z0 + X1", shots=100, seed=context.seed)
        return StepOutput(value=found.value, provenance=found.provenance)

    async def instead(_):
        return -1

    async def main(world):
        lab = Lab(world, machine())
        async with House(world, lab).open() as house:
            stale = await house.run(asking(BELL, name="stale", fresh_s=60.0), "stale")
            assert "was calibrated" in stale.degraded
            unknown = await house.run(asking(BELL, name="unknown", device="x.none"), "unknown")
            assert "x.none" in unknown.degraded
            step = Step(name="ask", kind=StepKind.QUANTUM, run=mean, fallback=instead, placing=Placing(device="x.none"))
            unknown = await house.run(Template(name="mean", title="A mean", steps=(step,)), "mean")
            assert "this node has none of that name" in unknown.degraded
            named = await house.run(asking(BELL, name="named", device="x.good"), "named")
            assert named.windows[0].reason == "the step names it"

    simulated(main)


def test_an_attempt_that_failed_otherwise_finds_the_jobs_of_the_one_before():
    async def main(world):
        lab, tries = Lab(world, machine()), []
        template = asking(BELL, retry=Retry(attempts=3, first_s=0.1))
        inner = template.steps[0].run

        async def shaky(context):
            found = await inner(context)
            tries.append(context.attempt)
            if len(tries) < 3:
                raise RuntimeError("shaky")
            return found

        step = dataclasses.replace(template.steps[0], run=shaky)
        async with House(world, lab).open() as house:
            result = await house.run(dataclasses.replace(template, steps=(step,)))
            assert result.output == 1
            assert (len(tries), len(lab.ran), len(await house.all_jobs())) == (3, 1, 1)

    simulated(main)


@pytest.mark.requirement("HWF-6")
@pytest.mark.parametrize(("mitigate", "least"), [("zne,readout", 0.03), ("pec:64,readout", 0.0), ("readout", 0.01)])
def test_a_mean_is_mitigated_as_the_step_asks_and_its_cost_and_benefit_are_told(mitigate, least):
    observable = "Z0 Z2 + 0.5*X0 X1 X2"

    async def ask(context):
        found = await context.run_mean(GHZ, observable, shots=2_000, seed=context.seed)
        told = {"value": found.value, "plain": found.plain, "benefit": found.benefit, "shots": found.shots}
        return StepOutput(value=told, provenance=found.provenance)

    async def instead(_):
        return -1

    step = Step(
        name="ask", kind=StepKind.QUANTUM, run=ask, fallback=instead,
        placing=Placing(results="emulated", mitigate=mitigate),
    )  # fmt: skip
    template = Template(name="mean", title="A mean", steps=(step,))

    async def main(world):
        noisy = Emulated(machine(error=0.04), world.offload)
        async with House(world, noisy).open() as house:
            result = await house.run(template)
            assert not result.degraded
            found = result.output
            assert found["benefit"] > least, found
            (window,) = result.windows
            assert window.benefit == pytest.approx(found["benefit"])
            assert window.mitigation
            (job,) = await house.all_jobs()
            assert (job.observable, job.counts, job.times) == (observable, {}, found["shots"] // 2_000)
            assert job.times > 1
            charge = await house.budgets.charge(DEFAULT_TENANT, job.id)
            assert charge.spent["USD"] / 1e6 == pytest.approx(1.0 + 0.01 * 2_000 * job.times), "all of it is paid"
        async with House(world, noisy, store=world.store("other")).open() as other:
            assert (await other.run(template)).output == found, "the same seed, the same mean"

    simulated(main)


def test_outcomes_are_not_mitigated_by_what_gives_means():
    async def main(world):
        async with House(world, Emulated(machine(), world.offload)).open() as house:
            with pytest.raises(StepFailed) as failed:
                await house.run(asking(BELL, results="emulated", mitigate="zne"))
            assert (failed.value.step, failed.value.field) == ("ask", "mitigate")

    simulated(main)
