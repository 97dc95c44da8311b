"""The same steps without the engine: plain asyncio, which keeps nothing, with overlap and without it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phalanx.adapters import SystemClock, ThreadOffload
from phalanx.adapters.processes import ProcessOffload
from phalanx.core import DEFAULT_TENANT, NO_TRACE, Circuit, Rng
from phalanx.devices import Fleet
from phalanx.quantum import ShotResult
from phalanx.workflows import Step, StepContext, StepKind, StepOutput, StepResult, Template

_SEED_BITS = 63


@dataclass(frozen=True, slots=True)
class Plain:
    """Runs a workflow's steps as coroutines."""

    fleet: Fleet
    threads: ThreadOffload
    processes: ProcessOffload

    async def run(
        self, template: Template, *, run: str, seed: int, inputs: Mapping[str, Any], one_by_one: bool = False
    ) -> dict[str, Any]:
        """Every step's output. With ``one_by_one`` a step begins when the one before it has ended."""
        results: dict[str, StepResult] = {}
        steps = {step.name: step for step in template.steps}
        if one_by_one:
            for name in template.order():
                results[name] = await self._step(steps[name], run, seed, inputs, results)
        else:
            tasks: dict[str, asyncio.Task[None]] = {}

            async def after(step: Step) -> None:
                for need in step.needs:
                    await tasks[need]
                results[step.name] = await self._step(step, run, seed, inputs, results)

            async with asyncio.TaskGroup() as group:
                for name in template.order():
                    tasks[name] = group.create_task(after(steps[name]))
        return {name: results[name].output for name in sorted(results)}

    async def _circuit(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        return await self.fleet.place(circuit.n_qubits, shots=shots).backend.run(circuit, shots=shots, seed=seed)

    async def _step(
        self, step: Step, run: str, seed: int, inputs: Mapping[str, Any], results: Mapping[str, StepResult]
    ) -> StepResult:
        clock = SystemClock()
        context = StepContext(
            run=run, step=step.name, tenant=DEFAULT_TENANT, trace=NO_TRACE, inputs=inputs,
            results={need: results[need] for need in step.needs},
            seed=Rng(seed).child(f"step/{step.name}").bits(_SEED_BITS), started_ns=clock.wall_ns(), fleet=self.fleet,
            run_circuit=self._circuit, offload=self.threads, processes=self.processes, key=run,
        )  # fmt: skip
        given = await step.run(context)
        output = given if isinstance(given, StepOutput) else StepOutput(value=given)
        return StepResult(
            id=run, tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=clock.wall_ns(), run=run, step=step.name,
            step_kind=StepKind(step.kind), output=output.value, provenance=output.provenance,
            started_ns=context.started_ns, finished_ns=clock.wall_ns(),
        )  # fmt: skip
