"""Worlds: nodes that start, crash and start again, and what a run reports."""

import asyncio
from contextlib import suppress

import pytest

from phalanx.core import DEFAULT_TENANT, NS_PER_S, PhalanxError, Put, Table, is_id
from phalanx.testing import (
    WORLD_START_NS,
    BackgroundFailure,
    Deadlock,
    PowerLost,
    SimWorld,
    Trace,
    TraceEntry,
    Unstoppable,
)


def test_both_clocks_follow_virtual_time_from_a_fixed_start():
    async def main(world):
        before = world.clock.monotonic_ns()
        await world.clock.sleep(1.5)
        assert world.clock.wall_ns() == WORLD_START_NS + 3 * NS_PER_S // 2
        assert world.clock.monotonic_ns() - before == 3 * NS_PER_S // 2
        assert world.clock.monotonic_ns() != world.clock.wall_ns()
        assert is_id(world.ids.new())
        await world.clock.sleep(0)
        await world.clock.sleep(-1)
        assert world.clock.wall_ns() == WORLD_START_NS + 3 * NS_PER_S // 2

    SimWorld(0).run(main)


def test_an_interrupted_sleep_leaves_no_timer():
    async def main(world):
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await world.clock.sleep(1_000)
        await asyncio.Event().wait()

    with pytest.raises(Deadlock) as caught:
        SimWorld(0).run(main)
    assert caught.value.at_s == 1


def test_offloaded_work_gives_way_before_and_after():
    async def main(world):
        order = []

        async def other():
            order.append("other")

        task = asyncio.create_task(other())
        await world.offload.run(order.append, "work")
        order.append("result")
        await task
        return tuple(order)

    orders = {SimWorld(seed).run(main) for seed in range(30)}
    assert orders == {("other", "work", "result"), ("work", "other", "result"), ("work", "result", "other")}

    async def failing(world):
        with pytest.raises(ZeroDivisionError):
            await world.offload.run(lambda: 1 / 0)

    SimWorld(0).run(failing)


def test_a_crash_takes_the_nodes_tasks_and_nobody_elses():
    async def main(world):
        alive = []

        async def ticks(name):
            while True:
                await world.clock.sleep(1)
                alive.append((name, world.loop.time()))

        async def program(node):
            stray = asyncio.create_task(ticks(f"{node.name}-child"))
            await ticks(node.name)
            await stray

        a, b = world.node("a"), world.node("b")
        a.start(program)
        b.start(program)
        await world.clock.sleep(2.5)
        await a.crash()
        assert world.loop.time() == 2.5
        await world.clock.sleep(1)
        assert a.incarnation == 2
        a.start(program)
        await world.clock.sleep(1.2)
        return alive

    alive = SimWorld(4).run(main)
    times = {name: [at for n, at in alive if n == name] for name in ("a", "a-child", "b", "b-child")}
    assert times == {"a": [1, 2, 4.5], "a-child": [1, 2, 4.5], "b": [1, 2, 3, 4], "b-child": [1, 2, 3, 4]}


def test_the_dying_reach_neither_disk_nor_network():
    async def main(world):
        reached = []

        async def program(node):
            disk, transport = world.disk(node.name), world.transport("a")
            await disk.append_sync("x", b"alive")
            await disk.sync_folder("")
            try:
                await transport.receive()
            finally:
                transport.send("b", b"last words")
                for call in (disk.append_sync("x", b"last words"), transport.receive()):
                    with suppress(PowerLost):
                        reached.append(await call)

        node, b = world.node("a"), world.transport("b")
        node.start(program)
        await world.clock.sleep(1)
        await node.crash()
        assert reached == []
        assert await world.disk("a").read("x") == b"alive"
        world.transport("a").send("b", b"reborn")
        assert await b.receive() == ("a", b"reborn")

    SimWorld(0).run(main)


def test_a_node_that_will_not_die_is_named():
    async def main(world):
        async def program(node):
            while True:
                with suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()

        node = world.node("zombie")
        node.start(program)
        await world.clock.sleep(1)
        await node.crash()

    with pytest.raises(Unstoppable, match="zombie"):
        SimWorld(0).run(main)


def test_each_incarnation_draws_anew_and_each_node_its_own():
    world = SimWorld(1)
    a, b = world.node("a"), world.node("b")
    first = a.rng.bits(64)
    assert a.rng.bits(64) == first
    assert b.rng.bits(64) != first
    a.incarnation = 2
    assert a.rng.bits(64) != first


