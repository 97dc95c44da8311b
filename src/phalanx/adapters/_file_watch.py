"""Files of the operating system that others may touch. Implements ``core.FileWatch``.

That a file was read is told by its access time. With ``relatime``, the usual way to mount, the first
reading after ``arm`` moves it, because ``arm`` sets it before the time of the last change. Looks from here
leave the time of a file that is ours as it is.
"""

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar

from phalanx.adapters._limits import READ_BYTES, WATCHED_DIGEST_BYTES
from phalanx.core import NS_PER_S, FileMark, InvalidInput, NotFound, Offload

P = ParamSpec("P")
T = TypeVar("T")


class OsFileWatch:
    """Every call is a hop into a thread."""

    def __init__(self, offload: Offload) -> None:
        self._offload = offload

    async def mark(self, path: str) -> FileMark | None:
        return await self._offload.run(_mark, Path(path))

    async def read(self, path: str, *, max_bytes: int) -> bytes:
        return await self._offload.run(_read, Path(path), max_bytes)

    async def walk(self, path: str, *, max_files: int) -> Sequence[str]:
        return await self._offload.run(_walk, Path(path), max_files)

    async def plant(self, path: str, data: bytes) -> None:
        await self._offload.run(_plant, Path(path), data)

    async def arm(self, path: str) -> bool:
        return await self._offload.run(_arm, Path(path))


def _mark(path: Path) -> FileMark | None:
    try:
        before = path.stat(follow_symlinks=False)
        if not stat.S_ISREG(before.st_mode):
            return None
        digest = _digest(path)
    except OSError:
        return None
    return FileMark(
        size=before.st_size,
        mode=stat.S_IMODE(before.st_mode),
        modified_ns=before.st_mtime_ns,
        read_ns=before.st_atime_ns,
        digest=digest,
    )


def _digest(path: Path) -> str:
    """SHA-256 of the beginning of the file, as far as it is looked into."""
    found, left = hashlib.sha256(), WATCHED_DIGEST_BYTES
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOATIME | os.O_CLOEXEC)
    except PermissionError:
        # Another user's file: its time of reading is not kept still for us, and no tripwire goes by it.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with os.fdopen(handle, "rb", buffering=0) as file:
        while left > 0 and (piece := file.read(min(left, READ_BYTES))):
            found.update(piece)
            left -= len(piece)
    return found.hexdigest()


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb", buffering=0) as file:
            return file.read(max_bytes)
    except OSError as error:
        raise NotFound("file", str(path), hint=error.strerror or str(error)) from error


def _walk(path: Path, max_files: int) -> list[str]:
    if path.is_file():
        return [str(path)]
    if not path.is_dir():
        raise NotFound("file or folder", str(path))
    found: list[str] = []
    for folder, folders, files in os.walk(path):
        folders.sort()
        paths = (Path(folder, name) for name in sorted(files))
        found += [str(one) for one in paths if not one.is_symlink()]
        if len(found) >= max_files:
            break
    return found[:max_files]


def _plant(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Never over something that is there, nor through a link.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InvalidInput("path", f"{path} cannot be planted: {error.strerror}") from error
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def _arm(path: Path) -> bool:
    """Set the access time before the change, read once, see whether that shows, and set it again."""
    try:
        now = path.stat(follow_symlinks=False)
        early = (now.st_mtime_ns - NS_PER_S, now.st_mtime_ns)
        os.utime(path, ns=early, follow_symlinks=False)
        _read(path, 1)
        seen = path.stat(follow_symlinks=False).st_atime_ns != early[0]
        os.utime(path, ns=early, follow_symlinks=False)
    except (OSError, NotFound):
        return False
    return seen
