"""The limits of each machine, kept and recorded: how old its calibration may be, and when its queue is long.

Invariants: a limit never lies below its floor (``fresh_ns``; ten jobs or a minute). Each change is in the ledger, and
the latest are kept with the limit. A stale machine is not closed: who chooses may put it behind fresher ones.
"""

from typing import Final

import msgspec

from phalanx.allocation.limits._freshness import HOUR_NS, of_history
from phalanx.allocation.limits._limits import LONG_JOBS, LONG_PART, LONG_S, MAX_KEPT_CHANGES, MAX_QUEUE, MIN_LOOKS
from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    NS_PER_S,
    AuditEntry,
    AuditSink,
    Clock,
    Origin,
    Put,
    Store,
    Table,
    derive_id,
)
from phalanx.devices import DeviceModel, History, QueueState, longer
from phalanx.learning import AdaptiveThreshold

LIMITS = Table("allocation_limits")
ACTOR: Final = "allocation"
FRESHNESS, QUEUE = "freshness_h", "queue"


class LimitChange(msgspec.Struct, frozen=True, kw_only=True):
    """A move of a limit: from where to where, and why."""

    at_ns: int
    limit: str
    before: float
    after: float
    why: str


class _Kept(msgspec.Struct, kw_only=True):
    fresh_ns: int
    why: str
    depths: AdaptiveThreshold
    waits_s: AdaptiveThreshold
    calibrated_at_ns: int = 0
    changes: list[LimitChange] = msgspec.field(default_factory=list)


class LimitView(msgspec.Struct, frozen=True, kw_only=True):
    """What stands for one machine. Ages in hours; ``queue`` in jobs, or in seconds where its vendor says only those.

    ``queue`` is there once it follows the machine's own queue. ``changes`` are the latest, oldest first.
    """

    device: str
    age_h: float | None
    fresh_h: float
    stale: bool
    why: str
    queue: float | None
    queue_unit: str
    looks: int
    changes: tuple[LimitChange, ...]


