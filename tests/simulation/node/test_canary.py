"""Canaries: probes through the whole, tripwires, drift, clocks; and none of it in anybody's figures."""

import pytest

from phalanx.agents import MISSIONS
from phalanx.core import DEFAULT_TENANT, PROBE_TENANT, Severity
from phalanx.intel import FINDINGS
from phalanx.node import Settings, build_node
from phalanx.telemetry import WAYPOINTS
from phalanx.testing import SimWorld


def settings(**sections):
    return Settings.model_validate({"canary": {"probe_every_s": 20, **sections.pop("canary", {})}, **sections})


async def found(node, rule):
    while True:
        for one in await node.findings.list(DEFAULT_TENANT, limit=1_000):
            if one.rule == rule:
                return one
        await node.clock.sleep(0.5)


@pytest.mark.requirement("AGT-1")
def test_a_probe_goes_the_whole_way_and_into_nobodys_figures():
    async def main(world):
        async with build_node(settings(), world.ports("one")) as node:
            while node.probes.last is None:
                await world.clock.sleep(1)
            probe = node.probes.last
            assert 0 < probe.accepted_s <= probe.found_s <= probe.ledger_s < 5
            entries = await node.ledger.entries(-1, 10)
            probes = [one.entry for one in entries if one.entry.action == "canary.probe"]
            assert [(one.tenant, one.action) for one in probes] == [(PROBE_TENANT, "canary.probe")]
            assert await node.findings.list(DEFAULT_TENANT) == []
            assert await node.store.scan(MISSIONS, DEFAULT_TENANT) == []
            assert await node.store.scan(WAYPOINTS, DEFAULT_TENANT) == []
            assert node.health()["canary"].ok
            assert "from intake to ledger" in node.health()["canary"].detail
            text = node.telemetry.metrics.render_openmetrics()
            assert 'phalanx_probes_total{outcome="arrived"} 1' in text
            assert "phalanx_findings_total{" not in text
            [view] = [one for one in node.swarm.duties() if one.duty == "pipeline-probe"]
            assert view.done == 1
            await world.clock.sleep(100)
            # What earlier probes left is swept; the ledger keeps its entries.
            assert len(await node.store.scan(FINDINGS, PROBE_TENANT)) == 1
            answering = sum("probe" in one.inputs for one in node.swarm.skills())
            assert len(await node.store.scan(MISSIONS, PROBE_TENANT)) == answering
            entries = await node.ledger.entries(-1, 100)
            assert sum(one.entry.action == "canary.probe" for one in entries) == 6

    SimWorld(1).run(main)


@pytest.mark.requirement("AGT-1")
def test_probes_that_are_late_raise_alerts_and_show_in_health():
    async def main(world):
        wanted = settings(canary={"probe_late_s": 1e-6})
        async with build_node(wanted, world.ports("one")) as node:
            while node.probes.late_in_a_row < 1:
                await world.clock.sleep(1)
            assert node.health()["canary"].ok, "one may be a busy moment"
            while node.probes.late_in_a_row < 2:
                await world.clock.sleep(1)
            assert not node.health()["canary"].ok
            assert not node.ready
            assert sum("took longer" in one.text for one in node.alerts.recent()) == 2

    SimWorld(2).run(main)


@pytest.mark.requirement("AGT-1")
@pytest.mark.parametrize("what", ["changed", "removed", "made"])
def test_a_tripwire_is_told_once_also_when_nobody_was_looking(what):
    path = "/etc/passwd"

    async def main(world):
        machine = world.node("one")
        wanted = settings(canary={"probe_every_s": 0, "tripwires": [path]})
        if what != "made":
            machine.files.put(path, b"root")
        async with build_node(wanted, machine.ports()) as node:
            await node.clock.sleep(10)
            assert await node.findings.list(DEFAULT_TENANT) == []
        if what == "removed":
            machine.files.take_away(path)
        else:
            machine.files.put(path, b"root and another")
        async with build_node(wanted, machine.ports()) as node:
            finding = await found(node, "tripwire-changed")
            assert (finding.severity, finding.hits) == (Severity.HIGH, 1)
            assert what in finding.explanation
            await node.settled()
            await node.clock.sleep(60)
            [finding] = await node.findings.list(DEFAULT_TENANT)
            assert finding.hits == 1

    SimWorld(3).run(main)


@pytest.mark.requirement("AGT-1")
def test_settings_that_differ_from_the_record_are_found_and_recorded():
    async def main(world):
        machine = world.node("one")
        off = {"probe_every_s": 0}
        async with build_node(settings(canary=off), machine.ports()) as node:
            await node.clock.sleep(1)
        async with build_node(settings(canary=off, api={"port": 9999}), machine.ports()) as node:
            await node.clock.sleep(1)
            assert await node.findings.list(DEFAULT_TENANT) == [], "where it listens decides nothing"
        async with build_node(settings(canary=off, response={"min_probability": 0.1}), machine.ports()) as node:
            finding = await found(node, "configuration-drifted")
            assert "response" in finding.explanation
            assert finding.severity is Severity.LOW
            await node.clock.sleep(1)
            [entry] = [one.entry for one in await node.ledger.entries(-1, 10) if one.entry.actor == "canary"]
            assert (entry.action, entry.body["changed"]) == ("configuration.changed", "response")

    SimWorld(4).run(main)


@pytest.mark.requirement("AGT-1")
@pytest.mark.parametrize("jump_s", [3600, -30])
def test_a_clock_that_jumps_is_told_and_one_that_drifts_a_little_is_not(jump_s):
    async def main(world):
        async with build_node(settings(canary={"probe_every_s": 0}), world.ports("one")) as node:
            await node.clock.sleep(20)
            world.clock._start_wall_ns += 500_000_000
            await node.clock.sleep(20)
            assert await node.findings.list(DEFAULT_TENANT) == []
            world.clock._start_wall_ns += jump_s * 1_000_000_000
            finding = await found(node, "clock-jumped")
            assert f"{jump_s:.1f}".split(".")[0] in finding.explanation

    SimWorld(5).run(main)
