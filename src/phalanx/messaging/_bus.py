"""The bus of one process: what agents send and receive through.

Agents of one process share its memory: between them nothing is sealed or copied, and what they send each other shares
the fate of the process. Between processes the links see to all that.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from phalanx.core import (
    DEFAULT_TENANT,
    AuditSink,
    Clock,
    IdSource,
    InvalidInput,
    LimitExceeded,
    TenantId,
    TraceId,
)
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
from phalanx.messaging._marking import Marking, may_read
from phalanx.messaging._member import Member
from phalanx.messaging._policies import POLICIES
from phalanx.messaging._receipt import Receipt
from phalanx.telemetry import Telemetry


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
    ) -> None:
        if not process or set(process) & set("/#@*"):
            raise InvalidInput("process", f"{process!r} is no name of a process: not empty, and no / # @ *")
        self.process = process
        self.organisation = organisation
        self.origin = ids.new()
        self.desk = Desk(process, clock, telemetry, audit)
        self.directory = Directory(process)
        self._clock = clock
        self._number = 0
        self._members = telemetry.metrics.gauge("phalanx_messaging_members", "Agents of this process on the bus.")

    def join(self, member: Member) -> Mailbox:
        """Put an agent on the bus. Raises ``InvalidInput`` when its name is taken."""
        placed = replace(
            member, address=f"{self.process}/{member.agent}", organisation=member.organisation or self.organisation
        )
        box = Mailbox(placed, self)
        self.directory.add(box)
        self._members.set(len(self.directory.boxes))
        return box

    def forget(self, box: Mailbox) -> None:
        """The last that a mailbox asks for when its member leaves."""
        self.directory.remove(box)
        self._members.set(len(self.directory.boxes))

    async def run(self) -> None:
        """Keep deadlines, and tell the ledger, until cancelled."""
        while True:
            await self._clock.sleep(SWEEP_EVERY_S)
            self.desk.sweep()
            await self.desk.write_entries()

    def close(self) -> None:
        """Have every member leave."""
        for box in list(self.directory.boxes.values()):
            box.leave()

    def post(
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
    ) -> tuple[Receipt, Sequence[Mailbox]]:
        """Send for a member of this process. Returns the receipt, and the mailboxes that have no room now."""
        desk, policy = self.desk, POLICIES[kind]
        if len(body) > MAX_BODY_BYTES:
            raise EnvelopeTooLarge(len(body))
        if len(desk.pending) >= MAX_PENDING:
            raise NoCredit(self.process)
        names = (to,) if isinstance(to, str) else tuple(to)
        now_ns = desk.wall_ns()
        if deadline_ns == 0:
            deadline_ns = now_ns + policy.patience_ns
        elif deadline_ns < now_ns:
            raise DeadlinePassed(", ".join(names[:3]))
        if marking is None:
            marking = policy.marking
        if audience or marking is Marking.RED or len(names) != 1:
            _check_lists(names, audience, marking)
        self._number += 1
        envelope = Envelope(
            VERSION, kind, self.origin, self._number, member.address, names, body, now_ns, deadline_ns,
            DEFAULT_TENANT if tenant is None else tenant, marking, tuple(audience), self.organisation, trace,
            reply_to, epoch,
        )  # fmt: skip
        if envelope.tenant not in member.tenants and "*" not in member.tenants:
            raise self._violation(envelope, member.address)
        box = self.directory.boxes.get(names[0]) if len(names) == 1 else None
        if box is None or policy.recipients is Recipients.EVERYONE:
            return self._post_many(envelope)
        if not may_read(envelope, box.member):
            raise self._violation(envelope, box.address)
        desk.sent_by[kind].value += 1
        if policy.acknowledged:
            receipt = Receipt(envelope, names, desk.pending)
            return (receipt, ()) if box.offer(envelope, receipt) else (receipt, (box,))
        if box.offer(envelope, None):
            receipt = Receipt(envelope, (), None)
            receipt.taken = 1
            return receipt, ()
        return Receipt(envelope, names, desk.pending), (box,)

    def _post_many(self, envelope: Envelope) -> tuple[Receipt, Sequence[Mailbox]]:
        if self.directory.is_stale(envelope):
            self.desk.report(Outcome.STALE_EPOCH, envelope, ", ".join(envelope.to[:3]), envelope.sender)
            raise StaleEpoch(envelope.to[0])
        resolved = self.directory.resolve(envelope)
        for name in resolved.barred:
            self.desk.report(Outcome.AUDIENCE_VIOLATION, envelope, name, envelope.sender)
        if not resolved.boxes and not resolved.processes:
            if resolved.barred:
                raise AudienceViolation(resolved.barred[0])
            raise UnknownRecipient(", ".join(envelope.to[:3]))
        self.desk.sent_by[envelope.kind].value += 1
        acknowledged = POLICIES[envelope.kind].acknowledged
        receipt = Receipt(envelope, _named(resolved), self.desk.pending)
        full: list[Mailbox] = []
        for box in resolved.boxes.values():
            if not box.offer(envelope, receipt if acknowledged else None):
                full.append(box)
            elif not acknowledged:
                receipt.settle(box.address)
        for name in resolved.barred:
            receipt.refuse(name, Outcome.AUDIENCE_VIOLATION)
        for name in resolved.unknown:
            receipt.refuse(name, Outcome.UNKNOWN_RECIPIENT)
        return receipt, full

    def _violation(self, envelope: Envelope, where: str) -> AudienceViolation:
        self.desk.report(Outcome.AUDIENCE_VIOLATION, envelope, where, envelope.sender)
        return AudienceViolation(where)


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
