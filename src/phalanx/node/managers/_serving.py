"""A node that is manager for others of its cluster: their bookings, where their circuits go, and their jobs.

The requester is known by the process that the channel proves. It books, places and pays under its own name
(``lab.acme/default``), so that it sees and changes only what is its own. A request that got no answer is sent again
with the same id, so everything is done once.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection

import msgspec

from phalanx.allocation import Reservations
from phalanx.core import InvalidInput, PhalanxError, TenantId
from phalanx.messaging import Bus, Envelope, Member, MessagingError, process_of
from phalanx.node._limits import MANAGER, MAX_QUESTIONS_AT_WORK, MAX_WORK_KEY_CHARS
from phalanx.node.managers._desk import ManagerDesk
from phalanx.node.managers._words import Answer, Question
from phalanx.telemetry import Telemetry


class Manager:
    """Answers for ``reservations`` and ``desk``. ``asks_may`` are the processes that it answers to."""

    def __init__(
        self, bus: Bus, reservations: Reservations, desk: ManagerDesk, asks_may: Callable[[], Collection[str]],
        telemetry: Telemetry,
    ) -> None:  # fmt: skip
        self._reservations, self._desk, self._asks_may = reservations, desk, asks_may
        self._box = bus.join(Member(MANAGER))
        self._log = telemetry.log.bind(room="node", service=MANAGER)
        self._turns = asyncio.Semaphore(MAX_QUESTIONS_AT_WORK)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            async for envelope in self._box:
                if process_of(envelope.sender) not in self._asks_may():
                    self._log.warning("asked as a manager by who may not", process=process_of(envelope.sender))
                    continue
                await self._turns.acquire()
                task = group.create_task(self._answer(envelope))
                task.add_done_callback(lambda _: self._turns.release())

    async def _answer(self, envelope: Envelope) -> None:
        try:
            question = msgspec.msgpack.decode(envelope.body, type=Question)
            said = await self._said(question, process_of(envelope.sender))
        except PhalanxError as error:
            said = Answer(error=error.code, told=error.message, hint=error.hint)
        except (msgspec.DecodeError, ValueError) as error:
            said = Answer(error=InvalidInput.code, told=str(error))
        with contextlib.suppress(MessagingError):
            await self._box.reply(envelope, msgspec.msgpack.encode(said))

    async def _said(self, question: Question, process: str) -> Answer:
        tenant = TenantId(f"{process}/{question.tenant}")
        if len(question.id) > MAX_WORK_KEY_CHARS or len(question.tenant) > MAX_WORK_KEY_CHARS:
            raise InvalidInput("id", f"is longer than {MAX_WORK_KEY_CHARS} characters")
        if question.what in {"place", "submit", "job", "cancel-job", "budgets"}:
            return await self._worked(question, tenant)
        return await self._reserved(question, tenant, f"{process}/{question.id}")

    async def _reserved(self, question: Question, tenant: TenantId, id: str) -> Answer:  # noqa: A002
        calendar = self._reservations
        match question.what:
            case "resources":
                return Answer(resources=tuple(await calendar.resources()))
            case "bookings":
                return Answer(bookings=tuple(await calendar.bookings(tenant)))
            case "book" if question.ask is not None and question.id:
                changed = await calendar.book(tenant, question.ask, id=id)
                return Answer(bookings=tuple(one for one in changed if one.tenant == tenant))
            case "confirm":
                return Answer(bookings=(await calendar.confirm(tenant, id),))
            case "cancel":
                return Answer(bookings=(await calendar.cancel(tenant, id),))
        raise InvalidInput("what", f"{question.what!r} is nothing that a manager does")

    async def _worked(self, question: Question, tenant: TenantId) -> Answer:
        desk, key = self._desk, question.id
        if question.what == "budgets":
            return Answer(budgets=await desk.budgets(tenant))
        if not key:
            raise InvalidInput("key", "work has one")
        match question.what:
            case "job":
                return Answer(job=await desk.job(tenant, key))
            case "cancel-job":
                return Answer(job=await desk.cancel(tenant, key))
            case "place" if question.work is not None:
                return Answer(placed=await desk.place(tenant, key, question.work))
            case "submit" if question.work is not None:
                return Answer(job=await desk.submit(tenant, key, question.work))
        raise InvalidInput("work", "it is missing")
