"""Lines from quarantine, read again once a reader knows better, each taken in once.

What the readers take now is written down as a plan, goes through the intake under a key that follows from the plan,
and the plan is marked as done. After a crash between any two of these the same plan is carried out under the same
key: the intake knows it, so nothing comes in twice. A line that was taken in once is in no later plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from phalanx.core import (
    MAX_PAGE_ROWS,
    NO_TRACE,
    AuditEntry,
    AuditSink,
    BatchId,
    Clock,
    Expect,
    NotFound,
    Put,
    Record,
    Store,
    TenantId,
    decode,
    derive_id,
    encode,
    event_id,
    is_id,
    split_event_id,
)
from phalanx.intel._intake import Intake
from phalanx.intel._limits import MAX_REPLAY_GROUPS, MAX_REPLAYS
from phalanx.intel._model import QUARANTINE, REPLAYS, Quarantine
from phalanx.intel._queries import EventLog
from phalanx.intel.reading import AUTO, OWN, check_reader, read_lines

# How the reason begins behind a detector's name.
_DETECTOR_FAILED = ": internal error: "


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that were taken in again, under which batch and by whom; ``batch`` is empty while it is only a plan."""

    at_ns: int
    by: str
    reader: str
    rows: tuple[int, ...]
    batch: str = ""


class Replay(Record, frozen=True, kw_only=True, tag="replay"):
    """What became of the group of quarantined lines that has the same id."""

    done: tuple[Replayed, ...] = ()

    def event_of(self, row: int) -> str:
        """The event that a row became, empty when it did not."""
        for one in self.done:
            if row in one.rows and one.batch:
                return event_id(BatchId(one.batch), one.rows.index(row))
        return ""


@dataclass(frozen=True, slots=True)
class ReplayOut:
    """Lines that were taken in now, that still cannot be read, that were taken in before, and that are kept no more."""

    replayed: int = 0
    still_bad: int = 0
    before: int = 0
    gone: int = 0
    batches: tuple[str, ...] = ()
    # The group that the next call goes on behind; empty at the end.
    next: str = ""

    def plus(self, other: "ReplayOut") -> "ReplayOut":
        return ReplayOut(
            self.replayed + other.replayed, self.still_bad + other.still_bad, self.before + other.before,
            self.gone + other.gone, self.batches + other.batches, other.next or self.next,
        )  # fmt: skip


