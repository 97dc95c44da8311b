"""Sealed peers over a simulated network: who gets what, who is refused, and what a restart costs."""

import asyncio
import contextlib

import pytest

from phalanx.core import KIB, NS_PER_S, InvalidInput
from phalanx.crypto import AES_256_GCM, ED25519, X25519, SigningKey
from phalanx.crypto.channel import ChannelClosed, ChannelPolicy, Suite, identity_party
from phalanx.crypto.identity import Chain, Identity, Request, Subject, Use, sign_certificate
from phalanx.messaging import RefusedPeer, SealedPeers, process_named, subject_of
from phalanx.messaging import _sealed_peers as module
from phalanx.telemetry import Telemetry
from phalanx.testing import ROUGH_NETWORK, WORLD_START_NS, Faults, SimWorld

POLICY = ChannelPolicy(suites=(Suite(X25519, AES_256_GCM),), signatures=(ED25519,))
HOUR_NS = 3_600 * NS_PER_S


class OnPath:
    """A transport on one of several paths, which keeps what was sent through it."""

    def __init__(self, world, address, path):
        self.address, self.suffix = address, f"~{path}"
        self.inner, self.sent = world.transport(address + self.suffix), []

    def send(self, to, datagram):
        self.sent.append(datagram)
        self.inner.send(to + self.suffix, datagram)

    async def receive(self):
        source, datagram = await self.inner.receive()
        return source.removesuffix(self.suffix), datagram

    async def close(self):
        await self.inner.close()


class Town:
    """Organisations with nodes that trust each other's roots, except for the ``outsiders``."""

    def __init__(self, world, outsiders=()):
        self.world = world
        self.serials = 0
        self.roots, self.outsiders = {}, outsiders
        self.banned = set()
        self.refused = {}
        self.taps = {}
        self.stack = contextlib.AsyncExitStack()
        self.telemetry = Telemetry(world.clock)

    def certified(self, name, above=None, uses=(Use.CHANNEL,)):
        self.serials += 1
        key = SigningKey.generate(ED25519)
        request = Request(
            subject=Subject.parse(name), key=key.public, serial=f"{self.serials:032x}", epoch=1,
            not_before_ns=WORLD_START_NS - HOUR_NS, not_after_ns=WORLD_START_NS + HOUR_NS, uses=uses,
        )  # fmt: skip
        certificate = sign_certificate(request, above.key if above else key)
        return Identity(key, above.chain.below(certificate) if above else Chain((certificate,)))

    def root(self, organisation):
        if organisation not in self.roots:
            self.roots[organisation] = self.certified(f"organisation:{organisation}", uses=(Use.ISSUE, Use.SIGN))
        return self.roots[organisation]

    def anchors(self):
        return {
            root.chain.leaf.key_fingerprint: root.subject
            for name, root in self.roots.items()
            if name not in self.outsiders
        }

    # What the standing of certificates is asked for.

    def revoked(self, subject, serial, at_ns):
        return "key-compromised" if str(subject) in self.banned else ""

    def epoch(self, subject, at_ns):
        return 0

    async def peers(self, address, *, identity="", paths=1, **more):
        """The peers of the process at ``address``, which has the identity that belongs there unless told."""
        name = identity or subject_of(address)
        organisation = name.partition(":")[2].partition("/")[0]
        node = self.certified(name, self.root(organisation), uses=(Use.CHANNEL, Use.ISSUE))
        party = identity_party(node, anchors=self.anchors, standing=self, clock=self.world.clock)
        transports = [OnPath(self.world, address, path) for path in range(paths)]
        made = SealedPeers(
            transports, party, clock=self.world.clock, entropy=self.world.entropy, telemetry=self.telemetry,
            policy=POLICY, on_refused=self.refused.setdefault(address, []).append, **more,
        )  # fmt: skip
        self.taps[address] = transports
        await made.open()
        self.stack.push_async_callback(made.close)
        return made

    def count(self, name):
        return sum(one["value"] for one in self.telemetry.metrics.snapshot()[name]["samples"])


