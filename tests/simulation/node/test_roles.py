"""Hunters, guardians, analysts, sentinels and admins at work in a whole node."""

import asyncio
import json
from importlib.metadata import entry_points

import pytest

from phalanx.agents import MISSIONS, Mission, MissionStatus, Role, writes_of
from phalanx.core import DEFAULT_TENANT, Outcome, Severity, decode, iso_from_ns
from phalanx.incidents import REHEARSALS, Rehearsal, related
from phalanx.intel import HUNTS, Hunt
from phalanx.node import Settings, build_node, roles
from phalanx.testing import MemoryAudit, SimWorld

QUIET = Settings.model_validate({"canary": {"probe_every_s": 0}, "response": {"min_probability": 0.1}})
SYSMON = {"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "EventTime": "2026-01-01 00:00:01"}
ENCODED = "powershell.exe -enc VwByAGkAdABlAC0ASABvAHMAdAAgACIAaABlAGwAbABvACIA"
POWERSHELL = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"


def event(host, user, image="C:\\x\\notepad.exe", command="notepad", at_ns=None):
    at = {} if at_ns is None else {"EventTime": iso_from_ns(at_ns)}
    return json.dumps({**SYSMON, **at, "Hostname": host, "User": user, "Image": image, "CommandLine": command}).encode()


def cleared(host, user):
    fields = {"EventID": 1102, "Channel": "Security", "EventTime": "2026-01-01 00:00:01", "SourceName": "x"}
    return json.dumps({**fields, "Hostname": host, "SubjectUserName": user}).encode()


async def accept(node, *lines):
    await node.intake.accept(b"\n".join(lines), tenant=DEFAULT_TENANT)
    await node.settled()


async def rows(node, table, kind):
    return [decode(row.value, kind) for row in await node.store.scan(table, DEFAULT_TENANT)]


@pytest.mark.requirement("AGT-1")
def test_a_hunter_follows_the_user_of_a_finding_to_other_hosts_and_asks_saved_queries():
    async def main(world):
        async with build_node(QUIET, world.ports("one")) as node:
            noise = [event(f"ws-{number:02}", f"user{number}") for number in range(80)]
            await accept(node, *noise, event("fs-01", "CORP\\mallory"), event("ws-90", "kim", POWERSHELL, "powershell"))
            await accept(node, event("ws-07", "CORP\\mallory", POWERSHELL, ENCODED))
            hunts = {one.skill: one for one in await rows(node, HUNTS, Hunt)}
            assert set(hunts) == {"expand", "retro-hunt"}
            expand, retro = hunts["expand"], hunts["retro-hunt"]
            assert [one.why for one in expand.hits if "mallory" in one.why]
            assert "host:fs-01" in map(str, expand.entities)
            assert expand.events == 83
            assert "any-powershell" in retro.queries
            found = [await node.events.get(DEFAULT_TENANT, one.event) for one in retro.hits]
            assert [one.get("Hostname") for one in found if one.get("Image") == POWERSHELL] == ["ws-90"]
            entries = [one.entry for one in await node.ledger.entries(-1, 100)]
            assert {one.body["hunt"] for one in entries if one.actor == "hunter"} == {expand.id, retro.id}
            stages = [one.stage for one in await node.story(DEFAULT_TENANT, expand.trace)]
            assert stages.count("hunt") == 2

    SimWorld(1).run(main)


@pytest.mark.requirement("AGT-1")
def test_a_guardian_goes_through_what_was_approved_and_does_none_of_it():
    async def main(world):
        names = {"192.0.2.107": "ws-07"}
        async with build_node(QUIET, world.ports("one"), host_names=names) as node:
            await accept(node, cleared("ws-07", "mallory"), event("ws-07", "mallory", POWERSHELL, ENCODED))
            approved = [
                one for one in await node.responses.decisions(DEFAULT_TENANT) if one.outcome is Outcome.APPROVED
            ]
            made = await rows(node, REHEARSALS, Rehearsal)
            assert [one.proposal for one in made] == [one.about for one in approved]
            [rehearsal] = made
            assert {"ip:192.0.2.107", "user:mallory"} <= set(map(str, rehearsal.touches))
            assert rehearsal.in_the_way == ["something that acts"]
            assert {one.what for one in rehearsal.checks if one.holds} >= {
                "a decision", "bound to this proposal", "the policy", "a known action",
            }  # fmt: skip
            assert all("host:ws-07" in step or "{" not in step for step in rehearsal.steps)

    SimWorld(2).run(main)


@pytest.mark.requirement("AGT-1")
def test_an_analyst_puts_cases_together_that_name_the_same_user():
    async def main(world):
        async with build_node(QUIET, world.ports("one")) as node:
            await accept(node, cleared("fs-01", "mallory"), cleared("ws-44", "somebody"))
            await accept(node, cleared("ws-07", "CORP\\mallory"))
            here, there = "ws-07@2026-01-01", "fs-01@2026-01-01"
            assert await related(node.store, DEFAULT_TENANT, here) == [there]
            assert (await node.cases.get(DEFAULT_TENANT, there)).related == (here,)
            assert (await node.cases.get(DEFAULT_TENANT, "ws-44@2026-01-01")).related == ()

    SimWorld(3).run(main)


@pytest.mark.requirement("AGT-1")
def test_files_that_were_recorded_earlier_are_no_source_that_went_quiet():
    async def main(world):
        async with build_node(QUIET, world.ports("one")) as node:
            await node.clock.sleep(86_400)
            for number in range(190):
                await node.intake.accept(event("ws-07", f"user{number}"), tenant=DEFAULT_TENANT)
                await node.clock.sleep(5)
            await node.clock.sleep(4_000)
            assert await node.findings.list(DEFAULT_TENANT) == []
            assert any("0 sources have a rhythm" in one.note for one in node.swarm.duties())

    SimWorld(4).run(main)


@pytest.mark.requirement("AGT-1")
def test_a_sentinel_hears_a_source_go_quiet_and_not_the_node_starting_again():
    async def main(world):
        machine = world.node("one")
        async with build_node(QUIET, machine.ports()) as node:
            for number in range(190):
                line = event("ws-07", f"user{number}", at_ns=node.clock.wall_ns())
                await node.intake.accept(line, tenant=DEFAULT_TENANT)
                await node.clock.sleep(5)
        await world.clock.sleep(3600)
        async with build_node(QUIET, machine.ports()) as node:
            await node.clock.sleep(20)
            assert await node.findings.list(DEFAULT_TENANT) == []
            await node.clock.sleep(100)
            [finding] = await node.findings.list(DEFAULT_TENANT)
            assert finding.rule == "source-went-quiet"
            assert "Seen on the source windows/process_creation/sysmon:" in finding.explanation
            assert [str(one) for one in finding.entities] == ["source:windows/process_creation/sysmon"]
            assert finding.case.startswith("source:windows_process_creation_sysmon@")
            await node.settled()
            [assessment] = await node.assessments.list(DEFAULT_TENANT)
            assert assessment.subject == finding.entities[0]
            assert await node.responses.proposals(DEFAULT_TENANT) == [], "nothing is done about a host nobody knows"
            assert any("quiet" in one.text for one in node.alerts.recent())

    SimWorld(4).run(main)


@pytest.mark.requirement("AGT-1")
def test_an_admin_escalates_what_does_not_get_on_and_puts_on_record_what_was_done():
    async def main(world):
        async with build_node(QUIET, world.ports("one")) as node:
            await accept(node, cleared("ws-07", "mallory"))
            stuck = Mission(
                id=node.ids.new(), tenant=DEFAULT_TENANT, trace="", at_ns=node.clock.wall_ns(), skill="triage",
                subject="none", case="case", severity=Severity.CRITICAL, status=MissionStatus.ASSIGNED,
                agent="analyst-99.1",
            )  # fmt: skip
            await node.store.commit(writes_of(stuck))
            await node.clock.sleep(300)
            assert sum("does not get on" in one.text for one in node.alerts.recent()) == 1
            entries = [one.entry for one in await node.ledger.entries(-1, 100) if one.entry.actor == "admin"]
            assert [one.subject for one in entries if one.action == "mission.escalate"] == [stuck.id]
            reviews = [one for one in entries if one.action == "missions.review"]
            assert len(reviews) == 1, "nothing was done after the first"
            assert reviews[0].body["analyst"]["done"] == 2

    SimWorld(5).run(main)


@pytest.mark.requirement("AGT-1")
def test_a_mission_that_waits_behind_another_is_given_to_somebody_else():
    class Slow:
        """Holds on to the first mission that it gets, for a long time."""

        def __init__(self, skill):
            self.manifest, self._skill, self.held = skill.manifest, skill, False

        async def perform(self, mission, tools):
            if not self.held:
                self.held = True
                await asyncio.Event().wait()
            return "done"

    async def main(world):
        from phalanx.agents import Swarm, Toolbox, overview_duty
        from phalanx.core import AlertSink, AuditSink, Store
        from phalanx.incidents import correlate_skill
        from phalanx.telemetry import Alerts, Telemetry

        telemetry, store, tools = Telemetry(world.clock), world.store("disk"), Toolbox()

        swarm = Swarm(
            store, clock=world.clock, telemetry=telemetry, rng=world.rng, toolbox=tools,
            skills=[Slow(correlate_skill)], duties=[overview_duty], agents_per_role=1,
        )  # fmt: skip
        for kind, tool in ((Swarm, swarm), (Store, store), (AlertSink, Alerts(telemetry)), (AuditSink, MemoryAudit())):
            tools.provide(kind, tool)
        one = [
            Mission(
                id=world.ids.new(), tenant=DEFAULT_TENANT, trace="", at_ns=world.clock.wall_ns(), skill="correlate",
                subject="s", case="c", severity=Severity.CRITICAL, status=MissionStatus.PENDING,
            )
            for _ in range(2)
        ]  # fmt: skip
        async with swarm:
            await store.commit([write for mission in one for write in writes_of(mission)])
            swarm.wake()
            await world.clock.sleep(200)
            [view] = [view for view in swarm.duties() if view.duty == "missions-overview"]
            assert view.done >= 1
            row = await store.get(MISSIONS, DEFAULT_TENANT, one[1].id)
            # What was taken back was not begun, so that its attempt does not count.
            assert decode(row.value, Mission).attempts <= 1

    SimWorld(6).run(main)


@pytest.mark.requirement("AGT-2")
@pytest.mark.requirement("AGT-7")
def test_every_role_and_every_capability_is_there_by_entry_point():
    async def main(world):
        async with build_node(QUIET, world.ports("one")) as node:
            views = await roles(node, DEFAULT_TENANT)
            assert [one.role for one in views] == [role.value for role in Role]
            offered = {capability for one in views for capability in one.capabilities}
            assert len(offered) == 6
            names = {one.name for view in views for one in view.skills}
            assert names >= {"answer-probe", "correlate", "expand", "rehearse", "retro-hunt", "triage"}
            assert names == {entry.name for entry in entry_points(group="phalanx.skills")}

    SimWorld(7).run(main)
