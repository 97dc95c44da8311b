"""Takes a copy of a node's data folder while the node runs.

Invariants:

- everything in it is of one moment, as after a loss of power at that moment: what was acknowledged before is in it;
- until it is whole it lies under another name; what was copied of it is not copied again by the next attempt.

Files that are written once are copied first, at leisure. Then commits wait for as long as it takes to open what came
meanwhile, and the moment begins: an open file stays as it is, whoever removes or replaces it. Journals only grow, so
their last segment is copied as far as it was written and whole.
"""

import contextlib
import errno
import os
import pwd
import re
import resource
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from phalanx.adapters._limits import FEW_BACKUP_FILES, MAX_BACKUP_ROUNDS
from phalanx.adapters.backups._copying import (
    Stamp,
    Told,
    copy_open,
    folders_below,
    hash_file,
    is_full,
    require_room,
    sync_tree,
    walk,
    write_whole,
)
from phalanx.adapters.backups._manifest import DATA, MANIFEST, SETTINGS, SIGNATURE, BackupFile, Signed
from phalanx.adapters.backups._moment import STATE, Moment
from phalanx.adapters.backups._tails import whole_bytes
from phalanx.adapters.storage import lock_folder
from phalanx.adapters.storage._folders import make_folder, sync_folder
from phalanx.core import InvalidInput, LimitExceeded, StorageError

PART = ".part"
# What belongs to the process that runs, or is made anew: locks, the log of the rows, compiled code, probes for room,
# the queue of a NATS server of ours.
_LEFT = re.compile(
    rf"(.*/)?\.lock|{re.escape(STATE)}(-.*)?|.*\.new|kernels|journals/space-probe|cluster/(jetstream|pid)"
)
_SEGMENT = re.compile(r"(journals/[^/]+)/\d+\.segment")
Progress = Callable[[str, int, int], None]


def left_out(path: str) -> bool:
    """Whether a file or folder of a data folder is no part of a backup."""
    return _LEFT.fullmatch(path) is not None


@dataclass(slots=True)
class _Pinned:
    """A file that stays as it is, because it is open."""

    handle: int
    stamp: Stamp
    grows: bool


