"""Who gets what, and how each sending ends."""

import asyncio

import pytest

from phalanx.core import NS_PER_S, InvalidInput, LimitExceeded, TenantId
from phalanx.messaging import (
    EVERYONE,
    AudienceViolation,
    DeadlinePassed,
    EnvelopeTooLarge,
    Kind,
    MailboxClosed,
    Marking,
    Member,
    NoCredit,
    Outcome,
    StaleEpoch,
    UnknownRecipient,
    participants,
    policy_of,
    tagged,
)
from phalanx.messaging._limits import MAX_INSTANCES

HUNTERS = frozenset({"role:hunter"})


@pytest.mark.requirement("MSG-1")
def test_each_kind_reaches_whom_its_policy_says(on_the_bus):
    async def main(bench):
        bus = bench.bus
        sender = bus.join(Member("sender"))
        hunters = [bus.join(Member(f"hunter-{n}", tags=HUNTERS)) for n in range(3)]
        others = [bus.join(Member(f"other-{n}")) for n in range(3)]
        cleared = bus.join(Member("cleared", tags=HUNTERS, clearance=Marking.RED))
        bus.directory.convene("vote", [sender.address, others[0].address, others[1].address], epoch=3)

        sender.send_nowait(Kind.ALERT, EVERYONE, b"alert")
        sender.send_nowait(Kind.DISCOVERY, EVERYONE, b"discovery")
        sender.send_nowait(Kind.COORDINATION, tagged("role:hunter"), b"coordination")
        sender.send_nowait(
            Kind.INTELLIGENCE, tagged("role:hunter"), b"intelligence", marking=Marking.RED, audience=[cleared.address]
        )
        sender.send_nowait(Kind.CONSENSUS, participants("vote"), b"consensus", epoch=3)

        got = {box.address: [] for box in (*hunters, *others, cleared)}
        for box in (*hunters, *others, cleared):
            while (envelope := box.receive_nowait()) is not None:
                got[box.address].append(envelope.body.decode())
        assert sender.receive_nowait() is None
        for hunter in hunters:
            assert got[hunter.address] == ["alert", "coordination", "discovery"]
        assert got[cleared.address] == ["alert", "coordination", "discovery", "intelligence"]
        assert got[others[0].address] == ["alert", "consensus", "discovery"]
        assert got[others[2].address] == ["alert", "discovery"]

    on_the_bus(main)


@pytest.mark.requirement("MSG-5")
def test_send_returns_when_the_recipient_took_it(on_the_bus):
    async def main(bench):
        a, b = (bench.bus.join(Member(name)) for name in "ab")
        sending = asyncio.create_task(a.send(Kind.COORDINATION, b.address, b"go"))
        await bench.world.clock.sleep(1)
        assert not sending.done()
        envelope = await b.receive()
        receipt = await sending
        assert (envelope.sender, envelope.body, receipt.taken) == (a.address, b"go", 1)
        assert not bench.bus.desk.pending

    on_the_bus(main)


def test_a_member_that_settles_says_itself_when_it_is_done(on_the_bus):
    async def main(bench):
        a, b = bench.bus.join(Member("a")), bench.bus.join(Member("b", settles=True))
        receipt = a.send_nowait(Kind.COORDINATION, b.address, b"go")
        envelope = await b.receive()
        assert not receipt.is_ended
        b.done(envelope)
        b.done(envelope)
        assert receipt.is_ended
        assert receipt.taken == 1

    on_the_bus(main)


def test_a_reply_goes_to_whoever_asked_and_past_its_mailbox(on_the_bus):
    async def main(bench):
        a, b = bench.bus.join(Member("a")), bench.bus.join(Member("b"))

        async def answer():
            await b.reply(await b.receive(), b"four")

        replying = asyncio.create_task(answer())
        reply = await a.ask(Kind.COORDINATION, b.address, b"two and two")
        await replying
        assert (reply.body, reply.kind, reply.sender) == (b"four", Kind.REPLY, b.address)
        assert len(a) == 0
        with pytest.raises(DeadlinePassed):
            await a.ask(Kind.COORDINATION, b.address, b"again", deadline_ns=bench.world.clock.wall_ns() + NS_PER_S)

    on_the_bus(main)


def test_unknown_recipients_are_told_to_the_sender(on_the_bus):
    async def main(bench):
        a, b = bench.bus.join(Member("a")), bench.bus.join(Member("b"))
        for nobody in ("here/nobody", "elsewhere/agent", tagged("role:none"), participants("none")):
            with pytest.raises(UnknownRecipient):
                a.send_nowait(Kind.COORDINATION, nobody, b"")
        receipt = a.send_nowait(Kind.COORDINATION, [b.address, "here/nobody"], b"")
        await b.receive()
        assert receipt.taken == 1
        assert receipt.refused == [("here/nobody", Outcome.UNKNOWN_RECIPIENT)]

    on_the_bus(main)


