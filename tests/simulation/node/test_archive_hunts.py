"""Hunters and people find in the archive what lies far from a finding, and what was not known when it came."""

import msgspec
import pytest

from phalanx.core import DEFAULT_TENANT, InvalidInput, NotFound, decode
from phalanx.intel import HUNTS, ExpandWanted, Hunt, RetroWanted
from phalanx.intel.indicators import Indicator, Kind
from phalanx.node import Settings, build_node
from phalanx.testing import SimWorld

QUIET = {"canary": {"probe_every_s": 0}, "response": {"min_probability": 0.1}}
ENCODED = "powershell.exe -enc VwByAGkAdABlAC0ASABvAHMAdAAgACIAaABlAGwAbABvACIA"
POWERSHELL = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"
# More posts than a hunter looks through around a finding.
NOISE = 150
RULE = """
title: A tool that nobody knew then
id: 0e3c9a52-6d0e-4c43-9d0e-0a4d4a3b7c11
logsource: {product: windows, category: process_creation}
detection: {selection: {CommandLine|contains: 'frob --quietly'}, condition: selection}
level: low
"""


def event(at_s, host, user, image="C:\\x\\notepad.exe", command="notepad", **more):
    return msgspec.json.encode(
        {
            "EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Hostname": host, "User": user,
            "EventTime": f"2026-01-01 {at_s // 3600:02}:{at_s // 60 % 60:02}:{at_s % 60:02}", "Image": image,
            "CommandLine": command, **more,
        }
    )  # fmt: skip


async def accept(node, *lines):
    await node.intake.accept(b"\n".join(lines), tenant=DEFAULT_TENANT)


async def filled(node):
    """Something long before a finding, much that has nothing to do with it, and the finding."""
    guid = "{aaaaaaaa-1111-2222-3333-444444444444}"
    await accept(
        node, event(1, "fs-01", "CORP\\mallory", command="frob --quietly"),
        event(2, "ws-90", "kim", POWERSHELL, "powershell"),
        event(3, "ws-55", "lee", DestinationIp="91.219.236.18", ParentProcessGuid=guid),
    )  # fmt: skip
    for number in range(NOISE):
        await accept(node, *[event(600 + 60 * number + n, f"ws-{n:02}", f"user{n}") for n in range(3)])
    # As after a quarter of an hour: a segment is written.
    await node.archive.archivist.drained()
    await node.archive.archivist.flush()
    await accept(node, event(60_000, "ws-07", "CORP\\mallory", POWERSHELL, ENCODED, ProcessGuid=guid))
    await node.settled()
    await node.archive.archivist.drained()


def in_node(work, **settings):
    async def main(world):
        async with build_node(Settings.model_validate(QUIET | settings), world.ports("one")) as node:
            await filled(node) if node.archive else None
            await work(node)

    SimWorld(1).run(main)


async def hosts(node, hunt):
    return {(await node.events.get(DEFAULT_TENANT, hit.event)).get("Hostname") for hit in hunt.hits}


async def finding_of(node):
    return next(one for one in await node.findings.list(DEFAULT_TENANT) if "host:ws-07" in map(str, one.entities))


@pytest.mark.requirement("AGT-1")
def test_a_hunter_finds_what_lies_beyond_the_events_around_a_finding():
    async def work(node):
        hunts = {one.skill: one for one in [
            decode(row.value, Hunt) for row in await node.store.scan(HUNTS, DEFAULT_TENANT)
        ]}  # fmt: skip
        expand, retro = hunts["expand"], hunts["retro-hunt"]
        # The first post is too far off to be looked through, and the archive is asked.
        assert expand.events < 3 * NOISE + 4 == expand.archived
        assert {"fs-01", "ws-55"} <= await hosts(node, expand)
        assert "ws-90" in await hosts(node, retro)
        followed = {link.name: link.events for link in expand.links if link.followed}
        assert followed["user:CORP\\mallory"] == 2

    in_node(work)


