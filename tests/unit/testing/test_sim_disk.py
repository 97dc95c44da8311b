"""The simulated disk: what is durable survives, what is not is up to the faults."""

import asyncio
import errno

import pytest

from phalanx.testing import DiskFaults, Faults, PowerLost, SimWorld

SEEDS = range(40)


def run(main, seed=0, **faults):
    return SimWorld(seed, faults=Faults(disk=DiskFaults(**faults))).run(main)


async def prepared(world):
    """A disk with the durable file f/x of 1000 bytes."""
    disk = world.disk("d")
    await disk.make_folder("f")
    await disk.append_sync("f/x", bytes(range(250)) * 4)
    await disk.sync_folder("f")
    return disk


def outcomes(**faults):
    """What is found of 3000 unsynced bytes behind 1000 durable ones, for each seed."""

    async def main(world):
        disk = await prepared(world)
        await disk.append("f/x", b"\xaa" * 3_000)
        found = await disk.crash().read("f/x")
        assert found[:1_000] == bytes(range(250)) * 4
        return found[1_000:]

    return [run(main, seed, **faults) for seed in SEEDS]


def test_reads_see_what_was_written_at_once():
    async def main(world):
        disk = await prepared(world)
        await disk.append("f/x", b"tail")
        await disk.append("f/y", b"")
        assert await disk.list("f") == ["x", "y"]
        assert await disk.list("") == []
        assert await disk.size("f/x") == 1_004
        assert await disk.read("f/x", 1_000) == b"tail"
        assert await disk.read("f/x", 1_002, 1) == b"i"
        assert await disk.read("f/x", 1_002, 100) == b"il"
        await disk.remove("f/y")
        assert await disk.list("f") == ["x"]

    run(main)


def test_operations_take_time():
    async def main(world):
        disk = await prepared(world)
        before = world.loop.time()
        await disk.append_sync("f/x", b"x")
        return world.loop.time() - before

    assert 0 < run(main) < 0.01
    assert run(main, sync_mean_us=0, operation_mean_us=0) == 0


def test_each_fate_of_an_unsynced_tail_is_what_its_name_says():
    only = {"tail_lost": 0.0, "tail_torn": 0.0, "tail_garbage": 0.0, "tail_kept": 0.0}
    assert set(outcomes(**only | {"tail_lost": 1})) == {b""}
    assert set(outcomes(**only | {"tail_kept": 1})) == {b"\xaa" * 3_000}
    torn = outcomes(**only | {"tail_torn": 1})
    assert all(tail == b"\xaa" * len(tail) and len(tail) < 3_000 for tail in torn)
    assert len({len(tail) for tail in torn}) > 20
    garbage = outcomes(**only | {"tail_garbage": 1})
    assert all(len(tail) == 3_000 for tail in garbage)
    assert any(tail != b"\xaa" * 3_000 and tail.endswith(b"\xaa" * 448) for tail in garbage)


def test_by_default_every_fate_occurs():
    tails = outcomes()
    assert b"" in tails
    assert b"\xaa" * 3_000 in tails
    assert any(0 < len(tail) < 3_000 for tail in tails)
    assert any(len(tail) == 3_000 and tail != b"\xaa" * 3_000 for tail in tails)


def test_what_was_synced_survives_every_crash():
    async def main(world):
        disk = await prepared(world)
        await disk.append("f/x", b"a")
        await disk.append_sync("f/x", b"b")
        disk = disk.crash().crash()
        return (await disk.read("f/x"))[1_000:]

    assert {run(main, seed) for seed in SEEDS} == {b"ab"}


def test_a_sync_under_way_when_the_power_goes_may_have_worked_or_not():
    async def main(world):
        disk = await prepared(world)
        write = asyncio.create_task(disk.append_sync("f/x", b"new"))
        await world.clock.sleep(1e-9)
        after = disk.crash()
        with pytest.raises(PowerLost):
            await write
        return (await after.read("f/x"))[1_000:]

    found = {run(main, seed, tail_garbage=0.0) for seed in SEEDS}
    assert {b"", b"new"} < found


def test_names_are_durable_only_once_their_folder_is():
    async def main(world):
        disk = await prepared(world)
        await disk.append_sync("f/new", b"whole")
        await disk.remove("f/x")
        return tuple(await disk.crash().list("f"))

    assert {run(main, seed) for seed in SEEDS} == {("new", "x"), ("x",), ("new",), ()}

    async def synced(world):
        disk = await prepared(world)
        await disk.append_sync("f/new", b"whole")
        await disk.remove("f/x")
        await disk.sync_folder("f")
        return tuple(await disk.crash().list("f"))

    assert {run(synced, seed) for seed in SEEDS} == {("new",)}


