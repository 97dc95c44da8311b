"""The simulated store: what it adds to the contract that every store passes."""

import asyncio
from contextlib import suppress

import pytest

from phalanx.adapters import _limits as adapter_limits
from phalanx.core import (
    DEFAULT_TENANT,
    Delete,
    Expect,
    InvalidInput,
    LimitExceeded,
    Put,
    StorageError,
    StorageFull,
    Table,
)
from phalanx.testing import DiskFaults, Faults, SimWorld, _limits

T = Table("things", indexes=("colour",))


def put(key, value=b"v", *colours):
    return Put(T, DEFAULT_TENANT, key, value, {"colour": colours})


async def keys(store, **options):
    return [row.key for row in await store.scan(T, DEFAULT_TENANT, **options)]


def test_everything_is_there_again_after_power_loss():
    async def main(world):
        store = world.store("d")
        await store.commit([put("a", b"1", "red", "blue"), put("b", b"2", "red")])
        await store.commit([put("a", b"3", "blue"), Delete(T, DEFAULT_TENANT, "b"), put("c")])
        before = [await store.get(T, DEFAULT_TENANT, key) for key in "abc"]
        world.disk("d").crash()
        store = world.store("d")
        assert [await store.get(T, DEFAULT_TENANT, key) for key in "abc"] == before
        assert [row.key for row in await store.find(T, DEFAULT_TENANT, "colour", "blue")] == ["a"]
        assert await store.find(T, DEFAULT_TENANT, "colour", "red") == []
        assert await store.tenants(T) == [DEFAULT_TENANT]
        # Versions go on where they stopped.
        assert await store.commit([put("d")], expect=[Expect(T, DEFAULT_TENANT, "a", 2)]) == 3

    SimWorld(0).run(main)


def test_a_commit_shows_only_once_it_is_durable():
    async def main(world):
        store = world.store("d")
        await store.commit([put("a")])
        commit = asyncio.create_task(store.commit([put("b")]))
        looks = 0
        while "b" not in await keys(store):
            looks += 1
            await world.clock.sleep(1e-6)
        world.disk("d").crash()
        assert await keys(world.store("d")) == ["a", "b"]
        await commit
        return looks

    only_lost = DiskFaults(tail_torn=0.0, tail_garbage=0.0, tail_kept=0.0)
    assert sum(SimWorld(seed, faults=Faults(disk=only_lost)).run(main) for seed in range(10)) > 100


def test_a_caller_that_gives_up_does_not_split_store_and_log():
    async def main(world):
        store = world.store("d")
        await store.commit([put("a")])
        gave_up = False
        try:
            async with asyncio.timeout(world.rng.uniform(0, 2e-4)):
                await store.commit([put("b")])
        except TimeoutError:
            gave_up = True
        await store.commit([put("c")])
        here = await keys(store)
        world.disk("d").kill()
        assert await keys(world.store("d")) == here
        return gave_up, "b" in here

    assert (True, True) in {SimWorld(seed).run(main) for seed in range(20)}


def test_giving_up_on_the_first_call_does_not_disturb_the_others():
    async def main(world):
        await world.store("d").commit([put("a"), put("b")])
        world.disk("d").kill()
        store = world.store("d")
        other = asyncio.create_task(keys(store))
        with suppress(TimeoutError):
            async with asyncio.timeout(world.rng.uniform(0, 5e-4)):
                await keys(store)
        assert await other == ["a", "b"]
        assert await store.commit([put("c")]) == 2

    for seed in range(20):
        SimWorld(seed).run(main)


def test_a_commit_bigger_than_a_log_record_is_still_one_commit():
    async def main(world):
        store = world.store("d")
        values = [bytes([n]) * (3 << 20) for n in range(4)]
        await store.commit([put(f"k{n}", value) for n, value in enumerate(values)])
        world.disk("d").crash()
        rows = await world.store("d").scan(T, DEFAULT_TENANT)
        assert [row.value for row in rows] == values

    SimWorld(0).run(main)


def test_without_room_nothing_of_a_commit_is_kept():
    async def main(world):
        store = world.store("d")
        await store.commit([put("a")])
        disk = world.disk("d")
        disk.capacity_bytes = disk.used_bytes + 100
        with pytest.raises(StorageFull):
            await store.commit([put("a", b"new"), put("b", bytes(200))])
        assert (await store.get(T, DEFAULT_TENANT, "a")).value == b"v"
        disk.capacity_bytes += 1_000
        await store.commit([put("b", bytes(200))])
        world.disk("d").crash()
        assert await keys(world.store("d")) == ["a", "b"]

    SimWorld(0, faults=Faults(disk=DiskFaults(name_kept=0.0))).run(main)


def test_pages_forwards_and_backwards():
    async def main(world):
        store = world.store("d")
        names = ["a", "a/1", "a/2", "a/3", "aé", "b", "z\U0010ffff"]
        await store.commit([put(name, b"", "red") for name in reversed(names)])
        assert await keys(store) == sorted(names, key=str.encode) == names
        assert await keys(store, reverse=True) == names[::-1]
        assert await keys(store, prefix="a/") == ["a/1", "a/2", "a/3"]
        assert await keys(store, prefix="a/", after="a/1") == ["a/2", "a/3"]
        assert await keys(store, prefix="a/", after="a/3", reverse=True) == ["a/2", "a/1"]
        assert await keys(store, prefix="a/", limit=1, reverse=True) == ["a/3"]
        assert await keys(store, after="aa", limit=2) == ["aé", "b"]
        found = await store.find(T, DEFAULT_TENANT, "colour", "red", after="b", limit=2, reverse=True)
        assert [row.key for row in found] == ["aé", "a/3"]

    SimWorld(0).run(main)


def test_its_bounds_are_those_of_the_real_stores():
    for name in ("MAX_KEY_BYTES", "MAX_INDEX_VALUE_BYTES", "MAX_VALUE_BYTES", "MAX_COMMIT_WRITES"):
        assert getattr(_limits, name) == getattr(adapter_limits, name), name

    async def main(world):
        store = world.store("d")
        too_many = [put(str(n)) for n in range(20_001)]
        for writes in ([put("é" * 257)], [put("a", bytes(17 << 20))], [put("a", b"", "x" * 1_025)], too_many):
            with pytest.raises(LimitExceeded):
                await store.commit(writes)
        with pytest.raises(LimitExceeded):
            await store.commit([], expect=[Expect(T, DEFAULT_TENANT, "k" * 513, 0)])
        with pytest.raises(InvalidInput):
            await store.commit([put("\ud800")])
        await store.commit([put("é" * 256, b"", "x" * 1_024)])

    SimWorld(0).run(main)


def test_a_closed_store_says_so():
    async def main(world):
        store = world.store("d")
        await store.commit([put("a")])
        await store.close()
        for call in (store.get(T, DEFAULT_TENANT, "a"), store.commit([put("b")]), keys(store)):
            with pytest.raises(StorageError, match="closed"):
                await call
        assert await keys(world.store("d")) == ["a"]

    SimWorld(0).run(main)
