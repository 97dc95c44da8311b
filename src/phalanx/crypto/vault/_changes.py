"""The changes of the hierarchy, each one commit with the event that tells of it."""

from dataclasses import dataclass

import msgspec

from phalanx.core import NO_TRACE, Expect, NotFound, Put, TenantId, Write, encode
from phalanx.crypto.vault._errors import WrongKey
from phalanx.crypto.vault._hierarchy import Hierarchy
from phalanx.crypto.vault._keys import Key, destroyed, retired
from phalanx.crypto.vault._model import REGISTER, VAULT_SHREDS, KeyState, Level, ShredRecord, StoredKey, key_put
from phalanx.crypto.vault._outbox import Outbox
from phalanx.crypto.vault._wrapping import KeyWrapper

NODE_ACTOR = "node"


@dataclass(frozen=True, slots=True)
class Changes:
    """Rotations, shreddings and rewrappings of one hierarchy. What follows below is ``_settling``'s."""

    hierarchy: Hierarchy
    outbox: Outbox

    async def make_vault(self, wrapper: KeyWrapper) -> Key:
        """The first root."""
        root = await self.hierarchy.make_root(wrapper)
        await self._commit([key_put(root.record)], [])
        self.hierarchy.hold_root(root)
        return root

    async def rotate_root(self, wrapper: KeyWrapper, actor: str) -> Key:
        """A new root; the tenants' keys are still under the one before it."""
        old = next(root for root in await self.hierarchy.shelf.roots() if root.record.state is KeyState.ACTIVE)
        made = await self.hierarchy.make_root(wrapper)
        replaced = retired(old.record)
        await self._commit(
            [key_put(made.record), key_put(replaced, settling=True), self._rotated(made, old, actor)], [old.expect()]
        )
        former = self.hierarchy.root_of(old.record.id)
        self.hierarchy.hold_root(Key(replaced, former.secret, former.aead))
        self.hierarchy.hold_root(made)
        return made

    async def rotate(self, level: Level, tenant: TenantId, purpose: str, uses: int, actor: str) -> Key:
        """A new key in the place of the active one of a tenant, a purpose or its data."""
        old = await self.hierarchy.active(tenant, "" if level is Level.TENANT else purpose, level)
        if old is None:
            name = f"{tenant}, for {purpose}" if purpose else tenant
            raise NotFound(f"{level.value} key of tenant", name, hint="`phalanx keys vault list` shows those there are")
        if level is Level.DATA:
            made, (writes, expect) = await self.hierarchy.new_data_key(tenant, purpose, uses, [old])
        else:
            made, (writes, expect) = await self.hierarchy.replace(old)
        await self._commit([*writes, self._rotated(made, old, actor)], expect)
        return made

    async def shred(self, record: ShredRecord) -> bool:
        """Destroy every key of a tenant that lies under the root; what is below them is lost with them.

        False when there was none.
        """
        tenant = record.tenant
        keys = await self.hierarchy.shelf.owned(tenant, "")
        event = self.outbox.put("tenant shredded", f"tenant {tenant}", record.actor, {"tenant": str(tenant)})
        await self._commit(
            [
                Put(VAULT_SHREDS, REGISTER, tenant, encode(record)),
                *(key_put(destroyed(key.record), settling=True) for key in keys),
                event,
            ],
            [Expect(VAULT_SHREDS, REGISTER, tenant, 0), *(key.expect() for key in keys)],
        )
        return bool(keys)

    async def rewrap(self, wrapper: KeyWrapper, actor: str) -> None:
        """Wrap the root, and the one before it while there is one, by another wrapper."""
        roots = await self.hierarchy.shelf.roots()
        writes: list[Write] = []
        for stored in roots:
            key, binding = self.hierarchy.root_of(stored.record.id), stored.record.binding()
            wrapped = await wrapper.wrap(key.secret, binding)
            # Tried before the old wrapping is let go: after that there is no way back.
            if await wrapper.unwrap(wrapped, binding) != key.secret:
                raise WrongKey("the root", f"{wrapper.name} does not give back what it was given")
            writes.append(key_put(msgspec.structs.replace(stored.record, wrapped=wrapped, wrapper=wrapper.name)))
        body = {"from": roots[-1].record.wrapper, "to": wrapper.name}
        event = self.outbox.put("root rewrapped", "root key", actor, body)
        await self._commit([*writes, event], [root.expect() for root in roots])

    def _rotated(self, made: Key, old: StoredKey, actor: str) -> Put:
        record = made.record
        body = {"level": record.level.value, "replaces": old.record.id, "key": record.id, "algorithm": record.algorithm}
        if record.level is not Level.ROOT:
            body |= {"tenant": str(record.tenant), "purpose": record.purpose}
        return self.outbox.put("key rotated", f"{record.level.value} key {record.id}", actor, body)

    async def _commit(self, writes: list[Write], expect: list[Expect]) -> None:
        await self.hierarchy.shelf.store.commit(writes, expect=expect)


def shred_record(tenant: TenantId, record_id: str, *, actor: str, at_ns: int) -> ShredRecord:
    return ShredRecord(id=record_id, tenant=tenant, trace=NO_TRACE, at_ns=at_ns, actor=actor)
