"""A node that is manager for others of its cluster: their bookings, where their circuits go, and their jobs.

The requester is known by the process that the channel proves. It books, places and pays under its own name
(``lab.acme/default``), so that it sees and changes only what is its own. A request that got no answer is sent again
with the same id, so everything is done once. Whoever may not ask is told so, and nothing else.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection

from phalanx.allocation import Reservations
from phalanx.core import InvalidInput, PhalanxError, TenantId
from phalanx.devices import Job
from phalanx.messaging import Bus, Envelope, Member, MessagingError, process_of
from phalanx.node._limits import MANAGER, MAX_QUESTIONS_AT_WORK, MAX_WORK_KEY_CHARS
from phalanx.node.managers._desk import ManagerDesk
from phalanx.node.managers._words import (
    Answer,
    ManagerSpeaksOther,
    NotManaged,
    Question,
    answer_bytes,
    carried,
    read_question,
)
from phalanx.telemetry import Telemetry


class Manager:
    """Answers for ``reservations`` and ``desk``, for processes that it ``manages`` ("*": for all) and has ``met``."""

    def __init__(
        self, bus: Bus, reservations: Reservations, desk: ManagerDesk, manages: Collection[str],
        met: Callable[[], Collection[str]], telemetry: Telemetry,
    ) -> None:  # fmt: skip
        self._reservations, self._desk, self._name = reservations, desk, bus.process
        self._manages, self._met = manages, met
        self._box = bus.join(Member(MANAGER))
        self._log = telemetry.log.bind(room="node", service=MANAGER)
        self._turns = asyncio.Semaphore(MAX_QUESTIONS_AT_WORK)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            async for envelope in self._box:
                if process_of(envelope.sender) not in self._met():
                    # It has begun to talk and is not trusted yet: it asks again.
                    self._log.info("asked as a manager by whom it has not met", process=process_of(envelope.sender))
                    continue
                await self._turns.acquire()
                task = group.create_task(self._answer(envelope))
                task.add_done_callback(lambda _: self._turns.release())

    async def _answer(self, envelope: Envelope) -> None:
        process = process_of(envelope.sender)
        try:
            if "*" not in self._manages and process not in self._manages:
                self._log.warning("asked as a manager by who may not", process=process)
                raise NotManaged(self._name, process)
            question = read_question(envelope.body, here=self._name, by=process)
            said = await self._said(question, process)
        except ManagerSpeaksOther as error:
            self._log.warning("asked in words that are newer", process=process, problem=error.reason)
            said = Answer(error=error.code, told=error.reason, hint=f"update {self._name}")
        except PhalanxError as error:
            said = Answer(error=error.code, told=error.message, hint=error.hint)
        except ValueError as error:
            said = Answer(error=InvalidInput.code, told=str(error))
        with contextlib.suppress(MessagingError):
            await self._box.reply(envelope, answer_bytes(said))

    async def _said(self, question: Question, process: str) -> Answer:
        tenant = TenantId(f"{process}/{question.tenant}")
        if len(question.id) > MAX_WORK_KEY_CHARS or len(question.tenant) > MAX_WORK_KEY_CHARS:
            raise InvalidInput("id", f"is longer than {MAX_WORK_KEY_CHARS} characters")
        if question.what in {"place", "submit", "job", "jobs", "cancel-job", "budgets"}:
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
        if question.what == "jobs":
            return Answer(jobs=await desk.newest(tenant))
        if not key:
            raise InvalidInput("key", "work has one")
        match question.what:
            case "job":
                return await self._with_job(tenant, await desk.job(tenant, key))
            case "cancel-job":
                return await self._with_job(tenant, await desk.cancel(tenant, key))
            case "place" if question.work is not None:
                return Answer(placed=await desk.place(tenant, key, question.work))
            case "submit" if question.work is not None:
                return await self._with_job(tenant, await desk.submit(tenant, key, question.work))
        raise InvalidInput("work", "it is missing")

    async def _with_job(self, tenant: TenantId, job: Job | None) -> Answer:
        if job is None:
            return Answer()
        waits, cost = await self._desk.seen(tenant, job)
        return Answer(job=carried(job), waits=waits, cost=cost)
