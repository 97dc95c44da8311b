"""What a store must do when it is asked many things at once."""

import asyncio
import contextlib

from phalanx.core import Conflict, Store
from phalanx.testing.contracts._notes import ACME, NOTES, OpenStore, StoreCheck, expect, keys_of, opened, put
from phalanx.testing.contracts._raises import raises

_WRITERS = 20


async def check_one_of_many_wins(open_store: OpenStore) -> None:
    """Of commits that all expect a row not to exist, one is accepted and the others write nothing."""
    async with opened(open_store) as store:
        outcomes = await asyncio.gather(
            *(
                store.commit([put("prize", b"%d" % i), put(f"mark-{i:02d}", b"")], expect=[expect("prize", 0)])
                for i in range(_WRITERS)
            ),
            return_exceptions=True,
        )
        winners = [i for i, outcome in enumerate(outcomes) if isinstance(outcome, int)]
        assert len(winners) == 1, outcomes
        assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == _WRITERS - 1, outcomes
        row = await store.get(NOTES, ACME, "prize")
        assert row is not None
        assert row.value == b"%d" % winners[0]
        assert await keys_of(store, prefix="mark-") == [f"mark-{winners[0]:02d}"]


async def check_concurrent_counters(open_store: OpenStore) -> None:
    """Read, add one, commit if nobody came between, else again: no addition is lost."""
    async with opened(open_store) as store:
        await asyncio.gather(*(_count_up(store, times=5) for _ in range(_WRITERS // 2)))
        await _assert_counted(store, 5 * (_WRITERS // 2))


async def check_concurrent_mix(open_store: OpenStore) -> None:
    """Commits that run together keep their own fates and get versions of their own."""
    async with opened(open_store) as store:
        await store.commit([put("taken", b"")])
        good = [store.commit([put(f"good-{i:02d}", b"%d" % i, tag=["good"])]) for i in range(_WRITERS)]
        bad = [
            store.commit([put(f"bad-{i:02d}", b"", tag=["bad"])], expect=[expect("taken", 0)]) for i in range(_WRITERS)
        ]
        mixed = [commit for pair in zip(good, bad, strict=True) for commit in pair]
        outcomes = await asyncio.gather(*mixed, return_exceptions=True)
        assert all(isinstance(outcome, Conflict) for outcome in outcomes[1::2]), outcomes
        versions = [outcome for outcome in outcomes[::2] if isinstance(outcome, int)]
        assert len(set(versions)) == _WRITERS, outcomes
        rows = await store.find(NOTES, ACME, "tag", "good")
        assert {row.key: row.version for row in rows} == {f"good-{i:02d}": v for i, v in enumerate(versions)}
        assert await store.find(NOTES, ACME, "tag", "bad") == []


async def check_snapshots(open_store: OpenStore) -> None:
    """A listing never shows half of a commit."""
    async with opened(open_store) as store:
        await store.commit([put("a", b"0"), put("z", b"0")])

        async def write() -> None:
            for i in range(1, _WRITERS):
                await store.commit([put("a", b"%d" % i), put(f"m{i}", b""), put("z", b"%d" % i)])

        async def read() -> None:
            for _ in range(_WRITERS):
                rows = await store.scan(NOTES, ACME)
                assert rows[0].value == rows[-1].value, "the first and the last row were written together"
                assert len(rows) == 2 + int(rows[0].value)

        await asyncio.gather(write(), read(), read())


async def check_own_writes(open_store: OpenStore) -> None:
    """What a commit wrote is seen by every call that begins after it returned."""
    async with opened(open_store) as store:

        async def write_and_look(i: int) -> None:
            await store.commit([put(f"k{i}", b"1", tag=[f"t{i}"])])
            assert await store.get(NOTES, ACME, f"k{i}") is not None
            assert len(await store.find(NOTES, ACME, "tag", f"t{i}")) == 1

        await asyncio.gather(*(write_and_look(i) for i in range(_WRITERS)))


async def check_cancelled_caller(open_store: OpenStore) -> None:
    """A caller that gives up leaves a whole commit or none, and a store that works."""
    async with opened(open_store) as store:
        for i in range(_WRITERS):
            task = asyncio.ensure_future(store.commit([put(f"a{i}", b""), put(f"b{i}", b"")]))
            for _ in range(i % 4):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await store.commit([put("last", b"")])
        keys = await keys_of(store)
        assert [key[1:] for key in keys if key[0] == "a"] == [key[1:] for key in keys if key[0] == "b"]
        assert keys[-1] == "last"


async def check_shared(open_store: OpenStore) -> None:
    """Two that are open at once see each other's commits and never lose one."""
    async with opened(open_store) as one, opened(open_store) as two:
        version = await one.commit([put("k", b"1")])
        row = await two.get(NOTES, ACME, "k")
        assert row is not None
        assert row.version == version
        assert await two.commit([put("k", b"2")], expect=[expect("k", version)]) > version
        await raises(Conflict, one.commit([put("k", b"3")], expect=[expect("k", version)]))
        await asyncio.gather(*(_count_up(store, times=5) for store in (one, two) for _ in range(4)))
        await _assert_counted(two, 40)


CONCURRENCY_CHECKS: tuple[StoreCheck, ...] = (
    check_one_of_many_wins,
    check_concurrent_counters,
    check_concurrent_mix,
    check_snapshots,
    check_own_writes,
    check_cancelled_caller,
)
STORE_SHARED_CHECKS: tuple[StoreCheck, ...] = (check_shared,)


async def _count_up(store: Store, *, times: int) -> None:
    done = 0
    while done < times:
        row = await store.get(NOTES, ACME, "counter")
        value, version = (int(row.value), row.version) if row is not None else (0, 0)
        with contextlib.suppress(Conflict):
            await store.commit([put("counter", b"%d" % (value + 1))], expect=[expect("counter", version)])
            done += 1


async def _assert_counted(store: Store, n: int) -> None:
    row = await store.get(NOTES, ACME, "counter")
    assert row is not None
    assert int(row.value) == n
