"""What this room raises."""

from phalanx.core import PhalanxError


class LedgerError(PhalanxError):
    """Root of this room's errors."""

    code = "ledger"


# What follows from the log and proves nothing: nothing is lost with it.
INDEXES = frozenset({"id index", "case index"})
_REBUILD = (
    "keep the files as evidence; then, with the node stopped, `phalanx ledger reindex` makes it anew from the log"
)
_RESTORE = "trust nothing from there on; keep the files as evidence and restore the ledger from a backup"


class LedgerTampered(LedgerError):
    """What is stored is not what was recorded or signed. Attributes: ``what``, ``position``, ``reason``."""

    code = "ledger-tampered"
    what: str
    position: int
    reason: str

    def __init__(self, what: str, position: int, reason: str) -> None:
        super().__init__(
            f"the ledger was changed at {what} {position}: {reason}",
            hint=_REBUILD if what in INDEXES else _RESTORE,
            what=what,
            position=position,
            reason=reason,
        )


class InvalidProof(LedgerError):
    """A Merkle proof does not lead to the root it was given for. Attribute: ``reason``."""

    code = "invalid-proof"
    reason: str

    def __init__(self, reason: str) -> None:
        super().__init__(f"the proof does not hold: {reason}", reason=reason)


class InvalidCheckpoint(LedgerError):
    """A signed note is not a checkpoint of this log and key. Attribute: ``reason``."""

    code = "invalid-checkpoint"
    reason: str

    def __init__(self, reason: str) -> None:
        super().__init__(f"not a valid checkpoint: {reason}", reason=reason)
