"""A confirmed sign of an attack on cryptography proposes to migrate, once, and no policy begins it."""

import msgspec
import pytest

from phalanx.agents import Mission, MissionRejected, MissionStatus, Toolbox
from phalanx.bench.analyses._foresight import drawn_history
from phalanx.core import (
    DEFAULT_TENANT,
    AlertSink,
    AuditSink,
    Decision,
    FindingReader,
    Outcome,
    Put,
    Severity,
    Store,
    TraceId,
    decode,
    derive_id,
    encode,
)
from phalanx.incidents import CONFIRMED_SIGN, DECISIONS, MIGRATE_KEYS, PROPOSALS, SIGN_RULES, ActionProposal
from phalanx.incidents import propose_migration_skill as skill
from phalanx.intel import FINDINGS, Findings, load_rules
from phalanx.node._roles import skills_by_rule
from phalanx.testing import MemoryAudit, SimWorld
from phalanx.testing.contracts import SKILL_CHECKS

FINDING = msgspec.structs.replace(drawn_history(1)[0], rule=SIGN_RULES[1], confidence=0.9)


class Kept(MemoryAudit):
    """A ledger, and alerts, in memory."""

    def __init__(self):
        super().__init__()
        self.alerts = []

    def alert(self, level, room, text, **context):
        self.alerts.append(text)


def mission(subject=FINDING.id):
    return Mission(
        id=derive_id(1, "mission", "m"), tenant=DEFAULT_TENANT, trace=TraceId("t"), at_ns=1, skill="propose-migration",
        subject=subject, case=FINDING.case, severity=Severity.HIGH, status=MissionStatus.ASSIGNED,
    )  # fmt: skip


def tools_with(kept):
    async def tools(store):
        if not await store.scan(FINDINGS, DEFAULT_TENANT, limit=1):
            await store.commit([Put(FINDINGS, DEFAULT_TENANT, FINDING.id, encode(FINDING))])
        box = Toolbox()
        for kind, tool in ((Store, store), (AuditSink, kept), (AlertSink, kept), (FindingReader, Findings(store))):
            box.provide(kind, tool)
        return box

    return tools


@pytest.mark.requirement("INT-7")
def test_it_is_proposed_once_and_a_person_decides():
    kept = Kept()

    async def main(world):
        store = world.store("disk")
        box = (await tools_with(kept)(store)).limited(skill.manifest)
        said = {await skill.perform(mission(), box) for _ in range(2)}
        assert len(said) == 1
        with pytest.raises(MissionRejected):
            await skill.perform(mission("nothing"), box)
        return [
            [decode(row.value, kind) for row in await store.scan(table, DEFAULT_TENANT, limit=5)]
            for table, kind in ((PROPOSALS, ActionProposal), (DECISIONS, Decision))
        ]

    (proposal,), (decision,) = SimWorld(1).run(main)
    assert (proposal.action, proposal.assessment, proposal.probability) == (MIGRATE_KEYS, FINDING.id, 0.9)
    assert FINDING.title in proposal.reason
    assert (decision.about, decision.outcome) == (proposal.id, Outcome.REFUSED)
    assert "a person must decide" in decision.reasons[0]
    assert set(kept.actions()) == {f"propose {MIGRATE_KEYS}", f"refused {MIGRATE_KEYS}"}
    assert len(kept.alerts) == 1


@pytest.mark.parametrize("check", SKILL_CHECKS, ids=lambda check: check.__name__)
def test_the_skill_keeps_what_every_skill_does(check):
    SimWorld(1).run(lambda world: check(world, skill, mission(), tools_with(Kept())))


def test_findings_of_confirmed_signs_reach_it():
    assert skills_by_rule([skill]) == {rule: ["propose-migration"] for rule in SIGN_RULES}
    assert CONFIRMED_SIGN in skill.manifest.inputs
    assert SIGN_RULES[1] in load_rules(None).rules
