"""What a node asks its manager for: the calendar, where work goes, and jobs there under this node's budgets.

A request may have reached a manager that did not answer. So a submission is noted here as the manager's before it
is sent, and never goes elsewhere afterwards: asked again under its key it is the same job. Only a request that got
no answer and runs nothing (where work should go) falls back to the node's own policy, and that is recorded.
"""

import msgspec

from phalanx.allocation import Ask, Bookable, Booking, Explanation, Placements
from phalanx.core import (
    NO_TRACE,
    NS_PER_S,
    AuditEntry,
    AuditSink,
    Clock,
    Conflict,
    Expect,
    IdSource,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Origin,
    Put,
    Store,
    Table,
    TenantId,
    derive_id,
)
from phalanx.devices import Job, Jobs, JobWishes
from phalanx.messaging import Bus, DeadlinePassed, Kind, Marking, Member, MessagingError, UnknownRecipient
from phalanx.node._limits import MANAGER, MANAGER_ANSWER_S, MANAGER_ATTEMPTS, MANAGER_PLACE_S, MAX_WORK_KEY_CHARS
from phalanx.node.managers._desk import wish_for
from phalanx.node.managers._words import (
    Answer,
    Granted,
    JobLine,
    ManagedJob,
    ManagerAway,
    Placed,
    Question,
    Work,
    question_bytes,
    read_answer,
)

ASKED = Table("manager_asked", sealed=True)
ACTOR = "allocation"


class _Asked(msgspec.Struct, frozen=True):
    """Where the job of a key is: at a manager, or here (``own``), and then why."""

    manager: str
    own: bool
    why: str = ""


class ManagerLine:
    """Questions to one manager, and its answers."""

    def __init__(self, bus: Bus, manager: str, clock: Clock) -> None:
        self._box = bus.join(Member(f"{MANAGER}-asking"))
        self.manager, self._clock = manager, clock

    async def ask(
        self, question: Question, about: str, *, within_s: float = 0.0, attempts: int = MANAGER_ATTEMPTS
    ) -> Answer:
        """Raises ``ManagerAway`` where no answer came, ``ManagerSpeaksOther``, and what the manager refused it for."""
        body, problem, patience_s = question_bytes(question), "", within_s or MANAGER_ANSWER_S
        for _ in range(attempts):
            deadline_ns = self._clock.wall_ns() + round(patience_s * NS_PER_S)
            try:
                # Green: the manager may be of another organisation, which both have agreed to.
                reply = await self._box.ask(
                    Kind.COORDINATION, f"{self.manager}/{MANAGER}", body, deadline_ns=deadline_ns,
                    marking=Marking.GREEN,
                )  # fmt: skip
            except UnknownRecipient:
                problem = "it is not in the cluster now, or is no manager (its cluster.manages is empty)"
                break
            except MessagingError as error:
                often = f", {attempts} times" if attempts > 1 else ""
                why = "" if isinstance(error, DeadlinePassed) else f": {error}"
                problem = f"no answer came within {patience_s:g} s{often}{why}"
                continue
            return read_answer(reply.body, manager=self.manager, about=about, asked=question)
        raise ManagerAway(self.manager, problem)

    async def look(self, question: Question, about: str) -> Answer:
        """The same for what changes nothing, and is asked once."""
        return await self.ask(question, about, within_s=MANAGER_PLACE_S, attempts=1)


class ManagedReservations:
    """``Reservations`` that another node keeps: the same calls, asked over the bus."""

    def __init__(self, line: ManagerLine, ids: IdSource) -> None:
        self._line, self._ids = line, ids

    async def declare(self, resource: Bookable) -> None:
        """Raises ``InvalidInput``: what can be booked is said where the calendar is."""
        raise InvalidInput("resource", f"{resource.name} is declared at {self._line.manager}, which keeps the calendar")

    async def book(self, tenant: str, ask: Ask, *, id: str = "") -> list[Booking]:  # noqa: A002
        """The booking, then those of this node that had to make room."""
        return self._own(await self._asked(Question(what="book", tenant=tenant, id=id or self._ids.new(), ask=ask)))

    async def confirm(self, tenant: str, id: str) -> Booking:  # noqa: A002
        return self._own(await self._asked(Question(what="confirm", tenant=tenant, id=id)))[0]

    async def cancel(self, tenant: str, id: str) -> Booking:  # noqa: A002
        return self._own(await self._asked(Question(what="cancel", tenant=tenant, id=id)))[0]

    async def bookings(self, tenant: str) -> list[Booking]:
        return self._own(await self._line.look(Question(what="bookings", tenant=tenant), "booking"))

    async def resources(self) -> list[Bookable]:
        return list((await self._line.look(Question(what="resources"), "resource")).resources)

    async def _asked(self, question: Question) -> Answer:
        return await self._line.ask(question, "booking")

    def _own(self, said: Answer) -> list[Booking]:
        return [_named_here(one) for one in said.bookings]


