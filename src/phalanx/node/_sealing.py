"""Puts the ledger under signatures: a checkpoint every minute, an anchor every day."""

from phalanx.core import Clock, Conflict, StorageError
from phalanx.crypto import SigningKey
from phalanx.ledger import Anchors, Ledger
from phalanx.node._limits import ANCHOR_CHECK_S, SEAL_EVERY_S
from phalanx.node._ports import Ports
from phalanx.telemetry import Telemetry


async def seal_often(ledger: Ledger, telemetry: Telemetry, clock: Clock) -> None:
    """Put what was recorded under a signed checkpoint, for as long as the node runs."""
    while True:
        await clock.sleep(SEAL_EVERY_S)
        await seal(ledger, telemetry)


async def seal(ledger: Ledger, telemetry: Telemetry) -> None:
    try:
        if ledger.size:
            await ledger.checkpoint()
    except StorageError as error:
        telemetry.log.warning("the ledger's checkpoint waits for storage", reason=error.message)


async def anchor_daily(ledger: Ledger, anchors: Anchors, ports: Ports, telemetry: Telemetry) -> None:
    """Anchor the newest checkpoint once a day, for as long as the node runs."""
    key: SigningKey | None = None
    while True:
        await ports.clock.sleep(ANCHOR_CHECK_S)
        try:
            day = await anchors.due()
            if day is None or not ledger.size:
                continue
            if key is None:
                key = await ports.offload.run(ports.anchor_key)
            await anchors.announce(key.public, ledger)
            made = await anchors.sign(key, await ledger.checkpoint(), day)
        except (StorageError, Conflict) as error:
            telemetry.log.warning("the ledger's anchor waits", reason=error.message)
        else:
            telemetry.log.info("ledger anchored", day=day, size=made.size, root=made.root)
