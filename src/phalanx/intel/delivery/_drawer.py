"""The drawer of one source: takes events from outside into the intake, each once.

- Where a source stands is in the store. Before a chunk goes to the intake, the position behind it is written down,
  with the bytes themselves where the source could not give them again. After a crash the very same chunk is
  accepted under the very same key, and the intake knows it.
- Where somebody rewinds a source, or what it stood at is gone, an epoch begins, and all keys are others: lines are
  taken for what they are, and not for what was once between the same positions.
- A full intake makes the source wait: it is asked for nothing meanwhile.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field

import msgspec

from phalanx.core import (
    NO_TRACE,
    AlertLevel,
    AlertSink,
    Clock,
    Expect,
    InvalidInput,
    LimitExceeded,
    Overloaded,
    PhalanxError,
    Put,
    Rng,
    StorageFull,
    Store,
    TenantId,
    decode,
    encode,
)
from phalanx.intel._intake import Intake
from phalanx.intel.delivery._contract import BoundedSource, Drawn, Source
from phalanx.intel.delivery._errors import PositionGone
from phalanx.intel.delivery._limits import MAX_DRAWN_BYTES, MAX_ERROR_CHARS, MAX_POSITION_CHARS
from phalanx.intel.delivery._model import SOURCE_STATES, SourceState
from phalanx.intel.delivery._retry import RetryPolicy
from phalanx.intel.delivery._tally import Rate
from phalanx.intel.reading import AUTO
from phalanx.telemetry import Telemetry

_STORAGE_RETRY_S = 1.0
_DRAW_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """What is drawn, and for whom: from the settings."""

    name: str
    type: str
    tenant: TenantId
    reader: str = AUTO
    max_bytes: int = MAX_DRAWN_BYTES
    retry: RetryPolicy = field(default_factory=RetryPolicy)


class Drawer:
    """``run`` it as a service."""

    def __init__(
        self, plan: SourcePlan, source: Source, intake: Intake, store: Store, *, clock: Clock, rng: Rng,
        telemetry: Telemetry, alerts: AlertSink,
    ) -> None:  # fmt: skip
        self.plan = plan
        self.source = source
        self.state = SourceState(id=plan.name, tenant=plan.tenant, trace=NO_TRACE, at_ns=0)
        # What is left at the source, as it says; −1 when it does not.
        self.waiting = -1
        self.rate = Rate()
        self._intake = intake
        self._store = store
        self._clock = clock
        self._rng = rng
        self._alerts = alerts
        self._log = telemetry.log.bind(room="intel", source=plan.name)
        self._version = 0
        self._resumed = asyncio.Event()
        self._turn = asyncio.Lock()
        self.failing = False
        metrics = telemetry.metrics
        self._events = metrics.counter("phalanx_source_events_total", "Events drawn.", ("source",)).labels(plan.name)
        self._gaps = metrics.counter(
            "phalanx_source_lost_total", "Gaps, and chunks that the intake refused.", ("source",)
        ).labels(plan.name)
        self._left = metrics.gauge(
            "phalanx_source_waiting", "What is left at the source, in its own unit; -1 if unknown.", ("source",)
        ).labels(plan.name)

    async def open(self) -> None:
        """Go to where the source stood."""
        row = await self._store.get(SOURCE_STATES, self.plan.tenant, self.plan.name)
        if row is not None:
            self.state, self._version = decode(row.value, SourceState), row.version

    async def run(self) -> None:
        """Draw until cancelled, at any point: what was not committed is drawn again."""
        attempt = 0
        while True:
            try:
                await self.open()
                while True:
                    if self.state.paused:
                        self._resumed.clear()
                        await self._resumed.wait()
                    async with self._turn:
                        await self._draw_or_skip()
                    attempt = 0
            except StorageFull:
                await self._clock.sleep(_STORAGE_RETRY_S)
            except PhalanxError as error:
                self._note_failure(error.message)
                pause_s = self.plan.retry.pause_s(attempt, None, self._rng)
                told = await self._rest(min(pause_s, self.source.manifest.longest_retry_s))
                attempt = 0 if told else attempt + 1

    async def set_paused(self, *, paused: bool) -> None:
        async with self._turn:
            await self._keep(paused=paused)
        self._resumed.set()

    async def rewind(self, position: str) -> None:
        """Draw from ``position`` again (empty: from the beginning); what was accepted from there is accepted once more.

        Raises ``InvalidInput`` where the source keeps nothing, or the position cannot be one or lies beyond the end,
        and ``Unavailable`` where the source has to say so and cannot be asked.
        """
        if not self.source.manifest.rewinds:
            raise InvalidInput("source", f"{self.plan.name} is {self.source.manifest.product}, which keeps nothing")
        if len(position) > MAX_POSITION_CHARS:
            raise InvalidInput("position", f"it has {len(position)} characters, {MAX_POSITION_CHARS} at most")
        async with self._turn:
            if position:
                await self._check(position)
            await self._keep(position=position, epoch=self.state.epoch + 1, planned="", pending=b"")
        self._resumed.set()

    async def _check(self, position: str) -> None:
        # Else the source would fail, or wait for what never comes, and nobody would know where it stood.
        try:
            self.source.check(position)
            if isinstance(self.source, BoundedSource):
                await self.source.check_reach(position)
        except InvalidInput as error:
            stands = self.state.position or "its beginning"
            raise InvalidInput("position", f"{error.reason}; {self.plan.name} stands at {stands}") from error

    async def _rest(self, seconds: float) -> bool:
        """Until time is up, or somebody who resumed or rewound the source wants it to be asked now: then true."""
        self._resumed.clear()
        waits = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._resumed.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        return self._resumed.is_set()

    async def _draw_or_skip(self) -> None:
        try:
            await self._draw_next()
        except PositionGone as gone:
            await self._skip(gone)

    async def _draw_next(self) -> None:
        state = self.state
        if state.planned and state.pending:
            drawn = Drawn(state.pending, state.planned)
        else:
            drawn = await self.source.draw(
                state.position, until=state.planned, max_bytes=self.plan.max_bytes, within_s=_DRAW_WITHIN_S
            )
        if len(drawn.position) > MAX_POSITION_CHARS:
            raise LimitExceeded(
                f"characters of a position of {self.plan.name}", maximum=MAX_POSITION_CHARS, seen=len(drawn.position)
            )
        self.waiting = drawn.waiting
        self._left.set(drawn.waiting)
        self._note_success()
        if not drawn.lines.strip():
            if drawn.position != state.position or drawn.gap:
                await self._keep(position=drawn.position, planned="", pending=b"", gaps=state.gaps + drawn.gap)
                self._gaps.inc(drawn.gap)
            return
        if not state.planned:
            pending = b"" if self.source.manifest.rereads else drawn.lines
            await self._keep(planned=drawn.position, pending=pending)
        await self._take_in(drawn)
        await self.source.settle(self.state.position)

    async def _take_in(self, drawn: Drawn) -> None:
        state, now_ns = self.state, self._clock.wall_ns()
        step = f"{self.plan.name}\x1f{state.position}\x1f{drawn.position}"
        if state.epoch:
            # Between the same positions there may be other lines than before, and those of a rewind are wanted again.
            step += f"\x1f{state.epoch}"
        key = f"source {hashlib.sha256(step.encode()).hexdigest()}"
        refused, events, doubled = 0, 0, 0
        reader = drawn.reader if drawn.reader and self.plan.reader == AUTO else self.plan.reader
        while True:
            try:
                accepted = await self._intake.accept(
                    drawn.lines, tenant=self.plan.tenant, reader=reader, idempotency_key=key
                )
            except Overloaded as full:
                await self._clock.sleep(full.retry_after_s)
                continue
            except (InvalidInput, LimitExceeded) as error:
                # It can never be accepted: a gap that is seen, not an end of everything behind it.
                self._note_failure(error.message)
                refused = 1
            else:
                events = accepted.events
                doubled = int(accepted.duplicate)
            break
        await self._keep(
            position=drawn.position, planned="", pending=b"", events=state.events + events,
            doubled=state.doubled + doubled, bytes_drawn=state.bytes_drawn + len(drawn.lines),
            gaps=state.gaps + drawn.gap, refused=state.refused + refused, last_drawn_at_ns=now_ns,
        )  # fmt: skip
        self._events.inc(events)
        self._gaps.inc(refused + drawn.gap)
        self.rate.add(events, now_ns)

    async def _skip(self, gone: PositionGone) -> None:
        """Go on with what the source still has."""
        self._note_failure(gone.message)
        state = self.state
        await self._keep(position=gone.go_on, epoch=state.epoch + 1, planned="", pending=b"", gaps=state.gaps + 1)
        self._gaps.inc()

    async def _keep(self, **changes: object) -> None:
        state = msgspec.structs.replace(self.state, at_ns=self._clock.wall_ns(), **changes)
        put = Put(SOURCE_STATES, state.tenant, state.id, encode(state))
        expect = Expect(SOURCE_STATES, state.tenant, state.id, self._version)
        self._version = await self._store.commit([put], expect=[expect])
        self.state = state

    def _note_failure(self, problem: str) -> None:
        now_ns = self._clock.wall_ns()
        self.state = msgspec.structs.replace(self.state, last_error=problem[:MAX_ERROR_CHARS], last_error_at_ns=now_ns)
        if not self.failing:
            self.failing = True
            self._alerts.alert(
                AlertLevel.WARNING, "intel", f"source {self.plan.name} gives nothing", problem=problem[:MAX_ERROR_CHARS]
            )

    def _note_success(self) -> None:
        if self.failing:
            self.failing = False
            self._alerts.alert(AlertLevel.NOTICE, "intel", f"source {self.plan.name} gives again")
