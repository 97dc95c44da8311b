"""What only the SQLite store promises: its file, its schema, its errors and its plans."""

import asyncio
import contextlib
import re
import sqlite3
import stat

import pytest

from phalanx.adapters.storage import SqliteStore, _sqlite_threads
from phalanx.core import (
    Conflict,
    Expect,
    FutureVersion,
    InvalidInput,
    Put,
    StorageCorrupt,
    StorageError,
    StorageFull,
    Table,
    TenantId,
)

NOTES = Table("notes", indexes=("tag",))
ACME = TenantId("acme")


def put(key, value=b"", *tags):
    return Put(NOTES, ACME, key, value, {"tag": tags})


@contextlib.asynccontextmanager
async def opened(path):
    store = await SqliteStore.open(path)
    try:
        yield store
    finally:
        await store.close()


def on(path, work):
    async def main():
        async with opened(path) as store:
            return await work(store)

    return asyncio.run(main())


async def nothing(_store):
    return None


def sql(path, *statements):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        return [db.execute(statement).fetchall() for statement in statements][-1]


def test_the_file_is_durable_and_private(tmp_path):
    path = tmp_path / "new" / "store.sqlite"

    async def check(store):
        await store.commit([put("k")])
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name

    on(path, check)
    assert sql(path, "PRAGMA journal_mode") == [("wal",)]
    assert [file.name for file in path.parent.iterdir()] == ["store.sqlite"], "closing leaves one complete file"
    connection = _sqlite_threads._connect(path)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
    connection.close()


def test_concurrent_commits_share_transactions(tmp_path, monkeypatch):
    groups = []
    write = _sqlite_threads.Writer._write

    def counted(self, commits):
        groups.append(len(commits))
        return write(self, commits)

    monkeypatch.setattr(_sqlite_threads.Writer, "_write", counted)

    async def check(store):
        versions = await asyncio.gather(*(store.commit([put(f"k{i:03d}")]) for i in range(200)))
        assert sorted(versions) == list(range(1, 201))

    on(tmp_path / "s", check)
    assert sum(groups) == 200
    assert len(groups) < 20


def test_a_newer_schema_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "s"
    on(path, lambda store: store.commit([put("k")]))
    newer = len(_sqlite_threads.MIGRATIONS) + 1
    sql(path, f"UPDATE meta SET value = {newer} WHERE name = 'schema'")
    with pytest.raises(FutureVersion) as caught:
        on(path, nothing)
    assert (caught.value.seen, caught.value.known) == (newer, newer - 1)
    assert sql(path, "SELECT value FROM meta WHERE name = 'schema'") == [(newer,)]


def test_an_older_schema_is_brought_up_step_by_step(tmp_path, monkeypatch):
    path = tmp_path / "s"
    on(path, lambda store: store.commit([put("k", b"old")]))
    steps = (("CREATE TABLE extra (a)",), ("ALTER TABLE extra ADD COLUMN b", "INSERT INTO extra VALUES (1, 2)"))
    monkeypatch.setattr(_sqlite_threads, "MIGRATIONS", _sqlite_threads.MIGRATIONS + steps)
    for _ in range(2):
        row = on(path, lambda store: store.get(NOTES, ACME, "k"))
        assert row.value == b"old"
    assert sql(path, "SELECT * FROM extra") == [(1, 2)]
    assert sql(path, "SELECT value FROM meta WHERE name = 'schema'") == [(len(_sqlite_threads.MIGRATIONS),)]


def test_a_migration_that_fails_leaves_the_old_schema(tmp_path, monkeypatch):
    path = tmp_path / "s"
    on(path, lambda store: store.commit([put("k", b"old")]))
    with monkeypatch.context() as broken:
        bad = (("CREATE TABLE extra (a)", "INSERT INTO nowhere VALUES (1)"),)
        broken.setattr(_sqlite_threads, "MIGRATIONS", _sqlite_threads.MIGRATIONS + bad)
        with pytest.raises(StorageError, match="nowhere"):
            on(path, nothing)
    assert on(path, lambda store: store.get(NOTES, ACME, "k")).value == b"old"
    assert sql(path, "SELECT name FROM sqlite_master WHERE name = 'extra'") == []


