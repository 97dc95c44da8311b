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

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from phalanx.core import (
    KIB,
    MIB,
    Conflict,
    Delete,
    Expect,
    InvalidInput,
    Put,
    Rng,
    StorageError,
    StorageFull,
    Store,
    Table,
    TenantId,
    Write,
)
from phalanx.testing.contracts._raises import raises

OpenStore = Callable[[], Awaitable[Store]]
StoreCheck = Callable[[OpenStore], Awaitable[None]]

_NOTES = Table("contract-notes", indexes=("tag", "state"))
_OTHER = Table("contract-other", indexes=("tag",))
_ACME = TenantId("acme")
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
_WRITERS = 20
_FILL_BYTES = 64 * KIB
_MAX_FILLS = 10_000


async def check_empty(open_store: OpenStore) -> None:
    async with _opened(open_store) as store:
        assert await store.get(_NOTES, _ACME, "k") is None
        assert await store.scan(_NOTES, _ACME) == []
        assert await store.find(_NOTES, _ACME, "tag", "red") == []
        assert await store.tenants(_NOTES) == []


async def check_put_and_get(open_store: OpenStore) -> None:
    async with _opened(open_store) as store:
        values = {"empty": b"", "zeros": bytes(300), "all": bytes(range(256)), "long": b"\xff" * MIB}
        version = await store.commit([_put(key, value) for key, value in values.items()])
        assert version > 0
        for key, value in values.items():
            row = await store.get(_NOTES, _ACME, key)
            assert row is not None, key
            assert (row.key, row.value, row.version) == (key, value, version), "a row has its commit's version"


async def check_overwrite_and_delete(open_store: OpenStore) -> None:
    async with _opened(open_store) as store:
        first = await store.commit([_put("k", b"1")])
        second = await store.commit([_put("k", b"2")])
        row = await store.get(_NOTES, _ACME, "k")
        assert row is not None
        assert (row.value, row.version) == (b"2", second)
        third = await store.commit([_delete("k"), _delete("never was")])
        assert await store.get(_NOTES, _ACME, "k") is None
        again = await store.commit([_put("k", b"3")])
        assert first < second < third < again, "versions grow, also over a deletion"


async def check_writes_in_order(open_store: OpenStore) -> None:
    """Of several writes to one row in a commit, the last one counts."""
    async with _opened(open_store) as store:
        await store.commit([_put("a", b"1", tag=["old"]), _put("a", b"2", tag=["new"]), _put("b", b"1"), _delete("b")])
        await store.commit([_delete("a"), _put("c", b"1"), _put("a", b"3", tag=["new"])])
        assert await _keys(store) == ["a", "c"]
        assert [row.value for row in await store.find(_NOTES, _ACME, "tag", "new")] == [b"3"]
        assert await store.find(_NOTES, _ACME, "tag", "old") == []


async def check_order_of_keys(open_store: OpenStore) -> None:
    async with _opened(open_store) as store:
        await store.commit([_put(key, b"", tag=["all"]) for key in reversed(_ORDERED_KEYS)])
        expected = list(_ORDERED_KEYS)
        assert await _keys(store) == expected
        assert await _keys(store, reverse=True) == expected[::-1]
        assert [row.key for row in await store.find(_NOTES, _ACME, "tag", "all")] == expected
        assert [row.key for row in await store.find(_NOTES, _ACME, "tag", "all", reverse=True)] == expected[::-1]


async def check_pages(open_store: OpenStore) -> None:
    """Every way to cut a listing gives the same as cutting the whole list."""
    async with _opened(open_store) as store:
        await store.commit([_put(key, b"", tag=["all"]) for key in _ORDERED_KEYS])
        for reverse in (False, True):
            for prefix in ("", "A", "a", "a%", "é", "\ud7ff", "\uffff", "😀", "none"):
                for after in ("", "A\x00", "a", "b", "\ud7ff", "😀"):
                    listed = [key for key in _ORDERED_KEYS if key.startswith(prefix)]
                    if reverse:
                        listed = [key for key in listed[::-1] if not after or key < after]
                    else:
                        listed = [key for key in listed if key > after]
                    for limit in (0, 1, 2, 100):
                        found = await _keys(store, prefix=prefix, after=after, limit=limit, reverse=reverse)
                        assert found == listed[:limit], (prefix, after, limit, reverse)
                        if not prefix:
                            rows = await store.find(
                                _NOTES, _ACME, "tag", "all", after=after, limit=limit, reverse=reverse
                            )
                            assert [row.key for row in rows] == listed[:limit], (after, limit, reverse)


