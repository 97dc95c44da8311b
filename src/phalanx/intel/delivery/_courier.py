"""The courier of one sink: takes what is to be told, in order, and tells it until it is taken.

- One parcel is under way at a time, so the order of what is told is the order of what was recorded.
- Where the sink stands is committed with what came of a parcel. After a crash the items behind it are told again:
  under the same ids, and to a peer that knows parcels by their keys as the same parcel.
- A failure of the peer is never the end of an item: it is told again until it is taken, or until the peer refuses
  it for good. Then it is a dead letter, with the reason, and the next ones go on.
- Nobody waits for a courier: it reads what others have committed.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from phalanx.core import (
    NO_TRACE,
    NS_PER_S,
    AlertLevel,
    AlertSink,
    Clock,
    Delete,
    Expect,
    PhalanxError,
    Put,
    Rng,
    Severity,
    StorageFull,
    Store,
    TenantId,
    Write,
    decode,
    derive_id,
    encode,
)
from phalanx.intel.delivery._contract import Answer, Sink, later
from phalanx.intel.delivery._errors import Unsendable
from phalanx.intel.delivery._feed import Fed, Feed
from phalanx.intel.delivery._limits import IDLE_LOOK_S, MAX_ERROR_CHARS, PAUSE_ITEMS
from phalanx.intel.delivery._model import (
    FINDING,
    KINDS,
    SINK_LETTERS,
    SINK_STATES,
    Item,
    Past,
    Place,
    SinkLetter,
    SinkState,
)
from phalanx.intel.delivery._parcels import ParcelBounds, parcel_of
from phalanx.intel.delivery._retry import RetryPolicy
from phalanx.intel.delivery._tally import Tally
from phalanx.telemetry import Telemetry

_STORAGE_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class SinkPlan:
    """What one sink is told, and how: from the settings."""

    name: str
    type: str
    tenant: TenantId
    kinds: tuple[str, ...] = KINDS[:3]
    min_severity: Severity = Severity.INFORMATIONAL
    updates: bool | None = None
    bounds: ParcelBounds = field(default_factory=lambda: ParcelBounds(500, 1_000_000, 1.0))
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    def wants(self, item: Item, *, updates: bool) -> bool:
        """Whether this sink is told of ``item``."""
        if item.kind not in self.kinds or item.severity < self.min_severity:
            return False
        return item.fresh or item.kind != FINDING or updates


@dataclass(slots=True)
class _Waiting:
    """Something that was read ahead; without a form it only moves the place."""

    fed: Fed
    form: bytes | None
    why_not: str = ""


class Courier:
    """``run`` it as a service. Its methods may be called from elsewhere meanwhile."""

    def __init__(
        self, plan: SinkPlan, sink: Sink, feed: Feed, store: Store, *, clock: Clock, rng: Rng, telemetry: Telemetry,
        alerts: AlertSink,
    ) -> None:  # fmt: skip
        self.plan = plan
        self.sink = sink
        self.state = SinkState(id=plan.name, tenant=plan.tenant, trace=NO_TRACE, at_ns=0)
        self.tally = Tally(plan.name, telemetry)
        # Since when the oldest thing waits that is not told; 0 when nothing does.
        self.waits_since_ns = 0
        self._feed = feed
        self._store = store
        self._clock = clock
        self._rng = rng
        self._alerts = alerts
        self._log = telemetry.log.bind(room="intel", sink=plan.name)
        self._bounds = plan.bounds.within(sink.manifest)
        self._updates = sink.manifest.updates if plan.updates is None else plan.updates
        self._version = 0
        self._ahead: list[_Waiting] = []
        self._turn = asyncio.Lock()
        # Set while somebody asks for the turn.
        self._changed = asyncio.Event()
        self._asking = 0
        self._seen_horizon = 0
        self.failing = False

    async def open(self) -> None:
        """Go to where the sink stood; a new one begins with what is recorded from now on."""
        row = await self._store.get(SINK_STATES, self.plan.tenant, self.plan.name)
        if row is None:
            place = msgspec.structs.replace(self.state.place, seq=self._feed.notices.horizon(self.plan.tenant))
            await self._keep(place=place)
        else:
            self.state, self._version = decode(row.value, SinkState), row.version

    async def run(self) -> None:
        """Tell until cancelled, at any point: what was not committed is told again."""
        while True:
            try:
                await self.open()
                self._ahead.clear()
                while True:
                    async with self._turn:
                        told = not self.state.paused and await self._tell_next()
                    if not told:
                        await self._rest(IDLE_LOOK_S)
            except StorageFull:
                await self._clock.sleep(_STORAGE_RETRY_S)

    async def set_paused(self, *, paused: bool) -> None:
        """Stop telling after the parcel under way, or go on."""
        async with self._interrupting():
            await self._keep(paused=paused)

    async def replay(self, since_ns: int) -> None:
        """Tell again everything of the sink's kinds that was recorded since, then go on where it stands."""
        async with self._interrupting():
            self._ahead.clear()
            await self._keep(past=Past(since_ns), planned=0)

    async def fall_back(self, since_ns: int, seq: int) -> None:
        """Notices before ``seq`` are gone: what they told of is read from the tables instead."""
        async with self._interrupting():
            if self.state.place.seq < seq:
                self._ahead.clear()
                past = Past(since_ns if self.state.past is None else min(since_ns, self.state.past.since_ns))
                await self._keep(past=past, place=Place(seq), planned=0)

    async def send_one(self, item: Item) -> Answer:
        """Tell one thing out of turn: a probe or a dead letter. Raises ``Unsendable``."""
        form = self.sink.encode(item)
        async with self._interrupting():
            return await self._send([item], [form])

    async def send_letter(self, ident: str, item: Item) -> Answer:
        """Tell a dead letter out of turn; taken, it counts as told and is no letter any more. Raises ``Unsendable``."""
        form = self.sink.encode(item)
        async with self._interrupting():
            answer = await self._send([item], [form])
            if not answer.trouble:
                now_ns, state = self._clock.wall_ns(), self.state
                await self._keep(
                    Delete(SINK_LETTERS, self.plan.tenant, ident), delivered=state.delivered + 1,
                    bytes_sent=state.bytes_sent + len(form), last_delivered_at_ns=now_ns,
                )  # fmt: skip
                self.tally.told(1, len(form), refused=0, lost=0, at_ns=now_ns)
        return answer

    async def lose(self, letters: Sequence[Delete]) -> None:
        """Drop dead letters beyond the bound; they count as lost."""
        async with self._interrupting():
            await self._keep(*letters, lost=self.state.lost + len(letters))
        self.tally.told(0, 0, refused=0, lost=len(letters), at_ns=self._clock.wall_ns())

    @contextlib.asynccontextmanager
    async def _interrupting(self) -> AsyncIterator[None]:
        """Have the courier's turn; a parcel that waits to be sent again is put back meanwhile."""
        self._asking += 1
        self._changed.set()
        try:
            async with self._turn:
                yield
        finally:
            self._asking -= 1
            if not self._asking:
                self._changed.clear()

    async def _tell_next(self) -> bool:
        """Fill a parcel and tell it; False when there is nothing."""
        n = await self._filled()
        if not self._ahead:
            return False
        span = self._ahead[:n]
        sendable = [one for one in span if one.form is not None]
        if sendable:
            await self._tell(sendable, span)
        else:
            await self._settle(span, {}, delivered=0)
        return True

    async def _filled(self) -> int:
        """How many of what was read ahead make up the next parcel; waits a little for one that is not full."""
        lingered = False
        while True:
            wanted = self.state.planned
            n, items, size = 0, 0, 0
            for one in self._ahead:
                if one.form is not None:
                    if wanted and items == wanted:
                        return n
                    size += len(one.form)
                    if not wanted and not self._bounds.hold(items + 1, size):
                        return n
                    items += 1
                n += 1
            if wanted and items == wanted:
                return n
            if await self._read_more():
                continue
            if items == 0 or lingered or wanted or self._bounds.linger_s <= 0:
                return n
            lingered = True
            await self._rest(self._bounds.linger_s, until_changed=False)

    async def _read_more(self) -> bool:
        last = self._ahead[-1].fed if self._ahead else None
        place, past = (self.state.place, self.state.past) if last is None else (last.place, last.past)
        if len(self._ahead) > self._bounds.max_items + 500:
            return False
        notices = self._feed.notices
        notices.moved(self.plan.tenant).clear()
        self._seen_horizon = notices.horizon(self.plan.tenant)
        found = await self._feed.after(self.plan.tenant, place, past, kinds=self.plan.kinds)
        for n, fed in enumerate(found, 1):
            self._ahead.append(self._encoded(fed))
            if not n % PAUSE_ITEMS:
                await asyncio.sleep(0)
        self.waits_since_ns = self._ahead[0].fed.since_ns if self._ahead else 0
        return bool(found)

    def _encoded(self, fed: Fed) -> _Waiting:
        if fed.item is None or not self.plan.wants(fed.item, updates=self._updates):
            return _Waiting(fed, None)
        try:
            form = self.sink.encode(fed.item)
        except Unsendable as error:
            return _Waiting(fed, None, error.reason)
        if len(form) > self._bounds.item_bytes:
            return _Waiting(fed, None, f"it has {len(form)} bytes in the peer's form, {self._bounds.item_bytes} may be")
        return _Waiting(fed, form)

    async def _tell(self, sendable: Sequence[_Waiting], span: Sequence[_Waiting]) -> None:
        """Send until something came of it, and commit that: all of ``span``, or what stands first in it."""
        items = [one.fed.item for one in sendable if one.fed.item is not None]
        forms = [one.form for one in sendable if one.form is not None]
        if self.sink.manifest.parcel_key and self.state.planned != len(items):
            await self._keep(planned=len(items))
        attempt = 0
        while True:
            answer = await self._send(items, forms)
            if not answer.problem and not (answer.again and min(answer.again) == 0):
                break
            self._note_failure(answer.problem or answer.again[0])
            await self._rest(self.plan.retry.pause_s(attempt, answer.retry_after_s, self._rng), notices=False)
            attempt += 1
            if self._asking:
                return
        if answer.never or answer.split:
            await self._refused(answer, sendable, span)
            return
        if answer.again:
            self._note_failure(next(iter(answer.again.values())))
        else:
            self._note_success()
        # What was taken behind the first that was not is told again, under its id.
        n = min(answer.again, default=len(sendable))
        letters = {id(sendable[place]): why for place, why in answer.refused.items() if place < n}
        done = span if n == len(sendable) else self._before(sendable[n - 1], span)
        sent = sum(len(form) for place, form in enumerate(forms[:n]) if place not in answer.refused)
        await self._settle(done, letters, delivered=n - len(letters), sent=sent)
        if answer.again:
            await self._rest(self.plan.retry.pause_s(0, answer.retry_after_s, self._rng), notices=False)

    async def _refused(self, answer: Answer, sendable: Sequence[_Waiting], span: Sequence[_Waiting]) -> None:
        """Try with less, until the one that is refused stands alone; what comes behind waits for it."""
        if len(sendable) == 1:
            self._note_success()
            reason = answer.never or "it is too large for the peer"
            await self._settle(span, {id(sendable[0]): reason}, delivered=0)
            return
        if answer.split:
            size = sum(len(one.form or b"") for one in sendable)
            self._bounds = replace(self._bounds, max_bytes=max(1, size // 2))
        half = sendable[: len(sendable) // 2]
        await self._tell(half, self._before(half[-1], span))

    @staticmethod
    def _before(last: _Waiting, span: Sequence[_Waiting]) -> list[_Waiting]:
        return list(span[: next(n for n, one in enumerate(span) if one is last) + 1])

    async def _send(self, items: Sequence[Item], forms: Sequence[bytes]) -> Answer:
        parcel = parcel_of(items, forms, sink=self.plan.name)
        try:
            return await self.sink.send(parcel)
        except PhalanxError as error:
            return later(error.message)
        except Exception as error:  # noqa: BLE001 - a third party's connector may fail in any way, and is tried again
            self._log.error("a sink failed", error=error)
            return later(f"{type(error).__name__}: {error}")

    async def _settle(
        self, span: Sequence[_Waiting], letters: dict[int, str], *, delivered: int, sent: int = 0
    ) -> None:
        """Commit that everything in ``span`` is told, refused or left out."""
        if not span:
            return
        now_ns, state = self._clock.wall_ns(), self.state
        puts: list[Put] = []
        for one in span:
            reason = letters.get(id(one), one.why_not)
            if reason and one.fed.item is not None:
                puts.append(letter_put(self.plan.name, one.fed.item, reason, at_ns=now_ns))
        left_out = sum(one.form is None and not one.why_not and one.fed.item is not None for one in span)
        lost = sum(one.fed.lost for one in span)
        told = delivered
        last = span[-1].fed
        await self._keep(
            *puts, place=last.place, past=last.past, planned=0, delivered=state.delivered + told,
            refused=state.refused + len(puts), lost=state.lost + lost, skipped=state.skipped + left_out,
            bytes_sent=state.bytes_sent + sent,
            last_delivered_at_ns=now_ns if told else state.last_delivered_at_ns,
        )  # fmt: skip
        del self._ahead[: len(span)]
        self.waits_since_ns = self._ahead[0].fed.since_ns if self._ahead else 0
        self.tally.told(told, sent, refused=len(puts), lost=lost, at_ns=now_ns)

    async def _keep(self, *more: Write, **changes: object) -> None:
        state = msgspec.structs.replace(self.state, at_ns=self._clock.wall_ns(), **changes)
        put = Put(SINK_STATES, state.tenant, state.id, encode(state))
        expect = Expect(SINK_STATES, state.tenant, state.id, self._version)
        self._version = await self._store.commit([put, *more], expect=[expect])
        self.state = state

    def _note_failure(self, problem: str) -> None:
        now_ns = self._clock.wall_ns()
        self.state = msgspec.structs.replace(
            self.state, last_error=problem[:MAX_ERROR_CHARS], last_error_at_ns=now_ns, retries=self.state.retries + 1
        )
        self.tally.failed()
        if not self.failing:
            self.failing = True
            text = f"sink {self.plan.name} does not take what it is told; it waits, nothing is lost"
            self._alerts.alert(AlertLevel.WARNING, "intel", text, problem=problem[:MAX_ERROR_CHARS])

    def _note_success(self) -> None:
        if self.failing:
            self.failing = False
            self._alerts.alert(AlertLevel.NOTICE, "intel", f"sink {self.plan.name} takes what it is told again")

    async def _rest(self, seconds: float, *, until_changed: bool = True, notices: bool = True) -> None:
        """Until time is up, somebody asks for the turn, or (with ``notices``) there is more to tell."""
        tenant, known = self.plan.tenant, self._feed.notices
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._clock.sleep(seconds))]
        if until_changed:
            waits.append(asyncio.ensure_future(self._changed.wait()))
        if notices and until_changed and not self.state.paused:
            if known.horizon(tenant) > self._seen_horizon:
                seconds = 0.0
            waits.append(asyncio.ensure_future(known.moved(tenant).wait()))
        try:
            if seconds > 0:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


def letter_put(sink: str, item: Item, reason: str, *, at_ns: int) -> Put:
    """The write that keeps a dead letter; the same item of one sink is kept once."""
    ident = derive_id(at_ns - at_ns % NS_PER_S, "sink-letter", sink, item.id)
    letter = SinkLetter(
        id=ident, tenant=item.tenant, trace=NO_TRACE, at_ns=at_ns, sink=sink, reason=reason[:MAX_ERROR_CHARS], item=item
    )
    return Put(SINK_LETTERS, item.tenant, ident, encode(letter), {"sink": (sink,)})
