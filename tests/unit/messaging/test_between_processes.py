"""Buses of several processes over a simulated network: delivery, refusals, crashes, broadcasts."""

import asyncio
import contextlib

import msgspec
import pytest

from phalanx.core import KIB, NS_PER_S, Rng, TenantId
from phalanx.crypto import ED25519, SigningKey
from phalanx.messaging import (
    EVERYONE,
    AudienceViolation,
    Bus,
    ClearPeers,
    DeadlinePassed,
    ForgedSender,
    Kind,
    Malformed,
    Marking,
    Member,
    Outcome,
    Replayed,
    SignedProofs,
    StaleEpoch,
    UnknownRecipient,
    participants,
    running,
    tagged,
)
from phalanx.messaging._limits import MAX_BODY_BYTES
from phalanx.telemetry import Telemetry
from phalanx.testing import ROUGH_NETWORK, MemoryAudit, NetworkFaults, SimWorld


class Cluster:
    """Buses by name; each on two paths, ``name`` and ``name~2``."""

    def __init__(self, world, *names, organisations=None, flood=True):
        self.world, self.names = world, names
        self.organisations = organisations or {}
        self.keys = {name: SigningKey.generate(ED25519) for name in names} if flood else {}
        self.lives = 0
        self.stack = contextlib.AsyncExitStack()
        self.stacks = {}
        self.bus = {}
        self.store = {name: world.store(name) for name in names}
        self.audits = {name: MemoryAudit() for name in names}

    def told(self, name):
        """What the ledger of a process was told, and who did it."""
        return [(entry.action, entry.actor) for entry in self.audits[name].entries]

    async def __aenter__(self):
        for name in self.names:
            await self.start(name)
        return self

    async def __aexit__(self, *_):
        for name in list(self.stacks):
            await self.stop(name)

    async def start(self, name):
        world = self.world
        self.lives += 1
        peers = TwoPaths(world, name)
        proofs = SignedProofs(self.keys[name], lambda who: self.keys[who].public) if self.keys else None
        bus = self.bus[name] = await Bus.open(
            name, journal=await world.journals(name).open("outbox"), peers=peers, clock=world.clock, ids=world.ids,
            telemetry=Telemetry(world.clock), rng=Rng(self.lives), organisation=self.organisations.get(name, "acme"),
            store=self.store[name], proofs=proofs, audit=self.audits[name],
        )  # fmt: skip
        for other in self.names:
            if other != name:
                bus.meet(other, organisation=self.organisations.get(other, "acme"))
        stack = self.stacks[name] = contextlib.AsyncExitStack()
        stack.push_async_callback(peers.close)
        await stack.enter_async_context(running(bus))

    async def stop(self, name):
        await self.stacks.pop(name).aclose()

    async def known(self, name, address):
        """Wait until ``name`` has heard of ``address``."""
        while self.bus[name].directory.find(address) is None:
            await self.world.clock.sleep(0.05)


class TwoPaths(ClearPeers):
    """A second transport beside the first, under its own address."""

    def __init__(self, world, name):
        super().__init__([world.transport(name), Suffixed(world.transport(f"{name}~2"))])


class Suffixed:
    """The second path's transport under the process's plain names."""

    def __init__(self, inner):
        self._inner = inner

    @property
    def address(self):
        return self._inner.address.removesuffix("~2")

    def send(self, to, datagram):
        self._inner.send(f"{to}~2", datagram)

    async def receive(self):
        sender, datagram = await self._inner.receive()
        return sender.removesuffix("~2"), datagram

    async def close(self):
        await self._inner.close()


def in_a_cluster(main, *names, network=None, seed=3, **options):
    async def whole(world):
        if network is not None:
            world.network._faults = network
        async with Cluster(world, *names, **options) as cluster:
            return await main(cluster)

    return SimWorld(seed).run(whole)