class DeviceLimits:
    """Limits of live machines. ``fresh_ns`` 0: no calibration is too old."""

    def __init__(
        self, store: Store, clock: Clock, audit: AuditSink, *, fresh_ns: int, adaptive_freshness: bool,
        adaptive_queues: bool,
    ) -> None:  # fmt: skip
        self._store, self._clock, self._audit = store, clock, audit
        self._floor_ns, self._ages, self._queues = fresh_ns, adaptive_freshness, adaptive_queues
        self._of: dict[str, _Kept] = {}

    async def recall(self) -> None:
        """What an earlier life learned."""
        after = ""
        while rows := await self._store.scan(LIMITS, DEFAULT_TENANT, after=after):
            after = rows[-1].key
            self._of |= {row.key: msgspec.msgpack.decode(row.value, type=_Kept) for row in rows}

    def stale(self, device: DeviceModel) -> str:
        """In words, where its calibration is older than its limit; of machines alone: what is emulated does not age."""
        at_ns = device.calibration.calibrated_at_ns
        if not self._floor_ns or not at_ns or device.origin is not Origin.HARDWARE:
            return ""
        age_ns, limit_ns = self._clock.wall_ns() - at_ns, self._fresh_ns(device.name)
        if age_ns <= limit_ns:
            return ""
        return f"was calibrated {age_ns / HOUR_NS:,.0f} h ago, more than {limit_ns / HOUR_NS:,.0f} h"

    async def look(self, device: DeviceModel, before: QueueState, history: History) -> str:
        """Learn from a look at a machine; in words, where its queue is longer than it should be."""
        kept = self._of.get(device.name)
        if kept is None:
            kept = self._of[device.name] = _Kept(
                fresh_ns=self._floor_ns, why="the floor",
                depths=AdaptiveThreshold.between(LONG_JOBS, MAX_QUEUE, passing=LONG_PART),
                waits_s=AdaptiveThreshold.between(LONG_S, MAX_QUEUE, passing=LONG_PART),
            )  # fmt: skip
        calibrated_at_ns = device.calibration.calibrated_at_ns
        if self._ages and self._floor_ns and calibrated_at_ns != kept.calibrated_at_ns:
            found = of_history(await history.calibrations(device), self._floor_ns)
            kept.why, hours = found.why, found.limit_ns / HOUR_NS
            if found.limit_ns != kept.fresh_ns:
                await self._change(device.name, kept, FRESHNESS, kept.fresh_ns / HOUR_NS, hours, found.why)
                kept.fresh_ns = found.limit_ns
        kept.calibrated_at_ns = calibrated_at_ns
        told = await self._queue(device, kept, before)
        await self._store.commit([Put(LIMITS, DEFAULT_TENANT, device.name, msgspec.msgpack.encode(kept))])
        return told

    def views(self, devices: list[DeviceModel]) -> list[LimitView]:
        """Of every machine, by name."""
        return [self._view(one) for one in devices if one.origin is Origin.HARDWARE]

    async def _queue(self, device: DeviceModel, kept: _Kept, before: QueueState) -> str:
        now = device.queue
        if now.depth is None and now.wait_ns_p50 is None:
            return ""
        threshold, seen = kept.waits_s, (now.wait_ns_p50 or 0) / NS_PER_S
        unit = "s"
        if now.depth is not None:
            threshold, seen, unit = kept.depths, float(now.depth), "jobs"
        moves, stood = threshold.moves, threshold.standing
        is_long = threshold.passes(seen)
        if not self._queues or len(threshold.scores) < MIN_LOOKS:
            return longer(before, now)
        if threshold.moves != moves:
            last = threshold.changes[-1]
            part = f"{1 - LONG_PART:.0%} of {last.scores} looks"
            why = f"set by its {last.set_by}: {part} saw at most {last.usual:.4g} {unit}"
            await self._change(device.name, kept, QUEUE, last.before, last.after, why)
        return f"its queue is long: {seen:.4g} {unit}, usually at most {stood:.4g}" if is_long else ""

    async def _change(self, device: str, kept: _Kept, limit: str, before: float, after: float, why: str) -> None:
        now_ns = self._clock.wall_ns()
        entry = AuditEntry(
            id=derive_id(now_ns, "limit", device, limit, str(after)), tenant=DEFAULT_TENANT, trace=NO_TRACE,
            at_ns=now_ns, actor=ACTOR, action="limit changed", subject=device, case="",
            body={"limit": limit, "before": before, "after": after, "why": why},
        )  # fmt: skip
        await self._audit.record(entry)
        kept.changes.append(LimitChange(at_ns=now_ns, limit=limit, before=before, after=after, why=why))
        del kept.changes[:-MAX_KEPT_CHANGES]

    def _fresh_ns(self, device: str) -> int:
        kept = self._of.get(device)
        return max(self._floor_ns, kept.fresh_ns) if self._ages and kept is not None else self._floor_ns

    def _view(self, device: DeviceModel) -> LimitView:
        kept, at_ns = self._of.get(device.name), device.calibration.calibrated_at_ns
        is_depth = device.queue.depth is not None
        threshold = None if kept is None else kept.depths if is_depth else kept.waits_s
        follows = self._queues and threshold is not None and len(threshold.scores) >= MIN_LOOKS
        why = "no limit is set" if not self._floor_ns else "as the settings say"
        return LimitView(
            device=device.name, age_h=(self._clock.wall_ns() - at_ns) / HOUR_NS if at_ns else None,
            fresh_h=self._fresh_ns(device.name) / HOUR_NS, stale=bool(self.stale(device)),
            why=kept.why if kept is not None and self._ages and self._floor_ns else why,
            queue=threshold.standing if follows and threshold is not None else None,
            queue_unit="jobs" if is_depth else "s", looks=0 if threshold is None else threshold.seen,
            changes=() if kept is None else tuple(kept.changes),
        )  # fmt: skip
