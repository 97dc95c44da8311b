"""What an operation is: a named piece of work that a workflow's file can use.

Its function takes the context and one struct, and it declares its result; so a file that uses it can be checked
before anything runs. A quantum operation has a classical fallback with the same input and result.
"""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

import msgspec

from phalanx.core import Baseline, InvalidInput
from phalanx.quantum import AmplitudeEstimate
from phalanx.quantum.routines import ESTIMATE_CLAIM, Answer
from phalanx.workflows._records import StepKind
from phalanx.workflows._template import StepContext, StepOutput

Stands = TypeVar("Stands", bound="Compared")
OperationWork = Callable[[StepContext, Any], Awaitable[Any]]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside every answer of a quantum operation: what it cost, and what classical methods give and cost.

    Where a step was answered classically there is nothing quantum to compare: all are empty.
    """

    quantum: Baseline | None = None
    classical: tuple[Baseline, ...] = ()
    claim: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """``takes`` is the struct of its arguments, ``gives`` the type of its output. ``pure`` as for a step.

    ``functions`` are plain functions that it has done elsewhere (``context.processes``), by workers too: each is
    annotated with what it takes and gives. ``means``: all that it asks of devices is means, so that ``zne`` and ``pec``
    can mitigate them.
    """

    name: str
    title: str
    kind: StepKind
    takes: type[msgspec.Struct]
    gives: Any
    run: OperationWork
    fallback: OperationWork | None = None
    pure: bool = True
    functions: tuple[Callable[..., Any], ...] = ()
    means: bool = False


def operation(
    name: str,
    *,
    title: str,
    gives: Any,
    fallback: OperationWork | None = None,
    pure: bool = True,
    functions: tuple[Callable[..., Any], ...] = (),
    means: bool = False,
) -> Callable[[OperationWork], Operation]:
    """Make an operation of ``async def work(context, asked: SomeStruct)``; with a ``fallback`` it is a quantum one.

    Raises ``InvalidInput`` when the function does not say what it takes.
    """

    def made(work: OperationWork) -> Operation:
        takes = _takes(name, work)
        if fallback is not None and _takes(name, fallback) is not takes:
            raise InvalidInput("fallback", f"of operation {name!r} takes something else")
        kind = StepKind.CLASSICAL if fallback is None else StepKind.QUANTUM
        return Operation(
            name=name, title=title, kind=kind, takes=takes, gives=gives, run=work, fallback=fallback, pure=pure,
            functions=functions, means=means,
        )  # fmt: skip

    return made


def _takes(name: str, work: OperationWork) -> type[msgspec.Struct]:
    parameters = list(inspect.signature(work).parameters)
    asked = get_type_hints(work).get(parameters[1]) if len(parameters) == 2 else None
    if not (isinstance(asked, type) and issubclass(asked, msgspec.Struct)):
        raise InvalidInput("operation", f"{name!r} takes the context and one struct of its arguments")
    return asked


def answered(value: Compared, answer: Answer) -> StepOutput:
    """A quantum routine's answer as a step's output."""
    value = _beside(value, answer.quantum, answer.classical, answer.claim)
    return StepOutput(value=value, provenance=(answer.provenance,))


def estimated(value: Compared, found: AmplitudeEstimate) -> StepOutput:
    """A probability that was estimated on devices as a step's output."""
    low, high = found.interval
    ours = Baseline(
        method="iterative amplitude estimation", value=found.estimate, error=(high - low) / 2, cost=found.calls,
        cost_unit="calls of the model",
    )  # fmt: skip
    value = _beside(value, ours, found.provenance[0].baselines, ESTIMATE_CLAIM)
    return StepOutput(value=value, provenance=found.provenance)


def _beside(value: Stands, quantum: Baseline, classical: tuple[Baseline, ...], claim: str) -> Stands:
    return msgspec.structs.replace(value, quantum=quantum, classical=classical, claim=claim)