def play(scenario, *, outsiders=(), **world):
    async def run(world):
        town = Town(world, outsiders)
        async with town.stack:
            await scenario(town)

    return SimWorld(0, **world).run(run)


async def until_received(peers, expected, sender):
    """Receive until ``expected`` came, in whatever order and however often."""
    missing = set(expected)
    while missing:
        source, frame, _ = await peers.receive()
        assert source == sender
        missing.discard(frame)


async def nothing_comes(town, peers, *, within_s=60):
    """A minute in which nothing is handed on."""
    getting = asyncio.create_task(peers.receive())
    await town.world.clock.sleep(within_s)
    assert not getting.done()
    getting.cancel()
    await asyncio.gather(getting, return_exceptions=True)


@pytest.mark.requirement("MSG-2")
def test_frames_go_both_ways_on_every_path_and_nobody_can_read_them():
    async def scenario(town):
        hq, lab = await town.peers("hq.acme", paths=2), await town.peers("lab.other", paths=2)
        for path in range(hq.paths):
            hq.send("lab.other", b"attack at dawn", path=path)
            assert await lab.receive() == ("hq.acme", b"attack at dawn", path)
            lab.send("hq.acme", b"x" * hq.max_frame_bytes, path=path)
            assert await hq.receive() == ("lab.other", b"x" * hq.max_frame_bytes, path)
            assert hq.has_channel("lab.other", path=path)
        wire = b"".join(one for taps in town.taps.values() for tap in taps for one in tap.sent)
        assert b"attack" not in wire
        assert len(wire) > 2 * hq.max_frame_bytes
        # One handshake for each path: whoever was called uses the caller's channel.
        assert town.count("phalanx_messaging_handshakes_total") == 2

    play(scenario)


def test_both_may_call_at_once_and_much_waits_for_the_handshake():
    async def scenario(town):
        hq, lab = await town.peers("hq.acme"), await town.peers("lab.acme")
        sent = [b"%d" % n for n in range(100)]
        for frame in sent:
            hq.send("lab.acme", frame)
            lab.send("hq.acme", frame)
        await until_received(lab, sent, "hq.acme")
        await until_received(hq, sent, "lab.acme")

    play(scenario)


def test_a_rough_network_delays_a_channel_and_does_not_prevent_it():
    async def scenario(town):
        hq, lab = await town.peers("hq.acme"), await town.peers("lab.acme")
        getting = asyncio.create_task(until_received(lab, [b"persistence"], "hq.acme"))
        while not getting.done():
            hq.send("lab.acme", b"persistence")
            await town.world.clock.sleep(0.1)
        await getting

    play(scenario, faults=Faults(network=ROUGH_NETWORK))


@pytest.mark.requirement("MSG-2")
def test_who_has_no_trusted_identity_gets_nothing_and_is_reported():
    async def scenario(town):
        hq, stranger = await town.peers("hq.acme"), await town.peers("x.strangers")
        hq.send("x.strangers", b"for a friend")
        await nothing_comes(town, stranger)
        assert any(one.process == "x.strangers" and "strangers" in one.reason for one in town.refused["hq.acme"])
        stranger.send("hq.acme", b"let me in")
        await nothing_comes(town, hq)
        assert any(one.process == "" and "strangers" in one.reason for one in town.refused["hq.acme"])
        assert not hq.has_channel("x.strangers")
        assert town.count("phalanx_messaging_refused_peers_total") >= 2
        assert town.count("phalanx_messaging_unsealed_frames_total") >= 1

    play(scenario, outsiders=("strangers",))


@pytest.mark.requirement("MSG-2")
def test_a_trusted_identity_at_somebody_elses_address_gets_nothing_and_is_reported():
    async def scenario(town):
        lab = await town.peers("lab.acme")
        impostor = await town.peers("hq.acme", identity="node:other/evil")
        impostor.send("lab.acme", b"I am headquarters")
        await nothing_comes(town, lab)
        assert town.refused["lab.acme"] == [RefusedPeer("hq.acme", "node:other/evil speaks from there")]
        lab.send("hq.acme", b"for headquarters alone")
        await nothing_comes(town, impostor)
        assert len(town.refused["lab.acme"]) == 2

    play(scenario)


