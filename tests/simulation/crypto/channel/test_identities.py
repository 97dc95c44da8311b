"""Channels between identities: chains of certificates as credentials, and revocations that take effect at once."""

from dataclasses import dataclass, field

import pytest

from phalanx.core import NS_PER_S
from phalanx.crypto import AES_256_GCM, ED25519, X25519, CryptoPolicy, SigningKey
from phalanx.crypto.channel import ChannelPolicy, Channels, PeerRefused, Suite, identity_party
from phalanx.crypto.identity import Chain, Identity, KeyRequest, Request, Subject, Use, Why, sign_certificate
from phalanx.testing import WORLD_START_NS, SimWorld

POLICY = ChannelPolicy(suites=(Suite(X25519, AES_256_GCM),), signatures=(ED25519,))
HOUR_NS = 3_600 * NS_PER_S


@dataclass
class House:
    """An organisation with a node and its agents, and what is known of their certificates."""

    world: SimWorld
    revoked_serials: dict = field(default_factory=dict)
    epochs: dict = field(default_factory=dict)
    asked: int = 0

    def __post_init__(self):
        self.serials = 0
        self.root = self.make("organisation:acme", uses=(Use.ISSUE, Use.SIGN))
        self.node = self.make("node:acme/hq", self.root, uses=(Use.ISSUE, Use.CHANNEL))
        self.anchors = {self.root.chain.leaf.key_fingerprint: self.root.subject}

    def make(self, name, above=None, *, epoch=1, uses=(Use.CHANNEL,), lifetime_ns=HOUR_NS):
        self.serials += 1
        key = SigningKey.generate(ED25519)
        certificate = sign_certificate(
            Request(
                subject=Subject.parse(name), key=key.public, serial=f"{self.serials:032x}", epoch=epoch,
                not_before_ns=WORLD_START_NS - HOUR_NS, not_after_ns=WORLD_START_NS + lifetime_ns, uses=uses,
            ),
            above.key if above else key,
        )  # fmt: skip
        return Identity(key, above.chain.below(certificate) if above else Chain((certificate,)))

    def agent(self, n, **more):
        return self.make(f"agent:acme/hq/a{n}", self.node, **more)

    # What the standing of certificates is asked for.

    def revoked(self, subject, serial, at_ns):
        self.asked += 1
        return self.revoked_serials.get(serial, "")

    def epoch(self, subject, at_ns):
        return self.epochs.get(subject, 0)

    def party(self, identity):
        return identity_party(
            identity, anchors=lambda: self.anchors, standing=self, clock=self.world.clock, policy=CryptoPolicy()
        )

    def channels(self, identity):
        world = self.world
        return Channels(
            world.transport(str(identity.subject)), self.party(identity), clock=world.clock, entropy=world.entropy,
            policy=POLICY,
        )  # fmt: skip


def play(scenario):
    return SimWorld(0).run(lambda world: scenario(House(world)))


def get(channels, identity):
    return channels.get(str(identity.subject), peer=str(identity.subject))


@pytest.mark.requirement("MSG-2")
def test_peers_are_their_subjects_and_stay_so_through_a_rotation():
    async def scenario(house):
        one, two = house.agent(1), house.agent(2)
        async with house.channels(one) as ours, house.channels(two) as theirs:
            channel = await get(ours, two)
            assert channel.peer == "agent:acme/hq/a2"
            assert (await get(theirs, one)).peer == "agent:acme/hq/a1"
            house.epochs[two.subject] = 2
            rotated = house.agent(2, epoch=2)
            theirs.party = house.party(rotated)
            ours.recheck()
            assert not channel.is_open
            again = await get(ours, two)
            assert again.peer == "agent:acme/hq/a2"
            assert again.session.agreed.key == rotated.key.public

    play(scenario)


@pytest.mark.requirement("MSG-2")
def test_a_revoked_certificate_anywhere_in_a_chain_closes_what_hangs_on_it():
    async def scenario(house):
        hub, one, other = house.make("node:acme/hub", house.root), house.agent(1), house.make("node:acme/b", house.root)
        async with house.channels(hub) as ours, house.channels(one) as theirs, house.channels(other) as others:
            await get(theirs, hub)
            await get(others, hub)
            assert ours.counts["channels"] == 2
            house.revoked_serials[house.node.chain.leaf.serial] = "stolen"
            ours.recheck()
            assert ours.counts["channels"] == 1
            await house.world.clock.sleep(0.1)  # until the other end was told
            with pytest.raises(PeerRefused):
                await get(theirs, hub)

    play(scenario)


def test_judging_again_costs_look_ups_and_no_signatures(monkeypatch):
    async def scenario(house):
        one, two = house.agent(1), house.agent(2)
        async with house.channels(one) as ours, house.channels(two):
            channel = await get(ours, two)
            monkeypatch.setattr(
                "phalanx.crypto.channel._identified.validate", lambda *_, **__: pytest.fail("validated")
            )
            before = house.asked
            ours.recheck()
            assert channel.is_open
            assert house.asked - before == 3

    play(scenario)


@pytest.mark.parametrize("change", ["expires", "loses its anchor"])
def test_a_chain_that_no_longer_holds_by_itself_is_found_too(change):
    async def scenario(house):
        one, two = house.agent(1), house.agent(2, lifetime_ns=60 * NS_PER_S)
        async with house.channels(one) as ours, house.channels(two):
            channel = await get(ours, two)
            if change == "expires":
                await house.world.clock.sleep(61)
            else:
                house.anchors.clear()
            ours.recheck()
            assert not channel.is_open

    play(scenario)


def test_an_identity_that_is_not_for_channels_gets_none():
    async def scenario(house):
        one, two = house.agent(1), house.agent(2, uses=(Use.SIGN,))
        async with house.channels(one) as ours, house.channels(two):
            with pytest.raises(PeerRefused, match="channel"):
                await get(ours, two)

    play(scenario)


@pytest.mark.requirement("MSG-2", "CRY-2")
def test_revoking_an_identity_of_a_node_closes_its_channels_before_it_returns(site):
    async def scenario(site):
        world, identities = site.world, await site.open()

        def channels(identity):
            party = identity_party(
                identity, anchors=lambda: identities.anchors, standing=identities.standing, clock=world.clock
            )
            transport = world.transport(str(identity.subject))
            return Channels(transport, party, clock=world.clock, entropy=world.entropy, policy=POLICY)

        key = SigningKey.generate(ED25519)
        chain = await identities.issue(KeyRequest.make(Subject.parse("person:acme/kim"), key), actor="tester")
        kim, node = Identity(key, chain), identities.node
        async with channels(kim) as ours, channels(node) as theirs:
            stop = identities.on_revoked(lambda _: theirs.recheck())
            channel = await get(ours, node)
            channel.send(b"hello")
            received, payload = await theirs.receive()
            assert (received.peer, payload) == ("person:acme/kim", b"hello")
            await identities.revoke("person:acme/kim", Why.KEY_COMPROMISED, actor="tester")
            assert not received.is_open
            await world.clock.sleep(0.1)
            with pytest.raises(PeerRefused):
                await get(ours, node)
            stop()

    site(scenario)
