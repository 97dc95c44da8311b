"""From the root to a data key: opening what is stored, and making what is missing.

Nothing here keeps a key but the roots; a key between root and data is opened, used and dropped.
Every write expects the version of the keys it builds on and that its tenant was not shredded,
so of two changes that meet one is refused whole, and the vault begins it again.
"""

from collections.abc import Sequence

import msgspec

from phalanx.core import Clock, EntropySource, Expect, IdSource, LimitExceeded, StorageCorrupt, TenantId, Write
from phalanx.crypto import Aead
from phalanx.crypto.vault._errors import WrongKey
from phalanx.crypto.vault._keys import Key, KeyMaker, retired
from phalanx.crypto.vault._limits import MAX_PURPOSES
from phalanx.crypto.vault._model import (
    REGISTER,
    VAULT_SHREDS,
    KeyRecord,
    KeyState,
    Level,
    StoredKey,
    key_put,
)
from phalanx.crypto.vault._shelf import Shelf
from phalanx.crypto.vault._wrapping import KeyWrapper

Planned = tuple[list[Write], list[Expect]]


class Hierarchy:
    """The keys of one vault. ``algorithm`` is what new keys are for."""

    def __init__(self, shelf: Shelf, clock: Clock, ids: IdSource, entropy: EntropySource, *, algorithm: str) -> None:
        self.shelf = shelf
        self.algorithm = algorithm
        self.maker = KeyMaker(clock, ids, entropy)
        self._roots: dict[str, Key] = {}

    @property
    def root(self) -> Key:
        """The root under which tenants' keys are put from now on."""
        active = [root for root in self._roots.values() if root.record.state is KeyState.ACTIVE]
        if not active:
            raise StorageCorrupt("the vault", 0, "none of its roots is active")
        return active[-1]

    def root_of(self, root_id: str) -> Key:
        """One of the roots that are open."""
        return self._roots[root_id]

    def hold_root(self, root: Key) -> None:
        self._roots[root.id] = root

    def drop_root(self, root_id: str) -> None:
        self._roots.pop(root_id, None)

    async def open_roots(self, stored: Sequence[StoredKey], wrapper: KeyWrapper) -> None:
        """Have the wrapper open what it wrapped; raises ``WrongKey``."""
        for one in stored:
            secret = await wrapper.unwrap(one.record.wrapped, one.record.binding())
            self.hold_root(Key(one.record, secret, Aead(one.record.algorithm, secret)))

    async def make_root(self, wrapper: KeyWrapper) -> Key:
        """A fresh root, wrapped but not stored yet."""
        root = self.maker.make(Level.ROOT, REGISTER, "", None, self.algorithm)
        wrapped = await wrapper.wrap(root.secret, root.record.binding())
        record = msgspec.structs.replace(root.record, wrapped=wrapped, wrapper=wrapper.name)
        return Key(record, root.secret, root.aead)

    async def open(self, stored: StoredKey) -> Key:
        """Open a stored key through its parents; raises ``WrongKey`` when one does not fit."""
        parent_id = stored.record.parent
        parent = self._roots.get(parent_id)
        if parent is None:
            above = await self.shelf.key(parent_id)
            if above is None or above.record.state is KeyState.DESTROYED or above.record.level is Level.ROOT:
                raise WrongKey(
                    f"the {stored.record.level.value} key {stored.record.id}", f"its parent {parent_id} is not there"
                )
            parent = await self.open(above)
        return self.maker.unwrap(stored, parent)

    async def data_keys(self, tenant: TenantId, purpose: str) -> list[tuple[StoredKey, Key]]:
        """Every data key of a tenant's purpose that can still be opened, the oldest first."""
        found = [one for one in await self.shelf.owned(tenant, purpose) if one.record.level is Level.DATA]
        parents: dict[str, Key] = {}
        keys: list[tuple[StoredKey, Key]] = []
        for one in found:
            parent = parents.get(one.record.parent)
            if parent is None:
                above = await self.shelf.key(one.record.parent)
                if above is None:
                    raise WrongKey(f"the data key {one.record.id}", f"its parent {one.record.parent} is not there")
                parent = parents[one.record.parent] = await self.open(above)
            keys.append((one, self.maker.unwrap(one, parent)))
        return keys

    async def new_data_key(
        self, tenant: TenantId, purpose: str, uses: int, replaces: Sequence[StoredKey]
    ) -> tuple[Key, Planned]:
        """A fresh data key and the writes that store it, with what is missing above it made too."""
        parent, (writes, expect) = await self._purpose_key(tenant, purpose)
        made = self.maker.make(Level.DATA, tenant, purpose, parent, self.algorithm)
        record = msgspec.structs.replace(made.record, reserved_uses=uses)
        writes += [key_put(record), *(key_put(retired(old.record)) for old in replaces)]
        expect += [old.expect() for old in replaces]
        return Key(record, made.secret, made.aead), (writes, expect)

    async def replace(self, old: StoredKey) -> tuple[Key, Planned]:
        """A fresh key in the place of a tenant's or purpose's, and the writes that make it the active one."""
        record = old.record
        writes: list[Write] = []
        expect: list[Expect] = []
        if record.level is Level.TENANT:
            parent, expect = self.root, [_not_shredded(record.tenant)]
        else:
            parent, (writes, expect) = await self._tenant_key(record.tenant)
        made = self.maker.make(record.level, record.tenant, record.purpose, parent, self.algorithm)
        writes += [key_put(made.record), key_put(retired(record), settling=True)]
        return made, (writes, [*expect, old.expect()])

    async def move(self, child: StoredKey, parent: Key) -> KeyRecord:
        """The record of ``child`` under ``parent``."""
        return self.maker.move(await self.open(child), parent)

    async def active(self, tenant: TenantId, purpose: str, level: Level) -> StoredKey | None:
        """The key of a level that is in use."""
        found = [
            one
            for one in await self.shelf.owned(tenant, purpose)
            if one.record.level is level and one.record.state is KeyState.ACTIVE
        ]
        return found[-1] if found else None

    async def _purpose_key(self, tenant: TenantId, purpose: str) -> tuple[Key, Planned]:
        stored = await self.active(tenant, purpose, Level.PURPOSE)
        if stored is not None:
            return await self.open(stored), ([], [stored.expect(), _not_shredded(tenant)])
        parent, (writes, expect) = await self._tenant_key(tenant)
        known = await self.shelf.children(parent.id)
        if len(known) >= MAX_PURPOSES:
            raise LimitExceeded(f"purposes of tenant {tenant}", maximum=MAX_PURPOSES, seen=len(known) + 1)
        made = self.maker.make(Level.PURPOSE, tenant, purpose, parent, self.algorithm)
        return made, ([*writes, key_put(made.record)], expect)

    async def _tenant_key(self, tenant: TenantId) -> tuple[Key, Planned]:
        stored = await self.active(tenant, "", Level.TENANT)
        if stored is not None:
            return await self.open(stored), ([], [stored.expect(), _not_shredded(tenant)])
        made = self.maker.make(Level.TENANT, tenant, "", self.root, self.algorithm)
        return made, ([key_put(made.record)], [_not_shredded(tenant)])


def _not_shredded(tenant: TenantId) -> Expect:
    return Expect(VAULT_SHREDS, REGISTER, tenant, 0)
