"""``Channels`` over the simulated network: lazy, bounded, revoked at once, and alive after loss and crashes."""

import asyncio

import pytest

from phalanx.core import Unavailable
from phalanx.crypto import AES_256_GCM, ED25519, X25519, InvalidKey, SigningKey, VerifyingKey
from phalanx.crypto.channel import (
    ChannelClosed,
    ChannelPolicy,
    Channels,
    HandshakeFailed,
    HandshakeTimeout,
    Party,
    PeerRefused,
    Psk,
    PskMode,
    Suite,
)
from phalanx.testing import ROUGH_NETWORK, Faults, SimWorld

CHEAP = {"suites": (Suite(X25519, AES_256_GCM),), "signatures": (ED25519,)}
PSK = Psk(b"shared", bytes(range(32)))


class Town:
    """People who know each other's keys, each with channels of their own in one world."""

    def __init__(self, world, **policy):
        self.world = world
        self.policy = ChannelPolicy(**CHEAP, **policy)
        self.keys = {}
        self.revoked = set()

    def fingerprint(self, name):
        return self.keys.setdefault(name, SigningKey.generate(ED25519)).public.fingerprint

    def verify_peer(self, credential):
        key = VerifyingKey.from_bytes(credential)
        if key.fingerprint in self.revoked:
            raise InvalidKey("credential", "it is revoked")
        return key

    def channels(self, name, **more):
        self.fingerprint(name)
        key, world = self.keys[name], self.world
        return Channels(
            world.transport(name), Party(key, key.public.to_bytes(), self.verify_peer), clock=world.clock,
            entropy=world.entropy, policy=self.policy, **more,
        )  # fmt: skip

    async def get(self, channels, name):
        return await channels.get(name, peer=self.fingerprint(name))


def play(scenario, seed=0, *, faults=None, **policy):
    world = SimWorld(seed, faults=faults or Faults())

    async def main(world):
        return await scenario(Town(world, **policy))

    return world.run(main)


@pytest.mark.requirement("MSG-2")
def test_a_channel_is_made_when_it_is_asked_for_and_then_kept():
    async def scenario(town):
        async with town.channels("ada") as ada, town.channels("bob") as bob:
            # All who ask at once wait for one handshake, and one that gives up does not take it from the others.
            asked = [asyncio.create_task(town.get(ada, "bob")) for _ in range(5)]
            await town.world.clock.sleep(1e-5)
            asked.pop().cancel()
            first, *rest = await asyncio.gather(*asked)
            assert all(channel is first for channel in rest)
            assert await town.get(ada, "bob") is first
            first.send(b"one")
            first.send_many([b"two", b"three"])
            got = [await bob.receive() for _ in range(3)]
            assert [payload for _, payload in got] == [b"one", b"two", b"three"]
            answering = got[0][0]
            assert answering.peer == town.fingerprint("ada")
            assert await town.get(bob, "ada") is answering
            answering.send(b"four")
            assert (await ada.receive())[1] == b"four"
            assert (ada.counts["channels"], bob.counts["channels"]) == (1, 1)
            assert "open" in repr(first)
            first.close()
            with pytest.raises(ChannelClosed):
                first.send(b"x")
            await town.world.clock.sleep(0.1)
            assert not answering.is_open
            assert (ada.counts["channels"], bob.counts["channels"]) == (0, 0)
        with pytest.raises(ChannelClosed):
            await ada.receive()
        with pytest.raises(ChannelClosed):
            await town.get(ada, "bob")

    play(scenario)


@pytest.mark.requirement("MSG-2")
def test_a_thousand_agents_cost_the_handshakes_of_those_who_talk():
    async def scenario(town):
        async with town.channels("hub") as hub, town.channels("ada") as ada, town.channels("bob") as bob:
            for n in range(1_000):
                town.keys[f"agent {n}"] = town.keys["ada"]  # known, each of them, and never called
            for end in (ada, bob):
                (await town.get(end, "hub")).send(b"hello")
            assert sorted([(await hub.receive())[1] for _ in range(2)]) == [b"hello", b"hello"]
            assert hub.counts["channels"] == 2
            return town.world.trace.of(where="hub", what="receive")

    assert len(play(scenario)) == 2 * 4  # Hello, Hello with cookie, Finish, frame


@pytest.mark.parametrize("seed", range(12))
def test_a_rough_network_delays_and_a_crashed_peer_is_found_again(seed):
    async def scenario(town):
        world, heard = town.world, []

        async def listen(channels):
            while True:
                heard.append((await channels.receive())[1])

        async def live(node):
            async with town.channels("bob") as bob:
                await listen(bob)

        bob = world.node("bob")
        bob.start(live)
        async with town.channels("ada") as ada:
            for n in range(40):
                if n == 15:
                    await bob.crash()
                    bob.start(live)
                try:
                    (await town.get(ada, "bob")).send(b"%d" % n)
                except HandshakeTimeout:
                    continue
                await world.clock.sleep(1.5)
        assert len(set(heard)) == len(heard)
        assert any(int(payload) > 15 for payload in heard), heard
        assert any(int(payload) < 15 for payload in heard), heard

    play(scenario, seed, faults=Faults(network=ROUGH_NETWORK))


