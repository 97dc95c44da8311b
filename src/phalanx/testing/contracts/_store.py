"""What every ``core.Store`` must do, whoever wrote it.

Each check is an async function of one argument, ``open_store``, which opens the store under
test; opened again after it was closed, it must hold what it held::

    @pytest.mark.parametrize("check", STORE_CHECKS)
    def test_my_store(check, tmp_path):
        asyncio.run(check(lambda: MyStore.open(tmp_path)))

``STORE_FULL_CHECKS`` want a store with little room and, as a second argument, a function that
makes more. A store that several processes may have open also runs ``STORE_SHARED_CHECKS``,
which open it twice at once.
"""

from phalanx.core import (
    MIB,
    Conflict,
    Delete,
    InvalidInput,
    Put,
    StorageError,
    Table,
    TenantId,
    Write,
)
from phalanx.testing.contracts._notes import ACME, NOTES, OpenStore, StoreCheck, delete, expect, keys_of, opened, put
from phalanx.testing.contracts._raises import raises
from phalanx.testing.contracts._store_concurrency import CONCURRENCY_CHECKS

_OTHER = Table("contract-other", indexes=("tag",), sealed=True)
_PLAIN = Table("contract-plain", indexes=("tag", "state"))
_ZETA = TenantId("zeta")
# In order of their UTF-8 bytes; UTF-16 and most collations order them otherwise.
_ORDERED_KEYS = (
    "\x01",
    "%",
    "A",
    "A\x00",
    "A\x00b",
    "Z",
    "a",
    "a%",
    "a_",
    "aa",
    "é",
    "\ud7ff",
    "\ue000",
    "\uffff",
    "😀",
)


async def check_empty(open_store: OpenStore) -> None:
    async with opened(open_store) as store:
        assert await store.get(NOTES, ACME, "k") is None
        assert await store.scan(NOTES, ACME) == []
        assert await store.find(NOTES, ACME, "tag", "red") == []
        assert await store.tenants(NOTES) == []


async def check_put_and_get(open_store: OpenStore) -> None:
    async with opened(open_store) as store:
        values = {"empty": b"", "zeros": bytes(300), "all": bytes(range(256)), "long": b"\xff" * MIB}
        version = await store.commit([put(key, value) for key, value in values.items()])
        assert version > 0
        for key, value in values.items():
            row = await store.get(NOTES, ACME, key)
            assert row is not None, key
            assert (row.key, row.value, row.version) == (key, value, version), "a row has its commit's version"


async def check_overwrite_and_delete(open_store: OpenStore) -> None:
    async with opened(open_store) as store:
        first = await store.commit([put("k", b"1")])
        second = await store.commit([put("k", b"2")])
        row = await store.get(NOTES, ACME, "k")
        assert row is not None
        assert (row.value, row.version) == (b"2", second)
        third = await store.commit([delete("k"), delete("never was")])
        assert await store.get(NOTES, ACME, "k") is None
        again = await store.commit([put("k", b"3")])
        assert first < second < third < again, "versions grow, also over a deletion"


async def check_writes_in_order(open_store: OpenStore) -> None:
    """Of several writes to one row in a commit, the last one counts."""
    async with opened(open_store) as store:
        await store.commit([put("a", b"1", tag=["old"]), put("a", b"2", tag=["new"]), put("b", b"1"), delete("b")])
        await store.commit([delete("a"), put("c", b"1"), put("a", b"3", tag=["new"])])
        assert await keys_of(store) == ["a", "c"]
        assert [row.value for row in await store.find(NOTES, ACME, "tag", "new")] == [b"3"]
        assert await store.find(NOTES, ACME, "tag", "old") == []


async def check_order_of_keys(open_store: OpenStore) -> None:
    async with opened(open_store) as store:
        await store.commit([put(key, b"", tag=["all"]) for key in reversed(_ORDERED_KEYS)])
        expected = list(_ORDERED_KEYS)
        assert await keys_of(store) == expected
        assert await keys_of(store, reverse=True) == expected[::-1]
        assert [row.key for row in await store.find(NOTES, ACME, "tag", "all")] == expected
        assert [row.key for row in await store.find(NOTES, ACME, "tag", "all", reverse=True)] == expected[::-1]


