"""Opens a stopped node as the registrar of escrows: its documents and its ledger, nothing else."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from phalanx.adapters.keys import Ask, nobody_to_ask
from phalanx.core import Clock, EntropySource, IdSource, NotFound, Store, Unavailable
from phalanx.crypto import CryptoError, PublicKey
from phalanx.crypto.sharing import Escrows
from phalanx.ledger import Ledger, Sealers, Unsealed
from phalanx.node._open import open_ports
from phalanx.node._ports import Ports
from phalanx.node.custody._vault import TenantSealers, opened_vault
from phalanx.node.settings._settings import Settings
from phalanx.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class EscrowDesk:
    """A registrar at work, with what making and opening escrows needs beside it."""

    escrows: Escrows
    registrar: PublicKey
    clock: Clock
    ids: IdSource
    entropy: EntropySource


@contextlib.asynccontextmanager
async def open_escrows(settings: Settings, *, ask: Ask = nobody_to_ask) -> AsyncIterator[EscrowDesk]:
    """The registrar in a node's data folder; what it records is under a signed checkpoint at the end.

    Raises ``NotFound`` when there has been no node, and ``Unavailable`` while one is running.
    """
    async with contextlib.AsyncExitStack() as stack:
        ports = await stack.enter_async_context(open_ports(settings, existing=True, ask=ask))
        telemetry = Telemetry(ports.clock)
        store, sealers = await _sealed(stack, settings, ports, telemetry)
        journal = await ports.journals.open("ledger")
        stack.push_async_callback(journal.close)
        ledger = await Ledger.open(
            journal, store, ports.signer,
            clock=ports.clock, telemetry=telemetry, entropy=ports.entropy, offload=ports.offload,
            sealers=sealers,
        )  # fmt: skip
        stack.push_async_callback(ledger.close)
        before = ledger.size
        yield EscrowDesk(
            Escrows(ports.store, ledger, ports.clock, ports.signer, policy=settings.crypto.policy),
            ports.signer.public, ports.clock, ports.ids, ports.entropy,
        )  # fmt: skip
        if ledger.size > before:
            await ledger.checkpoint()


async def _sealed(
    stack: contextlib.AsyncExitStack, settings: Settings, ports: Ports, telemetry: Telemetry
) -> tuple[Store, Sealers]:
    """Through the vault, where it opens. An escrow is often opened because it does not; then the entries are plain."""
    try:
        vault, store = await stack.enter_async_context(
            opened_vault(settings, ports, ports.store, telemetry, existing=True)
        )
    except (CryptoError, NotFound, Unavailable):
        return ports.store, Unsealed()
    return store, TenantSealers(vault, seals=settings.at_rest.seal)
