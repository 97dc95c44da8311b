"""From findings to the stages of an attack, each with the risk that it really happened.

The numbers below are **priors set by hand**. They say how likely a finding of a tactic is part of an intrusion
rather than of ordinary administration, if the rule is as sure as it can be. Their order follows from what each
tactic has in common with legitimate work (discovery: nearly everything; dumping credentials or staging data for
exfiltration: hardly anything). They are not measured and not calibrated on data; an assessment therefore says how
far its answer moves when all odds are halved or doubled, and claims no more confidence than
``UNCALIBRATED_CONFIDENCE``.

The model is as simple as its basis: a finding's risk is its tactic's prior, scaled by the rule's confidence and the
finding's severity. Findings of one stage are often the same act seen by several rules, so the strongest counts and
the others add nothing; stages are assumed to be independent. The case is a compromise if at least one stage really
happened.
"""

from collections.abc import Sequence

import msgspec

from phalanx.core import Entity, Finding, Severity
from phalanx.incidents._limits import MAX_TITLE_CHARS

# Tactics as ATT&CK (Enterprise) names them, with their stage and prior.
TACTICS: dict[str, tuple[str, float]] = {
    "reconnaissance": ("survey", 0.05),
    "resource-development": ("survey", 0.05),
    "discovery": ("survey", 0.10),
    "initial-access": ("entry", 0.35),
    "execution": ("foothold", 0.30),
    "persistence": ("foothold", 0.30),
    "privilege-escalation": ("escalation", 0.40),
    "defense-evasion": ("escalation", 0.35),
    "credential-access": ("credentials", 0.55),
    "lateral-movement": ("spread", 0.50),
    "collection": ("objective", 0.40),
    "command-and-control": ("objective", 0.50),
    "exfiltration": ("objective", 0.60),
    "impact": ("objective", 0.60),
}
STAGES = tuple(dict.fromkeys(stage for stage, _ in TACTICS.values()))
# A finding whose rule names no tactic that we know.
NO_TACTIC = ("survey", 0.10)
# What a rule's author thought of the harm also says how seldom it fires on ordinary work.
SEVERITY_WEIGHT = {
    Severity.INFORMATIONAL: 0.1,
    Severity.LOW: 0.4,
    Severity.MEDIUM: 0.7,
    Severity.HIGH: 1.0,
    Severity.CRITICAL: 1.4,
}
# No prior set by hand makes anything certain.
MAX_RISK = 0.95
# How much the odds of every prior are taken to be possibly wrong, both ways.
PRIOR_ODDS_FACTOR = 2.0
UNCALIBRATED_CONFIDENCE = 0.5


class Sign(msgspec.Struct, frozen=True, kw_only=True):
    """What triage takes of a finding; the inputs of a run are a list of these."""

    finding: str
    title: str
    severity: Severity
    confidence: float
    tactics: tuple[str, ...]
    hosts: tuple[Entity, ...]
    source: Entity | None = None
    seen_ns: int = 0

    @classmethod
    def of(cls, finding: Finding) -> "Sign":
        return cls(
            finding=finding.id,
            title=finding.title[:MAX_TITLE_CHARS],
            severity=finding.severity,
            confidence=finding.confidence,
            tactics=finding.tactics,
            hosts=tuple(entity for entity in finding.entities if entity.type == "host"),
            source=next((entity for entity in finding.entities if entity.type == "source"), None),
            seen_ns=finding.last_seen_ns,
        )


class StageRisk(msgspec.Struct, frozen=True, kw_only=True):
    """One stage that a case shows: the risk that it happened, and the findings that speak for it."""

    stage: str
    risk: float
    strongest: str
    findings: tuple[str, ...]


def sign_risk(sign: Sign) -> tuple[str, float]:
    """The stage a finding speaks for and the risk that it is what it looks like.

    One with several tactics speaks for the stage of the highest prior and no other: it is one act.
    """
    known = [TACTICS[tactic] for tactic in sign.tactics if tactic in TACTICS]
    stage, prior = max(known, key=lambda entry: entry[1], default=NO_TACTIC)
    confidence = min(max(sign.confidence, 0.0), 1.0)
    return stage, min(MAX_RISK, prior * confidence * SEVERITY_WEIGHT[sign.severity])


def stage_risks(signs: Sequence[Sign]) -> tuple[StageRisk, ...]:
    """The stages that ``signs`` show, in the order of an attack."""
    seen: dict[str, list[tuple[float, Sign]]] = {}
    for sign in signs:
        stage, risk = sign_risk(sign)
        seen.setdefault(stage, []).append((risk, sign))
    return tuple(_stage(stage, seen[stage]) for stage in STAGES if stage in seen)


def shifted(risk: float, odds_factor: float) -> float:
    """``risk`` with its odds multiplied."""
    assert 0.0 <= risk < 1.0, risk
    odds = odds_factor * risk / (1.0 - risk)
    return odds / (1.0 + odds)


def _stage(stage: str, seen: list[tuple[float, Sign]]) -> StageRisk:
    # Of equal signs the oldest id, so that the answer does not depend on the order of reading.
    ordered = sorted(seen, key=lambda entry: (-entry[0], entry[1].finding))
    risk, strongest = ordered[0]
    findings = tuple(sign.finding for _, sign in ordered)
    return StageRisk(stage=stage, risk=risk, strongest=strongest.title, findings=findings)
