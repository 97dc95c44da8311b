"""Programs without gates: what is wished is granted or refused, and the machine that is taken says why it was."""

from dataclasses import replace

import pytest

from phalanx.allocation import Ask, Bookable, NothingFits, Placements, Reservations, built_in_policies
from phalanx.allocation.limits import DeviceLimits
from phalanx.allocation.money import Budgets, OverBudget, Period
from phalanx.core import DEFAULT_TENANT, InvalidInput, NotFound, Origin, TenantId, Unavailable
from phalanx.devices import (
    DrawnAnnealer,
    Fleet,
    Jobs,
    JobState,
    JobWishes,
    Program,
    ProviderContext,
    QueueState,
    Status,
    Wish,
    ideal_calibration,
    ising,
    local_provider,
    price_per_second,
    price_per_shot,
    published_machines,
    subscription,
)
from phalanx.telemetry import Telemetry
from phalanx.testing import MemoryAudit, SimWorld, job_ended, running_jobs

SPINS = Program.of_ising(ising({0: 0.5}, {(0, 1): 1.0}, 2))
ATOMS = Program.read('{"atoms_um":[[0,0],[8,0]],"amplitude":[[0,0],[0.5,6],[1,0]],"detuning":[[0,-10],[1,10]]}')
S = 10**9
H = 3_600 * S


class Desk:
    """Jobs over annealers that differ from the local one in what is given, and what else decides about them."""

    def __init__(self, world, machines, *, fresh_ns=0, broken=()):
        local = local_provider(ProviderContext(world.offload, world.clock)).backends()
        (own,) = [one for one in local if one.device.name == "local.annealer"]
        others = [
            Breaking(replace(own.device, name=f"x.{name}", provider="x", **changes), world.offload, None)
            for name, changes in machines.items()
            if name != "local"
        ]
        for one in others:
            one.broken = one.device.name in broken
        self.backends = {one.device.name: one for one in others}
        self.fleet = Fleet([*others, *([own] if "local" in machines else [])])
        store, audit = world.store("n"), MemoryAudit()
        limits = DeviceLimits(
            store, world.clock, audit, fresh_ns=fresh_ns, adaptive_freshness=False, adaptive_queues=False
        )
        self.placements = Placements(
            self.fleet, world.clock, world.offload, built_in_policies(), policy="success_probability", limits=limits
        )
        self.budgets = Budgets(store, world.clock, self.fleet, world.offload)
        self.calendar = Reservations(world.store("calendar"), world.clock, world.ids, self.placements.booked)
        telemetry = Telemetry(world.clock)
        self.jobs = Jobs(
            store, world.clock, world.ids, self.fleet, telemetry, self.placements, self.budgets, audit, world.offload
        )

    async def submit(self, device="", work=SPINS, shots=100, **wishes):
        return await self.jobs.submit(DEFAULT_TENANT, work, shots=shots, device=device, wishes=JobWishes(**wishes))

    async def why(self, **wishes):
        """What is said of each machine, the one that is taken first."""
        asked = Wish(program=SPINS, shots=100, tenant=DEFAULT_TENANT, **wishes)
        return {one.device: one.reason for one in (await self.placements.explain(asked)).devices}


class Breaking(DrawnAnnealer):
    """An annealer that fails while it is broken."""

    broken = False

    async def sample(self, problem, /, *, shots, seed):
        if self.broken:
            raise Unavailable(self.device.name, "it went away")
        return await super().sample(problem, shots=shots, seed=seed)


def on(main):
    SimWorld(1).run(main)


def sized(n, **changes):
    return {"n_qubits": n, "calibration": ideal_calibration(n), "origin": Origin.HARDWARE, **changes}


OURS = {"price": subscription(0.0, as_of_ns=1, source="ours")}
DEAR = {"price": price_per_shot(0.3, 0.01, as_of_ns=1, source="a list"), "origin": Origin.HARDWARE}
BUSY = {"queue": QueueState(depth=3, wait_ns_p50=600 * S, as_of_ns=1), "origin": Origin.HARDWARE, **OURS}