@pytest.mark.requirement("AGT-1")
def test_a_person_follows_a_finding_by_its_process_and_over_what_that_leads_to():
    async def work(node):
        finding = await finding_of(node)
        wanted = ExpandWanted(finding=finding.id)
        hunt = await node.hunts.expand(wanted, tenant=DEFAULT_TENANT, by="kim")
        why = {(await node.events.get(DEFAULT_TENANT, hit.event)).get("Hostname"): hit.why for hit in hunt.hits}
        assert "process:{aaaaaaaa" in why["ws-55"]
        assert "user:CORP\\mallory" in why["fs-01"]
        assert "ws-00" not in why
        assert (hunt.by, hunt.case, hunt.complete, hunt.archived) == ("kim", finding.case, True, 3 * NOISE + 4)
        farther = await node.hunts.expand(
            ExpandWanted(finding=finding.id, hops=2), tenant=DEFAULT_TENANT, by="kim"
        )  # fmt: skip
        assert any(" (over " in link.name for link in farther.links)
        near = await node.hunts.expand(ExpandWanted(finding=finding.id, back_s=60), tenant=DEFAULT_TENANT, by="kim")
        assert "fs-01" not in await hosts(node, near)
        stored = decode((await node.store.get(HUNTS, DEFAULT_TENANT, hunt.id)).value, Hunt)
        assert stored == hunt
        with pytest.raises(NotFound):
            await node.hunts.expand(ExpandWanted(finding="x"), tenant=DEFAULT_TENANT, by="kim")
        with pytest.raises(InvalidInput):
            await node.hunts.expand(ExpandWanted(finding=finding.id, hops=9), tenant=DEFAULT_TENANT, by="kim")

    in_node(work)


@pytest.mark.requirement("AGT-1", "INT-2")
def test_old_events_are_asked_new_rules_techniques_and_indicators():
    async def work(node):
        async def retro(**wanted):
            return await node.hunts.retro(
                RetroWanted(back_s=36_500 * 86_400.0, **wanted), tenant=DEFAULT_TENANT, by="kim"
            )

        new = await retro(rules=(RULE,))
        assert await hosts(node, new) == {"fs-01"}
        assert (new.total, new.finding, new.queries) == (1, "", ("0e3c9a52-6d0e-4c43-9d0e-0a4d4a3b7c11",))
        of_technique = await retro(techniques=("T1059.001",))
        assert {"ws-90", "ws-07"} <= await hosts(node, of_technique)
        assert "any-powershell" in of_technique.queries
        assert (await retro(indicators=True)).total == 0
        seen = Indicator(kind=Kind.ADDRESS, value="91.219.236.18", source="a list", name="", confidence=0.8)
        await node.indicators.put_many(DEFAULT_TENANT, [seen])
        on_list = await retro(indicators=True)
        assert await hosts(node, on_list) == {"ws-55"}
        assert "91.219.236.18" in on_list.hits[0].why
        entries = [one.entry for one in await node.ledger.entries(-1, 1000)]
        assert [one for one in entries if one.actor == "kim" and one.action == "hunt.retro-hunt"]
        # What is about no finding puts none together.
        before = [one.id for one in await node.incidents.newest(DEFAULT_TENANT)]
        await node.incidents.regroup(DEFAULT_TENANT)
        assert [one.id for one in await node.incidents.newest(DEFAULT_TENANT)] == before
        with pytest.raises(InvalidInput):
            await retro()

    in_node(work)


def test_without_an_archive_hunters_go_on_and_people_are_told():
    async def work(node):
        await accept(node, event(1, "ws-07", "CORP\\mallory", POWERSHELL, ENCODED))
        await node.settled()
        hunts = [decode(row.value, Hunt) for row in await node.store.scan(HUNTS, DEFAULT_TENANT)]
        assert {one.skill for one in hunts} == {"expand", "retro-hunt"}
        assert {one.archived for one in hunts} == {0}
        with pytest.raises(NotFound, match="archive"):
            await node.hunts.expand(ExpandWanted(finding=hunts[0].finding), tenant=DEFAULT_TENANT, by="kim")

    in_node(work, archive={"enabled": False})
