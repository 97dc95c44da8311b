"""Blobs as files of one folder.

A name is never used twice, so a file that a crash left half written is nobody's: its writer
notes a blob only once ``write`` has returned, and removes what it has no note of.
"""

import asyncio
import contextlib
import errno
import re
from collections.abc import AsyncIterable

from phalanx.adapters._limits import MAX_BLOB_BYTES
from phalanx.adapters.storage._files import Files
from phalanx.core import InvalidInput, LimitExceeded, NotFound, StorageError, StorageFull

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class FolderBlobs:
    """Keeps blobs in ``folder`` of ``files``, which it makes, and locks, on first use."""

    def __init__(self, files: Files, folder: str) -> None:
        self._files = files
        self._folder = folder
        self._is_made = False
        # The folder is locked as it is made: of two first uses at once, one would find the other in its way.
        self._making = asyncio.Lock()

    async def write(self, name: str, pieces: AsyncIterable[bytes]) -> int:
        path, size = self._path(name), 0
        try:
            await self._make()
            await self._require_new(path, name)
            try:
                async for piece in pieces:
                    size += len(piece)
                    if size > MAX_BLOB_BYTES:
                        raise LimitExceeded("bytes of a blob", maximum=MAX_BLOB_BYTES, seen=size)
                    await self._files.append(path, piece)
                await self._files.append_sync(path, b"")
                await self._files.sync_folder(self._folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    await self._files.remove(path)
                raise
        except OSError as error:
            raise self._typed(error) from error
        return size

    async def read(self, name: str, offset: int, n: int) -> bytes:
        try:
            return await self._files.read(self._path(name), offset, n)
        except FileNotFoundError as error:
            raise NotFound("blob", name) from error
        except OSError as error:
            raise self._typed(error) from error

    async def names(self) -> list[str]:
        try:
            await self._make()
            return [name for name in await self._files.list(self._folder) if _NAME.fullmatch(name)]
        except OSError as error:
            raise self._typed(error) from error

    async def remove(self, name: str) -> None:
        try:
            await self._files.remove(self._path(name))
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._typed(error) from error

    async def _make(self) -> None:
        async with self._making:
            if not self._is_made:
                await self._files.make_folder(self._folder)
                self._is_made = True

    async def _require_new(self, path: str, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            await self._files.size(path)
            raise InvalidInput("blob", f"there is one called {name} already")

    def _path(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise InvalidInput("blob", f"{name!r} is no name: 1 to 128 of a-z, 0-9, _ and -")
        return f"{self._folder}/{name}"

    def _typed(self, error: OSError) -> StorageError:
        if error.errno in _FULL:
            return StorageFull(self._folder)
        return StorageError(f"{self._folder}: {error.strerror or error}", hint="look at the disk and who may write")
