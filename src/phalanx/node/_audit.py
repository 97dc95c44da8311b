"""Checks the ledger of a node that is not running, from its stored bytes alone."""

from phalanx.core import StorageCorrupt
from phalanx.ledger import Ledger, LedgerTampered, Unsealed, VerifyReport
from phalanx.node._open import open_ports
from phalanx.node._settings import Settings
from phalanx.telemetry import Telemetry


async def audit_ledger(settings: Settings) -> VerifyReport:
    """Recompute every entry and check every signed checkpoint.

    Raises ``LedgerTampered``, and ``NotFound`` when there has been no node.
    """
    async with open_ports(settings, existing=True) as ports:
        try:
            journal = await ports.journals.open("ledger")
        except StorageCorrupt as damaged:
            raise LedgerTampered("byte", damaged.position, damaged.message) from damaged
        try:
            telemetry = Telemetry(ports.clock)
            ledger = await Ledger.open(
                journal, ports.store, ports.signer,
                clock=ports.clock, telemetry=telemetry, entropy=ports.entropy, sealers=Unsealed(),
            )  # fmt: skip
            return await ledger.verify()
        finally:
            await journal.close()
