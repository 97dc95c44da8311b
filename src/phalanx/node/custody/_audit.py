"""Checks the ledger of a node that is not running, from its stored bytes alone."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import asdict, dataclass

from phalanx.adapters.keys import Ask, nobody_to_ask
from phalanx.core import Journal, NotFound, StorageCorrupt, Store
from phalanx.ledger import (
    INDEXES,
    Ledger,
    LedgerTampered,
    Sealers,
    Unsealed,
    VerifyReport,
    audit,
    bundles_of,
    reindex,
    tiles_of,
)
from phalanx.ledger.witness import audit_vouched
from phalanx.node._open import open_ports
from phalanx.node._ports import Ports
from phalanx.node.custody._sealing import require_allowed
from phalanx.node.custody._vault import TenantSealers, opened_vault
from phalanx.node.settings._settings import Settings
from phalanx.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class LedgerAudit(VerifyReport):
    """What was checked, with what others signed: ``unchecked`` timestamps need the extra ``timestamps``."""

    cosignatures: int = 0
    timestamps: int = 0
    unchecked: int = 0


async def audit_ledger(settings: Settings, *, ask: Ask = nobody_to_ask) -> LedgerAudit:
    """Recompute every entry and check every signed checkpoint, anchor, cosignature and timestamp.

    Raises ``LedgerTampered``, ``NotFound`` when there has been no node, and ``WrongKey`` when the
    vault that its payloads are sealed under does not open.
    """
    async with _stored(settings, ask) as (ports, journal, _, sealers):
        report = await audit(journal, ports.store, ports.signer.public, sealers=sealers)
        return LedgerAudit(**asdict(report), **asdict(await audit_vouched(ports.store)))


@dataclass(frozen=True, slots=True)
class Reindexed:
    """The indexes were made anew from ``size`` entries because of ``problem``; there was none when that is empty."""

    size: int
    problem: str


async def reindex_ledger(settings: Settings, *, ask: Ask = nobody_to_ask) -> Reindexed:
    """Make the indexes of a stopped node's ledger anew where they do not follow from the log.

    Raises ``LedgerTampered`` for a log that does not hold itself, and otherwise as ``audit_ledger`` does.
    """
    async with _stored(settings, ask) as (ports, journal, _, sealers):
        try:
            report = await audit(journal, ports.store, ports.signer.public, sealers=sealers)
        except LedgerTampered as tampered:
            if tampered.what not in INDEXES:
                raise
            require_allowed(settings)
            report = await reindex(journal, ports.store, ports.signer, sealers=sealers, clock=ports.clock)
            return Reindexed(report.size, tampered.message)
        return Reindexed(report.size, "")


async def read_tiles(settings: Settings, *, ask: Ask = nobody_to_ask) -> AsyncGenerator[tuple[str, bytes], None]:
    """The ledger of a stopped node as the files of a static log (tlog-tiles): paths and contents.

    The checkpoint comes last, so that whoever publishes the files in order never shows one
    whose tiles are not there. Raises as ``audit_ledger`` does.
    """
    require_allowed(settings)
    async with _stored(settings, ask) as (ports, journal, store, sealers):
        ledger = await Ledger.open(
            journal, store, ports.signer, clock=ports.clock, telemetry=Telemetry(ports.clock),
            entropy=ports.entropy, offload=ports.offload, sealers=sealers,
        )  # fmt: skip
        checkpoint = await ledger.checkpoint()
        for name in (*bundles_of(checkpoint.size), *tiles_of(checkpoint.size)):
            yield name.path, await ledger.tile(name)
        yield "checkpoint", checkpoint.note.encode()


@contextlib.asynccontextmanager
async def _stored(settings: Settings, ask: Ask) -> AsyncIterator[tuple[Ports, Journal, Store, Sealers]]:
    """What a stopped node stored its ledger in."""
    async with (
        open_ports(settings, existing=True, ask=ask) as ports,
        _sealed(settings, ports, Telemetry(ports.clock)) as (store, sealers),
    ):
        try:
            journal = await ports.journals.open("ledger")
        except StorageCorrupt as damaged:
            raise LedgerTampered("byte", damaged.position, damaged.message) from damaged
        try:
            yield ports, journal, store, sealers
        finally:
            await journal.close()


@contextlib.asynccontextmanager
async def _sealed(settings: Settings, ports: Ports, telemetry: Telemetry) -> AsyncIterator[tuple[Store, Sealers]]:
    """The store and the payloads through the vault; a node from before there was a vault sealed nothing."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            vault, store = await stack.enter_async_context(
                opened_vault(settings, ports, ports.store, telemetry, existing=True)
            )
        except NotFound:
            yield ports.store, Unsealed()
        else:
            yield store, TenantSealers(vault, seals=False)
