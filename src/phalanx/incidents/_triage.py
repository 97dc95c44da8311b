"""Triage: the analysis of one finding's case, as a workflow template and as a skill of analysts.

The template has three steps: ``collect`` (classical) reads the case into stages of an attack,
``estimate`` (quantum) answers how likely at least one of them happened, ``assess`` (classical)
weighs that and writes the assessment. A run sees the findings that were committed when it began:
they are its inputs, which the engine keeps, so a run resumed after a crash sees the same.
"""

import msgspec

from phalanx.agents import Capability, Mission, MissionRejected, Role, SkillManifest, Toolbox
from phalanx.core import MAX_PAGE_ROWS, Assessment, Finding, NotFound, Waypoint, derive_id, id_time_ns
from phalanx.incidents._judging import Collected, Estimated, attack_model, collected, exactly, judged
from phalanx.incidents._limits import (
    ESTIMATE_ALPHA,
    ESTIMATE_EPSILON,
    MAX_CASE_FINDINGS,
    MAX_CASE_SCAN,
    MAX_REASON_CHARS,
    TRIAGE_LIMIT_S,
)
from phalanx.incidents._responses import Responses
from phalanx.incidents._risk import Sign
from phalanx.incidents._telling import assessment_in_words
from phalanx.intel import Findings
from phalanx.quantum import estimate_probability
from phalanx.telemetry import waypoint_of
from phalanx.workflows import (
    Engine,
    RunChanged,
    RunStopped,
    Step,
    StepContext,
    StepKind,
    StepOutput,
    Template,
    assessment_put,
)
from phalanx.workflows.operations import estimated

TEMPLATE = "incident-triage"


class TriageInputs(msgspec.Struct, frozen=True, kw_only=True):
    """What a run begins with: the case as it was then. ``omitted`` counts findings over the limit."""

    case: str
    finding: str
    signs: tuple[Sign, ...]
    omitted: int


async def collect(context: StepContext) -> Collected:
    """The stages of an attack that the case shows, each with its risk."""
    inputs = msgspec.convert(context.inputs, TriageInputs)
    return collected(inputs.case, inputs.signs, omitted=inputs.omitted)


async def estimate(context: StepContext) -> StepOutput:
    """How likely at least one stage happened, by amplitude estimation on whatever device fits."""

    model = attack_model(_collected(context).stages)
    found = await estimate_probability(
        model, run=context.run_circuit, seed=context.seed, epsilon=ESTIMATE_EPSILON, alpha=ESTIMATE_ALPHA
    )
    value = Estimated(
        method="amplitude estimation",
        estimate=found.estimate,
        interval=found.interval,
        exact=model.exact(),
        calls=found.calls,
        monte_carlo_calls=found.monte_carlo_calls,
    )
    return estimated(value, found)


async def estimate_exactly(context: StepContext) -> Estimated:
    """The same without a quantum device."""
    return exactly(_collected(context).stages)


async def assess(context: StepContext) -> StepOutput:
    """Weigh the estimate, and keep the assessment together with this step's result."""
    seen, answer = _collected(context), context.results["estimate"]
    judgement = judged(seen, msgspec.convert(answer.output, Estimated), degraded=bool(answer.degraded))
    assessment = Assessment(
        id=derive_id(id_time_ns(context.run), "assessment", context.run),
        tenant=context.tenant,
        trace=context.trace,
        at_ns=context.started_ns,
        case=context.inputs["case"],
        finding=context.inputs["finding"],
        run=context.run,
        subject=seen.subject,
        verdict=judgement.verdict,
        probability=judgement.probability,
        interval=judgement.interval,
        confidence=judgement.confidence,
        contributions=judgement.contributions,
        provenance=answer.provenance,
        degraded=answer.degraded[:MAX_REASON_CHARS],
        evidence_at_ns=seen.latest_ns,
    )
    return StepOutput(
        value=assessment, writes=(assessment_put(assessment),), waypoints=(_assessment_waypoint(assessment),)
    )


triage_template = Template(
    name=TEMPLATE,
    title="Triage of one case",
    takes=TriageInputs,
    steps=(
        Step(name="collect", kind=StepKind.CLASSICAL, run=collect, pure=True),
        Step(
            name="estimate",
            kind=StepKind.QUANTUM,
            run=estimate,
            needs=("collect",),
            fallback=estimate_exactly,
            pure=True,
        ),
        Step(name="assess", kind=StepKind.CLASSICAL, run=assess, needs=("collect", "estimate"), pure=True),
    ),
)


class TriageSkill:
    """What an analyst does with a new finding: assess its case, and see the response through."""

    manifest = SkillManifest(
        name="triage",
        role=Role.ANALYST,
        capabilities=(Capability.AGGREGATION, Capability.INCIDENTS, Capability.RESPONSE),
        inputs=("finding",),
        outputs=("assessment", "action-proposal", "decision"),
        cost=1.0,
        permissions=("Engine", "Findings", "Responses"),
        limit_s=TRIAGE_LIMIT_S,
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        inputs = await _inputs(mission, tools.get(Findings))
        try:
            outcome = await tools.get(Engine).run(
                TEMPLATE,
                run_id=derive_id(id_time_ns(mission.id), "run", TEMPLATE, mission.id),
                tenant=mission.tenant,
                trace=mission.trace,
                inputs=msgspec.to_builtins(inputs),
            )
        except (RunChanged, RunStopped) as ended:
            raise MissionRejected(ended.message) from ended
        assessment = msgspec.convert(outcome.results["assess"].output, Assessment)
        response = await tools.get(Responses).consider(assessment)
        return f"{assessment_in_words(assessment)}; {response.note}"


triage_skill = TriageSkill()


async def _inputs(mission: Mission, findings: Findings) -> TriageInputs:
    """The case as it stands now: the finding of the mission, and the most severe others."""
    try:
        own = await findings.get(mission.tenant, mission.subject)
    except NotFound as missing:
        raise MissionRejected(missing.message) from missing
    case = [finding for finding in await _case(mission, findings) if finding.id != own.id]
    others = sorted(case, key=lambda finding: (-finding.severity, finding.id))[: MAX_CASE_FINDINGS - 1]
    return TriageInputs(
        case=mission.case,
        finding=own.id,
        signs=tuple(Sign.of(finding) for finding in (own, *others)),
        omitted=len(case) - len(others),
    )


async def _case(mission: Mission, findings: Findings) -> list[Finding]:
    """Findings of the mission's case, oldest first, as many as are looked at."""
    case: list[Finding] = []
    after = ""
    while len(case) < MAX_CASE_SCAN:
        page = await findings.list(mission.tenant, case=mission.case, after=after, limit=MAX_PAGE_ROWS)
        case += page
        if len(page) < MAX_PAGE_ROWS:
            break
        after = page[-1].id
    return case


def _collected(context: StepContext) -> Collected:
    return msgspec.convert(context.results["collect"].output, Collected)


def _assessment_waypoint(assessment: Assessment) -> Waypoint:
    return waypoint_of(
        assessment,
        room="incidents",
        stage="assessment",
        at_ns=assessment.at_ns,
        summary=assessment_in_words(assessment),
        verdict=assessment.verdict.value,
        probability=assessment.probability,
        case=assessment.case,
        run=assessment.run,
        degraded=assessment.degraded,
    )