def test_what_is_not_acceptable_is_refused_at_once(on_the_bus):
    async def main(bench):
        a, b = bench.bus.join(Member("a")), bench.bus.join(Member("b"))
        with pytest.raises(EnvelopeTooLarge):
            a.send_nowait(Kind.COORDINATION, b.address, bytes(8 * 1024 * 1024 + 1))
        with pytest.raises(DeadlinePassed):
            a.send_nowait(Kind.COORDINATION, b.address, b"", deadline_ns=1)
        with pytest.raises(LimitExceeded):
            a.send_nowait(Kind.COORDINATION, [b.address] * 2_000, b"")
        with pytest.raises(InvalidInput):
            a.send_nowait(Kind.INTELLIGENCE, b.address, b"", marking=Marking.RED)
        with pytest.raises(InvalidInput):
            bench.bus.join(Member("a"))
        with pytest.raises(InvalidInput):
            Member("a/b")
        assert len(b) == 0

    on_the_bus(main)


@pytest.mark.requirement("MSG-5")
def test_a_deadline_ends_a_sending_and_what_is_late_is_not_handed_out(on_the_bus):
    async def main(bench):
        a, b = bench.bus.join(Member("a")), bench.bus.join(Member("b"))
        deadline_ns = bench.world.clock.wall_ns() + NS_PER_S
        with pytest.raises(DeadlinePassed):
            await a.send(Kind.COORDINATION, b.address, b"late", deadline_ns=deadline_ns)
        a.send_nowait(Kind.COORDINATION, b.address, b"in time")
        assert (await b.receive()).body == b"in time"
        assert bench.count("phalanx_messaging_undelivered_total") == 1

    on_the_bus(main)


@pytest.mark.requirement("MSG-1")
def test_audience_violations_are_told_and_recorded(on_the_bus):
    async def main(bench):
        a = bench.bus.join(Member("a"))
        b = bench.bus.join(Member("b", tenants=frozenset({"blue"}), clearance=Marking.GREEN))
        with pytest.raises(AudienceViolation):
            a.send_nowait(Kind.COORDINATION, b.address, b"", tenant=TenantId("red"))
        with pytest.raises(AudienceViolation):
            a.send_nowait(Kind.INTELLIGENCE, b.address, b"", tenant=TenantId("blue"))
        with pytest.raises(AudienceViolation):  # nor may it speak for a tenant that it does not serve
            b.send_nowait(Kind.COORDINATION, a.address, b"", tenant=TenantId("red"))
        for _ in range(50):  # written down once in a while only
            with pytest.raises(AudienceViolation):
                a.send_nowait(Kind.COORDINATION, b.address, b"", tenant=TenantId("red"))
        assert len(a) == len(b) == 0
        await bench.world.clock.sleep(1)
        assert [entry.action for entry in bench.notebook.entries] == ["messaging.audience-violation"] * 2
        assert {entry.subject for entry in bench.notebook.entries} == {b.address}
        assert bench.count("phalanx_messaging_refused_total") == 53

    on_the_bus(main)


def test_an_epoch_that_is_over_is_refused_and_recorded(on_the_bus):
    async def main(bench):
        a, b = bench.bus.join(Member("a")), bench.bus.join(Member("b"))
        bench.bus.directory.convene("vote", [a.address, b.address], epoch=2)
        with pytest.raises(StaleEpoch):
            a.send_nowait(Kind.CONSENSUS, participants("vote"), b"", epoch=1)
        with pytest.raises(InvalidInput):
            bench.bus.directory.convene("vote", [a.address], epoch=1)
        await bench.world.clock.sleep(1)
        assert [entry.action for entry in bench.notebook.entries] == ["messaging.stale-epoch"]

    on_the_bus(main)


def test_instances_are_bounded_and_one_that_is_over_makes_room(on_the_bus):
    async def main(bench):
        a, b, directory = bench.bus.join(Member("a")), bench.bus.join(Member("b")), bench.bus.directory
        for number in range(MAX_INSTANCES):
            directory.convene(str(number), [a.address, b.address], epoch=2)
        with pytest.raises(LimitExceeded):
            directory.convene("more", [a.address, b.address], epoch=1)
        directory.convene("0", [b.address], epoch=3)
        directory.adjourn("0")
        assert directory.instance("0") is None
        with pytest.raises(UnknownRecipient):
            a.send_nowait(Kind.CONSENSUS, participants("0"), b"", epoch=3)
        directory.convene("more", [a.address, b.address], epoch=1)
        a.send_nowait(Kind.CONSENSUS, participants("more"), b"", epoch=1)
        assert len(b) == 1
        directory.adjourn("no such")

    on_the_bus(main)


