"""Starting a run, and taking one up: the commits that make a run this engine's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from phalanx.core import (
    NO_TRACE,
    NS_PER_S,
    Clock,
    Conflict,
    Expect,
    InvalidInput,
    NotFound,
    Put,
    Rng,
    Store,
    TenantId,
    TraceId,
    is_id,
)
from phalanx.workflows._errors import RunChanged, RunStopped
from phalanx.workflows._limits import LEASE_S, MAX_COMMIT_TRIES, MAX_DEADLINE_S, MAX_INPUT_BYTES
from phalanx.workflows._performing import SEED_BITS, converted, plain
from phalanx.workflows._records import RUNS, Run, Runs, run_put
from phalanx.workflows._states import (
    ENDED,
    RUN_STATES,
    Held,
    RunState,
    RunStates,
    RunStatus,
    Wanted,
    lease_put,
    moved,
    state_put,
)
from phalanx.workflows._template import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A run that somebody wants. ``seed`` is what all its steps draw from; none: one of its own."""

    template: Template
    run_id: str
    tenant: TenantId
    trace: TraceId = NO_TRACE
    inputs: Mapping[str, Any]
    deadline_s: float = 0.0
    by: str = ""
    seed: int | None = None

    def check(self) -> None:
        """Refuse what cannot be run, before anything is kept."""
        if not is_id(self.run_id):
            raise InvalidInput("run_id", f"{self.run_id!r} is not an identifier")
        if self.seed is not None and not 0 <= self.seed < 1 << SEED_BITS:
            raise InvalidInput("seed", f"0 to 2^{SEED_BITS} - 1, got {self.seed}")
        check_deadline(self.template, self.deadline_s)


def check_deadline(template: Template, deadline_s: float) -> None:
    """Refuse a deadline that no run of ``template`` can meet; 0 is none."""
    if not 0.0 <= deadline_s <= MAX_DEADLINE_S:  # also refuses NaN
        raise InvalidInput("deadline_s", f"0 to {MAX_DEADLINE_S:g} are allowed, not {deadline_s:g}")
    least_s, steps = template.least_s()
    if 0 < deadline_s < least_s:
        raise InvalidInput(
            "deadline_s", f"steps {', '.join(map(repr, steps))} take {least_s:g} s at the least, not {deadline_s:g}"
        )


