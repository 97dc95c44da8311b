"""Opens the node's vault, and connects it with the rooms above it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from phalanx.adapters.keys import Ask, secret_source
from phalanx.agents import COPIES, MISSIONS, ORDERS, REPORTS, WEIGHINGS
from phalanx.allocation import EXPERIENCE
from phalanx.allocation.money import ACCOUNTS, BUDGETS, CHARGES
from phalanx.core import NO_TRACE, AuditEntry, AuditSink, EntropySource, InvalidInput, Offload, Store, TenantId
from phalanx.crypto.artefacts import ARTEFACTS
from phalanx.crypto.vault import (
    WRAPPERS_GROUP,
    KeyWrapper,
    Opener,
    SealedFiles,
    SealedStore,
    Vault,
    WrapperContext,
    looks_sealed,
)
from phalanx.crypto.vault import Sealer as VaultSealer
from phalanx.deception import CANARIES, CAPTURES
from phalanx.devices import FAILURES, JOB_KEYS, JOBS
from phalanx.incidents import CORRELATIONS, DECISIONS, INCIDENT_NOTES, INCIDENTS, PROPOSALS, REHEARSALS, SCORES, WORDS
from phalanx.intel import (
    BATCHES,
    DETECTOR_STATES,
    FINDINGS,
    HUNTS,
    HYPOTHESES,
    IDEMPOTENCY,
    OPINIONS,
    QUARANTINE,
    REPLAYS,
    SUPPRESSIONS,
    THRESHOLD_MOVES,
    THRESHOLD_PINS,
    THRESHOLDS,
)
from phalanx.intel.archive import SEGMENTS
from phalanx.intel.delivery import OUTBOX, SINK_LETTERS, SINK_STATES, SOURCE_STATES
from phalanx.intel.foresight import FORESIGHTS
from phalanx.intel.indicators import MANIFESTS, NOTES, VALUES
from phalanx.intel.models import MODEL_BODIES, MODELS
from phalanx.intel.places import PLACE_PARTS, PLACE_TABLES
from phalanx.intel.sharing import COLLECTIONS, EXPORTS, OBJECTS, STATUSES
from phalanx.ledger import Sealer
from phalanx.messaging import DEAD_LETTERS
from phalanx.node._plugins import registered
from phalanx.node._ports import Ports
from phalanx.node.canaries._tripwires import TRIPWIRES
from phalanx.node.cluster._invitations import INVITATIONS
from phalanx.node.managers._desk import PLACED
from phalanx.node.managers._managed import ASKED
from phalanx.node.quantum._batching import BATCHED
from phalanx.node.settings._settings import Settings
from phalanx.node.workers._workers import WORKER_SECRETS
from phalanx.posture import INVENTORIES
from phalanx.telemetry import WAYPOINTS, Telemetry
from phalanx.workflows import ASSESSMENTS, RUN_STATES, RUNS, STEP_ATTEMPTS, STEP_RESULTS, STEP_UNDOS, WORKFLOW_FILES

# Every table that declares ``sealed``; a test holds this list to that.
SEALED_TABLES = (
    ACCOUNTS, ARTEFACTS, ASKED, ASSESSMENTS, BATCHED, BATCHES, BUDGETS, CANARIES, CAPTURES, CHARGES, COLLECTIONS,
    COPIES, CORRELATIONS, DEAD_LETTERS, DECISIONS, DETECTOR_STATES, EXPERIENCE, EXPORTS, FAILURES, FINDINGS,
    FORESIGHTS, HUNTS, HYPOTHESES, IDEMPOTENCY, INCIDENTS, INCIDENT_NOTES, INVENTORIES, INVITATIONS, JOBS, JOB_KEYS,
    MANIFESTS, MISSIONS, MODELS, MODEL_BODIES, NOTES, OBJECTS, OPINIONS, ORDERS, OUTBOX, PLACED, PLACE_PARTS,
    PLACE_TABLES, PROPOSALS, QUARANTINE, REHEARSALS, REPLAYS, REPORTS, RUNS, RUN_STATES, SCORES, SEGMENTS, SINK_LETTERS,
    SINK_STATES, SOURCE_STATES, STATUSES, STEP_ATTEMPTS, STEP_RESULTS, STEP_UNDOS, SUPPRESSIONS, THRESHOLDS,
    THRESHOLD_MOVES, THRESHOLD_PINS, TRIPWIRES, VALUES, WAYPOINTS, WEIGHINGS, WORDS, WORKER_SECRETS, WORKFLOW_FILES,
)  # fmt: skip


def make_wrapper(
    name: str, options: Mapping[str, str], *, folder: Path, entropy: EntropySource, offload: Offload, ask: Ask
) -> KeyWrapper:
    """The key wrapper that the plug-in ``name`` makes. Without it the node cannot start: its error is not caught."""
    known = {entry.name: entry for entry in registered(WRAPPERS_GROUP)}
    if name not in known:
        raise InvalidInput("at_rest.wrapper", f"there is no key wrapper {name!r}; there are {', '.join(known)}")
    context = WrapperContext(
        options=options,
        data_dir=folder,
        entropy=entropy,
        offload=offload,
        secret=secret_source(options, folder, ask),
    )
    wrapper: KeyWrapper = known[name].load()(context)
    return wrapper


async def open_vault(
    settings: Settings, ports: Ports, store: Store, telemetry: Telemetry, wrapper: KeyWrapper, *, existing: bool
) -> Vault:
    """The vault in ``store``, its root opened by ``wrapper``."""
    return await Vault.open(
        store,
        wrapper,
        clock=ports.clock,
        ids=ports.ids,
        entropy=ports.entropy,
        telemetry=telemetry,
        policy=settings.crypto.policy,
        seal_with=settings.crypto.seal_with,
        existing=existing,
    )


@contextlib.asynccontextmanager
async def opened_vault(
    settings: Settings, ports: Ports, store: Store, telemetry: Telemetry, *, existing: bool = False
) -> AsyncIterator[tuple[Vault, SealedStore]]:
    """The vault in ``store``, and the store sealed by it, for the length of the block.

    ``existing`` makes none: ``NotFound`` when there is none.
    """
    wrapper = ports.key_wrapper()
    try:
        vault = await open_vault(settings, ports, store, telemetry, wrapper, existing=existing)
        yield vault, await SealedStore.open(store, vault, tables=SEALED_TABLES, seals=settings.at_rest.seal)
    finally:
        await wrapper.close()


class AllFiles:
    """Files of several owners, for the job that seals them anew."""

    def __init__(self, owners: Sequence[SealedFiles]) -> None:
        self._owners = owners

    async def count(self) -> int:
        return sum([await one.count() for one in self._owners])

    async def reseal(self) -> AsyncGenerator[bool, None]:
        for one in self._owners:
            async with contextlib.aclosing(one.reseal()) as files:
                async for changed in files:
                    yield changed


class Erasable(Protocol):
    """Files beside the store."""

    async def erase_shredded(self) -> int:
        """Erase those of tenants that were shredded; how many there were."""
        ...


async def keep_vault(vault: Vault, store: SealedStore, files: Sequence[Erasable], ledger: AuditSink) -> None:
    """Tend the vault, tell the ledger of its changes and erase what is shredded, for as long as the node runs."""
    async with asyncio.TaskGroup() as group:
        group.create_task(vault.tend())
        group.create_task(_follow(vault, store, files, ledger))


async def _follow(vault: Vault, store: SealedStore, files: Sequence[Erasable], ledger: AuditSink) -> None:
    changed = asyncio.Event()
    vault.outbox.on_event = changed.set
    while True:
        changed.clear()
        while events := await vault.outbox.pending():
            for event in events:
                entry = AuditEntry(
                    id=event.id,
                    tenant=event.tenant,
                    trace=NO_TRACE,
                    at_ns=event.at_ns,
                    actor=event.actor,
                    action=event.action,
                    subject=event.subject,
                    case="",
                    body=event.body,
                )
                await ledger.record(entry)
                await vault.outbox.confirm(event)
        await store.erase_shredded()
        for one in files:
            await one.erase_shredded()
        await changed.wait()


class TenantSealers:
    """The vault for the ledger: seals new payloads if the node is set to, and opens old ones either way."""

    def __init__(self, vault: Vault, *, seals: bool) -> None:
        self._vault = vault
        self._seals = seals

    async def sealer(self, tenant: TenantId, purpose: str) -> Sealer:
        """Raises ``Shredded``."""
        if self._seals:
            return _Lenient(await self._vault.sealer(tenant, purpose))
        return _Plain(await self._vault.opener(tenant, purpose))


class _Plain:
    """Leaves what comes as it is; opens what was sealed before."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener

    def seal(self, plaintext: bytes, aad: bytes = b"") -> bytes:  # noqa: ARG002 - a sealer's signature
        return plaintext

    def open(self, sealed: bytes, aad: bytes = b"") -> bytes:
        return self._opener.open(sealed, aad) if looks_sealed(sealed) else sealed


class _Lenient(_Plain):
    """Seals what comes; what was written before there was a vault is taken as it is."""

    def __init__(self, sealer: VaultSealer) -> None:
        super().__init__(sealer)
        self.seal = sealer.seal  # type: ignore[method-assign]