def test_what_is_no_database_is_corrupt(tmp_path):
    path = tmp_path / "s"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StorageCorrupt) as caught:
        on(path, nothing)
    assert caught.value.where == str(path)


def test_damage_is_reported_as_such(tmp_path):
    path = tmp_path / "s"

    async def fill(store):
        await store.commit([put(f"k{i:04d}", bytes(500)) for i in range(500)])

    on(path, fill)
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xa5" * (len(whole) - 8192))

    async def check(store):
        with pytest.raises(StorageCorrupt):
            await store.scan(NOTES, ACME)

    on(path, check)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot open"):
        on(tmp_path / "file" / "store.sqlite", nothing)


def test_no_room_is_typed_and_leaves_the_store_readable(tmp_path, monkeypatch):
    """SQLite's own quota in place of a full disk, so that this runs without root."""
    monkeypatch.setattr(_sqlite_threads, "_PRAGMAS", (*_sqlite_threads._PRAGMAS, "PRAGMA max_page_count = 60"))

    async def check(store):
        await store.commit([put("first", b"1", "red")])
        with pytest.raises(StorageFull) as caught:
            await store.commit([put("big", bytes(1 << 20)), put("small", b"", "red")])
        assert caught.value.where == str(tmp_path / "s")
        assert [row.key for row in await store.find(NOTES, ACME, "tag", "red")] == ["first"]
        outcomes = await asyncio.gather(
            store.commit([put("a")]),
            store.commit([put("big", bytes(1 << 20))]),
            store.commit([put("b")], expect=[Expect(NOTES, ACME, "first", 0)]),
            store.commit([put("c")]),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [int, StorageFull, Conflict, int]
        assert [row.key for row in await store.scan(NOTES, ACME)] == ["a", "c", "first"]

    on(tmp_path / "s", check)


def test_text_that_is_no_text_is_refused(tmp_path):
    async def check(store):
        for call in (
            store.get(NOTES, ACME, "\ud800"),
            store.scan(NOTES, ACME, prefix="\ud800"),
            store.scan(NOTES, ACME, after="\udfff"),
            store.find(NOTES, ACME, "tag", "\ud800"),
            store.commit([put("\ud800")]),
        ):
            with pytest.raises(InvalidInput):
                await call

    on(tmp_path / "s", check)


def test_a_limit_below_zero_is_no_row_rather_than_every_row(tmp_path):
    async def check(store):
        await store.commit([put("k", b"", "red")])
        assert await store.scan(NOTES, ACME, limit=-1) == []
        assert await store.find(NOTES, ACME, "tag", "red", limit=-1) == []

    on(tmp_path / "s", check)


def test_every_statement_finds_its_rows_by_key(tmp_path):
    """However big a table is, no statement walks through it."""
    path = tmp_path / "s"
    asked = []

    async def work(store):
        ask = store._reader.ask

        async def remember(query):
            asked.append(query)
            return await ask(query)

        store._reader.ask = remember
        await store.get(NOTES, ACME, "k")
        for reverse in (False, True):
            await store.scan(NOTES, ACME, prefix="a", reverse=reverse)
            await store.find(NOTES, ACME, "tag", "red", after="k", reverse=reverse)
        await store.tenants(NOTES)

    on(path, work)
    for sql_text, width in (
        (_sqlite_threads._STORED, 3),
        (_sqlite_threads._DELETE_ROWS, 3),
        (_sqlite_threads._DELETE_ENTRIES, 5),
    ):
        asked += _sqlite_threads._many(sql_text, [("x",) * width] * 3, width)
    assert len(asked) == 1 + 4 + 1 + 3 * 2
    with contextlib.closing(sqlite3.connect(path)) as db:
        for query, values in asked:
            plan = [step[3] for step in db.execute(f"EXPLAIN QUERY PLAN {query}", values)]
            assert not [step for step in plan if re.match(r"SCAN (rows|entries|r|e)\b", step)], (query, plan)
            if "LIMIT" in query:
                assert not [step for step in plan if "TEMP B-TREE" in step], "a page is read in order, not sorted"
