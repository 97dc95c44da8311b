"""Puts a backup back: beside the place where it is to be, and there only once it is whole and durable."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from phalanx.adapters.backups._copying import (
    copy_open,
    is_full,
    require_room,
    sync_tree,
    write_whole,
)
from phalanx.adapters.backups._errors import BackupRefused
from phalanx.adapters.backups._manifest import DATA, Signed
from phalanx.adapters.backups._taking import discard
from phalanx.adapters.storage import lock_folder
from phalanx.adapters.storage._folders import make_folder, sync_folder
from phalanx.core import InvalidInput, StorageError

RESTORING = ".restoring"
# The folder's note to the node that starts there next.
MARK = "restored.json"


def put_back(
    folder: Path, signed: Signed, to: Path, mark: bytes, progress: Callable[[str, int, int], None], *,
    aside: Path | None = None,
) -> None:  # fmt: skip
    """Make ``to`` the data folder that was backed up, with ``mark`` in it. What is there is moved to ``aside``.

    The backup was checked before; a file that is another one now is noticed. Raises ``InvalidInput`` when something is
    there and may not be moved, ``Unavailable`` when a node runs there, ``NoRoom`` and ``BackupRefused``.
    """
    files = [one for one in signed.manifest.files if one.path.startswith(f"{DATA}/")]
    total = sum(one.size for one in files)
    new = to.with_name(to.name + RESTORING)
    with contextlib.ExitStack() as stack:
        try:
            if occupied(to):
                if aside is None:
                    raise InvalidInput(
                        str(to), "is there already, and not empty",
                        hint="name another --data-dir, or have it moved aside with --replace",
                    )  # fmt: skip
                stack.enter_context(lock_folder(to))
            require_room(to.parent, total)
            if new.exists():
                discard(new)
            make_folder(new)
            done = 0
            for one in files:
                path = new / one.path.removeprefix(f"{DATA}/")
                if _copied(folder / one.path, one.size, path) != one.sha256:
                    raise BackupRefused(str(folder), f"{one.path} was changed while it was put back")
                done += one.size
                progress("restoring", done, total)
            write_whole(new / MARK, mark)
            sync_tree(new)
            if aside is not None and to.exists():
                to.rename(aside)
            new.rename(to)
            sync_folder(to.parent)
        except OSError as error:
            if is_full(error):
                raise StorageError(f"no space left for {new}", hint="free space; nothing was put in place") from error
            where = error.filename or to
            raise InvalidInput(str(where), error.strerror or str(error), hint="look who may use it") from error


def occupied(folder: Path) -> bool:
    """Whether something is there that a restore would take the place of."""
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def _copied(source: Path, size: int, to: Path) -> str:
    handle = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = os.fstat(handle)
        if status.st_size != size:
            return ""
        return copy_open(handle, size, to, lambda _: None, changed_ns=status.st_mtime_ns)
    finally:
        os.close(handle)
