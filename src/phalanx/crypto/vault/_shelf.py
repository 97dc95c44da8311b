"""Where the key records, shreddings and untold events lie in the store."""

from collections.abc import AsyncIterator

from phalanx.core import MAX_PAGE_ROWS, LimitExceeded, Store, TenantId, decode
from phalanx.crypto.vault._limits import EVENTS_PAGE, MAX_DATA_KEYS, REWRAP_BATCH
from phalanx.crypto.vault._model import (
    REGISTER,
    SETTLING,
    VAULT_EVENTS,
    VAULT_KEYS,
    VAULT_SHREDS,
    KeyRecord,
    KeyState,
    Level,
    ShredRecord,
    StoredKey,
    VaultEvent,
    owner_of,
)


class Shelf:
    """Reads the vault's rows. What it writes, the vault commits together."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def roots(self) -> list[StoredKey]:
        """The root and, while a rotation is under way, the one before it; destroyed ones left out."""
        found = [key async for key in self._find("level", Level.ROOT.value)]
        return [key for key in found if key.record.state is not KeyState.DESTROYED]

    async def owned(self, tenant: TenantId, purpose: str) -> list[StoredKey]:
        """What a tenant has for a purpose (empty: its own keys), the oldest first; destroyed ones left out."""
        found = [key async for key in self._find("owner", owner_of(tenant, purpose))]
        if len(found) > MAX_DATA_KEYS:
            raise LimitExceeded(f"keys of {tenant} for {purpose}", maximum=MAX_DATA_KEYS, seen=len(found))
        return found

    async def settling(self) -> list[StoredKey]:
        """Keys that were replaced or destroyed, with keys under them that are still to be seen to."""
        return [key async for key in self._find("level", SETTLING)]

    async def children(self, parent: str) -> list[StoredKey]:
        """Some keys under ``parent``, at most one batch; empty when there are none left."""
        rows = await self.store.find(VAULT_KEYS, REGISTER, "parent", parent, limit=REWRAP_BATCH)
        return [StoredKey(decode(row.value, KeyRecord), row.version) for row in rows]

    async def key(self, key_id: str) -> StoredKey | None:
        row = await self.store.get(VAULT_KEYS, REGISTER, key_id)
        return None if row is None else StoredKey(decode(row.value, KeyRecord), row.version)

    async def page(self, after: str, limit: int) -> list[KeyRecord]:
        """All keys there are or were, in the order they were made."""
        rows = await self.store.scan(VAULT_KEYS, REGISTER, after=after, limit=min(limit, MAX_PAGE_ROWS))
        return [decode(row.value, KeyRecord) for row in rows]

    async def shreds(self) -> list[ShredRecord]:
        found: list[ShredRecord] = []
        after = ""
        while rows := await self.store.scan(VAULT_SHREDS, REGISTER, after=after):
            found += [decode(row.value, ShredRecord) for row in rows]
            after = rows[-1].key
        return found

    async def events(self) -> list[VaultEvent]:
        """Events the ledger was not told yet, the oldest first, at most a page."""
        rows = await self.store.scan(VAULT_EVENTS, REGISTER, limit=EVENTS_PAGE)
        return [decode(row.value, VaultEvent) for row in rows]

    async def _find(self, index: str, value: str) -> AsyncIterator[StoredKey]:
        after = ""
        while rows := await self.store.find(VAULT_KEYS, REGISTER, index, value, after=after):
            for row in rows:
                yield StoredKey(decode(row.value, KeyRecord), row.version)
            after = rows[-1].key