async def check_index(open_store: OpenStore) -> None:
    """A row is found under each of its values, and under no value it no longer has."""
    async with _opened(open_store) as store:
        await store.commit(
            [
                _put("a", b"A", tag=["red", "blue", "red"], state=["new"]),
                _put("b", b"B", tag=["red"]),
                _put("c", b"C", tag=[]),
                _put("d", b"D", tag=["", "red\x00", "rot\u0308"]),
            ]
        )
        assert [(row.key, row.value) for row in await store.find(_NOTES, _ACME, "tag", "red")] == [
            ("a", b"A"),
            ("b", b"B"),
        ]
        for value, key in (("blue", "a"), ("", "d"), ("red\x00", "d"), ("rot\u0308", "d")):
            assert [row.key for row in await store.find(_NOTES, _ACME, "tag", value)] == [key], value
        assert await store.find(_NOTES, _ACME, "state", "red") == [], "one index does not answer for another"
        version = await store.commit([_put("a", b"A2", tag=["blue", "green"]), _delete("b")])
        assert await store.find(_NOTES, _ACME, "tag", "red") == []
        assert await store.find(_NOTES, _ACME, "state", "new") == []
        for value in ("blue", "green"):
            (row,) = await store.find(_NOTES, _ACME, "tag", value)
            assert (row.key, row.value, row.version) == ("a", b"A2", version)


async def check_undeclared_index(open_store: OpenStore) -> None:
    async with _opened(open_store) as store:
        await raises(InvalidInput, store.commit([_put("good", b""), _put("bad", b"", colour=["red"])]))
        await raises(InvalidInput, store.find(_NOTES, _ACME, "colour", "red"))
        assert await _keys(store) == [], "nothing of a refused commit is written"


async def check_empty_names(open_store: OpenStore) -> None:
    """An empty key or tenant is refused: ``after`` uses it for the beginning."""
    async with _opened(open_store) as store:
        await raises(InvalidInput, store.commit([_put("", b"")]))
        await raises(InvalidInput, store.commit([Put(_NOTES, TenantId(""), "k", b"")]))


async def check_tenants(open_store: OpenStore) -> None:
    """No call reads, changes or conflicts across two tenants."""
    async with _opened(open_store) as store:
        await store.commit([_put("k", b"z", tenant=_ZETA, tag=["red"]), _put("only", b"", tenant=_ZETA)])
        mine = await store.commit([_put("k", b"a", tag=["red"])], expect=[_expect("k", 0)])
        await store.commit([_delete("only")])
        row = await store.get(_NOTES, _ZETA, "k")
        assert row is not None
        assert (row.value, row.version < mine) == (b"z", True)
        assert await _keys(store) == ["k"]
        assert [row.key for row in await store.scan(_NOTES, _ZETA)] == ["k", "only"]
        assert [row.value for row in await store.find(_NOTES, _ACME, "tag", "red")] == [b"a"]
        assert await store.get(_NOTES, _ACME, "only") is None
        assert await store.tenants(_NOTES) == [_ACME, _ZETA]
        await store.commit([_delete("k", tenant=_ZETA), _delete("only", tenant=_ZETA)])
        assert await store.tenants(_NOTES) == [_ACME], "a tenant without rows is not listed"


async def check_tables(open_store: OpenStore) -> None:
    async with _opened(open_store) as store:
        other = Put(_OTHER, _ACME, "k", b"other", {"tag": ["red"]})
        await store.commit([_put("k", b"note", tag=["red"]), other])
        await store.commit([_delete("k")])
        row = await store.get(_OTHER, _ACME, "k")
        assert row is not None
        assert row.value == b"other"
        assert len(await store.find(_OTHER, _ACME, "tag", "red")) == 1
        assert await store.find(_NOTES, _ACME, "tag", "red") == []
        assert (await store.tenants(_NOTES), await store.tenants(_OTHER)) == ([], [_ACME])


