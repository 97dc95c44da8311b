"""Opens the node's identities, and connects them with the vault, the ledger and the swarm."""

from collections.abc import Sequence

from phalanx.agents import AT_ONCE_PER_ROLE, Duty, Role, Skill, Swarm
from phalanx.core import AlertSink, AuditSink, Delete, Expect, Put, Store, Table, TenantId
from phalanx.crypto.identity import Identities, Names, Revocation
from phalanx.crypto.vault import SealedRows, Sealer, Vault
from phalanx.node._ports import Ports
from phalanx.node._services import Services
from phalanx.node.settings._settings import Settings
from phalanx.telemetry import Telemetry

_KEYS = Table("identity_keys")
# No tenant's own: shredding one must not take the node's keys with it.
_TENANT = TenantId("node:identities")
_PURPOSE = "identity-keys"
_AGENTS_PER_SPARE = 32
# What a migration has to seal anew besides the tables of the sealed store.
IDENTITY_KEYS = SealedRows(_KEYS, _TENANT, _PURPOSE)


class SealedKeys:
    """Private keys in the store, sealed by the vault. Implements ``KeyCabinet``."""

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer

    async def load(self, name: str) -> bytes | None:
        row = await self._store.get(_KEYS, _TENANT, name)
        return None if row is None else self._sealer.open(row.value, name.encode())

    async def save(self, name: str, secret: bytes) -> None:
        sealed = self._sealer.seal(secret, name.encode())
        await self._store.commit([Put(_KEYS, _TENANT, name, sealed)], expect=[Expect(_KEYS, _TENANT, name, 0)])

    async def erase(self, name: str) -> None:
        await self._store.commit([Delete(_KEYS, _TENANT, name)])


async def opened_identities(
    settings: Settings,
    ports: Ports,
    store: Store,
    vault: Vault,
    ledger: AuditSink,
    telemetry: Telemetry,
    alerts: AlertSink,
    work: tuple[Sequence[Skill], Sequence[Duty]],
) -> Identities:
    """The node's identities, with one made ahead for each agent that the swarm begins with; the rest come later."""
    roles = {one.manifest.role for one in work[0]} | {one.manifest.role for one in work[1]}
    wanted = per_role(settings)
    n_agents = sum(wanted[role] for role in roles)
    identities = await Identities.open(
        Names(settings.identity.organisation, settings.node.name, settings.identity.algorithm),
        store,
        SealedKeys(store, await vault.sealer(_TENANT, _PURPOSE)),
        ledger,
        alerts,
        clock=ports.clock,
        entropy=ports.entropy,
        offload=ports.offload,
        telemetry=telemetry,
        policy=settings.crypto.policy,
        # Many agents fall more often: enough are warm for a part of them to fall at once.
        n_spares=max(settings.identity.spares, n_agents // _AGENTS_PER_SPARE),
    )
    # Their keys died with the process before this one; nobody is seated yet.
    await identities.upkeep.end_earlier()
    await identities.seats.spares.fill(sum(min(wanted[role], AT_ONCE_PER_ROLE) for role in roles))
    return identities


def per_role(settings: Settings) -> dict[Role, int]:
    """How many agents each role has."""
    numbers = settings.agents.roles
    return {role: numbers.get(role.value, settings.agents.per_role) for role in Role}


def keep_identities(identities: Identities, swarm: Swarm, services: Services) -> None:
    """Look after them for as long as the node runs; who is revoked is out of the swarm in the same step."""

    def revoked(_: Revocation) -> None:
        swarm.expel_barred()

    identities.on_revoked(revoked)
    services.start("identities", identities.upkeep.run)
    services.start("identity-seats", identities.upkeep.follow)
    services.start("identity-reissue", identities.reissue.run)
