"""Whole nodes on a real NATS server: joining with a token, seeing each other's agents, alerts, and who is kept out."""

import asyncio
import contextlib
import os
import signal

import pytest

from phalanx.core import InvalidInput, NotFound
from phalanx.messaging import Kind, Member, surveyed
from phalanx.node import build_node, load_settings, open_ports
from phalanx.testing import wait_until

pytest.importorskip("nats", reason="the extra `cluster` is not installed")


class Nodes:
    """Nodes with data folders of their own, all stopped at the end."""

    def __init__(self, folder, stack):
        self.folder, self.stack = folder, stack

    async def start(self, name, organisation, **cluster):
        flags = {
            "node.data_dir": self.folder / name, "node.name": name, "identity.organisation": organisation,
            "agents.per_role": 1, **{f"cluster.{setting}": value for setting, value in cluster.items()},
        }  # fmt: skip
        settings = load_settings(file=None, environ={}, flags=flags).settings
        ports = await self.stack.enter_async_context(open_ports(settings))
        return await self.stack.enter_async_context(build_node(settings, ports))

    def token(self, text, name="token"):
        file = self.folder / name
        file.write_text(text)
        file.chmod(0o600)
        return str(file)


def run(folder, test):
    async def whole():
        async with contextlib.AsyncExitStack() as stack:
            await test(Nodes(folder, stack))

    asyncio.run(whole())


def collect(box):
    """Take whatever comes into a mailbox, from now on."""
    got = []

    async def take():
        async for envelope in box:
            got.append(envelope.body)  # noqa: PERF401 - what came is looked at while more comes

    return got, asyncio.create_task(take())


def beats(node, name):
    return sum(one["value"] for one in node.telemetry.metrics.snapshot()[name]["samples"])


@pytest.mark.requirement("MSG-2")
@pytest.mark.requirement("MSG-4")
@pytest.mark.requirement("MSG-7")
def test_two_nodes_see_each_others_agents_and_exchange_alerts_over_a_server_that_dies(tmp_path):
    async def check(nodes):
        hq = await nodes.start("hq", "acme", serve="true")
        lab = await nodes.start("lab", "other", token=nodes.token(await hq.cluster.invite("lab")))
        sender, box = hq.bus.join(Member("watch")), lab.bus.join(Member("listener"))
        await wait_until(lambda: hq.bus.directory.find("lab.other/listener"))
        await wait_until(lambda: lab.bus.directory.find("hq.acme/watch"))
        theirs = {member.address for member in hq.bus.directory.members() if member.address.startswith("lab.other/")}
        assert {member.address for member in lab.bus.directory.members() if member.address in theirs} == theirs
        assert len(theirs) > 1
        found = await surveyed(hq.bus, 30.0)
        assert [(one.here, one.there) for one in found.ways] == [("hq.acme", "lab.other")]
        assert found.ways[0].round_trip_ms > 0

        got, taking = collect(box)
        report = await hq.bus.broadcast(sender, b"fire", within_s=120)
        assert report.is_complete
        assert report.taken >= len(theirs)
        # The server dies under what is said next, twice; nothing of it is lost, and nothing comes twice.
        said = [b"fire"]
        for n in range(2):
            server = hq.cluster._line._server
            os.kill(server.pid, signal.SIGKILL)
            said += [b"%d-%d" % (n, k) for k in range(20)]
            receipts = [sender.send_nowait(Kind.ALERT, "*", body) for body in said[-20:]]
            await wait_until(lambda receipts=receipts: not any(one.outstanding for one in receipts))
            assert not any(one.refusals for one in receipts)
        await wait_until(lambda: len(got) >= len(said))
        assert sorted(got) == sorted(said)
        state = await hq.cluster.state()
        assert [one.process for one in state.peers] == ["lab.other"]
        assert [one.joined for one in state.invitations] == ["lab.other"]
        assert lab.ready
        # Each node's monitor watches its own agents, though those of both carry the same names and tags.
        await wait_until(lambda: all(beats(node, "phalanx_heartbeats_total") for node in (hq, lab)))
        assert not any(beats(node, "phalanx_heartbeats_refused_total") for node in (hq, lab))
        taking.cancel()

    run(tmp_path, check)


@pytest.mark.requirement("MSG-2")
def test_a_token_is_good_for_one_node_and_who_has_none_is_a_stranger(tmp_path):
    async def check(nodes):
        hq = await nodes.start("hq", "acme", serve="true")
        token = nodes.token(await hq.cluster.invite("lab"))
        lab = await nodes.start("lab", "other", token=token)
        await wait_until(lambda: "lab.other" in hq.bus.directory.processes)
        # It was copied, and another comes with it: it gets onto the server, and no further.
        thief = await nodes.start("thief", "crooks", token=token)
        await wait_until(lambda: any("used by lab.other" in str(one.context) for one in hq.alerts.recent()))
        await wait_until(lambda: "thief.crooks" in lab.cluster._strangers)
        assert "thief.crooks" in (await hq.cluster.state()).strangers
        assert "thief.crooks" not in hq.bus.directory.processes
        assert not thief.bus.directory.processes
        recorded = []
        while not recorded:
            await asyncio.sleep(0)
            recorded = [one for one in await hq.ledger.entries(-1, 1_000) if one.entry.action == "peer.refused"]
        assert [one.entry.subject for one in recorded] == ["thief.crooks"]

        # Taken back, the invitation's key opens nothing, and its organisation is not believed any more.
        await hq.cluster.dismiss("lab", actor="test")
        await wait_until(lambda: not any(connected for _, connected, _ in lab.cluster._line.states()))
        assert not hq.cluster.peers.has_channel("lab.other")
        assert "lab.other" not in hq.bus.directory.processes
        assert "organisation:other" not in {str(one) for one in hq.identities.anchors.values()}
        with pytest.raises(NotFound):
            await hq.cluster.dismiss("lab", actor="test")
        with pytest.raises(InvalidInput, match="another's"):
            await lab.cluster.invite("friend")

    run(tmp_path, check)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"serve": "true", "urls": "nats://127.0.0.1:1"}, "cluster"),
        ({"urls": "http://127.0.0.1:1"}, "cluster.url"),
        ({"urls": "tls://127.0.0.1:1"}, "cluster.url"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path, settings, field):
    async def check(nodes):
        with pytest.raises(InvalidInput) as caught:
            await nodes.start("hq", "acme", **settings)
        assert caught.value.field == field

    run(tmp_path, check)