@pytest.mark.requirement("QRM-8", "QRM-10")
def test_a_machine_that_is_named_has_to_grant_what_is_wished_of_a_program():
    async def main(world):
        desk = Desk(world, {"dear": DEAR, "busy": BUSY})
        with pytest.raises(InvalidInput, match=r"x\.dear was asked for, but it would cost 1\.3 USD, more than 1"):
            await desk.submit("x.dear", budget=1.0)
        with pytest.raises(InvalidInput, match=r"x\.busy was asked for, but it would be done in 601 s, and 60 s"):
            await desk.submit("x.busy", deadline_at_ns=world.clock.wall_ns() + 60 * S)
        with pytest.raises(InvalidInput, match="is in local, not in eu"):
            await desk.submit("x.dear", regions=("eu",))
        with pytest.raises(InvalidInput, match="emulated ones are asked for"):
            await desk.submit("x.dear", origin="emulated")
        assert await desk.jobs.newest(DEFAULT_TENANT, limit=9) == [], "nothing is written"
        soon = world.clock.wall_ns() + 60 * S
        assert (await desk.submit("x.dear", budget=2.0, deadline_at_ns=soon)).device == "x.dear"

    on(main)


@pytest.mark.requirement("QRM-8", "QRM-10")
def test_a_program_goes_to_a_machine_that_grants_what_is_wished_and_each_other_says_why_not():
    async def main(world):
        by_time = {"price": price_per_second(0.5, as_of_ns=1, source="a list"), "origin": Origin.HARDWARE}
        desk = Desk(world, {"a_dear": DEAR, "b_busy": BUSY, "c_by_time": by_time})
        assert (await desk.submit()).device == "x.a_dear"
        assert (await desk.submit(budget=1.0)).device == "x.c_by_time"
        assert (await desk.submit(budget=1e-6)).device == "x.b_busy"
        with pytest.raises(NothingFits) as refused:
            await desk.submit(budget=1e-6, deadline_at_ns=world.clock.wall_ns() + 60 * S, regions=("local",))
        assert "2 spins and 100 shots at once, within 60 s, for at most 1e-06, in local" in str(refused.value)
        for told in ("x.a_dear would cost 1.3 USD, more than 1e-06", "x.b_busy would be done in 601 s", "x.c_by_time"):
            assert told in str(refused.value)
        with pytest.raises(NothingFits, match=r"x\.a_dear is in local, not in eu"):
            await desk.submit(regions=("eu",))

    on(main)


@pytest.mark.requirement("QRM-8", "QRM-10")
def test_money_for_time_on_a_machine_is_by_its_shots():
    async def main(world):
        (atoms,) = [one for one in published_machines("pasqal") if one.device.analog is not None]
        real = replace(atoms.device, origin=Origin.HARDWARE, price=price_per_second(0.5, as_of_ns=1, source="a list"))
        backend = DrawnAnnealer(real, world.offload, None)
        fleet = Fleet([backend])
        placements = Placements(fleet, world.clock, world.offload, built_in_policies(), policy="least_busy")

        async def asked(shots, **wishes):
            wish = Wish(program=ATOMS, shots=shots, tenant=DEFAULT_TENANT, **wishes)
            return placements.refusal(real.name, wish), (await placements.explain(wish)).device

        # Atoms are pictured for about ten milliseconds a shot.
        assert await asked(100, budget=0.6, deadline_s=1.1) == ("", real.name)
        assert await asked(200, budget=0.6) == ("it would cost 1 USD, more than 0.6", "")
        assert await asked(200, deadline_s=1.1) == ("it would be done in 2 s, and 1.1 s are left", "")

    on(main)


