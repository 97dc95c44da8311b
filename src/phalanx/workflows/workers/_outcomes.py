"""The outcome of a piece: a value, or what its function raised, and how either is sent between node and worker."""

from typing import Any

from phalanx.core import InvalidInput, LimitExceeded, Unavailable
from phalanx.workflows.workers._tries import PieceAsked, WorkFailed
from phalanx.workflows.workers._words import Done, Fault


def itself(value: Any) -> Any:
    return value


def raised(error: Exception) -> Any:
    raise error


def value_of(asked: PieceAsked, worker: str, done: Done) -> Any:
    """Raises what the function raised there."""
    if done.fault is None:
        return asked.function.result(done.value)
    fault: Fault = done.fault
    if fault.kind == "input":
        raise InvalidInput(fault.field, fault.reason)
    raise WorkFailed(asked.function.name, worker, fault.reason)


def fault_of(error: Exception) -> Fault:
    """How what a function raised is told to the node."""
    if isinstance(error, InvalidInput):
        return Fault("input", error.field, error.reason)
    if isinstance(error, LimitExceeded):
        return Fault("input", error.limit, error.message)
    kind = "lost" if isinstance(error, Unavailable) else "failed"
    return Fault(kind, "", f"{type(error).__name__}: {error}")
