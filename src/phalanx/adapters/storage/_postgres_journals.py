"""Journals in PostgreSQL.

A journal has one writer: who opened it last. Opening takes a new writer number, and an append
under an older one is refused, so a node that was given up for dead cannot write beside the
one that replaced it.
"""

import asyncio
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from phalanx.adapters._limits import GROUP_BYTES, MAX_WAITING_BYTES, TRIM_ROWS
from phalanx.adapters.storage._groups import Groups
from phalanx.adapters.storage._postgres import Attempt, Database
from phalanx.adapters.storage._segments import append_bytes, check_journal_name, check_records
from phalanx.core import NotFound, StorageCorrupt, StorageError

_OPEN = """
    INSERT INTO journals (name, start_at, end_at, writer) VALUES ($1, 0, 0, 1)
    ON CONFLICT (name) DO UPDATE SET writer = journals.writer + 1
    RETURNING start_at, end_at, writer, pg_current_xact_id()::text"""
_RESERVE = """
    UPDATE journals SET end_at = end_at + $3 WHERE name = $1 AND writer = $2
    RETURNING end_at - $3, pg_current_xact_id()::text"""
_APPEND = """
    INSERT INTO records (journal, at, body)
    SELECT $1, $2 + i - 1, body FROM unnest($3::bytea[]) WITH ORDINALITY AS t (body, i)"""
# The running total comes from the sizes alone; a body beyond the bound is never read.
_READ = """
    SELECT at, body FROM (
        SELECT at, body, sum(octet_length(body)) OVER (ORDER BY at) AS total FROM (
            SELECT at, body FROM records WHERE journal = $1 AND at >= $2 AND at < $3 ORDER BY at LIMIT $4) AS page
    ) AS sized WHERE total <= $5 OR at = $2 ORDER BY at"""
_TRIM = """
    UPDATE journals SET start_at = greatest(start_at, least($3, end_at)) WHERE name = $1 AND writer = $2
    RETURNING start_at"""
_DROP = """
    DELETE FROM records WHERE journal = $1 AND at IN (
        SELECT at FROM records WHERE journal = $1 AND at < $2 ORDER BY at LIMIT $3)"""


class PostgresJournals:
    """Opens journals by name in one schema of a PostgreSQL database (13 or newer)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def connect(cls, dsn: str, *, schema: str = "phalanx") -> "PostgresJournals":
        """Connect to ``dsn``, making or migrating ``schema`` first where needed."""
        return cls(await Database.open(dsn, schema))

    async def open(self, name: str) -> "PostgresJournal":
        check_journal_name(name)

        async def take(attempt: Attempt) -> tuple[int, int, int]:
            start, end, writer, attempt.xid = await attempt.connection.fetchrow(_OPEN, name)
            return start, end, writer

        start, end, writer = await self._database.transact(take)
        return PostgresJournal(self._database, name, start=start, end=end, writer=writer)

    async def close(self) -> None:
        await self._database.close()


class PostgresJournal:
    """A ``Journal`` in two tables. Made by ``PostgresJournals.open``."""

    def __init__(self, database: Database, name: str, *, start: int, end: int, writer: int) -> None:
        self._database = database
        self._name = name
        self._start = start
        self._end = end
        self._writer = writer
        self._trimming = asyncio.Lock()
        self._appends: Groups[Sequence[bytes], int] = Groups(
            f"journal {name}",
            self._append_group,
            weigh=append_bytes,
            max_weight=GROUP_BYTES,
            max_waiting=MAX_WAITING_BYTES,
        )

    @property
    def start(self) -> int:
        return self._start

    @property
    def end(self) -> int:
        return self._end

    async def append(self, records: Sequence[bytes]) -> int:
        check_records(records)
        self._appends.require_open()
        return await self._appends.ask(records) if records else self._end

    async def read(self, offset: int, *, max_records: int = 1_000, max_bytes: int = 1 << 23) -> list[bytes]:
        self._appends.require_open()
        if offset >= self._end or max_records <= 0:
            return []
        if offset >= self._start:
            found = await self._database.fetch(_READ, self._name, offset, self._end, max_records, max_bytes)
        if offset < self._start:
            raise NotFound("journal record", f"{self._name} {offset}", hint=f"kept are {self._start} and later")
        for expected, (at, _) in enumerate(found, offset):
            if at != expected:
                raise StorageCorrupt(f"journal {self._name}", expected, "the record is missing")
        if not found:
            raise StorageCorrupt(f"journal {self._name}", offset, "the record is missing")
        return [body for _, body in found]

    async def trim(self, before: int) -> None:
        self._appends.require_open()
        async with self._trimming:
            start = await self._database.read(lambda connection: self._move_start(connection, before))
            self._start = start
            # In parts, so that no statement runs for minutes; what is left over goes next time.
            while await self._database.read(lambda connection: self._drop(connection, start)) == TRIM_ROWS:
                continue

    async def close(self) -> None:
        """Finish what was appended; the journal may then be opened again."""
        await self._appends.close()

    async def _append_group(self, appends: Sequence[Sequence[bytes]]) -> list[int]:
        records = [record for group in appends for record in group]

        async def write(attempt: Attempt) -> int:
            reserved = await attempt.connection.fetchrow(_RESERVE, self._name, self._writer, len(records))
            if reserved is None:
                raise self._replaced()
            first, attempt.xid = reserved
            await attempt.connection.execute(_APPEND, self._name, first, records)
            return int(first)

        first = await self._database.transact(write)
        self._end = first + len(records)
        return list(accumulate(map(len, appends[:-1]), initial=first))

    async def _move_start(self, connection: Any, before: int) -> int:
        start = await connection.fetchval(_TRIM, self._name, self._writer, before)
        if start is None:
            raise self._replaced()
        return int(start)

    async def _drop(self, connection: Any, start: int) -> int:
        status = await connection.execute(_DROP, self._name, start, TRIM_ROWS)
        return int(status.split()[-1])

    def _replaced(self) -> StorageError:
        return StorageError(
            f"journal {self._name} was opened by another node, which writes it now",
            hint="run one node for each schema",
        )
