"""The store in one SQLite file.

Write-ahead log with ``synchronous=FULL``: when a commit returns, it is in the log and the log
is on the disk. One thread writes, concurrent commits sharing a transaction; another reads and
is never held up by the writer. Rows of all tables lie in one SQL table, so that a new table
needs no migration.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from phalanx.adapters._limits import (
    COMMIT_WEIGHT,
    MAX_GROUP_WEIGHT,
    MAX_INDEX_VALUE_BYTES,
    MAX_KEY_BYTES,
    MAX_READ_BATCH,
)
from phalanx.adapters.storage._grouping import Commit, checked, unpacked
from phalanx.adapters.storage._row_keys import check_index, check_row, check_text, interval
from phalanx.adapters.storage._sqlite_threads import Query, Reader, Writer
from phalanx.adapters.storage._worker import Worker
from phalanx.core import Expect, Row, Table, TenantId, Write

# Hops from one tenant to the next along the primary key, however many rows each has.
_TENANTS = """
    WITH RECURSIVE hop (tenant) AS (
        SELECT min(tenant) FROM rows WHERE tbl = ?1
        UNION ALL
        SELECT (SELECT min(tenant) FROM rows WHERE tbl = ?1 AND tenant > hop.tenant) FROM hop WHERE tenant IS NOT NULL)
    SELECT tenant FROM hop WHERE tenant IS NOT NULL ORDER BY tenant"""


class SqliteStore:
    """A ``Store`` in the SQLite file ``path``. Several processes may have it open."""

    def __init__(self, path: Path) -> None:
        self._writer: Worker[Commit, int] = Worker(
            f"phalanx-write {path.name}",
            lambda: Writer(path),
            weigh=lambda commit: COMMIT_WEIGHT + len(commit.writes),
            max_weight=MAX_GROUP_WEIGHT,
        )
        self._reader: Worker[Query, list[Any]] = Worker(
            f"phalanx-read {path.name}", lambda: Reader(path), weigh=lambda _: 1, max_weight=MAX_READ_BATCH
        )

    @classmethod
    async def open(cls, path: Path) -> "SqliteStore":
        """Open the file, making or migrating it first where needed."""
        store = cls(path)
        await store._writer.open()
        try:
            await store._reader.open()
        except BaseException:
            await store._writer.close()
            raise
        return store

    async def get(self, table: Table, tenant: TenantId, key: str) -> Row | None:
        check_row(table, tenant, key)
        found = await self._reader.ask(
            ("SELECT key, value, version FROM rows WHERE tbl = ? AND tenant = ? AND key = ?", (table.name, tenant, key))
        )
        return Row(*found[0]) if found else None

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
        return await self._list(
            "SELECT key, value, version FROM rows WHERE tbl = ? AND tenant = ?",
            (table.name, tenant),
            column="key",
            keys=self._interval(table, prefix, after, reverse=reverse),
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
        # CROSS JOIN has SQLite walk the index entries in order, each leading to its row.
        return await self._list(
            "SELECT r.key, r.value, r.version FROM entries e CROSS JOIN rows r USING (tbl, tenant, key)"
            " WHERE e.tbl = ? AND e.tenant = ? AND e.name = ? AND e.value = ?",
            (table.name, tenant, index, value),
            column="e.key",
            keys=self._interval(table, "", after, reverse=reverse),
            limit=limit,
            reverse=reverse,
        )

    async def index_of(self, table: Table, tenant: TenantId, key: str) -> Mapping[str, Sequence[str]]:
        check_row(table, tenant, key)
        found = await self._reader.ask(
            ("SELECT entries FROM rows WHERE tbl = ? AND tenant = ? AND key = ?", (table.name, tenant, key))
        )
        return unpacked(found[0][0]) if found else {}

    async def commit(self, writes: Sequence[Write], *, expect: Sequence[Expect] = ()) -> int:
        return await self._writer.ask(checked(writes, expect))

    async def tenants(self, table: Table) -> list[TenantId]:
        return [TenantId(tenant) for (tenant,) in await self._reader.ask((_TENANTS, (table.name,)))]

    async def close(self) -> None:
        """Finish the commits under way. The file is complete without its log after this."""
        await self._reader.close()
        await self._writer.close()

    def _interval(self, table: Table, prefix: str, after: str, *, reverse: bool) -> tuple[str, str | None]:
        check_text(f"{table.name} cursor", after, MAX_KEY_BYTES)
        return interval(prefix, after, reverse=reverse)

    async def _list(
        self,
        select: str,
        where: tuple[str, ...],
        *,
        column: str,
        keys: tuple[str, str | None],
        limit: int,
        reverse: bool,
    ) -> list[Row]:
        if limit <= 0:
            return []
        low, high = keys
        bounds = f" AND {column} >= ?" + (f" AND {column} < ?" if high is not None else "")
        order = f" ORDER BY {column} {'DESC' if reverse else 'ASC'} LIMIT ?"
        values = (*where, low, limit) if high is None else (*where, low, high, limit)
        return [Row(*found) for found in await self._reader.ask((select + bounds + order, values))]
