"""The little of a file system that the segment journal needs, and the real one.

It is a port of its own so that a simulated disk can lose power between any two calls. Paths
are relative, with ``/`` between names. What ``append`` wrote is durable only after an
``append_sync`` or ``truncate`` of the same path; a created or removed file only after
``sync_folder``. The caller changes one path from one task at a time. Errors are ``OSError``,
as the operating system has them.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from phalanx.adapters._limits import FILE_WORKERS
from phalanx.adapters.storage._folders import make_folder, sync_folder
from phalanx.core import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

_LOCK_NAME = ".lock"
_PID_BYTES = 20


class Files(Protocol):
    """A folder tree that bytes are appended to. See the module for what is durable when."""

    async def list(self, folder: str) -> list[str]:
        """Names of the files in ``folder``, sorted."""
        ...

    async def read(self, path: str, offset: int = 0, n: int = -1) -> bytes:
        """Up to ``n`` bytes from ``offset``; fewer only at the end, all of them when -1."""
        ...

    async def size(self, path: str) -> int: ...

    async def append(self, path: str, data: bytes) -> None:
        """Write at the end of ``path``, which is made when missing. Not durable yet."""
        ...

    async def append_sync(self, path: str, data: bytes) -> None:
        """``append``, then wait until the file's bytes are durable."""
        ...

    async def truncate(self, path: str, size: int) -> None:
        """Cut ``path`` to ``size`` bytes, durably."""
        ...

    async def remove(self, path: str) -> None: ...

    async def sync_folder(self, folder: str) -> None:
        """Make the files created and removed in ``folder`` durable."""
        ...

    async def make_folder(self, folder: str) -> None:
        """Make ``folder`` and the folders above it, durably, unless they exist.

        It then belongs to this program until that ends; another one is refused.
        """
        ...


class OsFiles:
    """Files of the operating system under ``root``.

    A folder that was made through one of these is locked until ``close``, because two
    programs that write one journal destroy it: the other one gets ``Unavailable``.
    """

    def __init__(self, root: Path, *, workers: int = FILE_WORKERS) -> None:
        self._root = root
        self._locks: dict[str, int] = {}
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="phalanx-files")

    async def list(self, folder: str) -> list[str]:
        return await self._hop(_list, self._root / folder)

    async def read(self, path: str, offset: int = 0, n: int = -1) -> bytes:
        return await self._hop(_read, self._root / path, offset, n)

    async def size(self, path: str) -> int:
        return (await self._hop(os.stat, self._root / path)).st_size

    async def append(self, path: str, data: bytes) -> None:
        await self._hop(_append, self._root / path, data, sync=False)

    async def append_sync(self, path: str, data: bytes) -> None:
        await self._hop(_append, self._root / path, data, sync=True)

    async def truncate(self, path: str, size: int) -> None:
        await self._hop(_truncate, self._root / path, size)

    async def remove(self, path: str) -> None:
        await self._hop(os.unlink, self._root / path)

    async def sync_folder(self, folder: str) -> None:
        await self._hop(sync_folder, self._root / folder)

    async def make_folder(self, folder: str) -> None:
        await self._hop(make_folder, self._root / folder)
        if folder not in self._locks:
            self._locks[folder] = await self._hop(_lock, self._root / folder)

    def close(self) -> None:
        """Wait for the calls under way and unlock the folders."""
        self._threads.shutdown(wait=True)
        while self._locks:
            os.close(self._locks.popitem()[1])

    async def _hop(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: work(*args, **kwargs))


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold an existing ``folder`` for this program alone; raises ``Unavailable`` when another does."""
    fd = _lock(folder)
    try:
        yield
    finally:
        os.close(fd)


def _lock(folder: Path) -> int:
    """A descriptor that holds the folder's lock. The lock ends with the process, however it dies."""
    fd = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.read(fd, _PID_BYTES).decode("ascii", "replace") or "unknown"
        os.close(fd)
        raise Unavailable(
            str(folder),
            f"process {holder} is using it",
            hint="stop that process, or use another folder",
        ) from error
    os.ftruncate(fd, 0)
    os.write(fd, str(os.getpid()).encode())
    return fd


def _list(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_file())


def _read(path: Path, offset: int, n: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        wanted = os.fstat(file.fileno()).st_size - offset if n < 0 else n
        pieces: list[bytes] = []
        while wanted > 0 and (piece := os.pread(file.fileno(), wanted, offset)):
            pieces.append(piece)
            offset += len(piece)
            wanted -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _append(path: Path, data: bytes, *, sync: bool) -> None:
    # Opening anew costs a few microseconds and leaves no descriptor that outlives its segment.
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        if sync:
            os.fdatasync(fd)
    finally:
        os.close(fd)


def _truncate(path: Path, size: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.ftruncate(fd, size)
        os.fdatasync(fd)
    finally:
        os.close(fd)
