"""What was foreseen is heeded: decided on its merits, recorded, and begun where it is approved."""

import msgspec
import pytest

from phalanx.agents import MISSIONS, Mission, MissionRejected, MissionStatus, NoPlan, Swarm, Toolbox
from phalanx.bench.analyses._foresight import drawn_history
from phalanx.core import (
    DEFAULT_TENANT,
    AuditSink,
    Clock,
    Decision,
    Entity,
    Outcome,
    Put,
    Severity,
    Store,
    TraceId,
    decode,
    derive_id,
    encode,
)
from phalanx.incidents import DECISIONS, PROPOSALS, ActionProposal, PrecautionPolicy
from phalanx.incidents import heed_novelty_skill as novelty
from phalanx.incidents import heed_paths_skill as paths
from phalanx.incidents._heeding import HEEDED
from phalanx.incidents._looking_ahead import BY, _placed
from phalanx.intel import FINDINGS, Findings
from phalanx.intel.foresight import FORESIGHTS, Foresight, foresee
from phalanx.telemetry import Telemetry
from phalanx.testing import MemoryAudit, SimWorld
from phalanx.testing.contracts import SKILL_CHECKS

HISTORY = drawn_history(1)
SEEN = {question: foresee(question, HISTORY, seed=1) for question in ("paths", "novelty")}


class Woken:
    """A swarm that is told of missions."""

    def __init__(self):
        self.woken = 0

    def wake(self):
        self.woken += 1


def mission_for(skill):
    return Mission(
        id=derive_id(1, "mission", skill.manifest.name), tenant=DEFAULT_TENANT, trace=TraceId("t"), at_ns=1,
        skill=skill.manifest.name, subject="tenant", case="order-1", severity=Severity.MEDIUM,
        status=MissionStatus.ASSIGNED,
    )  # fmt: skip


def tools_with(audit, world, question, seen, swarm=None):
    async def tools(store):
        if not await store.scan(FINDINGS, DEFAULT_TENANT, limit=1):
            foresight = Foresight(
                id=derive_id(2, "foresight", question), tenant=DEFAULT_TENANT, trace=TraceId("t"), at_ns=2,
                case="order-1", question=question, seed=1, seen=seen,
            )  # fmt: skip
            index = {"case": ("order-1",), "question": (question,)}
            await store.commit(
                [
                    Put(FORESIGHTS, DEFAULT_TENANT, foresight.id, encode(foresight), index),
                    *(Put(FINDINGS, DEFAULT_TENANT, one.id, encode(one)) for one in HISTORY),
                ]
            )
        box = Toolbox()
        for kind, tool in (
            (Store, store), (AuditSink, audit), (Findings, Findings(store)), (Clock, world.clock),
            (Swarm, swarm or Woken()), (Telemetry, Telemetry(world.clock)),
        ):  # fmt: skip
            box.provide(kind, tool)
        return box

    return tools


def heeded(skill, question, seen):
    audit, swarm = MemoryAudit(), Woken()

    async def main(world):
        store = world.store("disk")
        box = (await tools_with(audit, world, question, seen, swarm)(store)).limited(skill.manifest)
        said = [await skill.perform(mission_for(skill), box) for _ in range(2)]
        rows = {
            table.name: [decode(row.value, kind) for row in await store.scan(table, DEFAULT_TENANT, limit=20)]
            for table, kind in ((PROPOSALS, ActionProposal), (DECISIONS, Decision), (MISSIONS, Mission))
        }
        return said, rows

    said, rows = SimWorld(1).run(main)
    assert said[0] == said[1], "asking again finds what was decided"
    return said[0], rows, audit.kept, swarm.woken


@pytest.mark.requirement("LRN-5")
def test_what_was_right_before_is_looked_into_and_all_of_it_is_on_record():
    said, rows, entries, woken = heeded(paths, "paths", SEEN["paths"])
    approved = [one for one in rows["decisions"] if one.outcome is Outcome.APPROVED]
    assert len(rows["proposals"]) == len(rows["decisions"]) == 4
    assert len(approved) == len(rows["missions"]) == woken == 3
    assert {one.skill for one in rows["missions"]} == {"expand"}
    targets = {one.id: one.target for one in rows["proposals"]}
    by_id = {one.id: one for one in HISTORY}
    hunted = [by_id[one.subject] for one in rows["missions"]]
    for decision in approved:
        assert decision.authority == "precaution-v1"
        assert not any("not executed" in reason for reason in decision.reasons), "it is done, and inside"
        newest = [one for one in HISTORY if targets[decision.about] in one.entities]
        assert max(newest, key=lambda one: one.id) in hunted
    refused = next(one for one in rows["decisions"] if one.outcome is Outcome.REFUSED)
    assert refused.reasons == ("too many: 3 are looked into for one foresight",)
    assert len(entries) == 8
    assert said.startswith("paths: hunters look into host:h")


