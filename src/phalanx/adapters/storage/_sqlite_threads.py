"""The two connections of a ``SqliteStore``, each living in a thread of its own.

Between two statements the writing thread has to win the interpreter back from the event loop.
That is why a group is written in a few statements of many rows each rather than row by row:
beside a busy event loop it makes the difference between milliseconds and a second.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from phalanx.adapters.storage._folders import make_folder, sync_folder
from phalanx.adapters.storage._grouping import Commit, Plan, RowKey, plan
from phalanx.core import FutureVersion, StorageCorrupt, StorageError, StorageFull

Query = tuple[str, Sequence[Any]]

# Schema version n is reached by the first n of these, each a transaction of its own.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE rows (
            tbl TEXT NOT NULL, tenant TEXT NOT NULL, key TEXT NOT NULL,
            version INTEGER NOT NULL, value BLOB NOT NULL, entries BLOB NOT NULL,
            PRIMARY KEY (tbl, tenant, key))""",
        """CREATE TABLE entries (
            tbl TEXT NOT NULL, tenant TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, key TEXT NOT NULL,
            PRIMARY KEY (tbl, tenant, name, value, key)) WITHOUT ROWID""",
        "INSERT INTO meta VALUES ('version', 0)",
    ),
)
_PRAGMAS = (
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA cache_size = -16384",
    "PRAGMA trusted_schema = OFF",
)
_STORED = "SELECT tbl, tenant, key, version, entries FROM rows WHERE (tbl, tenant, key) IN (SELECT * FROM (VALUES {}))"
_DELETE_ENTRIES = "DELETE FROM entries WHERE (tbl, tenant, name, value, key) IN (SELECT * FROM (VALUES {}))"
_DELETE_ROWS = "DELETE FROM rows WHERE (tbl, tenant, key) IN (SELECT * FROM (VALUES {}))"
_PUT_ROWS = """
    INSERT INTO rows (tbl, tenant, key, version, value, entries) VALUES {} ON CONFLICT DO UPDATE
    SET version = excluded.version, value = excluded.value, entries = excluded.entries"""
_PUT_ENTRIES = "INSERT INTO entries (tbl, tenant, name, value, key) VALUES {}"
# A statement is prepared once for each of these numbers of rows, and kept.
_CHUNKS = (256, 64, 16, 8, 4, 2, 1)
_KEPT_STATEMENTS = 256
# With less room than this an input/output error is taken for what it nearly always is.
_LOW_SPACE_BYTES = 1 << 20
_PRIMARY_CODE = 0xFF


class Reader:
    """Runs queries, each seeing one moment of the database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = _connect(path)
        self._db.execute("PRAGMA query_only = ON")

    def serve(self, queries: Sequence[Query]) -> list[list[Any] | StorageError]:
        return [self._answer(query) for query in queries]

    def close(self) -> None:
        self._db.close()

    def _answer(self, query: Query) -> list[Any] | StorageError:
        try:
            return self._db.execute(*query).fetchall()
        except sqlite3.Error as error:
            return typed_sqlite_error(error, self._path)


class Writer:
    """Runs groups of commits, each group one transaction."""

    def __init__(self, path: Path) -> None:
        self._path = path
        _make_file(path)
        self._db = _connect(path)
        try:
            _migrate(self._db, path)
        except BaseException:
            self._db.close()
            raise

    def serve(self, commits: Sequence[Commit]) -> list[int | StorageError]:
        try:
            return self._write(commits)
        except sqlite3.Error as error:
            self._roll_back()
            if len(commits) == 1:
                return [typed_sqlite_error(error, self._path)]
        # Together they failed; alone, those that fit still can be written.
        return [self.serve([commit])[0] for commit in commits]

    def close(self) -> None:
        self._db.close()

    def _write(self, commits: Sequence[Commit]) -> list[int | StorageError]:
        self._db.execute("BEGIN IMMEDIATE")
        ((version,),) = self._db.execute("SELECT value FROM meta WHERE name = 'version'").fetchall()
        keys = list(dict.fromkeys(key for commit in commits for key in commit.row_keys()))
        planned = plan(commits, self._stored(keys), version)
        if planned.changes:
            self._apply(planned)
            self._db.execute("COMMIT")
        else:
            self._roll_back()
        return list(planned.outcomes)

    def _stored(self, keys: Sequence[RowKey]) -> dict[RowKey, tuple[int, bytes]]:
        found = (row for query in _many(_STORED, keys, 3) for row in self._db.execute(*query).fetchall())
        return {(table, tenant, key): (version, entries) for table, tenant, key, version, entries in found}

    def _apply(self, planned: Plan) -> None:
        changes: tuple[tuple[str, Sequence[tuple[Any, ...]], int], ...] = (
            (_DELETE_ENTRIES, planned.old_entries, 5),
            (_DELETE_ROWS, planned.deletes, 3),
            (_PUT_ROWS, planned.puts, 6),
            (_PUT_ENTRIES, planned.new_entries, 5),
        )
        for sql, rows, width in changes:
            for query in _many(sql, rows, width):
                self._db.execute(*query)
        self._db.execute("UPDATE meta SET value = ? WHERE name = 'version'", (planned.version,))

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


def _many(sql: str, rows: Sequence[tuple[Any, ...]], width: int) -> Iterator[tuple[str, list[Any]]]:
    """``sql`` with its ``{}`` standing for the values of as many ``rows`` as go into one statement."""
    one = f"({', '.join('?' * width)})"
    at = 0
    for n in _CHUNKS:
        while len(rows) - at >= n:
            yield sql.format(", ".join([one] * n)), [value for row in rows[at : at + n] for value in row]
            at += n


def _connect(path: Path) -> sqlite3.Connection:
    db = None
    try:
        db = sqlite3.connect(path, isolation_level=None, cached_statements=_KEPT_STATEMENTS)
        for pragma in _PRAGMAS:
            db.execute(pragma)
    except sqlite3.Error as error:
        if db is not None:
            db.close()
        raise typed_sqlite_error(error, path) from error
    return db


def _make_file(path: Path) -> None:
    """Make the file if there is none: readable by its owner alone, its name durable."""
    try:
        make_folder(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(f"cannot open {path}: {error.strerror}", hint="look at the folder's permissions") from error


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    try:
        db.execute("CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID")
        known = len(MIGRATIONS)
        for target in range(1, known + 1):
            db.execute("BEGIN IMMEDIATE")
            found = db.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
            at = found[0] if found else 0
            if at < target:
                for statement in MIGRATIONS[target - 1]:
                    db.execute(statement)
                db.execute("INSERT OR REPLACE INTO meta VALUES ('schema', ?)", (target,))
            db.execute("COMMIT")
            if at > known:
                raise FutureVersion(f"store {path}", seen=at, known=known)
    except sqlite3.Error as error:
        raise typed_sqlite_error(error, path) from error


def typed_sqlite_error(error: sqlite3.Error, path: Path) -> StorageError:
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    if code == sqlite3.SQLITE_FULL:
        return StorageFull(str(path))
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN):
        room = os.statvfs(path.parent)
        if room.f_bavail * room.f_frsize < _LOW_SPACE_BYTES:
            return StorageFull(str(path))
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StorageCorrupt(str(path), 0, str(error))
    if code == sqlite3.SQLITE_BUSY:
        return StorageError(f"{path} is locked by another process", hint="stop what else has it open")
    return StorageError(f"{path}: {error}", hint="look at the disk and the file's permissions")