@pytest.mark.requirement("MSG-5")
@pytest.mark.parametrize("network", [NetworkFaults(), ROUGH_NETWORK])
def test_what_is_sent_is_taken_once_and_its_sender_knows(network):
    async def main(cluster):
        a, b = cluster.bus["p"].join(Member("a")), cluster.bus["q"].join(Member("b"))
        await cluster.known("p", b.address)
        got = []

        async def read():
            async for envelope in b:
                got.append(envelope.body)  # noqa: PERF401 - as they come, not at the end

        reading = asyncio.create_task(read())
        receipts = await asyncio.gather(*(a.send(Kind.COORDINATION, b.address, b"%d" % n) for n in range(600)))
        assert [receipt.taken for receipt in receipts] == [1] * 600
        assert sorted(got, key=int) == [b"%d" % n for n in range(600)]
        assert not cluster.bus["p"].desk.pending
        reading.cancel()

    in_a_cluster(main, "p", "q", network=network)


def test_large_bodies_go_in_parts():
    async def main(cluster):
        a, b = cluster.bus["p"].join(Member("a")), cluster.bus["q"].join(Member("b"))
        await cluster.known("p", b.address)
        body = Rng(1).bytes(3 * 1024 * KIB)
        sending = asyncio.create_task(a.send(Kind.COORDINATION, b.address, body))
        assert (await b.receive()).body == body
        assert (await sending).taken == 1

    in_a_cluster(main, "p", "q", network=ROUGH_NETWORK)


@pytest.mark.requirement("MSG-1")
def test_a_tag_reaches_its_carriers_in_every_process():
    async def main(cluster):
        a = cluster.bus["p"].join(Member("a"))
        hunters = [cluster.bus[name].join(Member("h", tags=frozenset({"role:hunter"}))) for name in "pqr"]
        others = [cluster.bus[name].join(Member("x")) for name in "qr"]
        for box in hunters[1:]:
            await cluster.known("p", box.address)
        receipt = a.send_nowait(Kind.COORDINATION, tagged("role:hunter"), b"hunt")
        for box in hunters:
            assert (await box.receive()).body == b"hunt"
        await receipt.ended()
        assert receipt.taken == 3
        assert [box.receive_nowait() for box in others] == [None, None]

    in_a_cluster(main, "p", "q", "r")


def test_refusals_come_back_as_typed_errors():
    async def main(cluster):
        a, b = cluster.bus["p"].join(Member("a")), cluster.bus["q"].join(Member("b", tenants=frozenset({"t"})))
        await cluster.known("p", b.address)
        with pytest.raises(AudienceViolation):
            await a.send(Kind.COORDINATION, b.address, b"", tenant=TenantId("other"))
        # It leaves, and word of that is slower than the next envelope.
        b.leave()
        with pytest.raises(UnknownRecipient):
            await a.send(Kind.COORDINATION, b.address, b"", tenant=TenantId("t"))

    in_a_cluster(main, "p", "q")


BAD_INPUT = {
    "forged sender": ({"sender": "r/m"}, ForgedSender, ("messaging.forged-sender", "p")),
    "forged organisation": ({"organisation": "other"}, ForgedSender, ("messaging.forged-sender", "p")),
    "replay": ({"number": 1}, Replayed, ("messaging.replayed", "p")),
    "audience": ({"tenant": TenantId("another")}, AudienceViolation, ("messaging.audience-violation", "p/a")),
    "malformed": ({"audience": ("x" * 500,)}, Malformed, ("messaging.malformed", "p")),
    "oversized": ({"body": bytes(MAX_BODY_BYTES + 1)}, Malformed, ("messaging.malformed", "p")),
    "expired": ({"deadline_ns": 1}, DeadlinePassed, None),
    "unknown recipient": ({"to": ("q/nobody",)}, UnknownRecipient, None),
}


