import re
from pathlib import Path

import pytest

import phalanx
from phalanx.core import DEFAULT_TENANT, Delete, InvalidInput, Put, StorageCorrupt, Table, TenantId
from phalanx.crypto import NotAuthentic
from phalanx.crypto.vault import VAULT_PROGRESS, ClearRow, Level, SealedStore, Shredded, WrongKey, looks_sealed
from phalanx.crypto.vault._resealing import reseal
from phalanx.node import SEALED_TABLES

pytestmark = pytest.mark.requirement("CRY-4")

ACME, ZETA = TenantId("acme"), TenantId("zeta")
NOTES = Table("notes", indexes=("tag",), sealed=True)
TABLE = re.compile(r'Table\(\s*"([\w-]+)"(?:,\s*indexes=\([^)]*\))?,\s*sealed=True')
PLAIN = Table("plain", indexes=("tag",))


def put(key, value, *tags, tenant=ACME, table=NOTES):
    return Put(table, tenant, key, value, {"tag": tags})


async def opened(bench, *, seals=True, vault=None):
    return await SealedStore.open(bench.store, vault or await bench.open(), tables=[NOTES], seals=seals)


def test_neither_values_nor_index_values_are_in_the_store(in_vault):
    async def main(bench):
        store = await opened(bench)
        await store.commit([put("k", b"a secret", "hidden"), put("k", b"in clear", "seen", table=PLAIN)])
        row = await bench.store.get(NOTES, ACME, "k")
        assert looks_sealed(row.value)
        assert b"secret" not in row.value
        assert await bench.store.find(NOTES, ACME, "tag", "hidden") == []
        assert [r.value for r in await store.find(NOTES, ACME, "tag", "hidden")] == [b"a secret"]
        assert [r.value for r in await bench.store.find(PLAIN, ACME, "tag", "seen")] == [b"in clear"]

    in_vault(main)


def test_blind_values_of_tenants_and_indexes_tell_nothing_of_each_other(in_vault):
    two = Table("two", indexes=("a", "b"), sealed=True)

    async def main(bench):
        store = await SealedStore.open(bench.store, await bench.open(), tables=[two], seals=True)
        index = {"a": ["same"], "b": ["same"]}
        await store.commit([Put(two, tenant, "k", b"", index) for tenant in (ACME, ZETA)])
        seen = [
            value for t in (ACME, ZETA) for values in (await store.index_of(two, t, "k")).values() for value in values
        ]
        assert len(set(seen)) == 4

    in_vault(main)


def test_rows_from_before_stay_readable_and_findable_in_order(in_vault):
    async def main(bench):
        await bench.store.commit([put("a", b"old", "t"), put("c", b"old", "t"), put("d", b"old", "u")])
        store = await opened(bench)
        assert store.unsealed_tables == {"notes"}
        await store.commit([put("b", b"new", "t"), put("c", b"newer", "t")])
        found = [(row.key, row.value) for row in await store.find(NOTES, ACME, "tag", "t")]
        assert found == [("a", b"old"), ("b", b"new"), ("c", b"newer")]
        backwards = await store.find(NOTES, ACME, "tag", "t", reverse=True, limit=2)
        assert [row.key for row in backwards] == ["c", "b"]
        assert [row.key for row in await store.find(NOTES, ACME, "tag", "t", after="a", limit=1)] == ["b"]
        assert (await store.get(NOTES, ACME, "a")).value == b"old"
        assert [row.value for row in await store.scan(NOTES, ACME)] == [b"old", b"new", b"newer", b"old"]

    in_vault(main)


def test_sealing_can_be_turned_off_and_on_again(in_vault):
    async def main(bench):
        await (await opened(bench)).commit([put("a", b"1", "t")])
        off = await opened(bench, seals=False)
        await off.commit([put("b", b"2", "t")])
        on = await opened(bench)
        await on.commit([put("c", b"3", "t")])
        for store in (off, on):
            assert [row.value for row in await store.find(NOTES, ACME, "tag", "t")] == [b"1", b"2", b"3"]
        assert [looks_sealed(row.value) for row in await bench.store.scan(NOTES, ACME)] == [True, False, True]

    in_vault(main)


def test_a_fresh_table_is_known_to_hold_nothing_in_clear_until_sealing_is_off(in_vault):
    async def main(bench):
        assert not (await opened(bench)).unsealed_tables
        await (await opened(bench)).commit([put("a", b"1", "t")])
        assert not (await opened(bench)).unsealed_tables
        assert (await opened(bench, seals=False)).unsealed_tables
        assert (await opened(bench)).unsealed_tables, "rows in clear may have been written meanwhile"
        store = await opened(bench)
        await store.all_sealed(NOTES)
        assert not store.unsealed_tables
        assert not (await opened(bench)).unsealed_tables

    in_vault(main)


