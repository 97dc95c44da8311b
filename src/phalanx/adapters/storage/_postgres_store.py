"""The store in PostgreSQL, shared by any number of nodes.

All commits of all nodes pass one row, the version counter, which each holds locked until it
is durable. So they take effect one after the other, in the order of their versions, and what
an expectation was checked against cannot change before the commit. Concurrent commits of one
node share a transaction, which keeps that lock from being the limit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from phalanx.adapters._limits import (
    COMMIT_WEIGHT,
    MAX_GROUP_WEIGHT,
    MAX_INDEX_VALUE_BYTES,
    MAX_KEY_BYTES,
    MAX_WAITING_WEIGHT,
)
from phalanx.adapters.storage._grouping import Commit, Plan, RowKey, checked, plan, unpacked
from phalanx.adapters.storage._groups import Groups
from phalanx.adapters.storage._postgres import Attempt, Database
from phalanx.adapters.storage._row_keys import check_index, check_row, check_text, interval
from phalanx.core import Expect, Row, StorageError, StorageFull, Table, TenantId, Write

_LOCK = "SELECT value, pg_current_xact_id()::text FROM meta WHERE name = 'version' FOR UPDATE"
_STORED = """
    SELECT tbl, tenant, key, r.version, r.entries
    FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS k (tbl, tenant, key) JOIN rows r USING (tbl, tenant, key)"""
_DELETE_ENTRIES = """
    DELETE FROM entries e USING unnest($1::text[], $2::bytea[], $3::text[], $4::bytea[], $5::bytea[])
        AS k (tbl, tenant, name, value, key)
    WHERE (e.tbl, e.tenant, e.name, e.value, e.key) = (k.tbl, k.tenant, k.name, k.value, k.key)"""
_DELETE_ROWS = """
    DELETE FROM rows r USING unnest($1::text[], $2::bytea[], $3::bytea[]) AS k (tbl, tenant, key)
    WHERE (r.tbl, r.tenant, r.key) = (k.tbl, k.tenant, k.key)"""
_PUT_ROWS = """
    INSERT INTO rows (tbl, tenant, key, version, value, entries)
    SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bytea[], $6::bytea[])
    ON CONFLICT (tbl, tenant, key) DO UPDATE
    SET version = excluded.version, value = excluded.value, entries = excluded.entries"""
_PUT_ENTRIES = """
    INSERT INTO entries (tbl, tenant, name, value, key)
    SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[], $4::bytea[], $5::bytea[])"""
# Hops from one tenant to the next along the primary key, however many rows each has.
_TENANTS = """
    WITH RECURSIVE hop (tenant) AS (
        (SELECT tenant FROM rows WHERE tbl = $1 ORDER BY tenant LIMIT 1)
        UNION ALL
        SELECT (SELECT tenant FROM rows WHERE tbl = $1 AND tenant > hop.tenant ORDER BY tenant LIMIT 1)
        FROM hop WHERE hop.tenant IS NOT NULL)
    SELECT tenant FROM hop WHERE tenant IS NOT NULL ORDER BY tenant"""


class PostgresStore:
    """A ``Store`` in one schema of a PostgreSQL database (13 or newer)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._commits: Groups[Commit, int] = Groups(
            database.name,
            self._commit_group,
            weigh=lambda commit: COMMIT_WEIGHT + len(commit.writes),
            max_weight=MAX_GROUP_WEIGHT,
            max_waiting=MAX_WAITING_WEIGHT,
        )

    @classmethod
    async def open(cls, dsn: str, *, schema: str = "phalanx") -> "PostgresStore":
        """Connect to ``dsn``, making or migrating ``schema`` first where needed."""
        return cls(await Database.open(dsn, schema))

    async def get(self, table: Table, tenant: TenantId, key: str) -> Row | None:
        check_row(table, tenant, key)
        self._commits.require_open()
        found = await self._database.fetch(
            "SELECT value, version FROM rows WHERE tbl = $1 AND tenant = $2 AND key = $3",
            table.name,
            tenant.encode(),
            key.encode(),
        )
        return Row(key, *found[0]) if found else None

    async def scan(
        self,
        table: Table,
        tenant: TenantId,
        *,
        prefix: str = "",
        after: str = "",
        limit: int = 1_000,
        reverse: bool = False,
    ) -> list[Row]:
        check_text(f"{table.name} prefix", prefix, MAX_KEY_BYTES)
        check_text(f"{table.name} cursor", after, MAX_KEY_BYTES)
        return await self._list(
            "SELECT key, value, version FROM rows r WHERE tbl = $1 AND tenant = $2",
            (table.name, tenant.encode()),
            keys=interval(prefix, after, reverse=reverse),
            limit=limit,
            reverse=reverse,
        )

    async def find(
        self,
        table: Table,
        tenant: TenantId,
        index: str,
        value: str,
        *,
        after: str = "",
        limit: int = 1_000,
        reverse: bool = False,
    ) -> list[Row]:
        check_index(table, index)
        check_text(f"{table.name} {index}", value, MAX_INDEX_VALUE_BYTES)
        check_text(f"{table.name} cursor", after, MAX_KEY_BYTES)
        return await self._list(
            "SELECT key, r.value, r.version FROM entries e JOIN rows r USING (tbl, tenant, key)"
            " WHERE tbl = $1 AND tenant = $2 AND e.name = $3 AND e.value = $4",
            (table.name, tenant.encode(), index, value.encode()),
            keys=interval("", after, reverse=reverse),
            limit=limit,
            reverse=reverse,
        )

    async def index_of(self, table: Table, tenant: TenantId, key: str) -> Mapping[str, Sequence[str]]:
        check_row(table, tenant, key)
        self._commits.require_open()
        found = await self._database.fetch(
            "SELECT entries FROM rows WHERE tbl = $1 AND tenant = $2 AND key = $3",
            table.name,
            tenant.encode(),
            key.encode(),
        )
        return unpacked(found[0][0]) if found else {}

    async def commit(self, writes: Sequence[Write], *, expect: Sequence[Expect] = ()) -> int:
        return await self._commits.ask(checked(writes, expect))

    async def tenants(self, table: Table) -> list[TenantId]:
        self._commits.require_open()
        return [TenantId(tenant.decode()) for (tenant,) in await self._database.fetch(_TENANTS, table.name)]

    async def close(self) -> None:
        await self._commits.close()
        await self._database.close()

    async def _list(
        self, select: str, where: tuple[Any, ...], *, keys: tuple[str, str | None], limit: int, reverse: bool
    ) -> list[Row]:
        self._commits.require_open()
        if limit <= 0:
            return []
        low, high = keys
        values = [*where, low.encode(), limit]
        bounds = f" AND key >= ${len(where) + 1}"
        if high is not None:
            values.append(high.encode())
            bounds += f" AND key < ${len(values)}"
        order = f" ORDER BY key {'DESC' if reverse else 'ASC'} LIMIT ${len(where) + 2}"
        found = await self._database.fetch(select + bounds + order, *values)
        return [Row(key.decode(), value, version) for key, value, version in found]

    async def _commit_group(self, commits: Sequence[Commit]) -> list[int | StorageError]:
        try:
            return await self._database.transact(lambda attempt: _write(attempt, commits))
        except StorageFull as full:
            if len(commits) == 1:
                return [full]
        # Together they did not fit; alone, some still may.
        return [(await self._commit_group([commit]))[0] for commit in commits]


