"""Guardians rehearse an approved action: what would be done, to whom, and whether its grounds still hold.

A rehearsal changes nothing outside. It verifies what an execution would rest on, at the time it would begin, and
says what stands in its way; as long as no actuator exists, that is one such reason.
"""

import msgspec

from phalanx.agents import Capability, Mission, MissionRejected, Role, SkillManifest, Toolbox
from phalanx.core import (
    AuditEntry,
    AuditSink,
    Decision,
    Entity,
    NotFound,
    Outcome,
    Put,
    Record,
    Store,
    Table,
    counted,
    decode,
    derive_id,
    encode,
    id_time_ns,
)
from phalanx.incidents._cases import Cases
from phalanx.incidents._limits import MAX_TOUCHED
from phalanx.incidents._model import ISOLATE_HOST, PROPOSALS, ActionProposal
from phalanx.incidents._policy import is_address
from phalanx.incidents._proposing import digest
from phalanx.incidents._responses import Responses
from phalanx.intel import Sentinel
from phalanx.telemetry import waypoint_of, waypoint_put

REHEARSALS = Table("rehearsals", indexes=("case",), sealed=True)

_STEPS = {
    ISOLATE_HOST: (
        "cut {target} off from every network but the one it is managed through",
        "end the sessions of its users",
        "verify from another host that it no longer answers",
        "undo: give it its networks back, once a person has cleared it",
    )
}


class Check(msgspec.Struct, frozen=True):
    """One thing an execution would rest on, and whether it holds."""

    what: str
    holds: bool
    said: str


class Rehearsal(Record, frozen=True, kw_only=True, tag="rehearsal"):
    """What would be done. ``touches`` are those it would be done to, beside the target: its addresses and users."""

    case: str
    proposal: str
    action: str
    target: Entity
    steps: tuple[str, ...]
    touches: tuple[Entity, ...]
    checks: tuple[Check, ...]

    @property
    def in_the_way(self) -> list[str]:
        return [one.what for one in self.checks if not one.holds]


class RehearseSkill:
    """Goes through an approved action without doing it."""

    manifest = SkillManifest(
        name="rehearse",
        role=Role.GUARDIAN,
        capabilities=(Capability.RESPONSE, Capability.ENFORCEMENT),
        inputs=("approved-action",),
        outputs=("rehearsal",),
        cost=0.5,
        permissions=("AuditSink", "Cases", "Responses", "Sentinel", "Store"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        store, made = tools.get(Store), derive_id(id_time_ns(mission.id), "rehearsal", mission.id)
        row = await store.get(REHEARSALS, mission.tenant, made)
        known = decode(row.value, Rehearsal) if row is not None else await self._rehearsed(mission, made, tools)
        await _tell(known, tools.get(AuditSink))
        touched = f", {counted(len(known.touches), 'other')} with it" if known.touches else ""
        way = f"in the way: {', '.join(known.in_the_way)}" if known.in_the_way else "nothing is in the way"
        return f"{known.action} of {known.target}{touched}; {way}"

    async def _rehearsed(self, mission: Mission, made: str, tools: Toolbox) -> Rehearsal:
        store = tools.get(Store)
        row = await store.get(PROPOSALS, mission.tenant, mission.subject)
        if row is None:
            raise MissionRejected(f"there is no proposal {mission.subject}")
        proposal = decode(row.value, ActionProposal)
        responses = tools.get(Responses)
        decision = await responses.decision_on(proposal)
        ruling = await responses.ruling(proposal)
        rehearsal = Rehearsal(
            id=made, tenant=mission.tenant, trace=mission.trace, at_ns=mission.at_ns, case=proposal.case,
            proposal=proposal.id, action=proposal.action, target=proposal.target,
            steps=tuple(step.format(target=proposal.target) for step in _STEPS.get(proposal.action, ())),
            touches=await _touches(proposal, tools),
            checks=(
                *_decided(proposal, decision),
                Check("the policy", ruling.outcome is Outcome.APPROVED, "; ".join(ruling.reasons)),
                Check("a known action", proposal.action in _STEPS, proposal.action),
                Check("something that acts", holds=False, said="acting on the outside is switched off"),
            ),
        )  # fmt: skip
        await _keep(rehearsal, store)
        return rehearsal


def _decided(proposal: ActionProposal, decision: Decision | None) -> tuple[Check, ...]:
    if decision is None:
        return (Check("a decision", holds=False, said="there is none"),)
    bound = decision.context_hash == digest(proposal)
    return (
        Check("a decision", decision.outcome is Outcome.APPROVED, f"{decision.outcome.value} by {decision.authority}"),
        Check("bound to this proposal", bound, "its hash is the decision's" if bound else "its hash is another"),
    )


async def _touches(proposal: ActionProposal, tools: Toolbox) -> tuple[Entity, ...]:
    """The target's addresses, and the users that its case names."""
    names = tools.get(Sentinel).host_names
    found = {
        Entity("ip", alias): None
        for alias, name in names.items()
        if name == proposal.target.value and is_address(alias)
    }
    try:
        case = await tools.get(Cases).get(proposal.tenant, proposal.case)
    except NotFound:
        return tuple(found)
    users = (one for finding in case.findings for one in finding.entities if one.type == "user")
    return tuple({**found, **dict.fromkeys(users)})[:MAX_TOUCHED]


async def _keep(made: Rehearsal, store: Store) -> None:
    waypoint = waypoint_of(
        made, room="incidents", stage="rehearsal", at_ns=made.at_ns,
        summary=f"{made.action} of {made.target} gone through and not done", case=made.case,
    )  # fmt: skip
    put = Put(REHEARSALS, made.tenant, made.id, encode(made), {"case": (made.case,)})
    await store.commit([put, waypoint_put(waypoint)])


async def _tell(made: Rehearsal, audit: AuditSink) -> None:
    entry = AuditEntry(
        id=derive_id(id_time_ns(made.id), "audit", made.id), tenant=made.tenant, trace=made.trace, at_ns=made.at_ns,
        actor="guardian", action=f"rehearse {made.action}", subject=str(made.target), case=made.case,
        body={"sha256": digest(made), "record": msgspec.to_builtins(made)},
    )  # fmt: skip
    await audit.record(entry)


rehearse_skill = RehearseSkill()
