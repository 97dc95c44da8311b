"""From a finding to the ledger: assessed, proposed, decided, recorded; each once, whatever happens."""

import pytest

from phalanx.agents import MissionStatus
from phalanx.core import DEFAULT_TENANT, Entity, NotFound, Origin, Outcome, Severity, Verdict
from phalanx.incidents import ContainmentPolicy
from phalanx.incidents._limits import MAX_CASE_FINDINGS
from phalanx.incidents._policy import grounds
from phalanx.incidents._proposing import digest

GRAVE = {"tactics": ("credential-access",), "severity": Severity.CRITICAL, "confidence": 0.9}
MIDDLING = {"tactics": ("lateral-movement",), "severity": Severity.HIGH, "confidence": 0.8}
SLIGHT = {"tactics": ("discovery",), "severity": Severity.MEDIUM, "confidence": 0.5}


@pytest.mark.requirement("HWF-4")
def test_a_grave_case_is_assessed_proposed_approved_and_recorded(play, finding):
    async def scenario(desk):
        await desk.find(finding(1, **GRAVE), finding(2, **MIDDLING))
        await desk.swarm.settled()
        first, second = await desk.assessments()
        for assessment in (first, second):
            assert assessment.subject == Entity("host", "ws-1")
            assert assessment.verdict is Verdict.COMPROMISED
            assert assessment.probability == pytest.approx(1 - (1 - 0.693) * (1 - 0.4), abs=0.02)
            assert assessment.interval[0] < assessment.probability < assessment.interval[1]
            assert assessment.degraded == ""
            [source] = assessment.provenance
            assert (source.origin, source.device) == (Origin.SIMULATED, "local.statevector")
            assert [b.method for b in source.baselines] == ["exact", "monte-carlo"]
        [proposal] = await desk.responses.proposals(DEFAULT_TENANT)
        [decision] = await desk.responses.decisions(DEFAULT_TENANT)
        assert (proposal.action, proposal.target, proposal.blast_radius) == ("isolate-host", first.subject, 1)
        assert proposal.assessment in {first.id, second.id}
        assert decision.outcome is Outcome.APPROVED
        assert (decision.about, decision.authority) == (proposal.id, "containment-v1")
        assert decision.context_hash == digest(proposal)
        assert decision.reasons[-1] == "not executed: acting on the outside is switched off for isolate-host"
        assert await desk.ledger_actions() == {"assess": 2, "propose isolate-host": 1, "approved isolate-host": 1}
        assert (await desk.ledger.verify()).size == 4
        assert {m.status for m in await desk.missions()} == {MissionStatus.DONE}
        assert any("isolate-host of host:ws-1 approved" in m.note for m in await desk.missions())

    play(scenario)


@pytest.mark.requirement("HWF-1")
def test_the_whole_way_is_told_in_order_under_the_trace_of_the_finding(play, finding):
    async def scenario(desk):
        await desk.find(finding(1, **GRAVE))
        await desk.swarm.settled()
        story = await desk.story("event-1")
        stages = [waypoint.stage for waypoint in story]
        assert stages[:2] == ["mission", "assigned"]
        assert stages[-1] == "mission-done"
        assert [w.summary.partition(":")[0] for w in story if w.stage == "step"] == ["collect", "estimate", "assess"]
        assert stages.count("assessment") == stages.count("proposal") == stages.count("decision") == 1
        assert stages.count("ledger") == 3
        assert stages.index("assessment") < stages.index("proposal")
        decision = next(w for w in story if w.stage == "decision")
        assert "acting on the outside is switched off" in decision.summary

    play(scenario, policy=ContainmentPolicy(min_probability=0.5))


def test_a_case_with_too_little_evidence_is_recorded_as_that_and_nothing_is_proposed(play, finding):
    async def scenario(desk):
        await desk.find(finding(1, **SLIGHT))
        await desk.swarm.settled()
        [assessment] = await desk.assessments()
        assert assessment.verdict is Verdict.INCONCLUSIVE
        assert "inconclusive, too little evidence to tell," in next(
            w.summary for w in await desk.story("event-1") if w.stage == "assessment"
        )
        assert await desk.responses.proposals(DEFAULT_TENANT) == []
        assert await desk.ledger_actions() == {"assess": 1}
        [mission] = await desk.missions()
        assert mission.note.endswith("no action called for")

    play(scenario)


