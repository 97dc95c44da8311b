"""Puts a backup back, with a note for the node that starts there next."""

from dataclasses import dataclass
from pathlib import Path

from phalanx.adapters import SystemClock
from phalanx.adapters.backups import Progress, Signed, check_backup, occupied, put_back, read_backup
from phalanx.core import InvalidInput, iso_from_ns
from phalanx.node.backups._mark import mark_of
from phalanx.node.backups._taking import new_id


@dataclass(frozen=True, slots=True)
class Restored:
    """A data folder as it was: ``aside`` is where what was there before lies now."""

    folder: Path
    signed: Signed
    aside: Path | None


def verify_backup(folder: Path, progress: Progress, *, fingerprint: str = "", digest: str = "") -> Signed:
    """Read every byte of a backup; raises ``BackupRefused`` for the first thing that is not as it was taken."""
    signed = read_backup(folder, fingerprint=fingerprint, digest=digest)
    check_backup(folder, signed, progress)
    return signed


def restore(
    folder: Path, to: Path, progress: Progress, *, fingerprint: str = "", digest: str = "", replace: bool = False,
    accepts: bool = False,
) -> Restored:  # fmt: skip
    """Make ``to`` the data folder that ``folder`` is a backup of, once all of it is verified.

    What is there is moved aside with ``replace``, and refused without. ``accepts``: the node is to start although its
    ledger had gone further. Raises as ``verify_backup`` and ``put_back`` do.
    """
    if occupied(to) and not replace:
        raise InvalidInput(
            str(to), "is there already, and not empty",
            hint="name another --data-dir, or have it moved aside with --replace",
        )  # fmt: skip
    signed = verify_backup(folder, progress, fingerprint=fingerprint, digest=digest)
    now_ns = SystemClock().wall_ns()
    aside = None
    if occupied(to):
        aside = to.with_name(f"{to.name}.before-{iso_from_ns(now_ns)[:19].replace(':', '')}")
    mark = mark_of(signed, id=new_id(), now_ns=now_ns, accepts=accepts)
    put_back(folder, signed, to, mark.to_bytes(), progress, aside=aside)
    return Restored(to, signed, aside)
