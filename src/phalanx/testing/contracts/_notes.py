"""The table that the store checks write, and short words to write it with."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from phalanx.core import Delete, Expect, Put, Store, Table, TenantId

OpenStore = Callable[[], Awaitable[Store]]
StoreCheck = Callable[[OpenStore], Awaitable[None]]

NOTES = Table("contract-notes", indexes=("tag", "state"), sealed=True)
ACME = TenantId("acme")


@contextlib.asynccontextmanager
async def opened(open_store: OpenStore) -> AsyncIterator[Store]:
    store = await open_store()
    try:
        yield store
    finally:
        await store.close()


async def keys_of(
    store: Store, *, prefix: str = "", after: str = "", limit: int = 1_000, reverse: bool = False
) -> list[str]:
    rows = await store.scan(NOTES, ACME, prefix=prefix, after=after, limit=limit, reverse=reverse)
    return [row.key for row in rows]


def put(key: str, value: bytes, *, tenant: TenantId = ACME, **index: Sequence[str]) -> Put:
    return Put(NOTES, tenant, key, value, index)


def delete(key: str, *, tenant: TenantId = ACME) -> Delete:
    return Delete(NOTES, tenant, key)


def expect(key: str, version: int) -> Expect:
    return Expect(NOTES, ACME, key, version)
