"""Puts the ledger under signatures: a checkpoint every minute, an anchor every day."""

from phalanx.core import Clock, Conflict, InvalidInput, StorageError
from phalanx.crypto import ED25519, ML_DSA_44, SigningKey
from phalanx.ledger import Anchors, Ledger
from phalanx.node._limits import ANCHOR_CHECK_S, SEAL_EVERY_S
from phalanx.node._ports import Ports
from phalanx.node.settings._settings import Settings
from phalanx.telemetry import Telemetry


def require_allowed(settings: Settings) -> None:
    """That the policy allows what the ledger is signed with from now on; raises ``InvalidInput`` with the remedy.

    Each line of a checkpoint is a signature of its own, which others may take alone: none of them may be forbidden,
    other than in a hybrid, which stands on the other half.
    """
    for name in (ED25519, ML_DSA_44):
        if settings.crypto.policy.verdict(name):
            raise InvalidInput(
                "crypto.forbidden",
                f"it names {name}, which signs the ledger's checkpoints",
                hint=f"take {name} out: the format of checkpoints (C2SP tlog-cosignature) has Ed25519 and ML-DSA-44"
                " and no other; what signs identities is set with identity.algorithm",
            )
    if settings.crypto.policy.verdict(settings.ledger.anchor_with):
        raise InvalidInput(
            "crypto.forbidden",
            f"it names {settings.ledger.anchor_with}, which signs the ledger's daily anchors",
            hint="set ledger.anchor_with to another one: its key is made and announced by itself, older anchors hold",
        )


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
