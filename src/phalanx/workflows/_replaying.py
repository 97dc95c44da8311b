"""A run repeated and compared with what is stored of it: same inputs, same seeds, and nothing is stored.

Each step is given the stored results of what it needs, so the first step that differs is where the code no longer
reproduces the run. A step that may act on the outside is not repeated.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from phalanx.core import InvalidInput
from phalanx.workflows._errors import StepFailed
from phalanx.workflows._performing import Performer
from phalanx.workflows._records import StepResult
from phalanx.workflows._template import Step, Template


class StepReplayed(msgspec.Struct, frozen=True, kw_only=True):
    """``outcome`` is same, different, failed, or not done again; ``said`` is what it gave now where that differs."""

    step: str
    outcome: str
    reason: str = ""
    kept: Any = None
    said: Any = None


async def replayed(
    template: Template, performer: Performer, results: Mapping[str, StepResult], only: str = ""
) -> list[StepReplayed]:  # fmt: skip
    """Every step that has a kept result, in an order in which they can be done. Raises ``InvalidInput``."""
    steps = {step.name: step for step in template.steps}
    if only and only not in steps:
        raise InvalidInput("step", f"{only!r} is no step of {template.name!r}")
    wanted = [only] if only else template.order()
    return [await _again(steps[name], performer, results) for name in wanted if name in results]


async def _again(step: Step, performer: Performer, results: Mapping[str, StepResult]) -> StepReplayed:
    kept = results[step.name]
    if not step.pure:
        return StepReplayed(step=step.name, outcome="not done again", reason="it may act outside")
    try:
        said = await performer.again(step, results, degraded=kept.by_fallback)
    except StepFailed as error:
        return StepReplayed(step=step.name, outcome="failed", reason=error.reason, kept=kept.output)
    if said == kept.output:
        return StepReplayed(step=step.name, outcome="same")
    return StepReplayed(step=step.name, outcome="different", kept=kept.output, said=said)