class Replays:
    """Keeps nothing of its own: everything is in the store."""

    def __init__(self, events: EventLog, intake: Intake, store: Store, clock: Clock, audit: AuditSink) -> None:
        self._events = events
        self._intake = intake
        self._store = store
        self._clock = clock
        self._audit = audit

    async def of(self, tenant: TenantId, group: str) -> Replay | None:
        """What became of a group of lines."""
        row = await self._store.get(REPLAYS, tenant, group)
        return None if row is None else decode(row.value, Replay)

    async def line(self, tenant: TenantId, line: str) -> tuple[Quarantine, int, bytes | None]:
        """A quarantined line by its id: its group, its place there, and the whole of it. Raises ``NotFound``."""
        kept, row = await self._group(tenant, line)
        for place, bad in enumerate(kept.lines):
            if bad.row == row:
                lines = await self._events.lines(tenant, kept.batch)
                return kept, place, lines[row] if lines is not None and row < len(lines) else None
        raise NotFound("quarantined line", line)

    async def replay(
        self, tenant: TenantId, *, by: str, reader: str = "", only: Sequence[str] = (), after: str = ""
    ) -> ReplayOut:
        """Take in what can be read now, as ``reader`` or as it was sent: all of it in bounded steps, or ``only`` lines.

        Raises what ``Intake.accept`` raises; what was planned then is taken in by the next call.
        """
        if reader:
            check_reader(reader)
        if only:
            groups: dict[str, tuple[Quarantine, set[int]]] = {}
            for line in only:
                kept, row = await self._group(tenant, line)
                groups.setdefault(kept.id, (kept, set()))[1].add(row)
            to_read, last = list(groups.values()), ""
        else:
            found = await self._events.quarantine(tenant, after=after, limit=MAX_REPLAY_GROUPS)
            to_read = [(kept, {bad.row for bad in kept.lines}) for kept in found]
            last = found[-1].id if len(found) == MAX_REPLAY_GROUPS else ""
        out = ReplayOut(next=last)
        for kept, wanted in to_read:
            out = out.plus(await self._replay_group(kept, by, reader, wanted))
        if out.replayed:
            await self._record(tenant, by, reader, out)
        return out

    async def _group(self, tenant: TenantId, line: str) -> tuple[Quarantine, int]:
        """The group that a line is in (the last one that begins with it or before it, in its batch), and its row."""
        if not is_id(line):
            raise NotFound("quarantined line", line)
        batch, row = split_event_id(line)
        for first in range(row, -1, -1):
            stored = await self._store.get(QUARANTINE, tenant, event_id(batch, first))
            if stored is not None:
                return decode(stored.value, Quarantine), row
            if row - first > MAX_PAGE_ROWS:
                break
        raise NotFound("quarantined line", line)

    async def _replay_group(self, kept: Quarantine, by: str, reader: str, wanted: set[int]) -> ReplayOut:
        stored = await self._store.get(REPLAYS, kept.tenant, kept.id)
        known = None if stored is None else decode(stored.value, Replay)
        version = 0 if stored is None else stored.version
        lines = await self._events.lines(kept.tenant, kept.batch) if kept.batch else None
        done = () if known is None else known.done
        out, carried = ReplayOut(), set[int]()
        if done and not done[-1].batch:
            # A plan that was not carried out, or of which nobody knows whether it was.
            if lines is None:
                return ReplayOut(gone=len(kept.lines))
            done, version, batch = await self._carry_out(kept, done, version, lines)
            out, carried = ReplayOut(replayed=len(done[-1].rows), batches=(batch,)), set(done[-1].rows)
        before = {row for one in done for row in one.rows}
        left = [
            bad.row
            for bad in kept.lines
            # What a detector failed on was read and is an event already.
            if bad.row not in before and bad.row in wanted and _DETECTOR_FAILED not in bad.reason
        ]
        out = out.plus(ReplayOut(before=len((before - carried) & wanted)))
        if lines is None or len(done) >= MAX_REPLAYS:
            return out.plus(ReplayOut(gone=len(left)))
        how = reader or kept.reader
        readable = tuple(row for row in left if row < len(lines) and _is_read(lines[row], kept, how))
        if readable:
            plan = Replayed(at_ns=self._clock.wall_ns(), by=by, reader=how, rows=readable)
            version = await self._keep(kept, (*done, plan), version)
            _, _, batch = await self._carry_out(kept, (*done, plan), version, lines)
            out = out.plus(ReplayOut(replayed=len(readable), batches=(batch,)))
        return out.plus(ReplayOut(still_bad=len(left) - len(readable)))

    async def _carry_out(
        self, kept: Quarantine, done: tuple[Replayed, ...], version: int, lines: Sequence[bytes]
    ) -> tuple[tuple[Replayed, ...], int, str]:
        plan = done[-1]
        data = b"\n".join(lines[row] for row in plan.rows)
        key = f"replay {kept.id} {len(done)}"
        if plan.reader == OWN:
            accepted = await self._intake.accept_own(data, tenant=kept.tenant, idempotency_key=key)
        else:
            accepted = await self._intake.accept(
                data, tenant=kept.tenant, reader=plan.reader or AUTO, idempotency_key=key
            )
        done = (*done[:-1], msgspec.structs.replace(plan, batch=str(accepted.batch)))
        return done, await self._keep(kept, done, version), str(accepted.batch)

    async def _keep(self, kept: Quarantine, done: tuple[Replayed, ...], version: int) -> int:
        """Raises ``Conflict`` when another replay of the same lines was quicker."""
        record = Replay(id=kept.id, tenant=kept.tenant, trace=kept.trace, at_ns=self._clock.wall_ns(), done=done)
        put = Put(REPLAYS, kept.tenant, kept.id, encode(record))
        return await self._store.commit([put], expect=[Expect(REPLAYS, kept.tenant, kept.id, version)])

    async def _record(self, tenant: TenantId, by: str, reader: str, out: ReplayOut) -> None:
        at_ns = self._clock.wall_ns()
        await self._audit.record(
            AuditEntry(
                id=derive_id(at_ns, "quarantine.replay", tenant, by, *out.batches), tenant=tenant, trace=NO_TRACE,
                at_ns=at_ns, actor=by, action="quarantine.replay", subject=out.batches[0], case="",
                body={"lines": out.replayed, "reader": reader},
            )
        )  # fmt: skip


def _is_read(line: bytes, kept: Quarantine, reader: str) -> bool:
    out = read_lines([line], reader=reader or AUTO, tenant=kept.tenant, batch=kept.batch, accepted_at_ns=kept.at_ns)
    return out.events == 1
