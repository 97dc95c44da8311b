"""One node's calendar for others: bookings asked for over the cluster, sealed as all that nodes say to each other.

Whoever asks is known by the process that the channel proves. It books under its own name (``lab.acme/default``), so
that it sees and changes nothing that is not its own. A question that got no answer is asked again with the same booking
id, which books once.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection

import msgspec

from phalanx.allocation import Ask, Bookable, Booking, Reservations
from phalanx.core import NS_PER_S, Clock, IdSource, InvalidInput, NotFound, PhalanxError, Unavailable
from phalanx.messaging import Bus, Envelope, Kind, Marking, Member, MessagingError, process_of
from phalanx.node._limits import MANAGER, MANAGER_ANSWER_S, MANAGER_ATTEMPTS, MAX_QUESTIONS_AT_WORK
from phalanx.telemetry import Telemetry


class _Question(msgspec.Struct, frozen=True, kw_only=True):
    what: str
    tenant: str = ""
    id: str = ""
    ask: Ask | None = None


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """``error`` is the code of what was refused, and ``told`` its message."""

    bookings: tuple[Booking, ...] = ()
    resources: tuple[Bookable, ...] = ()
    error: str = ""
    told: str = ""


class Manager:
    """Answers for ``reservations``. ``asks_may`` are the processes that it answers to."""

    def __init__(
        self, bus: Bus, reservations: Reservations, asks_may: Callable[[], Collection[str]], telemetry: Telemetry
    ) -> None:
        self._reservations, self._asks_may = reservations, asks_may
        self._box = bus.join(Member(MANAGER))
        self._log = telemetry.log.bind(room="node", service=MANAGER)
        self._turns = asyncio.Semaphore(MAX_QUESTIONS_AT_WORK)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            async for envelope in self._box:
                if process_of(envelope.sender) not in self._asks_may():
                    self._log.warning("asked for bookings without being allowed", process=process_of(envelope.sender))
                    continue
                await self._turns.acquire()
                task = group.create_task(self._answer(envelope))
                task.add_done_callback(lambda _: self._turns.release())

    async def _answer(self, envelope: Envelope) -> None:
        try:
            question = msgspec.json.decode(envelope.body, type=_Question)
            said = await self._said(question, process_of(envelope.sender))
        except PhalanxError as error:
            said = _Answer(error=error.code, told=error.message)
        except msgspec.DecodeError as error:
            said = _Answer(error=InvalidInput.code, told=str(error))
        with contextlib.suppress(MessagingError):
            await self._box.reply(envelope, msgspec.json.encode(said))

    async def _said(self, question: _Question, process: str) -> _Answer:
        tenant, id = f"{process}/{question.tenant}", f"{process}/{question.id}"  # noqa: A001
        calendar = self._reservations
        match question.what:
            case "resources":
                return _Answer(resources=tuple(await calendar.resources()))
            case "bookings":
                return _Answer(bookings=tuple(await calendar.bookings(tenant)))
            case "book" if question.ask is not None and question.id:
                changed = await calendar.book(tenant, question.ask, id=id)
                return _Answer(bookings=tuple(one for one in changed if one.tenant == tenant))
            case "confirm":
                return _Answer(bookings=(await calendar.confirm(tenant, id),))
            case "cancel":
                return _Answer(bookings=(await calendar.cancel(tenant, id),))
        raise InvalidInput("what", f"{question.what!r} is nothing that a manager does")


class ManagedReservations:
    """``Reservations`` that another node keeps: the same calls, asked over the bus."""

    def __init__(self, bus: Bus, manager: str, clock: Clock, ids: IdSource) -> None:
        self._box = bus.join(Member(f"{MANAGER}-asking"))
        self._manager, self._clock, self._ids = manager, clock, ids

    async def declare(self, resource: Bookable) -> None:
        """Raises ``InvalidInput``: what can be booked is said where the calendar is."""
        raise InvalidInput("resource", f"{resource.name} is declared at {self._manager}, which keeps the calendar")

    async def book(self, tenant: str, ask: Ask, *, id: str = "") -> list[Booking]:  # noqa: A002
        """The booking, then those of this node that had to make room."""
        return self._own(await self._asked(_Question(what="book", tenant=tenant, id=id or self._ids.new(), ask=ask)))

    async def confirm(self, tenant: str, id: str) -> Booking:  # noqa: A002
        return self._own(await self._asked(_Question(what="confirm", tenant=tenant, id=id)))[0]

    async def cancel(self, tenant: str, id: str) -> Booking:  # noqa: A002
        return self._own(await self._asked(_Question(what="cancel", tenant=tenant, id=id)))[0]

    async def bookings(self, tenant: str) -> list[Booking]:
        return self._own(await self._asked(_Question(what="bookings", tenant=tenant)))

    async def resources(self) -> list[Bookable]:
        return list((await self._asked(_Question(what="resources"))).resources)

    def _own(self, said: _Answer) -> list[Booking]:
        """Under the names that this node uses: what the manager put before them is taken off."""
        return [
            msgspec.structs.replace(one, id=one.id.partition("/")[2], tenant=one.tenant.partition("/")[2])
            for one in said.bookings
        ]

    async def _asked(self, question: _Question) -> _Answer:
        body, problem = msgspec.json.encode(question), ""
        for _ in range(MANAGER_ATTEMPTS):
            deadline_ns = self._clock.wall_ns() + round(MANAGER_ANSWER_S * NS_PER_S)
            try:
                # Green: the manager may be of another organisation, which both have agreed to.
                reply = await self._box.ask(
                    Kind.COORDINATION, f"{self._manager}/{MANAGER}", body, deadline_ns=deadline_ns,
                    marking=Marking.GREEN,
                )  # fmt: skip
                said = msgspec.json.decode(reply.body, type=_Answer)
            except (MessagingError, msgspec.DecodeError) as error:
                problem = str(error)
                continue
            if said.error:
                raise _problem(said)
            return said
        raise Unavailable(f"the manager of reservations {self._manager}", problem, hint="is it up, and in the cluster?")


def _problem(said: _Answer) -> PhalanxError:
    if said.error == NotFound.code:
        return NotFound("booking", said.told)
    if said.error == InvalidInput.code:
        return InvalidInput("booking", said.told)
    return Unavailable("the booking", said.told)
