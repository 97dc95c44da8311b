"""What agents may rely on wherever they live: on one bus in one process, or on two buses with a transport between.

A check is an async function of ``OpenPlaces``, which opens two places to join at. In process both are the same bus;
over a transport they know each other already, and may lose datagrams as the transport does.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from phalanx.core import MIB
from phalanx.messaging import (
    EVERYONE,
    AudienceViolation,
    Bus,
    Kind,
    Mailbox,
    Marking,
    Member,
    StaleEpoch,
    UnknownRecipient,
    participants,
    tagged,
)
from phalanx.testing.contracts._raises import raises

OpenPlaces = Callable[[], AbstractAsyncContextManager[tuple[Bus, Bus]]]
BusCheck = Callable[[OpenPlaces], Awaitable[None]]

_LOOK_EVERY_S = 0.01
_MANY = 200


async def check_what_is_sent_is_taken_once_and_its_sender_knows(places: OpenPlaces) -> None:
    async with places() as (here, there), _joined(here, there, "sender", "taker") as (sender, taker):
        bodies = [b"%d" % number for number in range(_MANY)]
        got, reading = _collect(taker)
        receipts = await asyncio.gather(*(sender.send(Kind.COORDINATION, taker.address, body) for body in bodies))
        assert [receipt.taken for receipt in receipts] == [1] * _MANY
        assert sorted(got) == sorted(bodies)
        reading.cancel()


async def check_an_alert_reaches_everybody(places: OpenPlaces) -> None:
    async with places() as (here, there), _joined(here, there, "sender", "far") as (sender, far):
        near = here.join(Member("near"))
        report = asyncio.ensure_future(here.broadcast(sender, b"fire", within_s=120))
        assert [(await box.receive()).body for box in (near, far)] == [b"fire"] * 2
        told = await report
        assert told.is_complete
        assert told.taken == 2


async def check_a_tag_reaches_those_who_carry_it(places: OpenPlaces) -> None:
    async with places() as (here, there):
        sender, outside = here.join(Member("sender")), there.join(Member("outside"))
        carriers = [bus.join(Member(name, frozenset({"hunter"}))) for bus, name in ((here, "h1"), (there, "h2"))]
        await _known(here, outside, *carriers)
        receipt = asyncio.ensure_future(sender.send(Kind.COORDINATION, tagged("hunter"), b"go"))
        assert [(await box.receive()).body for box in carriers] == [b"go"] * 2
        assert (await receipt).taken == 2
        assert not len(outside)


async def check_a_question_gets_its_answer(places: OpenPlaces) -> None:
    async with places() as (here, there), _joined(here, there, "asker", "answerer") as (asker, answerer):
        await _known(there, asker)
        asking = asyncio.ensure_future(asker.ask(Kind.COORDINATION, answerer.address, b"how many?"))
        await answerer.reply(await answerer.receive(), b"three")
        assert (await asking).body == b"three"


async def check_a_large_body_arrives_whole(places: OpenPlaces) -> None:
    async with places() as (here, there), _joined(here, there, "sender", "taker") as (sender, taker):
        body = bytes(range(256)) * (3 * MIB // 256)
        sending = asyncio.ensure_future(sender.send(Kind.COORDINATION, taker.address, body))
        assert (await taker.receive()).body == body
        assert (await sending).taken == 1


async def check_who_is_not_there_is_unknown(places: OpenPlaces) -> None:
    async with places() as (here, there), _joined(here, there, "sender", "gone") as (sender, gone):
        address = gone.address
        gone.leave()
        await _until(lambda: here.directory.find(address) is None)
        for to in (address, "nowhere/nobody", tagged("carried by nobody")):
            await raises(UnknownRecipient, sender.send(Kind.COORDINATION, to, b""))


async def check_intelligence_is_for_its_audience_alone(places: OpenPlaces) -> None:
    async with places() as (here, there), _joined(here, there, "sender", "named") as (sender, named):
        other = there.join(Member("other"))
        await _known(here, other)
        await raises(
            AudienceViolation, sender.send(Kind.INTELLIGENCE, other.address, b"secret", audience=(named.address,))
        )
        cleared = here.join(Member("low", clearance=Marking.CLEAR))
        await raises(
            AudienceViolation, sender.send(Kind.INTELLIGENCE, cleared.address, b"secret", marking=Marking.AMBER)
        )
        sending = asyncio.ensure_future(
            sender.send(Kind.INTELLIGENCE, named.address, b"secret", audience=(named.address,))
        )
        assert (await named.receive()).body == b"secret"
        await sending
        assert not len(other)
        assert not len(cleared)


async def check_consensus_is_for_the_participants_of_its_epoch(places: OpenPlaces) -> None:
    async with places() as (here, there), _joined(here, there, "one", "two") as (one, two):
        outside = there.join(Member("outside"))
        await _known(here, outside)
        for bus in {here, there}:
            bus.directory.convene("case", (one.address, two.address), epoch=2)
        sending = asyncio.ensure_future(one.send(Kind.CONSENSUS, participants("case"), b"vote", epoch=2))
        assert (await two.receive()).body == b"vote"
        await sending
        await raises(StaleEpoch, one.send(Kind.CONSENSUS, participants("case"), b"late", epoch=1))
        assert not len(outside)


async def check_everybody_is_listed_once(places: OpenPlaces) -> None:
    async with places() as (here, there), _joined(here, there, "near", "far") as (near, far):
        await _known(there, near)
        for bus in (here, there):
            listed = [member.address for member in bus.directory.members()]
            assert {near.address, far.address} <= set(listed)
            assert len(listed) == len(set(listed))
        await raises(UnknownRecipient, far.send(Kind.COORDINATION, f"{near.address}x", b""))
        assert EVERYONE not in listed


@contextlib.asynccontextmanager
async def _joined(here: Bus, there: Bus, ours: str, theirs: str) -> AsyncIterator[tuple[Mailbox, Mailbox]]:
    """A member at each place, the second known at the first."""
    first, second = here.join(Member(ours)), there.join(Member(theirs))
    await _known(here, second)
    yield first, second


async def _known(at: Bus, *boxes: Mailbox) -> None:
    for box in boxes:
        await _until(lambda address=box.address: at.directory.find(address) is not None)  # type: ignore[misc]


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - a bus does not tell when it heard of a member
        await asyncio.sleep(_LOOK_EVERY_S)


def _collect(box: Mailbox) -> tuple[list[bytes], "asyncio.Task[None]"]:
    """Take whatever comes, from now on."""
    got: list[bytes] = []

    async def take() -> None:
        async for envelope in box:
            got.append(envelope.body)  # noqa: PERF401 - what came is looked at while more comes

    return got, asyncio.ensure_future(take())


BUS_CHECKS: tuple[BusCheck, ...] = (
    check_what_is_sent_is_taken_once_and_its_sender_knows,
    check_an_alert_reaches_everybody,
    check_a_tag_reaches_those_who_carry_it,
    check_a_question_gets_its_answer,
    check_a_large_body_arrives_whole,
    check_who_is_not_there_is_unknown,
    check_intelligence_is_for_its_audience_alone,
    check_consensus_is_for_the_participants_of_its_epoch,
    check_everybody_is_listed_once,
)
