"""The three steps of a triage as pure functions: collect, put the question, judge.

Each step's result is a struct, because the workflow engine stores it as plain data and passes it on.
"""

from collections.abc import Sequence

import msgspec

from phalanx.core import Contribution, Entity, Verdict, counted
from phalanx.incidents._risk import PRIOR_ODDS_FACTOR, UNCALIBRATED_CONFIDENCE, Sign, StageRisk, shifted, stage_risks
from phalanx.quantum import AttackModel, Stage
from phalanx.workflows.operations import DEGRADED_COST, Compared, verdict_of


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the case when its run first looks. ``omitted`` findings were over the limit.

    ``latest_ns`` is when the latest of what the findings rest on happened.
    """

    subject: Entity
    n_findings: int
    omitted: int
    stages: tuple[StageRisk, ...]
    latest_ns: int = 0


class Estimated(Compared, frozen=True, kw_only=True):
    """The probability that at least one stage happened, how it was found, and what classical methods say.

    ``interval`` covers the sampling of the method and nothing else. ``calls`` are uses of the
    model by the method, ``monte_carlo_calls`` what sampling would need for the same interval.
    """

    method: str
    estimate: float
    interval: tuple[float, float]
    exact: float
    calls: int
    monte_carlo_calls: int


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. ``interval`` covers sampling and priors that are off; see ``judged``."""

    verdict: Verdict
    probability: float
    interval: tuple[float, float]
    confidence: float
    contributions: tuple[Contribution, ...]


def collected(case: str, signs: Sequence[Sign], *, omitted: int) -> Collected:
    """What ``signs`` say of ``case``; the same whatever order they come in."""
    ordered = sorted(signs, key=lambda sign: sign.finding)
    # The first host named, else a source of events; a case without either is about itself. Only a host is isolated.
    sources = (sign.source for sign in ordered if sign.source is not None)
    subject = next((host for sign in ordered for host in sign.hosts), None) or next(sources, Entity("case", case))
    return Collected(
        subject=subject, n_findings=len(ordered), omitted=omitted, stages=stage_risks(ordered),
        latest_ns=max((sign.seen_ns for sign in ordered), default=0),
    )  # fmt: skip


def attack_model(stages: Sequence[StageRisk], *, odds_factor: float = 1.0) -> AttackModel:
    """At least one stage happened; each on its own, with its risk."""
    return AttackModel.through([[Stage(s.stage, (shifted(s.risk, odds_factor),)) for s in stages]])


def exactly(stages: Sequence[StageRisk]) -> Estimated:
    """The answer by adding up all outcomes: what is used when no quantum device can be had."""
    exact = attack_model(stages).exact()
    return Estimated(
        method="exact sum",
        estimate=exact,
        interval=(exact, exact),
        exact=exact,
        calls=2 ** len(stages),
        monte_carlo_calls=0,
    )


def judged(collected: Collected, estimated: Estimated, *, degraded: bool = False) -> Judged:
    """Weigh the estimate.

    The interval reaches as far as the answer moves when the odds of every prior are halved or
    doubled, and at least as far as the method's own. It is a statement about the priors that the
    answer rests on, not a confidence level. An estimate that contradicts the exact sum is not
    used: nobody's computer is cut off because a device was noisy. What was answered classically for want
    of a device (``degraded``) is told with less confidence, as in every other analysis.
    """
    low, high = estimated.interval
    agrees = low <= estimated.exact <= high
    probability = estimated.estimate if agrees else estimated.exact
    floor = attack_model(collected.stages, odds_factor=1.0 / PRIOR_ODDS_FACTOR).exact()
    ceiling = attack_model(collected.stages, odds_factor=PRIOR_ODDS_FACTOR).exact()
    interval = (min(floor, low), max(ceiling, high)) if agrees else (floor, ceiling)
    # Triage adds up what speaks for an intrusion and looks for nothing that speaks against one: little of it is too
    # little to tell, and no sign of innocence.
    verdict = verdict_of(probability, calibrated=False)
    return Judged(
        verdict=verdict,
        probability=probability,
        interval=interval,
        confidence=UNCALIBRATED_CONFIDENCE * (1.0 - (interval[1] - interval[0])) * (1.0 - DEGRADED_COST * degraded),
        contributions=(
            Contribution(step="collect", summary=_collected(collected), value=float(collected.n_findings)),
            Contribution(step="estimate", summary=_estimated(estimated, agrees=agrees), value=estimated.estimate),
            Contribution(step="assess", summary=_judged(verdict, interval), value=probability),
        ),
    )


def _collected(collected: Collected) -> str:
    signs = "; ".join(f"{s.stage} {s.risk:.2f} ({s.strongest})" for s in collected.stages)
    omitted = f", {collected.omitted} more over the limit" if collected.omitted else ""
    found, stages = counted(collected.n_findings, "finding"), counted(len(collected.stages), "stage")
    return f"{found}{omitted} show{'s' if collected.n_findings == 1 else ''} {stages}: {signs}"


def _estimated(estimated: Estimated, *, agrees: bool) -> str:
    low, high = estimated.interval
    found = f"{estimated.method}: {estimated.estimate:.3f} [{low:.3f}, {high:.3f}] in {estimated.calls} calls"
    if estimated.monte_carlo_calls:
        found += f", Monte Carlo would take {estimated.monte_carlo_calls}"
    return found if agrees else f"{found}; contradicts the exact sum {estimated.exact:.3f} and was not used"


def _judged(verdict: Verdict, interval: tuple[float, float]) -> str:
    low, high = interval
    little = "too little evidence to tell, and none of innocence; " if verdict is Verdict.INCONCLUSIVE else ""
    return (
        f"{little}between {low:.2f} and {high:.2f} if all prior odds are halved or doubled; "
        "the priors are set by hand and not calibrated on data"
    )
