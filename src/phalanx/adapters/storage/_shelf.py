"""Tables as mapped files of one folder.

A file is written under another name and renamed once its bytes are durable, so what is there is whole. Its pages come
from the disk as they are looked at, and are the system's to drop: a table longer than memory works, and a start costs
nothing.
"""

import contextlib
import errno
import hashlib
import mmap
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from phalanx.adapters.storage._folders import make_folder, sync_folder
from phalanx.core import InvalidInput, NotFound, StorageError, StorageFull

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNFINISHED = ".new"


class FolderShelf:
    """Keeps files in ``folder``, which it makes on first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, pieces: Iterable[bytes]) -> str:
        path = self._path(name)
        new = path.with_suffix(_UNFINISHED)
        seen = hashlib.sha256()
        try:
            make_folder(self._folder)
            try:
                with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
                    for piece in pieces:
                        seen.update(piece)
                        file.write(piece)
                    file.flush()
                    os.fsync(file.fileno())
                new.rename(path)
                sync_folder(self._folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    new.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise self._typed(error) from error
        return seen.hexdigest()

    def view(self, name: str) -> memoryview:
        try:
            with self._path(name).open("rb") as file:
                # The map keeps the file open by itself; an empty file cannot be mapped.
                size = os.fstat(file.fileno()).st_size
                return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b"")
        except FileNotFoundError as error:
            raise NotFound("table of indicators", name) from error
        except OSError as error:
            raise self._typed(error) from error

    def names(self) -> Sequence[str]:
        try:
            if not self._folder.is_dir():
                return []
            found = {file.name.removesuffix(_UNFINISHED) for file in self._folder.iterdir()}
            return sorted(name for name in found if _NAME.fullmatch(name))
        except OSError as error:
            raise self._typed(error) from error

    def remove(self, name: str) -> None:
        try:
            self._path(name).unlink(missing_ok=True)
            self._path(name).with_suffix(_UNFINISHED).unlink(missing_ok=True)
        except OSError as error:
            raise self._typed(error) from error

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InvalidInput("table", f"{name!r} is no name: 1 to 128 of a-z, 0-9, _ and -")
        return self._folder / name

    def _typed(self, error: OSError) -> StorageError:
        if error.errno in _FULL:
            return StorageFull(str(self._folder))
        return StorageError(f"{self._folder}: {error.strerror or error}", hint="look at the disk and who may write")