async def check_pages(open_store: OpenStore) -> None:
    """Every way to cut a listing gives the same as cutting the whole list."""
    async with opened(open_store) as store:
        await store.commit([put(key, b"", tag=["all"]) for key in _ORDERED_KEYS])
        for reverse in (False, True):
            for prefix in ("", "A", "a", "a%", "é", "\ud7ff", "\uffff", "😀", "none"):
                for after in ("", "A\x00", "a", "b", "\ud7ff", "😀"):
                    listed = [key for key in _ORDERED_KEYS if key.startswith(prefix)]
                    if reverse:
                        listed = [key for key in listed[::-1] if not after or key < after]
                    else:
                        listed = [key for key in listed if key > after]
                    for limit in (0, 1, 2, 100):
                        found = await keys_of(store, prefix=prefix, after=after, limit=limit, reverse=reverse)
                        assert found == listed[:limit], (prefix, after, limit, reverse)
                        if not prefix:
                            rows = await store.find(
                                NOTES, ACME, "tag", "all", after=after, limit=limit, reverse=reverse
                            )
                            assert [row.key for row in rows] == listed[:limit], (after, limit, reverse)


async def check_index(open_store: OpenStore) -> None:
    """A row is found under each of its values, and under no value it no longer has."""
    async with opened(open_store) as store:
        await store.commit(
            [
                put("a", b"A", tag=["red", "blue", "red"], state=["new"]),
                put("b", b"B", tag=["red"]),
                put("c", b"C", tag=[]),
                put("d", b"D", tag=["", "red\x00", "rot\u0308"]),
            ]
        )
        assert [(row.key, row.value) for row in await store.find(NOTES, ACME, "tag", "red")] == [
            ("a", b"A"),
            ("b", b"B"),
        ]
        for value, key in (("blue", "a"), ("", "d"), ("red\x00", "d"), ("rot\u0308", "d")):
            assert [row.key for row in await store.find(NOTES, ACME, "tag", value)] == [key], value
        assert await store.find(NOTES, ACME, "state", "red") == [], "one index does not answer for another"
        version = await store.commit([put("a", b"A2", tag=["blue", "green"]), delete("b")])
        assert await store.find(NOTES, ACME, "tag", "red") == []
        assert await store.find(NOTES, ACME, "state", "new") == []
        for value in ("blue", "green"):
            (row,) = await store.find(NOTES, ACME, "tag", value)
            assert (row.key, row.value, row.version) == ("a", b"A2", version)


async def check_what_a_row_is_found_under(open_store: OpenStore) -> None:
    """In a table that is not sealed: where a store seals, it answers with what it wrote."""

    def put_plain(**index: list[str]) -> Put:
        return Put(_PLAIN, ACME, "a", b"", index)

    async with opened(open_store) as store:
        await store.commit([put_plain(tag=["red", "blue", "red"], state=["new"]), Put(_PLAIN, ACME, "b", b"")])
        assert dict(await store.index_of(_PLAIN, ACME, "a")) == {"state": ["new"], "tag": ["blue", "red"]}
        assert dict(await store.index_of(_PLAIN, ACME, "b")) == {}
        assert dict(await store.index_of(_PLAIN, ACME, "never was")) == {}
        assert dict(await store.index_of(_PLAIN, _ZETA, "a")) == {}
        await store.commit([put_plain(tag=["green"])])
        assert dict(await store.index_of(_PLAIN, ACME, "a")) == {"tag": ["green"]}
        await store.commit([Delete(_PLAIN, ACME, "a")])
        assert dict(await store.index_of(_PLAIN, ACME, "a")) == {}


async def check_undeclared_index(open_store: OpenStore) -> None:
    async with opened(open_store) as store:
        await raises(InvalidInput, store.commit([put("good", b""), put("bad", b"", colour=["red"])]))
        await raises(InvalidInput, store.find(NOTES, ACME, "colour", "red"))
        assert await keys_of(store) == [], "nothing of a refused commit is written"


async def check_empty_names(open_store: OpenStore) -> None:
    """An empty key or tenant is refused: ``after`` uses it for the beginning."""
    async with opened(open_store) as store:
        await raises(InvalidInput, store.commit([put("", b"")]))
        await raises(InvalidInput, store.commit([Put(NOTES, TenantId(""), "k", b"")]))


async def check_tenants(open_store: OpenStore) -> None:
    """No call reads, changes or conflicts across two tenants."""
    async with opened(open_store) as store:
        await store.commit([put("k", b"z", tenant=_ZETA, tag=["red"]), put("only", b"", tenant=_ZETA)])
        mine = await store.commit([put("k", b"a", tag=["red"])], expect=[expect("k", 0)])
        await store.commit([delete("only")])
        row = await store.get(NOTES, _ZETA, "k")
        assert row is not None
        assert (row.value, row.version < mine) == (b"z", True)
        assert await keys_of(store) == ["k"]
        assert [row.key for row in await store.scan(NOTES, _ZETA)] == ["k", "only"]
        assert [row.value for row in await store.find(NOTES, ACME, "tag", "red")] == [b"a"]
        assert await store.get(NOTES, ACME, "only") is None
        assert await store.tenants(NOTES) == [ACME, _ZETA]
        await store.commit([delete("k", tenant=_ZETA), delete("only", tenant=_ZETA)])
        assert await store.tenants(NOTES) == [ACME], "a tenant without rows is not listed"