class ManagedWork:
    """Work that a manager places and runs for this node, and what becomes of it while the manager is away."""

    def __init__(
        self, line: ManagerLine, name: str, store: Store, clock: Clock, ids: IdSource, placements: Placements,
        jobs: Jobs, audit: AuditSink,
    ) -> None:  # fmt: skip
        self._line, self._name, self._store, self._clock, self._ids = line, name, store, clock, ids
        self._placements, self._jobs, self._audit = placements, jobs, audit

    @property
    def manager(self) -> str:
        return self._line.manager

    async def place(self, tenant: TenantId, work: Work, *, key: str = "", fall_back: bool = True) -> Placed:
        """Where the manager would have it run, with a window held there; or by the own policy where it is away."""
        work.check()
        key = _checked(key) or self._ids.new()
        question = Question(what="place", tenant=tenant, id=key, work=work)
        try:
            said = await self._line.ask(question, "work", within_s=MANAGER_PLACE_S, attempts=1)
        except ManagerAway as away:
            if not fall_back:
                raise
            explanation = await self._own_decision(tenant, work)
            await self._record(tenant, key, away, "placed by the own policy", explanation.device)
            return Placed(by=self._name, key=key, explanation=explanation, own=True, why=away.message)
        assert said.placed is not None, "what places answers with where"
        window = said.placed.window
        return msgspec.structs.replace(said.placed, window=None if window is None else _named_here(window))

    async def submit(self, tenant: TenantId, work: Work, *, key: str = "", fall_back: bool = True) -> ManagedJob:
        """A job at the manager in the window that it holds for it; here where it was away before anything was sent."""
        work.check()
        if work.circuit is None:
            raise InvalidInput("circuit", "to be run it is needed itself")
        key = _checked(key) or self._ids.new()
        asked = await self._asked(tenant, key)
        if asked is None:
            placed = await self.place(tenant, work, key=key, fall_back=fall_back)
            asked = await self._note(tenant, key, _Asked(self.manager, placed.own, placed.why))
        if asked.own:
            return self._own(key, await self._here(tenant, key, work), asked.why)
        return await self._at(asked, key, Question(what="submit", tenant=tenant, id=key, work=work))

    async def job(self, tenant: TenantId, key: str) -> ManagedJob:
        """The job of a key, wherever it is. Raises ``NotFound``."""
        asked = await self._asked(tenant, key)
        if asked is None:
            raise NotFound("job at the manager", key, hint="`phalanx manager list` names the keys that are known")
        if asked.own:
            return self._own(key, await self._known(tenant, key), asked.why)
        return await self._at(asked, key, Question(what="job", tenant=tenant, id=key), looks=True)

    async def jobs(self, tenant: TenantId) -> list[JobLine]:
        """The latest jobs at the manager, and those that are here since it was away, newest first."""
        found = list((await self._line.look(Question(what="jobs", tenant=tenant), "job")).jobs)
        after = ""
        while rows := await self._store.scan(ASKED, tenant, after=after):
            after = rows[-1].key
            own = [row.key for row in rows if msgspec.msgpack.decode(row.value, type=_Asked).own]
            known = [await self._jobs.known(tenant, key) for key in own]
            found += [JobLine.of(one, self._name) for one in known if one is not None]
        return sorted(found, key=lambda one: -one.at_ns)

    async def cancel(self, tenant: TenantId, key: str) -> ManagedJob:
        """The job as it ended; its window is given back, also one that was only held."""
        asked = await self._asked(tenant, key)
        question = Question(what="cancel-job", tenant=tenant, id=key)
        if asked is None:
            said = await self._line.ask(question, "work")
            why = "nothing was submitted under it; the window that was held for it was given back"
            return ManagedJob(at=self.manager, key=key, job=said.record(self.manager), why=why)
        if asked.own:
            return self._own(key, await self._jobs.cancel(tenant, (await self._known(tenant, key)).id), asked.why)
        return await self._at(asked, key, question)

    async def granted(self, tenant: TenantId) -> Granted:
        """What the manager grants this node, and what it is. Raises ``ManagerAway``."""
        said = await self._line.look(Question(what="budgets", tenant=tenant), "budget")
        return Granted(budgets=said.budgets, words=said.version, program=said.program)

    async def _at(self, asked: _Asked, key: str, question: Question, *, looks: bool = False) -> ManagedJob:
        if asked.manager != self.manager:
            raise ManagerAway(asked.manager, f"{self.manager} is the manager now", hint=f"{key} was sent to the other")
        said = await (self._line.look(question, "job") if looks else self._line.ask(question, "job"))
        job = said.record(self.manager)
        if job is None:
            raise NotFound(f"job at {self.manager}", key)
        return ManagedJob(at=self.manager, key=key, job=job, waits=said.waits, cost=said.cost)

    def _own(self, key: str, job: Job, why: str) -> ManagedJob:
        waits = self._placements.now(job, self._jobs, seen_by=job.tenant).waits
        return ManagedJob(at=self._name, key=key, job=job, own=True, why=why, waits=waits)

    async def _here(self, tenant: TenantId, key: str, work: Work) -> Job:
        assert work.circuit is not None, "checked before"
        wishes = JobWishes(
            fidelity=work.fidelity, budget=work.budget, regions=work.regions, emergency=work.emergency,
            deadline_at_ns=self._clock.wall_ns() + round(work.within_s * NS_PER_S) if work.within_s else 0,
            degrade=work.degrade,
        )  # fmt: skip
        return await self._jobs.submit(
            tenant, work.circuit, shots=work.shots, origin=_origin(work), seed=work.seed, key=key, wishes=wishes
        )

    async def _known(self, tenant: TenantId, key: str) -> Job:
        found = await self._jobs.known(tenant, key)
        if found is None:
            raise NotFound("job", key, hint="submit it again under its key")
        return found

    async def _own_decision(self, tenant: TenantId, work: Work) -> Explanation:
        wish = wish_for(tenant, work, _origin(work))
        if work.shape is not None:
            return self._placements.explain_shape(work.shape, wish)
        return await self._placements.explain(wish)

    async def _asked(self, tenant: TenantId, key: str) -> _Asked | None:
        row = await self._store.get(ASKED, tenant, key)
        return None if row is None else msgspec.msgpack.decode(row.value, type=_Asked)

    async def _note(self, tenant: TenantId, key: str, asked: _Asked) -> _Asked:
        """Before anything is sent; whoever noted the key first decides."""
        try:
            await self._store.commit(
                [Put(ASKED, tenant, key, msgspec.msgpack.encode(asked))], expect=[Expect(ASKED, tenant, key, 0)]
            )
        except Conflict:
            known = await self._asked(tenant, key)
            assert known is not None, "rows of this table stay"
            return known
        return asked

    async def _record(self, tenant: TenantId, key: str, away: ManagerAway, what: str, device: str) -> None:
        now_ns = self._clock.wall_ns()
        await self._audit.record(
            AuditEntry(
                id=derive_id(now_ns, "manager-away", tenant, key, str(now_ns)), tenant=tenant, trace=NO_TRACE,
                at_ns=now_ns, actor=ACTOR, action=f"manager away: {what}", subject=key, case="",
                body={"manager": self.manager, "why": away.reason, "device": device},
            )
        )  # fmt: skip


def _named_here(one: Booking) -> Booking:
    """Under the names that this node uses: what the manager put before them is taken off."""
    return msgspec.structs.replace(one, id=one.id.partition("/")[2], tenant=one.tenant.partition("/")[2])


def _checked(key: str) -> str:
    if len(key) > MAX_WORK_KEY_CHARS:
        raise LimitExceeded("characters of a key", maximum=MAX_WORK_KEY_CHARS, seen=len(key))
    return key


def _origin(work: Work) -> Origin | None:
    try:
        return Origin(work.origin) if work.origin else None
    except ValueError as error:
        raise InvalidInput("origin", str(error)) from error
