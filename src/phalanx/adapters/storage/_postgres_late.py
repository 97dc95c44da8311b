"""A store in PostgreSQL that may not be there yet: it is connected to when somebody asks something of it."""

import asyncio
from collections.abc import Mapping, Sequence

from phalanx.adapters.storage._postgres import import_asyncpg
from phalanx.adapters.storage._postgres_store import PostgresStore
from phalanx.core import MAX_PAGE_ROWS, Expect, Row, StorageError, Table, TenantId, Write


class LatePostgresStore:
    """A ``Store``. While the database has not been reached, whatever is asked of it tries to, and raises
    ``Unavailable`` where it cannot. Afterwards it is a ``PostgresStore``."""

    def __init__(self, dsn: str, *, schema: str) -> None:
        import_asyncpg()  # Without it no waiting helps.
        self._dsn, self._schema = dsn, schema
        self._turn = asyncio.Lock()
        self._store: PostgresStore | None = None
        self._closed = False

    async def get(self, table: Table, tenant: TenantId, key: str) -> Row | None:
        return await (await self._reached()).get(table, tenant, key)

    async def scan(
        self, table: Table, tenant: TenantId, *, prefix: str = "", after: str = "", limit: int = MAX_PAGE_ROWS,
        reverse: bool = False,
    ) -> list[Row]:  # fmt: skip
        store = await self._reached()
        return await store.scan(table, tenant, prefix=prefix, after=after, limit=limit, reverse=reverse)

    async def find(
        self, table: Table, tenant: TenantId, index: str, value: str, *, after: str = "", limit: int = MAX_PAGE_ROWS,
        reverse: bool = False,
    ) -> list[Row]:  # fmt: skip
        store = await self._reached()
        return await store.find(table, tenant, index, value, after=after, limit=limit, reverse=reverse)

    async def index_of(self, table: Table, tenant: TenantId, key: str) -> Mapping[str, Sequence[str]]:
        return await (await self._reached()).index_of(table, tenant, key)

    async def commit(self, writes: Sequence[Write], *, expect: Sequence[Expect] = ()) -> int:
        return await (await self._reached()).commit(writes, expect=expect)

    async def tenants(self, table: Table) -> list[TenantId]:
        return await (await self._reached()).tenants(table)

    async def close(self) -> None:
        async with self._turn:
            self._closed = True
            if self._store is not None:
                await self._store.close()

    async def _reached(self) -> PostgresStore:
        async with self._turn:
            if self._closed:
                raise StorageError(f"PostgreSQL schema {self._schema} is closed")
            if self._store is None:
                self._store = await PostgresStore.open(self._dsn, schema=self._schema)
            return self._store
