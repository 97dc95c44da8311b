"""Signs, stages and assessments to judge and to decide on."""

import pytest

from phalanx.core import DEFAULT_TENANT, Assessment, Entity, Severity, TraceId, Verdict, derive_id
from phalanx.incidents._risk import Sign, StageRisk

NOON_NS = 1_767_268_800_000_000_000


@pytest.fixture
def sign():
    def make(n=1, *, tactics=("execution",), severity=Severity.HIGH, confidence=1.0, host="ws-1"):
        hosts = (Entity("host", host),) if host else ()
        return Sign(
            finding=derive_id(NOON_NS, "finding", str(n)),
            title=f"finding {n}",
            severity=severity,
            confidence=confidence,
            tactics=tuple(tactics),
            hosts=hosts,
        )

    return make


@pytest.fixture
def stages():
    def make(*risks):
        names = ("survey", "entry", "foothold", "escalation", "credentials", "spread", "objective")
        return tuple(
            StageRisk(stage=name, risk=risk, strongest="what was seen", findings=("f",))
            for name, risk in zip(names, risks, strict=False)
        )

    return make


@pytest.fixture
def assessment():
    def make(n=1, *, probability=0.9, verdict=Verdict.COMPROMISED, host="ws-1", case="ws-1@2026-01-01"):
        run = derive_id(NOON_NS, "run", str(n))
        return Assessment(
            id=derive_id(NOON_NS, "assessment", run),
            tenant=DEFAULT_TENANT,
            trace=TraceId(f"trace-{n}"),
            at_ns=NOON_NS + n,
            case=case,
            finding=f"finding-{n}",
            run=run,
            subject=Entity("host", host) if host else Entity("case", case),
            verdict=verdict,
            probability=probability,
            interval=(probability - 0.1, min(1.0, probability + 0.1)),
            confidence=0.4,
            contributions=(),
            provenance=(),
            evidence_at_ns=NOON_NS,
        )

    return make
