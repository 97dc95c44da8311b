"""What only the PostgreSQL adapters promise: migrations, fencing, and a server that goes away."""

import asyncio
import builtins
import contextlib
import itertools
from pathlib import Path

import pytest

from phalanx.adapters.storage import PostgresJournals, PostgresStore, _postgres, _postgres_store
from phalanx.core import Expect, FutureVersion, InvalidInput, Put, StorageError, Table, TenantId, Unavailable

pytestmark = pytest.mark.postgres

NOTES = Table("notes", indexes=("tag",))
ACME = TenantId("acme")
_schemas = (f"special_{n}" for n in itertools.count())


def put(key, value=b"", *tags):
    return Put(NOTES, ACME, key, value, {"tag": tags})


@contextlib.asynccontextmanager
async def closing(opening):
    opened = await opening
    try:
        yield opened
    finally:
        await opened.close()


class LossyProxy:
    """Stands between client and server, and cuts the connection at chosen COMMITs.

    ``fates`` say for each COMMIT in turn what happens: ``after`` the server got it the client is
    cut off, or ``before``; then all pass.
    """

    def __init__(self, server_folder: Path, folder: Path) -> None:
        self._server = str(server_folder / ".s.PGSQL.5432")
        self._here = str(folder / ".s.PGSQL.5432")
        self.dsn = f"postgresql://phalanx@/postgres?host={folder}"
        self.fates: list[str] = []
        self.cut = 0

    async def __aenter__(self):
        self._serving = set()
        self._listener = await asyncio.start_unix_server(self._accept, self._here)
        return self

    async def __aexit__(self, *_):
        self._listener.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _accept(self, client_in, client_out):
        task = asyncio.current_task()
        self._serving.add(task)
        server_in, server_out = await asyncio.open_unix_connection(self._server)
        back = asyncio.create_task(self._pump(server_in, client_out))
        try:
            while data := await client_in.read(1 << 16):
                fate = self.fates.pop(0) if b"COMMIT;" in data and self.fates else "pass"
                if fate == "after":
                    back.cancel()
                    await asyncio.wait([back])
                    server_out.write(data)
                    # The server answers once the commit is done; the client will not hear of it.
                    await server_in.read(1)
                if fate != "pass":
                    self.cut += 1
                    return
                server_out.write(data)
        finally:
            back.cancel()
            self._serving.discard(task)
            for writer in (client_out, server_out):
                writer.close()
            await asyncio.gather(back, client_out.wait_closed(), server_out.wait_closed(), return_exceptions=True)

    async def _pump(self, server_in, client_out):
        while data := await server_in.read(1 << 16):
            client_out.write(data)
        client_out.close()


@pytest.fixture
def schema():
    return next(_schemas)


@pytest.mark.parametrize("fates", [["after"], ["before"], ["before", "after"], ["before"] * 3])
def test_a_commit_whose_answer_was_lost_happens_once(postgres_server, schema, tmp_path, fates):
    async def main():
        async with LossyProxy(postgres_server.folder, tmp_path) as proxy:
            async with closing(PostgresStore.open(proxy.dsn, schema=schema)) as store:
                before = await store.commit([put("a", b"1")])
                proxy.fates = list(fates)
                version = await store.commit([put("k", b"1", "red")], expect=[Expect(NOTES, ACME, "k", 0)])
                assert version == before + 1, "no second version was taken"
                row = await store.get(NOTES, ACME, "k")
                assert (row.value, row.version) == (b"1", version)
            async with (
                closing(PostgresJournals.connect(proxy.dsn, schema=schema)) as journals,
                closing(journals.open("j")) as journal,
            ):
                await journal.append([b"before"])
                proxy.fates = list(fates)
                assert await journal.append([b"once", b"only"]) == 1
                proxy.fates = []
                assert await journal.append([b"after"]) == 3
                assert await journal.read(0) == [b"before", b"once", b"only", b"after"]
            # What is known to have happened is not begun again.
            assert proxy.cut == 2 * len(fates)

    asyncio.run(main())


@pytest.mark.slow
def test_the_server_restarts(postgres_server, schema):
    async def main():
        async with (
            closing(PostgresStore.open(postgres_server.dsn, schema=schema)) as store,
            closing(PostgresJournals.connect(postgres_server.dsn, schema=schema)) as journals,
            closing(journals.open("j")) as journal,
        ):
            first = await store.commit([put("k", b"1")])
            await journal.append([b"0"])
            for how in ("fast", "immediate"):
                await asyncio.to_thread(postgres_server.stop, how)
                working = asyncio.gather(
                    store.get(NOTES, ACME, "k"),
                    store.commit([put(how, b"")], expect=[Expect(NOTES, ACME, how, 0)]),
                    journal.append([how.encode()]),
                    journal.read(0, max_records=1),
                )
                await asyncio.to_thread(postgres_server.start)
                row, version, _, records = await working
                assert (row.version, version > first, records) == (first, True, [b"0"])
            assert await journal.read(0) == [b"0", b"fast", b"immediate"]

    asyncio.run(main())


