"""Checks the ledger of a node that is not running, from its stored bytes alone."""

from phalanx.core import NotFound
from phalanx.ledger import Ledger, VerifyReport
from phalanx.node._open import open_ports
from phalanx.node._settings import Settings
from phalanx.telemetry import Telemetry


async def audit_ledger(settings: Settings) -> VerifyReport:
    """Recompute every entry and check every signed checkpoint; raises ``LedgerTampered``."""
    if not settings.node.data_dir.is_dir():
        raise NotFound("data folder", str(settings.node.data_dir), hint="name it with --data-dir")
    async with open_ports(settings) as ports:
        journal = await ports.journals.open("ledger")
        try:
            telemetry = Telemetry(ports.clock)
            ledger = await Ledger.open(journal, ports.store, ports.signer, clock=ports.clock, telemetry=telemetry)
            return await ledger.verify()
        finally:
            await journal.close()