async def check_tables(open_store: OpenStore) -> None:
    async with opened(open_store) as store:
        other = Put(_OTHER, ACME, "k", b"other", {"tag": ["red"]})
        await store.commit([put("k", b"note", tag=["red"]), other])
        await store.commit([delete("k")])
        row = await store.get(_OTHER, ACME, "k")
        assert row is not None
        assert row.value == b"other"
        assert len(await store.find(_OTHER, ACME, "tag", "red")) == 1
        assert await store.find(NOTES, ACME, "tag", "red") == []
        assert (await store.tenants(NOTES), await store.tenants(_OTHER)) == ([], [ACME])


async def check_expectations(open_store: OpenStore) -> None:
    async with opened(open_store) as store:
        version = await store.commit([put("k", b"1")], expect=[expect("k", 0)])
        conflict = await raises(Conflict, store.commit([put("k", b"2")], expect=[expect("k", 0)]))
        assert conflict.context == {"table": NOTES.name, "key": "k", "expected": 0, "found": version}
        await raises(Conflict, store.commit([put("k", b"2")], expect=[expect("k", version + 1)]))
        await raises(Conflict, store.commit([put("k", b"2")], expect=[expect("absent", version)]))
        later = await store.commit([put("k", b"2"), put("l", b"1")], expect=[expect("k", version), expect("l", 0)])
        await store.commit([delete("k")], expect=[expect("k", later)])
        await store.commit([put("k", b"3")], expect=[expect("k", 0)])
        await raises(Conflict, store.commit([put("k", b"4")], expect=[expect("k", later)]))
        await store.commit([], expect=[expect("l", later)])
        await raises(Conflict, store.commit([], expect=[expect("l", 0)]))


async def check_all_or_nothing(open_store: OpenStore) -> None:
    async with opened(open_store) as store:
        before = await store.commit([put("kept", b"1", tag=["red"])])
        writes: list[Write] = [
            put("kept", b"2", tag=["blue"]),
            put("new", b"1", tag=["red"]),
            Put(_OTHER, ACME, "new", b"1"),
        ]
        await raises(Conflict, store.commit(writes, expect=[expect("kept", before), expect("kept", 0)]))
        assert [(row.key, row.version) for row in await store.scan(NOTES, ACME)] == [("kept", before)]
        assert [row.value for row in await store.find(NOTES, ACME, "tag", "red")] == [b"1"]
        assert await store.find(NOTES, ACME, "tag", "blue") == []
        assert await store.scan(_OTHER, ACME) == []


async def check_large_commit(open_store: OpenStore) -> None:
    async with opened(open_store) as store:
        n = 2_500
        await store.commit([put(f"k{i:05d}", b"x" * 100, tag=[f"t{i % 3}"]) for i in range(n)])
        assert len(await store.scan(NOTES, ACME)) == 1_000, "a page has 1,000 rows unless told otherwise"
        assert len(await store.scan(NOTES, ACME, limit=n + 1)) == n
        assert len(await store.find(NOTES, ACME, "tag", "t1", limit=n)) == n // 3
        await store.commit([delete(f"k{i:05d}") for i in range(n)])
        assert await store.tenants(NOTES) == []


async def check_reopening(open_store: OpenStore) -> None:
    async with opened(open_store) as store:
        await store.commit([put("gone", b"", tag=["red"]), put("kept", b"1", tag=["red", "blue"])])
        version = await store.commit([delete("gone"), put("kept", b"2", tag=["red"])])
    async with opened(open_store) as store:
        (row,) = await store.scan(NOTES, ACME)
        assert (row.key, row.value, row.version) == ("kept", b"2", version)
        assert await store.find(NOTES, ACME, "tag", "red") == [row]
        assert await store.find(NOTES, ACME, "tag", "blue") == []
        await store.commit([delete("kept")])
    async with opened(open_store) as store:
        assert await store.commit([put("kept", b"3")]) > version + 1, "versions go on where they were"


async def check_closed(open_store: OpenStore) -> None:
    store = await open_store()
    await store.commit([put("k", b"")])
    await store.close()
    await raises(StorageError, store.get(NOTES, ACME, "k"))
    await raises(StorageError, store.commit([put("k", b"")]))


STORE_CHECKS: tuple[StoreCheck, ...] = (
    check_empty,
    check_put_and_get,
    check_overwrite_and_delete,
    check_writes_in_order,
    check_order_of_keys,
    check_pages,
    check_index,
    check_what_a_row_is_found_under,
    check_undeclared_index,
    check_empty_names,
    check_tenants,
    check_tables,
    check_expectations,
    check_all_or_nothing,
    check_large_commit,
    check_reopening,
    check_closed,
    *CONCURRENCY_CHECKS,
)