@pytest.mark.requirement("QRM-8")
def test_the_smallest_machine_that_is_free_is_taken_and_in_an_emergency_the_soonest():
    async def main(world):
        soon, later = QueueState(wait_ns_p50=30 * S, as_of_ns=1), QueueState(wait_ns_p50=900 * S, as_of_ns=1)
        machines = {"small": sized(4, queue=later), "middle": sized(8, queue=soon), "large": sized(16)}
        desk = Desk(world, machines)
        told = await desk.why()
        assert list(told) == ["x.middle", "x.large", "x.small"]
        assert told["x.middle"] == "has 8 spins, and is the smallest that is in order and free"
        assert told["x.large"] == "fits, but x.middle is smaller"
        assert told["x.small"] == "fits, but new work waits 900 s there"
        hurried = await desk.why(emergency=True)
        assert list(hurried) == ["x.large", "x.middle", "x.small"]
        assert hurried["x.large"] == "has 16 spins, and is done soonest"
        assert (await desk.submit(emergency=True)).device == "x.large"

    on(main)


@pytest.mark.requirement("QRM-8", "QRM-7")
def test_what_is_urgent_does_not_go_where_it_is_not_known_to_go_well():
    async def main(world):
        desk = Desk(world, {"a": sized(4), "b": sized(8, status=Status.DEGRADED), "c": sized(16)})
        for _ in range(2):
            desk.placements.failed("x.a")
        told = await desk.why()
        assert told["x.a"] == "is paused after failures"
        assert next(iter(told)) == "x.b"
        await world.clock.sleep(60.0)
        assert next(iter(await desk.why())) == "x.a", "one run is let through"
        for urgent in ({"emergency": True}, {"deadline_s": 1_000.0}):
            told = await desk.why(**urgent)
            assert next(iter(told)) == "x.c"
            assert told["x.a"] == "fits, but has failed, and is tried again"
            assert told["x.b"] == "fits, but is degraded"

    on(main)


@pytest.mark.requirement("QRM-8", "QRM-6")
def test_machines_whose_calibration_is_too_old_come_last_and_closed_ones_not_at_all():
    async def main(world):
        def seen(n, hours):
            at_ns = world.clock.wall_ns() - hours * H
            return sized(n, calibration=replace(ideal_calibration(n), calibrated_at_ns=at_ns))

        machines = {"old": seen(4, 50), "fresh": seen(8, 1), "closed": sized(2, status=Status.OFFLINE)}
        desk = Desk(world, machines, fresh_ns=24 * H)
        told = await desk.why()
        assert list(told)[:2] == ["x.fresh", "x.old"]
        assert told["x.old"] == "fits, but was calibrated 50 h ago, more than 24 h"
        assert told["x.closed"] == "is offline"
        told = await desk.why(without={"x.fresh": "it failed"})
        assert next(iter(told)) == "x.old"
        assert told["x.old"] == "has 4 spins, and was calibrated 50 h ago, more than 24 h"

    on(main)


@pytest.mark.requirement("QRM-8", "QRM-9")
def test_what_others_have_booked_is_left_to_them_where_another_machine_is_free():
    async def main(world):
        desk = Desk(world, {"small": sized(4, **OURS), "large": sized(8, **OURS)})
        for name in ("x.small", "x.large"):
            await desk.calendar.declare(Bookable(name=name))
        assert (await desk.submit()).device == "x.small"
        now_ns = world.clock.wall_ns()
        ask = Ask(demands={"x.small": 1}, duration_ns=H, earliest_ns=now_ns, latest_end_ns=now_ns + H)
        await desk.calendar.book(TenantId("others"), ask)
        assert (await desk.submit()).device == "x.large"
        due = world.clock.wall_ns() + 600 * S
        with pytest.raises(InvalidInput, match=r"x\.small was asked for, but it would be done in 3,601 s, and 600 s"):
            await desk.submit("x.small", deadline_at_ns=due)
        assert (await desk.submit("x.small")).device == "x.small", "it waits for the end of the window"

    on(main)


