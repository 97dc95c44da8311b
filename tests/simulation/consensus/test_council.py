"""Whole councils on virtual time: the asynchronous shell, with and without a network and disks between."""

import asyncio

import pytest

from phalanx.consensus import (
    Agreement,
    Council,
    DeadlinePassed,
    Fetch,
    Fixed,
    Indeterminate,
    Instance,
    Question,
    Seat,
    UnknownOption,
    VoteLog,
    Wire,
)
from phalanx.consensus._messages import Opening
from phalanx.core import NS_PER_MS, NS_PER_S, InvalidInput
from phalanx.testing import ROUGH_NETWORK, Faults, SimWorld
from phalanx.testing.consensus import ideal_epoch

QUESTION = Question(("isolate", "leave"), bytes(32), about="host ws-7")
VIEW_NS = 200 * NS_PER_MS


async def sitting(council, work):
    """The result of ``work`` while the council sits."""
    running = asyncio.ensure_future(council.run())
    try:
        return await work
    finally:
        running.cancel()


def seats(epoch, signers, judges):
    return {
        one.name: Seat(signer, judge)
        for one, signer, judge in zip(epoch.participants, signers, judges, strict=True)
        if judge is not None
    }


@pytest.mark.requirement("CON-1")
@pytest.mark.parametrize("n", [3, 4, 7, 31])
def test_a_council_in_one_process_agrees(n):
    async def main(world):
        told = []
        epoch, signers, verifier = ideal_epoch(n)

        async def note(agreement):
            told.append(agreement)

        council = Council(epoch, seats(epoch, signers, [Fixed(1)] * n), verifier, clock=world.clock, on_agreed=note)
        answer = await sitting(council, council.propose(QUESTION, deadline_ns=world.clock.wall_ns() + NS_PER_S))
        assert isinstance(answer, Agreement)
        assert answer.option == "leave"
        assert 3 * answer.weight > 2 * n
        assert told == [answer]
        assert set(answer.voters) <= {one.name for one in epoch.participants}
        # Asked again, it is the same decision, and nothing is voted on.
        signed = sum(signer.signed for signer in signers)
        again = await council.propose(QUESTION, deadline_ns=world.clock.wall_ns() + NS_PER_S)
        assert again is answer
        assert sum(signer.signed for signer in signers) == signed

    SimWorld(1).run(main)


@pytest.mark.requirement("CON-1")
def test_no_quorum_is_indeterminate_and_not_a_refusal():
    async def main(world):
        epoch, signers, verifier = ideal_epoch(4)
        judges = [Fixed(0), Fixed(0), Fixed(1), Fixed(1)]
        council = Council(epoch, seats(epoch, signers, judges), verifier, clock=world.clock, view_ns=VIEW_NS)
        soon = await sitting(council, council.propose(QUESTION, deadline_ns=world.clock.wall_ns() + NS_PER_S))
        assert soon == Indeterminate(soon.instance, "the deadline passed")

    SimWorld(1).run(main)


def test_after_ten_views_it_is_indeterminate():
    async def main(world):
        epoch, signers, verifier = ideal_epoch(4)
        judges = [Fixed(0), Fixed(0), Fixed(1), Fixed(1)]
        council = Council(epoch, seats(epoch, signers, judges), verifier, clock=world.clock, view_ns=VIEW_NS)
        end = await sitting(council, council.propose(QUESTION, deadline_ns=world.clock.wall_ns() + 100 * NS_PER_S))
        assert end.reason.startswith("no quorum")
        assert 20 < world.loop.time() < 30

    SimWorld(1).run(main)


