"""The engine ``bft``: a process's participants of one epoch, and the asynchronous shell around them.

``propose`` puts a question to all participants of the epoch and waits for the answer. Participants of
this process talk through memory; those elsewhere through a ``Wire``. Whoever hears of a slot that it
does not know asks what was opened there. ``run`` is to run for as long as the council sits.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from phalanx.consensus._agreement import Agreement, Indeterminate
from phalanx.consensus._checks import Checks
from phalanx.consensus._epoch import Epoch
from phalanx.consensus._errors import DeadlinePassed, EvidenceRefused
from phalanx.consensus._evidence import Evidence, convict
from phalanx.consensus._hub import Hub
from phalanx.consensus._limits import (
    DELIVERIES_PER_TURN,
    MAX_ANSWERS,
    MAX_EARLY_PROPOSALS,
    MAX_EVIDENCE,
    MAX_INSTANCES,
    MAX_VIEW_NS,
    MIN_VIEW_NS,
    REMEMBERED_DECISIONS,
    VIEW_NS,
)
from phalanx.consensus._log import VoteLog
from phalanx.consensus._machine import Machine
from phalanx.consensus._messages import Asking, Certificate, Message, Opening, Proposal, Vote
from phalanx.consensus._question import Instance, Question
from phalanx.consensus._rules import Judge
from phalanx.consensus._signing import VoteSigner, VoteVerifier
from phalanx.consensus._state import VoterState
from phalanx.consensus._wire import Wire
from phalanx.core import NS_PER_S, Clock, InvalidInput, Overloaded


class Engine(Protocol):
    """How a question is put to participants, whatever decides it."""

    async def propose(self, question: Question, *, deadline_ns: int) -> Agreement | Indeterminate:
        """``deadline_ns`` is wall time."""
        ...


@dataclass(frozen=True, slots=True)
class Seat:
    """One participant of this process: what signs its votes, and its opinion."""

    signer: VoteSigner
    judge: Judge


@dataclass(slots=True)
class _Open:
    hub: Hub
    checks: Checks
    deadline_ns: int
    opener: str = ""
    waiting: list["asyncio.Future[Agreement | Indeterminate]"] = field(default_factory=list)
    convicted: set[int] = field(default_factory=set)
    told: bool = False


@dataclass(slots=True)
class _Known:
    """A decision, since when it is known here, and who was told it how often since its slot was closed."""

    agreement: Agreement
    since_ns: int
    told: dict[int, int] = field(default_factory=dict)


class Council:
    """See the module. ``on_agreed`` and ``on_evidence`` are awaited for everything learned, also unasked.

    Without ``memo`` each participant verifies everything for itself, for who wants to know what that would cost.
    """

    def __init__(
        self,
        epoch: Epoch,
        seats: Mapping[str, Seat],
        verifier: VoteVerifier,
        *,
        clock: Clock,
        view_ns: int = VIEW_NS,
        wire: Wire | None = None,
        log: VoteLog | None = None,
        on_agreed: Callable[[Agreement], Awaitable[None]] | None = None,
        on_evidence: Callable[[Instance, Evidence], Awaitable[None]] | None = None,
        memo: bool = True,
    ) -> None:
        epoch.check()
        unknown = seats.keys() - epoch.places.keys()
        if unknown:
            raise InvalidInput("seats", f"{min(unknown)!r} is no participant of the epoch")
        if not MIN_VIEW_NS <= view_ns <= MAX_VIEW_NS:
            raise InvalidInput("view_ns", f"lies within {MIN_VIEW_NS} and {MAX_VIEW_NS}")
        self.epoch = epoch
        self._seats = {epoch.places[name]: seat for name, seat in seats.items()}
        self._verifier = verifier
        self._clock = clock
        self._view_ns = view_ns
        self._wire = wire
        self._log = log
        self._on_agreed = on_agreed
        self._on_evidence = on_evidence
        self._memo = memo
        self._open: dict[bytes, _Open] = {}
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._unopened: asyncio.Queue[tuple[str, Opening]] = asyncio.Queue(MAX_INSTANCES)
        # What each other host has opened here and is not settled: none may take the room of the rest.
        self._opened_by: Counter[str] = Counter()
        # First proposals of slots that are not open here yet: nothing keeps them behind the opening on the way.
        self._early: OrderedDict[bytes, tuple[int, int | None, Proposal]] = OrderedDict()
        self._work = asyncio.Event()

    async def propose(self, question: Question, *, deadline_ns: int) -> Agreement | Indeterminate:
        """Put ``question`` to the vote, or join the vote that is on; the answer, or that there is none by then.

        Raises ``InvalidInput`` and its kinds, and ``Overloaded``.
        """
        instance = Instance(self.epoch, question)
        now_ns = self._clock.wall_ns()
        if deadline_ns <= now_ns:
            raise DeadlinePassed("deadline_ns", f"it passed {(now_ns - deadline_ns) / NS_PER_S:.3f} s ago")
        known = self._known.get(instance.slot)
        if known is not None:
            return known.agreement
        opened = await self._opened(instance, deadline_ns)
        if self._wire is not None:
            self._wire.send(next(iter(self._seats)), None, Opening(instance.slot, self.epoch.id, question, deadline_ns))
        answer: asyncio.Future[Agreement | Indeterminate] = asyncio.get_running_loop().create_future()
        opened.waiting.append(answer)
        self._work.set()
        timer = asyncio.ensure_future(self._clock.sleep((deadline_ns - now_ns) / NS_PER_S))
        try:
            await asyncio.wait((answer, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        if answer.done():
            return answer.result()
        return Indeterminate(instance, "the deadline passed")

    def known(self, slot: bytes) -> Agreement | None:
        """The decision of a slot, if it is known here and not long ago."""
        known = self._known.get(slot)
        return known.agreement if known is not None else None

    async def resume(self) -> int:
        """Go on with what the log says was under way; how many instances that is."""
        if self._log is None:
            return 0
        for recalled in list(self._log.recalled.values()):
            instance = Instance(self.epoch, recalled.question)
            await self._opened(instance, recalled.deadline_ns, recalled.states)
        return len(self._log.recalled)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self._wire is not None:
                tasks.create_task(self._listen(self._wire))
            while True:
                if not await self._turn():
                    await self._rest()

    async def _opened(
        self, instance: Instance, deadline_ns: int, states: Mapping[int, VoterState] | None = None
    ) -> _Open:
        found = self._open.get(instance.slot)
        if found is not None:
            return found
        if len(self._open) >= MAX_INSTANCES:
            raise Overloaded("the council's agenda", retry_after_s=1)
        now_ns = self._clock.monotonic_ns()
        ends_ns = now_ns + max(0, deadline_ns - self._clock.wall_ns())
        checks = Checks(instance, self._verifier, memo=self._memo)
        machines = {
            place: Machine(
                checks, place, signer=seat.signer, judge=seat.judge, view_ns=self._view_ns,
                deadline_ns=ends_ns, state=(states or {}).get(place),
            )
            for place, seat in self._seats.items()
        }  # fmt: skip
        opened = self._open[instance.slot] = _Open(Hub(instance, machines), checks, deadline_ns)
        if self._log is not None and states is None:
            await self._log.opened(instance.slot, self.epoch.id, instance.question, deadline_ns)
        opened.hub.start(now_ns)
        self._work.set()
        return opened

    async def _turn(self) -> bool:
        """Handle a bounded part of what there is; whether there was anything."""
        while not self._unopened.empty():
            opener, opening = self._unopened.get_nowait()
            instance = Instance(self.epoch, opening.question)
            try:
                opened = await self._opened(instance, opening.deadline_ns)
            except Overloaded:
                self._opened_by[opener] -= 1  # whoever leads says it again
                continue
            if opened.opener or opened.waiting:
                self._opened_by[opener] -= 1  # it was open already
            else:
                opened.opener = opener
            early = self._early.pop(opening.slot, None)
            if early is not None:
                sender, to, proposal = early
                opened.hub.put(to, sender, proposal)
        worked = False
        for opened in list(self._open.values()):
            hub, now_ns = opened.hub, self._clock.monotonic_ns()
            wake_ns = hub.next_wake_ns
            if not hub.busy and (wake_ns is None or wake_ns > now_ns):
                continue
            worked = True
            hub.step(now_ns, DELIVERIES_PER_TURN)
            if self._log is not None and hub.unsaved:
                await self._log.save(hub.instance.slot, hub.unsaved)
            hub.flush()
            if self._wire is not None:
                for sender, to, message in hub.outgoing:
                    self._wire.send(sender, to, message)
            hub.outgoing.clear()
            await self._learn(opened)
        if worked:
            await asyncio.sleep(0)
        return worked

    async def _learn(self, opened: _Open) -> None:
        hub = opened.hub
        while hub.evidence:
            await self._convict(opened, hub.evidence.pop())
        if hub.decision is not None and not opened.told:
            opened.told = True
            agreement = Agreement(hub.instance, hub.decision)
            self._remember(agreement)
            if self._on_agreed is not None:
                await self._on_agreed(agreement)
            self._answer(opened, agreement)
        if hub.settled and hub.decision is None:
            self._answer(opened, Indeterminate(hub.instance, "no quorum in as many views as there may be"))
        # Decided, or nobody here learns of a decision by asking any more; a certificate may still be shown.
        if hub.settled and not hub.busy and (hub.decision is not None or hub.next_wake_ns is None):
            del self._open[hub.instance.slot]
            if opened.opener:
                self._opened_by[opened.opener] -= 1

    async def _convict(self, opened: _Open, evidence: Evidence) -> None:
        """Each culprit once; what a machine says it saw is checked like anybody else's word."""
        if evidence.culprit in opened.convicted or len(opened.convicted) >= MAX_EVIDENCE:
            return
        try:
            convict(opened.checks, evidence)
        except EvidenceRefused:
            return
        opened.convicted.add(evidence.culprit)
        if self._on_evidence is not None:
            await self._on_evidence(opened.hub.instance, evidence)

    def _answer(self, opened: _Open, answer: Agreement | Indeterminate) -> None:
        for waiting in opened.waiting:
            if not waiting.done():
                waiting.set_result(answer)
        opened.waiting.clear()

    def _remember(self, agreement: Agreement) -> None:
        self._known[agreement.instance.slot] = _Known(agreement, self._clock.monotonic_ns())
        if len(self._known) > REMEMBERED_DECISIONS:
            self._known.popitem(last=False)

    async def _rest(self) -> None:
        """Until a message or a timer."""
        wakes = [wake_ns for one in self._open.values() if (wake_ns := one.hub.next_wake_ns) is not None]
        waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._work.wait())]
        if wakes:
            until_s = max(0, min(wakes) - self._clock.monotonic_ns()) / NS_PER_S
            waiting.append(asyncio.ensure_future(self._clock.sleep(until_s)))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
        self._work.clear()

    async def _listen(self, wire: Wire) -> None:
        while True:
            sender, to, message = await wire.receive()
            self._heard(wire, sender, to, message)
            self._work.set()

    def _heard(self, wire: Wire, sender: int, to: int | None, message: Message) -> None:
        opened = self._open.get(message.slot)
        me = next(iter(self._seats))
        known = self._known.get(message.slot)
        if isinstance(message, Opening):
            opener = wire.home(sender)
            # Half of the agenda is for what is asked here, and of the other half each host has its share.
            room = self._opened_by[opener] < max(1, MAX_INSTANCES // 2 // wire.hosts)
            if opened is None and known is None and room and self._is_sound(message):
                self._opened_by[opener] += 1
                self._unopened.put_nowait((opener, message))
        elif isinstance(message, Asking):
            if opened is not None:
                question = opened.hub.instance.question
                wire.send(me, sender, Opening(message.slot, self.epoch.id, question, opened.deadline_ns))
        elif opened is not None:
            opened.hub.put(to, sender, message)
        elif known is None:
            if isinstance(message, Proposal) and message.justification is None:
                self._early[message.slot] = (sender, to, message)
                if len(self._early) > MAX_EARLY_PROPOSALS:
                    self._early.popitem(last=False)
            wire.send(me, sender, Asking(message.slot))
        elif self._has_missed(known, sender, message):
            wire.send(me, sender, known.agreement.certificate)

    def _has_missed(self, known: _Known, sender: int, message: Message) -> bool:
        """Whether who says this about a slot that is closed needs to be told, and may be told again.

        Votes that were more than it took come late, and the decision is on its way to those who cast them: a
        certificate for each would be a hundred times as much to send. Who missed it says its vote again later.
        """
        if isinstance(message, Certificate):
            return False
        if isinstance(message, Vote) and self._clock.monotonic_ns() - known.since_ns < self._view_ns // 2:
            return False
        told = known.told.get(sender, 0)
        known.told[sender] = told + 1
        return told < MAX_ANSWERS

    def _is_sound(self, opening: Opening) -> bool:
        """Whether the slot follows from the question, which is one that can be asked, in this epoch."""
        if opening.epoch != self.epoch.id:
            return False
        try:
            return Instance(self.epoch, opening.question).slot == opening.slot
        except InvalidInput:
            return False
