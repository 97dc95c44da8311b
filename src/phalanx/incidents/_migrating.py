"""A confirmed sign of an attack on cryptography proposes that what this node has sealed is migrated.

Confirmed means that it carries its proof (a factor of a key, or the answer of a canary key), or that a person said
that a pattern, such as harvested ciphertext, is right. The proposal is stored beside those to isolate hosts and is
in the ledger like them. Its policy never starts a migration by itself: one sign says of one key that it is broken,
and what else has to be renewed is for a person to judge (``phalanx posture``, ``phalanx keys migrate``). Proposal
and decision are one commit; their ids are derived from the finding.
"""

from phalanx.agents import Capability, Mission, Role, SkillManifest, Toolbox, finding_of
from phalanx.core import (
    AlertLevel,
    AlertSink,
    AuditSink,
    Entity,
    Finding,
    FindingReader,
    Outcome,
    Put,
    Store,
    derive_id,
    encode,
    id_time_ns,
)
from phalanx.incidents._limits import MAX_REASON_CHARS
from phalanx.incidents._model import DECISIONS, MIGRATE_KEYS, PROPOSALS, ActionProposal
from phalanx.incidents._policy import Ruling
from phalanx.incidents._proposing import audit_entry, decision_on
from phalanx.intel.signs import BROKEN_KEY
from phalanx.telemetry import waypoint_of, waypoint_put

CONFIRMED_SIGN = "confirmed-crypto-sign"
# The rules that find signs which carry their proof, and patterns that a person said are right.
SIGN_RULES = (
    BROKEN_KEY.name, "crypto-sign-confirmed", "ciphertext-gathering-confirmed", "key-exchange-downgrade-confirmed",
    "traffic-copying-confirmed",
)  # fmt: skip
_POLICY = "migration-v1"
_TARGET = Entity("crypto", "keys and sealed data")
_WHY = (
    "a person must decide: a migration is not begun by itself; `phalanx posture inventory` says what falls with such "
    "keys or exchanges, `phalanx keys migrate` seals anew what is at rest"
)
_RULING = Ruling(Outcome.REFUSED, (_WHY,))


class ProposeMigrationSkill:
    """Takes a finding of a confirmed sign to a proposal."""

    manifest = SkillManifest(
        name="propose-migration",
        role=Role.SPECIALIST,
        capabilities=(Capability.ENFORCEMENT, Capability.RESPONSE),
        inputs=(CONFIRMED_SIGN,),
        outputs=("migration-proposal",),
        cost=0.2,
        permissions=("AlertSink", "AuditSink", "FindingReader", "Store"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        finding = await finding_of(mission, tools.get(FindingReader))
        proposal = _proposal(finding)
        # Of the finding's time, so that an attempt that was broken off while it wrote has written the same bytes.
        decision = decision_on(proposal, _RULING, authority=_POLICY, at_ns=proposal.at_ns)
        target, index = str(proposal.target), {"case": (proposal.case,)}
        store = tools.get(Store)
        if await store.get(PROPOSALS, proposal.tenant, proposal.id) is None:
            points = (
                waypoint_of(proposal, room="incidents", stage="proposal", at_ns=proposal.at_ns, action=MIGRATE_KEYS,
                            summary=f"{MIGRATE_KEYS} of {target}: {proposal.reason}", case=proposal.case),
                waypoint_of(decision, room="incidents", stage="decision", at_ns=decision.at_ns,
                            summary=f"{MIGRATE_KEYS} of {target}: {decision.reasons[0]}",
                            outcome=decision.outcome.value, policy=decision.authority),
            )  # fmt: skip
            await store.commit([
                Put(PROPOSALS, proposal.tenant, proposal.id, encode(proposal), index),
                Put(DECISIONS, proposal.tenant, decision.id, encode(decision), index | {"about": (proposal.id,)}),
                *(waypoint_put(one) for one in points),
            ])  # fmt: skip
            tools.get(AlertSink).alert(
                AlertLevel.WARNING,
                "incidents",
                "a sign of an attack on cryptography is confirmed; migrating is proposed",
                case=proposal.case,
            )
        audit = tools.get(AuditSink)
        await audit.record(audit_entry(
            proposal, actor=mission.skill, action=f"propose {MIGRATE_KEYS}", subject=target, case=proposal.case
        ))  # fmt: skip
        await audit.record(audit_entry(
            decision, actor=decision.authority, action=f"{decision.outcome.value} {MIGRATE_KEYS}", subject=target,
            case=proposal.case,
        ))  # fmt: skip
        return f"migrating is proposed: {proposal.reason}"


def _proposal(finding: Finding) -> ActionProposal:
    return ActionProposal(
        id=derive_id(id_time_ns(finding.id), "proposal", MIGRATE_KEYS, finding.id), tenant=finding.tenant,
        trace=finding.trace, at_ns=finding.found_at_ns, case=finding.case, action=MIGRATE_KEYS, target=_TARGET,
        reason=f"{finding.title}: {finding.explanation}"[:MAX_REASON_CHARS], assessment=finding.id,
        probability=finding.confidence, blast_radius=0,
    )  # fmt: skip


propose_migration_skill = ProposeMigrationSkill()
