"""Errors of the room; the tree is drawn in the package's docstring."""

from collections.abc import Sequence
from dataclasses import dataclass

from phalanx.core import PhalanxError
from phalanx.workflows._limits import MAX_REASON_CHARS


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file, where: ``line`` and ``column`` count from 1, ``field`` is the way to it."""

    line: int
    column: int
    field: str
    reason: str


class WorkflowError(PhalanxError):
    """Root of this room's own errors."""

    code = "workflow"


class InvalidTemplate(WorkflowError):
    """A template cannot be run. Attributes: ``template``, ``step`` (empty: the whole), ``field`` of it, ``reason``."""

    code = "invalid-template"
    template: str
    step: str
    field: str
    reason: str

    def __init__(self, template: str, step: str, reason: str, *, field: str = "") -> None:
        where = f"step {step!r} of template {template!r}" if step else f"template {template!r}"
        at = f"{field}: " if field else ""
        super().__init__(f"{where}: {at}{reason}", template=template, step=step, field=field, reason=reason)


class InvalidFile(WorkflowError):
    """A workflow's file cannot be used. Attributes: ``file``, ``problems`` (each with line, column, field, reason)."""

    code = "invalid-workflow-file"
    file: str
    problems: tuple[Problem, ...]

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        lines = [
            f"{file}:{one.line}:{one.column}: {one.field + ': ' if one.field else ''}{one.reason}" for one in problems
        ]
        super().__init__("\n".join(lines), file=file, problems=tuple(problems))


class RunChanged(WorkflowError):
    """A run was begun by another template than the one it is to continue with. Attributes: ``run``, ``reason``."""

    code = "run-changed"
    run: str
    reason: str

    def __init__(self, run: str, reason: str) -> None:
        super().__init__(
            f"run {run} cannot go on: {reason}",
            hint="start a new run; the old one's results are kept",
            run=run,
            reason=reason,
        )


class RunStopped(WorkflowError):
    """A run does not continue: it was paused or cancelled. Attributes: ``run``, ``status``, ``reason``."""

    code = "run-stopped"
    run: str
    status: str
    reason: str

    def __init__(self, run: str, status: str, reason: str) -> None:
        super().__init__(
            f"run {run} is {status}" + (f": {reason}" if reason else ""),
            hint="have it go on with `phalanx workflows resume`" if status == "paused" else "begin a new run",
            run=run,
            status=status,
            reason=reason,
        )


class StepFailed(WorkflowError):
    """A step raised, or its result cannot be stored. Attributes: ``run``, ``step``, ``field``, ``reason``.

    ``field`` is empty unless one value is at fault. Nothing of the step was kept. Running the run again goes on at
    this step.
    """

    code = "step-failed"
    run: str
    step: str
    field: str
    reason: str

    def __init__(self, run: str, step: str, reason: str, *, field: str = "") -> None:
        where = f" at {field}" if field else ""
        super().__init__(
            f"step {step!r} of run {run} failed{where}: {reason[:MAX_REASON_CHARS]}",
            hint="the results of the other steps are kept; run it again to continue here",
            run=run,
            step=step,
            field=field,
            reason=reason[:MAX_REASON_CHARS],
        )


class Taken(WorkflowError):
    """Another engine has taken over the run; this one stores nothing more. Attribute: ``run``."""

    code = "run-taken"
    run: str

    def __init__(self, run: str) -> None:
        super().__init__(f"run {run} was taken up by another engine", run=run)
