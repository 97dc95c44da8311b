"""Files of a folder, copied so that what is there under a name is whole, durable and known by its hash."""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from phalanx.adapters._limits import COPY_BYTES, COPY_SPARE_BYTES, MAX_BACKUP_DEPTH, MAX_BACKUP_FILES
from phalanx.adapters.backups._errors import NoRoom
from phalanx.adapters.backups._manifest import BackupFile
from phalanx.adapters.storage._folders import make_folder, sync_folder
from phalanx.core import LimitExceeded, StorageCorrupt

Told = Callable[[int], None]
DRAFT = ".draft"


@dataclass(frozen=True, slots=True)
class Stamp:
    """By which a file is known to be the same as before: files that are written once keep it."""

    inode: int
    size: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)


def walk(folder: Path, leave: Callable[[str], bool]) -> dict[str, Stamp]:
    """Regular files below ``folder`` by their paths, except what ``leave`` says; links are followed."""
    found: dict[str, Stamp] = {}
    waiting = [("", 0)]
    while waiting:
        below, depth = waiting.pop()
        if depth > MAX_BACKUP_DEPTH:
            raise LimitExceeded(f"folders within each other below {folder}", maximum=MAX_BACKUP_DEPTH, seen=depth)
        with contextlib.suppress(FileNotFoundError), os.scandir(folder / below) as entries:
            for entry in entries:
                path = f"{below}{entry.name}"
                if leave(path):
                    continue
                try:
                    status = entry.stat()
                except FileNotFoundError:
                    continue  # Removed since it was listed.
                if stat.S_ISDIR(status.st_mode):
                    waiting.append((f"{path}/", depth + 1))
                elif stat.S_ISREG(status.st_mode):
                    found[path] = Stamp.of(status)
        if len(found) > MAX_BACKUP_FILES:
            raise LimitExceeded(f"files below {folder}", maximum=MAX_BACKUP_FILES, seen=len(found))
    return found


def copy_open(source: int, size: int, to: Path, told: Told, *, changed_ns: int) -> str:
    """Copy the first ``size`` bytes of an open file to ``to``, durably; returns their SHA-256.

    Under its name ``to`` is whole, or as it was before.
    """
    make_folder(to.parent)
    draft = to.with_name(to.name + DRAFT)
    seen, at = hashlib.sha256(), 0
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            while at < size:
                piece = os.pread(source, min(COPY_BYTES, size - at), at)
                if not piece:
                    raise StorageCorrupt(str(to), at, "the file it is copied from is shorter than it was")
                seen.update(piece)
                _write_all(handle, piece)
                at += len(piece)
                told(len(piece))
            os.fsync(handle)
            os.utime(handle, ns=(changed_ns, changed_ns))
        finally:
            os.close(handle)
        draft.rename(to)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    return seen.hexdigest()


def write_whole(to: Path, data: bytes) -> str:
    """The same for bytes at hand."""
    make_folder(to.parent)
    draft = to.with_name(to.name + DRAFT)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            _write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        draft.rename(to)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    return hashlib.sha256(data).hexdigest()


def hash_file(path: Path, told: Told) -> BackupFile:
    """The length and hash of a file; its path is left to the caller."""
    seen, size = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        while piece := file.read(COPY_BYTES):
            seen.update(piece)
            size += len(piece)
            told(len(piece))
    return BackupFile("", size, seen.hexdigest())


def require_room(folder: Path, needed_bytes: int) -> None:
    """That what is to be written fits, with some to spare; raises ``NoRoom``."""
    place = folder
    while not place.exists():
        place = place.parent
    free_bytes = shutil.disk_usage(place).free
    if free_bytes < needed_bytes + COPY_SPARE_BYTES:
        raise NoRoom(
            str(place), needed_bytes=needed_bytes, spare_bytes=COPY_SPARE_BYTES, free_bytes=free_bytes
        )  # fmt: skip


def sync_tree(folder: Path) -> None:
    """Make names below ``folder`` durable."""
    for below in folders_below(folder):
        sync_folder(below)


def folders_below(folder: Path) -> Iterator[Path]:
    """All folders, those within others first, ``folder`` last."""
    for name, _, _ in os.walk(folder, topdown=False):
        yield Path(name)


def is_full(error: OSError) -> bool:
    return error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
