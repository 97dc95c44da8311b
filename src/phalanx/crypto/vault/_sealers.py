"""The sealers of a vault: one for each tenant and purpose, for whoever asks, with its keys renewed in place.

Whoever holds a sealer holds the one there is, so that a change reaches all of them. What is done
here the vault does under its lock, and begins it again when another process wrote first.
"""

import weakref
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from phalanx.core import EntropySource, TenantId
from phalanx.crypto.vault._blinder import INDEX_PURPOSE
from phalanx.crypto.vault._hierarchy import Hierarchy
from phalanx.crypto.vault._keys import Key
from phalanx.crypto.vault._limits import MAX_CACHED_SEALERS, MAX_KEY_USES, RESERVED_USES
from phalanx.crypto.vault._model import KeyState, key_put
from phalanx.crypto.vault._sealer import Sealer
from phalanx.telemetry import Logger

_Name = tuple[TenantId, str]


@dataclass(frozen=True, slots=True)
class KeyUses:
    """How often one data key may be used, and in what steps the uses are taken."""

    maximum: int = MAX_KEY_USES
    step: int = RESERVED_USES


class Sealers:
    """Makes them, keeps the recent ones, and takes their uses."""

    def __init__(self, hierarchy: Hierarchy, entropy: EntropySource, uses: KeyUses, log: Logger) -> None:
        self._hierarchy = hierarchy
        self._entropy = entropy
        self.uses = uses
        self._log = log
        self._held: weakref.WeakValueDictionary[_Name, Sealer] = weakref.WeakValueDictionary()
        self._recent: OrderedDict[_Name, Sealer] = OrderedDict()

    def __iter__(self) -> Iterator[Sealer]:
        return iter(list(self._held.values()))

    def get(self, tenant: TenantId, purpose: str) -> Sealer | None:
        """The one that somebody holds, or held not long ago."""
        return self._held.get((tenant, purpose))

    def is_short(self, sealer: Sealer) -> bool:
        return sealer.uses_left * 2 <= self.uses.step

    async def make(self, tenant: TenantId, purpose: str) -> Sealer:
        """The one sealer of a tenant and purpose, with all its keys, if not yet one that seals."""
        found = self._held.get((tenant, purpose))
        if found is None:
            found = Sealer(tenant, purpose, self._entropy)
            keys = [key for _, key in await self._hierarchy.data_keys(tenant, purpose)]
            found.hold(keys)
            for key in keys:
                if key.record.state is KeyState.ACTIVE and key.record.algorithm == self._hierarchy.algorithm:
                    found.keep(key)
            self._held[tenant, purpose] = found
        self._recent[tenant, purpose] = found
        self._recent.move_to_end((tenant, purpose))
        while len(self._recent) > MAX_CACHED_SEALERS:
            self._recent.popitem(last=False)
        return found

    async def take_uses(self, sealer: Sealer) -> None:
        """Take a step of the current key's uses, or make the next key when it has none left."""
        tenant, purpose, step = sealer.tenant, sealer.purpose, self.uses.step
        keys = await self._hierarchy.data_keys(tenant, purpose)
        active = [(stored, key) for stored, key in keys if stored.record.state is KeyState.ACTIVE]
        if active:
            stored, key = active[-1]
            reserved = stored.record.reserved_uses + step
            if reserved <= self.uses.maximum and stored.record.algorithm == self._hierarchy.algorithm:
                record = msgspec.structs.replace(stored.record, reserved_uses=reserved)
                await self._hierarchy.shelf.store.commit([key_put(record)], expect=[stored.expect()])
                if sealer.current_key == key.id:
                    sealer.add_uses(step)
                else:
                    sealer.seal_with(key, step)
                return
        replaced = [stored for stored, _ in active]
        made, (writes, expect) = await self._hierarchy.new_data_key(tenant, purpose, step, replaced)
        await self._hierarchy.shelf.store.commit(writes, expect=expect)
        sealer.seal_with(made, step)
        self._log.info(
            "data key made", tenant=tenant, purpose=purpose, key=made.id, algorithm=self._hierarchy.algorithm
        )

    async def index_key(self, tenant: TenantId, *, make: bool) -> Key | None:
        """The oldest key of the purpose, for good: rows are found by what it made of their values."""
        keys = await self._hierarchy.data_keys(tenant, INDEX_PURPOSE)
        if keys or not make:
            return keys[0][1] if keys else None
        key, (writes, expect) = await self._hierarchy.new_data_key(tenant, INDEX_PURPOSE, 0, [])
        await self._hierarchy.shelf.store.commit(writes, expect=expect)
        return key

    def shred(self, tenant: TenantId) -> None:
        """Have every sealer of the tenant forget its keys, whoever holds it."""
        for name, sealer in list(self._held.items()):
            if name[0] == tenant:
                sealer.shred()
                self._held.pop(name)
                self._recent.pop(name, None)