@pytest.mark.requirement("MSG-5")
@pytest.mark.parametrize("bad", BAD_INPUT)
def test_a_process_that_sends_what_it_must_not_is_told_so_and_is_on_record(bad):
    """What its own checks would have held back comes all the same, as from a process that was tampered with."""
    changes, error, entry = BAD_INPUT[bad]

    async def main(cluster):
        a, b = cluster.bus["p"].join(Member("a")), cluster.bus["q"].join(Member("b", tenants=frozenset({"t"})))
        await cluster.known("p", b.address)
        links = cluster.bus["p"].abroad.links
        post, tampered = links.post, []

        def tamper(process, envelope, receipt, **options):
            if envelope.body == b"bad":
                envelope = msgspec.structs.replace(envelope, **changes)
                tampered.append(envelope)
            return post(process, envelope, receipt, **options)

        links.post = tamper

        async def send(body):
            return await a.send(Kind.COORDINATION, b.address, body, tenant=TenantId("t"))

        first = asyncio.create_task(send(b"one"))
        assert (await b.receive()).body == b"one"
        assert (await first).taken == 1
        with pytest.raises(error):
            await send(b"bad")
        assert len(tampered) == 1
        # Nothing else is disturbed.
        last = asyncio.create_task(send(b"two"))
        assert (await b.receive()).body == b"two"
        assert (await last).taken == 1
        await cluster.world.clock.sleep(1)
        assert cluster.told("q") == ([entry] if entry else [])

    in_a_cluster(main, "p", "q", "r")


def test_a_vote_of_an_epoch_that_is_over_elsewhere_is_refused_there_and_on_record():
    async def main(cluster):
        a, b = cluster.bus["p"].join(Member("a")), cluster.bus["q"].join(Member("b"))
        await cluster.known("p", b.address)
        cluster.bus["p"].directory.convene("vote", [b.address], epoch=1)
        cluster.bus["q"].directory.convene("vote", [b.address], epoch=2)
        with pytest.raises(StaleEpoch):
            await a.send(Kind.CONSENSUS, participants("vote"), b"late", epoch=1)
        await cluster.world.clock.sleep(1)
        assert cluster.told("q") == [("messaging.stale-epoch", "p")]
        assert b.receive_nowait() is None

    in_a_cluster(main, "p", "q")


@pytest.mark.requirement("MSG-1")
def test_what_an_organisation_may_not_have_does_not_leave():
    async def main(cluster):
        a = cluster.bus["p"].join(Member("a"))
        b = cluster.bus["q"].join(Member("b", clearance=Marking.RED))
        await cluster.known("p", b.address)
        with pytest.raises(AudienceViolation):
            a.send_nowait(Kind.INTELLIGENCE, b.address, b"ours")
        sending = asyncio.create_task(a.send(Kind.INTELLIGENCE, b.address, b"yours", audience=["org:other"]))
        assert (await b.receive()).body == b"yours"
        assert (await sending).taken == 1

    in_a_cluster(main, "p", "q", organisations={"q": "other"})


@pytest.mark.requirement("MSG-5")
def test_an_unreachable_process_ends_at_the_deadline_as_a_dead_letter_that_can_be_replayed():
    async def main(cluster):
        world = cluster.world
        a, b = cluster.bus["p"].join(Member("a")), cluster.bus["q"].join(Member("b"))
        await cluster.known("p", b.address)
        world.network.partition(["p", "p~2"], ["q", "q~2"])
        with pytest.raises(DeadlinePassed):
            await a.send(Kind.COORDINATION, b.address, b"lost", deadline_ns=world.clock.wall_ns() + 3 * NS_PER_S)
        await world.clock.sleep(1)
        dead = cluster.bus["p"].dead_letters
        letters = await dead.listed(TenantId("default"))
        assert [(one.recipient, one.outcome, one.opened().body) for one in letters] == [
            ("q", "deadline-passed", b"lost")
        ]
        world.network.heal()
        replaying = asyncio.create_task(cluster.bus["p"].replay(letters[0]))
        assert (await b.receive()).body == b"lost"
        assert (await replaying).taken == 1
        assert await dead.listed(TenantId("default")) == []

    in_a_cluster(main, "p", "q")


@pytest.mark.requirement("MSG-5")
def test_what_was_taken_is_not_taken_again_by_a_replay():
    async def main(cluster):
        world = cluster.world
        a, b = cluster.bus["p"].join(Member("a")), cluster.bus["q"].join(Member("b"))
        await cluster.known("p", b.address)
        world.network.cut(["q", "q~2"], ["p", "p~2"])  # the answers do not come back
        sending = asyncio.create_task(
            a.send(Kind.COORDINATION, b.address, b"once", deadline_ns=world.clock.wall_ns() + 3 * NS_PER_S)
        )
        assert (await b.receive()).body == b"once"
        with pytest.raises(DeadlinePassed):
            await sending
        await world.clock.sleep(1)
        world.network.heal()
        (letter,) = await cluster.bus["p"].dead_letters.listed(TenantId("default"))
        receipt = await cluster.bus["p"].replay(letter)
        assert receipt.taken == 1
        assert b.receive_nowait() is None

    in_a_cluster(main, "p", "q")


