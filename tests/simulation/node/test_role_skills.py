"""Skills of sentinels, deception agents, admins, specialists, canaries and guardians, on what a node was sent."""

import dataclasses
import json

import pytest

from phalanx.agents import (
    MISSIONS,
    REPORTS,
    Mission,
    MissionRejected,
    MissionStatus,
    Report,
    Role,
    SkillManifest,
    Toolbox,
    oversee_case_skill,
    weigh_agents_skill,
    writes_of,
)
from phalanx.agents._limits import WEIGHED_FOR_S
from phalanx.core import DEFAULT_TENANT, PROBE_TENANT, AuditSink, Put, Severity, Store, decode, encode, iso_from_ns
from phalanx.deception import profile_touch_skill, sweep_canaries_skill
from phalanx.incidents import weigh_impact_skill
from phalanx.intel import OwnEvents, RuleSet, heed_silence_skill, recheck_skill
from phalanx.node import Settings, build_node, weigh_clocks_skill
from phalanx.posture import (
    INVENTORIES,
    Asset,
    Inventory,
    Listed,
    Use,
    crypto_in_traffic_skill,
    judge,
    most_urgent_first,
    plan_migration_skill,
)
from phalanx.testing import SimWorld

QUIET = {"canary": {"probe_every_s": 0}, "response": {"min_probability": 0.1}}
SKILLS = (
    crypto_in_traffic_skill, heed_silence_skill, oversee_case_skill, plan_migration_skill, profile_touch_skill,
    recheck_skill, sweep_canaries_skill, weigh_agents_skill, weigh_clocks_skill, weigh_impact_skill,
)  # fmt: skip
SYSMON = {"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Image": "C:\\x\\notepad.exe"}


def cleared(host, user, at="2026-01-01 00:00:01"):
    return {"EventID": 1102, "Channel": "Security", "EventTime": at, "SourceName": "x", "Hostname": host,
            "SubjectUserName": user}  # fmt: skip


def work(host, user, at):
    return {**SYSMON, "EventTime": at, "Hostname": host, "User": user, "CommandLine": "notepad"}


async def accept(node, *events):
    lines = [json.dumps(event).encode() for event in events]
    await node.intake.accept(b"\n".join(lines), tenant=DEFAULT_TENANT)
    await node.settled()


async def reports(node):
    """All reports, by the skills that filed them."""
    found = [decode(row.value, Report) for row in await node.store.scan(REPORTS, DEFAULT_TENANT, limit=1_000)]
    return {skill: [one for one in found if one.skill == skill] for skill in {one.skill for one in found}}


def on_node(seed, main, settings=QUIET, **options):
    async def whole(world):
        machine = world.node("one")
        settled = Settings.model_validate(settings)
        async with build_node(settled, machine.ports(), besides=SKILLS, **options) as node:
            await main(world, machine, node)

    SimWorld(seed).run(whole)


@pytest.mark.requirement("AGT-1")
def test_a_sentinel_asks_the_rules_again_and_finds_the_hole_in_what_a_host_said():
    async def main(world, machine, node):
        # Heard every ten seconds, and then not for a quarter of an hour.
        times = [f"2026-01-01 00:{n // 6:02}:{n % 6 * 10:02}" for n in range(24)] + ["2026-01-01 00:20:00"]
        await accept(
            node, *(work("ws-07", "kim", at) for at in times), *(work("ws-08", "kim", at) for at in times[:24])
        )
        await accept(node, cleared("ws-07", "mallory", "2026-01-01 00:20:05"))
        found = await reports(node)
        [again], [silence] = found["recheck"], found["heed-silence"]
        assert (again.facts["lines that hit again"], again.facts["lines read again"]) == (1, 1)
        assert again.concerns == ()
        assert again.facts["events of ws-07"] == 26
        [hole] = silence.concerns
        assert hole.startswith("ws-07 was silent for 16 minutes from 2026-01-01T00:03:50")
        assert silence.facts["holes"] == 1
        stages = [one.stage for one in await node.story(DEFAULT_TENANT, again.trace)]
        assert stages.count("report") >= 2
        entries = [one.entry for one in await node.ledger.entries(-1, 1_000)]
        assert {again.id, silence.id} <= {one.body.get("report") for one in entries if one.actor == "sentinel"}

    on_node(1, main)