@pytest.mark.parametrize(
    ("host", "kind", "policy", "ground"),
    [
        ("dc01", GRAVE, ContainmentPolicy(), "protected asset: dc01 matches dc*"),
        ("ws-1", MIDDLING, ContainmentPolicy(), "not probable enough: 0.4"),
        ("ws-1", GRAVE, ContainmentPolicy(min_probability=0.5, max_hosts=0), "blast radius: 0 of 0 hosts this hour"),
        ("10.0.0.7", GRAVE, ContainmentPolicy(min_probability=0.5), "not identified: '10.0.0.7' is not a name"),
    ],
    ids=["protected", "improbable", "blast-radius", "unidentified"],
)
@pytest.mark.requirement("HWF-4")
def test_a_refusal_is_journalled_and_recorded_like_an_approval(play, finding, host, kind, policy, ground):
    async def scenario(desk):
        await desk.find(finding(1, host=host, **kind))
        await desk.swarm.settled()
        [proposal] = await desk.responses.proposals(DEFAULT_TENANT)
        [decision] = await desk.responses.decisions(DEFAULT_TENANT)
        assert decision.outcome is Outcome.REFUSED
        assert any(reason.startswith(ground) for reason in decision.reasons)
        assert decision.context_hash == digest(proposal)
        assert await desk.ledger_actions() == {"assess": 1, "propose isolate-host": 1, "refused isolate-host": 1}
        [mission] = await desk.missions()
        assert mission.status is MissionStatus.DONE

    play(scenario, policy=policy)


def test_a_case_without_a_host_calls_for_no_action(play, finding):
    async def scenario(desk):
        await desk.find(finding(1, host="", **GRAVE))
        await desk.swarm.settled()
        [assessment] = await desk.assessments()
        assert assessment.subject.type == "case"
        assert await desk.responses.proposals(DEFAULT_TENANT) == []

    play(scenario)


@pytest.mark.requirement("HWF-4")
def test_without_a_quantum_device_the_answer_is_exact_and_says_that_it_is_degraded(play, finding):
    async def scenario(desk):
        await desk.find(finding(1, **GRAVE))
        await desk.swarm.settled()
        [assessment] = await desk.assessments()
        assert assessment.probability == pytest.approx(0.693)
        assert "there are no devices" in assessment.degraded
        assert assessment.provenance == ()
        low, high = assessment.interval
        assert assessment.confidence == pytest.approx(0.5 * (1 - (high - low)) * 0.75), "a quarter less for want of one"
        assert any(c.summary.startswith("exact sum") for c in assessment.contributions)
        told = next(w for w in await desk.story("event-1") if w.stage == "assessment")
        assert "there are no devices" in told.detail["degraded"]
        [mission] = await desk.missions()
        assert mission.status is MissionStatus.DONE

    play(scenario, devices=False)


def test_a_refusal_stands_until_the_case_has_grown_enough_to_be_approved(play, finding):
    async def scenario(desk):
        await desk.find(finding(1, **MIDDLING))
        await desk.swarm.settled()
        await desk.find(finding(2, **MIDDLING))
        await desk.swarm.settled()
        assert len(await desk.responses.decisions(DEFAULT_TENANT)) == 1
        await desk.find(finding(3, **GRAVE))
        await desk.swarm.settled()
        await desk.find(finding(4, **GRAVE))
        await desk.swarm.settled()
        view = await desk.case("ws-1@2026-01-01")
        decisions = sorted(view.decisions, key=lambda decision: decision.at_ns)
        assert [decision.outcome for decision in decisions] == [Outcome.REFUSED, Outcome.APPROVED]
        assert (len(view.findings), len(view.assessments), len(view.proposals)) == (4, 4, 2)
        notes = {m.subject: m.note for m in await desk.missions()}
        assert "stays refused" in notes[finding(2).id]
        assert notes[finding(4).id].endswith("isolate-host of host:ws-1 was approved before")
        # The second assessment saw more than the first: that is what changed the answer.
        sizes = [a.contributions[0].value for a in sorted(view.assessments, key=lambda a: a.at_ns)]
        assert sizes == [1.0, 2.0, 3.0, 4.0]

    play(scenario)