@pytest.mark.requirement("QRM-8", "QRM-2")
def test_results_of_a_program_keep_their_kind_and_its_decision_is_kept():
    async def main(world):
        desk = Desk(world, {"real": sized(4, **OURS), "local": {}})
        job = await desk.submit()
        assert job.device == "local.annealer"
        assert job.reason.startswith("local.annealer has 4,096 spins: of 2 machines the least disturbed that fits")
        (kept,) = desk.placements.recent(DEFAULT_TENANT)
        assert (kept.subject, kept.policy, kept.device) == (f"job {job.id}", "gateless", "local.annealer")
        reasons = {one.device: one.reason for one in kept.devices}
        assert reasons["x.real"] == "gives hardware results, and simulated ones are less disturbed"
        assert (await desk.submit(origin="hardware")).device == "x.real"
        await desk.why(origin=Origin.HARDWARE)
        assert len(desk.placements.recent(DEFAULT_TENANT)) == 2, "what was only asked is not kept"
        asked = Wish(program=SPINS, shots=1, tenant=DEFAULT_TENANT)
        with pytest.raises(InvalidInput, match="compares circuits"):
            await desk.placements.explain(asked, policy="pareto")

    on(main)


@pytest.mark.requirement("QRM-8", "QRM-10")
def test_where_nobody_says_what_a_machine_costs_no_promise_is_made():
    async def main(world):
        desk = Desk(world, {"a_unknown": sized(4), "b_ours": sized(8, **OURS)})
        assert (await desk.submit()).device == "x.a_unknown"
        assert (await desk.submit(budget=5.0)).device == "x.b_ours"
        with pytest.raises(InvalidInput, match=r"nobody says what x\.a_unknown costs, and it may cost at most 5") as no:
            await desk.submit("x.a_unknown", budget=5.0)
        assert (no.value.field, "phalanx budgets price x.a_unknown" in no.value.hint) == ("budget", True)

    on(main)


@pytest.mark.requirement("QRM-8", "QRM-10")
def test_a_tenants_budget_holds_for_programs_where_a_machine_is_named_and_where_one_is_chosen():
    async def main(world):
        desk = Desk(world, {"dear": DEAR})
        await desk.budgets.put(DEFAULT_TENANT, "little", unit="USD", limit=2.0, period=Period.MONTH)
        assert (await desk.submit("x.dear")).device == "x.dear"
        for device in ("", "x.dear"):
            with pytest.raises(OverBudget):
                await desk.submit(device)

    on(main)


@pytest.mark.requirement("QRM-8", "QRM-7")
def test_a_program_whose_deadline_passes_while_its_machine_fails_is_done_classically_as_a_circuit_is():
    async def main(world):
        desk = Desk(world, {"real": sized(4, **OURS), "local": {}}, broken={"x.real"})
        due = world.clock.wall_ns() + 5 * S
        job = await desk.submit(origin="hardware", deadline_at_ns=due)
        strict = await desk.submit(origin="hardware", deadline_at_ns=due, degrade=False)
        await world.clock.sleep(10.0)
        async with running_jobs(desk.jobs):
            found = await job_ended(world, desk.jobs, job)
            failed = await job_ended(world, desk.jobs, strict)
        assert (found.state, found.device) == (JobState.COMPLETED, "local.annealer"), found.error
        assert found.provenance.origin is Origin.SIMULATED
        assert [one.kind for one in found.moves] == ["degraded"]
        assert (failed.state, failed.moves) == (JobState.FAILED, ())
        assert "it went away" in failed.error

    on(main)


def test_what_nobody_foretells_of_a_program_is_refused():
    async def main(world):
        desk = Desk(world, {"one": {}})
        for device in ("", "x.one"):
            with pytest.raises(InvalidInput, match="without gates") as refused:
                await desk.submit(device, fidelity=0.5)
            assert refused.value.field == "fidelity"
        with pytest.raises(NotFound):
            await desk.submit("x.none")

    on(main)


def test_work_that_waits_here_counts_like_work_that_waits_at_a_vendor():

    async def main(world):
        desk = Desk(world, {"small": sized(4, **OURS), "large": sized(8, **OURS)})
        for _ in range(200):
            desk.placements.sent("x.small")
        assert next(iter(await desk.why())) == "x.large"

    on(main)
