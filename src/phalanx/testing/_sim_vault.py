"""Simulation ``vault``: keys are rotated, rewrapped and shredded while the power fails.

One program after another opens the vault, seals, and changes the keys behind what it sealed; it
is killed at any moment. After every restart the checker compares with what was promised:

- the vault opens with the wrapper of the last acknowledged change, or of the one under way;
- everything ever sealed opens, unless its tenant was shredded;
- a shredded tenant stays shredded, and no wrapped byte of its keys is left;
- no key is used more often than its bound, and no nonce twice under one key;
- one root is active, and of the ones before it nothing is left.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from phalanx.core import DEFAULT_TENANT, NotFound, PhalanxError, Rng, Store, TenantId, decode
from phalanx.crypto.vault import (
    VAULT_KEYS,
    KeyExhausted,
    KeyRecord,
    KeyState,
    KeyUses,
    Level,
    Shredded,
    Vault,
    WrongKey,
    parse,
)
from phalanx.telemetry import Telemetry
from phalanx.testing._checking import Checker, SimReport, Simulation, judged_in
from phalanx.testing._faults import DiskFaults, Faults
from phalanx.testing._world import SimNode, SimWorld
from phalanx.testing._wrapper import MemoryWrapper

NAME = "vault"
_LIVES = 5
_LIFE_MEAN_S = 0.02
_ROUNDS = 60
_TENANTS = tuple(map(TenantId, ("acme", "beta", "zeta")))
_PURPOSES = ("ledger", "store")
# Small, so that keys come to their bound in every run.
_USES = KeyUses(maximum=12, step=4)


@dataclass(slots=True)
class _Promises:
    """What the vault acknowledged, and what was under way when the power failed."""

    wrapper: MemoryWrapper
    next_wrapper: MemoryWrapper | None = None
    sealed: list[tuple[TenantId, str, bytes, bytes]] = field(default_factory=list)
    shredded: set[TenantId] = field(default_factory=set)
    shredding: set[TenantId] = field(default_factory=set)
    nonces: set[tuple[str, bytes]] = field(default_factory=set)
    uses: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Run:
    world: SimWorld
    checker: Checker
    promises: _Promises

    async def main(self, world: SimWorld) -> None:
        rng, node = world.rng.child("plan"), world.node("machine")
        for _ in range(_LIVES):
            node.start(self._life)
            await world.clock.sleep(rng.exponential(_LIFE_MEAN_S))
            self.checker.count("crashes")
            await node.crash(power_loss=rng.chance(0.7))
        await node.start(self._last)

    async def _last(self, node: SimNode) -> None:
        await self._open(node)

    async def _life(self, node: SimNode) -> None:
        vault, rng = await self._open(node), node.rng.child("life")
        for _ in range(_ROUNDS):
            await self._step(vault, rng)

    async def _step(self, vault: Vault, rng: Rng) -> None:
        tenant, purpose = rng.choice(_TENANTS), rng.choice(_PURPOSES)
        what = rng.weighted(("seal", "rotate", "rewrap", "shred"), (12, 5, 1, 0.07))
        try:
            if what == "seal":
                await self._seal(vault, rng, tenant, purpose)
            elif what == "rotate":
                await vault.rotate(rng.choice(list(Level)), tenant, purpose)
            elif what == "rewrap":
                await self._rewrap(vault)
            else:
                self.promises.shredding.add(tenant)
                await vault.shred(tenant)
                self.promises.shredded.add(tenant)
        except NotFound:
            return  # nothing was sealed for this purpose yet
        except Shredded:
            self.checker.require(tenant in self.promises.shredding, "a tenant was shredded by nobody", tenant)
            return
        self.checker.count(f"{what} acknowledged")

    async def _seal(self, vault: Vault, rng: Rng, tenant: TenantId, purpose: str) -> None:
        sealer = await vault.sealer(tenant, purpose)
        for _ in range(rng.integer(1, 4)):
            plaintext = rng.bytes(rng.integer(0, 40))
            try:
                sealed = sealer.seal(plaintext, b"aad")
            except KeyExhausted:
                self.checker.count("refused at the end of a step")
                return
            envelope, promises = parse(sealed), self.promises
            nonce = (envelope.key_id, envelope.nonce)
            self.checker.require(nonce not in promises.nonces, "a nonce came twice under one key", nonce)
            promises.nonces.add(nonce)
            promises.uses[envelope.key_id] += 1
            self.checker.require(promises.uses[envelope.key_id] <= _USES.maximum, "a key was used beyond its bound")
            promises.sealed.append((tenant, purpose, plaintext, sealed))

    async def _rewrap(self, vault: Vault) -> None:
        self.promises.next_wrapper = MemoryWrapper(self.world.entropy)
        await vault.rewrap(self.promises.next_wrapper)
        self.promises.wrapper, self.promises.next_wrapper = self.promises.next_wrapper, None

    async def _open(self, node: SimNode) -> Vault:
        """The vault as the last crash left it, held against everything promised."""
        ports, store = node.ports(), self.world.store(node.name)
        promises = self.promises
        candidates = [promises.wrapper, *([promises.next_wrapper] if promises.next_wrapper else [])]
        for wrapper in candidates:
            try:
                vault = await Vault.open(
                    store, wrapper, clock=ports.clock, ids=ports.ids, entropy=ports.entropy,
                    telemetry=Telemetry(ports.clock), uses=_USES,
                )  # fmt: skip
            except WrongKey as error:
                if wrapper is candidates[-1]:
                    self.checker.violation("no wrapper opens the vault", str(error))
                    raise
            else:
                promises.wrapper, promises.next_wrapper = wrapper, None
                break
        await self._inspect_keys(store)
        await self._inspect_sealed(vault)
        return vault

    async def _inspect_keys(self, store: Store) -> None:
        require, after = self.checker.require, ""
        keys: list[KeyRecord] = []
        while rows := await store.scan(VAULT_KEYS, DEFAULT_TENANT, after=after):
            keys += [decode(row.value, KeyRecord) for row in rows]
            after = rows[-1].key
        roots = [key for key in keys if key.level is Level.ROOT]
        require(sum(key.state is KeyState.ACTIVE for key in roots) == 1, "not one root is active", len(roots))
        for key in keys:
            above = key.state is not KeyState.DESTROYED and key.level is not Level.DATA
            require(not above or key.state is KeyState.ACTIVE, "a replaced key was left behind", key.id)
            require(key.state is not KeyState.DESTROYED or not key.wrapped, "a destroyed key is still there", key.id)
            gone = key.tenant in self.promises.shredded and key.level is not Level.ROOT
            require(not gone or not key.wrapped, "a key of a shredded tenant is still there", key.id)

    async def _inspect_sealed(self, vault: Vault) -> None:
        promises, require = self.promises, self.checker.require
        for tenant in _TENANTS:
            is_gone = vault.is_shredded(tenant)
            require(is_gone or tenant not in promises.shredded, "a shredded tenant came back", tenant)
            require(not is_gone or tenant in promises.shredding, "a tenant was shredded by nobody", tenant)
            if is_gone:
                promises.shredded.add(tenant)
        promises.shredding = set(promises.shredded)
        for tenant, purpose, plaintext, sealed in promises.sealed:
            try:
                opened = (await vault.opener(tenant, purpose)).open(sealed, b"aad")
            except Shredded:
                require(tenant in promises.shredded, "what was sealed is gone", tenant)
            except PhalanxError as error:
                self.checker.violation("what was sealed does not open", tenant, purpose, str(error))
            else:
                require(opened == plaintext, "what was sealed opens to something else", tenant)
                require(tenant not in promises.shredded, "what was shredded opens", tenant)


def vault_simulation(*, sabotage: Callable[[DiskFaults], DiskFaults] | None = None) -> Simulation:
    """The simulation; ``sabotage`` changes the disk into one that the checker must complain of."""

    def run(seed: int) -> SimReport:
        rng = Rng(seed).child("faults")
        faults = DiskFaults(
            tail_lost=rng.random(), tail_torn=rng.random(), tail_garbage=rng.random(), tail_kept=rng.random()
        )
        world = SimWorld(seed, faults=Faults(disk=sabotage(faults) if sabotage else faults))
        checker = Checker()
        return judged_in(
            world, _Run(world, checker, _Promises(MemoryWrapper(world.entropy))).main, checker, simulation=NAME
        )

    return Simulation(NAME, "keys are rotated, rewrapped and shredded while the power fails", run)
