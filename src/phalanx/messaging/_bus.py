"""The bus of one process: what agents send and receive through.

Agents of one process share its memory: between them nothing is sealed or copied, and what they send each other shares
the fate of the process. Between processes the links see to all that.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import msgspec

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    AuditSink,
    Clock,
    IdSource,
    InvalidInput,
    Journal,
    LimitExceeded,
    Rng,
    Store,
    TenantId,
    TraceId,
    Unavailable,
)
from phalanx.messaging._abroad import Abroad
from phalanx.messaging._arrivals import BUS
from phalanx.messaging._broadcast import DeliveryReport, reported
from phalanx.messaging._dead_letters import DeadLetter, DeadLetters
from phalanx.messaging._desk import Desk
from phalanx.messaging._directory import Directory, Resolved
from phalanx.messaging._envelope import VERSION, Envelope
from phalanx.messaging._errors import (
    AudienceViolation,
    DeadlinePassed,
    EnvelopeTooLarge,
    NoCredit,
    StaleEpoch,
    UnknownRecipient,
)
from phalanx.messaging._kinds import Kind, Outcome, Recipients
from phalanx.messaging._limits import (
    MAX_AUDIENCE,
    MAX_BODY_BYTES,
    MAX_PENDING,
    MAX_RECIPIENTS,
    SWEEP_EVERY_S,
)
from phalanx.messaging._mailbox import Mailbox
from phalanx.messaging._marking import ALL_TENANTS, Marking
from phalanx.messaging._member import EVERYONE, Member
from phalanx.messaging._outbox import Outbox
from phalanx.messaging._peers import Peers
from phalanx.messaging._policies import ACKNOWLEDGED, POLICIES
from phalanx.messaging._proofs import Proofs
from phalanx.messaging._readership import may_carry, may_read
from phalanx.messaging._receipt import Place, Receipt, delivered
from phalanx.messaging._survey import Survey, within_reason
from phalanx.telemetry import Telemetry

_RED, _GREEN, _EVERYBODY = Marking.RED, Marking.GREEN, Recipients.EVERYONE


class Bus:
    """See the module. ``run`` must be running for deadlines to pass and for the ledger to hear of refusals."""

    def __init__(
        self,
        process: str,
        *,
        clock: Clock,
        ids: IdSource,
        telemetry: Telemetry,
        audit: AuditSink | None = None,
        organisation: str = "",
        store: Store | None = None,
        peers: Peers | None = None,
        rng: Rng | None = None,
        proofs: Proofs | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        if not process or set(process) & set("/#@*%"):
            raise InvalidInput("process", f"{process!r} is no name of a process: not empty, and no / # @ * %")
        self.process = process
        self.organisation = organisation
        self.origin = ids.new()
        self.desk = Desk(process, clock, telemetry, audit)
        self.directory = Directory(process)
        self.dead_letters = None if store is None else DeadLetters(store, clock, telemetry)
        if self.dead_letters is not None:
            self.desk.bury = self.dead_letters.bury
        self._clock = clock
        self._number = 0
        self._background: set[asyncio.Task[None]] = set()
        self._members = telemetry.metrics.gauge("phalanx_messaging_members", "Agents of this process on the bus.")
        self.abroad = None
        if peers is not None:
            assert rng is not None, "who retries needs an rng"
            self.abroad = Abroad(
                peers, self.origin, organisation, clock=clock, rng=rng.child("links"), desk=self.desk,
                directory=self.directory, telemetry=telemetry, word=self._word, outbox=outbox, proofs=proofs,
            )  # fmt: skip

    @classmethod
    async def open(
        cls,
        process: str,
        *,
        journal: Journal,
        peers: Peers,
        clock: Clock,
        ids: IdSource,
        telemetry: Telemetry,
        rng: Rng,
        audit: AuditSink | None = None,
        organisation: str = "",
        store: Store | None = None,
        proofs: Proofs | None = None,
    ) -> "Bus":
        """A bus that talks to other processes, and goes on with what its last incarnation had on the way."""
        outbox, left = await Outbox.open(journal)
        bus = cls(
            process, clock=clock, ids=ids, telemetry=telemetry, audit=audit, organisation=organisation, store=store,
            peers=peers, rng=rng, proofs=proofs, outbox=outbox,
        )  # fmt: skip
        assert bus.abroad is not None
        bus.abroad.resume(left, outbox)
        return bus

    def meet(self, process: str, *, organisation: str | None = None) -> None:
        """Talk to another process, of this organisation or another. Nobody else is listened to.

        It is believed only what its organisation says, and handed only what that organisation may have.
        """
        if self.abroad is None:
            raise Unavailable("other processes", "this bus is alone in its process", hint="open it with peers")
        self.abroad.meet(process, self.organisation if organisation is None else organisation)

    def part(self, process: str) -> None:
        """Another process will not come back."""
        if self.abroad is not None:
            self.abroad.part(process)

    def join(self, member: Member) -> Mailbox:
        """Put an agent on the bus. Raises ``InvalidInput`` when its name is taken."""
        placed = replace(
            member, address=f"{self.process}/{member.agent}", organisation=member.organisation or self.organisation
        )
        box = Mailbox(placed, self)
        self.directory.add(box)
        self._membership_changed()
        return box

    def forget(self, box: Mailbox) -> None:
        """The last that a mailbox asks for when its member leaves."""
        self.directory.remove(box)
        self._membership_changed()

    async def run(self) -> None:
        """Keep deadlines, deliver to other processes, and tell the ledger, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sweep(), name="messaging sweep")
            if self.abroad is not None:
                tasks.create_task(self.abroad.announce(), name="messaging announce")
                tasks.create_task(self.abroad.links.run(), name="messaging links")
                tasks.create_task(self.abroad.surveyor.run(), name="messaging survey")

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_EVERY_S)
            self.desk.sweep()
            await self.desk.write_entries()
            if self.dead_letters is not None:
                await self.dead_letters.flush()

    async def broadcast(
        self, box: Mailbox, body: bytes, *, within_s: float, trace: TraceId = NO_TRACE, tenant: TenantId | None = None
    ) -> DeliveryReport:
        """An emergency to everybody, over every path there is. Reports after ``within_s`` at the latest."""
        receipt, full = self.post(box.member, Kind.ALERT, EVERYONE, body, 0, None, (), tenant, trace, "", 0)
        waiting = [asyncio.create_task(place.wait_for_room(receipt)) for place in full]
        try:
            return await reported(receipt, self._clock, within_s)
        finally:
            for task in waiting:
                self._background.add(task)
                task.add_done_callback(self._background.discard)

    async def replay(self, letter: DeadLetter) -> Receipt:
        """Send a dead letter again, to the recipient that did not get it; forget it once it was taken.

        Raises what ``Mailbox.send`` raises.
        """
        envelope, now_ns = letter.opened(), self.desk.wall_ns()
        deadline_ns = now_ns + POLICIES[envelope.kind].patience_ns
        envelope = msgspec.structs.replace(envelope, deadline_ns=deadline_ns)
        if "/" in letter.recipient or letter.recipient[:1] in "#@*":
            # That recipient is known not to have it: it is a new envelope, for it alone.
            self._number += 1
            envelope = msgspec.structs.replace(
                envelope, origin=self.origin, number=self._number, to=(letter.recipient,), hops=0, proof=b""
            )
            receipt, full = self._post_many(envelope)
            for place in full:
                await place.wait_for_room(receipt)
        else:
            # Nobody knows whether the process has it: under its old identity it is delivered once in any case.
            if self.abroad is None:
                raise UnknownRecipient(letter.recipient)
            receipt = Receipt(envelope, (letter.recipient,), self.desk.pending)
            if not self.abroad.links.post(letter.recipient, envelope, receipt, again=True):
                raise NoCredit(letter.recipient)
        await receipt.ended()
        if (error := receipt.error) is not None:
            raise error
        if self.dead_letters is not None:
            await self.dead_letters.forget(letter)
        return receipt

    def close(self) -> None:
        """Have every member leave."""
        for box in list(self.directory.boxes.values()):
            box.leave()
        for task in self._background:
            task.cancel()

    def post(  # noqa: C901 - what every envelope pays for: a call more costs as much as a check
        self,
        member: Member,
        kind: Kind,
        to: str | Sequence[str],
        body: bytes,
        deadline_ns: int,
        marking: Marking | None,
        audience: Sequence[str],
        tenant: TenantId | None,
        trace: TraceId,
        reply_to: str,
        epoch: int,
    ) -> tuple[Receipt, Sequence[Place]]:
        """Send for a member of this process. Returns the receipt, and the mailboxes that have no room now."""
        desk, policy = self.desk, POLICIES[kind]
        if len(body) > MAX_BODY_BYTES:
            raise EnvelopeTooLarge(len(body))
        names = (to,) if to.__class__ is str else tuple(to)
        if policy.recipients is _EVERYBODY:
            names = (EVERYONE,)
        now_ns = desk.wall_ns()
        if deadline_ns == 0:
            deadline_ns = now_ns + policy.patience_ns
        elif deadline_ns < now_ns:
            raise DeadlinePassed(", ".join(names[:3]))
        if marking is None:
            marking = policy.marking
        if audience or marking is _RED or len(names) != 1:
            _check_lists(names, audience, marking)
        number = self._number = self._number + 1
        envelope = Envelope(
            VERSION, kind, self.origin, number, member.address, names, body, now_ns, deadline_ns,
            DEFAULT_TENANT if tenant is None else tenant, marking, tuple(audience) if audience else (),
            self.organisation, trace, reply_to, epoch,
        )  # fmt: skip
        if member.tenants is not ALL_TENANTS and not {envelope.tenant, "*"} & member.tenants:
            raise self._violation(envelope, member.address)
        box = self.directory.boxes.get(names[0]) if len(names) == 1 else None
        if box is None:
            far = self.directory.find_elsewhere(names[0]) if len(names) == 1 else None
            return self._post_many(envelope) if far is None else self._post_far(envelope, *far)
        if not may_read(envelope, box.member):
            raise self._violation(envelope, box.address)
        desk.sent_by[kind].value += 1
        if ACKNOWLEDGED[kind]:
            if len(desk.pending) >= MAX_PENDING:
                raise NoCredit(self.process)
            receipt = Receipt(envelope, names, desk.pending)
            return (receipt, ()) if box.offer(envelope, receipt) else (receipt, (box,))
        if box.offer(envelope, None):
            return delivered(envelope), ()
        return Receipt(envelope, names, desk.pending), (box,)

    def _post_far(self, envelope: Envelope, process: str, member: Member) -> tuple[Receipt, Sequence[Place]]:
        """To one agent of another process."""
        desk, abroad = self.desk, self.abroad
        assert abroad is not None, "who is elsewhere was announced by a process that we talk to"
        if len(desk.pending) >= MAX_PENDING:
            raise NoCredit(self.process)
        if not may_read(envelope, member):
            raise self._violation(envelope, member.address)
        if envelope.marking > _GREEN and not may_carry(envelope, abroad.organisation_of(process)):
            raise self._violation(envelope, process)
        desk.sent_by[envelope.kind].value += 1
        receipt = Receipt(envelope, (process,), desk.pending)
        return receipt, abroad.post_one(envelope, process, receipt)

    def _post_many(self, envelope: Envelope) -> tuple[Receipt, Sequence[Place]]:
        if len(self.desk.pending) >= MAX_PENDING:
            raise NoCredit(self.process)
        if self.directory.is_stale(envelope):
            self.desk.report(Outcome.STALE_EPOCH, envelope, ", ".join(envelope.to[:3]), envelope.sender)
            raise StaleEpoch(envelope.to[0])
        resolved = self.directory.resolve(envelope)
        if self.abroad is not None and resolved.processes:
            self.abroad.bar(envelope, resolved)
        for name in resolved.barred:
            self.desk.report(Outcome.AUDIENCE_VIOLATION, envelope, name, envelope.sender)
        if not resolved.boxes and not resolved.processes:
            if resolved.barred:
                raise AudienceViolation(resolved.barred[0])
            raise UnknownRecipient(", ".join(envelope.to[:3]))
        self.desk.sent_by[envelope.kind].value += 1
        receipt = Receipt(envelope, _named(resolved), self.desk.pending)
        full = _handed_out(receipt, resolved)
        for name in resolved.barred:
            receipt.refuse(name, Outcome.AUDIENCE_VIOLATION)
        for name in resolved.unknown:
            receipt.refuse(name, Outcome.UNKNOWN_RECIPIENT)
        if self.abroad is not None and resolved.processes:
            full += self.abroad.post(envelope, tuple(resolved.processes), receipt)
        return receipt, full

    def _word(self, kind: Kind, body: bytes) -> Envelope:
        """An envelope from this process itself to another."""
        self._number += 1
        now_ns = self.desk.wall_ns()
        return Envelope(
            VERSION, kind, self.origin, self._number, f"{self.process}/{BUS}", (BUS,), body, now_ns,
            now_ns + POLICIES[kind].patience_ns, DEFAULT_TENANT, Marking.GREEN, (), self.organisation,
        )  # fmt: skip

    def _membership_changed(self) -> None:
        self._members.set(len(self.directory.boxes))
        if self.abroad is not None:
            self.abroad.changed()

    def _violation(self, envelope: Envelope, where: str) -> AudienceViolation:
        self.desk.report(Outcome.AUDIENCE_VIOLATION, envelope, where, envelope.sender)
        return AudienceViolation(where)


