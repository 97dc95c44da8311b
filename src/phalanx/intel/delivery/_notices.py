"""Notices: what sinks may tell, written in the same commit as the record that they tell of.

``TellingStore`` stands between the rooms that write records and the store. For each record of a kind that sinks
tell it adds a notice to the commit, so there is no moment in which one is durable without the other.

- Notices of a tenant have an order, which is the order of their places. Commits run at the same time and may
  end in another one: a reader goes only as far as ``horizon``, before which every commit has ended.
- Who writes never waits for who reads.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from phalanx.core import (
    NO_TRACE,
    PROBE_TENANT,
    Clock,
    Delete,
    Expect,
    Put,
    Row,
    Store,
    Table,
    TenantId,
    Write,
    decode,
    encode,
)
from phalanx.intel._model import BATCHES, CURSORS, BatchEntry, Cursor
from phalanx.intel.delivery._model import EVENT, OUTBOX, SINK_STATES, Notice, SinkState
from phalanx.intel.reading import OWN

_KEY_DIGITS = 20


def notice_key(seq: int) -> str:
    return f"{seq:0{_KEY_DIGITS}d}"


@dataclass(slots=True)
class _Order:
    """The places of one tenant's notices: the next one, and those whose commit has not ended."""

    next_seq: int
    first_kept: int
    under_way: set[int] = field(default_factory=set)
    moved: asyncio.Event = field(default_factory=asyncio.Event)


