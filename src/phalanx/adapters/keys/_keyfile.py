"""Secrets in files of their own: made once, readable by the node's user alone."""

import os
from collections.abc import Callable
from pathlib import Path

from phalanx.adapters.storage._folders import make_folder, sync_folder
from phalanx.core import NotFound, StorageError

_MODE = 0o600


def load_or_create(path: Path, create: Callable[[], bytes]) -> bytes:
    """The bytes in ``path``; when there is no such file, ``create()`` is written to it first.

    The file appears whole or not at all, also across a crash. A file that others may read is
    refused, as ssh does: a key that leaked is not made safe by going on.
    """
    try:
        return read_private(path)
    except FileNotFoundError:
        pass
    make_folder(path.parent)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
    with os.fdopen(handle, "wb") as file:
        file.write(create())
        file.flush()
        os.fsync(handle)
    try:
        # link, not rename: of two processes that start at once, the first one's key stands.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    sync_folder(path.parent)
    return read_private(path)


def replace_private(path: Path, data: bytes) -> None:
    """Put ``data`` in the place of a secret's file, or make one: the old or the new, always whole."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def read_private(path: Path) -> bytes:
    """The bytes of a secret; raises ``StorageError`` when others may read it too, ``FileNotFoundError``."""
    handle = os.open(path, os.O_RDONLY)
    try:
        status = os.fstat(handle)
        if status.st_mode & 0o077:
            raise StorageError(
                f"{path}: others may read this key",
                hint=f"chmod 600 {path}; if somebody may have read it already, replace the key",
            )
        return os.read(handle, status.st_size)
    finally:
        os.close(handle)


def load(path: Path) -> bytes:
    """The same, for what must be there; raises ``NotFound``."""
    try:
        return read_private(path)
    except FileNotFoundError:
        raise NotFound("key file", str(path), hint="restore it from where it was backed up") from None