def _handed_out(receipt: Receipt, resolved: Resolved) -> list[Place]:
    """Put an envelope into the mailboxes of its recipients here. Returns those that have no room."""
    envelope, acknowledged = receipt.envelope, ACKNOWLEDGED[receipt.envelope.kind]
    full: list[Place] = []
    for box in resolved.boxes.values():
        if not box.offer(envelope, receipt if acknowledged else None):
            full.append(box)
        elif not acknowledged:
            receipt.settle(box.address)
    return full


def _named(resolved: Resolved) -> list[str]:
    return [*resolved.boxes, *resolved.processes, *resolved.barred, *resolved.unknown]


def _check_lists(names: Sequence[str], audience: Sequence[str], marking: Marking) -> None:
    if not 1 <= len(names) <= MAX_RECIPIENTS:
        raise LimitExceeded("MAX_RECIPIENTS", maximum=MAX_RECIPIENTS, seen=len(names), hint="address a tag instead")
    if len(audience) > MAX_AUDIENCE:
        raise LimitExceeded("MAX_AUDIENCE", maximum=MAX_AUDIENCE, seen=len(audience), hint="name a tag instead")
    if marking is Marking.RED and not audience:
        raise InvalidInput("audience", "TLP:RED is for named individuals: say who", hint="give their addresses")


@contextlib.asynccontextmanager
async def running(bus: Bus) -> AsyncIterator[Bus]:
    """Run ``bus`` for the length of the block, and have everybody leave at its end."""
    task = asyncio.create_task(bus.run(), name=f"bus {bus.process}")
    try:
        yield bus
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        bus.close()


async def surveyed(bus: Bus, within_s: float) -> Survey:
    """The cluster as it measures itself now. Raises ``Unavailable`` where there are no other processes."""
    wait_s = within_reason(within_s)
    if bus.abroad is None or not bus.abroad.links.processes:
        raise Unavailable(
            "a cluster", "this node is alone: there is nothing between processes to measure",
            hint="join it to others, or compare graphs at simulated places (`--simulated`)",
        )  # fmt: skip
    return await bus.abroad.surveyor.ask(bus.abroad.organisation_of, wait_s)