async def check_expectations(open_store: OpenStore) -> None:
    async with _opened(open_store) as store:
        version = await store.commit([_put("k", b"1")], expect=[_expect("k", 0)])
        conflict = await raises(Conflict, store.commit([_put("k", b"2")], expect=[_expect("k", 0)]))
        assert conflict.context == {"table": _NOTES.name, "key": "k", "expected": 0, "found": version}
        await raises(Conflict, store.commit([_put("k", b"2")], expect=[_expect("k", version + 1)]))
        await raises(Conflict, store.commit([_put("k", b"2")], expect=[_expect("absent", version)]))
        later = await store.commit([_put("k", b"2"), _put("l", b"1")], expect=[_expect("k", version), _expect("l", 0)])
        await store.commit([_delete("k")], expect=[_expect("k", later)])
        await store.commit([_put("k", b"3")], expect=[_expect("k", 0)])
        await raises(Conflict, store.commit([_put("k", b"4")], expect=[_expect("k", later)]))
        await store.commit([], expect=[_expect("l", later)])
        await raises(Conflict, store.commit([], expect=[_expect("l", 0)]))


async def check_all_or_nothing(open_store: OpenStore) -> None:
    async with _opened(open_store) as store:
        before = await store.commit([_put("kept", b"1", tag=["red"])])
        writes: list[Write] = [
            _put("kept", b"2", tag=["blue"]),
            _put("new", b"1", tag=["red"]),
            Put(_OTHER, _ACME, "new", b"1"),
        ]
        await raises(Conflict, store.commit(writes, expect=[_expect("kept", before), _expect("kept", 0)]))
        assert [(row.key, row.version) for row in await store.scan(_NOTES, _ACME)] == [("kept", before)]
        assert [row.value for row in await store.find(_NOTES, _ACME, "tag", "red")] == [b"1"]
        assert await store.find(_NOTES, _ACME, "tag", "blue") == []
        assert await store.scan(_OTHER, _ACME) == []


async def check_one_of_many_wins(open_store: OpenStore) -> None:
    """Of commits that all expect a row not to exist, one is accepted and the others write nothing."""
    async with _opened(open_store) as store:
        outcomes = await asyncio.gather(
            *(
                store.commit([_put("prize", b"%d" % i), _put(f"mark-{i:02d}", b"")], expect=[_expect("prize", 0)])
                for i in range(_WRITERS)
            ),
            return_exceptions=True,
        )
        winners = [i for i, outcome in enumerate(outcomes) if isinstance(outcome, int)]
        assert len(winners) == 1, outcomes
        assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == _WRITERS - 1, outcomes
        row = await store.get(_NOTES, _ACME, "prize")
        assert row is not None
        assert row.value == b"%d" % winners[0]
        assert await _keys(store, prefix="mark-") == [f"mark-{winners[0]:02d}"]


