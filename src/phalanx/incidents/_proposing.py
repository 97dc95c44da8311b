"""What follows from an assessment, as values: the proposal, the decision on it, and the ledger entry. Pure.

Ids are derived from what caused a record and times are those of the cause, so that asking again after a crash gives
the same bytes; only a decision carries the time at which it was taken.
"""

import hashlib

import msgspec

from phalanx.core import (
    NS_PER_S,
    Assessment,
    AuditEntry,
    Decision,
    Outcome,
    Record,
    Verdict,
    derive_id,
    encode,
    id_time_ns,
)
from phalanx.incidents._model import INSIDE, ISOLATE_HOST, ActionProposal
from phalanx.incidents._policy import Ruling
from phalanx.intel import UNKNOWN_HOST

# Said with every approval as long as it is so. No action class can be switched on yet.
NOT_EXECUTED = "not executed: acting on the outside is switched off for {action}"
_CALLS_FOR_ACTION = frozenset({Verdict.SUSPICIOUS, Verdict.COMPROMISED})
_HOUR_NS = 3_600 * NS_PER_S


def proposal_for(assessment: Assessment) -> ActionProposal | None:
    """The action an assessment calls for; none when too little speaks for it, or no known host is concerned."""
    subject = assessment.subject
    if assessment.verdict not in _CALLS_FOR_ACTION or subject.type != "host" or subject.value in ("", UNKNOWN_HOST):
        return None
    low, high = assessment.interval
    return ActionProposal(
        id=derive_id(id_time_ns(assessment.id), "proposal", ISOLATE_HOST, assessment.id),
        tenant=assessment.tenant,
        trace=assessment.trace,
        at_ns=assessment.at_ns,
        case=assessment.case,
        action=ISOLATE_HOST,
        target=assessment.subject,
        reason=f"{assessment.verdict.value} with probability {assessment.probability:.2f} [{low:.2f}, {high:.2f}]",
        assessment=assessment.id,
        probability=assessment.probability,
        blast_radius=1,
        evidence_at_ns=assessment.evidence_at_ns,
    )


def decision_on(proposal: ActionProposal, ruling: Ruling, *, authority: str, at_ns: int) -> Decision:
    """``ruling`` as a record, bound to exactly this proposal by the hash of its bytes."""
    outside = ruling.outcome is Outcome.APPROVED and proposal.action not in INSIDE
    executed = (NOT_EXECUTED.format(action=proposal.action),) if outside else ()
    return Decision(
        id=derive_id(id_time_ns(proposal.id), "decision", authority, proposal.id),
        tenant=proposal.tenant,
        trace=proposal.trace,
        at_ns=at_ns,
        about=proposal.id,
        outcome=ruling.outcome,
        authority=authority,
        reasons=(*ruling.reasons, *executed),
        context_hash=digest(proposal),
    )


def audit_entry(record: Record, *, actor: str, action: str, subject: str, case: str) -> AuditEntry:
    """``record`` for the ledger, whole and with the digest of its stored bytes."""
    return AuditEntry(
        id=derive_id(id_time_ns(record.id), "audit", record.id),
        tenant=record.tenant,
        trace=record.trace,
        at_ns=record.at_ns,
        actor=actor,
        action=action,
        subject=subject,
        case=case,
        body={"sha256": digest(record), "record": msgspec.to_builtins(record)},
    )


def digest(record: Record) -> str:
    """SHA-256 of the record's stored bytes; of a proposal, of those that are decided on."""
    data = proposal_bytes(record) if isinstance(record, ActionProposal) else encode(record)
    return hashlib.sha256(data).hexdigest()


def proposal_bytes(proposal: ActionProposal) -> bytes:
    """A proposal as it is put to those who decide and as decisions are bound to it: as its first version was stored."""
    # Those of before evidence was dated had no such field, and their decisions are bound to what they were.
    fields = msgspec.msgpack.decode(encode(proposal)) | {"v": 1}
    if not proposal.evidence_at_ns:
        del fields["evidence_at_ns"]
    return msgspec.msgpack.encode(fields)


def hour_of(at_ns: int) -> str:
    """The index value under which approvals of one hour are found."""
    return f"{at_ns // _HOUR_NS:012d}"


def recent_hours(now_ns: int) -> tuple[str, str]:
    """Where approvals of the last 3,600 s are to be found."""
    return hour_of(now_ns - _HOUR_NS), hour_of(now_ns)


def within_hour(at_ns: int, *, now_ns: int) -> bool:
    return now_ns - _HOUR_NS < at_ns
