"""Durable execution of workflows.

Invariants:

- the result of a step is committed, with its waypoint and whatever else the step writes, before a step
  that needs it begins; a step whose result is committed never runs again, also not in another process;
- two engines that bring one run forward at the same time may both work on a step, but one result is
  kept (``Expect`` version 0), and both go on with it;
- inputs, template shape and seed are those of the first call: a resumed run ends as the first would have.

It survives the process dying at any await, and power loss as far as the store does.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phalanx.balancing import Pool
from phalanx.core import (
    Clock,
    Conflict,
    Expect,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Offload,
    Rng,
    Store,
    TenantId,
    TraceId,
    is_id,
)
from phalanx.devices import Fleet
from phalanx.telemetry import Telemetry
from phalanx.workflows._circuits import Circuits
from phalanx.workflows._errors import InvalidTemplate, RunChanged
from phalanx.workflows._execution import SEED_BITS, Execution, Surroundings, plain
from phalanx.workflows._limits import MAX_CONCURRENT_STEPS, MAX_INPUT_BYTES, MAX_TEMPLATES
from phalanx.workflows._records import RUNS, Run, Runs, StepResult, run_put
from phalanx.workflows._template import Template


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """A finished run: every step's result, in the template's order."""

    run_id: str
    results: dict[str, StepResult]


class Engine:
    """Runs registered templates on one store. Any number of runs may be under way."""

    def __init__(
        self, store: Store, clock: Clock, telemetry: Telemetry, fleet: Fleet, offload: Offload, rng: Rng
    ) -> None:
        slots = asyncio.Semaphore(MAX_CONCURRENT_STEPS)
        self._around = Surroundings(
            store=store,
            clock=clock,
            telemetry=telemetry,
            fleet=fleet,
            circuits=Circuits(fleet, clock),
            offload=offload,
            slots=slots,
        )
        self._rng = rng
        self._runs = Runs(store)
        self._templates: dict[str, Template] = {}

    @property
    def pool(self) -> Pool:
        """How circuits are spread over the devices."""
        return self._around.circuits.pool

    def register(self, template: Template) -> None:
        """Make a template known. Raises ``InvalidTemplate`` when its name is taken."""
        if template.name in self._templates:
            raise InvalidTemplate(template.name, "", "another template has the same name")
        if len(self._templates) >= MAX_TEMPLATES:
            raise LimitExceeded("workflow templates", maximum=MAX_TEMPLATES, seen=MAX_TEMPLATES + 1)
        self._templates[template.name] = template

    async def run(
        self, template: str, *, run_id: str, tenant: TenantId, trace: TraceId, inputs: Mapping[str, Any]
    ) -> RunOutcome:
        """Run a template to its end, or go on with ``run_id`` where it was left; a finished run is only read.

        Raises ``StepFailed`` when a step does, ``RunChanged`` when the run was begun by another template,
        and what the store raises. In each case running it again goes on from what is kept.
        """
        if template not in self._templates:
            raise NotFound("workflow template", template)
        if not is_id(run_id):
            raise InvalidInput("run_id", f"{run_id!r} is not an identifier")
        shape = self._templates[template]
        with self._around.telemetry.tracer.span("run", room="workflows", trace=trace, run=run_id, template=template):
            run = await self._begun(shape, run_id, tenant, trace, inputs)
            execution = Execution(self._around, shape, run, await self._runs.steps(tenant, run_id))
            await execution.finish()
        return RunOutcome(run_id, {step.name: execution.results[step.name] for step in shape.steps})

    async def _begun(
        self, template: Template, run_id: str, tenant: TenantId, trace: TraceId, inputs: Mapping[str, Any]
    ) -> Run:
        """The run as it was begun, now or before."""
        run = await self._runs.get(tenant, run_id)
        if run is None:
            run = Run(
                id=run_id,
                tenant=tenant,
                trace=trace,
                at_ns=self._around.clock.wall_ns(),
                template=template.name,
                shape=template.shape,
                inputs=plain("inputs", dict(inputs), MAX_INPUT_BYTES),
                seed=self._rng.child(f"run/{run_id}").bits(SEED_BITS),
            )
            try:
                await self._around.store.commit([run_put(run)], expect=[Expect(RUNS, tenant, run_id, 0)])
            except Conflict:
                run = await self._runs.get(tenant, run_id)
                if run is None:
                    raise
        if run.template != template.name:
            raise RunChanged(run_id, f"it was begun by template {run.template!r}, not {template.name!r}")
        if run.shape != template.shape:
            raise RunChanged(run_id, f"the steps of template {template.name!r} have changed since it was begun")
        return run
