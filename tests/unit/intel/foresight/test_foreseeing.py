"""Foresight: each question by both means on what they did not see, and the skill that agents have of it."""

import msgspec
import numpy as np
import pytest

from phalanx.agents import Mission, MissionStatus, Role, Toolbox, Workers
from phalanx.bench.analyses._foresight import drawn_history
from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    AuditSink,
    Entity,
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
from phalanx.intel.foresight import QUESTIONS, _questions, foresee
from phalanx.intel.foresight._histories import one_name_each, recent_rates
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
def test_no_method_sees_what_judges_it(monkeypatch):
    split_ns = foresee("paths", HISTORY, seed=1).split_ns
    width_ns = (HISTORY[-1].first_seen_ns - split_ns) / 8
    paths, risks = [], []
    onwards, rates = _questions.ranked_onwards, _questions.recent_rates
    monkeypatch.setattr(_questions, "ranked_onwards", lambda rows, _: paths.append(rows) or onwards(rows, _))
    monkeypatch.setattr(_questions, "recent_rates", lambda counts: risks.append(counts.shape[2]) or rates(counts))
    foresee("paths", HISTORY, seed=1)
    foresee("risk", HISTORY, seed=1)
    newest = [rows[-1].first_seen_ns for rows in paths]
    assert all(at_ns <= split_ns + place * width_ns + 1 for place, at_ns in enumerate(newest[:-1]))
    assert newest[-1] == HISTORY[-1].first_seen_ns, "what is told is of the moment after the last finding"
    assert risks == list(range(16, 25))


@pytest.mark.requirement("LRN-5")
def test_a_host_has_one_name_however_its_sources_call_it():
    def called(number, name):
        one = HISTORY[number]
        return msgspec.structs.replace(one, entities=tuple(Entity("host", each) for each in name))

    rows = [called(0, ["WS-1", "ws-1.corp.example"]), called(1, ["ws-1"]), called(2, ["WS-1.CORP.example"]),
            called(3, ["db"]), called(4, ["db.one.example"]), called(5, ["db.two.example"]),
            called(6, ["10.0.0.1"]), called(7, ["10"]), called(8, ["FS"]), called(9, ["fs"])]  # fmt: skip
    found = [[entity.value for entity in one.entities] for one in one_name_each(rows)]
    assert found == [["ws-1.corp.example"]] * 3 + [
        ["db"], ["db.one.example"], ["db.two.example"], ["10.0.0.1"], ["10"], ["FS"], ["FS"],
    ]  # fmt: skip
    # Half of a history's findings call their hosts by full names: what is told is as it was.
    full = [
        msgspec.structs.replace(
            one,
            entities=tuple(
                Entity("host", f"{each.value}.corp.example") if at % 2 and each.type == "host" else each
                for each in one.entities
            ),
        )
        for at, one in enumerate(HISTORY)
    ]
    plain, named = foresee("vulnerability", HISTORY, seed=1), foresee("vulnerability", full, seed=1)
    assert {one.subject.removesuffix(".corp.example") for one in named.told} == {one.subject for one in plain.told}
    assert len(named.told) == len(plain.told)


@pytest.mark.requirement("LRN-5")
def test_a_host_that_is_being_used_is_at_more_risk_than_one_that_was():
    counts = np.zeros((3, 2, 16))
    counts[0, :, 14:], counts[1, :, 2:4] = 1, 1
    rates = recent_rates(counts)
    assert (rates[0] > 3 * rates[1]).all()
    assert (rates[2] > 0).all(), "of whom nothing is known is a usual host"


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