async def _write(attempt: Attempt, commits: Sequence[Commit]) -> list[int | StorageError]:
    connection = attempt.connection
    version, attempt.xid = await connection.fetchrow(_LOCK)
    planned = plan(commits, await _stored(connection, commits), version)
    if planned.changes:
        await _apply(connection, planned)
    return list(planned.outcomes)


async def _stored(connection: Any, commits: Sequence[Commit]) -> dict[RowKey, tuple[int, bytes]]:
    keys = dict.fromkeys(key for commit in commits for key in commit.row_keys())
    found = await connection.fetch(
        _STORED,
        [table for table, _, _ in keys],
        [tenant.encode() for _, tenant, _ in keys],
        [key.encode() for _, _, key in keys],
    )
    return {
        (table, tenant.decode(), key.decode()): (version, entries) for table, tenant, key, version, entries in found
    }


async def _apply(connection: Any, planned: Plan) -> None:
    """Write the net effect, a statement for each kind of change, values given column by column."""
    for sql, rows, text_columns in (
        (_DELETE_ENTRIES, planned.old_entries, (1, 3, 4)),
        (_DELETE_ROWS, planned.deletes, (1, 2)),
        (_PUT_ROWS, planned.puts, (1, 2)),
        (_PUT_ENTRIES, planned.new_entries, (1, 3, 4)),
    ):
        if rows:
            columns: list[Any] = [list(column) for column in zip(*rows, strict=True)]
            for i in text_columns:
                columns[i] = [text.encode() for text in columns[i]]
            await connection.execute(sql, *columns)
    await connection.execute("UPDATE meta SET value = $1 WHERE name = 'version'", planned.version)
