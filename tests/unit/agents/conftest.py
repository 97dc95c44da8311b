"""A finding to make missions of."""

import pytest

from phalanx.core import DEFAULT_TENANT, EventId, Finding, Severity, TraceId, derive_id

NOON_NS = 1_767_268_800_000_000_000


@pytest.fixture
def finding() -> Finding:
    return Finding(
        id=derive_id(NOON_NS, "finding", "one"),
        tenant=DEFAULT_TENANT,
        trace=TraceId("trace"),
        at_ns=NOON_NS + 5,
        case="host:ws-1",
        rule="r1",
        title="Something happened",
        severity=Severity.HIGH,
        confidence=0.8,
        techniques=(),
        tactics=(),
        entities=(),
        evidence=(EventId("e1"),),
        hits=1,
        first_seen_ns=NOON_NS,
        last_seen_ns=NOON_NS,
        accepted_at_ns=NOON_NS + 1,
        found_at_ns=NOON_NS + 5,
        explanation="because",
    )
