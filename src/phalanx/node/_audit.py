"""Checks the ledger of a node that is not running, from its stored bytes alone."""

import contextlib
from collections.abc import AsyncIterator

from phalanx.adapters import Ask, nobody_to_ask
from phalanx.core import NotFound, StorageCorrupt, Store
from phalanx.ledger import Ledger, LedgerTampered, Sealers, Unsealed, VerifyReport
from phalanx.node._open import open_ports
from phalanx.node._ports import Ports
from phalanx.node._settings import Settings
from phalanx.node._vault import TenantSealers, opened_vault
from phalanx.telemetry import Telemetry


async def audit_ledger(settings: Settings, *, ask: Ask = nobody_to_ask) -> VerifyReport:
    """Recompute every entry and check every signed checkpoint.

    Raises ``LedgerTampered``, ``NotFound`` when there has been no node, and ``WrongKey`` when the
    vault that its payloads are sealed under does not open.
    """
    async with open_ports(settings, existing=True, ask=ask) as ports:
        telemetry = Telemetry(ports.clock)
        async with _sealed(settings, ports, telemetry) as (store, sealers):
            try:
                journal = await ports.journals.open("ledger")
            except StorageCorrupt as damaged:
                raise LedgerTampered("byte", damaged.position, damaged.message) from damaged
            try:
                ledger = await Ledger.open(
                    journal, store, ports.signer,
                    clock=ports.clock, telemetry=telemetry, entropy=ports.entropy, offload=ports.offload,
                    sealers=sealers,
                )  # fmt: skip
                return await ledger.verify()
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