def test_a_row_in_clear_that_somebody_planted_is_refused_and_never_sealed(in_vault):
    async def main(bench):
        vault = await bench.open()
        await (await opened(bench, vault=vault)).commit([put("a", b"ours", "t")])
        await bench.store.commit([put("b", b"theirs", "t")])
        for _ in range(2):
            store = await opened(bench)
            for call in (store.get(NOTES, ACME, "b"), store.scan(NOTES, ACME)):
                with pytest.raises(ClearRow, match="row 'b' of table notes"):
                    await call
            assert [row.key for row in await store.find(NOTES, ACME, "tag", "t")] == ["a"]
        rows = await bench.store.scan(NOTES, ACME)
        assert await reseal(store, vault, NOTES, ACME, rows) == 0
        assert (await bench.store.get(NOTES, ACME, "b")).value == b"theirs"
        await bench.store.commit([Delete(NOTES, ACME, "b")])
        assert [row.value for row in await store.scan(NOTES, ACME)] == [b"ours"]

    in_vault(main)


def test_the_list_of_sealed_tables_can_neither_be_taken_away_nor_be_written(in_vault):
    async def main(bench):
        await (await opened(bench)).commit([put("a", b"ours", "t")])
        row = await bench.store.get(VAULT_PROGRESS, DEFAULT_TENANT, "sealed-tables")
        assert b"notes" not in row.value
        sealer = await (await bench.open()).sealer(TenantId("node:store"), "store")
        for value in (None, b"", b"notes", sealer.seal(b"", b"sealed-tables")):
            change = Delete if value is None else Put
            given = () if value is None else (value,)
            await bench.store.commit([change(VAULT_PROGRESS, DEFAULT_TENANT, "sealed-tables", *given)])
            for seals in (True, False):
                with pytest.raises(StorageCorrupt, match="list of sealed tables"):
                    await opened(bench, seals=seals)

    in_vault(main)


def test_a_row_does_not_open_in_the_place_of_another(in_vault):
    other = Table("other", sealed=True)

    async def main(bench):
        store = await opened(bench)
        await store.commit([put("a", b"1"), put("b", b"2"), put("a", b"3", tenant=ZETA)])
        a = (await bench.store.get(NOTES, ACME, "a")).value
        moved = [Put(NOTES, ACME, "b", a), Put(other, ACME, "a", a), Put(NOTES, ZETA, "a", a)]
        await bench.store.commit(moved)
        for table, tenant, key in ((NOTES, ACME, "b"), (other, ACME, "a")):
            with pytest.raises(NotAuthentic, match=f"row '{key}' of table {table.name}"):
                await store.get(table, tenant, key)
        with pytest.raises(WrongKey, match="row 'a' of table notes"):
            await store.get(NOTES, ZETA, "a")

    in_vault(main)


def test_a_shredded_tenant_cannot_be_read_or_written_and_is_not_listed(in_vault):
    async def main(bench):
        vault = await bench.open()
        store = await opened(bench, vault=vault)
        await store.commit([put("a", b"1", "t"), put("a", b"2", "t", tenant=ZETA)])
        await vault.shred(ACME)
        for call in (
            store.get(NOTES, ACME, "a"),
            store.scan(NOTES, ACME),
            store.find(NOTES, ACME, "tag", "t"),
            store.commit([put("b", b"", tenant=ZETA), put("b", b"")]),
        ):
            with pytest.raises(Shredded):
                await call
        assert await store.get(NOTES, ZETA, "b") is None, "nothing of a refused commit is written"
        assert await store.tenants(NOTES) == [ZETA]
        assert (await store.get(NOTES, ZETA, "a")).value == b"2"
        await store.commit([Delete(NOTES, ACME, "a")])

    in_vault(main)


def test_what_a_shredded_tenant_left_is_erased(in_vault):
    async def main(bench):
        vault = await bench.open()
        store = await opened(bench, vault=vault)
        await store.commit([put(f"k{n}", b"1", "t") for n in range(1_500)])
        await store.commit([put("a", b"2", "t", tenant=ZETA)])
        await vault.shred(ACME)
        assert await store.erase_shredded() == 1_500
        assert await bench.store.tenants(NOTES) == [ZETA]
        assert await store.erase_shredded() == 0

    in_vault(main)


def test_reading_makes_no_keys(in_vault):
    async def main(bench):
        vault = await bench.open()
        store = await opened(bench, vault=vault)
        assert await store.get(NOTES, ACME, "a") is None
        assert await store.find(NOTES, ACME, "tag", "t") == []
        assert not [key for key in await vault.keys() if key.tenant == ACME]

    in_vault(main)


def test_the_blind_index_key_is_not_rotated(in_vault):
    async def main(bench):
        vault = await bench.open()
        store = await opened(bench, vault=vault)
        await store.commit([put("a", b"1", "t")])
        with pytest.raises(InvalidInput, match="blind index"):
            await vault.rotate(Level.DATA, ACME, "index")
        for level, purpose in ((Level.ROOT, ""), (Level.TENANT, ""), (Level.PURPOSE, "index"), (Level.DATA, "store")):
            await vault.rotate(level, DEFAULT_TENANT if level is Level.ROOT else ACME, purpose)
        again = await opened(bench)
        assert [row.value for row in await again.find(NOTES, ACME, "tag", "t")] == [b"1"]

    in_vault(main)


def test_every_table_that_declares_it_is_sealed_by_the_node():
    declared = set()
    for source in Path(phalanx.__file__).parent.rglob("*.py"):
        if not {"bench", "testing"} & set(source.parts):
            declared |= set(TABLE.findall(source.read_text("utf-8")))
    assert declared == {table.name for table in SEALED_TABLES}
    assert all(table.sealed for table in SEALED_TABLES)