@pytest.mark.requirement("AGT-1")
def test_a_finding_whose_rule_no_longer_holds_is_said_to_be_one():
    async def main(world, machine, node):
        await accept(node, cleared("ws-07", "mallory"))
        [finding] = await node.findings.list(DEFAULT_TENANT)
        others = [rule for rule in node.sentinel.rules.rules.values() if rule.name != finding.rule]
        changed = dataclasses.replace(others[0], name=finding.rule)
        node.sentinel.use(RuleSet([changed]))
        await again(node, recheck_skill, finding)
        found = (await reports(node))["recheck"]
        assert [one.concerns for one in found] == [
            (), (f"{finding.rule} does not find it any more: rule or evidence has changed",),
        ]  # fmt: skip

    on_node(2, main)


async def again(node, skill, finding, subject=""):
    """Another mission for the skill on the same finding."""
    mission = Mission(
        id=node.ids.new(), tenant=DEFAULT_TENANT, trace=finding.trace, at_ns=node.clock.wall_ns(),
        skill=skill.manifest.name, subject=subject or finding.id, case=finding.case, severity=Severity.HIGH,
        status=MissionStatus.PENDING,
    )  # fmt: skip
    await node.store.commit(writes_of(mission))
    node.swarm.wake()
    while True:
        row = await node.store.get(MISSIONS, DEFAULT_TENANT, mission.id)
        if (stands := decode(row.value, Mission)).status in (MissionStatus.DONE, MissionStatus.FAILED):
            return stands
        await node.clock.sleep(0.05)


@pytest.mark.requirement("AGT-1")
def test_what_whoever_touched_did_to_all_decoys_and_where_else_it_was():
    peer = ("192.0.2.107", 50_000)
    wanted = {**QUIET, "deception": {"ssh": [22], "tcp": [25], "users": ["svc-archive"]}}

    async def main(world, machine, node):
        while not any(one.duty == "decoys" and one.note and one.agent for one in node.swarm.duties()):
            await node.clock.sleep(0.1)
        await accept(
            node, work("ws-01", "CORP\\svc-archive", "2026-01-01 00:00:01"),
            work("ws-02", "svc-archivist", "2026-01-01 00:00:02"),
        )  # fmt: skip
        for port, said in ((25, b"EHLO x\r\n"), (22, b"SSH-2.0-scanner\r\n")):
            visitor = machine.listeners.connect(port, peer=peer)
            visitor.send(said)
            await visitor.ended.wait()
            await node.settled()
        while not (touched := [one for one in await node.findings.list(DEFAULT_TENANT) if one.rule == "decoy-touched"]):
            await node.clock.sleep(0.1)
        await node.settled()
        await again(node, profile_touch_skill, touched[0])
        found = await reports(node)
        assert max(one.facts["captures"] for one in found["profile-touch"]) == 2
        profile = next(one for one in found["profile-touch"] if one.facts["captures"] == 2)
        assert profile.facts["decoys in order"] == "tcp:25, ssh:22"
        assert profile.facts["said client SSH-2.0-scanner"] == 1
        assert profile.concerns[0].startswith("2 decoys within")
        [sweep] = [one for one in found["sweep-canaries"] if one.subject == touched[0].id]
        assert sweep.facts["name a canary user"] == 1
        assert [str(one) for one in sweep.entities] == ["user:svc-archive"]
        assert sweep.concerns[0].startswith("the canary user svc-archive is named in 1 events of windows/")

    on_node(3, main, wanted)


