"""Foresight: each question by both means on what they did not see, and the skill that agents have of it."""

import pytest

from phalanx.agents import Mission, MissionStatus, Role, Toolbox, Workers
from phalanx.bench._foresight import drawn_history
from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    AuditSink,
    InvalidInput,
    Put,
    Severity,
    Store,
    decode,
    derive_id,
    encode,
)
from phalanx.intel import FINDINGS, foresight
from phalanx.intel._queries import Findings
from phalanx.intel.foresight import QUESTIONS, foresee
from phalanx.testing import InlineOffload, MemoryAudit, SimWorld
from phalanx.testing.contracts import SKILL_CHECKS

HISTORY = drawn_history(3)
SKILLS = [getattr(foresight, f"foresee_{question}_skill") for question in QUESTIONS]


@pytest.mark.requirement("LRN-5")
@pytest.mark.parametrize("question", QUESTIONS)
def test_each_question_has_quantum_and_classical_means_scored_on_what_came_later(question):
    seen = foresee(question, HISTORY, seed=1)
    assert {means.quantum for means in seen.means} == {True, False}
    assert all(means.score is not None for means in seen.means), seen.means
    assert seen.told
    assert seen.judged > 0
    assert HISTORY[0].first_seen_ns < seen.split_ns < HISTORY[-1].first_seen_ns
    assert foresee(question, list(reversed(HISTORY)), seed=1) == seen
    assert question in seen.summary


@pytest.mark.requirement("LRN-5")
def test_no_method_sees_what_judges_it():
    split = foresee("paths", HISTORY, seed=1).split_ns
    before = [one for one in HISTORY if one.first_seen_ns <= split]
    later = [one for one in HISTORY if one.first_seen_ns > split]
    # Other entities afterwards change scores and nothing of what is told.
    moved = [one for at, one in enumerate(later) if at % 2]
    for question in ("paths", "risk"):
        whole = foresee(question, HISTORY, seed=1)
        other = foresee(question, [*before, *moved, HISTORY[-1]], seed=1)
        assert {one.subject: one.quantum for one in whole.told} == {one.subject: one.quantum for one in other.told}
        assert [one.score for one in whole.means] != [one.score for one in other.means]


@pytest.mark.requirement("LRN-5")
def test_the_estimate_of_a_risk_is_that_of_the_exact_sum():
    for one in foresee("risk", HISTORY, seed=2).told:
        assert one.quantum == pytest.approx(one.classical, abs=0.08)


def test_too_few_findings_and_no_such_question_are_refused():
    with pytest.raises(InvalidInput, match="too few"):
        foresee("risk", HISTORY[:10], seed=1)
    with pytest.raises(InvalidInput, match="question"):
        foresee("weather", HISTORY, seed=1)
    calm = [one for one in HISTORY if one.severity is Severity.LOW]
    with pytest.raises(InvalidInput, match="serious"):
        foresee("vulnerability", calm, seed=1)


def tools_with(audit):
    async def tools(store):
        box = Toolbox()
        if not await store.scan(FINDINGS, DEFAULT_TENANT, limit=1):
            await store.commit([Put(FINDINGS, DEFAULT_TENANT, one.id, encode(one)) for one in HISTORY])
        offload = InlineOffload()
        box.provide(Store, store)
        box.provide(AuditSink, audit)
        box.provide(Findings, Findings(store))
        box.provide(Workers, Workers(offload))
        return box

    return tools


def mission_for(skill):
    return Mission(
        id=derive_id(1, "mission", skill.manifest.name), tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=1,
        skill=skill.manifest.name, subject="tenant", case="web", severity=Severity.MEDIUM,
        status=MissionStatus.ASSIGNED,
    )  # fmt: skip


@pytest.mark.requirement("LRN-5")
@pytest.mark.parametrize("check", SKILL_CHECKS, ids=lambda check: check.__name__)
def test_the_skills_keep_what_every_skill_does(check):
    skill = foresight.foresee_paths_skill
    SimWorld(1).run(lambda world: check(world, skill, mission_for(skill), tools_with(MemoryAudit())))


@pytest.mark.requirement("LRN-5")
def test_a_skill_keeps_what_it_foresaw_and_tells_the_ledger():
    audit, skill = MemoryAudit(), foresight.foresee_risk_skill

    async def main(world):
        store = world.store("disk")
        box = (await tools_with(audit)(store)).limited(skill.manifest)
        told = await skill.perform(mission_for(skill), box)
        rows = await store.scan(foresight.FORESIGHTS, DEFAULT_TENANT, limit=10)
        return told, [decode(row.value, foresight.Foresight) for row in rows]

    told, rows = SimWorld(1).run(main)
    assert [row.question for row in rows] == ["risk"]
    assert rows[0].seen.summary == told
    assert [entry.action for entry in audit.entries] == ["foresight.risk"]
    assert {one.manifest.role for one in SKILLS} == {Role.ANALYST, Role.HUNTER, Role.SPECIALIST}
    assert all(one.manifest.inputs == ("question",) for one in SKILLS), "no finding sets them off"