@pytest.mark.requirement("MSG-5")
def test_the_outbox_carries_alerts_over_a_crash_of_their_sender():
    async def main(cluster):
        world = cluster.world
        a, b = cluster.bus["p"].join(Member("a")), cluster.bus["q"].join(Member("b"))
        await cluster.known("p", b.address)
        world.network.partition(["p", "p~2"], ["q", "q~2"])
        for n in range(20):
            a.send_nowait(Kind.ALERT, EVERYONE, b"%d" % n)
        await world.clock.sleep(1)
        await cluster.stop("p")
        await cluster.start("p")
        world.network.heal()
        got = [(await b.receive()).body for _ in range(20)]
        assert sorted(got, key=int) == [b"%d" % n for n in range(20)]
        await world.clock.sleep(1)
        assert b.receive_nowait() is None
        # All of it has its end: another incarnation finds nothing.
        await cluster.stop("p")
        await cluster.start("p")
        await world.clock.sleep(1)
        assert b.receive_nowait() is None

    in_a_cluster(main, "p", "q")


def test_a_receiver_that_starts_anew_gets_what_has_no_end():
    async def main(cluster):
        world = cluster.world
        a, b = cluster.bus["p"].join(Member("a")), cluster.bus["q"].join(Member("b"))
        await cluster.known("p", b.address)
        receipt = a.send_nowait(Kind.ALERT, EVERYONE, b"fire")
        await world.clock.sleep(1)  # it lies in a mailbox that nobody reads
        cluster.bus["q"].desk.bury = None
        cluster.bus["q"].abroad.links.settle = lambda *_: None  # the process dies: it refuses nothing any more
        await cluster.stop("q")
        await cluster.start("q")
        again = cluster.bus["q"].join(Member("b"))
        assert (await again.receive()).body == b"fire"
        await receipt.ended()
        assert receipt.taken == 1

    in_a_cluster(main, "p", "q")


@pytest.mark.requirement("MSG-5")
def test_what_is_posted_while_a_flush_is_due_already_is_sent_again_when_it_is_lost():
    async def main(cluster):
        box, sender = cluster.bus["q"].join(Member("m")), cluster.bus["p"].join(Member("sender"))
        await cluster.known("p", "q/m")
        await cluster.world.clock.sleep(5)
        links = cluster.bus["p"].abroad.links
        assert not links._busy.is_set(), "the timer sleeps when nothing is on the way"
        # An answer of the other process was heard in this turn, and the timer had its turn before what follows.
        links._dirty["q"], links._is_scheduled = None, True
        asyncio.get_running_loop().call_soon(links._flush_all)
        cluster.world.network.cut(cluster.names, cluster.names)
        receipt = sender.send_nowait(Kind.COORDINATION, "q/m", b"hello")
        async with asyncio.timeout(5):
            assert (await box.receive()).body == b"hello"
            await receipt.ended()
        assert receipt.taken == 1

    in_a_cluster(main, "p", "q")


@pytest.mark.requirement("MSG-4")
def test_a_broadcast_reaches_everybody_though_the_primary_path_dies():
    async def main(cluster):
        world = cluster.world
        boxes = [cluster.bus[name].join(Member(f"m{n}")) for name in cluster.names for n in range(20)]
        sender = cluster.bus["p"].join(Member("sender"))
        for name in cluster.names[1:]:
            await cluster.known("p", f"{name}/m19")

        async def read(box):
            got = [await box.receive()]
            await world.clock.sleep(2)
            return [*got, box.receive_nowait()]

        readers = [asyncio.create_task(read(box)) for box in boxes]
        world.network.cut(cluster.names, cluster.names)
        report = await cluster.bus["p"].broadcast(sender, b"fire", within_s=5)
        assert report.is_complete
        assert report.taken == len(boxes)
        for reader in readers:
            first, second = await reader
            assert (first.body, second) == (b"fire", None)

    in_a_cluster(main, "p", "q", "r", "s")


