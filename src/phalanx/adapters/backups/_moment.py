"""One moment of a node's SQLite file.

The write lock is held while files are looked at and the moment begins, which takes milliseconds: a row is committed
before a file that it no longer names is removed, so what the copied rows name is there. After that the node writes on,
and what it writes is not seen; its log is not begun anew before the copy is done, and grows meanwhile.
"""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from phalanx.adapters._limits import BACKUP_PAGES, BACKUP_WAITS_S
from phalanx.adapters.backups._copying import DRAFT, Told
from phalanx.adapters.storage._sqlite_threads import typed_sqlite_error
from phalanx.core import StorageCorrupt, StorageFull

STATE = "state.sqlite"


class Moment(Protocol):
    """What rows and journals of a node are copied through. ``lsn`` is what a server calls the moment."""

    lsn: str

    def size_bytes(self) -> int:
        """About what the copy takes."""
        ...

    def held(self) -> contextlib.AbstractContextManager[None]:
        """Within it nothing is committed; at its end the moment has begun."""
        ...

    def copy(self, to: Path, told: Told) -> None:
        """Write what the rows were at that moment to the file ``to``, checked and durable."""
        ...


class SqliteMoment:
    """A ``Moment`` of the file ``path``, which a node may be writing."""

    lsn = ""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = _connected(path)

    def size_bytes(self) -> int:
        log = self._path.with_name(f"{STATE}-wal")
        return self._path.stat().st_size + (log.stat().st_size if log.exists() else 0)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        lock = _connected(self._path)
        try:
            with self._typed():
                lock.execute("BEGIN IMMEDIATE")
            yield
            with self._typed():
                self._reader.execute("BEGIN")
                # Reading something begins it; the copy goes on within this transaction.
                self._reader.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        finally:
            lock.close()

    def copy(self, to: Path, told: Told) -> None:
        assert self._reader.in_transaction, "held comes first"
        draft = to.with_name(to.name + DRAFT)
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with self._copied(draft), contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as target:
            (page_bytes,) = self._reader.execute("PRAGMA page_size").fetchone()
            # It is made durable as a whole below.
            target.execute("PRAGMA synchronous = OFF")
            left = -1

            def progress(_: int, remaining: int, total: int) -> None:
                nonlocal left
                before = total if left < 0 else left
                told((before - remaining) * page_bytes)
                left = remaining

            self._reader.backup(target, pages=BACKUP_PAGES, progress=progress)
            # One file, without a log beside it.
            target.execute("PRAGMA journal_mode = DELETE")
        check_sqlite(draft)
        handle = os.open(draft, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        draft.rename(to)

    def close(self) -> None:
        """The node's log may begin anew."""
        self._reader.close()

    @contextlib.contextmanager
    def _copied(self, draft: Path) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if isinstance(typed_sqlite_error(error, draft), StorageFull):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(draft)) from error
            raise typed_sqlite_error(error, self._path) from error

    @contextlib.contextmanager
    def _typed(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise typed_sqlite_error(error, self._path) from error


def check_sqlite(path: Path) -> None:
    """That a file that nobody writes is a sound database; raises ``StorageCorrupt``."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            (said,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise StorageCorrupt(str(path), 0, str(error)) from error
    if said != "ok":
        raise StorageCorrupt(str(path), 0, said)


def _connected(path: Path) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=BACKUP_WAITS_S
        )
        db.execute("PRAGMA trusted_schema = OFF")
    except sqlite3.Error as error:
        raise typed_sqlite_error(error, path) from error
    return db