@dataclass
class Taking:
    """A backup on its way to ``to``. ``previous`` is one whose files may be linked instead of being copied.

    ``settings`` are files to be kept beside the data, by their names in the backup; ``taken_at_ns`` is the moment.
    """

    data_dir: Path
    to: Path
    moment: Moment
    progress: Progress
    previous: tuple[Path, Signed] | None = None
    settings: Mapping[str, Path] = field(default_factory=dict)
    _done: dict[str, tuple[Stamp, BackupFile]] = field(default_factory=dict)
    _known: dict[str, BackupFile] = field(default_factory=dict)
    taken_at_ns: int = 0
    _at: int = 0
    _total: int = 0

    @property
    def part(self) -> Path:
        """Where it lies until it is whole."""
        return self.to.with_name(self.to.name + PART)

    @contextlib.contextmanager
    def begun(self) -> Iterator[None]:
        """Take hold of the unfinished backup; raises ``InvalidInput``, ``NoRoom``, ``Unavailable``."""
        if self.to.exists():
            raise InvalidInput(str(self.to), "is there already", hint="name a new folder; nothing is overwritten")
        if self.to.resolve().is_relative_to(self.data_dir.resolve()):
            raise InvalidInput(str(self.to), "is in the data folder itself", hint="name a folder elsewhere")
        try:
            found = walk(self.data_dir, left_out)
            if self.previous is not None:
                self._known = {one.path: one for one in self.previous[1].manifest.files}
            self._total = sum(one.size for one in found.values()) + self.moment.size_bytes()
            require_room(self.to.parent, max(0, self._total - self._had(found)))
            make_folder(self.part)
            with lock_folder(self.part):
                yield
        except OSError as error:
            raise self._told(error) from error

    def take(self, database: str) -> list[BackupFile]:
        """Copy everything, the rows as the file ``database``; within ``begun``. Returns what is in it now, by path.

        The rows may be opened before they are hashed; nobody else writes them.
        """
        _allow_many_files()
        self._at_leisure()
        with contextlib.ExitStack() as stack:
            with self.moment.held():
                self.taken_at_ns = time.time_ns()
                pinned = self._pin(stack)
            self.moment.copy(self._place(database), self._more("rows"))
            for path, one in sorted(pinned.items()):
                self._copy_pinned(path, one)
        for name, source in sorted(self.settings.items()):
            self._copy_named(f"{SETTINGS}/{name}", source)
        return sorted((one for _, one in self._done.values()), key=lambda one: one.path)

    def hashed(self, path: str) -> BackupFile:
        """A file that is in the backup already, as it is now."""
        found = hash_file(self.part / path, self._more("checking"))
        return msgspec.structs.replace(found, path=path)

    def finish(self, files: list[BackupFile], manifest: bytes, signature: bytes) -> None:
        """Give it its name, once nothing but ``files`` is in it and all of it is durable."""
        kept = {one.path for one in files}
        try:
            for path in walk(self.part, lambda path: path == ".lock"):
                if path not in kept:
                    (self.part / path).unlink()
            for folder in folders_below(self.part):
                if folder != self.part and not any(folder.iterdir()):
                    folder.rmdir()
            write_whole(self.part / MANIFEST, manifest)
            write_whole(self.part / SIGNATURE, signature)
            sync_tree(self.part)
            (self.part / ".lock").unlink()
            self.part.rename(self.to)
            sync_folder(self.to.parent)
        except OSError as error:
            raise self._told(error) from error

    def _had(self, found: Mapping[str, Stamp]) -> int:
        """Bytes that take no room: what an earlier attempt copied, and what can be linked."""
        there = walk(self.part, lambda _: False) if self.part.exists() else {}
        known = sum(
            stamp.size
            for path, stamp in found.items()
            if f"{DATA}/{path}" not in there
            and (one := self._known.get(f"{DATA}/{path}")) is not None
            and one.size == stamp.size
        )
        return known + sum(one.size for one in there.values())

    def _at_leisure(self) -> None:
        """Copy what is written once, until next to nothing comes in between."""
        for _ in range(MAX_BACKUP_ROUNDS):
            found = walk(self.data_dir, left_out)
            tails = _tails_of(found)
            new = [path for path, stamp in found.items() if path not in tails and self._is_new(path, stamp)]
            for path in sorted(new):
                with contextlib.suppress(FileNotFoundError), _opened(self.data_dir / path) as handle:
                    self._copy(path, handle, Stamp.of(os.fstat(handle)))
            if len(new) <= FEW_BACKUP_FILES:
                return

    def _pin(self, stack: contextlib.ExitStack) -> dict[str, _Pinned]:
        """Open what is not copied yet, and forget what is there no more."""
        found = walk(self.data_dir, left_out)
        tails, pinned = _tails_of(found), dict[str, _Pinned]()
        for path in self._done.keys() - {f"{DATA}/{path}" for path in found}:
            del self._done[path]
        for path, stamp in found.items():
            if path not in tails and not self._is_new(path, stamp):
                continue
            try:
                handle = stack.enter_context(_opened(self.data_dir / path))
            except FileNotFoundError:
                self._done.pop(f"{DATA}/{path}", None)
                continue
            except OSError as error:
                if error.errno == errno.EMFILE:
                    raise LimitExceeded(
                        "files that came while others were copied", maximum=len(pinned), seen=len(pinned) + 1,
                        hint="raise the limit of open files (ulimit -n), or try again when less is going on",
                    ) from error  # fmt: skip
                raise
            pinned[path] = _Pinned(handle, Stamp.of(os.fstat(handle)), path in tails)
        return pinned

    def _copy_pinned(self, path: str, one: _Pinned) -> None:
        size = whole_bytes(one.handle, one.stamp.size, path) if one.grows else one.stamp.size
        if one.grows and not size:
            return  # Its making was interrupted: no record was ever in it.
        self._copy(path, one.handle, Stamp(one.stamp.inode, size, one.stamp.changed_ns))

    def _copy(self, path: str, handle: int, stamp: Stamp) -> None:
        name = f"{DATA}/{path}"
        place, told = self._place(name), self._more(path)
        found = self._there(name, place, stamp) or self._linked(name, place, stamp)
        if found is None:
            place.unlink(missing_ok=True)
            sha256 = copy_open(handle, stamp.size, place, told, changed_ns=stamp.changed_ns)
            found = BackupFile(name, stamp.size, sha256)
        self._done[name] = stamp, found

    def _there(self, name: str, place: Path, stamp: Stamp) -> BackupFile | None:
        """What an earlier attempt copied: whole, because it has its name."""
        if not _same(place, stamp):
            return None
        return msgspec.structs.replace(hash_file(place, self._more(name)), path=name)

    def _linked(self, name: str, place: Path, stamp: Stamp) -> BackupFile | None:
        """What the previous backup has, if its hash still holds."""
        known = self._known.get(name)
        if self.previous is None or known is None or known.size != stamp.size:
            return None
        before = self.previous[0] / name
        if not _same(before, stamp) or hash_file(before, lambda _: None).sha256 != known.sha256:
            return None
        try:
            make_folder(place.parent)
            place.unlink(missing_ok=True)
            os.link(before, place)
        except OSError as error:
            if is_full(error):
                raise
            return None  # Another disk, or one without links: it is copied.
        self._more(name)(stamp.size)
        return known

    def _copy_named(self, name: str, source: Path) -> None:
        with _opened(source) as handle:
            status = os.fstat(handle)
            stamp = Stamp.of(status)
            sha256 = copy_open(handle, stamp.size, self._place(name), lambda _: None, changed_ns=stamp.changed_ns)
        self._done[name] = stamp, BackupFile(name, stamp.size, sha256)

    def _is_new(self, path: str, stamp: Stamp) -> bool:
        known = self._done.get(f"{DATA}/{path}")
        return known is None or known[0] != stamp

    def _place(self, name: str) -> Path:
        place = self.part / name
        make_folder(place.parent)
        return place

    def _more(self, what: str) -> Told:
        def told(n: int) -> None:
            self._at += n
            self.progress(what, self._at, max(self._total, self._at))

        return told

    def _told(self, error: OSError) -> StorageError | InvalidInput:
        where = error.filename or self.part
        if is_full(error):
            return StorageError(
                f"no space left for {self.part}", hint="free space and run the same command again: it goes on there"
            )
        return InvalidInput(str(where), error.strerror or str(error), hint="look at the folders and who may use them")


def require_owner(folder: Path) -> None:
    """That what is made in ``folder`` meanwhile will belong to whom it belongs to; raises ``InvalidInput``."""
    if not folder.is_dir() or (owner := folder.stat().st_uid) == os.geteuid():
        return
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = f"#{owner}"
    raise InvalidInput(
        str(folder), f"belongs to {name}, and the node could not use files that somebody else makes in it",
        hint=f"run this as that user: sudo -u '{name}' phalanx backup …",
    )  # fmt: skip


def discard(part: Path) -> None:
    """Remove an unfinished copy."""
    shutil.rmtree(part, ignore_errors=False)


def _tails_of(found: Mapping[str, Stamp]) -> set[str]:
    """The last segment of each journal: somebody may be appending to it."""
    last: dict[str, str] = {}
    for path in sorted(found):
        if (segment := _SEGMENT.fullmatch(path)) is not None:
            last[segment[1]] = path
    return set(last.values())


def _same(place: Path, stamp: Stamp) -> bool:
    try:
        status = place.stat()
    except FileNotFoundError:
        return False
    return (status.st_size, status.st_mtime_ns) == (stamp.size, stamp.changed_ns)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def _allow_many_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