@pytest.mark.requirement("MSG-2")
def test_a_revocation_closes_before_it_returns_and_stays():
    async def scenario(town):
        async with town.channels("ada") as ada, town.channels("bob") as bob, town.channels("cyd") as cyd:
            channel = await town.get(ada, "bob")
            other = await town.get(cyd, "bob")
            channel.send(b"in flight")
            town.revoked.add(town.fingerprint("ada"))
            bob.recheck()
            assert bob.counts["channels"] == 1
            other.send(b"unharmed")
            assert (await bob.receive())[1] == b"unharmed"
            assert not channel.is_open
            with pytest.raises(PeerRefused):
                await town.get(ada, "bob")
            town.revoked.add(town.fingerprint("cyd"))
            bob.revoke(town.fingerprint("cyd"))
            assert bob.counts["channels"] == 0

    play(scenario)


def test_nobody_there_is_a_timeout_for_all_who_asked():
    async def scenario(town):
        async with town.channels("ada") as ada:
            tasks = [asyncio.create_task(town.get(ada, "nobody")) for _ in range(3)]
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(result) for result in results] == [HandshakeTimeout] * 3
            assert ada.counts["dials"] == 0
            gives_up = asyncio.create_task(town.get(ada, "nobody"))
            await asyncio.sleep(0)
            gives_up.cancel()
            await town.world.clock.sleep(20)

    play(scenario)


def test_whoever_waits_hears_when_the_transport_is_gone():
    async def scenario(town):
        async with town.channels("ada") as ada:
            waits = [asyncio.create_task(ada.receive()), asyncio.create_task(town.get(ada, "bob"))]
            await asyncio.sleep(0)
            await ada._transport.close()
            results = await asyncio.gather(*waits, return_exceptions=True)
            assert isinstance(results[0], ChannelClosed)
            assert "transport is closed" in results[0].reason
            assert isinstance(results[1], HandshakeFailed)
            with pytest.raises(ChannelClosed, match="stopped working") as closed:
                await town.get(ada, "bob")
            assert isinstance(closed.value.__cause__, Unavailable)

    play(scenario)


def test_one_look_at_the_clock_serves_all_dials():
    async def scenario(town):
        async with town.channels("ada") as ada, town.channels("bob"):
            for _ in range(30):
                (await town.get(ada, "bob")).close()
                assert len(ada._tasks) <= 3

    play(scenario)


def test_keys_turn_by_age_without_traffic_and_the_channel_stays():
    async def scenario(town):
        async with town.channels("ada") as ada, town.channels("bob") as bob:
            channel = await town.get(ada, "bob")
            for _ in range(5):
                channel.send(b"x")
                await bob.receive()
                await town.world.clock.sleep(11)
            assert channel.session.epochs[0] == 5
            theirs = await town.get(bob, "ada")
            assert theirs.session.epochs[1] == 5

    play(scenario, rekey_age_s=10)


def test_what_nobody_takes_is_dropped_oldest_first_and_counted():
    async def scenario(town):
        async with town.channels("ada") as ada, town.channels("bob", max_inbox=3) as bob:
            channel = await town.get(ada, "bob")
            for n in range(5):
                channel.send(b"%d" % n)
            await town.world.clock.sleep(1)
            assert [(await bob.receive())[1] for _ in range(3)] == [b"2", b"3", b"4"]
            assert bob.counts["dropped"] == 2

    play(scenario)


def test_a_preshared_key_is_offered_to_whom_it_is_shared_with():
    async def scenario(town):
        offered = []

        def offer(address, fingerprint):
            offered.append((address, fingerprint))
            return [PSK]

        find = {PSK.id: PSK.secret}.get
        async with town.channels("ada", offer_psks=offer) as ada, town.channels("bob", find_psk=find):
            channel = await town.get(ada, "bob")
            assert channel.session.agreed.psk_id == PSK.id
            assert offered == [("bob", town.fingerprint("bob"))]

    play(scenario, psk=PskMode.REQUIRED)


def test_a_rotated_key_is_used_from_the_next_handshake_on():
    async def scenario(town):
        async with town.channels("ada") as ada, town.channels("bob") as bob:
            old = await town.get(ada, "bob")
            town.keys["bob"] = fresh = SigningKey.generate(ED25519)
            bob.party = Party(fresh, fresh.public.to_bytes(), bob.party.verify_peer)
            new = await town.get(ada, "bob")
            assert new.is_open
            assert new.peer == fresh.public.fingerprint != old.peer

    play(scenario)
