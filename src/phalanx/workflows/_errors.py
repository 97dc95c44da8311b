"""Errors of the room; the tree is drawn in the package's docstring."""

from phalanx.core import PhalanxError
from phalanx.workflows._limits import MAX_REASON_CHARS


class WorkflowError(PhalanxError):
    """Root of what the room raises by itself."""

    code = "workflow"


class InvalidTemplate(WorkflowError):
    """A template cannot be run. Attributes: ``template``, ``step`` (empty: the whole), ``reason``."""

    code = "invalid-template"
    template: str
    step: str
    reason: str

    def __init__(self, template: str, step: str, reason: str) -> None:
        where = f"step {step!r} of template {template!r}" if step else f"template {template!r}"
        super().__init__(f"{where}: {reason}", template=template, step=step, reason=reason)


class RunChanged(WorkflowError):
    """A run was begun by another template than the one it is to go on with. Attributes: ``run``, ``reason``."""

    code = "run-changed"
    run: str
    reason: str

    def __init__(self, run: str, reason: str) -> None:
        super().__init__(
            f"run {run} cannot go on: {reason}",
            hint="start a new run; what the old one found is kept",
            run=run,
            reason=reason,
        )


class StepFailed(WorkflowError):
    """A step raised, or what it gave cannot be kept. Attributes: ``run``, ``step``, ``reason``.

    Nothing of the step was kept. Running the run again goes on at this step.
    """

    code = "step-failed"
    run: str
    step: str
    reason: str

    def __init__(self, run: str, step: str, reason: str) -> None:
        super().__init__(
            f"step {step!r} of run {run} failed: {reason[:MAX_REASON_CHARS]}",
            hint="the results of the other steps are kept; run it again to go on here",
            run=run,
            step=step,
            reason=reason[:MAX_REASON_CHARS],
        )
