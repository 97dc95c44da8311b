"""What happens to an envelope that came from another process. No I/O.

Invariants:

- whoever sends is in the process that the peers vouch for, or the process that it claims proves it;
- no envelope is handed to a mailbox twice, whichever ways and however often it comes;
- marking, audience, tenant and epoch are checked here again, whatever the sender's process checked;
- every numbered arrival gets one end: taken, or refused with the reason.
"""

from collections.abc import Callable, Sequence

import msgspec

from phalanx.core import WireError
from phalanx.messaging._desk import Desk
from phalanx.messaging._directory import Directory
from phalanx.messaging._envelope import Envelope, decode_envelope, proved_bytes
from phalanx.messaging._errors import ForgedSender
from phalanx.messaging._incoming import Arrived
from phalanx.messaging._kinds import Outcome
from phalanx.messaging._limits import MAX_SEEN
from phalanx.messaging._mailbox import Mailbox
from phalanx.messaging._marking import may_carry, may_read
from phalanx.messaging._member import process_of
from phalanx.messaging._policies import ACKNOWLEDGED
from phalanx.messaging._proofs import Proofs
from phalanx.messaging._receipt import Receipt
from phalanx.messaging._seen import End, Seen

BUS = "%bus"  # the process itself, as a recipient

_SECURITY = frozenset({Outcome.AUDIENCE_VIOLATION, Outcome.FORGED_SENDER, Outcome.REPLAYED, Outcome.STALE_EPOCH})


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One arrival: the process that handed it over, its incarnation, and the number to settle it under.

    ``is_far``: the process that it came from by way of others, with the envelope's own identity.
    """

    peer: str
    origin: str
    number: int
    is_far: bool = False


class _Known(msgspec.Struct, eq=False):
    """An envelope that is here and has no end yet, under which name, and who waits for that."""

    name: str
    waiting: list[Delivery]


Settle = Callable[[Delivery, int, Sequence[tuple[str, Outcome]]], None]


class Arrivals:
    """See the module. ``settle`` tells the peer; ``for_bus`` gets what is for the process itself.

    ``pass_on`` gets each emergency once. ``organisation_of`` says which organisation a process is known to be of.
    """

    def __init__(
        self,
        directory: Directory,
        desk: Desk,
        organisation: str,
        *,
        settle: Settle,
        for_bus: Callable[[str, Envelope], None],
        pass_on: Callable[[str, Envelope], None],
        organisation_of: Callable[[str], str],
        proofs: Proofs | None,
    ) -> None:
        self._directory, self._desk, self._organisation = directory, desk, organisation
        self._settle, self._for_bus, self._pass_on = settle, for_bus, pass_on
        self._organisation_of, self._proofs = organisation_of, proofs
        self._known: dict[str, _Known] = {}
        self._seen = Seen(MAX_SEEN)

    def take(self, peer: str, origin: str, arrived: Arrived) -> None:
        """Deliver one envelope from ``peer``, or refuse it."""
        delivery = Delivery(peer, origin, arrived.number)
        try:
            envelope = decode_envelope(arrived.data)
        except WireError:
            self._refuse(delivery, None, Outcome.MALFORMED)
            return
        source = process_of(envelope.sender)
        is_relayed = source != peer
        # Under its process too: nobody may speak for an incarnation of another.
        name = f"{source} {envelope.origin} {envelope.number}"
        seen: _Known | End | None = None
        if arrived.number:
            seen = self._known.get(name) or self._seen.find(name)
        if is_relayed and seen is None and not self._is_proved(source, envelope):
            self._refuse(delivery, envelope, Outcome.FORGED_SENDER)
            return
        deliveries = [delivery]
        if is_relayed:
            deliveries.append(Delivery(source, envelope.origin, envelope.number, is_far=True))
        if seen is not None:
            self._again(seen, deliveries, envelope, is_copy=arrived.again or is_relayed or envelope.hops > 0)
            return
        if (why := self._objection(source, envelope)) is not None:
            self._refuse(delivery, envelope, why)
            return
        known = None
        if arrived.number:
            if len(self._known) >= MAX_SEEN:
                self._refuse(delivery, envelope, Outcome.NO_CREDIT)
                return
            known = self._known[name] = _Known(name, deliveries)
        if envelope.to == (BUS,):
            self._for_bus(source, envelope)
            self._ended(known, 1, ())
            return
        if envelope.hops > 0:
            self._pass_on(peer, envelope)
        self._hand_out(envelope, known, delivery)

    def _objection(self, source: str, envelope: Envelope) -> Outcome | None:
        """Why an envelope is refused whoever it is for."""
        if envelope.organisation != self._organisation_of(source):
            return Outcome.FORGED_SENDER
        if not may_carry(envelope, self._organisation):
            return Outcome.AUDIENCE_VIOLATION
        if 0 < envelope.deadline_ns < self._desk.wall_ns():
            return Outcome.DEADLINE_PASSED
        if self._directory.is_stale(envelope):
            return Outcome.STALE_EPOCH
        return None

    def _is_proved(self, source: str, envelope: Envelope) -> bool:
        if self._proofs is None or source == self._directory.process or not envelope.proof:
            return False
        try:
            self._proofs.check(source, proved_bytes(envelope), envelope.proof)
        except ForgedSender:
            return False
        return True

    def _again(self, seen: _Known | End, deliveries: list[Delivery], envelope: Envelope, *, is_copy: bool) -> None:
        """It was here before: as a copy that was to be expected, or as somebody's replay."""
        if not is_copy:
            self._refuse(deliveries[0], envelope, Outcome.REPLAYED)
        elif isinstance(seen, _Known):
            seen.waiting += deliveries
        else:
            for delivery in deliveries:
                self._settle(delivery, *seen)

    def _hand_out(self, envelope: Envelope, known: _Known | None, delivery: Delivery) -> None:
        box = self._directory.boxes.get(envelope.to[0]) if len(envelope.to) == 1 else None
        if box is not None and may_read(envelope, box.member):  # what nearly all are
            self._put(envelope, known, delivery, box)
            return
        found = self._directory.resolve(envelope, local_only=True)
        for name in found.barred:
            self._desk.report(Outcome.AUDIENCE_VIOLATION, envelope, name, envelope.sender)
        names = [*found.boxes, *found.barred, *found.unknown]
        if not names:
            # Nobody here now; of an emergency that is no failure.
            everyone = envelope.hops > 0
            refused = () if everyone else ((", ".join(envelope.to[:3]), Outcome.UNKNOWN_RECIPIENT),)
            self._ended(known, 0, refused)
            return
        receipt = Receipt(envelope, names, None, lambda one: self._ended(known, one.taken, one.refused))
        for box in found.boxes.values():
            self._offer(envelope, receipt, delivery, box)
        for name in found.barred:
            receipt.refuse(name, Outcome.AUDIENCE_VIOLATION)
        for name in found.unknown:
            receipt.refuse(name, Outcome.UNKNOWN_RECIPIENT)

    def _put(self, envelope: Envelope, known: _Known | None, delivery: Delivery, box: Mailbox) -> None:
        if not ACKNOWLEDGED[envelope.kind] and box.offer(envelope, None):
            self._ended(known, 1, ())
            return
        receipt = Receipt(envelope, (box.address,), None, lambda one: self._ended(known, one.taken, one.refused))
        self._offer(envelope, receipt, delivery, box)

    def _offer(self, envelope: Envelope, receipt: Receipt, delivery: Delivery, box: Mailbox) -> None:
        acknowledged = ACKNOWLEDGED[envelope.kind]
        if box.offer(envelope, receipt if acknowledged else None):
            if not acknowledged:
                receipt.settle(box.address)
        elif delivery.number:
            box.park(envelope, receipt)
        else:
            self._desk.end(envelope, receipt, box.address, Outcome.NO_CREDIT)

    def _ended(self, known: _Known | None, taken: int, refused: Sequence[tuple[str, Outcome]]) -> None:
        if known is None:
            return
        del self._known[known.name]
        end = taken, tuple(refused)
        self._seen.keep(known.name, end)
        for delivery in known.waiting:
            self._settle(delivery, *end)

    def _refuse(self, delivery: Delivery, envelope: Envelope | None, outcome: Outcome) -> None:
        if outcome in _SECURITY or envelope is None:
            self._desk.report(outcome, envelope, self._directory.process, delivery.peer)
        self._settle(delivery, 0, ((self._directory.process, outcome),))
