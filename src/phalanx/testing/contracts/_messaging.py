"""What agents of several processes can rely on, whatever carries their frames.

Each check is an async function of a ``Line``: how to open peers for a process, and its outbox::

    @pytest.mark.parametrize("check", MESSAGING_CHECKS)
    def test_my_transport(check):
        asyncio.run(check(my_line()))

A line may lose, double and delay what it carries; the checks wait as long as that takes.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from phalanx.core import MIB, Clock, IdSource, Journal, Rng
from phalanx.messaging import (
    EVERYONE,
    AudienceViolation,
    Bus,
    Kind,
    Mailbox,
    Marking,
    Member,
    Peers,
    UnknownRecipient,
    participants,
    running,
    tagged,
)
from phalanx.telemetry import Telemetry

_POLL_S = 0.02
_MANY = 300
_TAG = "role:hunter"


@dataclass(frozen=True, slots=True)
class Line:
    """What carries frames between processes. ``open_peers`` is called anew when a process starts again."""

    open_peers: Callable[[str], Awaitable[Peers]]
    open_journal: Callable[[str], Awaitable[Journal]]
    clock: Clock
    ids: IdSource
    rng: Rng


class _Town:
    """Buses of some processes that have met."""

    def __init__(self, line: Line, names: Sequence[str]) -> None:
        self._line, self._names = line, names
        self._stacks: dict[str, contextlib.AsyncExitStack] = {}
        self.buses: dict[str, Bus] = {}

    async def start(self, name: str) -> None:
        line, stack = self._line, contextlib.AsyncExitStack()
        peers = await line.open_peers(name)
        stack.push_async_callback(peers.close)
        journal = await line.open_journal(name)
        stack.push_async_callback(journal.close)
        bus = await Bus.open(
            name, journal=journal, peers=peers, clock=line.clock, ids=line.ids, telemetry=Telemetry(line.clock),
            rng=line.rng.child(name),
        )  # fmt: skip
        for other in self._names:
            if other != name:
                bus.meet(other)
        await stack.enter_async_context(running(bus))
        self.buses[name], self._stacks[name] = bus, stack

    async def stop(self, name: str) -> None:
        await self._stacks.pop(name).aclose()

    async def stop_all(self) -> None:
        for name in list(self._stacks):
            await self.stop(name)

    async def heard_of(self, name: str, *boxes: Mailbox) -> None:
        """Wait until ``name`` knows all of ``boxes``."""
        while not all(self.buses[name].directory.find(box.address) for box in boxes):
            await self._line.clock.sleep(_POLL_S)


@contextlib.asynccontextmanager
async def _town(line: Line, *names: str) -> AsyncIterator[_Town]:
    town = _Town(line, names)
    try:
        for name in names:
            await town.start(name)
        yield town
    finally:
        await town.stop_all()


async def check_every_kind_arrives_at_whom_it_is_for(line: Line) -> None:
    async with _town(line, "left", "right") as town:
        sender = town.buses["left"].join(Member("sender"))
        hunter = town.buses["right"].join(Member("hunter", tags=frozenset({_TAG})))
        other = town.buses["right"].join(Member("other"))
        await town.heard_of("left", hunter, other)
        town.buses["left"].directory.convene("vote", [sender.address, hunter.address], epoch=1)
        town.buses["right"].directory.convene("vote", [sender.address, hunter.address], epoch=1)
        sent: tuple[tuple[Kind, str], ...] = (
            (Kind.ALERT, EVERYONE), (Kind.CONSENSUS, participants("vote")), (Kind.COORDINATION, tagged(_TAG)),
            (Kind.INTELLIGENCE, hunter.address), (Kind.DISCOVERY, tagged(_TAG)), (Kind.REPLY, hunter.address),
        )  # fmt: skip
        receipts = [sender.send_nowait(kind, to, kind.name.encode(), epoch=1) for kind, to in sent]
        got = [await hunter.receive() for _ in sent]
        assert {one.body for one in got} == {kind.name.encode() for kind, _ in sent}, got
        assert all(one.sender == sender.address for one in got)
        assert (await other.receive()).kind is Kind.ALERT
        for receipt in receipts:
            await receipt.ended()
        assert [receipt.taken for receipt in receipts] == [2, 1, 1, 1, 1, 1], receipts
        assert other.receive_nowait() is None


async def check_many_are_taken_once_each(line: Line) -> None:
    async with _town(line, "left", "right") as town:
        sender, box = town.buses["left"].join(Member("a")), town.buses["right"].join(Member("b"))
        await town.heard_of("left", box)
        sendings = [asyncio.create_task(sender.send(Kind.ALERT, EVERYONE, b"%d" % n)) for n in range(_MANY)]
        got = [(await box.receive()).body for _ in range(_MANY)]
        receipts = await asyncio.gather(*sendings)
        assert sorted(got, key=int) == [b"%d" % n for n in range(_MANY)]
        assert all(receipt.taken == 1 for receipt in receipts)
        assert box.receive_nowait() is None


async def check_large_bodies_arrive_whole(line: Line) -> None:
    async with _town(line, "left", "right") as town:
        sender, box = town.buses["left"].join(Member("a")), town.buses["right"].join(Member("b"))
        await town.heard_of("left", box)
        body = line.rng.child("body").bytes(2 * MIB)
        receipt = sender.send_nowait(Kind.ALERT, EVERYONE, body)
        assert (await box.receive()).body == body
        assert (await receipt.ended()).taken == 1


async def check_refusals_are_told(line: Line) -> None:
    async with _town(line, "left", "right") as town:
        sender = town.buses["left"].join(Member("a"))
        box = town.buses["right"].join(Member("b", clearance=Marking.GREEN))
        await town.heard_of("left", box)
        try:
            await sender.send(Kind.INTELLIGENCE, box.address, b"")
        except AudienceViolation:
            pass
        else:
            raise AssertionError("it may not be read there")
        box.leave()
        try:
            await sender.send(Kind.CONSENSUS, box.address, b"")
        except UnknownRecipient:
            return
        raise AssertionError("nobody is there")


async def check_a_broadcast_is_reported(line: Line) -> None:
    async with _town(line, "left", "right", "third") as town:
        sender = town.buses["left"].join(Member("sender"))
        boxes = [bus.join(Member(f"m{n}")) for bus in town.buses.values() for n in range(5)]
        await town.heard_of("left", *boxes)
        takings = [asyncio.create_task(box.receive()) for box in boxes]
        report = await town.buses["left"].broadcast(sender, b"fire", within_s=120)
        assert report.is_complete, report
        assert report.taken == len(boxes), report
        assert all(taking.result().body == b"fire" for taking in takings)


async def check_a_sender_that_starts_again_goes_on(line: Line) -> None:
    async with _town(line, "left", "right") as town:
        sender, box = town.buses["left"].join(Member("a")), town.buses["right"].join(Member("b"))
        await town.heard_of("left", box)
        await town.stop("right")
        for n in range(20):
            sender.send_nowait(Kind.CONSENSUS, box.address, b"%d" % n)
        outbox = town.buses["left"].abroad
        assert outbox is not None
        while not outbox.links.is_written:
            await line.clock.sleep(_POLL_S)
        await town.stop("left")
        await town.start("left")
        await town.start("right")
        again = town.buses["right"].join(Member("b"))
        got = [(await again.receive()).body for _ in range(20)]
        assert sorted(got, key=int) == [b"%d" % n for n in range(20)]
        await line.clock.sleep(1)
        assert again.receive_nowait() is None


MESSAGING_CHECKS: tuple[Callable[[Line], Awaitable[None]], ...] = (
    check_every_kind_arrives_at_whom_it_is_for,
    check_many_are_taken_once_each,
    check_large_bodies_arrive_whole,
    check_refusals_are_told,
    check_a_broadcast_is_reported,
    check_a_sender_that_starts_again_goes_on,
)