async def check_concurrent_counters(open_store: OpenStore) -> None:
    """Read, add one, commit if nobody came between, else again: no addition is lost."""
    async with _opened(open_store) as store:
        await asyncio.gather(*(_count_up(store, times=5) for _ in range(_WRITERS // 2)))
        await _assert_counted(store, 5 * (_WRITERS // 2))


async def check_concurrent_mix(open_store: OpenStore) -> None:
    """Commits that run together keep their own fates and get versions of their own."""
    async with _opened(open_store) as store:
        await store.commit([_put("taken", b"")])
        good = [store.commit([_put(f"good-{i:02d}", b"%d" % i, tag=["good"])]) for i in range(_WRITERS)]
        bad = [
            store.commit([_put(f"bad-{i:02d}", b"", tag=["bad"])], expect=[_expect("taken", 0)])
            for i in range(_WRITERS)
        ]
        mixed = [commit for pair in zip(good, bad, strict=True) for commit in pair]
        outcomes = await asyncio.gather(*mixed, return_exceptions=True)
        assert all(isinstance(outcome, Conflict) for outcome in outcomes[1::2]), outcomes
        versions = [outcome for outcome in outcomes[::2] if isinstance(outcome, int)]
        assert len(set(versions)) == _WRITERS, outcomes
        rows = await store.find(_NOTES, _ACME, "tag", "good")
        assert {row.key: row.version for row in rows} == {f"good-{i:02d}": v for i, v in enumerate(versions)}
        assert await store.find(_NOTES, _ACME, "tag", "bad") == []


async def check_snapshots(open_store: OpenStore) -> None:
    """A listing never shows half of a commit."""
    async with _opened(open_store) as store:
        await store.commit([_put("a", b"0"), _put("z", b"0")])

        async def write() -> None:
            for i in range(1, _WRITERS):
                await store.commit([_put("a", b"%d" % i), _put(f"m{i}", b""), _put("z", b"%d" % i)])

        async def read() -> None:
            for _ in range(_WRITERS):
                rows = await store.scan(_NOTES, _ACME)
                assert rows[0].value == rows[-1].value, "the first and the last row were written together"
                assert len(rows) == 2 + int(rows[0].value)

        await asyncio.gather(write(), read(), read())


async def check_own_writes(open_store: OpenStore) -> None:
    """What a commit wrote is seen by every call that begins after it returned."""
    async with _opened(open_store) as store:

        async def write_and_look(i: int) -> None:
            await store.commit([_put(f"k{i}", b"1", tag=[f"t{i}"])])
            assert await store.get(_NOTES, _ACME, f"k{i}") is not None
            assert len(await store.find(_NOTES, _ACME, "tag", f"t{i}")) == 1

        await asyncio.gather(*(write_and_look(i) for i in range(_WRITERS)))


async def check_cancelled_caller(open_store: OpenStore) -> None:
    """A caller that gives up leaves a whole commit or none, and a store that works."""
    async with _opened(open_store) as store:
        for i in range(_WRITERS):
            task = asyncio.ensure_future(store.commit([_put(f"a{i}", b""), _put(f"b{i}", b"")]))
            for _ in range(i % 4):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await store.commit([_put("last", b"")])
        keys = await _keys(store)
        assert [key[1:] for key in keys if key[0] == "a"] == [key[1:] for key in keys if key[0] == "b"]
        assert keys[-1] == "last"


async def check_large_commit(open_store: OpenStore) -> None:
    async with _opened(open_store) as store:
        n = 2_500
        await store.commit([_put(f"k{i:05d}", b"x" * 100, tag=[f"t{i % 3}"]) for i in range(n)])
        assert len(await store.scan(_NOTES, _ACME)) == 1_000, "a page has 1,000 rows unless told otherwise"
        assert len(await store.scan(_NOTES, _ACME, limit=n + 1)) == n
        assert len(await store.find(_NOTES, _ACME, "tag", "t1", limit=n)) == n // 3
        await store.commit([_delete(f"k{i:05d}") for i in range(n)])
        assert await store.tenants(_NOTES) == []


async def check_reopening(open_store: OpenStore) -> None:
    async with _opened(open_store) as store:
        await store.commit([_put("gone", b"", tag=["red"]), _put("kept", b"1", tag=["red", "blue"])])
        version = await store.commit([_delete("gone"), _put("kept", b"2", tag=["red"])])
    async with _opened(open_store) as store:
        (row,) = await store.scan(_NOTES, _ACME)
        assert (row.key, row.value, row.version) == ("kept", b"2", version)
        assert await store.find(_NOTES, _ACME, "tag", "red") == [row]
        assert await store.find(_NOTES, _ACME, "tag", "blue") == []
        await store.commit([_delete("kept")])
    async with _opened(open_store) as store:
        assert await store.commit([_put("kept", b"3")]) > version + 1, "versions go on where they were"


async def check_closed(open_store: OpenStore) -> None:
    store = await open_store()
    await store.commit([_put("k", b"")])
    await store.close()
    await raises(StorageError, store.get(_NOTES, _ACME, "k"))
    await raises(StorageError, store.commit([_put("k", b"")]))


async def check_shared(open_store: OpenStore) -> None:
    """Two that are open at once see each other's commits and never lose one."""
    async with _opened(open_store) as one, _opened(open_store) as two:
        version = await one.commit([_put("k", b"1")])
        row = await two.get(_NOTES, _ACME, "k")
        assert row is not None
        assert row.version == version
        assert await two.commit([_put("k", b"2")], expect=[_expect("k", version)]) > version
        await raises(Conflict, one.commit([_put("k", b"3")], expect=[_expect("k", version)]))
        await asyncio.gather(*(_count_up(store, times=5) for store in (one, two) for _ in range(4)))
        await _assert_counted(two, 40)


async def check_full(open_store: OpenStore, make_room: Callable[[], None]) -> None:
    """Without room a commit is refused and leaves nothing; reading goes on; with room so does writing."""
    async with _opened(open_store) as store:
        written = await _fill(store)
        assert await _keys(store, limit=_MAX_FILLS) == written, "what was acknowledged, and nothing else"
        assert [row.key for row in await store.find(_NOTES, _ACME, "tag", "fill", limit=_MAX_FILLS)] == written
        refused = await asyncio.gather(*(store.commit([_fill_put(i)]) for i in range(3)), return_exceptions=True)
        assert all(isinstance(outcome, int | StorageFull) for outcome in refused), refused
        make_room()
        await store.commit([_put("after", b"x" * _FILL_BYTES)])
    async with _opened(open_store) as store:
        keys = await _keys(store, limit=_MAX_FILLS)
        assert set(written) | {"after"} <= set(keys)


STORE_CHECKS: tuple[StoreCheck, ...] = (
    check_empty,
    check_put_and_get,
    check_overwrite_and_delete,
    check_writes_in_order,
    check_order_of_keys,
    check_pages,
    check_index,
    check_undeclared_index,
    check_empty_names,
    check_tenants,
    check_tables,
    check_expectations,
    check_all_or_nothing,
    check_one_of_many_wins,
    check_concurrent_counters,
    check_concurrent_mix,
    check_snapshots,
    check_own_writes,
    check_cancelled_caller,
    check_large_commit,
    check_reopening,
    check_closed,
)
STORE_SHARED_CHECKS: tuple[StoreCheck, ...] = (check_shared,)
STORE_FULL_CHECKS: tuple[Callable[[OpenStore, Callable[[], None]], Awaitable[None]], ...] = (check_full,)


@contextlib.asynccontextmanager
async def _opened(open_store: OpenStore) -> AsyncIterator[Store]:
    store = await open_store()
    try:
        yield store
    finally:
        await store.close()


async def _keys(
    store: Store, *, prefix: str = "", after: str = "", limit: int = 1_000, reverse: bool = False
) -> list[str]:
    rows = await store.scan(_NOTES, _ACME, prefix=prefix, after=after, limit=limit, reverse=reverse)
    return [row.key for row in rows]


async def _count_up(store: Store, *, times: int) -> None:
    done = 0
    while done < times:
        row = await store.get(_NOTES, _ACME, "counter")
        value, version = (int(row.value), row.version) if row is not None else (0, 0)
        with contextlib.suppress(Conflict):
            await store.commit([_put("counter", b"%d" % (value + 1))], expect=[_expect("counter", version)])
            done += 1


async def _assert_counted(store: Store, n: int) -> None:
    row = await store.get(_NOTES, _ACME, "counter")
    assert row is not None
    assert int(row.value) == n


async def _fill(store: Store) -> list[str]:
    """Write until there is no room; the keys that were acknowledged."""
    written: list[str] = []
    for i in range(_MAX_FILLS):
        try:
            await store.commit([_fill_put(i)])
        except StorageFull:
            assert written, "there was no room for a single row"
            return written
        written.append(_fill_put(i).key)
    raise AssertionError(f"{_MAX_FILLS} rows of {_FILL_BYTES} bytes fitted into a small store")


def _fill_put(i: int) -> Put:
    # Bytes that no compression shrinks: the room that is asked for is taken.
    return _put(f"fill-{i:05d}", Rng(i).bytes(_FILL_BYTES), tag=["fill"])


def _put(key: str, value: bytes, *, tenant: TenantId = _ACME, **index: Sequence[str]) -> Put:
    return Put(_NOTES, tenant, key, value, index)


def _delete(key: str, *, tenant: TenantId = _ACME) -> Delete:
    return Delete(_NOTES, tenant, key)


def _expect(key: str, version: int) -> Expect:
    return Expect(_NOTES, _ACME, key, version)
