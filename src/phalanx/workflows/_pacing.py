"""A store that receives only a bounded number of requests at once.

Without it, ten thousand runs that begin in one moment would each query the store in that moment, and a store turns
away what it cannot queue. Here they wait, which slows down whoever submits more.
"""

import asyncio
from collections.abc import Mapping, Sequence

from phalanx.core import Expect, Row, Store, Table, TenantId, Write


class PacedStore:
    """A ``Store`` in front of another."""

    def __init__(self, store: Store, at_once: int) -> None:
        self._store = store
        self._turn = asyncio.Semaphore(at_once)

    async def get(self, table: Table, tenant: TenantId, key: str) -> Row | None:
        async with self._turn:
            return await self._store.get(table, tenant, key)

    async def scan(
        self, table: Table, tenant: TenantId, *, prefix: str = "", after: str = "", limit: int = 1_000,
        reverse: bool = False,
    ) -> list[Row]:  # fmt: skip
        async with self._turn:
            return await self._store.scan(table, tenant, prefix=prefix, after=after, limit=limit, reverse=reverse)

    async def find(
        self, table: Table, tenant: TenantId, index: str, value: str, *, after: str = "", limit: int = 1_000,
        reverse: bool = False,
    ) -> list[Row]:  # fmt: skip
        async with self._turn:
            return await self._store.find(table, tenant, index, value, after=after, limit=limit, reverse=reverse)

    async def index_of(self, table: Table, tenant: TenantId, key: str) -> Mapping[str, Sequence[str]]:
        async with self._turn:
            return await self._store.index_of(table, tenant, key)

    async def commit(self, writes: Sequence[Write], *, expect: Sequence[Expect] = ()) -> int:
        async with self._turn:
            return await self._store.commit(writes, expect=expect)

    async def tenants(self, table: Table) -> list[TenantId]:
        async with self._turn:
            return await self._store.tenants(table)

    async def close(self) -> None:
        """It is the owner's to close."""