class Opening:
    """Begins runs and takes them up for the engine called ``owner``."""

    def __init__(self, store: Store, clock: Clock, rng: Rng, owner: str) -> None:
        self.owner = owner
        self._store = store
        self._clock = clock
        self._rng = rng
        self._runs = Runs(store)
        self._states = RunStates(store)
        self._lease_until_ns = 0

    def lease(self, *, now: bool = False) -> list[Put]:
        """What says that this engine is at work, when it is time to say so."""
        at_ns = self._clock.wall_ns()
        if not now and self._lease_until_ns - at_ns > LEASE_S / 2 * NS_PER_S:
            return []
        self._lease_until_ns = at_ns + int(LEASE_S * NS_PER_S)
        return [lease_put(self.owner, at_ns=at_ns, until_ns=self._lease_until_ns)]

    async def begun(self, asked: Asked, *, status: RunStatus) -> tuple[Run, Held, bool]:
        """The run as it was begun, now (then it stands at ``status``, and the last is true) or before."""
        run, held = await self._known(asked)
        if run is not None and held is not None:
            return run, held, False
        if run is None:
            made = self._made(asked)
            try:
                state = self._state(made, asked, status)
                version = await self._store.commit(
                    [run_put(made), state_put(state), *self.lease()],
                    expect=[Expect(RUNS, made.tenant, made.id, 0), Expect(RUN_STATES, made.tenant, made.id, 0)],
                )
            except Conflict:
                run, held = await self._known(asked)
                if run is None or held is None:
                    raise
                return run, held, False
            return made, Held(state, version), True
        # Begun by a version that kept no states.
        state = self._state(run, asked, RunStatus.QUEUED)
        version = await self._store.commit([state_put(state)], expect=[Expect(RUN_STATES, run.tenant, run.id, 0)])
        return run, Held(state, version), False

    async def taken_up(self, held: Held, *, deadline_s: float = 0.0) -> Held:
        """``held`` as this engine's, whoever had it; a finished run is as it is.

        Raises ``RunStopped`` when it is paused or cancelled, and ``Conflict`` when somebody was faster.
        """
        state = held.state
        if state.status is RunStatus.DONE:
            return held
        if state.status in ENDED or state.status is RunStatus.PAUSED:
            raise RunStopped(state.id, state.status.value, state.reason)
        at_ns = self._clock.wall_ns()
        again = state.status is RunStatus.FAILED
        if again and state.wanted is Wanted.CANCEL:
            raise RunStopped(state.id, state.status.value, state.reason)
        after = moved(
            state, RunStatus.RUNNING, at_ns=at_ns, by=state.by if state.wanted is not Wanted.GO else "",
            reason=state.reason if state.wanted is not Wanted.GO else "", step="", field="", owner=self.owner,
            fence=state.fence + 1, queued_ns=at_ns if again else state.queued_ns,
            deadline_ns=self.deadline_ns(deadline_s) if again else state.deadline_ns,
        )  # fmt: skip
        version = await self._store.commit([state_put(after), *self.lease()], expect=[held.expected])
        return Held(after, version)

    async def change(self, tenant: TenantId, run: str, how: Callable[[RunState], RunState]) -> Held:
        """Change where a run stands, whoever has it. Raises ``NotFound``."""
        tries = 0
        while True:
            held = await self._states.held(tenant, run)
            if held is None:
                raise NotFound("run", run)
            after = how(held.state)
            if after == held.state:
                return held
            try:
                version = await self._store.commit([state_put(after)], expect=[held.expected])
            except Conflict:
                tries += 1
                if tries == MAX_COMMIT_TRIES:
                    raise
            else:
                return Held(after, version)

    async def _known(self, asked: Asked) -> tuple[Run | None, Held | None]:
        run = await self._runs.get(asked.tenant, asked.run_id)
        if run is None:
            return None, None
        check_same(run, asked.template)
        return run, await self._states.held(asked.tenant, asked.run_id)

    def _made(self, asked: Asked) -> Run:
        inputs = plain("inputs", dict(asked.inputs), MAX_INPUT_BYTES)
        if asked.template.takes is not None:
            taken = converted(inputs, asked.template.takes, "inputs")
            inputs = plain("inputs", taken, MAX_INPUT_BYTES)
        return Run(
            id=asked.run_id,
            tenant=asked.tenant,
            trace=asked.trace,
            at_ns=self._clock.wall_ns(),
            template=asked.template.name,
            shape=asked.template.shape,
            inputs=inputs,
            seed=self._rng.child(f"run/{asked.run_id}").bits(SEED_BITS) if asked.seed is None else asked.seed,
        )

    def _state(self, run: Run, asked: Asked, status: RunStatus) -> RunState:
        at_ns = self._clock.wall_ns()
        state = RunState(
            id=run.id, tenant=run.tenant, trace=run.trace, at_ns=at_ns, template=run.template, status=status,
            by=asked.by, queued_ns=at_ns, deadline_ns=self.deadline_ns(asked.deadline_s or asked.template.limit_s),
        )  # fmt: skip
        state = moved(state, status, at_ns=at_ns, by=asked.by)
        if status is RunStatus.RUNNING:
            state = msgspec.structs.replace(state, owner=self.owner, fence=1)
        return state

    def deadline_ns(self, deadline_s: float) -> int:
        return self._clock.wall_ns() + int(deadline_s * NS_PER_S) if deadline_s else 0


def check_same(run: Run, template: Template) -> None:
    """Raise ``RunChanged`` unless ``run`` was begun by ``template`` as it is now."""
    if run.template != template.name:
        raise RunChanged(run.id, f"it was begun by template {run.template!r}, not {template.name!r}")
    if run.shape != template.shape:
        raise RunChanged(run.id, f"the steps of template {template.name!r} have changed since it was begun")
