"""One run: a task per step, each waiting for what it needs, each result kept before it is passed on."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from phalanx.core import (
    NS_PER_S,
    Clock,
    Conflict,
    Expect,
    InvalidInput,
    LimitExceeded,
    Offload,
    Rng,
    Store,
    Unavailable,
    Waypoint,
    decode,
)
from phalanx.devices import Fleet
from phalanx.telemetry import Telemetry, waypoint_of, waypoint_put
from phalanx.workflows._circuits import Circuits
from phalanx.workflows._errors import StepFailed
from phalanx.workflows._limits import MAX_EXTRA_WRITES, MAX_OUTPUT_BYTES, MAX_REASON_CHARS
from phalanx.workflows._records import STEP_RESULTS, Run, StepResult, step_result_id, step_result_put
from phalanx.workflows._template import Step, StepContext, StepKind, StepOutput, Template

SEED_BITS = 63

_packed = msgspec.msgpack.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every run of one engine shares. ``slots`` bounds the steps that work at the same time."""

    store: Store
    clock: Clock
    telemetry: Telemetry
    fleet: Fleet
    circuits: Circuits
    offload: Offload
    slots: asyncio.Semaphore


class Execution:
    """Brings one run to its end from wherever it stands."""

    def __init__(self, around: Surroundings, template: Template, run: Run, done: list[StepResult]) -> None:
        self._around = around
        self._template = template
        self._run = run
        self.results = {result.step: result for result in done}
        self._finished = {step.name: asyncio.Event() for step in template.steps}
        self._log = around.telemetry.log.bind(room="workflows", run=run.id, trace=run.trace)
        metrics = around.telemetry.metrics
        self._seconds = metrics.histogram(
            "phalanx_workflow_step_seconds", "From a step's beginning to its result being kept.", ("template", "step")
        )
        self._steps = metrics.counter(
            "phalanx_workflow_steps_total", "Steps, by how they ended.", ("template", "step", "ended")
        )

    async def finish(self) -> None:
        """Run every step that has no result yet. The first error ends the run; results so far are kept."""
        try:
            async with asyncio.TaskGroup() as group:
                for step in self._template.steps:
                    if step.name in self.results:
                        self._finished[step.name].set()
                        self._count(step, "reused")
                    else:
                        group.create_task(self._work(step), name=f"step {step.name}")
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures.exceptions[0].__cause__

    async def _work(self, step: Step) -> None:
        for need in step.needs:
            await self._finished[need].wait()
        around, run = self._around, self._run
        async with around.slots:
            begun_ns = around.clock.monotonic_ns()
            with around.telemetry.tracer.span(
                step.name, room="workflows", trace=run.trace, run=run.id, kind=step.kind.value
            ) as span:
                context = self._context(step)
                output, degraded = await self._perform(step, context)
                span.set(degraded=degraded)
                self.results[step.name] = await self._keep(step, context, output, degraded)
            seconds = (around.clock.monotonic_ns() - begun_ns) / NS_PER_S
        self._seconds.labels(self._template.name, step.name).observe(seconds)
        self._count(step, "degraded" if degraded else "done")
        self._finished[step.name].set()

    def _context(self, step: Step) -> StepContext:
        around, run = self._around, self._run
        return StepContext(
            run=run.id,
            step=step.name,
            tenant=run.tenant,
            trace=run.trace,
            inputs=run.inputs,
            results={need: self.results[need] for need in step.needs},
            seed=Rng(run.seed).child(f"step/{step.name}").bits(SEED_BITS),
            started_ns=around.clock.wall_ns(),
            fleet=around.fleet,
            run_circuit=around.circuits.runner(f"{run.id}/{step.name}", run.tenant),
            offload=around.offload,
        )

    async def _perform(self, step: Step, context: StepContext) -> tuple[StepOutput, str]:
        """What the step gave, and why it was answered classically if it should not have been."""
        degraded = ""
        try:
            try:
                value = await step.run(context)
            except Unavailable as error:
                if step.fallback is None:
                    raise
                degraded = str(error)[:MAX_REASON_CHARS]
                self._log.warning("step degraded", step=step.name, reason=degraded)
                value = await step.fallback(context)
            return self._checked(step, value, degraded), degraded
        except Exception as error:  # whatever a step raises is its failure
            self._count(step, "failed")
            raise StepFailed(self._run.id, step.name, f"{type(error).__name__}: {error}") from error

    def _checked(self, step: Step, value: Any, degraded: str) -> StepOutput:
        """The step's output in the form it will have when it is read back."""
        output = value if isinstance(value, StepOutput) else StepOutput(value=value)
        if step.kind is StepKind.QUANTUM and not degraded and not output.provenance:
            raise InvalidInput("provenance", "a quantum step says where its result came from")
        if len(output.writes) + len(output.waypoints) > MAX_EXTRA_WRITES:
            n_extra = len(output.writes) + len(output.waypoints)
            raise LimitExceeded("rows written with a step's result", maximum=MAX_EXTRA_WRITES, seen=n_extra)
        for row in (*output.writes, *output.waypoints):
            if row.tenant != self._run.tenant:
                raise InvalidInput("tenant", f"a step of {self._run.tenant!r} cannot write for {row.tenant!r}")
        return replace(output, value=plain("a step's output", output.value, MAX_OUTPUT_BYTES))

    async def _keep(self, step: Step, context: StepContext, output: StepOutput, degraded: str) -> StepResult:
        """Commit the result and what goes with it, or take the one that was committed meanwhile."""
        store, run = self._around.store, self._run
        finished_ns = self._around.clock.wall_ns()
        result = StepResult(
            id=step_result_id(run.id, step.name),
            tenant=run.tenant,
            trace=run.trace,
            at_ns=finished_ns,
            run=run.id,
            step=step.name,
            step_kind=step.kind,
            output=output.value,
            provenance=output.provenance,
            started_ns=context.started_ns,
            finished_ns=finished_ns,
            degraded=degraded,
        )
        waypoints = (self._waypoint(result), *output.waypoints)
        writes = (step_result_put(result), *map(waypoint_put, waypoints), *output.writes)
        try:
            await store.commit(writes, expect=(Expect(STEP_RESULTS, run.tenant, result.id, 0),))
        except Conflict:
            row = await store.get(STEP_RESULTS, run.tenant, result.id)
            if row is None:
                raise
            self._log.info("step was done elsewhere", step=step.name)
            return decode(row.value, StepResult)
        for waypoint in waypoints:
            self._around.telemetry.feed.publish(waypoint)
        return result

    def _waypoint(self, result: StepResult) -> Waypoint:
        origins = ", ".join(f"{source.origin.value} on {source.device}" for source in result.provenance)
        how = f"{result.step_kind.value}, {origins}" if origins else result.step_kind.value
        if result.degraded:
            how = f"answered classically: {result.degraded}"
        return waypoint_of(
            result,
            room="workflows",
            stage="step",
            at_ns=result.at_ns,
            summary=f"{result.step}: {how}",
            run=result.run,
            template=self._template.name,
            step=result.step,
            kind=result.step_kind.value,
            degraded=result.degraded,
            duration_ns=result.finished_ns - result.started_ns,
        )

    def _count(self, step: Step, ended: str) -> None:
        self._steps.labels(self._template.name, step.name, ended).inc()


def plain(what: str, value: Any, max_bytes: int) -> Any:
    """``value`` as plain data, keys in order: exactly what reading it from the store will give.

    Raises ``InvalidInput`` when it cannot be said so and ``LimitExceeded`` when it is too big.
    """
    try:
        packed = _packed.encode(msgspec.to_builtins(value, str_keys=True))
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(what, f"cannot be kept: {error}") from error
    if len(packed) > max_bytes:
        raise LimitExceeded(f"{what} (bytes)", maximum=max_bytes, seen=len(packed))
    return msgspec.msgpack.decode(packed)
