"""The links of a process: they move what ``_link`` decides, and hand what arrives to ``_arrivals``.

Everything that is to be sent in one turn of the loop goes out at its end, in as few frames as hold it. There is one
timer for all links, which runs only while something is on the way.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from phalanx.core import NS_PER_S, Clock, LimitExceeded, PhalanxError, Rng, StorageError, WireError
from phalanx.messaging._arrivals import Arrivals, Delivery
from phalanx.messaging._desk import Desk
from phalanx.messaging._envelope import Envelope, encode_envelope
from phalanx.messaging._frames import decode_frame
from phalanx.messaging._kinds import Guarantee, Kind, Outcome, outcome_of
from phalanx.messaging._limits import MAX_LINKS, MAX_WAITING_SENDERS, RETRY_TICK_S
from phalanx.messaging._link import Link
from phalanx.messaging._outbox import Outbox, Sent
from phalanx.messaging._outgoing import Ended
from phalanx.messaging._peers import Peers
from phalanx.messaging._policies import POLICIES
from phalanx.messaging._receipt import Receipt
from phalanx.telemetry import Telemetry

_STORAGE_PAUSE_S = 1.0
_GUARANTEES = tuple(policy.guarantee for policy in POLICIES)


class _Key(msgspec.Struct, frozen=True, gc=False):
    """What an envelope on a link is accounted under: whose receipt it is, and its record in the outbox."""

    receipt: Receipt | None
    sent: Sent | None


@dataclass(frozen=True, slots=True)
class LinkState:
    """A link as people see it."""

    process: str
    on_the_way: int
    waiting: int
    retries: int
    duplicates: int
    round_trip_ms: float
    silent_s: float  # since the last frame from there; below zero: none yet


class Links:
    """See the module. ``met`` is told of every process that is new, or new again."""

    def __init__(
        self,
        peers: Peers,
        origin: str,
        *,
        clock: Clock,
        rng: Rng,
        desk: Desk,
        telemetry: Telemetry,
        met: Callable[[str], None],
        outbox: Outbox | None,
    ) -> None:
        self._peers, self._origin = peers, origin
        self._clock, self._rng, self._desk = clock, rng, desk
        self._outbox = outbox
        self._met = met
        self._arrivals: Arrivals | None = None
        self._links: dict[str, Link] = {}
        self._dirty: dict[str, None] = {}
        self._hungry: dict[tuple[str, Kind], deque[asyncio.Future[None]]] = {}
        self._is_scheduled = False
        self._busy = asyncio.Event()
        self._unwritten = asyncio.Event()
        self._log = telemetry.log.bind(room="messaging")
        metrics = telemetry.metrics
        self._frames_out = metrics.counter("phalanx_messaging_frames_total", "Frames, by direction.", ("direction",))
        self._sent, self._received = self._frames_out.labels("sent"), self._frames_out.labels("received")
        self._bad = metrics.counter("phalanx_messaging_bad_frames_total", "Frames that could not be used.", ("reason",))
        self._open_sent = metrics.gauge("phalanx_messaging_outbox_records", "Records of the outbox without an end.")

    def bind(self, arrivals: Arrivals) -> None:
        """Say what handles arrivals; it is made with what settles them here."""
        self._arrivals = arrivals

    @property
    def processes(self) -> tuple[str, ...]:
        return tuple(self._links)

    def states(self) -> list[LinkState]:
        now_ns = self._clock.monotonic_ns()
        return [
            LinkState(
                process=name, on_the_way=link.outgoing.on_the_way, waiting=link.outgoing.waiting,
                retries=link.outgoing.retries, duplicates=link.incoming.duplicates if link.incoming else 0,
                round_trip_ms=link.outgoing.round_trip_ns / 1e6,
                silent_s=(now_ns - link.heard_ns) / NS_PER_S if link.heard_ns else -1.0,
            )
            for name, link in sorted(self._links.items())
        ]  # fmt: skip

    def meet(self, process: str) -> Link:
        """The link to ``process``, made when it is new. Raises ``LimitExceeded``."""
        link = self._links.get(process)
        if link is None:
            if len(self._links) >= MAX_LINKS:
                raise LimitExceeded("MAX_LINKS", maximum=MAX_LINKS, seen=len(self._links) + 1)
            link = self._links[process] = Link(
                process, self._origin, self._rng.child(process), paths=self._peers.paths,
                max_frame_bytes=self._peers.max_frame_bytes,
            )  # fmt: skip
            self._met(process)
        return link

    def part(self, process: str) -> None:
        """Give up what is on the way to a process that will not come back. Should it, the numbers go on."""
        link = self._links.get(process)
        if link is not None:
            self._ended(process, link.outgoing.abandon())

    def post(
        self, process: str, envelope: Envelope, data: bytes, receipt: Receipt | None, *, again: bool = False
    ) -> bool:
        """Send to a process; False when there is no room for the kind now."""
        link = self._links.get(process) or self.meet(process)
        guarantee = _GUARANTEES[envelope.kind]
        if guarantee is Guarantee.NONE:
            link.outgoing.offer_loose(data)
            if receipt is not None:
                receipt.settle(process, 0)
        else:
            if not link.outgoing.has_room(envelope.kind):
                return False
            sent = None
            if guarantee is Guarantee.DURABLE and receipt is not None and self._outbox is not None:
                if self._outbox.is_full:
                    return False
                sent = self._outbox.add(process, data)
                self._unwritten.set()
            self._offer(link, envelope, data, _Key(receipt, sent), again=again)
        self._touch(process)
        return True

    def resume(self, envelope: Envelope, sent: Sent) -> None:
        """Send on what an earlier incarnation left in the outbox."""
        receipt = Receipt(envelope, (sent.process,), None)
        self._offer(self.meet(sent.process), envelope, encode_envelope(envelope), _Key(receipt, sent), again=True)
        self._touch(sent.process)

    def settle(self, delivery: Delivery, taken: int, refused: Sequence[tuple[str, Outcome]]) -> None:
        """An arrival came to its end: tell where it came from."""
        if delivery.number:
            told = [(name, int(outcome)) for name, outcome in refused] if refused else ()
            self._links[delivery.peer].settle(delivery.origin, delivery.number, taken, told)
            self._touch(delivery.peer)

    async def wait_for_room(self, process: str, receipt: Receipt, data: bytes) -> None:
        """Post a receipt's envelope as soon as there is room, unless its deadline comes first."""
        while process in receipt.outstanding and not self.post(process, receipt.envelope, data, receipt):
            hungry = self._hungry.setdefault((process, receipt.envelope.kind), deque())
            if len(hungry) >= MAX_WAITING_SENDERS:
                self._desk.end(receipt.envelope, receipt, process, Outcome.NO_CREDIT)
                return
            room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            hungry.append(room)
            self._desk.hungry(receipt, room)
            await room

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(), name="messaging read")
            tasks.create_task(self._tick(), name="messaging retries")
            if self._outbox is not None:
                tasks.create_task(self._write(self._outbox), name="messaging outbox")

    async def _read(self) -> None:
        while True:
            process, data, path = await self._peers.receive()
            self._received.inc()
            link = self._links.get(process)
            if link is None:
                self._bad.labels("stranger").inc()
                continue
            try:
                frame = decode_frame(data)
            except WireError as error:
                self._bad.labels(error.code).inc()
                self._desk.report(Outcome.MALFORMED, None, self._peers.process, process)
                continue
            heard = link.hear(frame, self._clock.monotonic_ns(), path)
            if heard.is_stale:
                self._bad.labels("stale-incarnation").inc()
                continue
            if heard.is_new:
                self._met(process)
            self._ended(process, heard.ended)
            assert self._arrivals is not None
            for arrived in heard.arrived:
                self._arrivals.take(process, frame.origin, arrived)
            self._touch(process)

    async def _tick(self) -> None:
        """Have every link that is not idle look at its retries, deadlines and debts."""
        while True:
            busy = [name for name, link in self._links.items() if not link.is_idle]
            if not busy:
                self._busy.clear()
                await self._busy.wait()
                continue
            await self._clock.sleep(RETRY_TICK_S)
            now_ns = self._clock.monotonic_ns()
            for name in busy:
                wake_ns = self._links[name].next_wake_ns()
                if wake_ns is not None and wake_ns <= now_ns:
                    self._flush(name)

    async def _write(self, outbox: Outbox) -> None:
        while True:
            self._open_sent.set(len(outbox))
            if not outbox.is_behind:
                self._unwritten.clear()
                await self._unwritten.wait()
            try:
                await outbox.flush()
            except StorageError as error:
                self._log.warning("the outbox cannot be written", error=str(error))
                await self._clock.sleep(_STORAGE_PAUSE_S)

    def _offer(self, link: Link, envelope: Envelope, data: bytes, key: _Key, *, again: bool) -> None:
        # Deadlines are wall time, retries are not: what is left of the one is counted on the other.
        left_ns = envelope.deadline_ns - self._desk.wall_ns()
        link.offer(data, envelope.kind, key, self._clock.monotonic_ns() + left_ns, again=again)

    def _touch(self, process: str) -> None:
        """Have the link flushed at the end of this turn."""
        # Also where it is to be flushed already: the timer may have found nothing to do since, and gone to sleep.
        self._busy.set()
        if process in self._dirty:
            return
        self._dirty[process] = None
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush_all)

    def _flush_all(self) -> None:
        self._is_scheduled = False
        dirty, self._dirty = self._dirty, {}
        for process in dirty:
            self._flush(process)

    def _flush(self, process: str) -> None:
        link = self._links[process]
        frames, ended = link.flush(self._clock.monotonic_ns())
        for path, frame in frames:
            self._sent.inc()
            try:
                self._peers.send(process, frame, path=path)
            except PhalanxError as error:
                # A frame that cannot be sent is one that was lost: it is sent again.
                self._bad.labels(error.code).inc()
        self._ended(process, ended)
        # Not for every place that becomes free: who waits for half of them to be wakes once instead of many times.
        for place in [one for one in self._hungry if one[0] == process and link.outgoing.has_much_room(one[1])]:
            for room in self._hungry.pop(place):
                if not room.done():
                    room.set_result(None)
        if link.incoming is not None and link.incoming.has_ends:
            self._touch(process)

    def _ended(self, process: str, ended: Sequence[Ended]) -> None:
        for one in ended:
            key: Any = one.key
            if key.sent is not None and self._outbox is not None:
                self._outbox.end(key.sent)
                self._unwritten.set()
            if key.receipt is not None:
                refused = [(name, outcome_of(code)) for name, code in one.refused] if one.refused else ()
                self._desk.settle(key.receipt, process, one.taken, refused, one.outcome)
