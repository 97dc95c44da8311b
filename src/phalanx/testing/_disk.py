"""A disk that can lose power between, and in the middle of, any two operations.

What a program sees is the page cache: appends and names show at once. What survives is what
was made durable before the power went; the rest is up to the faults. A ``SimDisk`` is the disk
during one power cycle: ``crash()`` ends it and returns the disk as it is found afterwards,
while code that still holds the old one gets ``PowerLost``.

Durable bytes are never touched by a crash: a sector that is rewritten because bytes were added
behind durable ones is assumed to be replaced whole or not at all.
"""

import errno
import posixpath
from dataclasses import dataclass, field

from phalanx.core import Rng
from phalanx.testing._errors import PowerLost
from phalanx.testing._faults import DiskFaults
from phalanx.testing._limits import MAX_DISK_BYTES, SECTOR_BYTES
from phalanx.testing._loop import SimLoop
from phalanx.testing._sources import SimClock


@dataclass(slots=True)
class _File:
    data: bytearray = field(default_factory=bytearray)
    durable_bytes: int = 0
    before_cut: bytes | None = None  # what the file held, while a truncation is under way


@dataclass(slots=True)
class _Contents:
    """What lies on a disk: the names a program sees, and the names that would survive."""

    files: dict[str, _File] = field(default_factory=dict)
    durable_names: dict[str, _File] = field(default_factory=dict)
    folders: dict[str, None] = field(default_factory=lambda: {"": None})


