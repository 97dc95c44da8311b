"""The last step of an analysis: signals become an assessment, which is stored with the step."""

import msgspec

from phalanx.core import Assessment, Contribution, Entity, derive_id, id_time_ns
from phalanx.telemetry import waypoint_of
from phalanx.workflows._limits import MAX_REASON_CHARS
from phalanx.workflows._records import assessment_put
from phalanx.workflows._template import StepContext, StepOutput
from phalanx.workflows.operations._contract import operation
from phalanx.workflows.operations._signals import Fused, Signal, fuse


class AssessAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is assessed, and what speaks for and against it. ``scale`` and ``shift`` are a fitted calibration."""

    about: str
    signals: list[Signal]
    about_type: str = "question"
    scale: float = 1.0
    shift: float = 0.0
    calibrated: bool = False


class Assessed(msgspec.Struct, frozen=True, kw_only=True):
    """The assessment's id, and everything behind it."""

    assessment: str
    about: str
    fused: Fused


@operation("assess", title="Signals of several steps as one assessment, with what would change it", gives=Assessed)
async def assess(context: StepContext, asked: AssessAsked) -> StepOutput:
    """A signal whose step was answered classically is marked so, whatever its step says of itself.

    So is every signal where a step that gives none was: they rest on it, or it would not be needed.
    """
    needed = context.results
    given = {one.name for one in asked.signals}
    below = "; ".join(dict.fromkeys(one.degraded for name, one in needed.items() if one.degraded and name not in given))
    signals = [
        msgspec.structs.replace(
            one, degraded=(needed[one.name].degraded if one.name in needed else "") or one.degraded or below
        )
        for one in asked.signals
    ]
    found = fuse(signals, scale=asked.scale, shift=asked.shift, calibrated=asked.calibrated)
    assessment = Assessment(
        id=derive_id(id_time_ns(context.run), "assessment", context.run, context.step),
        tenant=context.tenant, trace=context.trace, at_ns=context.started_ns, case=f"run:{context.run}",
        finding="", run=context.run, subject=Entity(asked.about_type, asked.about), verdict=found.verdict,
        probability=found.probability, interval=found.interval, confidence=found.confidence,
        contributions=(
            *(Contribution(step=one.name, summary=one.summary, value=one.log_odds) for one in found.parts),
            *(Contribution(step=context.step, summary=turn.text, value=turn.probability) for turn in found.turns[:3]),
        ),
        provenance=tuple(source for result in needed.values() for source in result.provenance),
        degraded=found.degraded[:MAX_REASON_CHARS],
    )  # fmt: skip
    waypoint = waypoint_of(
        assessment, room="workflows", stage="assessment", at_ns=assessment.at_ns,
        summary=f"{asked.about} {found.verdict.value} with probability {found.probability:.2f} "
        f"[{found.interval[0]:.2f}, {found.interval[1]:.2f}]",
        verdict=found.verdict.value, probability=found.probability, run=context.run, degraded=assessment.degraded,
    )  # fmt: skip
    value = Assessed(assessment=assessment.id, about=asked.about, fused=found)
    return StepOutput(value=value, writes=(assessment_put(assessment),), waypoints=(waypoint,))
