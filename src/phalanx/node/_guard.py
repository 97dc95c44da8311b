"""Notices when storage is full, and when there is room again.

Wraps the durable ports. The first ``StorageFull`` turns the node read-only: the API refuses new events at once
instead of letting each request fail on the disk. A small probe write finds out when there is room, and the node
resumes writing; nobody has to restart it.
"""

from collections.abc import AsyncIterable, Mapping, Sequence

from phalanx.core import (
    DEFAULT_TENANT,
    AlertLevel,
    AlertSink,
    Blobs,
    Clock,
    Expect,
    Journal,
    Journals,
    Put,
    Row,
    StorageFull,
    Store,
    Table,
    TenantId,
    Write,
)
from phalanx.node._limits import PROBE_BYTES, PROBE_EVERY_S

_PROBE = Table("space-probe")


class SpaceWatch:
    """Whether the durable ports have room. ``read_only`` is what the API asks."""

    def __init__(self, clock: Clock, alerts: AlertSink) -> None:
        self._clock = clock
        self._alerts = alerts
        self._full_where: str | None = None

    @property
    def read_only(self) -> bool:
        return self._full_where is not None

    @property
    def where(self) -> str:
        return self._full_where or ""

    def full(self, error: StorageFull) -> None:
        if self._full_where is None:
            self._full_where = error.where
            self._alerts.alert(AlertLevel.URGENT, "node", "storage is full, the node is read-only", where=self.where)

    async def watch(self, store: Store, journal: Journal) -> None:
        """Probe while read-only, forever. Both ports must take a write before it ends."""
        while True:
            await self._clock.sleep(PROBE_EVERY_S)
            if self.read_only and await self._has_room(store, journal):
                self._full_where = None
                self._alerts.alert(AlertLevel.NOTICE, "node", "there is room again, the node writes on")

    async def _has_room(self, store: Store, journal: Journal) -> bool:
        try:
            await store.commit([Put(_PROBE, DEFAULT_TENANT, "probe", bytes(PROBE_BYTES))])
            await journal.append([bytes(PROBE_BYTES)])
            await journal.trim(journal.end)
        except StorageFull:
            return False
        return True


class WatchedStore:
    """A ``Store`` that tells the watch when it is full."""

    def __init__(self, inner: Store, watch: SpaceWatch) -> None:
        self._inner = inner
        self._watch = watch

    async def get(self, table: Table, tenant: TenantId, key: str) -> Row | None:
        return await self._inner.get(table, tenant, key)

    async def scan(
        self,
        table: Table,
        tenant: TenantId,
        *,
        prefix: str = "",
        after: str = "",
        limit: int = 1_000,
        reverse: bool = False,
    ) -> list[Row]:
        return await self._inner.scan(table, tenant, prefix=prefix, after=after, limit=limit, reverse=reverse)

    async def find(
        self,
        table: Table,
        tenant: TenantId,
        index: str,
        value: str,
        *,
        after: str = "",
        limit: int = 1_000,
        reverse: bool = False,
    ) -> list[Row]:
        return await self._inner.find(table, tenant, index, value, after=after, limit=limit, reverse=reverse)

    async def index_of(self, table: Table, tenant: TenantId, key: str) -> Mapping[str, Sequence[str]]:
        return await self._inner.index_of(table, tenant, key)

    async def tenants(self, table: Table) -> list[TenantId]:
        return await self._inner.tenants(table)

    async def close(self) -> None:
        await self._inner.close()

    async def commit(self, writes: Sequence[Write], *, expect: Sequence[Expect] = ()) -> int:
        try:
            return await self._inner.commit(writes, expect=expect)
        except StorageFull as error:
            self._watch.full(error)
            raise


class WatchedJournals:
    """``Journals`` whose journals tell the watch when they are full."""

    def __init__(self, inner: Journals, watch: SpaceWatch) -> None:
        self._inner = inner
        self._watch = watch

    async def open(self, name: str) -> Journal:
        return _WatchedJournal(await self._inner.open(name), self._watch)


class WatchedBlobs:
    """``Blobs`` that tell the watch when they are full."""

    def __init__(self, inner: Blobs, watch: SpaceWatch) -> None:
        self._inner = inner
        self._watch = watch

    async def write(self, name: str, pieces: AsyncIterable[bytes]) -> int:
        try:
            return await self._inner.write(name, pieces)
        except StorageFull as error:
            self._watch.full(error)
            raise

    async def read(self, name: str, offset: int, n: int) -> bytes:
        return await self._inner.read(name, offset, n)

    async def names(self) -> list[str]:
        return await self._inner.names()

    async def remove(self, name: str) -> None:
        await self._inner.remove(name)


class _WatchedJournal:
    def __init__(self, inner: Journal, watch: SpaceWatch) -> None:
        self._inner = inner
        self._watch = watch

    @property
    def start(self) -> int:
        return self._inner.start

    @property
    def end(self) -> int:
        return self._inner.end

    async def append(self, records: Sequence[bytes]) -> int:
        try:
            return await self._inner.append(records)
        except StorageFull as error:
            self._watch.full(error)
            raise

    async def read(self, offset: int, *, max_records: int = 1_000, max_bytes: int = 1 << 23) -> list[bytes]:
        return await self._inner.read(offset, max_records=max_records, max_bytes=max_bytes)

    async def trim(self, before: int) -> None:
        await self._inner.trim(before)

    async def close(self) -> None:
        await self._inner.close()
