"""What happens to an envelope that came from another process. No I/O.

Invariants:

- whoever sends is in the process that the peers vouch for, or the process that it claims proves it;
- no envelope is handed to a mailbox twice, whichever ways and however often it comes;
- marking, audience, tenant and epoch are checked here again, whatever the sender's process checked;
- every numbered arrival gets one end: taken, or refused with the reason.

What nearly all are — numbered, from a member of the process that hands it over, to one member here, with nothing
besides — goes the short way of ``take_all``, which asks the same questions at once for a whole frame. Whatever it does
not take is judged one by one by ``take``: only that refuses.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from phalanx.core import WireError
from phalanx.messaging._desk import Desk
from phalanx.messaging._directory import Directory
from phalanx.messaging._envelope import Envelope, check_envelope, decode_envelope, is_plain, proved_bytes
from phalanx.messaging._errors import ForgedSender
from phalanx.messaging._frames import Item
from phalanx.messaging._kinds import Outcome
from phalanx.messaging._limits import MAX_SEEN
from phalanx.messaging._mailbox import Mailbox
from phalanx.messaging._member import process_of
from phalanx.messaging._policies import ACKNOWLEDGED
from phalanx.messaging._proofs import Proofs
from phalanx.messaging._readership import may_carry, may_read
from phalanx.messaging._receipt import Accounted, Receipt
from phalanx.messaging._seen import End, Seen, Stream

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


class _Landed(msgspec.Struct, eq=False, gc=False):
    """An envelope that is here and has no end yet: what to settle instead of its sender's receipt.

    It came under ``item`` of the stream ``origin`` of ``peer``; ``waiting`` are others who wait for its end.
    """

    arrivals: "Arrivals"
    stream: "Stream[_Landed]"
    number: int
    peer: str
    origin: str
    item: int
    waiting: list[Delivery]
    is_over: bool = False

    def settle(self, name: str, taken: int = 1, refused: Sequence[tuple[str, Outcome]] = ()) -> bool:  # noqa: ARG002 - one recipient, whose name is known
        """It has come to its end here. False when it had before."""
        if self.is_over:
            return False
        self.is_over = True
        self.arrivals.ended(self, taken, tuple(refused))
        return True

    def refuse(self, name: str, outcome: Outcome) -> bool:
        """``name`` will not have it."""
        return self.settle(name, 0, ((name, outcome),))


Settle = Callable[[Delivery, int, Sequence[tuple[str, Outcome]]], None]


class Arrivals:
    """See the module. ``settle`` tells the peer, ``took`` that items of a peer were taken, each by one.

    ``for_bus`` gets what is for the process itself, ``pass_on`` each emergency once. ``organisation_of`` says which
    organisation a process is known to be of.
    """

    def __init__(
        self,
        directory: Directory,
        desk: Desk,
        organisation: str,
        *,
        settle: Settle,
        took: Callable[[str, str, Sequence[int]], None],
        for_bus: Callable[[str, Envelope], None],
        pass_on: Callable[[str, Envelope], None],
        organisation_of: Callable[[str], str],
        proofs: Proofs | None,
    ) -> None:
        self._directory, self._desk, self._organisation = directory, desk, organisation
        self._settle, self._took, self._for_bus, self._pass_on = settle, took, for_bus, pass_on
        self._organisation_of, self._proofs = organisation_of, proofs
        self._seen: Seen[_Landed] = Seen(MAX_SEEN)

    def take_all(self, peer: str, origin: str, items: Iterable[Item]) -> None:
        """Deliver what a frame of ``peer`` brought, or refuse it."""
        boxes, seen, own = self._directory.boxes, self._seen, peer + "/"
        stream, now_ns = seen.stream(peer, origin), self._desk.wall_ns()
        # Within one organisation every process may hold everything of it.
        is_ours = self._organisation_of(peer) == self._organisation
        took: list[int] = []
        for item in items:
            envelope = item.data
            if (
                not is_ours
                or not item.number
                or not isinstance(envelope, Envelope)
                or not is_plain(envelope)
                or envelope.hops
                or envelope.origin != origin
                or envelope.organisation != self._organisation
                or not envelope.sender.startswith(own)
                or 0 < envelope.deadline_ns < now_ns
                or (box := boxes.get(envelope.to[0])) is None
                or not may_read(envelope, box.member)
                or stream.knows(envelope.number)
                or seen.n_open >= MAX_SEEN
            ):
                self.take(peer, origin, item)
                stream = seen.stream(peer, origin)
            elif not ACKNOWLEDGED[envelope.kind] and box.offer(envelope, None):
                stream.keep(envelope.number, 1)
                took.append(item.number)
            else:
                landed = _Landed(self, stream, envelope.number, peer, origin, item.number, [])
                stream.begin(envelope.number, landed)
                self._offer(envelope, landed, item.number, box)
        if took:
            self._took(peer, origin, took)
        seen.tidy()

    def take(self, peer: str, origin: str, item: Item) -> None:
        """Deliver one envelope from ``peer``, or refuse it."""
        delivery = Delivery(peer, origin, item.number)
        try:
            if isinstance(item.data, Envelope):
                envelope = item.data
                check_envelope(envelope)
            else:
                envelope = decode_envelope(item.data)
        except WireError:
            self._refuse(delivery, None, Outcome.MALFORMED)
            return
        source = process_of(envelope.sender)
        is_relayed = source != peer
        # Under its process too: nobody may speak for an incarnation of another.
        stream = self._seen.stream(source, envelope.origin)
        seen: _Landed | End | None = None
        if item.number:
            seen = stream.open.get(envelope.number) or stream.find(envelope.number)
        if is_relayed and seen is None and not self._is_proved(source, envelope):
            self._refuse(delivery, envelope, Outcome.FORGED_SENDER)
            return
        far = [Delivery(source, envelope.origin, envelope.number, is_far=True)] if is_relayed else []
        if seen is not None:
            self._again(seen, [delivery, *far], envelope, is_copy=item.again or is_relayed or envelope.hops > 0)
            return
        if (why := self._objection(source, envelope)) is not None:
            self._refuse(delivery, envelope, why)
            return
        landed = None
        if item.number:
            if self._seen.n_open >= MAX_SEEN:
                self._refuse(delivery, envelope, Outcome.NO_CREDIT)
                return
            landed = _Landed(self, stream, envelope.number, peer, origin, item.number, far)
            stream.begin(envelope.number, landed)
        if envelope.to == (BUS,):
            self._for_bus(source, envelope)
            _ended(landed, 1, ())
            return
        if envelope.hops > 0:
            self._pass_on(peer, envelope)
        self._hand_out(envelope, landed, item.number)

    def ended(self, landed: _Landed, taken: int, refused: tuple[tuple[str, Outcome], ...]) -> None:
        """What has landed here has come to its end."""
        landed.stream.end(landed.number, (taken, refused))
        if taken == 1 and not refused:
            self._took(landed.peer, landed.origin, (landed.item,))
        else:
            self._settle(Delivery(landed.peer, landed.origin, landed.item), taken, refused)
        for delivery in landed.waiting:
            self._settle(delivery, taken, refused)

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

    def _again(self, seen: _Landed | End, deliveries: list[Delivery], envelope: Envelope, *, is_copy: bool) -> None:
        """It was here before: as a copy that was to be expected, or as somebody's replay."""
        if not is_copy:
            self._refuse(deliveries[0], envelope, Outcome.REPLAYED)
        elif isinstance(seen, _Landed):
            seen.waiting += deliveries
        else:
            for delivery in deliveries:
                self._settle(delivery, *seen)

    def _hand_out(self, envelope: Envelope, landed: _Landed | None, number: int) -> None:
        found = self._directory.resolve(envelope, local_only=True)
        for name in found.barred:
            self._desk.report(Outcome.AUDIENCE_VIOLATION, envelope, name, envelope.sender)
        names = [*found.boxes, *found.barred, *found.unknown]
        if not names:
            # Nobody here now; of an emergency that is no failure.
            everyone = envelope.hops > 0
            refused = () if everyone else ((", ".join(envelope.to[:3]), Outcome.UNKNOWN_RECIPIENT),)
            _ended(landed, 0, refused)
            return
        receipt = Receipt(envelope, names, None, lambda one: _ended(landed, one.taken, one.refused))
        for box in found.boxes.values():
            self._offer(envelope, receipt, number, box)
        for name in found.barred:
            receipt.refuse(name, Outcome.AUDIENCE_VIOLATION)
        for name in found.unknown:
            receipt.refuse(name, Outcome.UNKNOWN_RECIPIENT)

    def _offer(self, envelope: Envelope, receipt: Accounted, number: int, box: Mailbox) -> None:
        acknowledged = ACKNOWLEDGED[envelope.kind]
        if box.offer(envelope, receipt if acknowledged else None):
            if not acknowledged:
                receipt.settle(box.address)
        elif number:
            box.park(envelope, receipt)
        else:
            self._desk.end(envelope, receipt, box.address, Outcome.NO_CREDIT)

    def _refuse(self, delivery: Delivery, envelope: Envelope | None, outcome: Outcome) -> None:
        if outcome in _SECURITY or envelope is None:
            self._desk.report(outcome, envelope, self._directory.process, delivery.peer)
        self._settle(delivery, 0, ((self._directory.process, outcome),))


def _ended(landed: _Landed | None, taken: int, refused: Sequence[tuple[str, Outcome]]) -> None:
    if landed is not None:
        landed.settle("", taken, refused)
