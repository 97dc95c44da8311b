"""What every operation must do, ours and anybody's.

A check is a function of two arguments: the operation, and arguments for which it gives an answer. It is run as a step
of a workflow, in a world of its own.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from phalanx.core import DEFAULT_TENANT, NO_TRACE, Rng, derive_id
from phalanx.devices import Fleet, ProviderContext, local_provider
from phalanx.telemetry import Telemetry
from phalanx.testing._world import SimWorld
from phalanx.workflows import Engine, Step, StepContext, StepKind, StepResult, Template
from phalanx.workflows.operations import Operation

OperationCheck = Callable[[Operation, Mapping[str, Any]], None]
_AT_NS = 10**18


def check_operation_gives_what_it_says(operation: Operation, arguments: Mapping[str, Any]) -> None:
    found = _ran(operation, arguments)
    assert operation.name.strip() == operation.name != "", "an operation has a name"
    assert operation.title, "and a title for people"
    msgspec.convert(found.output, operation.gives)
    quantum = operation.kind is StepKind.QUANTUM
    assert bool(found.provenance) == quantum, "a quantum operation, and only one, says where its answer is from"


def check_operation_is_repeatable(operation: Operation, arguments: Mapping[str, Any]) -> None:
    assert _ran(operation, arguments).output == _ran(operation, arguments).output, "one seed gave two answers"


def check_operation_answers_without_a_device(operation: Operation, arguments: Mapping[str, Any]) -> None:
    """And in the same form, so that the steps after it need not know."""
    found = _ran(operation, arguments, devices=False)
    assert bool(found.degraded) == (operation.kind is StepKind.QUANTUM), "a classical answer says that it is one"
    msgspec.convert(found.output, operation.gives)


def _ran(operation: Operation, arguments: Mapping[str, Any], *, devices: bool = True) -> StepResult:
    async def work(context: StepContext) -> Any:
        return await operation.run(context, msgspec.convert(dict(arguments), operation.takes))

    async def instead(context: StepContext) -> Any:
        assert operation.fallback is not None
        return await operation.fallback(context, msgspec.convert(dict(arguments), operation.takes))

    step = Step(
        name="step", kind=operation.kind, run=work, fallback=None if operation.fallback is None else instead,
        gives=operation.gives, pure=operation.pure,
    )  # fmt: skip

    async def main(world: SimWorld) -> StepResult:
        made = local_provider(ProviderContext(world.offload, world.clock)).backends() if devices else ()
        engine = Engine(world.store("n"), world.clock, Telemetry(world.clock), Fleet(made), world.offload, Rng(1))
        engine.register(Template(name="checked", title="One operation", steps=(step,)))
        outcome = await engine.run(
            "checked", run_id=derive_id(_AT_NS, "run"), tenant=DEFAULT_TENANT, trace=NO_TRACE, inputs={}
        )
        return outcome.results["step"]

    return SimWorld(1).run(main)


OPERATION_CHECKS: tuple[OperationCheck, ...] = (
    check_operation_gives_what_it_says,
    check_operation_is_repeatable,
    check_operation_answers_without_a_device,
)