@pytest.mark.requirement("LRN-5")
def test_what_was_no_better_than_knowing_nothing_is_not_acted_upon():
    seen = msgspec.structs.replace(SEEN["paths"], floor=0.99)
    said, rows, _, woken = heeded(paths, "paths", seen)
    assert woken == 0
    assert not rows["missions"]
    assert {one.outcome for one in rows["decisions"]} == {Outcome.REFUSED}
    assert "no better than knowing nothing" in said
    unjudged = msgspec.structs.replace(SEEN["paths"], floor=None)
    assert "not judged" in heeded(paths, "paths", unjudged)[0]


def test_a_finding_of_a_new_kind_is_looked_into_itself():
    _, rows, _, _ = heeded(novelty, "novelty", SEEN["novelty"])
    looked = {one.subject for one in rows["missions"]}
    told = [one.subject for one in SEEN["novelty"].told[:3]]
    assert looked == set(told)
    assert {one.target for one in rows["proposals"]} > {Entity("finding", one) for one in told}


def test_what_is_told_is_in_the_order_of_those_that_did_best_and_never_by_the_truth():
    seen = SEEN["novelty"]
    assert seen.by == seen.best.method == "isolation forest"
    assert [one.classical for one in seen.told] == sorted((one.classical for one in seen.told), reverse=True)
    assert any(one.classical not in (0.0, 1.0) for one in seen.told)


def test_a_probability_must_be_likely_and_who_is_unknown_cannot_be_followed():
    seen = msgspec.structs.replace(foresee("risk", HISTORY, seed=1), floor=1.0)
    ruling = PrecautionPolicy().rule("risk", seen, seen.told[0], place=0, known=False)
    assert [reason.partition(":")[0] for reason in ruling.reasons] == ["not likely enough", "nothing to follow"]


def test_without_a_foresight_there_is_nothing_to_heed():
    async def main(world):
        tools = tools_with(MemoryAudit(), world, "novelty", SEEN["novelty"])
        box = (await tools(world.store("disk"))).limited(paths.manifest)
        with pytest.raises(MissionRejected, match="nothing was foreseen of paths"):
            await paths.perform(mission_for(paths), box)

    SimWorld(1).run(main)


@pytest.mark.parametrize("check", SKILL_CHECKS, ids=lambda check: check.__name__)
def test_the_skill_keeps_what_every_skill_does(check):
    audit = MemoryAudit()
    SimWorld(1).run(
        lambda world: check(world, paths, mission_for(paths), tools_with(audit, world, "paths", SEEN["paths"]))
    )


class Ordered:
    """Orders in memory."""

    def __init__(self):
        self.orders, self.placed = self, []

    async def newest(self, tenant, *, limit):
        return self.placed[::-1][:limit]

    async def place(self, tenant, request, *, by):
        if request.wanted == ("precaution-risk",):
            raise NoPlan(["precaution-risk"], given=["question"])
        at_ns = HISTORY[-1].first_seen_ns
        self.placed.append(type("Placed", (), {"by": by, "at_ns": at_ns, "wanted": request.wanted})())


@pytest.mark.requirement("LRN-5")
def test_agents_look_ahead_by_themselves_once_in_a_while_and_when_there_is_news():
    async def main(world):
        store, swarm = world.store("disk"), Ordered()

        async def found(rows):
            await store.commit([Put(FINDINGS, DEFAULT_TENANT, one.id, encode(one)) for one in rows])

        await found(HISTORY[:39])
        few = await _placed(swarm, store, DEFAULT_TENANT, 0)
        await found(HISTORY[39:])
        end = HISTORY[-1].first_seen_ns
        first = await _placed(swarm, store, DEFAULT_TENANT, end)
        soon = await _placed(swarm, store, DEFAULT_TENANT, end + 3_600 * 10**9)
        calm = await _placed(swarm, store, DEFAULT_TENANT, end + 7 * 3_600 * 10**9)
        news = msgspec.structs.replace(HISTORY[-1], id=derive_id(end + 10**12, "finding", "news"))
        await found([news])
        later = await _placed(swarm, store, DEFAULT_TENANT, end + 7 * 3_600 * 10**9)
        assert {one.by for one in swarm.placed} == {BY}
        return few, first, soon, calm, later

    assert SimWorld(1).run(main) == (0, len(HEEDED) - 1, 0, 0, len(HEEDED) - 1)