@pytest.mark.requirement("MSG-2")
def test_who_is_revoked_is_cut_off_at_once():
    async def scenario(town):
        hq, lab = await town.peers("hq.acme"), await town.peers("lab.acme")
        hq.send("lab.acme", b"while we trust you")
        assert await lab.receive() == ("hq.acme", b"while we trust you", 0)
        town.banned.add("node:acme/lab")
        hq.recheck()
        assert not hq.has_channel("lab.acme")
        hq.send("lab.acme", b"no more")
        await nothing_comes(town, lab)
        assert any(one.process == "lab.acme" for one in town.refused["hq.acme"])

    play(scenario)


def test_who_starts_again_is_talked_to_under_fresh_keys_from_its_first_frame_on():
    async def scenario(town):
        hq, lab = await town.peers("hq.acme"), await town.peers("lab.acme")
        hq.send("lab.acme", b"before")
        assert await lab.receive() == ("hq.acme", b"before", 0)
        # Its power goes: nobody says goodbye, and hq still holds the old keys.
        for tap in town.taps["lab.acme"]:
            await tap.close()
        again = await town.peers("lab.acme")
        hq.send("lab.acme", b"to old keys")
        again.send("hq.acme", b"I am back")
        assert await hq.receive() == ("lab.acme", b"I am back", 0)
        hq.send("lab.acme", b"welcome")
        assert await again.receive() == ("hq.acme", b"welcome", 0)

    play(scenario)


def test_channels_are_bounded_and_made_anew_when_they_are_needed():
    async def scenario(town):
        hub = await town.peers("hub.acme", max_channels=2)
        others = {name: await town.peers(name) for name in ("a.acme", "b.acme", "c.acme", "d.acme")}
        for _ in range(2):
            for name, peers in others.items():
                hub.send(name, b"hello " + name.encode())
                assert await peers.receive() == ("hub.acme", b"hello " + name.encode(), 0)
        assert sum(hub.has_channel(name) for name in others) == 2

    play(scenario)


def test_what_waits_for_a_handshake_is_bounded_and_the_rest_is_counted(monkeypatch):
    monkeypatch.setattr(module, "MAX_DIALLED_FRAMES", 3)
    monkeypatch.setattr(module, "MAX_DIALLED_BYTES", 64 * KIB)

    async def scenario(town):
        hq = await town.peers("hq.acme")
        for n in range(5):
            hq.send("nobody.acme", b"%d" % n)
        hq.send("void.acme", b"x" * 40 * KIB)
        hq.send("void.acme", b"x" * 40 * KIB)
        assert town.count("phalanx_messaging_unsealed_frames_total") == 3
        await town.world.clock.sleep(30)
        assert town.count("phalanx_messaging_unsealed_frames_total") == 7
        assert not town.refused["hq.acme"]  # who does not answer has not lied

    play(scenario)


def test_handshakes_at_once_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "MAX_DIALS", 2)

    async def scenario(town):
        hq = await town.peers("hq.acme")
        for name in "abc":
            hq.send(f"{name}.acme", b"")
        assert town.count("phalanx_messaging_unsealed_frames_total") == 1

    play(scenario)


def test_who_waits_when_everything_closes_is_told():
    async def scenario(town):
        hq = await town.peers("hq.acme")
        waiting = [asyncio.create_task(hq.receive()) for _ in range(2)]
        await town.world.clock.sleep(0)
        await hq.close()
        for one in waiting:
            with pytest.raises(ChannelClosed):
                await one

    play(scenario)


def test_processes_are_named_after_nodes():
    assert subject_of("hq.acme") == "node:acme/hq"
    assert process_named(Subject.parse("node:acme/hq")) == "hq.acme"
    for wrong in ("hq", "", "HQ.acme", "hq.", "hq/x.acme"):
        with pytest.raises(InvalidInput):
            subject_of(wrong)
    with pytest.raises(InvalidInput):
        process_named(Subject.parse("agent:acme/hq/a1"))
