"""Durable execution of workflows.

Invariants:

- the result of a step is committed, with its waypoint and whatever else the step writes, before a step that needs
  it and may act on the outside begins, and before the result of any that needs it; a step whose result is committed
  never runs again, not even in another process;
- two engines that advance one run at the same time may both work on a step, but only what is stored by the engine
  that took the run up last counts, once (``Expect`` version 0 on the result, and the state's version on every
  commit);
- inputs, template shape and seed are those of the first call: a resumed run ends as the first would have.

It survives the process dying at any await, and power loss as far as the store does.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from phalanx.allocation import Breakers
from phalanx.balancing import Pool
from phalanx.core import (
    NO_TRACE,
    Clock,
    Conflict,
    LimitExceeded,
    NotFound,
    Offload,
    Overloaded,
    PhalanxError,
    Rng,
    StorageError,
    Store,
    TenantId,
    TraceId,
)
from phalanx.devices import Chooser, Fleet
from phalanx.telemetry import Telemetry
from phalanx.workflows._attempts import attempts_of
from phalanx.workflows._circuits import Circuits
from phalanx.workflows._desk import Desk
from phalanx.workflows._errors import InvalidTemplate, RunChanged, RunStopped, StepFailed, Taken
from phalanx.workflows._execution import Execution
from phalanx.workflows._gantt import Gantt, gantt_of
from phalanx.workflows._keeping import Keeper
from phalanx.workflows._learned import StepTimes
from phalanx.workflows._limits import FOLLOW_S, MAX_CONCURRENT_STEPS, MAX_TEMPLATES, STORE_CALLS_AT_ONCE
from phalanx.workflows._opening import Asked, Opening, check_deadline, check_same
from phalanx.workflows._pacing import PacedStore
from phalanx.workflows._performing import Performer, Surroundings
from phalanx.workflows._portable import functions_of
from phalanx.workflows._records import Run, Runs, StepKind, StepResult
from phalanx.workflows._replaying import StepReplayed, replayed
from phalanx.workflows._service import Service
from phalanx.workflows._states import Held, RunState, RunStates, RunStatus, moved
from phalanx.workflows._template import Template
from phalanx.workflows._turns import Turns
from phalanx.workflows._wishes import Wish
from phalanx.workflows.workers import Crew

ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """A finished run: every step's result, in the template's order."""

    run_id: str
    results: dict[str, StepResult]


@dataclass(slots=True)
class _Ongoing:
    """A run that this engine brings forward now."""

    ended: asyncio.Event = field(default_factory=asyncio.Event)
    error: PhalanxError | None = None
    keeper: Keeper | None = None
    execution: Execution | None = None


class Engine:
    """Runs registered templates on one store. Any number of runs may be under way.

    ``name`` tells engines apart that share a store: what an engine left behind is taken up at once by the next one of
    its name, and by others when it was not heard for a while. ``processes`` take work that keeps a core busy, as
    far as a ``crew`` does not spread it further.
    """

    def __init__(
        self, store: Store, clock: Clock, telemetry: Telemetry, fleet: Fleet, offload: Offload, rng: Rng, *,
        name: str = ENGINE, processes: Offload | None = None, chooser: Chooser | None = None,
        breakers: Breakers | None = None, crew: Crew | None = None,
    ) -> None:  # fmt: skip
        store = PacedStore(store, STORE_CALLS_AT_ONCE)
        self._around = Surroundings(
            store=store,
            clock=clock,
            telemetry=telemetry,
            fleet=fleet,
            circuits=Circuits(fleet, clock, chooser, breakers),
            offload=offload,
            processes=processes or offload,
            crew=crew,
            times=StepTimes(),
            turns={kind: Turns(MAX_CONCURRENT_STEPS) for kind in StepKind},
        )
        self.runs = Runs(store)
        self.states = RunStates(store)
        self._templates: dict[str, Template] = {}
        self._opening = Opening(store, clock, rng, name)
        self._ongoing: dict[tuple[TenantId, str], _Ongoing] = {}
        self._service = Service(store, clock, telemetry, self._opening, self._served)
        self._log = telemetry.log.bind(room="workflows")

    @property
    def pool(self) -> Pool:
        """How circuits are spread over the devices."""
        return self._around.circuits.pool

    def use(self, desk: Desk) -> None:
        """From now on circuits of steps become jobs of the node, where something is at stake."""
        self._around.circuits.use(desk)

    @property
    def crew(self) -> Crew | None:
        """Who does what keeps a core busy."""
        return self._around.crew

    @property
    def in_flight(self) -> int:
        """How many runs this engine brings forward now."""
        return max(len(self._ongoing), self._service.underway)

    @property
    def templates(self) -> list[Template]:
        """Those that are registered, by name."""
        return sorted(self._templates.values(), key=lambda template: template.name)

    def template(self, name: str) -> Template:
        """Raises ``NotFound``."""
        if name not in self._templates:
            raise NotFound("workflow template", name)
        return self._templates[name]

    def register(self, template: Template, *, instead: bool = False) -> None:
        """Make a template known, ``instead`` of the one of its name; else it is refused (``InvalidTemplate``)."""
        if template.name in self._templates and not instead:
            raise InvalidTemplate(template.name, "", "another template has the same name")
        if len(self._templates) >= MAX_TEMPLATES:
            raise LimitExceeded("workflow templates", maximum=MAX_TEMPLATES, seen=MAX_TEMPLATES + 1)
        self._templates[template.name] = template
        if (crew := self._around.crew) is not None:
            for function in functions_of(template):
                crew.functions.add(function)

    async def serve(self) -> None:
        """Bring forward what was submitted, what was under way when the process ended, and what dead engines left."""
        await self._service.serve()

    async def run(
        self, template: str, *, run_id: str, tenant: TenantId, trace: TraceId, inputs: Mapping[str, Any],
        deadline_s: float = 0.0,
    ) -> RunOutcome:  # fmt: skip
        """Run a template to its end, or go on with ``run_id`` where it was left; a finished run is only read.

        Raises ``StepFailed`` when a step does, ``RunChanged`` when the run was begun by another template,
        ``RunStopped`` when it is paused or cancelled, and what the store raises. After a failure, running it again goes
        on from what is kept. A run that another engine takes up meanwhile is waited for.
        """
        shape = self.template(template)
        asked = Asked(
            template=shape, run_id=run_id, tenant=tenant, trace=trace, inputs=inputs, deadline_s=deadline_s
        )  # fmt: skip
        asked.check()
        key = tenant, run_id
        with self._around.telemetry.tracer.span("run", room="workflows", trace=trace, run=run_id, template=template):
            while True:
                if (other := self._ongoing.get(key)) is not None:
                    await other.ended.wait()
                    if other.error is not None and not isinstance(other.error, (Taken, StorageError, Overloaded)):
                        raise other.error
                try:
                    results = await self._waited_for(key, asked)
                except (Conflict, Taken):
                    await self._follow(tenant, run_id)
                else:
                    return RunOutcome(run_id, {step.name: results[step.name] for step in shape.steps})

    async def submit(
        self, template: str, *, run_id: str, tenant: TenantId, inputs: Mapping[str, Any], trace: TraceId = NO_TRACE,
        deadline_s: float = 0.0, by: str = "", seed: int | None = None,
    ) -> RunState:  # fmt: skip
        """Have a run brought to its end by whoever serves, and return where it stands at once.

        The same ``run_id`` is one run, however often it is submitted. With the same ``seed`` and inputs its pure steps
        give the same.
        """
        asked = Asked(
            template=self.template(template), run_id=run_id, tenant=tenant, trace=trace, inputs=inputs,
            deadline_s=deadline_s, by=by, seed=seed,
        )  # fmt: skip
        asked.check()
        now = self._service.has_room and (tenant, run_id) not in self._ongoing
        run, held, new = await self._opening.begun(asked, status=RunStatus.RUNNING if now else RunStatus.QUEUED)
        if new and now:
            self._service.launch(tenant, run_id, self._served(tenant, run_id, (run, held)))
        elif held.state.status is RunStatus.QUEUED:
            self._service.wake()
        return held.state

    async def pause(self, tenant: TenantId, run: str, *, by: str, reason: str = "") -> RunState:
        """Begin no further step; those at work end. Raises ``InvalidInput`` when the run has ended."""
        return await self._wished(tenant, run, self._wish(by, reason).to_pause)

    async def resume(
        self, tenant: TenantId, run: str, *, by: str, reason: str = "", deadline_s: float = 0.0
    ) -> RunState:
        """Have a paused or failed run go on from what is kept."""
        begun = await self.runs.get(tenant, run)
        if begun is None:
            raise NotFound("run", run)
        template = self.template(begun.template)
        check_same(begun, template)
        check_deadline(template, deadline_s)
        wish, deadline_ns = self._wish(by, reason), self._opening.deadline_ns(deadline_s)
        return await self._wished(tenant, run, lambda state: wish.to_resume(state, deadline_ns))

    async def cancel(self, tenant: TenantId, run: str, *, by: str, reason: str = "") -> RunState:
        """Break off the steps at work, and undo what steps did outside, the last first."""
        return await self._wished(tenant, run, self._wish(by, reason).to_cancel)

    async def gantt(self, tenant: TenantId, run: str) -> Gantt:
        """The chart of a run as far as it has come, with what this engine has its steps do now. Raises ``NotFound``."""
        begun, held = await self.runs.get(tenant, run), await self.states.held(tenant, run)
        if begun is None or held is None:
            raise NotFound("run", run)
        results = await self.runs.steps(tenant, run)
        attempts = await attempts_of(self._around.store, tenant, run)
        ongoing = self._ongoing.get((tenant, run))
        underway = {} if ongoing is None or ongoing.execution is None else ongoing.execution.underway()
        return gantt_of(
            self.template(begun.template), begun, held.state, results, attempts, underway,
            now_ns=self._around.clock.wall_ns(),
        )  # fmt: skip

    async def replay(self, tenant: TenantId, run: str, *, step: str = "") -> list[StepReplayed]:
        """Do the pure steps of a run again, or one of them, and say which give something else. Keeps nothing.

        Raises ``NotFound``, and ``RunChanged`` when the template is another one by now.
        """
        begun, held = await self.runs.get(tenant, run), await self.states.held(tenant, run)
        if begun is None or held is None:
            raise NotFound("run", run)
        template = self.template(begun.template)
        check_same(begun, template)
        results = {one.step: one for one in await self.runs.steps(tenant, run)}
        keeper = Keeper(self._around.store, self._around.clock, held)
        return await replayed(template, Performer(self._around, begun, keeper, ()), results, step)

    def _wish(self, by: str, reason: str) -> Wish:
        return Wish(by=by, reason=reason, at_ns=self._around.clock.wall_ns())

    async def _wished(self, tenant: TenantId, run: str, how: Callable[[RunState], RunState]) -> RunState:
        held = await self._opening.change(tenant, run, how)
        ongoing = self._ongoing.get((tenant, run))
        if ongoing is not None and ongoing.keeper is not None:
            ongoing.keeper.told(held)
        elif held.state.status is RunStatus.QUEUED:
            self._service.launch(tenant, run)
        elif held.state.status is RunStatus.RUNNING and held.state.owner == self._opening.owner:
            self._service.launch(tenant, run)  # Who waited for it went away.
        return held.state

    async def _waited_for(self, key: tuple[TenantId, str], asked: Asked) -> dict[str, StepResult]:
        ongoing = self._ongoing[key] = _Ongoing()
        try:
            run, held, new = await self._opening.begun(asked, status=RunStatus.RUNNING)
            if not new:
                held = await self._opening.taken_up(held, deadline_s=asked.deadline_s or asked.template.limit_s)
            return await self._bring(ongoing, asked.template, run, held)
        except PhalanxError as error:
            ongoing.error = error
            raise
        finally:
            del self._ongoing[key]
            ongoing.ended.set()

    async def _bring(self, ongoing: _Ongoing, template: Template, run: Run, held: Held) -> dict[str, StepResult]:
        keeper = ongoing.keeper = Keeper(self._around.store, self._around.clock, held)
        fresh = held.state.fence == 1 and held.state.status is RunStatus.RUNNING
        done = [] if fresh else await self.runs.steps(run.tenant, run.id)
        attempts = [] if fresh else await attempts_of(self._around.store, run.tenant, run.id)
        execution = ongoing.execution = Execution(self._around, template, run, keeper, done, attempts)
        await execution.finish()
        return execution.results

    async def _served(self, tenant: TenantId, run_id: str, begun: tuple[Run, Held] | None = None) -> None:
        """Bring a run forward that nobody waits for; what comes of it is in its state."""
        key = tenant, run_id
        if key in self._ongoing:
            return
        ongoing = self._ongoing[key] = _Ongoing()
        try:
            run, held = begun or await self._again(tenant, run_id)
            template = self.template(run.template)
            check_same(run, template)
            with self._around.telemetry.tracer.span(
                "run", room="workflows", trace=run.trace, run=run_id, template=template.name
            ):
                await self._bring(ongoing, template, run, held)
        except (RunChanged, NotFound) as error:
            ongoing.error = error
            await self._failed(tenant, run_id, error)
        except (StepFailed, RunStopped) as error:
            ongoing.error = error
        except (Conflict, Taken) as error:
            self._log.info("run is another engine's", run=run_id, reason=str(error))
        except PhalanxError as error:  # storage is full or has too much to do; other runs go on
            ongoing.error = error
            self._log.warning("run waits for storage", run=run_id, reason=str(error))
            self._service.leave(tenant, run_id)
        finally:
            del self._ongoing[key]
            ongoing.ended.set()

    async def _again(self, tenant: TenantId, run_id: str) -> tuple[Run, Held]:
        run, held = await self.runs.get(tenant, run_id), await self.states.held(tenant, run_id)
        if run is None or held is None:
            raise NotFound("run", run_id)
        return run, await self._opening.taken_up(held)

    async def _failed(self, tenant: TenantId, run_id: str, error: PhalanxError) -> None:
        at_ns = self._around.clock.wall_ns()

        def to_failed(state: RunState) -> RunState:
            return moved(state, RunStatus.FAILED, at_ns=at_ns, reason=error.message, field="template")

        await self._opening.change(tenant, run_id, to_failed)

    async def _follow(self, tenant: TenantId, run_id: str) -> None:
        """Wait until the run is somebody's no more."""
        while True:
            held = await self.states.held(tenant, run_id)
            if held is None or held.state.status is not RunStatus.RUNNING:
                return
            now_ns = self._around.clock.wall_ns()
            if held.state.owner != self._opening.owner and not await self.states.is_alive(
                held.state.owner, now_ns=now_ns
            ):
                return
            await self._around.clock.sleep(FOLLOW_S)