@pytest.mark.parametrize("how", ["node", "task", "callback"])
def test_what_fails_in_the_background_fails_the_run(how):
    async def breaks(_=None):
        raise ValueError(how)

    async def main(world):
        if how == "node":
            world.node("n").start(breaks)
            await world.clock.sleep(1)
            await world.node("n").crash()
        elif how == "task":
            asyncio.create_task(breaks())  # noqa: RUF006 - that is the point
        else:
            world.loop.call_soon(lambda: int("x"))
        await world.clock.sleep(1)

    with pytest.raises(BackgroundFailure, match="seed=7") as caught:
        SimWorld(7).run(main)
    assert isinstance(caught.value.errors[0], ValueError)


def test_what_the_remains_of_a_crashed_node_raise_is_no_failure():
    async def main(world):
        async def program(node):
            asyncio.create_task(cleanup_that_fails())  # noqa: RUF006 - that is the point
            await cleanup_that_fails()

        async def cleanup_that_fails():
            try:
                await asyncio.Event().wait()
            finally:
                world.loop.call_soon(lambda: int("nor this"))
                raise ValueError("cannot clean up")

        node = world.node("n")
        node.start(program)
        await world.clock.sleep(1)
        await node.crash()

    SimWorld(0).run(main)


def test_what_failed_before_the_crash_stays_a_failure():
    async def main(world):
        async def program(node):
            world.loop.call_soon(lambda: int("x"))
            await asyncio.Event().wait()

        node = world.node("n")
        node.start(program)
        await world.clock.sleep(1)
        await node.crash()

    with pytest.raises(BackgroundFailure, match="invalid literal"):
        SimWorld(0).run(main)


def test_the_ports_of_a_node_hold_what_it_needs_and_keep_it_over_a_crash():
    table = Table("t")

    async def main(world):
        async def first(node):
            ports = node.ports()
            journal = await ports.journals.open("intake")
            await journal.append([b"one", b"two"])
            await ports.store.commit([Put(table, DEFAULT_TENANT, "k", b"v")])
            return ports.ids.new(), ports.entropy.token(4), ports.rng.bits(32), ports.signer.public.to_bytes()

        async def second(node):
            ports = node.ports()
            journal = await ports.journals.open("intake")
            row = await ports.store.get(table, DEFAULT_TENANT, "k")
            return await journal.read(0), row.value, ports.ids.new(), ports.signer.public.to_bytes()

        node = world.node("n")
        *drawn, signer = await node.start(first)
        await node.crash()
        records, value, new_id, same_signer = await node.start(second)
        assert (records, value, same_signer) == ([b"one", b"two"], b"v", signer)
        assert new_id != drawn[0]
        assert (await node.ports().offload.run(sum, [1, 2]), node.ports().clock) == (3, world.clock)
        return drawn

    assert SimWorld(5).run(main) == SimWorld(5).run(main) != SimWorld(6).run(main)


def test_an_error_carries_the_seed_that_repeats_it():
    async def main(world):
        await world.clock.sleep(2)
        raise PhalanxError("broken")

    with pytest.raises(PhalanxError) as caught:
        SimWorld(77).run(main)
    assert caught.value.__notes__ == ["in SimWorld(seed=77) at 2.000000 s of virtual time"]


def test_a_world_can_run_more_than_once():
    async def main(world):
        await world.clock.sleep(1)
        return world.loop.time()

    world = SimWorld(0)
    assert [world.run(main), world.run(main)] == [1, 2]


def test_a_trace_compares_and_shows_the_first_difference():
    def trace(*whats, picks=(1,), keep=100):
        made = Trace(lambda: 5, keep=keep)
        for what in whats:
            made.note("here", what, 1, "x")
        for pick in picks:
            made.fold_pick(pick)
        return made

    assert trace("a", "b") == trace("a", "b")
    assert trace("a", "b") != trace("a", "c")
    assert trace("a", "b", picks=(1, 2)) != trace("a", "b", picks=(2, 1))
    assert trace("a").first_difference(trace("a", "b")) == (None, TraceEntry(5, "here", "b", (1, "x")))
    assert trace("a").first_difference(trace("a")) is None
    assert str(trace("a").of(what="a")[0]) == "0.000000005 here a 1 x"
    assert trace("a").of(where="there") == []
    short = trace(*"abcdefgh", keep=2)
    assert len(short) < 8
    assert short == trace(*"abcdefgh")