@pytest.mark.requirement("MSG-4")
@pytest.mark.parametrize("flood", [True, False])
def test_neighbours_pass_an_emergency_on_where_its_sender_cannot_reach(flood):
    async def main(cluster):
        world = cluster.world
        boxes = [cluster.bus[name].join(Member("m")) for name in cluster.names]
        for name in cluster.names[1:]:
            await cluster.known("p", f"{name}/m")
        # The sender can neither send to s nor hear it, on no path.
        world.network.partition(["p", "p~2"], ["s", "s~2"])
        report_of = asyncio.create_task(cluster.bus["p"].broadcast(boxes[0], b"fire", within_s=5))
        for box in boxes[1:3]:
            assert (await box.receive()).body == b"fire"
        await world.clock.sleep(3)
        report = await report_of
        reached = boxes[3].receive_nowait()
        assert (reached is not None) is flood
        assert not report.is_complete
        assert report.open == ("s",)

    in_a_cluster(main, "p", "q", "r", "s", flood=flood)


def test_whoever_got_it_from_a_neighbour_tells_the_sender():
    async def main(cluster):
        world = cluster.world
        boxes = [cluster.bus[name].join(Member("m")) for name in cluster.names]
        for name in cluster.names[1:]:
            await cluster.known("p", f"{name}/m")
        world.network.cut(["p", "p~2"], ["s", "s~2"])  # one way only
        report_of = asyncio.create_task(cluster.bus["p"].broadcast(boxes[0], b"fire", within_s=5))
        for box in boxes[1:]:
            assert (await box.receive()).body == b"fire"
        assert (await report_of).is_complete

    in_a_cluster(main, "p", "q", "r", "s")


def test_what_is_forged_on_its_way_is_refused():
    async def main(cluster):
        world = cluster.world
        boxes = [cluster.bus[name].join(Member("m")) for name in cluster.names]
        await cluster.known("p", "q/m")
        await cluster.known("q", "r/m")

        def forge(_peer, envelope):
            """What p never said, passed on as its word."""
            forged = msgspec.structs.replace(envelope, body=b"forged", number=envelope.number + 1)
            cluster.bus["q"].abroad.links.post("r", forged, None)

        arrivals = cluster.bus["q"].abroad.links._arrivals
        arrivals._pass_on = forge
        boxes[0].send_nowait(Kind.ALERT, EVERYONE, b"true")
        assert (await boxes[2].receive()).body == b"true"
        await world.clock.sleep(2)
        assert boxes[2].receive_nowait() is None
        samples = cluster.bus["r"].desk._refusals.children()
        assert {values[0] for values, child in samples if child.value} == {"forged-sender"}
        assert cluster.told("r") == [("messaging.forged-sender", "q")]

    in_a_cluster(main, "p", "q", "r")


def test_strangers_are_not_listened_to_and_noise_is_counted():
    async def main(cluster):
        world = cluster.world
        stranger = world.transport("stranger")
        b = cluster.bus["q"].join(Member("b"))
        stranger.send("q", b"hello")
        cluster.bus["p"].abroad.links._peers.send("q", b"noise")
        await world.clock.sleep(1)
        assert b.receive_nowait() is None
        counted = {values[0]: child.value for values, child in cluster.bus["q"].abroad.links._bad.children()}
        assert counted == {"stranger": 1, "malformed": 1}
        assert cluster.told("q") == [("messaging.malformed", "p")]

    in_a_cluster(main, "p", "q")


def test_a_process_that_will_not_come_back_ends_what_is_on_the_way():
    async def main(cluster):
        a, b = cluster.bus["p"].join(Member("a")), cluster.bus["q"].join(Member("b"))
        await cluster.known("p", b.address)
        await cluster.stop("q")
        receipt = a.send_nowait(Kind.COORDINATION, "q/b", b"")
        cluster.bus["p"].part("q")
        assert receipt.refused == [("q", Outcome.UNREACHABLE)]
        with pytest.raises(UnknownRecipient):
            a.send_nowait(Kind.COORDINATION, "q/b", b"")

    in_a_cluster(main, "p", "q")