def test_opinions_that_follow_the_others_come_together():
    class Yielding:
        """Prefers one, and goes along with whatever more than a third of the others would accept."""

        def __init__(self, place):
            self.place = place

        def accepts(self, question, support):
            return [self.place, *(one for one, weight in enumerate(support) if weight >= 2)]

    async def main(world):
        epoch, signers, verifier = ideal_epoch(4)
        judges = [Fixed(0), Fixed(0), Yielding(1), Yielding(1)]
        council = Council(epoch, seats(epoch, signers, judges), verifier, clock=world.clock, view_ns=VIEW_NS)
        answer = await sitting(council, council.propose(QUESTION, deadline_ns=world.clock.wall_ns() + 60 * NS_PER_S))
        assert answer.option == "isolate"
        assert answer.certificate.view > 1

    SimWorld(1).run(main)


def test_bad_input_is_refused_before_anything_is_asked():
    async def main(world):
        epoch, signers, verifier = ideal_epoch(4)
        council = Council(epoch, seats(epoch, signers, [Fixed(0)] * 4), verifier, clock=world.clock)
        with pytest.raises(DeadlinePassed):
            await council.propose(QUESTION, deadline_ns=world.clock.wall_ns())
        with pytest.raises(InvalidInput):
            await council.propose(Question(("a",), bytes(32)), deadline_ns=world.clock.wall_ns() + NS_PER_S)
        with pytest.raises(UnknownOption):
            QUESTION.place("other")
        with pytest.raises(InvalidInput):
            Council(epoch, {"stranger": Seat(signers[0], Fixed(0))}, verifier, clock=world.clock)

    SimWorld(1).run(main)


class Hosts:
    """Four hosts with one participant each, a network, and votes logged on disks."""

    def __init__(self, world, *, max_datagram=100_000):
        self.world = world
        self.max_datagram = max_datagram
        self.epoch, self.signers, self.verifier = ideal_epoch(4)
        self.homes = {place: f"host-{place}" for place in range(4)}
        self.agreed = {}

    def program(self, place, *, ask):
        async def main(machine):
            world = self.world
            journal = await world.journals(machine.name).open("votes")
            log = await VoteLog.open(journal, self.epoch.id)

            async def note(agreement):
                self.agreed.setdefault(place, agreement)

            transport = world.transport(self.homes[place])
            council = Council(
                self.epoch,
                {f"agent-{place}": Seat(self.signers[place], Fixed(0, 1))},
                self.verifier,
                clock=world.clock,
                view_ns=VIEW_NS,
                wire=Wire(transport, self.homes, max_datagram=self.max_datagram),
                log=log,
                on_agreed=note,
            )
            await council.resume()
            running = asyncio.ensure_future(council.run())
            if ask:
                await council.propose(QUESTION, deadline_ns=world.clock.wall_ns() + 60 * NS_PER_S)
            await running

        return main


@pytest.mark.requirement("CON-4")
@pytest.mark.parametrize("seed", range(6))
def test_hosts_agree_over_a_rough_network_through_crashes_and_all_learn_of_it(seed):
    async def main(world):
        hosts = Hosts(world, max_datagram=1_000)
        nodes = [world.node(f"host-{place}") for place in range(4)]
        for place, node in enumerate(nodes):
            node.start(hosts.program(place, ask=place == 0))
        rng = world.rng.child("crashes")
        for _ in range(2):
            await world.clock.sleep(rng.uniform(0.0, 0.4))
            victim = rng.integer(1, 4)
            await nodes[victim].crash(power_loss=rng.chance(0.7))
            nodes[victim].start(hosts.program(victim, ask=False))
        await world.clock.sleep(60)
        assert len(hosts.agreed) >= 3
        assert len({agreement.option for agreement in hosts.agreed.values()}) == 1
        for node in nodes:
            await node.crash(power_loss=False)

    SimWorld(seed, faults=Faults(network=ROUGH_NETWORK)).run(main)