@pytest.mark.requirement("AGT-1")
def test_a_specialist_plans_by_the_inventory_and_reads_sessions_in_events():
    async def main(world, machine, node):
        ssl = {"_path": "ssl", "ts": 1_767_225_600.0, "id.orig_h": "10.0.0.7", "id.resp_h": "10.0.0.9", "uid": "C1"}
        await accept(
            node,
            {**ssl, "version": "TLSv12", "cipher": "TLS_RSA_WITH_AES_128_CBC_SHA", "server_name": "old.example"},
            {**ssl, "version": "TLSv13", "cipher": "TLS_AES_256_GCM_SHA384", "curve": "X25519MLKEM768",
             "server_name": "new.example"},
            {**ssl, "_path": "ssh", "kex_alg": "curve25519-sha256", "host_key_alg": "ssh-ed25519"},
            work("ws-07", "kim", "2026-01-01 00:00:01"),
        )  # fmt: skip
        await accept(node, cleared("ws-07", "mallory"))
        [traffic] = (await reports(node))["crypto-in-traffic"]
        assert traffic.facts["RSA at old.example"] == 1
        assert traffic.facts["X25519MLKEM768 at new.example"] == 1
        said = " ".join(traffic.concerns)
        assert "old.example agreed on RSA" in said
        assert "10.0.0.9 agreed on X25519" in said
        assert "new.example" not in said

        key = Asset("private-key", "old.key", "/srv/old.key", "RSA", "2048", Use.BOTH)
        other = Asset("certificate", "www", "/srv/www.crt", "ECDSA", "secp256r1", Use.SIGNATURE)
        assets = [*[key] * 2, other]
        listed = tuple(
            Listed(
                form=one.form, name=one.name, where=one.where, algorithm=one.algorithm, size=one.size,
                use=one.use.value, until_ns=0, judgement=judge(one),
            )
            for one in most_urgent_first(assets)
        )  # fmt: skip

        def inventory(trace, listed):
            return Put(INVENTORIES, DEFAULT_TENANT, "newest", encode(Inventory(
                id="newest", tenant=DEFAULT_TENANT, trace=trace, at_ns=1, files=3, assets=listed,
                vulnerable=len(listed), digest=trace,
            )))  # fmt: skip

        # The duty tells before it keeps: the skill waits for what it was told of, and does not go by an older one.
        await node.store.commit([inventory("another", ())])
        stock = {"host": "one", "assets": 3, "vulnerable": 3, "path": "/srv/old.key", "first": "RSA 2048"}
        events, now_ns = OwnEvents(node.intake, node.clock), node.clock.wall_ns()
        event = await events.submit("posture", stock, tenant=DEFAULT_TENANT, at_ns=now_ns, key="stock")
        await node.clock.sleep(1.0)
        assert "plan-migration" not in await reports(node)
        await node.store.commit([inventory(event, listed)])
        await node.settled()
        [plan] = (await reports(node))["plan-migration"]
        assert plan.facts["steps"] == 2
        assert plan.facts["step 1"].startswith("2 of RSA 2048 → ML-DSA-65 to sign")
        assert plan.facts["step 1"].endswith("by 2030: /srv/old.key")
        assert "what RSA 2048 agrees on today can be recorded and read later" in plan.concerns
        assert plan.role == Role.SPECIALIST.value

    on_node(4, main)