def test_a_slow_folder_sync_does_not_undo_a_later_one():
    async def main(world):
        disk = await prepared(world)
        slow = asyncio.create_task(disk.sync_folder("f"))
        await asyncio.sleep(0)
        await disk.append_sync("f/new", b"whole")
        await disk.sync_folder("f")
        await slow
        return tuple(await disk.crash().list("f"))

    assert {run(main, seed, name_kept=0.0) for seed in range(200)} == {("new", "x")}


def test_an_interrupted_truncation_leaves_the_old_or_the_new_length():
    async def main(world):
        disk = await prepared(world)
        cut = asyncio.create_task(disk.truncate("f/x", 10))
        await world.clock.sleep(1e-9)
        after = disk.crash()
        with pytest.raises(PowerLost):
            await cut
        return await after.size("f/x")

    assert {run(main, seed) for seed in SEEDS} == {10, 1_000}

    async def finished(world):
        disk = await prepared(world)
        await disk.append("f/x", b"was not durable")
        await disk.truncate("f/x", 1_003)
        return (await disk.crash().read("f/x"))[1_000:]

    assert {run(finished, seed) for seed in SEEDS} == {b"was"}


def test_a_later_sync_settles_a_truncation_that_a_kill_interrupted():
    async def main(world):
        disk = await prepared(world)
        cut = asyncio.create_task(disk.truncate("f/x", 10))
        await world.clock.sleep(1e-9)
        disk = disk.kill()
        with pytest.raises(PowerLost):
            await cut
        await disk.append_sync("f/x", b"new")
        return await disk.crash().size("f/x")

    assert {run(main, seed) for seed in SEEDS} == {13}


def test_a_killed_program_loses_nothing_until_the_power_goes_too():
    async def main(world):
        disk = await prepared(world)
        await disk.append("f/x", b"cached")
        disk = disk.kill()
        assert (await disk.read("f/x"))[1_000:] == b"cached"
        return (await disk.crash().read("f/x"))[1_000:]

    assert {run(main, seed, tail_torn=0.0, tail_garbage=0.0) for seed in SEEDS} == {b"", b"cached"}


def test_a_full_disk_takes_what_fits_and_says_so():
    async def main(world):
        disk = await prepared(world)
        disk.capacity_bytes = 1_500
        with pytest.raises(OSError, match="no space") as caught:
            await disk.append("f/x", b"\xbb" * 600)
        assert caught.value.errno == errno.ENOSPC
        assert disk.used_bytes == 1_500
        await disk.truncate("f/x", 1_000)
        await disk.append_sync("f/x", b"\xbb" * 500)
        disk.capacity_bytes = 10_000
        await disk.append_sync("f/x", b"\xbb" * 600)

    run(main)


def test_a_lying_disk_loses_what_it_said_it_had():
    async def main(world):
        disk = await prepared(world)
        disk.faults = DiskFaults(lying_sync=1, tail_torn=0.0, tail_garbage=0.0)
        await disk.append_sync("f/x", b"promised")
        return (await disk.crash().read("f/x"))[1_000:]

    assert {run(main, seed) for seed in SEEDS} == {b"", b"promised"}


def test_damage_flips_stored_bytes():
    async def main(world):
        disk = await prepared(world)
        disk.damage("f/x", 2, 3)
        return (await disk.crash().read("f/x"))[:6]

    assert run(main) == bytes([0, 1, 0xFD, 0xFC, 0xFB, 5])


def test_what_is_not_there_is_an_error_of_the_operating_system():
    async def main(world):
        disk = world.disk("d")
        for call in (disk.list("f"), disk.read("x"), disk.append("f/x", b""), disk.truncate("x", 0), disk.remove("x")):
            with pytest.raises(FileNotFoundError):
                await call

    run(main)


def test_the_old_power_cycle_is_over():
    async def main(world):
        disk = await prepared(world)
        after = disk.crash()
        for call in (disk.size("f/x"), disk.append("f/x", b"x"), disk.remove("f/x"), disk.sync_folder("f")):
            with pytest.raises(PowerLost):
                await call
        assert await after.size("f/x") == 1_000
        assert world.disk("d") is after

    run(main)
