"""One run: each step begins when it may, and the run ends as its steps and people decide.

A step begins when the results it needs are stored; a pure one as soon as they are available. The step that
delivered the last of them continues with it in the same turn of the event loop, so that nothing else comes between.
"""

import asyncio
from collections.abc import Iterable, Sequence

from phalanx.core import NS_PER_S, Conflict, Expect, PhalanxError, Waypoint, decode
from phalanx.telemetry import waypoint_of, waypoint_put
from phalanx.workflows._attempts import StepAttempt
from phalanx.workflows._errors import RunStopped, StepFailed
from phalanx.workflows._keeping import Keeper, Posting
from phalanx.workflows._performing import Performed, Performer, Surroundings
from phalanx.workflows._records import STEP_RESULTS, Run, StepResult, step_result_id, step_result_put
from phalanx.workflows._states import RunState, RunStatus, Wanted, moved
from phalanx.workflows._template import Step, StepOutput, Template
from phalanx.workflows._underway import Underway
from phalanx.workflows._undoing import take_back


class Execution:
    """Brings one run to its end from wherever it stands."""

    def __init__(
        self, around: Surroundings, template: Template, run: Run, keeper: Keeper, done: Sequence[StepResult],
        attempts: Sequence[StepAttempt],
    ) -> None:  # fmt: skip
        self._around = around
        self._template = template
        self._run = run
        self._keeper = keeper
        self.results = {result.step: result for result in done}
        self._performer = Performer(around, run, keeper, attempts)
        self._performer.rest_s = lambda step: around.times.rests_s(template)[step]
        self._waits = {
            step.name: sum(need not in self.results for need in step.needs)
            for step in template.steps
            if step.name not in self.results
        }
        self._after: dict[str, list[Step]] = {}
        for step in template.steps:
            for need in step.needs:
                self._after.setdefault(need, []).append(step)
        self._working: set[asyncio.Task[None]] = set()
        self._log = around.telemetry.log.bind(room="workflows", run=run.id, trace=run.trace)
        metrics = around.telemetry.metrics
        self._seconds = metrics.histogram(
            "phalanx_workflow_step_seconds", "From a step's start to its result being stored.", ("template", "step")
        )
        self._steps = metrics.counter(
            "phalanx_workflow_steps_total", "Steps, by how they ended.", ("template", "step", "ended")
        )
        self._runs = metrics.counter("phalanx_workflow_runs_total", "Runs, by how they ended.", ("template", "ended"))

    async def finish(self) -> None:
        """Run every step that has no result yet. The first error ends the run; results so far are kept.

        Raises ``StepFailed``, ``RunStopped`` when it was paused or cancelled, and ``Taken``.
        """
        for name in self.results:
            self._steps.labels(self._template.name, name, "reused").inc()
        if self._keeper.state.status is not RunStatus.RUNNING:
            return
        self._keeper.heard = self._heard
        try:
            try:
                async with asyncio.timeout(self._left_s()):
                    await self._bring_forward()
            except asyncio.CancelledError:
                await self._keeper.drop()
                raise
            finally:
                await self._keeper.drained()
        except StepFailed as failed:
            await self._end(RunStatus.FAILED, str(failed.reason), step=failed.step, field=failed.field)
            raise
        except TimeoutError as late:
            missed = self._too_late()
            await self._end(RunStatus.FAILED, missed.reason, step=missed.step, field=missed.field)
            raise missed from late
        await self._settle()

    def underway(self) -> dict[str, Underway]:
        """What each step does that has what it needs and is not done."""
        return {name: one for name, one in self._performer.underway().items() if name not in self.results}

    def _left_s(self) -> float | None:
        deadline_ns = self._keeper.state.deadline_ns
        if not deadline_ns or self._keeper.wanted is Wanted.CANCEL:
            return None
        return max(0.0, (deadline_ns - self._around.clock.wall_ns()) / NS_PER_S)

    def _too_late(self) -> StepFailed:
        names = [step.name for step in self._template.steps if step.name not in self.results]
        text = f"the run's deadline passed with {', '.join(names)} still to come"
        return StepFailed(self._run.id, names[0] if names else "", text, field="deadline")

    async def _bring_forward(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for step in self._template.steps:
                    if self._waits.get(step.name) == 0:
                        self._begin(group, step)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures.exceptions[0].__cause__

    def _begin(self, group: asyncio.TaskGroup, step: Step) -> None:
        if self._keeper.wanted is Wanted.GO:
            task = group.create_task(self._work(group, step), name=f"step {step.name}")
            self._working.add(task)
            task.add_done_callback(self._working.discard)

    def _heard(self) -> None:
        """Somebody wants something of the run: cancelling does not wait for the steps at work."""
        if self._keeper.wanted is Wanted.CANCEL:
            own = asyncio.current_task()
            for task in self._working:
                if task is not own:
                    task.cancel()

    async def _work(self, group: asyncio.TaskGroup, step: Step) -> None:
        """Perform ``step``, and then, without a turn of the loop between, one that waited for nothing else."""
        following: Step | None = step
        while following is not None:
            posting = await self._perform(following)
            after = self._after.get(following.name, ())
            ready = self._freed(one for one in after if one.pure)
            held_up = [one for one in after if not one.pure]
            if not ready:
                await posting.kept
                ready = self._freed(held_up)
            elif held_up:
                group.create_task(self._when_kept(group, posting, held_up))
            for one in ready[1:]:
                self._begin(group, one)
            following = ready[0] if ready and self._keeper.wanted is Wanted.GO else None

    async def _when_kept(self, group: asyncio.TaskGroup, posting: Posting, held_up: Sequence[Step]) -> None:
        await posting.kept
        for step in self._freed(held_up):
            self._begin(group, step)

    def _freed(self, steps: Iterable[Step]) -> list[Step]:
        """Those of ``steps``, each of which has one thing less to wait for now, that wait for nothing more."""
        freed = []
        for step in steps:
            self._waits[step.name] -= 1
            if not self._waits[step.name]:
                freed.append(step)
        return freed

    async def _perform(self, step: Step) -> Posting:
        """Have the step done and its result posted; it counts as there from then on."""
        around, run = self._around, self._run
        begun_ns = around.clock.monotonic_ns()
        with around.telemetry.tracer.span(
            step.name, room="workflows", trace=run.trace, run=run.id, kind=step.kind.value
        ) as span:
            try:
                performed = await self._performer.perform(step, self.results)
            except StepFailed:
                self._count(step, "failed")
                raise
            span.set(degraded=performed.degraded)
        self._learn(step, performed)
        result = self._result(step, performed)
        posting = self._posting(result, performed.output, begun_ns)
        self._keeper.post(posting)
        self.results[step.name] = result
        return posting

    def _learn(self, step: Step, performed: Performed) -> None:
        """What the step took; where it waited for a place, what its pieces took."""
        took_ns = sum(one.ended_ns - one.begun_ns for one in performed.pieces)
        self._around.times.note(
            self._template.name, step.name, (took_ns or performed.finished_ns - performed.started_ns) / NS_PER_S
        )

    def _result(self, step: Step, performed: Performed) -> StepResult:
        run, output = self._run, performed.output
        return StepResult(
            id=step_result_id(run.id, step.name),
            tenant=run.tenant,
            trace=run.trace,
            at_ns=performed.finished_ns,
            run=run.id,
            step=step.name,
            step_kind=step.kind,
            output=output.value,
            provenance=output.provenance,
            started_ns=performed.started_ns,
            finished_ns=performed.finished_ns,
            degraded=performed.degraded,
            windows=performed.windows,
            pieces=performed.pieces,
            way=performed.way,
            why=performed.why,
        )

    def _posting(self, result: StepResult, output: StepOutput, begun_ns: int) -> Posting:
        """The result and what goes with it, to be kept unless it was kept meanwhile."""
        waypoints = (self._waypoint(result), *output.waypoints)

        def on_kept() -> None:
            for waypoint in waypoints:
                self._around.telemetry.feed.publish(waypoint)
            seconds = (self._around.clock.monotonic_ns() - begun_ns) / NS_PER_S
            self._seconds.labels(self._template.name, result.step).observe(seconds)
            self._steps.labels(self._template.name, result.step, "degraded" if result.degraded else "done").inc()

        async def conflicting(conflict: Conflict) -> PhalanxError | None:
            row = await self._around.store.get(STEP_RESULTS, result.tenant, result.id)
            if row is None:
                return conflict
            self._log.info("step was done elsewhere", step=result.step)
            if decode(row.value, StepResult).output == result.output:
                return None
            # What was begun upon ours would not follow from what is kept: the next try goes on from there.
            return StepFailed(result.run, result.step, "another result of it is kept already", field="output")

        is_last = len(self.results) + 1 == len(self._template.steps)
        return Posting(
            writes=(step_result_put(result), *map(waypoint_put, waypoints), *output.writes),
            expect=(Expect(STEP_RESULTS, result.tenant, result.id, 0),),
            then=self._done if is_last else None,
            conflicting=conflicting,
            on_kept=on_kept,
        )

    def _done(self, state: RunState) -> RunState | None:
        """The state with the last result; a run that is to be cancelled takes back first."""
        if state.wanted is Wanted.CANCEL:
            return None
        return moved(state, RunStatus.DONE, at_ns=self._around.clock.wall_ns(), wanted=Wanted.GO)

    async def _settle(self) -> None:
        """End the run when no step is at work any more."""
        state = self._keeper.state
        if state.status is RunStatus.DONE:
            self._runs.labels(self._template.name, "done").inc()
            return
        if self._keeper.wanted is Wanted.CANCEL:
            await self._cancel()
            return
        if len(self.results) == len(self._template.steps):
            # Two steps ended at once, each before it knew of the other.
            await self._keeper.commit((), then=self._done)
            await self._settle()
            return
        await self._end(RunStatus.PAUSED, state.reason, by=state.by)
        raise RunStopped(self._run.id, "paused", state.reason)

    async def _cancel(self) -> None:
        state = self._keeper.state
        await self._performer.abandon()
        failed = await take_back(self._template, self._run, self._performer, self._keeper, self._around)
        if failed is not None:
            text = f"cancelled, but step {failed.step!r} could not be undone: {failed.reason}"
            await self._end(RunStatus.FAILED, text, step=failed.step, field=failed.field or "undo")
            raise failed
        await self._end(RunStatus.CANCELLED, state.reason, by=state.by)
        raise RunStopped(self._run.id, "cancelled", state.reason)

    async def _end(self, status: RunStatus, reason: str, *, step: str = "", field: str = "", by: str = "") -> None:
        self._runs.labels(self._template.name, status.value).inc()
        # What people wanted of it is done, or is moot; a failed undoing goes on as a cancelling.
        undoing = status is RunStatus.FAILED and self._keeper.wanted is Wanted.CANCEL
        wanted = Wanted.CANCEL if undoing else Wanted.GO

        def after(state: RunState) -> RunState:
            return moved(
                state, status, at_ns=self._around.clock.wall_ns(), by=by, reason=reason, step=step, field=field,
                wanted=wanted,
            )  # fmt: skip

        await self._keeper.commit((), then=after)

    def _waypoint(self, result: StepResult) -> Waypoint:
        origins = ", ".join(f"{source.origin.value} on {source.device}" for source in result.provenance)
        how = f"{result.step_kind.value}, {origins}" if origins else result.step_kind.value
        if result.by_fallback:
            how = f"answered classically: {result.degraded or result.why}"
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
