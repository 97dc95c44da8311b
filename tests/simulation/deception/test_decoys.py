"""A touch of a decoy takes the way of every event: capture, alert, finding, mission, ledger."""

import asyncio

import pytest

from phalanx.agents import DutyState, MissionStatus
from phalanx.core import DEFAULT_TENANT, MAX_PAGE_ROWS, Severity, decode
from phalanx.deception import CAPTURES, Capture, DecoyPorts, Decoys
from phalanx.deception._limits import (
    CONNECTION_S,
    MAX_CAPTURE_BYTES,
    MAX_OPEN_PER_PEER,
    MAX_TOUCHES_PER_MINUTE,
    SILENCE_S,
)
from phalanx.node import Settings, build_node
from phalanx.testing import SimWorld

PEER = ("192.0.2.107", 50_000)
WANTED = {"deception": {"ssh": [22], "http": [80], "tcp": [25], "users": ["svc-archive"], "files": ["/srv/access.txt"]}}


async def duty(node, name):
    """As soon as it is kept: nothing else tells a simulation that ports are open."""
    while not any(one.duty == name and one.note and one.agent for one in node.swarm.duties()):
        await node.clock.sleep(0.1)


async def captures(node):
    rows = await node.store.scan(CAPTURES, DEFAULT_TENANT)
    return [decode(row.value, Capture) for row in rows]


async def settled(node, n_findings):
    while len(found := await node.findings.list(DEFAULT_TENANT, limit=MAX_PAGE_ROWS)) < n_findings:
        await node.clock.sleep(0.1)
    await node.settled()
    return {one.rule: one for one in found}


@pytest.mark.requirement("AGT-1")
def test_a_touch_becomes_a_finding_a_mission_and_an_entry_of_the_ledger():
    async def main(world):
        machine = world.node("one")
        async with build_node(Settings.model_validate(WANTED), machine.ports(), host_names={PEER[0]: "ws-07"}) as node:
            await duty(node, "decoys")
            visitor = machine.listeners.connect(22, peer=PEER)
            visitor.send(b"SSH-2.0-scanner\r\n")
            await visitor.ended.wait()
            found = (await settled(node, 1))["decoy-touched"]
            assert visitor.heard.startswith(b"SSH-2.0-OpenSSH")
            assert found.severity is Severity.HIGH
            assert ("host", "ws-07") in [(one.type, one.value) for one in found.entities]
            [capture] = await captures(node)
            assert (capture.decoy, capture.port, capture.peer, capture.received) == (
                "ssh",
                22,
                PEER[0],
                b"SSH-2.0-scanner\r\n",
            )
            assert capture.event == found.trace == found.evidence[0]
            event = await node.events.get(DEFAULT_TENANT, capture.event)
            assert (event.get("capture"), event.get("client")) == (capture.id, "SSH-2.0-scanner")
            stages = [one.stage for one in await node.story(DEFAULT_TENANT, found.trace)]
            assert {"accepted", "finding", "mission", "assessment", "ledger", "mission-done"} <= set(stages)
            assert any("decoy" in one.text for one in node.alerts.recent())
            [view] = [one for one in node.swarm.duties() if one.duty == "decoys"]
            assert (view.done, view.state) == (1, DutyState.KEPT)
            assert {one.term for one in node.swarm.duties()} == {1}, "a duty fell"

    SimWorld(1).run(main)


