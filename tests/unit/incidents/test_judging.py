"""From stages to a verdict: against closed forms, and never surer than what it rests on."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import Entity, Verdict
from phalanx.incidents._judging import Collected, Estimated, attack_model, collected, exactly, judged
from phalanx.incidents._risk import MAX_RISK, STAGES, UNCALIBRATED_CONFIDENCE, StageRisk, shifted

RISKS = st.lists(st.floats(0.0, MAX_RISK), min_size=1, max_size=len(STAGES))


def staged(risks):
    return tuple(
        StageRisk(stage=name, risk=risk, strongest="seen", findings=("f",))
        for name, risk in zip(STAGES, risks, strict=False)
    )


def seen(stages):
    return Collected(subject=Entity("host", "ws-1"), n_findings=len(stages), omitted=0, stages=stages)


def estimated(estimate, *, low, high, exact):
    return Estimated(
        method="test", estimate=estimate, interval=(low, high), exact=exact, calls=10, monte_carlo_calls=100
    )


@given(RISKS)
def test_the_question_is_whether_at_least_one_stage_happened(risks):
    stages = staged(risks)
    assert exactly(stages).estimate == pytest.approx(1 - math.prod(1 - risk for risk in risks))
    outcomes = itertools.product((False, True), repeat=len(risks))
    by_hand = sum(
        math.prod(risk if happened else 1 - risk for risk, happened in zip(risks, outcome, strict=True))
        for outcome in outcomes
        if any(outcome)
    )
    assert attack_model(stages).exact() == pytest.approx(by_hand)


@given(RISKS)
def test_the_interval_reaches_as_far_as_doubled_and_halved_odds_move_the_answer(risks):
    stages = staged(risks)
    judgement = judged(seen(stages), exactly(stages))
    low, high = judgement.interval
    assert low == pytest.approx(1 - math.prod(1 - shifted(risk, 0.5) for risk in risks))
    assert high == pytest.approx(1 - math.prod(1 - shifted(risk, 2.0) for risk in risks))
    assert low <= judgement.probability <= high


@given(RISKS)
def test_confidence_never_claims_more_than_uncalibrated_priors_allow(risks):
    stages = staged(risks)
    judgement = judged(seen(stages), exactly(stages))
    assert 0.0 <= judgement.confidence <= UNCALIBRATED_CONFIDENCE <= 0.5
    assert "not calibrated" in judgement.contributions[-1].summary


@pytest.mark.parametrize(
    ("risk", "verdict"),
    [
        (0.0, Verdict.INCONCLUSIVE),
        (0.149, Verdict.INCONCLUSIVE),
        (0.15, Verdict.SUSPICIOUS),
        (0.699, Verdict.SUSPICIOUS),
        (0.7, Verdict.COMPROMISED),
        (0.95, Verdict.COMPROMISED),
    ],
)
def test_the_verdict_names_a_region_of_the_probability(stages, risk, verdict):
    answer = estimated(risk, low=risk, high=risk, exact=risk)
    judgement = judged(seen(stages(0.5)), answer)
    assert judgement.verdict is verdict
    # Little that speaks for an intrusion is not taken for innocence, and that is said.
    little = judgement.contributions[-1].summary.startswith("too little evidence to tell, and none of innocence")
    assert little == (verdict is Verdict.INCONCLUSIVE)


def test_an_estimate_that_contradicts_the_exact_sum_is_not_used_and_that_is_said(stages):
    case = seen(stages(0.2))
    judgement = judged(case, estimated(0.9, low=0.88, high=0.92, exact=0.2))
    assert judgement.probability == 0.2
    assert judgement.verdict is Verdict.SUSPICIOUS
    assert judgement.interval[1] < 0.88
    estimate = next(c for c in judgement.contributions if c.step == "estimate")
    assert "contradicts the exact sum 0.200 and was not used" in estimate.summary


def test_an_estimate_that_agrees_is_used(stages):
    judgement = judged(seen(stages(0.2)), estimated(0.21, low=0.19, high=0.23, exact=0.2))
    assert judgement.probability == 0.21
    assert [c.step for c in judgement.contributions] == ["collect", "estimate", "assess"]


def test_the_subject_is_the_first_host_named_or_the_case_itself(sign):
    named = collected("case", [sign(2, host="later"), sign(1, host=""), sign(3, host="later")], omitted=4)
    assert named.subject == Entity("host", "later")
    assert (named.n_findings, named.omitted) == (3, 4)
    assert collected("case", [sign(1, host="")], omitted=0).subject == Entity("case", "case")


def test_what_was_collected_does_not_depend_on_the_order(sign):
    signs = [sign(n, host=f"ws-{n}", tactics=(tactic,)) for n, tactic in enumerate(("execution", "impact", "impact"))]
    assert collected("case", signs, omitted=0) == collected("case", signs[::-1], omitted=0)