def test_a_server_that_stays_away_is_unavailable(postgres_server, schema, tmp_path, monkeypatch):
    monkeypatch.setattr(_postgres, "RECONNECT_WITHIN_S", 0.2)

    async def main():
        proxy = LossyProxy(postgres_server.folder, tmp_path)
        async with proxy:
            store = await PostgresStore.open(proxy.dsn, schema=schema)
            proxy.fates = ["before"] * 100
            with pytest.raises(Unavailable, match="PostgreSQL"):
                await store.commit([put("k")])
            proxy.fates = []
            await store.commit([put("k")], expect=[Expect(NOTES, ACME, "k", 0)])
            await store.close()
        with pytest.raises(Unavailable, match="PostgreSQL"):
            await PostgresStore.open(f"postgresql://phalanx@/postgres?host={tmp_path / 'nowhere'}")
        with pytest.raises(Unavailable, match="does not exist"):
            await PostgresStore.open(postgres_server.dsn.replace("/postgres?", "/nowhere?"))
        with pytest.raises(Unavailable, match="PostgreSQL"):
            await PostgresStore.open("no connection string")

    asyncio.run(main())


def test_nodes_that_start_together_migrate_once(postgres_server, schema):
    async def main():
        stores = await asyncio.gather(
            *(PostgresStore.open(postgres_server.dsn, schema=schema) for _ in range(6)),
        )
        versions = await asyncio.gather(*(store.commit([put(f"k{i}")]) for i, store in enumerate(stores)))
        assert sorted(versions) == [1, 2, 3, 4, 5, 6]
        for store in stores:
            await store.close()

    asyncio.run(main())


def test_schemas(postgres_server, schema, monkeypatch):
    async def open_and_get():
        async with closing(PostgresStore.open(postgres_server.dsn, schema=schema)) as store:
            return await store.get(NOTES, ACME, "k")

    async def main():
        async with closing(PostgresStore.open(postgres_server.dsn, schema=schema)) as store:
            await store.commit([put("k", b"kept")])
        step = (("CREATE TABLE extra (a int)", "INSERT INTO extra VALUES (1)"),)
        known = len(_postgres.MIGRATIONS)
        with monkeypatch.context() as newer:
            newer.setattr(_postgres, "MIGRATIONS", _postgres.MIGRATIONS + step)
            assert (await open_and_get()).value == b"kept"
            assert (await open_and_get()).value == b"kept"
        assert postgres_server.sql(f"SELECT count(*) FROM {schema}.extra").strip() == "1"
        with pytest.raises(FutureVersion) as caught:
            await open_and_get()
        assert (caught.value.seen, caught.value.known) == (known + 1, known)
        with pytest.raises(InvalidInput):
            await PostgresStore.open(postgres_server.dsn, schema='x"; drop schema public')

    asyncio.run(main())


def test_who_opens_a_journal_last_writes_it(postgres_server, schema):
    async def main():
        async with (
            closing(PostgresJournals.connect(postgres_server.dsn, schema=schema)) as one,
            closing(PostgresJournals.connect(postgres_server.dsn, schema=schema)) as two,
        ):
            old = await one.open("j")
            await old.append([b"old"])
            new = await two.open("j")
            assert (new.start, new.end) == (0, 1)
            for call in (old.append([b"late"]), old.trim(1)):
                with pytest.raises(StorageError, match="another node"):
                    await call
            assert await new.append([b"new"]) == 1
            assert await new.read(0) == [b"old", b"new"]

    asyncio.run(main())


def test_a_node_that_hangs_in_its_transaction_loses_it(postgres_server, schema, monkeypatch):
    """Every commit waits for the one before it, so one that never ends would stop all nodes."""
    monkeypatch.setitem(_postgres._SESSION, "idle_in_transaction_session_timeout", "200ms")

    async def main():
        async with (
            closing(PostgresStore.open(postgres_server.dsn, schema=schema)) as hanging,
            closing(PostgresStore.open(postgres_server.dsn, schema=schema)) as other,
        ):
            released, locked = asyncio.Event(), asyncio.Event()

            async def hang(attempt):
                _, attempt.xid = await attempt.connection.fetchrow(_postgres_store._LOCK)
                if not locked.is_set():
                    locked.set()
                    await released.wait()
                await attempt.connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'version'")

            task = asyncio.ensure_future(hanging._database.transact(hang))
            await locked.wait()
            assert await other.commit([put("k")]) == 1
            released.set()
            await task
            assert await other.commit([put("k")]) == 3, "it was run again, once"

    asyncio.run(main())


def test_commits_are_durable_whatever_the_server_s_default(postgres_server, schema):
    postgres_server.sql("ALTER SYSTEM SET synchronous_commit = off")
    postgres_server.sql("SELECT pg_reload_conf()")

    async def main():
        async with closing(PostgresStore.open(postgres_server.dsn, schema=schema)) as store:
            assert await store._database.fetch("SHOW synchronous_commit") == [("on",)]

    try:
        asyncio.run(main())
    finally:
        postgres_server.sql("ALTER SYSTEM RESET synchronous_commit")
        postgres_server.sql("SELECT pg_reload_conf()")


def test_without_the_library_it_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **keywords):
        if name == "asyncpg":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Unavailable) as caught:
        asyncio.run(PostgresStore.open("postgresql://"))
    assert caught.value.hint == "pip install 'phalanx[postgres]'"
