"""What this package raises."""

from phalanx.core import MIB, PhalanxError


class BackupRefused(PhalanxError):
    """A backup is not what was taken: a file is missing, changed or too much, or its list is not signed as it must be.

    Attributes: ``folder``, ``reason``.
    """

    code = "backup-refused"
    folder: str
    reason: str

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(
            f"{folder} is no backup to restore from: {reason}", hint="nothing was written; use another backup",
            folder=folder, reason=reason,
        )  # fmt: skip


class NoRoom(PhalanxError):
    """A copy would not fit, or leave too little free. Attributes: ``where``, ``needed_bytes``, ``free_bytes``."""

    code = "no-room"
    where: str
    needed_bytes: int
    free_bytes: int

    def __init__(self, where: str, *, needed_bytes: int, spare_bytes: int, free_bytes: int) -> None:
        super().__init__(
            f"{where} has {free_bytes / MIB:,.0f} MiB free: the copy takes {needed_bytes / MIB:,.0f} MiB, "
            f"and {spare_bytes / MIB:,.0f} MiB must stay free",
            hint="free space there, or name a folder on another disk",
            where=where, needed_bytes=needed_bytes, free_bytes=free_bytes,
        )  # fmt: skip
