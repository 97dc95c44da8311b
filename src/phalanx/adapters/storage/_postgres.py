"""A PostgreSQL database as the store and the journals use it.

Connections come from a pool and are replaced when the server went away. A transaction whose
``COMMIT`` was lost with its connection is not guessed about: the server is asked what became
of it, and only one that did not happen is run again.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

from phalanx.adapters._limits import (
    COMMAND_WITHIN_S,
    POSTGRES_CONNECTIONS,
    RECONNECT_PAUSE_MAX_S,
    RECONNECT_PAUSE_S,
    RECONNECT_WITHIN_S,
)
from phalanx.core import (
    FutureVersion,
    InvalidInput,
    PhalanxError,
    StorageCorrupt,
    StorageError,
    StorageFull,
    Unavailable,
)

T = TypeVar("T")

# Schema version n is reached by the first n of these. Keys, tenants and index values are bytes:
# they order as the port demands, and unlike text they may hold a zero.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE rows (
            tbl text COLLATE "C" NOT NULL, tenant bytea NOT NULL, key bytea NOT NULL,
            version bigint NOT NULL, value bytea NOT NULL, entries bytea NOT NULL,
            PRIMARY KEY (tbl, tenant, key))""",
        """CREATE TABLE entries (
            tbl text COLLATE "C" NOT NULL, tenant bytea NOT NULL, name text COLLATE "C" NOT NULL,
            value bytea NOT NULL, key bytea NOT NULL,
            PRIMARY KEY (tbl, tenant, name, value, key))""",
        """CREATE TABLE journals (
            name text PRIMARY KEY, start_at bigint NOT NULL, end_at bigint NOT NULL, writer bigint NOT NULL)""",
        """CREATE TABLE records (
            journal text NOT NULL, at bigint NOT NULL, body bytea NOT NULL, PRIMARY KEY (journal, at))""",
        # What is appended is read soon and once: compressing it costs more than it saves.
        "ALTER TABLE records ALTER COLUMN body SET STORAGE EXTERNAL",
        "INSERT INTO meta VALUES ('version', 0)",
    ),
)
# Every statement finds its rows by a primary key; statistics of a growing table must not talk
# the planner out of that, nor the server's configuration a commit out of being durable.
_SESSION = {
    "application_name": "phalanx",
    "synchronous_commit": "on",
    # Every commit waits for the one before it: a node that hangs in its transaction must lose it.
    "idle_in_transaction_session_timeout": "10s",
    "jit": "off",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
_SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,62}")
_MIGRATION_LOCK = 0x7068616C616E78
_FULL = ("53100",)
_CORRUPT = ("XX001", "XX002")
# Connection exceptions; the server shutting down, crashing, starting up; a session it ended.
_AWAY = ("08", "57P01", "57P02", "57P03", "25P03")


@dataclass(slots=True)
class Attempt:
    """One try at a transaction. ``xid``, its number, is set by the work as soon as it has one."""

    connection: Any
    xid: str = ""
    result: Any = None