class Notices:
    """The order of notices by tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._orders: dict[TenantId, _Order] = {}

    @classmethod
    async def open(cls, store: Store, tenants: Sequence[TenantId]) -> "Notices":
        """``tenants`` are those that sinks tell of; of others nothing is written."""
        made = cls(store)
        for tenant in dict.fromkeys(tenants):
            first = await store.scan(OUTBOX, tenant, limit=1)
            last = await store.scan(OUTBOX, tenant, limit=1, reverse=True)
            states = [decode(row.value, SinkState) for row in await store.scan(SINK_STATES, tenant)]
            after = max([int(row.key) + 1 for row in last] + [state.place.seq for state in states], default=0)
            made._orders[tenant] = _Order(after, int(first[0].key) if first else after)
        return made

    @property
    def tenants(self) -> tuple[TenantId, ...]:
        return tuple(self._orders)

    def has(self, tenant: TenantId) -> bool:
        return tenant in self._orders

    def take(self, tenant: TenantId) -> int:
        """The next place; ``end`` says that the commit with it has ended, one way or the other."""
        order = self._orders[tenant]
        seq = order.next_seq
        order.next_seq += 1
        order.under_way.add(seq)
        return seq

    def end(self, taken: Sequence[tuple[TenantId, int]]) -> None:
        for tenant, seq in taken:
            order = self._orders[tenant]
            order.under_way.discard(seq)
            order.moved.set()

    def horizon(self, tenant: TenantId) -> int:
        """All places before it are settled: there is a notice, or there never will be."""
        order = self._orders[tenant]
        return min(order.under_way, default=order.next_seq)

    def kept(self, tenant: TenantId) -> int:
        """How many notices are kept, at most."""
        order = self._orders[tenant]
        return order.next_seq - order.first_kept

    def moved(self, tenant: TenantId) -> asyncio.Event:
        """Set whenever there may be more; whoever waits clears it."""
        return self._orders[tenant].moved

    async def read(self, tenant: TenantId, seq: int, *, limit: int) -> list[tuple[int, Notice]]:
        """Notices from place ``seq`` on, before the horizon."""
        horizon = self.horizon(tenant)
        if seq >= horizon:
            return []
        after = notice_key(seq - 1) if seq else ""
        rows = await self._store.scan(OUTBOX, tenant, after=after, limit=limit)
        return [(int(row.key), decode(row.value, Notice)) for row in rows if int(row.key) < horizon]

    async def trim(self, tenant: TenantId, before: int, *, limit: int) -> list[Notice]:
        """Drop notices before a place, ``limit`` at most; the last of them, if any."""
        rows = await self._store.scan(OUTBOX, tenant, limit=limit)
        gone: list[Row] = [row for row in rows if int(row.key) < before]
        if gone:
            await self._store.commit([Delete(OUTBOX, tenant, row.key) for row in gone])
            self._orders[tenant].first_kept = int(gone[-1].key) + 1
        return [decode(gone[-1].value, Notice)] if gone else []


class TellingStore:
    """A ``Store`` that adds notices to commits. ``kinds`` gives the kind of item by the name of its table."""

    def __init__(self, inner: Store, notices: Notices, clock: Clock, *, kinds: Mapping[str, str]) -> None:
        self._inner = inner
        self._notices = notices
        self._clock = clock
        self._kinds = dict(kinds)

    async def commit(self, writes: Sequence[Write], *, expect: Sequence[Expect] = ()) -> int:
        told = self._told(writes, expect)
        if not told:
            return await self._inner.commit(writes, expect=expect)
        taken, more = [], []
        for put, kind, fresh in told:
            seq = self._notices.take(put.tenant)
            taken.append((put.tenant, seq))
            notice = Notice(
                id=notice_key(seq), tenant=put.tenant, trace=NO_TRACE, at_ns=self._clock.wall_ns(), what=kind,
                subject=put.key, fresh=fresh, record=put.value,
            )  # fmt: skip
            more.append(Put(OUTBOX, put.tenant, notice.id, encode(notice)))
        # Whoever asked may be cancelled while the commit goes on: its places are settled when it ends, not before.
        commit = asyncio.ensure_future(self._inner.commit([*writes, *more], expect=expect))
        commit.add_done_callback(lambda done: self._ended(taken, done))
        return await asyncio.shield(commit)

    def _ended(self, taken: Sequence[tuple[TenantId, int]], commit: "asyncio.Future[int]") -> None:
        if not commit.cancelled():
            commit.exception()  # whoever waits has it; if nobody does, it must not be reported as lost
        self._notices.end(taken)

    def _told(self, writes: Sequence[Write], expect: Sequence[Expect]) -> list[tuple[Put, str, bool]]:
        found = []
        for write in writes:
            if not isinstance(write, Put) or write.tenant == PROBE_TENANT or not self._notices.has(write.tenant):
                continue
            kind = self._kinds.get(write.table.name)
            if kind is None or (kind == EVENT and not _wholly_read(write, writes)):
                continue
            known = any(
                one.table.name == write.table.name and one.key == write.key and one.version
                for one in expect
                if one.tenant == write.tenant
            )
            found.append((write, kind, not known))
        return found

    async def get(self, table: Table, tenant: TenantId, key: str) -> Row | None:
        return await self._inner.get(table, tenant, key)

    async def scan(
        self, table: Table, tenant: TenantId, *, prefix: str = "", after: str = "", limit: int = 1_000,
        reverse: bool = False,
    ) -> list[Row]:  # fmt: skip
        return await self._inner.scan(table, tenant, prefix=prefix, after=after, limit=limit, reverse=reverse)

    async def find(
        self, table: Table, tenant: TenantId, index: str, value: str, *, after: str = "", limit: int = 1_000,
        reverse: bool = False,
    ) -> list[Row]:  # fmt: skip
        return await self._inner.find(table, tenant, index, value, after=after, limit=limit, reverse=reverse)

    async def index_of(self, table: Table, tenant: TenantId, key: str) -> Mapping[str, Sequence[str]]:
        return await self._inner.index_of(table, tenant, key)

    async def tenants(self, table: Table) -> list[TenantId]:
        return await self._inner.tenants(table)

    async def close(self) -> None:
        await self._inner.close()


def _wholly_read(batch: Put, writes: Sequence[Write]) -> bool:
    """Whether this commit brings the sentinel past the batch; before, the batch is written once more."""
    assert batch.table == BATCHES, batch.table
    entry = decode(batch.value, BatchEntry)
    if entry.reader == OWN:
        return False
    cursor = next((one for one in writes if isinstance(one, Put) and one.table == CURSORS), None)
    return cursor is None or decode(cursor.value, Cursor).offset > entry.offset
