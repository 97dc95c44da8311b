"""The risk table, and how findings become stages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phalanx.core import Severity
from phalanx.incidents._risk import (
    MAX_RISK,
    NO_TACTIC,
    SEVERITY_WEIGHT,
    STAGES,
    TACTICS,
    Sign,
    shifted,
    sign_risk,
    stage_risks,
)
from phalanx.quantum import MAX_STAGES

# https://attack.mitre.org/tactics/enterprise/
ENTERPRISE_TACTICS = {
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "defense-evasion",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "impact",
}


def test_every_tactic_has_a_stage_and_a_prior_that_is_a_probability():
    assert set(TACTICS) == ENTERPRISE_TACTICS
    assert all(0.0 < prior <= MAX_RISK for _, prior in TACTICS.values())
    assert NO_TACTIC[0] in STAGES
    assert len(STAGES) <= MAX_STAGES


def test_every_severity_has_a_weight_and_a_worse_one_weighs_more():
    weights = [SEVERITY_WEIGHT[severity] for severity in Severity]
    assert weights == sorted(weights)
    assert len(set(weights)) == len(Severity)


def test_a_risk_is_the_prior_scaled_by_confidence_and_severity(sign):
    prior = TACTICS["execution"][1]
    assert sign_risk(sign(confidence=1.0)) == ("foothold", prior)
    assert sign_risk(sign(confidence=0.5)) == ("foothold", pytest.approx(prior / 2))
    assert sign_risk(sign(severity=Severity.LOW))[1] == pytest.approx(prior * SEVERITY_WEIGHT[Severity.LOW])


def test_a_finding_of_several_tactics_speaks_for_the_gravest_and_no_other(sign):
    risks = stage_risks([sign(tactics=("execution", "exfiltration", "discovery"))])
    assert [(s.stage, s.risk) for s in risks] == [("objective", TACTICS["exfiltration"][1])]


@pytest.mark.parametrize("tactics", [(), ("made-up",)])
def test_a_finding_without_a_known_tactic_still_counts_for_a_little(sign, tactics):
    assert sign_risk(sign(tactics=tactics)) == NO_TACTIC


def test_the_strongest_finding_of_a_stage_counts_and_the_others_are_listed(sign):
    weak, strong = sign(1, confidence=0.3), sign(2, confidence=0.9)
    [stage] = stage_risks([weak, strong])
    assert (stage.risk, stage.strongest) == (sign_risk(strong)[1], strong.title)
    assert stage.findings == (strong.finding, weak.finding)


@given(st.randoms(use_true_random=False), st.data())
def test_stages_do_not_depend_on_the_order_of_findings(random, data):
    signs = [
        Sign(
            finding=f"f{n}",
            title=f"t{n}",
            severity=data.draw(st.sampled_from(Severity)),
            confidence=data.draw(st.sampled_from((0.2, 0.8))),
            tactics=(data.draw(st.sampled_from(sorted(TACTICS))),),
            hosts=(),
        )
        for n in range(data.draw(st.integers(1, 12)))
    ]
    shuffled = list(signs)
    random.shuffle(shuffled)
    assert stage_risks(shuffled) == stage_risks(signs)
    assert [s.stage for s in stage_risks(signs)] == [
        name for name in STAGES if name in {s.stage for s in stage_risks(signs)}
    ]


@given(
    confidence=st.floats(allow_nan=False, allow_infinity=True),
    severity=st.sampled_from(Severity),
    tactic=st.sampled_from(sorted(TACTICS)),
)
def test_no_finding_alone_is_certain(confidence, severity, tactic):
    one = Sign(finding="f", title="t", severity=severity, confidence=confidence, tactics=(tactic,), hosts=())
    assert 0.0 <= sign_risk(one)[1] <= MAX_RISK < 1.0


@given(risk=st.floats(0.0, MAX_RISK), factor=st.floats(0.25, 4.0))
def test_shifting_multiplies_the_odds(risk, factor):
    moved = shifted(risk, factor)
    assert moved / (1 - moved) == pytest.approx(factor * risk / (1 - risk))