@pytest.mark.parametrize("seed", [2, 13, 26, 27])
def test_a_proposal_that_overtakes_the_question_is_not_lost(seed):
    """Nothing is said again before half of a view is over, so whoever decides sooner lost nothing on the way."""

    async def main(world):
        hosts = Hosts(world)
        # One is away, so that every vote is needed.
        nodes = [world.node(f"host-{place}") for place in range(3)]
        for place in (1, 2):
            nodes[place].start(hosts.program(place, ask=False))
        await world.clock.sleep(1)
        nodes[0].start(hosts.program(0, ask=True))
        await world.clock.sleep(0.4 * VIEW_NS / NS_PER_S)
        assert set(hosts.agreed) == {0, 1, 2}
        for node in nodes:
            await node.crash(power_loss=False)

    SimWorld(seed).run(main)


def test_late_votes_are_not_answered_with_a_certificate_each():
    async def main(world):
        n = 16
        epoch, signers, verifier = ideal_epoch(n)
        homes = {place: f"host-{place % 4}" for place in range(n)}
        wires = [Wire(world.transport(f"host-{host}"), homes) for host in range(4)]
        councils = [
            Council(
                epoch,
                {f"agent-{place}": Seat(signers[place], Fixed(0)) for place in range(host, n, 4)},
                verifier, clock=world.clock, view_ns=VIEW_NS, wire=wires[host],
            )
            for host in range(4)
        ]  # fmt: skip
        running = [asyncio.ensure_future(council.run()) for council in councils]
        answer = await councils[0].propose(QUESTION, deadline_ns=world.clock.wall_ns() + NS_PER_S)
        await world.clock.sleep(0.4 * VIEW_NS / NS_PER_S)
        assert all(council.known(answer.instance.slot) for council in councils)
        # Two votes of everybody elsewhere; a question, a proposal and two certificates to each other host; and
        # one host may hear the proposal before the question, and ask for it.
        assert sum(wire.sent for wire in wires) <= 2 * 12 + 4 * 3 + 2
        # Who asks is told, so many times and no more.
        before = wires[1].sent
        for _ in range(40):
            wires[0].send(0, 1, Fetch(answer.instance.slot, 0))
        await world.clock.sleep(0.5)
        assert wires[1].sent - before == 16
        for task in running:
            task.cancel()

    for seed in range(5):
        SimWorld(seed).run(main)


@pytest.mark.requirement("CON-3")
def test_a_host_that_opens_questions_without_end_takes_nobodys_room():
    async def main(world):
        hosts = Hosts(world)
        nodes = [world.node(f"host-{place}") for place in range(3)]
        flood = Wire(world.transport("host-3"), hosts.homes)
        for place in (1, 2):
            nodes[place].start(hosts.program(place, ask=False))
        for number in range(600):
            # Others for each, and none that it leads: nobody can decide any of them.
            question = Question(("a", "b"), (number + 1).to_bytes(32))
            instance, late_ns = Instance(hosts.epoch, question), world.clock.wall_ns() + 600 * NS_PER_S
            if instance.leader(1) == 3:
                flood.send(3, number % 3, Opening(instance.slot, hosts.epoch.id, question, late_ns))
        await world.clock.sleep(0.1)
        nodes[0].start(hosts.program(0, ask=True))
        await world.clock.sleep(5)
        # Without the one that floods, every vote is needed.
        assert set(hosts.agreed) == {0, 1, 2}
        for node in nodes:
            await node.crash(power_loss=False)

    SimWorld(2).run(main)


@pytest.mark.requirement("CON-4")
def test_who_was_away_catches_up_when_it_hears_of_the_slot():
    async def main(world):
        hosts = Hosts(world)
        nodes = [world.node(f"host-{place}") for place in range(4)]
        for place, node in enumerate(nodes[:3]):
            node.start(hosts.program(place, ask=place == 0))
        await world.clock.sleep(5)
        assert set(hosts.agreed) == {0, 1, 2}
        nodes[3].start(hosts.program(3, ask=True))
        await world.clock.sleep(5)
        assert hosts.agreed[3].certificate == hosts.agreed[0].certificate
        for node in nodes:
            await node.crash(power_loss=False)

    SimWorld(5).run(main)
