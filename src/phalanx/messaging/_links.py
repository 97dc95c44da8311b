"""The links of a process: they move what ``_link`` decides, and hand what arrives to ``_arrivals``.

Everything that is to be sent in one turn of the loop goes out at its end, in as few frames as hold it. There is one
timer for all links, which runs only while something is on the way.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from phalanx.core import NS_PER_S, Clock, LimitExceeded, PhalanxError, Rng, StorageError, WireError
from phalanx.messaging._arrivals import Arrivals, Delivery
from phalanx.messaging._desk import Desk
from phalanx.messaging._envelope import Envelope, encode_envelope, is_small
from phalanx.messaging._flight import Ended
from phalanx.messaging._frames import decode_frame
from phalanx.messaging._kinds import Guarantee, Kind, Outcome, outcome_of
from phalanx.messaging._limits import MAX_LINKS, MAX_WAITING_SENDERS, RETRY_TICK_S
from phalanx.messaging._link import Link
from phalanx.messaging._outbox import Outbox, Sent
from phalanx.messaging._peers import Peers
from phalanx.messaging._policies import POLICIES
from phalanx.messaging._receipt import Receipt
from phalanx.telemetry import Telemetry

_STORAGE_PAUSE_S = 1.0
_GUARANTEES = tuple(policy.guarantee for policy in POLICIES)
# Looking a member of an enumeration up costs more than comparing it.
_NONE, _DURABLE, _TAKEN = Guarantee.NONE, Guarantee.DURABLE, Outcome.TAKEN


class _Kept(msgspec.Struct, frozen=True, gc=False):
    """What a durable envelope on a link is accounted under: its receipt, and its record in the outbox.

    Others are accounted under their receipt alone.
    """

    receipt: Receipt
    sent: Sent


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
        self._behind_ns = 0  # monotonic time less wall time, as of the beginning of this turn
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
                round_trip_ms=link.outgoing.pace.round_trip_ns / 1e6,
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

    def post(self, process: str, envelope: Envelope, receipt: Receipt | None, *, again: bool = False) -> bool:
        """Send to a process; False when there is no room for the kind now."""
        link = self._links.get(process) or self.meet(process)
        if process not in self._dirty or not self._busy.is_set():
            self._touch(process)
        guarantee = _GUARANTEES[envelope.kind]
        if guarantee is _DURABLE or guarantee is _NONE or again or not is_small(envelope):
            return self._post_bytes(link, envelope, receipt, again=again)
        # Deadlines are wall time, retries are not: what is left of the one is counted on the other.
        return link.outgoing.offer_whole(envelope, receipt, envelope.deadline_ns + self._behind_ns)

    def _post_bytes(self, link: Link, envelope: Envelope, receipt: Receipt | None, *, again: bool) -> bool:
        """Of what is unlike most: large, written down, sent before, or kept count of by nobody."""
        guarantee = _GUARANTEES[envelope.kind]
        if guarantee is _NONE:
            link.outgoing.offer_loose(envelope if is_small(envelope) else encode_envelope(envelope))
            if receipt is not None:
                receipt.settle(link.peer, 0)
            return True
        if not link.outgoing.has_room(envelope.kind):
            return False
        data, key = encode_envelope(envelope), receipt
        if guarantee is _DURABLE and receipt is not None and self._outbox is not None:
            if self._outbox.is_full:
                return False
            self._unwritten.set()
            return self._offer(link, envelope, data, _Kept(receipt, self._outbox.add(link.peer, data)), again=again)
        return self._offer(link, envelope, data, key, again=again)

    def resume(self, envelope: Envelope, sent: Sent) -> None:
        """Send on what an earlier incarnation left in the outbox."""
        receipt = Receipt(envelope, (sent.process,), None)
        link = self.meet(sent.process)
        self._touch(sent.process)
        self._offer(link, envelope, encode_envelope(envelope), _Kept(receipt, sent), again=True)

    def settle(self, delivery: Delivery, taken: int, refused: Sequence[tuple[str, Outcome]]) -> None:
        """An arrival came to its end: tell where it came from."""
        if delivery.number:
            told = [(name, int(outcome)) for name, outcome in refused] if refused else ()
            self._links[delivery.peer].settle(delivery.origin, delivery.number, taken, told)
            self._touch(delivery.peer)

    def took(self, process: str, origin: str, numbers: Sequence[int]) -> None:
        """As ``settle``, for what was taken by the one recipient that it had."""
        link = self._links[process]
        for number in numbers:
            link.settle(origin, number, 1, ())
        if process not in self._dirty or not self._busy.is_set():
            self._touch(process)

    async def wait_for_room(self, process: str, receipt: Receipt, envelope: Envelope) -> None:
        """Post a receipt's envelope as soon as there is room, unless its deadline comes first."""
        while process in receipt.outstanding and not self.post(process, envelope, receipt):
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
            self._arrivals.take_all(process, frame.origin, heard.arrived)
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

    def _offer(self, link: Link, envelope: Envelope, data: bytes, key: Receipt | _Kept | None, *, again: bool) -> bool:
        return link.offer(data, envelope.kind, key, envelope.deadline_ns + self._behind_ns, again=again)

    def _touch(self, process: str) -> None:
        """Have the link flushed at the end of this turn."""
        # Also where it is to be flushed already: the timer may have found nothing to do since, and gone to sleep.
        self._busy.set()
        if process in self._dirty:
            return
        self._dirty[process] = None
        if not self._is_scheduled:
            self._is_scheduled = True
            self._behind_ns = self._clock.monotonic_ns() - self._desk.wall_ns()
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
            key: Receipt | _Kept = one.key
            if isinstance(key, _Kept):
                assert self._outbox is not None, "what is written down is written there"
                self._outbox.end(key.sent)
                self._unwritten.set()
            receipt = key.receipt if isinstance(key, _Kept) else key
            if one.outcome is _TAKEN and not one.refused:
                receipt.settle(process, one.taken)
            else:
                refused = [(name, outcome_of(code)) for name, code in one.refused] if one.refused else ()
                self._desk.settle(receipt, process, one.taken, refused, one.outcome)
