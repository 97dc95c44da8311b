"""The note that a restore leaves in a data folder for the node that starts there next."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from phalanx.adapters import machine_name
from phalanx.adapters.backups import MARK, Signed
from phalanx.adapters.keys import read_private, replace_private
from phalanx.adapters.storage import Files, lock_folder
from phalanx.core import NotFound, StorageCorrupt, Unavailable


class RestoreMark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was restored: ``id`` is that of this restore, ``backup`` and ``digest`` are of what was restored.

    ``accepts`` says that somebody knows that the ledger had gone further, and wants the node to start all the same.
    """

    version: int = 1
    id: str
    backup: str
    digest: str
    taken_at_ns: int
    restored_at_ns: int
    ledger_size: int
    machine: str
    data_dir: str
    accepts: bool = False

    def to_bytes(self) -> bytes:
        return msgspec.json.format(msgspec.json.encode(self), indent=1)


@dataclass(frozen=True, slots=True)
class RestoredFolder:
    """A data folder whose node has not started since it was restored."""

    mark: RestoreMark
    files: Files

    async def settled(self) -> None:
        """The node knows: it is an ordinary folder from now on."""
        await self.files.remove(MARK)
        await self.files.sync_folder("")


def mark_of(signed: Signed, *, id: str, now_ns: int, accepts: bool) -> RestoreMark:  # noqa: A002
    manifest = signed.manifest
    return RestoreMark(
        id=id, backup=manifest.id, digest=signed.digest, taken_at_ns=manifest.taken_at_ns, restored_at_ns=now_ns,
        ledger_size=manifest.ledger_size, machine=manifest.machine, data_dir=manifest.data_dir, accepts=accepts,
    )  # fmt: skip


def read_mark(folder: Path) -> RestoreMark | None:
    """The note in a data folder, if its node has not started since; raises ``StorageCorrupt``."""
    try:
        return msgspec.json.decode(read_private(folder / MARK), type=RestoreMark)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise StorageCorrupt(str(folder / MARK), 0, f"{error}; restore the backup again") from error


def require_one_life(mark: RestoreMark, folder: Path) -> None:
    """That the node of which this is a copy does not run on this machine; raises ``Unavailable``.

    On another machine nobody can see that from here: its witnesses do, and its cluster.
    """
    first = Path(mark.data_dir)
    if mark.machine != machine_name() or first.resolve() == folder.resolve() or not first.is_dir():
        return
    try:
        with lock_folder(first):
            return
    except PermissionError:
        return
    except Unavailable as error:
        raise Unavailable(
            str(folder), f"it is a copy of the node in {first}, and {error.reason}",
            hint="one node has one life: stop the other for good, or look at the copy without starting it",
        ) from error  # fmt: skip


def accept_loss(folder: Path) -> RestoreMark:
    """Have the node of a restored folder start although its ledger had gone further. Raises ``NotFound``."""
    mark = read_mark(folder)
    if mark is None:
        raise NotFound("restored folder that has not started yet", str(folder), hint="name it with --data-dir")
    accepting = msgspec.structs.replace(mark, accepts=True)
    replace_private(folder / MARK, accepting.to_bytes())
    return accepting
