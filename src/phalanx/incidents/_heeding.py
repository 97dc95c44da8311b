"""Acting on foresight: precautions are proposed, decided under a policy, and those approved are begun.

A precaution is to look into a host, or a finding, that a foresight names: hunters follow what is stored about it.
Nothing outside is touched, so no person is asked; but a foresight that was no better than knowing nothing, where
what happened could judge it, is not acted upon, and says so. Proposal, decision and mission are one commit; ids are
derived from the foresight, so that asking again finds what was decided.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from phalanx.agents import (
    Capability,
    Mission,
    MissionRejected,
    Role,
    SkillManifest,
    Swarm,
    Toolbox,
    creation_waypoint,
    mission_on,
    writes_of,
)
from phalanx.core import (
    AuditSink,
    Decision,
    Entity,
    Finding,
    NotFound,
    Outcome,
    Put,
    Severity,
    Store,
    Write,
    decode,
    derive_id,
    encode,
    id_time_ns,
)
from phalanx.incidents._limits import MAX_HEEDED, MAX_HEEDED_SCAN
from phalanx.incidents._model import DECISIONS, LOOK_INTO, PROPOSALS, ActionProposal
from phalanx.incidents._policy import Ruling
from phalanx.incidents._proposing import audit_entry, decision_on
from phalanx.intel import Findings
from phalanx.intel.foresight import FORESIGHTS, Foreseen, Foresight, Foretold
from phalanx.telemetry import Telemetry, waypoint_of, waypoint_put

# What hunters do with a finding of a host that is looked into.
_HUNT = "expand"
# What is said to be less likely than this is not looked into; what is only ranked has no such bound.
_LEAST: Mapping[str, float] = {"risk": 0.1, "vulnerability": 0.5}
HEEDED = ("paths", "risk", "vulnerability", "novelty")


@dataclass(frozen=True, slots=True)
class PrecautionPolicy:
    """Approves looking into what a foresight names, if it was better than knowing nothing, up to a number of them."""

    max_targets: int = MAX_HEEDED
    name: str = "precaution-v1"

    def rule(self, question: str, seen: Foreseen, told: Foretold, *, place: int, known: bool) -> Ruling:
        """``place`` is where it stands among what was foretold, from 0; ``known`` whether there is a finding of it."""
        best = seen.best
        against, grounds = [], []
        if best is None or best.score is None or seen.floor is None:
            against.append("not judged: nothing that came later could tell whether it was right")
        elif not _better(best.score, seen.floor, less=seen.less_is_better):
            against.append(
                f"no better than knowing nothing: {best.method} {best.score:.3g}, {seen.measure}, is not beyond "
                f"{seen.floor:.3g}"
            )
        else:
            grounds.append(f"was right before: {best.method} {best.score:.3g}, {seen.measure}, beyond {seen.floor:.3g}")
        least = _LEAST.get(question)
        value = value_of(seen, told)
        if least is not None and not value >= least:
            against.append(f"not likely enough: {value:.2f} is below {least:.2f}")
        elif least is not None:
            grounds.append(f"likely: {value:.2f} is at least {least:.2f}")
        if place >= self.max_targets:
            against.append(f"too many: {self.max_targets} are looked into for one foresight")
        if not known:
            against.append("nothing to follow: no finding of it is kept")
        if against:
            return Ruling(Outcome.REFUSED, tuple(against))
        return Ruling(Outcome.APPROVED, (*grounds, "nothing outside is touched"))


class HeedSkill:
    """Takes the newest foresight of its case to decisions, and has hunters begin what was approved."""

    def __init__(self, question: str, policy: PrecautionPolicy | None = None) -> None:
        self._question = question
        self._policy = policy or PrecautionPolicy()
        self.manifest = SkillManifest(
            name=f"heed-{question}",
            role=Role.GUARDIAN,
            capabilities=(Capability.RESPONSE, Capability.PREDICTION),
            inputs=(f"foresight-{question}",),
            outputs=(f"precaution-{question}",),
            cost=0.5,
            permissions=("AuditSink", "Findings", "Store", "Swarm", "Telemetry"),
        )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        store = tools.get(Store)
        rows = await store.find(FORESIGHTS, mission.tenant, "case", mission.case, limit=MAX_HEEDED_SCAN, reverse=True)
        kept = (decode(row.value, Foresight) for row in rows)
        foresight = next((one for one in kept if one.question == self._question), None)
        if foresight is None:
            raise MissionRejected(f"nothing was foreseen of {self._question} for case {mission.case}")
        told = foresight.seen.told[: self._policy.max_targets + 1]
        if not told:
            return f"{self._question}: nothing was foretold, so nothing is looked into"
        pairs = [await self._heeded(foresight, one, place, tools) for place, one in enumerate(told)]
        for proposal, decision in pairs:
            target = str(proposal.target)
            entry = audit_entry(
                proposal, actor=mission.skill, action=f"propose {LOOK_INTO}", subject=target, case=proposal.case
            )
            await tools.get(AuditSink).record(entry)
            action = f"{decision.outcome.value} {LOOK_INTO}"
            entry = audit_entry(decision, actor=decision.authority, action=action, subject=target, case=proposal.case)
            await tools.get(AuditSink).record(entry)
        taken = [str(proposal.target) for proposal, decision in pairs if decision.outcome is Outcome.APPROVED]
        refused = next((decision for _, decision in pairs if decision.outcome is Outcome.REFUSED), None)
        if taken:
            return f"{self._question}: hunters look into {', '.join(taken)}"
        return f"{self._question}: nothing is looked into: {'; '.join(refused.reasons) if refused else 'none'}"

    async def _heeded(
        self, foresight: Foresight, told: Foretold, place: int, tools: Toolbox
    ) -> tuple[ActionProposal, Decision]:
        store = tools.get(Store)
        proposal = _proposal(foresight, told)
        if (known := await _known(store, proposal)) is not None:
            return known
        finding = await _finding_of(proposal, tools.get(Findings))
        ruling = self._policy.rule(self._question, foresight.seen, told, place=place, known=finding is not None)
        # Of the foresight's time, so that an attempt that was broken off while it wrote has written the same bytes.
        at_ns = foresight.at_ns
        decision = decision_on(proposal, ruling, authority=self._policy.name, at_ns=at_ns)
        await self._commit(proposal, decision, finding, tools)
        return proposal, decision

    async def _commit(
        self, proposal: ActionProposal, decision: Decision, finding: Finding | None, tools: Toolbox
    ) -> None:
        asked = f"{LOOK_INTO} {proposal.target}: {proposal.reason}"
        said = f"{LOOK_INTO} {proposal.target} {decision.outcome.value}: {'; '.join(decision.reasons)}"
        points = (
            waypoint_of(proposal, room="incidents", stage="proposal", at_ns=decision.at_ns, summary=asked,
                        action=LOOK_INTO, case=proposal.case),
            waypoint_of(decision, room="incidents", stage="decision", at_ns=decision.at_ns, summary=said,
                        outcome=decision.outcome.value, policy=decision.authority),
        )  # fmt: skip
        tenant, index = proposal.tenant, {"case": (proposal.case,)}
        writes: list[Write] = [
            Put(PROPOSALS, tenant, proposal.id, encode(proposal), index),
            Put(DECISIONS, tenant, decision.id, encode(decision), index | {"about": (proposal.id,)}),
            *(waypoint_put(one) for one in points),
        ]
        hunt = None
        if decision.outcome is Outcome.APPROVED and finding is not None:
            made = mission_on(decision, case=finding.case, severity=Severity.MEDIUM, at_ns=decision.at_ns, skill=_HUNT)
            hunt = msgspec.structs.replace(made, subject=finding.id)
            writes += writes_of(hunt)
        await tools.get(Store).commit(writes)
        feed = tools.get(Telemetry).feed
        for point in (*points, *(() if hunt is None else (creation_waypoint(hunt),))):
            feed.publish(point)
        if hunt is not None:
            tools.get(Swarm).wake()


async def _known(store: Store, proposal: ActionProposal) -> tuple[ActionProposal, Decision] | None:
    row = await store.get(PROPOSALS, proposal.tenant, proposal.id)
    if row is None:
        return None
    found = await store.find(DECISIONS, proposal.tenant, "about", proposal.id, limit=1)
    return decode(row.value, ActionProposal), decode(found[0].value, Decision)


def value_of(seen: Foreseen, told: Foretold) -> float:
    """What the better kind of means says of it."""
    best = seen.best
    return told.quantum if best is not None and best.quantum else told.classical


def _better(score: float, floor: float, *, less: bool) -> bool:
    return score < floor if less else score > floor


def _proposal(foresight: Foresight, told: Foretold) -> ActionProposal:
    target = target_of(foresight.question, told)
    value = value_of(foresight.seen, told)
    return ActionProposal(
        id=derive_id(id_time_ns(foresight.id), "proposal", LOOK_INTO, foresight.id, told.subject),
        tenant=foresight.tenant, trace=foresight.trace, at_ns=foresight.at_ns, case=foresight.case, action=LOOK_INTO,
        target=target, reason=f"foreseen ({foresight.question}): {value:.3g}", assessment=foresight.id,
        probability=min(1.0, max(0.0, value)) if foresight.question in _LEAST else 0.0, blast_radius=0,
    )  # fmt: skip


def target_of(question: str, told: Foretold) -> Entity:
    """The host, or the finding, that was named."""
    if question == "novelty":
        return Entity("finding", told.subject)
    return Entity("host", told.subject.removeprefix("host:"))


async def _finding_of(proposal: ActionProposal, findings: Findings) -> Finding | None:
    """The finding that is named, or the newest on the host that is."""
    if proposal.target.type == "finding":
        try:
            return await findings.get(proposal.tenant, proposal.target.value)
        except NotFound:
            return None
    after = ""
    for _ in range(MAX_HEEDED_SCAN):
        page = await findings.list(proposal.tenant, after=after, reverse=True)
        for one in page:
            if proposal.target in one.entities:
                return one
        if not page:
            break
        after = page[-1].id
    return None


heed_paths_skill = HeedSkill("paths")
heed_risk_skill = HeedSkill("risk")
heed_vulnerability_skill = HeedSkill("vulnerability")
heed_novelty_skill = HeedSkill("novelty")
