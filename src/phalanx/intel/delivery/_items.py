"""Records become items: one shape for everything that is told. Pure."""

from collections.abc import Iterator, Sequence

from phalanx.core import (
    NO_TRACE,
    Assessment,
    Decision,
    Entity,
    Event,
    Finding,
    Outcome,
    Severity,
    TenantId,
    Verdict,
    decode,
)
from phalanx.intel.delivery._model import CASE, DECISION, EVENT, FINDING, PROBE, Item, Notice

_VERDICT_SEVERITY = {
    Verdict.BENIGN: Severity.INFORMATIONAL, Verdict.INCONCLUSIVE: Severity.LOW,
    Verdict.SUSPICIOUS: Severity.MEDIUM, Verdict.COMPROMISED: Severity.CRITICAL,
}  # fmt: skip
_OUTCOME_SEVERITY = {
    Outcome.APPROVED: Severity.HIGH,
    Outcome.REFUSED: Severity.MEDIUM,
    Outcome.INDETERMINATE: Severity.MEDIUM,
}


def item_of(kind: str, record: bytes, *, fresh: bool) -> Item:
    """The item that a record of this kind is told as; events come from ``event_items``."""
    if kind == FINDING:
        return finding_item(decode(record, Finding), fresh=fresh)
    if kind == CASE:
        return case_item(decode(record, Assessment), fresh=fresh)
    assert kind == DECISION, kind
    return decision_item(decode(record, Decision), fresh=fresh)


def noticed_item(notice: Notice) -> Item:
    return item_of(notice.what, notice.record, fresh=notice.fresh)


def finding_item(finding: Finding, *, fresh: bool) -> Item:
    """``revision`` is the number of hits: it only grows."""
    return Item(
        id=f"{finding.id}.{finding.hits}", kind=FINDING, subject=finding.id, revision=finding.hits, fresh=fresh,
        tenant=finding.tenant, trace=finding.trace, at_ns=finding.last_seen_ns, severity=finding.severity,
        title=finding.title, text=finding.explanation, case=finding.case, entities=finding.entities,
        techniques=finding.techniques,
        fields={
            "rule": finding.rule, "confidence": finding.confidence, "hits": finding.hits,
            "tactics": list(finding.tactics), "evidence": list(finding.evidence),
            "first_seen_ns": finding.first_seen_ns, "last_seen_ns": finding.last_seen_ns,
            "found_at_ns": finding.found_at_ns,
        },
    )  # fmt: skip


def case_item(made: Assessment, *, fresh: bool) -> Item:
    """An assessment, which is what a case comes to."""
    reasons = "; ".join(one.summary for one in made.contributions)
    verdict = made.verdict.value
    return Item(
        id=f"{made.id}.0", kind=CASE, subject=made.id, revision=0, fresh=fresh, tenant=made.tenant, trace=made.trace,
        at_ns=made.at_ns, severity=_VERDICT_SEVERITY[made.verdict],
        title=f"{made.subject.value} is assessed as {verdict}", text=reasons, case=made.case, entities=(made.subject,),
        fields={
            "verdict": verdict, "probability": made.probability, "interval": list(made.interval),
            "confidence": made.confidence, "finding": made.finding, "degraded": made.degraded,
        },
    )  # fmt: skip


def decision_item(made: Decision, *, fresh: bool) -> Item:
    return Item(
        id=f"{made.id}.0", kind=DECISION, subject=made.id, revision=0, fresh=fresh, tenant=made.tenant,
        trace=made.trace, at_ns=made.at_ns, severity=_OUTCOME_SEVERITY[made.outcome],
        title=f"An action was {made.outcome.value} by {made.authority}", text="; ".join(made.reasons),
        fields={"about": made.about, "outcome": made.outcome.value, "authority": made.authority,
                "context_hash": made.context_hash},
    )  # fmt: skip


def event_items(events: Sequence[Event]) -> Iterator[Item]:
    """Events as they came: ``raw`` is the line, ``fields`` what was read from it."""
    for event in events:
        source, raw = event.batch.log_source, event.raw.decode(errors="replace")
        named = event.get("Hostname")
        host = named if isinstance(named, str) else ""
        yield Item(
            id=f"{event.id}.0", kind=EVENT, subject=event.id, revision=0, fresh=True, tenant=event.batch.tenant,
            trace=event.id, at_ns=event.time_ns, severity=Severity.INFORMATIONAL, title=f"{source} event", text=raw,
            entities=(Entity("host", host),) if host else (), fields=event.fields(), raw=raw,
        )  # fmt: skip


def probe_item(sink: str, *, ident: str, tenant: TenantId, node: str, at_ns: int) -> Item:
    """What ``test`` sends: marked, so that nobody takes it for something that happened."""
    return Item(
        id=f"{ident}.0", kind=PROBE, subject=ident, revision=0, fresh=True, tenant=tenant, trace=NO_TRACE,
        at_ns=at_ns, severity=Severity.INFORMATIONAL, title="Phalanx test",
        text=f"A test of the connector {sink} of {node}. Nothing happened.", fields={"probe": True, "sink": sink},
    )  # fmt: skip