class Database:
    """A schema of a database, migrated to what this version knows."""

    def __init__(self, asyncpg: ModuleType, pool: Any, name: str) -> None:
        self._asyncpg = asyncpg
        self._pool = pool
        self._closed = False
        self.name = name

    @classmethod
    async def open(cls, dsn: str, schema: str) -> "Database":
        if not _SCHEMA.fullmatch(schema):
            raise InvalidInput("schema", f"{schema!r} is not lower-case letters, digits and '_'")
        asyncpg = import_asyncpg()
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=POSTGRES_CONNECTIONS,
                command_timeout=COMMAND_WITHIN_S,
                reset=_leave_as_it_is,
                server_settings=_SESSION | {"search_path": schema},
            )
        except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Unavailable("PostgreSQL", said(error), hint="is the server running, is the address right?") from error
        database = cls(asyncpg, pool, f"PostgreSQL schema {schema}")
        try:
            await database.read(lambda connection: _migrate(connection, schema))
        except BaseException:
            await database.close()
            raise
        return database

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        """The rows of one query."""
        return list(await self.read(lambda connection: connection.fetch(query, *values)))

    async def read(self, work: Callable[[Any], Awaitable[T]]) -> T:
        """Run ``work``, which must not mind being run again, on a connection."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + RECONNECT_WITHIN_S
        pause_s = RECONNECT_PAUSE_S
        while True:
            if self._closed:
                raise StorageError(f"{self.name} is closed")
            try:
                async with self._pool.acquire() as connection:
                    return await work(connection)
            except (OSError, self._asyncpg.PostgresError, self._asyncpg.InterfaceError) as error:
                if not self._is_away(error):
                    raise self._typed(error) from error
                if loop.time() + pause_s > deadline:
                    raise Unavailable("PostgreSQL", str(error), hint="the node goes on when it is back") from error
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, RECONNECT_PAUSE_MAX_S)

    async def transact(self, work: Callable[[Attempt], Awaitable[T]]) -> T:
        """Run ``work`` in a transaction that has happened exactly once when this returns."""
        last = Attempt(None)

        async def once(connection: Any) -> T:
            nonlocal last
            if not (last.xid and await self._happened(connection, last.xid)):
                last = Attempt(connection)
                async with connection.transaction():
                    last.result = await work(last)
            return last.result  # type: ignore[no-any-return]

        return await self.read(once)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._pool.close()

    async def _happened(self, connection: Any, xid: str) -> bool:
        """What became of a transaction whose connection was lost."""
        while True:
            status = await connection.fetchval("SELECT pg_xact_status($1::text::xid8)", xid)
            if status != "in progress":
                return bool(status == "committed")
            await asyncio.sleep(RECONNECT_PAUSE_S)

    def _is_away(self, error: Exception) -> bool:
        """Whether the server cannot be reached now; else the error is about what was asked."""
        if isinstance(error, self._asyncpg.InterfaceError):
            # The client library found its connection gone, unless it speaks of a value.
            return not isinstance(error, self._asyncpg.DataError)
        return isinstance(error, OSError) or (getattr(error, "sqlstate", None) or "").startswith(_AWAY)

    def _typed(self, error: Exception) -> PhalanxError:
        state = getattr(error, "sqlstate", None) or ""
        if state in _FULL:
            return StorageFull(self.name)
        if state in _CORRUPT:
            return StorageCorrupt(self.name, 0, str(error))
        return StorageError(f"{self.name}: {error}", hint="look at the server's log")


async def _leave_as_it_is(_connection: object) -> None:
    """Nothing here changes a session, so handing a connection back needs no round trip to reset it."""


def said(error: Exception) -> str:
    """What went wrong, without the number that the operating system gives it."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def import_asyncpg() -> ModuleType:
    try:
        import asyncpg
    except ImportError as error:
        raise Unavailable("PostgreSQL", "asyncpg is not installed", hint="pip install 'phalanx[postgres]'") from error
    return asyncpg  # type: ignore[no-any-return]


async def _migrate(connection: Any, schema: str) -> None:
    async with connection.transaction():
        # Nodes that start together take turns; the later ones find nothing left to do.
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
        if await connection.fetchval("SELECT to_regnamespace($1)", schema) is None:
            await connection.execute(f"CREATE SCHEMA {schema}")
        await connection.execute("CREATE TABLE IF NOT EXISTS meta (name text PRIMARY KEY, value bigint NOT NULL)")
        at = await connection.fetchval("SELECT value FROM meta WHERE name = 'schema'") or 0
        if at > len(MIGRATIONS):
            raise FutureVersion(f"PostgreSQL schema {schema}", seen=at, known=len(MIGRATIONS))
        for statements in MIGRATIONS[at:]:
            for statement in statements:
                await connection.execute(statement)
        await connection.execute(
            "INSERT INTO meta VALUES ('schema', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            len(MIGRATIONS),
        )