def test_a_refusal_on_other_grounds_is_a_decision_of_its_own(play, finding):
    async def scenario(desk):
        for n, kind in enumerate((MIDDLING, MIDDLING, GRAVE, GRAVE)):
            await desk.find(finding(n, host="dc01", **kind))
            await desk.swarm.settled()
        decisions = sorted((await desk.case("dc01@2026-01-01")).decisions, key=lambda decision: decision.at_ns)
        assert [decision.outcome for decision in decisions] == [Outcome.REFUSED] * 2
        assert [grounds(decision.reasons) for decision in decisions] == [
            ("protected asset", "not probable enough"),
            ("protected asset",),
        ]
        assert (await desk.ledger_actions())["refused isolate-host"] == 2

    play(scenario)


@pytest.mark.requirement("HWF-4")
def test_no_more_hosts_are_approved_within_an_hour_than_the_policy_allows(play, finding):
    async def scenario(desk):
        await desk.find(*(finding(n, host=f"ws-{n}", **GRAVE) for n in range(5)))
        await desk.swarm.settled()
        outcomes = [decision.outcome for decision in await desk.responses.decisions(DEFAULT_TENANT)]
        assert (outcomes.count(Outcome.APPROVED), outcomes.count(Outcome.REFUSED)) == (2, 3)
        await desk.clock.sleep(3_601)
        await desk.find(*(finding(n, host=f"ws-{n}", **GRAVE) for n in range(5, 7)))
        await desk.swarm.settled()
        outcomes = [decision.outcome for decision in await desk.responses.decisions(DEFAULT_TENANT)]
        assert (outcomes.count(Outcome.APPROVED), outcomes.count(Outcome.REFUSED)) == (4, 3)

    play(scenario, policy=ContainmentPolicy(min_probability=0.5, max_hosts=2), agents=5)


def test_of_a_case_with_too_many_findings_the_most_severe_are_looked_at(play, finding):
    async def scenario(desk):
        many = sorted((finding(n, **SLIGHT) for n in range(MAX_CASE_FINDINGS + 21)), key=lambda f: f.id)
        grave = next(n for n in range(10_000, 11_000) if finding(n).id > many[-1].id)
        await desk.find_quietly(*many, finding(grave, **GRAVE))
        await desk.mission_only(many[-1])
        await desk.swarm.settled()
        [assessment] = await desk.assessments()
        collected = assessment.contributions[0]
        assert collected.value == MAX_CASE_FINDINGS
        assert ", 22 more over the limit" in collected.summary
        assert "credentials 0.69" in collected.summary

    play(scenario)


def test_a_mission_whose_finding_is_gone_fails_and_says_so(play, finding):
    async def scenario(desk):
        await desk.mission_only(finding(1))
        await desk.swarm.settled()
        [mission] = await desk.missions()
        assert (mission.status, mission.attempts) == (MissionStatus.FAILED, 1)
        assert mission.note.startswith("there is no finding")

    play(scenario)


def test_a_case_nobody_found_anything_in_does_not_exist(play):
    async def scenario(desk):
        for case in ("ws-9@2026-01-01", ""):
            with pytest.raises(NotFound):
                await desk.case(case)

    play(scenario)


@pytest.mark.requirement("AGT-6", "HWF-4")
def test_many_triages_at_once_wait_for_the_device_while_analysts_fall(play, finding):
    async def scenario(desk):
        await desk.find(*(finding(n, host=f"ws-{n}", **GRAVE) for n in range(40)))
        for _ in range(6):
            await desk.clock.sleep(0.1)
            for one in [m for m in await desk.missions() if m.status is MissionStatus.ASSIGNED][:4]:
                desk.swarm.kill(one.agent)
        await desk.swarm.settled()
        assert {m.status for m in await desk.missions()} == {MissionStatus.DONE}
        assessments = await desk.assessments()
        assert len(assessments) == 40
        assert {one.degraded for one in assessments} == {""}
        pool = desk.engine.pool
        assert (pool.refused, [seat.failed for seat in pool.seats]) == (0, [0] * len(pool.seats))

    play(scenario, agents=20, slowed_s=0.05)
