"""The vault: hands out sealers, and changes the keys behind them.

Invariants:

- a key is in the store before anything is sealed with it, and a step of its uses before the
  first of them;
- every change is one commit, or a commit that says what is still to be done and steps that can
  be repeated (``_settling``): a crash at any point leaves everything readable that was;
- a shredded tenant has no keys, in the store from that commit on and in memory as soon as it
  returns; nobody gets a sealer for it again;
- secrets are in memory only, or wrapped.

One process changes a vault at a time, the one that holds the node's data.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from phalanx.core import (
    DEFAULT_TENANT,
    MAX_PAGE_ROWS,
    Clock,
    Conflict,
    EntropySource,
    IdSource,
    InvalidInput,
    NotFound,
    Overloaded,
    StorageError,
    Store,
    TenantId,
)
from phalanx.crypto import AES_256_GCM, CryptoPolicy
from phalanx.crypto.vault._blinder import INDEX_PURPOSE, Blinder
from phalanx.crypto.vault._changes import NODE_ACTOR, Changes, shred_record
from phalanx.crypto.vault._errors import Shredded, WrongKey
from phalanx.crypto.vault._hierarchy import Hierarchy
from phalanx.crypto.vault._limits import (
    MAX_CACHED_SEALERS,
    MAX_CHANGE_ATTEMPTS,
    MAX_NAME_BYTES,
    TEND_EVERY_S,
)
from phalanx.crypto.vault._model import KeyRecord, KeyState, Level
from phalanx.crypto.vault._outbox import Outbox
from phalanx.crypto.vault._sealer import Opener, Sealer
from phalanx.crypto.vault._sealers import KeyUses, Sealers
from phalanx.crypto.vault._settling import settle
from phalanx.crypto.vault._shelf import Shelf
from phalanx.crypto.vault._wrapping import KeyWrapper
from phalanx.telemetry import Telemetry

T = TypeVar("T")
# Tenants that begin so are the node's own.
NODE_TENANTS = "node:"


class Vault:
    """The key hierarchy of a node. Made by ``Vault.open``. ``outbox`` holds what the ledger is to be told."""

    def __init__(
        self,
        hierarchy: Hierarchy,
        wrapper: KeyWrapper,
        *,
        clock: Clock,
        ids: IdSource,
        entropy: EntropySource,
        telemetry: Telemetry,
        uses: KeyUses,
    ) -> None:
        """Use ``open``: a vault that has not opened its root cannot do anything."""
        self.outbox = Outbox(hierarchy.shelf, clock, ids, telemetry)
        self._hierarchy = hierarchy
        self._changes = Changes(hierarchy, self.outbox)
        self._wrapper = wrapper
        self._clock = clock
        self._ids = ids
        self._log = telemetry.log.bind(room="crypto")
        self._lock = asyncio.Lock()
        self._sealers = Sealers(hierarchy, entropy, uses, self._log)
        self._blinders: dict[TenantId, Blinder] = {}
        self._shredded: set[TenantId] = set()
        self._unsettled = False

    @classmethod
    async def open(
        cls,
        store: Store,
        wrapper: KeyWrapper,
        *,
        clock: Clock,
        ids: IdSource,
        entropy: EntropySource,
        telemetry: Telemetry,
        policy: CryptoPolicy | None = None,
        seal_with: str = AES_256_GCM,
        uses: KeyUses | None = None,
        existing: bool = False,
    ) -> "Vault":
        """Open the vault in ``store``, or make it when there is none (``NotFound`` when it has to be ``existing``).

        Raises ``WrongKey`` when the wrapper does not open it, before anything is changed, and
        ``AlgorithmForbidden`` when the policy does not allow ``seal_with``.
        """
        (policy or CryptoPolicy()).require(seal_with)
        hierarchy = Hierarchy(Shelf(store), clock, ids, entropy, algorithm=seal_with)
        vault = cls(
            hierarchy, wrapper, clock=clock, ids=ids, entropy=entropy, telemetry=telemetry, uses=uses or KeyUses()
        )
        await vault._open(existing=existing)
        return vault

    @property
    def wrapper(self) -> str:
        """What the root is wrapped by."""
        return self._wrapper.name

    @property
    def seal_with(self) -> str:
        """The algorithm of new keys."""
        return self._hierarchy.algorithm

    async def sealer(self, tenant: TenantId, purpose: str) -> Sealer:
        """What seals and opens for a tenant and purpose; keys that are missing are made.

        Raises ``Shredded``, and what the store raises when it does not take the new key.
        """
        found = self._sealers.get(tenant, purpose)
        if found is not None and not self._sealers.is_short(found):
            return found
        async with self._lock:
            self._require(tenant, purpose)
            sealer = await self._sealers.make(tenant, purpose)
            if self._sealers.is_short(sealer):
                await self._retried(lambda: self._sealers.take_uses(sealer))
            return sealer

    async def opener(self, tenant: TenantId, purpose: str) -> Opener:
        """What opens for a tenant and purpose; writes nothing. Raises ``Shredded``."""
        found = self._sealers.get(tenant, purpose)
        if found is not None:
            return found
        async with self._lock:
            self._require(tenant, purpose)
            return await self._sealers.make(tenant, purpose)

    async def blinder(self, tenant: TenantId) -> Blinder:
        """What blinds index values of a tenant; its key is made if there is none. Raises ``Shredded``."""
        return await self._blinder(tenant, make=True)  # type: ignore[return-value]

    async def known_blinder(self, tenant: TenantId) -> Blinder | None:
        """The same, or None where nothing was ever sealed for the tenant; writes nothing."""
        return await self._blinder(tenant, make=False)

    def now_ns(self) -> int:
        """Wall time, for records about the vault's work."""
        return self._clock.wall_ns()

    @property
    def shredded_tenants(self) -> frozenset[TenantId]:
        """Tenants whose keys were destroyed."""
        return frozenset(self._shredded)

    def is_shredded(self, tenant: TenantId) -> bool:
        return tenant in self._shredded

    async def rotate(
        self, level: Level, tenant: TenantId = DEFAULT_TENANT, purpose: str = "", *, actor: str = NODE_ACTOR
    ) -> KeyRecord:
        """Replace the active key of a level. What was sealed before stays readable.

        A new root, tenant or purpose key has the keys below it moved under it, and the old one
        is destroyed; a data key that is replaced stays, to open what it sealed. Raises
        ``NotFound`` when there is none to replace, and ``Shredded``.
        """
        if level is Level.DATA and purpose == INDEX_PURPOSE:
            raise InvalidInput("purpose", "the key of the blind index is not rotated: rows are found by what it made")
        async with self._lock:
            if level is Level.ROOT:
                made = await self._retried(lambda: self._changes.rotate_root(self._wrapper, actor))
            else:
                self._require(tenant, purpose or "itself")
                step = self._sealers.uses.step
                made = await self._retried(lambda: self._changes.rotate(level, tenant, purpose, step, actor))
                sealer = self._sealers.get(tenant, purpose)
                if sealer is not None and level is Level.DATA:
                    sealer.seal_with(made, step)
            self._unsettled |= level is not Level.DATA
            await self._settle()
        self._log.info("key rotated", level=level.value, tenant=tenant, key=made.id, actor=actor)
        self.outbox.on_event()
        return msgspec.structs.replace(made.record, wrapped=b"")

    async def shred(self, tenant: TenantId, *, actor: str = NODE_ACTOR) -> bool:
        """Destroy a tenant's keys, for good and from now on; again is not an error. False when it had none.

        Refuses the default tenant and those of the node itself (``node:…``): its own record and
        its private keys are sealed for them.
        """
        _check_name("tenant", tenant)
        if tenant == DEFAULT_TENANT or tenant.startswith(NODE_TENANTS):
            raise InvalidInput("tenant", "it holds the node's own record or keys and cannot be shredded")
        had_keys = False
        async with self._lock:
            if tenant not in self._shredded:
                record = shred_record(tenant, self._ids.new(), actor=actor, at_ns=self._clock.wall_ns())
                had_keys = await self._retried(lambda: self._changes.shred(record))
                self._shredded.add(tenant)
                self._unsettled = True
            self._sealers.shred(tenant)
            if (blinder := self._blinders.pop(tenant, None)) is not None:
                blinder.shred()
            self._log.warning("tenant shredded", tenant=tenant, actor=actor)
            await self._settle()
        self.outbox.on_event()
        return had_keys

    async def rewrap(self, wrapper: KeyWrapper, *, actor: str = NODE_ACTOR) -> None:
        """Have the root wrapped by another wrapper, or by another key of the same, in one commit."""
        async with self._lock:
            await self._retried(lambda: self._changes.rewrap(wrapper, actor))
            self._wrapper = wrapper
        self._log.info("root rewrapped", wrapper=wrapper.name, actor=actor)
        self.outbox.on_event()

    async def keys(self, *, after: str = "", limit: int = 100) -> list[KeyRecord]:
        """All keys there are or were, in the order they were made; their wrapped bytes are left out."""
        return [msgspec.structs.replace(key, wrapped=b"") for key in await self._hierarchy.shelf.page(after, limit)]

    async def outdated_keys(self) -> list[KeyRecord]:
        """Active keys that are for another algorithm than new ones are, from the root down.

        The key of the blind index is left out: nothing is sealed with it.
        """
        found: list[KeyRecord] = []
        after = ""
        while page := await self.keys(after=after, limit=MAX_PAGE_ROWS):
            found += [key for key in page if key.state is KeyState.ACTIVE and key.algorithm != self.seal_with]
            after = page[-1].id
        order = list(Level)
        found = [key for key in found if key.level is not Level.DATA or key.purpose != INDEX_PURPOSE]
        return sorted(found, key=lambda key: (order.index(key.level), key.id))

    async def tend(self) -> None:
        """Renew what nears its bound and finish what was begun, until cancelled."""
        while True:
            for sealer in self._sealers:
                async with self._lock:
                    # Looked at under the lock: a tenant that is shredded meanwhile gets no key any more.
                    if sealer.current_key and self._sealers.is_short(sealer):
                        await self._retried(lambda sealer=sealer: self._sealers.take_uses(sealer))  # type: ignore[misc]
            async with self._lock:
                await self._settle()
            await self._clock.sleep(TEND_EVERY_S)

    async def _open(self, *, existing: bool) -> None:
        stored = await self._hierarchy.shelf.roots()
        if stored:
            wrappers = {one.record.wrapper for one in stored}
            if wrappers != {self._wrapper.name}:
                raise WrongKey(
                    "the vault",
                    f"its root is wrapped by {', '.join(sorted(wrappers))}, the settings say {self._wrapper.name}",
                    hint="set at_rest.wrapper to what it was, or change it with `phalanx keys vault rewrap`",
                )
            await self._hierarchy.open_roots(stored, self._wrapper)
        elif existing:
            raise NotFound("vault in", "this store")
        else:
            root = await self._changes.make_vault(self._wrapper)
            self._log.info("vault made", root=root.id, wrapper=self._wrapper.name)
        self._shredded = {shred.tenant for shred in await self._hierarchy.shelf.shreds()}
        # A process before this one may have stopped in the middle.
        self._unsettled = True
        await self._settle()

    def _require(self, tenant: TenantId, purpose: str) -> None:
        _check_name("tenant", tenant)
        _check_name("purpose", purpose)
        if tenant in self._shredded:
            raise Shredded(tenant)

    async def _blinder(self, tenant: TenantId, *, make: bool) -> Blinder | None:
        found = self._blinders.get(tenant)
        if found is not None:
            return found
        async with self._lock:
            self._require(tenant, INDEX_PURPOSE)
            found = self._blinders.get(tenant)
            if found is None:
                key = await self._retried(lambda: self._sealers.index_key(tenant, make=make))
                if key is None:
                    return None
                found = self._blinders[tenant] = Blinder(tenant, key)
                while len(self._blinders) > MAX_CACHED_SEALERS:
                    self._blinders.pop(next(iter(self._blinders)))
            return found

    async def _settle(self) -> None:
        """Finish what was begun. The change itself stands already: what storage refuses now is left to ``tend``."""
        if not self._unsettled:
            return
        try:
            n_done = await self._retried(lambda: settle(self._hierarchy))
        except StorageError as error:
            self._log.warning("keys wait for storage to be moved or erased", reason=error.message)
            return
        self._unsettled = False
        if n_done:
            self._log.info("keys moved or erased", keys=n_done)

    async def _retried(self, change: Callable[[], Awaitable[T]]) -> T:
        """Begin a change again when another process wrote one of its rows first."""
        for _ in range(MAX_CHANGE_ATTEMPTS):
            try:
                return await change()
            except Conflict as conflict:
                self._log.info("the vault changed meanwhile; trying again", row=conflict.key)
        raise Overloaded("the vault", retry_after_s=1)


def _check_name(field: str, name: str) -> None:
    if not name or len(name.encode()) > MAX_NAME_BYTES or not name.isprintable():
        raise InvalidInput(field, f"has to be 1 to {MAX_NAME_BYTES} printable bytes")