@pytest.mark.requirement("MSG-5")
def test_the_lowest_kind_gives_way_and_alerts_never_do(on_the_bus):
    async def main(bench):
        a, b = bench.bus.join(Member("a")), bench.bus.join(Member("b"))
        for _ in range(policy_of(Kind.HEARTBEAT).credit):
            a.send_nowait(Kind.HEARTBEAT, b.address, b"beat")
        beats = len(b)
        a.send_nowait(Kind.HEARTBEAT, b.address, b"newest")
        assert len(b) == beats  # the newest counts, the oldest went

        work = [a.send_nowait(Kind.COORDINATION, b.address, b"%d" % n) for n in range(200)]
        alerts = [a.send_nowait(Kind.ALERT, EVERYONE, b"%d" % n) for n in range(policy_of(Kind.ALERT).credit)]
        with pytest.raises(NoCredit):  # not dropped: told
            a.send_nowait(Kind.ALERT, EVERYONE, b"one more")
        assert bench.count("phalanx_messaging_undelivered_total") == 1 + 200 + 1 - 1
        while b.receive_nowait() is not None:
            pass
        assert all(one.taken == 1 for one in work + alerts)

    on_the_bus(main)


@pytest.mark.requirement("MSG-5")
def test_a_sender_waits_for_room(on_the_bus):
    async def main(bench):
        a, b = bench.bus.join(Member("a")), bench.bus.join(Member("b"))
        credit = policy_of(Kind.COORDINATION).credit
        sendings = [asyncio.create_task(a.send(Kind.COORDINATION, b.address, b"%d" % n)) for n in range(credit * 3)]
        await bench.world.clock.sleep(1)
        assert len(b) == credit
        got = [await b.receive() for _ in range(credit * 3)]
        assert {one.body for one in got} == {b"%d" % n for n in range(credit * 3)}
        assert all(receipt.taken == 1 for receipt in await asyncio.gather(*sendings))

        deadline_ns = bench.world.clock.wall_ns() + NS_PER_S
        for _ in range(credit):
            a.send_nowait(Kind.REPLY, b.address, b"")
        for _ in range(policy_of(Kind.REPLY).credit - credit):
            a.send_nowait(Kind.REPLY, b.address, b"")
        with pytest.raises(DeadlinePassed):
            await a.send(Kind.REPLY, b.address, b"", deadline_ns=deadline_ns)

    on_the_bus(main)


def test_who_leaves_leaves_nobody_waiting(on_the_bus):
    async def main(bench):
        a, b = bench.bus.join(Member("a")), bench.bus.join(Member("b"))
        sending = asyncio.create_task(a.send(Kind.COORDINATION, b.address, b""))
        asking = asyncio.create_task(b.ask(Kind.COORDINATION, a.address, b""))
        await bench.world.clock.sleep(1)
        b.leave()
        b.leave()
        with pytest.raises(UnknownRecipient):
            await sending
        with pytest.raises(MailboxClosed):
            await asking
        with pytest.raises(MailboxClosed):
            b.send_nowait(Kind.COORDINATION, a.address, b"")
        reading = asyncio.create_task(a.receive())
        await bench.world.clock.sleep(1)
        assert (await reading).sender == b.address
        assert [member.agent for member in bench.bus.directory.members()] == ["a"]
        waiting = asyncio.create_task(anext(a, None))
        await bench.world.clock.sleep(1)
        a.leave()
        assert await waiting is None

    on_the_bus(main)


def test_a_cancelled_reader_loses_nothing(on_the_bus):
    async def main(bench):
        a, b = bench.bus.join(Member("a")), bench.bus.join(Member("b"))
        reading = asyncio.create_task(b.receive())
        await bench.world.clock.sleep(1)
        a.send_nowait(Kind.COORDINATION, b.address, b"kept")
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert (await b.receive()).body == b"kept"

    on_the_bus(main)


@pytest.mark.requirement("MSG-4")
def test_an_alert_reaches_everyone_who_may_read_it(on_the_bus):
    async def main(bench):
        sender = bench.bus.join(Member("sender"))
        boxes = [bench.bus.join(Member(f"a{n}")) for n in range(1_000)]

        async def read(box):
            await box.receive()

        readers = [asyncio.create_task(read(box)) for box in boxes]
        receipt = await sender.send(Kind.ALERT, EVERYONE, b"fire")
        await asyncio.gather(*readers)
        assert receipt.taken == 1_000
        assert not receipt.refusals

    on_the_bus(main)