@pytest.mark.requirement("AGT-1")
def test_an_admin_oversees_a_case_and_replaces_who_keeps_failing():
    class Failing:
        """A plug-in that can do nothing with what it is given."""

        manifest = SkillManifest(
            name="broken", role=Role.HUNTER, capabilities=(), inputs=(), outputs=(), cost=1.0, permissions=()
        )

        async def perform(self, mission, tools):
            raise MissionRejected("it is broken")

    async def main(world):
        settings = Settings.model_validate({**QUIET, "agents": {"per_role": 1}})
        async with build_node(settings, world.ports("one"), besides=[*SKILLS, Failing()]) as node:
            await accept(node, cleared("ws-07", "mallory"))
            [finding] = await node.findings.list(DEFAULT_TENANT)
            [first] = (await reports(node))["oversee-case"]
            assert first.facts["missions"] >= 5
            [hunter] = [view.id for view in node.swarm.roster() if view.role is Role.HUNTER]
            for _ in range(3):
                failed = await again(node, Failing, finding)
                assert failed.status is MissionStatus.FAILED
            await node.clock.sleep(WEIGHED_FOR_S)
            done = await again(node, oversee_case_skill, finding)
            assert "broken failed" in done.note
            await again(node, weigh_agents_skill, finding)
            weighed = max((await reports(node))["weigh-agents"], key=lambda one: one.at_ns)
            [now] = [view.id for view in node.swarm.roster() if view.role is Role.HUNTER]
            assert weighed.facts["replaced"] == 1
            assert now != hunter
            # Weighed again at once: nothing new is done; and later: it has not failed since.
            assert "weighed a moment ago" in (await again(node, weigh_agents_skill, finding)).note
            await node.clock.sleep(WEIGHED_FOR_S)
            await again(node, weigh_agents_skill, finding)
            weighed = max((await reports(node))["weigh-agents"], key=lambda one: one.at_ns)
            assert weighed.facts["replaced"] == 0

    SimWorld(5).run(main)


@pytest.mark.requirement("AGT-1")
def test_a_canary_tells_whose_clock_is_ahead():
    async def main(world, machine, node):
        now_ns = node.clock.wall_ns()
        right, ahead = iso_from_ns(now_ns), iso_from_ns(now_ns + 90 * 1_000_000_000)
        await accept(
            node, *(work(host, "kim", at[:19].replace("T", " ")) for host, at in (("ws-01", right), ("ws-02", ahead)))
        )
        events = OwnEvents(node.intake, node.clock)
        await events.submit("probe", {"probe": "p", "host": "p"}, tenant=PROBE_TENANT, at_ns=now_ns, key="p")
        await node.settled()
        entries = [one.entry for one in await node.ledger.entries(-1, 1_000)]
        [entry] = [one for one in entries if one.action == "clocks.weigh"]
        assert list(entry.body["ahead_s"]) == ["ws-02"]
        assert 80 < entry.body["ahead_s"]["ws-02"] <= 90
        assert sum("clocks are ahead: ws-02" in one.text for one in node.alerts.recent()) == 1
        await events.submit("probe", {"probe": "q", "host": "q"}, tenant=PROBE_TENANT, at_ns=now_ns, key="q")
        await node.settled()
        assert sum("clocks are ahead" in one.text for one in node.alerts.recent()) == 1, "it was told before"

    on_node(6, main)


@pytest.mark.requirement("AGT-1")
def test_a_guardian_counts_whom_an_approved_action_would_hit():
    async def main(world, machine, node):
        users = [work("ws-07", f"user{n}", "2026-01-01 00:00:01") for n in range(6)]
        await accept(node, *users, work("ws-08", "kim", "2026-01-01 00:00:01"))
        await accept(node, cleared("ws-07", "mallory"))
        [impact] = (await reports(node))["weigh-impact"]
        assert impact.facts["users"] == 7
        assert impact.concerns == ("7 users are at work on ws-07",)
        assert "user:user3" in map(str, impact.entities)
        assert "user:kim" not in map(str, impact.entities)

    on_node(7, main)


@pytest.mark.requirement("AGT-1")
def test_an_attempt_that_is_repeated_goes_by_the_report_of_the_one_before():
    async def main(world, machine, node):
        await accept(node, cleared("ws-07", "mallory"))
        before = await reports(node)
        [row] = [
            decode(row.value, Mission)
            for row in await node.store.scan(MISSIONS, DEFAULT_TENANT, limit=1_000)
            if decode(row.value, Mission).skill == "recheck"
        ]
        await accept(node, work("ws-07", "kim", "2026-01-01 00:00:03"))
        tools = Toolbox()
        tools.provide(Store, node.store)
        tools.provide(AuditSink, node.ledger)
        told = await recheck_skill.perform(row, tools)
        assert told == row.note
        assert await reports(node) == before

    on_node(8, main)
