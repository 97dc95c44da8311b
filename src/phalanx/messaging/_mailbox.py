"""An agent's mailbox: what it sends through, and where what is sent to it waits.

Invariants:

- what waits is bounded per kind by the policy's ``credit``, and the yielding kinds together by ``MAX_YIELDING``;
- alerts and consensus are never taken out to make room, and never refused while their own credit lasts;
- whoever is taken out to make room is told (``Outcome.SHED``) and counted;
- every receipt that was handed in with an envelope gets exactly one end from here, also when the member leaves.

Nothing here creates a task or a timer: putting is a call, and wakes the one who waits.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

from phalanx.core import NO_TRACE, TenantId, TraceId
from phalanx.messaging._desk import Desk
from phalanx.messaging._envelope import Envelope
from phalanx.messaging._errors import MailboxClosed, NoCredit
from phalanx.messaging._kinds import Kind, Outcome
from phalanx.messaging._limits import (
    MAX_ASKS,
    MAX_PARKED,
    MAX_WAITING_BYTES,
    MAX_WAITING_SENDERS,
    MAX_YIELDING,
    TIMED_EVERY,
)
from phalanx.messaging._marking import Marking
from phalanx.messaging._member import Member
from phalanx.messaging._policies import POLICIES, PRIORITIES
from phalanx.messaging._receipt import Accounted, Place, Receipt

_CREDIT = tuple(policy.credit for policy in POLICIES)
_YIELDS = tuple(policy.yields for policy in POLICIES)
_KEEPS_NEWEST = tuple(policy.keeps_newest for policy in POLICIES)
_PRIORITY = tuple(policy.priority for policy in POLICIES)

_Entry = tuple[Envelope, Accounted | None]


class PostOffice(Protocol):
    """What a member sends through: the bus of its process."""

    desk: Desk

    def post(
        self, member: Member, kind: Kind, to: str | Sequence[str], body: bytes, deadline_ns: int,
        marking: Marking | None, audience: Sequence[str], tenant: TenantId | None, trace: TraceId, reply_to: str,
        epoch: int,
    ) -> tuple[Receipt, Sequence[Place]]: ...  # fmt: skip

    def forget(self, box: "Mailbox", /) -> None: ...


class Mailbox:
    """One member's place on the bus. One task at a time reads it."""

    def __init__(self, member: Member, bus: PostOffice) -> None:
        self.member = member
        self.address = member.address
        self._bus = bus
        self._desk = bus.desk
        self._lanes: tuple[deque[_Entry], ...] = tuple(deque() for _ in range(PRIORITIES))
        self._held = [0] * len(POLICIES)
        self._yielding = 0
        self._count = 0
        self._waiter: asyncio.Future[_Entry] | None = None
        self._hungry: deque[asyncio.Future[None]] = deque()
        self._parked: deque[tuple[Envelope, Accounted]] = deque()
        self._unsettled: dict[str, _Entry] = {}
        self._asks: dict[str, asyncio.Future[Envelope]] = {}
        self._is_open = True
        self._settles = member.settles

    def __len__(self) -> int:
        """How many envelopes wait."""
        return self._count

    async def send(
        self,
        kind: Kind,
        to: str | Sequence[str],
        body: bytes,
        *,
        deadline_ns: int = 0,
        marking: Marking | None = None,
        audience: Sequence[str] = (),
        tenant: TenantId | None = None,
        trace: TraceId = NO_TRACE,
        reply_to: str = "",
        epoch: int = 0,
    ) -> Receipt:
        """Send, and return when the kind's guarantee is met by everyone who could be reached.

        Waits for room where there is none, at most until the deadline. Raises when nobody got it; who else did not
        is in the receipt. An agent that must go on reading meanwhile uses ``send_nowait`` and looks at the receipt.
        """
        self._check_open()
        receipt, full = self._bus.post(
            self.member, kind, to, body, deadline_ns, marking, audience, tenant, trace, reply_to, epoch
        )
        for box in full:
            await box.wait_for_room(receipt)
        if receipt.outstanding:
            await receipt.waiter()
        if (error := receipt.error) is not None:
            raise error
        return receipt

    def send_nowait(
        self,
        kind: Kind,
        to: str | Sequence[str],
        body: bytes,
        *,
        deadline_ns: int = 0,
        marking: Marking | None = None,
        audience: Sequence[str] = (),
        tenant: TenantId | None = None,
        trace: TraceId = NO_TRACE,
        reply_to: str = "",
        epoch: int = 0,
    ) -> Receipt:
        """Send, without waiting for anything. ``await receipt.ended()`` does that, later or never.

        Raises what is known at once: ``NoCredit`` when there is no room at anyone, and the sender still has it.
        """
        self._check_open()
        receipt, full = self._bus.post(
            self.member, kind, to, body, deadline_ns, marking, audience, tenant, trace, reply_to, epoch
        )
        for box in full:
            receipt.refuse(box.address, Outcome.NO_CREDIT)
        if (error := receipt.error) is not None:
            raise error
        return receipt

    async def receive(self) -> Envelope:
        """The next envelope, the most important kind first. Raises ``MailboxClosed`` once the member left."""
        while not self._count or (envelope := self.receive_nowait()) is None:
            if not self._is_open:
                raise MailboxClosed(self.address)
            assert self._waiter is None, f"two tasks read the mailbox of {self.address}"
            waiter = self._waiter = asyncio.get_running_loop().create_future()
            try:
                entry = await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                    self._put_back(waiter.result())
                raise
            finally:
                if self._waiter is waiter:
                    self._waiter = None
            return self._take(*entry)
        return envelope

    def receive_nowait(self) -> Envelope | None:
        """The next envelope, or nothing. What is too late is not handed out any more."""
        for lane in self._lanes:
            while lane:
                envelope, receipt = lane.popleft()
                self._count -= 1
                desk = self._desk
                now_ns = desk.wall_ns()
                if 0 < envelope.deadline_ns < now_ns:
                    self._let_go(envelope)
                    desk.end(envelope, receipt, self.address, Outcome.DEADLINE_PASSED)
                    continue
                if not self._settles:
                    self._let_go(envelope)
                return self._take(envelope, receipt)
        return None

    def _take(self, envelope: Envelope, receipt: Accounted | None) -> Envelope:
        """It is in the agent's hands."""
        desk = self._desk
        desk.taken += 1
        if not desk.taken % TIMED_EVERY:
            desk.timed(envelope, desk.wall_ns())
        if self._settles:
            self._unsettled[envelope.id] = envelope, receipt
            return envelope
        desk.taken_by[envelope.kind].value += 1
        if receipt is not None:
            receipt.settle(self.address)
        return envelope

    def __aiter__(self) -> "Mailbox":
        return self

    async def __anext__(self) -> Envelope:
        if self._count and (envelope := self.receive_nowait()) is not None:
            return envelope
        try:
            return await self.receive()
        except MailboxClosed:
            raise StopAsyncIteration from None

    def done(self, envelope: Envelope) -> None:
        """For a member that ``settles``: the envelope is dealt with; its sender may forget it."""
        entry = self._unsettled.pop(envelope.id, None)
        if entry is not None:
            self._let_go(envelope)
            self._desk.taken_by[envelope.kind].value += 1
            if entry[1] is not None:
                entry[1].settle(self.address)

    async def reply(self, envelope: Envelope, body: bytes) -> Receipt:
        """Answer the sender of ``envelope``, under its tenant, trace, marking and audience."""
        return await self.send(
            Kind.REPLY, envelope.sender, body, marking=envelope.marking, tenant=envelope.tenant,
            trace=envelope.trace, reply_to=envelope.id,
            # The one who asked may read the answer to what it asked.
            audience=(*envelope.audience, envelope.sender) if envelope.audience else (),
        )  # fmt: skip

    async def ask(
        self, kind: Kind, to: str, body: bytes, *, deadline_ns: int = 0, trace: TraceId = NO_TRACE,
        marking: Marking | None = None,
    ) -> Envelope:  # fmt: skip
        """Send to one, and wait for its reply, which does not go through the mailbox and has the same marking.

        Raises what ``send`` raises; ``DeadlinePassed`` too when no reply came in time.
        """
        if len(self._asks) >= MAX_ASKS:
            raise NoCredit(self.address)
        receipt = self.send_nowait(kind, to, body, deadline_ns=deadline_ns, trace=trace, marking=marking)
        answer: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        self._asks[receipt.envelope.id] = answer
        self._desk.asked(receipt, answer)
        try:
            return await answer
        finally:
            self._asks.pop(receipt.envelope.id, None)

    def leave(self) -> None:
        """Go. What still waits is refused to its senders; who reads is told."""
        if not self._is_open:
            return
        self._is_open = False
        self._bus.forget(self)
        self._count = 0
        for lane in self._lanes:
            while lane:
                self._refuse(*lane.popleft(), Outcome.UNKNOWN_RECIPIENT)
        for envelope, receipt in self._unsettled.values():
            self._refuse(envelope, receipt, Outcome.UNKNOWN_RECIPIENT)
        for envelope, parked in self._parked:
            self._desk.end(envelope, parked, self.address, Outcome.UNKNOWN_RECIPIENT)
        self._parked.clear()
        self._unsettled.clear()
        waiters: list[asyncio.Future[Any]] = [*self._hungry, *self._asks.values()]
        if self._waiter is not None:
            waiters.append(self._waiter)
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(MailboxClosed(self.address))
                waiter.exception()  # seen, should nobody wait any more

    def offer(self, envelope: Envelope, receipt: Accounted | None) -> bool:
        """Take in an envelope that may be read here. False when there is no room for it now."""
        if envelope.reply_to and (answer := self._asks.get(envelope.reply_to)) is not None and not answer.done():
            answer.set_result(envelope)
            if receipt is not None:
                receipt.settle(self.address)
            return True
        waiter = self._waiter
        if waiter is not None and waiter.done():
            waiter = None
        if waiter is not None and not self._settles:
            # Who waits has an empty mailbox: it is handed over without lying there.
            self._waiter = None
            waiter.set_result((envelope, receipt))
            return True
        kind = envelope.kind
        held = self._held
        yields = _YIELDS[kind]
        if (held[kind] >= _CREDIT[kind] or (yields and self._is_tight())) and not self._make_room(kind):
            return False
        held[kind] += 1
        if yields:
            self._yielding += 1
        self._desk.waiting_bytes += len(envelope.body)
        if waiter is not None:
            self._waiter = None
            waiter.set_result((envelope, receipt))
            return True
        self._lanes[_PRIORITY[kind]].append((envelope, receipt))
        self._count += 1
        return True

    def _put_back(self, entry: _Entry) -> None:
        """Whoever was to have it was cancelled at the last moment: it is first again."""
        kind = entry[0].kind
        if not self._settles:
            self._held[kind] += 1
            if _YIELDS[kind]:
                self._yielding += 1
            self._desk.waiting_bytes += len(entry[0].body)
        self._lanes[_PRIORITY[kind]].appendleft(entry)
        self._count += 1

    def park(self, envelope: Envelope, receipt: Accounted) -> None:
        """Take in what came from another process as soon as there is room. The link's credit bounds what waits here."""
        if len(self._parked) >= MAX_PARKED:
            self._desk.end(envelope, receipt, self.address, Outcome.NO_CREDIT)
        else:
            self._parked.append((envelope, receipt))

    async def wait_for_room(self, receipt: Receipt) -> None:
        """Offer a receipt's envelope until it is taken in, refused, or its deadline passes."""
        while self.address in receipt.outstanding:
            if not self._is_open:
                self._desk.end(receipt.envelope, receipt, self.address, Outcome.UNKNOWN_RECIPIENT)
                return
            if self.offer(receipt.envelope, receipt):
                if not POLICIES[receipt.envelope.kind].acknowledged:
                    receipt.settle(self.address)
                return
            if len(self._hungry) >= MAX_WAITING_SENDERS:
                receipt.refuse(self.address, Outcome.NO_CREDIT)
                return
            room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._hungry.append(room)
            self._desk.hungry(receipt, room)
            await room

    def _is_tight(self) -> bool:
        return self._yielding >= MAX_YIELDING or self._desk.waiting_bytes >= MAX_WAITING_BYTES

    def _make_room(self, kind: Kind) -> bool:
        """Let something less important go, or an older one of the same kind when the newest is what counts."""
        if self._held[kind] >= _CREDIT[kind]:
            return _KEEPS_NEWEST[kind] and self._shed(_PRIORITY[kind], kind)
        for priority in range(PRIORITIES - 1, _PRIORITY[kind], -1):
            if self._shed(priority, None):
                return True
        return _KEEPS_NEWEST[kind] and self._shed(_PRIORITY[kind], kind)

    def _shed(self, priority: int, kind: Kind | None) -> bool:
        """Refuse the oldest of a priority that yields, or of one kind in it."""
        lane = self._lanes[priority]
        for entry in lane:
            found = entry[0].kind
            if _YIELDS[found] and kind in (None, found):
                lane.remove(entry)
                self._count -= 1
                self._refuse(*entry, Outcome.SHED)
                return True
        return False

    def _refuse(self, envelope: Envelope, receipt: Accounted | None, outcome: Outcome) -> None:
        self._let_go(envelope)
        self._desk.end(envelope, receipt, self.address, outcome)

    def _let_go(self, envelope: Envelope) -> None:
        """Give back what the envelope held of the mailbox's room."""
        kind = envelope.kind
        self._held[kind] -= 1
        if _YIELDS[kind]:
            self._yielding -= 1
        self._desk.waiting_bytes -= len(envelope.body)
        while self._parked:
            parked, receipt = self._parked[0]
            acknowledged = POLICIES[parked.kind].acknowledged
            if not self.offer(parked, receipt if acknowledged else None):
                break
            self._parked.popleft()
            if not acknowledged:
                receipt.settle(self.address)
        while self._hungry:
            room = self._hungry.popleft()
            if not room.done():
                room.set_result(None)
                break

    def _check_open(self) -> None:
        if not self._is_open:
            raise MailboxClosed(self.address)