class SimDisk:
    """Implements the segment journal's ``Files``. ``capacity_bytes`` may be changed at any time."""

    def __init__(
        self, loop: SimLoop, name: str, rng: Rng, faults: DiskFaults, *, contents: _Contents | None = None
    ) -> None:
        self.name = name
        self.faults = faults
        self.capacity_bytes = MAX_DISK_BYTES if faults.capacity_bytes is None else faults.capacity_bytes
        self.successor: SimDisk | None = None
        self._loop = loop
        self._clock = SimClock(loop)
        self._rng = rng
        self._contents = contents or _Contents()
        self._folder_syncs = 0
        self._synced_at: dict[str, int] = {}

    async def list(self, folder: str) -> list[str]:
        await self._operation("list", folder)
        self._require_folder(folder)
        return sorted(posixpath.basename(path) for path in self._contents.files if posixpath.dirname(path) == folder)

    async def read(self, path: str, offset: int = 0, n: int = -1) -> bytes:
        await self._operation("read", path, offset, n)
        data = self._file(path).data
        return bytes(data[offset:] if n < 0 else data[offset : offset + n])

    async def size(self, path: str) -> int:
        await self._operation("size", path)
        return len(self._file(path).data)

    async def append(self, path: str, data: bytes) -> None:
        self._write(path, data)
        await self._operation("append", path, len(data))

    async def append_sync(self, path: str, data: bytes) -> None:
        file = self._write(path, data)
        written = len(file.data)
        await self._operation("append-sync", path, len(data), is_sync=True)
        if not self._rng.chance(self.faults.lying_sync):
            file.durable_bytes = max(file.durable_bytes, min(written, len(file.data)))
            file.before_cut = None  # a program that was killed may have left it

    async def truncate(self, path: str, size: int) -> None:
        self._require_power()
        file = self._file(path)
        file.before_cut = bytes(file.data[: file.durable_bytes])
        del file.data[size:]
        file.data.extend(bytes(size - len(file.data)))
        file.durable_bytes = min(file.durable_bytes, size)
        await self._operation("truncate", path, size, is_sync=True)
        file.before_cut = None
        file.durable_bytes = len(file.data)

    async def remove(self, path: str) -> None:
        self._require_power()
        self._file(path)
        del self._contents.files[path]
        await self._operation("remove", path)

    async def sync_folder(self, folder: str) -> None:
        self._require_power()
        self._require_folder(folder)
        names = {path: file for path, file in self._contents.files.items() if posixpath.dirname(path) == folder}
        self._folder_syncs += 1
        begun = self._folder_syncs
        await self._operation("sync-folder", folder, is_sync=True)
        # One that began later and ended sooner has already made durable what this one knows, and more.
        if begun > self._synced_at.get(folder, 0) and not self._rng.chance(self.faults.lying_sync):
            self._synced_at[folder] = begun
            kept = {
                path: file for path, file in self._contents.durable_names.items() if posixpath.dirname(path) != folder
            }
            self._contents.durable_names = kept | names

    async def make_folder(self, folder: str) -> None:
        await self._operation("make-folder", folder, is_sync=True)
        while folder:
            self._contents.folders[folder] = None
            folder = posixpath.dirname(folder)

    def crash(self) -> "SimDisk":
        """Lose power now; the disk as the next power cycle finds it."""
        self._require_power()
        self._loop.trace.note(self.name, "power-loss")
        found: dict[str, _File] = {}
        for path in sorted(self._contents.files.keys() | self._contents.durable_names.keys()):
            file = self._surviving(path)
            if file is None:
                self._loop.trace.note(self.name, "name-lost", path)
                continue
            outcome = self._settle(file)
            self._loop.trace.note(self.name, "found", path, outcome, len(file.data))
            found[path] = file
        return self._next_cycle(_Contents(found, dict(found), self._contents.folders))

    def kill(self) -> "SimDisk":
        """Let only the program die: nothing is lost yet, and nothing becomes durable by it either."""
        self._require_power()
        self._loop.trace.note(self.name, "kill")
        return self._next_cycle(self._contents)

    def damage(self, path: str, offset: int, n: int = 1) -> None:
        """Flip every bit of ``n`` stored bytes, as a failing disk or a forger would."""
        data = self._file(path).data
        assert 0 <= offset < offset + n <= len(data), (path, offset, n)
        data[offset : offset + n] = bytes(byte ^ 0xFF for byte in data[offset : offset + n])
        self._loop.trace.note(self.name, "damage", path, offset, n)

    @property
    def used_bytes(self) -> int:
        return sum(len(file.data) for file in self._contents.files.values())

    def _next_cycle(self, contents: _Contents) -> "SimDisk":
        after = SimDisk(self._loop, self.name, self._rng, self.faults, contents=contents)
        after.capacity_bytes = self.capacity_bytes
        self.successor = after
        return after

    def _surviving(self, path: str) -> _File | None:
        """The file that a name leads to after power loss, if any."""
        seen, durable = self._contents.files.get(path), self._contents.durable_names.get(path)
        return durable if seen is durable or not self._rng.chance(self.faults.name_kept) else seen

    def _settle(self, file: _File) -> str:
        """Decide what of a file's undecided bytes is there, and say so in a word."""
        if file.before_cut is not None and self._rng.chance(0.5):
            file.data = bytearray(file.before_cut)
            file.durable_bytes = len(file.data)
            outcome = "uncut"
        elif file.durable_bytes == len(file.data):
            outcome = "whole"
        else:
            outcome = self._settle_tail(file)
        file.before_cut = None
        file.durable_bytes = len(file.data)
        return outcome

    def _settle_tail(self, file: _File) -> str:
        faults, first, end = self.faults, file.durable_bytes, len(file.data)
        outcome = self._rng.weighted(
            ("lost", "torn", "garbage", "kept"),
            (faults.tail_lost, faults.tail_torn, faults.tail_garbage, faults.tail_kept),
        )
        if outcome == "lost":
            del file.data[first:]
        elif outcome == "torn":
            del file.data[self._rng.integer(first, end) :]
        elif outcome == "garbage":
            while first < end:
                stop = min(end, (first // SECTOR_BYTES + 1) * SECTOR_BYTES)
                match self._rng.integer(0, 3):
                    case 0:
                        file.data[first:stop] = bytes(stop - first)
                    case 1:
                        file.data[first:stop] = self._rng.bytes(stop - first)
                first = stop
        return outcome

    def _write(self, path: str, data: bytes) -> _File:
        self._require_power()
        self._require_folder(posixpath.dirname(path))
        room = max(0, self.capacity_bytes - self.used_bytes)
        file = self._contents.files.setdefault(path, _File())
        file.data += data[:room]
        if len(data) > room:
            self._loop.trace.note(self.name, "full", path, len(data), room)
            raise OSError(errno.ENOSPC, "no space left on the simulated disk", path)
        return file

    async def _operation(self, what: str, path: str, *numbers: int, is_sync: bool = False) -> None:
        """Take the time an operation takes, and fail if the power goes meanwhile."""
        self._require_power()
        self._loop.trace.note(self.name, what, path, *numbers)
        mean_us = self.faults.sync_mean_us if is_sync else self.faults.operation_mean_us
        await self._clock.sleep(self._rng.exponential(mean_us) / 1e6 if mean_us > 0 else 0.0)
        self._require_power()

    def _file(self, path: str) -> _File:
        file = self._contents.files.get(path)
        if file is None:
            raise FileNotFoundError(errno.ENOENT, "no such file on the simulated disk", path)
        return file

    def _require_folder(self, folder: str) -> None:
        if folder not in self._contents.folders:
            raise FileNotFoundError(errno.ENOENT, "no such folder on the simulated disk", folder)

    def _require_power(self) -> None:
        if self.successor is not None:
            raise PowerLost(self.name)