@pytest.mark.requirement("AGT-1")
def test_the_planted_password_gives_away_who_read_the_file():
    async def main(world):
        machine = world.node("one")
        async with build_node(Settings.model_validate(WANTED), machine.ports()) as node:
            await duty(node, "decoys")
            await duty(node, "canary-files")
            secret = machine.files.look_into("/srv/access.txt").decode().split("svc-archive:")[1].strip()
            visitor = machine.listeners.connect(80, peer=PEER)
            body = f"username=svc-archive&password={secret}".encode()
            visitor.send(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await visitor.ended.wait()
            found = await settled(node, 3)
            assert set(found) == {"decoy-touched", "canary-credential-used", "canary-file-touched"}
            assert found["canary-credential-used"].severity is Severity.CRITICAL
            assert "password" in (await captures(node))[0].facts
            assert secret not in str((await captures(node))[0].facts)
            assert "read" in found["canary-file-touched"].explanation
            await node.clock.sleep(60)
            assert len(await node.findings.list(DEFAULT_TENANT)) == 3, "one reading was told twice"

    SimWorld(2).run(main)


@pytest.mark.parametrize("what", ["changed", "removed"])
def test_a_canary_file_that_is_changed_or_removed_is_told_once(what):
    async def main(world):
        machine = world.node("one")
        async with build_node(Settings.model_validate(WANTED), machine.ports()) as node:
            await duty(node, "canary-files")
            if what == "changed":
                machine.files.put("/srv/access.txt", b"mine")
            else:
                machine.files.take_away("/srv/access.txt")
            found = (await settled(node, 1))["canary-file-touched"]
            assert what in found.explanation
            await node.clock.sleep(60)
            [again] = await node.findings.list(DEFAULT_TENANT)
            assert again.hits == 1
            expected = b"mine" if what == "changed" else b"# access"
            assert machine.files.look_into("/srv/access.txt").startswith(expected)

    SimWorld(3).run(main)


def test_a_file_of_somebody_else_is_never_written_over():
    async def main(world):
        machine = world.node("one")
        machine.files.put("/srv/access.txt", b"real")
        async with build_node(Settings.model_validate(WANTED), machine.ports()) as node:
            await duty(node, "canary-files")
            await node.clock.sleep(30)
            assert machine.files.look_into("/srv/access.txt") == b"real"
            assert any("not planted" in one.text for one in node.alerts.recent())
            assert not await node.findings.list(DEFAULT_TENANT)

    SimWorld(4).run(main)


@pytest.mark.parametrize("seed", range(6))
def test_a_touch_that_was_captured_is_told_once_whatever_crashes(seed):
    async def main(world):
        machine = world.node("one")
        touched = []

        async def life(here):
            async with build_node(Settings.model_validate(WANTED), here.ports()) as node:
                await duty(node, "decoys")
                if not touched:
                    visitor = here.listeners.connect(25, peer=PEER)
                    visitor.send(b"HELO\r\n")
                    visitor.hang_up()
                    touched.append(visitor)
                    await asyncio.Event().wait()
                await node.clock.sleep(30)
                kept = await captures(node)
                events = await node.events.recent(DEFAULT_TENANT, source="phalanx/decoy")
                assert [one.event for one in kept] == [one.id for one in events]
                assert len(await node.findings.list(DEFAULT_TENANT)) == len(kept)

        machine.start(life)
        while not touched:
            await world.clock.sleep(0.01)
        await world.clock.sleep(world.rng.child("crash").random() * 0.3)
        await machine.crash()
        await machine.start(life)

    SimWorld(seed).run(main)


def test_without_a_port_nothing_listens_and_nothing_is_kept_waiting():
    async def main(world):
        machine = world.node("one")
        async with build_node(Settings(), machine.ports()) as node:
            await node.clock.sleep(1)
            assert machine.listeners.ports == []
            states = {one.duty: one.state for one in node.swarm.duties()}
            assert (states["decoys"], states["canary-files"]) == (DutyState.OVER, DutyState.OVER)
            assert node.ready

    SimWorld(5).run(main)


class Bare:
    """Decoy ports alone, with what they caught."""

    def __init__(self, world):
        self.world, self.machine, self.caught = world, world.node("bare"), []
        self.ports = DecoyPorts(
            Decoys(tcp=(25,)), {}, self._touched, listeners=self.machine.listeners, clock=world.clock, ids=world.ids
        )

    async def _touched(self, capture):
        self.caught.append(capture)

    def connect(self, peer=PEER):
        return self.machine.listeners.connect(25, peer=peer)


@pytest.mark.requirement("AGT-1")
@pytest.mark.parametrize(
    ("every_s", "ended", "within_s"),
    [(None, "it fell silent", SILENCE_S), (SILENCE_S / 2, "it took too long", CONNECTION_S)],
)
def test_who_dawdles_is_put_out_and_kept(every_s, ended, within_s):
    async def main(world):
        bare = Bare(world)
        await bare.ports.open()
        visitor = bare.connect()
        while every_s and not visitor.ended.is_set():
            visitor.send(b"x")
            await world.clock.sleep(every_s)
        await visitor.ended.wait()
        await world.clock.sleep(0)
        assert [one.ended for one in bare.caught] == [ended]
        assert bare.caught[0].ended_ns - bare.caught[0].at_ns == pytest.approx(within_s * 1e9, rel=0.01)
        await bare.ports.close()

    SimWorld(6).run(main)


@pytest.mark.requirement("AGT-1")
def test_a_flood_costs_bounded_memory_and_connections():
    async def main(world):
        bare = Bare(world)
        await bare.ports.open()
        visitor = bare.connect()
        for _ in range(200):
            visitor.send(b"y" * 4096)
        await visitor.ended.wait()
        await world.clock.sleep(0)
        assert bare.caught[0].ended == "it sent too much"
        assert len(bare.caught[0].received) == MAX_CAPTURE_BYTES
        visitors = [bare.connect() for _ in range(MAX_OPEN_PER_PEER + 5)]
        await world.clock.sleep(0.1)
        assert sum(one.ended.is_set() for one in visitors) == 5
        assert not bare.connect(peer=("192.0.2.9", 1)).ended.is_set()
        for one in visitors:
            one.hang_up()
        await world.clock.sleep(0.1)
        for number in range(MAX_TOUCHES_PER_MINUTE + 30):
            other = bare.connect(peer=(f"198.51.100.{number % 250}", number))
            other.hang_up()
            await other.ended.wait()
        assert len(bare.caught) == MAX_TOUCHES_PER_MINUTE
        assert bare.ports.overrun >= 30
        await bare.ports.close()
        assert bare.machine.listeners.ports == []

    SimWorld(7).run(main)


def test_a_port_that_is_taken_opens_none_and_is_tried_again():
    async def main(world):
        machine = world.node("one")

        async def nobody(connection):
            pass

        held = await machine.listeners.listen("127.0.0.1", 80, nobody, max_open=1)
        async with build_node(Settings.model_validate(WANTED), machine.ports()) as node:
            await node.clock.sleep(1)
            [view] = [one for one in node.swarm.duties() if one.duty == "decoys"]
            assert view.state is DutyState.RESTING
            assert "80" in view.note
            assert machine.listeners.ports == [80]
            await held.close()
            await node.clock.sleep(60)
            assert machine.listeners.ports == [22, 25, 80]
            missions = await node.store.scan(CAPTURES, DEFAULT_TENANT)
            assert missions == []

    SimWorld(8).run(main)


def test_missions_of_a_touch_are_done():
    async def main(world):
        machine = world.node("one")
        async with build_node(Settings.model_validate(WANTED), machine.ports()) as node:
            await duty(node, "decoys")
            visitor = machine.listeners.connect(25, peer=PEER)
            visitor.hang_up()
            await visitor.ended.wait()
            await settled(node, 1)
            from phalanx.agents import Missions

            missions = await Missions(node.store).list(DEFAULT_TENANT)
            assert missions
            assert {one.status for one in missions} == {MissionStatus.DONE}

    SimWorld(9).run(main)
