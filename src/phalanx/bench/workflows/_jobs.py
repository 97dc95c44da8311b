"""Steps whose circuits become jobs on devices: what the engine takes beside the job's own time.

A step is one circuit on an emulated machine: chosen, in a window of the calendar, paid for by a budget, submitted,
waited for, its result kept. The job's **own time** is from its beginning on the machine to its end, as the job tells.
All else is overhead. The same circuit submitted as a job without the engine stands beside it, in turns, on the same
node's jobs, budget and store: choosing, paying and keeping jobs are in both.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from phalanx.adapters import SystemClock, ThreadOffload
from phalanx.adapters.processes import ProcessOffload
from phalanx.allocation import Bookable, Placements, Reservations, built_in_policies
from phalanx.allocation.forecasts import Forecasts, QueueWaits
from phalanx.allocation.money import Budgets, Period
from phalanx.allocation.routing import Aims, Routed, Router
from phalanx.bench._timing import elapsed_ms, quantile
from phalanx.bench.workflows._loads import bed, tossed
from phalanx.core import DEFAULT_TENANT, NO_TRACE, NS_PER_MS, Circuit, IdSource, Store, TenantId
from phalanx.devices import Fleet, History, Job, Jobs, JobState
from phalanx.telemetry import Telemetry
from phalanx.workflows import Desk, Engine, Step, StepContext, StepKind, StepOutput, Template

SHOTS, _WARM = 200, 3
_BUDGET_SHOTS = 1e9


class _Ways:
    """The router over the fleet; no step of this load asks it."""

    def __init__(self, fleet: Fleet) -> None:
        self.router, self._fleet = Router(), fleet

    async def route(self, tenant: TenantId, circuit: Circuit, shots: int, aims: Aims) -> Routed:  # noqa: ARG002
        return self.router.route(circuit, shots, aims, self._fleet.devices())


@dataclass(frozen=True, slots=True)
class _Times:
    total_ms: float
    own_ms: float


async def job_figures(
    fleet: Fleet, processes: ProcessOffload, ids: IdSource, *, runs: int
) -> tuple[dict[str, Any], dict[str, Any]]:  # fmt: skip
    """What steps that run as jobs take, and what the same jobs take alone."""
    template = _template()
    async with bed(fleet, processes, template) as made, _jobs(fleet, made.store, made.engine, ids) as jobs:
        steps: list[_Times] = []
        alone: list[_Times] = []
        for at in range(_WARM + runs):
            by_step, by_job = await _step(made.engine, jobs, ids.new()), await _alone(jobs, at)
            if at >= _WARM:  # Before that circuits are fitted to machines.
                steps.append(by_step)
                alone.append(by_job)
    return {**_told(steps), "jobs": len(steps)}, _told(alone)


@contextlib.asynccontextmanager
async def _jobs(fleet: Fleet, store: Store, engine: Engine, ids: IdSource) -> AsyncIterator[Jobs]:
    """Jobs of a node with a calendar and a budget, for the engine and for whoever submits without it."""
    clock = SystemClock()
    with contextlib.closing(ThreadOffload(2)) as threads:
        placements = Placements(fleet, clock, threads, built_in_policies(), policy="expected_fidelity")
        budgets, calendar = Budgets(store, clock, fleet, threads), Reservations(store, clock, ids)
        jobs = Jobs(store, clock, ids, fleet, Telemetry(clock), placements, budgets)
        await budgets.put(DEFAULT_TENANT, "bench", unit="shots", limit=_BUDGET_SHOTS, period=Period.ONCE)
        for device in fleet.devices():
            await calendar.declare(Bookable(name=device.name))
        waits = QueueWaits(Forecasts(store, clock, fleet, History(store, clock), threads), clock)
        engine.use(Desk(jobs, budgets, calendar, _Ways(fleet), waits, clock=clock, ids=ids, offload=threads))
        task = asyncio.create_task(jobs.run())
        try:
            yield jobs
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _template() -> Template:
    async def toss(context: StepContext) -> StepOutput:
        found = await context.run_circuit(tossed(), shots=SHOTS, seed=context.seed)
        return StepOutput(value=found.counts, provenance=(found.provenance,))

    async def none(_: StepContext) -> dict[str, int]:
        return {}

    step = Step(name="toss", kind=StepKind.QUANTUM, run=toss, fallback=none, pure=True)
    return Template(name="one-job", title="A step that is one job", steps=(step,))


async def _step(engine: Engine, jobs: Jobs, run: str) -> _Times:
    async def act() -> Job:
        outcome = await engine.run("one-job", run_id=run, tenant=DEFAULT_TENANT, trace=NO_TRACE, inputs={})
        (window,) = outcome.results["toss"].windows
        return await jobs.get(DEFAULT_TENANT, window.decision)

    return await _timed(act)


async def _alone(jobs: Jobs, seed: int) -> _Times:
    async def act() -> Job:
        job = await jobs.submit(DEFAULT_TENANT, tossed(), shots=SHOTS, seed=seed)
        return await jobs.ended(DEFAULT_TENANT, job.id)

    return await _timed(act)


async def _timed(act: Callable[[], Awaitable[Job]]) -> _Times:
    begun_ns = time.perf_counter_ns()
    job = await act()
    total_ms = elapsed_ms(begun_ns)
    assert job.state is JobState.COMPLETED, job.error
    return _Times(total_ms, (job.finished_at_ns - job.started_at_ns) / NS_PER_MS)


def _told(times: list[_Times]) -> dict[str, Any]:
    over, own = [one.total_ms - one.own_ms for one in times], [one.own_ms for one in times]
    return {
        "overhead_ms": {"p50": quantile(over, 0.5), "p99": quantile(over, 0.99)},
        "own_ms": {"p50": quantile(own, 0.5), "p99": quantile(own, 0.99)},
    }
