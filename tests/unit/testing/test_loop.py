"""The virtual-time loop: time, legal orders, and how it fails."""

import asyncio
import gc
from contextlib import suppress

import pytest

from phalanx.core import Rng
from phalanx.testing import Deadlock, Livelock, NotSimulated, Unstoppable, new_loop

SEEDS = range(60)


def run(main, seed=0, **options):
    loop = new_loop(Rng(seed), **options)
    result = loop.run_until_complete(main())
    loop.shut_down()
    assert not loop.failures, loop.failures
    return result


def test_waiting_costs_nothing_and_ends_exactly_when_it_should():
    async def main():
        loop, woken = asyncio.get_running_loop(), []

        async def sleeper(seconds):
            await asyncio.sleep(seconds)
            woken.append((seconds, loop.time()))

        async with asyncio.TaskGroup() as group:
            for seconds in (86_400, 0.001, 30, 0.0):
                group.create_task(sleeper(seconds))
        return woken, loop.steps

    woken, steps = run(main)
    assert woken == [(0.0, 0.0), (0.001, 0.001), (30, 30), (86_400, 86_400)]
    assert steps < 50


def test_timeouts_follow_virtual_time():
    async def main():
        loop = asyncio.get_running_loop()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(6)
        first = loop.time()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 2)
        async with asyncio.timeout(5):
            await asyncio.sleep(4)
        return first, loop.time()

    assert run(main) == (5, 11)


def test_the_seed_chooses_among_tasks_and_every_order_is_reached():
    async def main():
        order = []

        async def one(name):
            order.append(name)

        async with asyncio.TaskGroup() as group:
            for name in "abc":
                group.create_task(one(name))
        return "".join(order)

    orders = [run(main, seed) for seed in SEEDS]
    assert len(set(orders)) == 6
    assert orders == [run(main, seed) for seed in SEEDS]


def test_a_tasks_own_steps_keep_their_order():
    async def main():
        seen = {name: [] for name in "ab"}

        async def steps(name):
            for n in range(20):
                seen[name].append(n)
                await asyncio.sleep(0)

        await asyncio.gather(steps("a"), steps("b"))
        return seen

    for seed in SEEDS:
        assert run(main, seed) == {"a": list(range(20)), "b": list(range(20))}


def test_callbacks_keep_their_order_and_tasks_do_not_overtake_those_before_them():
    async def main():
        loop, order, idle = asyncio.get_running_loop(), [], asyncio.Event()

        async def task(name):
            order.append(name)

        early = [loop.create_task(task(f"early {n}")) for n in range(3)]
        loop.call_soon(order.append, "callback 0")
        loop.call_soon(order.append, "callback 1")
        late = [loop.create_task(task(f"late {n}")) for n in range(3)]
        cancelled = loop.create_task(idle.wait())
        loop.call_soon(cancelled.cancel)
        cancelled.add_done_callback(lambda _: order.append("callback 2"))
        await asyncio.wait([*early, *late, cancelled])
        return order

    overtaken, lates = 0, set()
    for seed in SEEDS:
        order = run(main, seed)
        assert [name for name in order if name.startswith("callback")] == ["callback 0", "callback 1", "callback 2"]
        assert all(order.index(f"late {n}") > order.index("callback 1") for n in range(3))
        overtaken += any(order.index(f"early {n}") > order.index("callback 0") for n in range(3))
        lates.add(tuple(name for name in order if name.startswith("late")))
    assert overtaken, "a slow task is never overtaken by a callback"
    assert len(lates) == 6, "tasks that were held back keep their order"


def test_a_cancel_given_to_the_loop_is_a_callback_like_any_other():
    async def main():
        loop = asyncio.get_running_loop()
        task = loop.create_task(asyncio.Event().wait())
        await asyncio.sleep(1)
        loop.call_soon(lambda: None)
        loop.call_soon(task.cancel)
        loop.call_soon(lambda: seen.append(task.cancelling()))
        with suppress(asyncio.CancelledError):
            await task

    seen = []
    for seed in SEEDS:
        run(main, seed)
    assert seen == [1] * len(SEEDS)


def test_who_awaits_a_task_finds_its_earlier_done_callbacks_run():
    async def main():
        done = []
        work = asyncio.create_task(asyncio.sleep(1))
        work.add_done_callback(done.append)
        noise = [asyncio.create_task(asyncio.sleep(1)) for _ in range(3)]
        await work
        assert done == [work]
        await asyncio.wait(noise)

    for seed in SEEDS:
        run(main, seed)


def test_queue_lock_and_condition_of_asyncio_stay_correct():
    async def main():
        queue, lock, taken, inside = asyncio.Queue(1), asyncio.Lock(), [], []
        rare = asyncio.Condition()

        async def producer(name):
            for n in range(10):
                async with lock:
                    inside.append(name)
                    await asyncio.sleep(0)
                    assert inside.pop() == name
                    assert not inside
                await queue.put((name, n))

        async def consumer():
            while True:
                item = await queue.get()
                async with rare:
                    taken.append(item)
                    rare.notify_all()
                queue.task_done()

        consumers = [asyncio.create_task(consumer()) for _ in range(2)]
        async with asyncio.TaskGroup() as group:
            for name in "ab":
                group.create_task(producer(name))
            async with rare:
                await rare.wait_for(lambda: len(taken) == 20)
        await queue.join()
        for task in consumers:
            task.cancel()
        return taken

    for seed in SEEDS:
        assert sorted(run(main, seed)) == sorted((name, n) for name in "ab" for n in range(10))


def test_a_failing_group_cancels_its_tasks_in_the_same_order_in_every_run():
    def trace(seed, litter):
        kept = [bytearray(n % 700) for n in range(litter)]  # moves what is allocated next
        ended = []

        async def main():
            async def worker(n):
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.append(n)

            async def breaks():
                await asyncio.sleep(1)
                raise ValueError

            with suppress(ExceptionGroup):
                async with asyncio.TaskGroup() as group:
                    for n in range(30):
                        group.create_task(worker(n))
                    group.create_task(breaks())

        loop = new_loop(Rng(seed))
        loop.run_until_complete(main())
        assert len(kept) == litter
        return ended, loop.trace.digest()

    ended, digest = trace(1, 0)
    assert sorted(ended) == list(range(30))
    for litter in range(1, 2_000, 100):
        assert trace(1, litter) == (ended, digest)


def test_deadlock_names_who_waits_and_where():
    async def main():
        async def forgotten():
            await asyncio.Event().wait()

        await asyncio.create_task(forgotten(), name="patient")

    with pytest.raises(Deadlock) as caught:
        run(main)
    assert len(caught.value.tasks) == 2
    assert any("patient in " in task and "forgotten" in task and "Event.wait" in task for task in caught.value.tasks)
    assert "patient" in str(caught.value)


def test_a_cancelled_timer_does_not_hide_a_deadlock():
    async def main():
        asyncio.get_running_loop().call_later(10, print).cancel()
        await asyncio.Event().wait()

    with pytest.raises(Deadlock) as caught:
        run(main)
    assert caught.value.at_s == 0


def test_livelock_is_bounded():
    async def main():
        while True:  # noqa: ASYNC110 - the very mistake
            await asyncio.sleep(0)

    with pytest.raises(Livelock) as caught:
        run(main, max_steps=1_000)
    assert caught.value.steps == 1_000


def test_a_task_that_polls_cannot_stop_the_world():
    async def main():
        loop = asyncio.get_running_loop()
        late = asyncio.create_task(asyncio.sleep(0.01))
        while not late.done():  # noqa: ASYNC110 - the very mistake
            await asyncio.sleep(0)
        return loop.time(), loop.steps

    time_s, steps = run(main)
    assert time_s == pytest.approx(0.01, rel=0.01)
    assert 10_000 < steps < 12_000


def test_threads_are_refused():
    async def main():
        with pytest.raises(NotSimulated, match="threads"):
            await asyncio.to_thread(print)

    run(main)


def test_what_nobody_caught_is_kept():
    loop = new_loop(Rng(0))

    async def main():
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)

    loop.run_until_complete(main())
    assert [type(failure["exception"]) for failure in loop.failures] == [ZeroDivisionError]


def test_shutting_down_lets_tasks_and_generators_clean_up():
    closed = []

    async def ticks():
        try:
            while True:
                yield 1
                await asyncio.sleep(1)
        finally:
            await asyncio.sleep(1)
            closed.append("generator")

    async def waits():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
            closed.append("task")

    kept = ticks()

    async def main():
        asyncio.create_task(waits())  # noqa: RUF006 - the loop stops it
        async for _ in kept:
            break
        await asyncio.sleep(0.5)

    run(main)
    assert closed == ["task", "generator"]


def test_a_task_that_will_not_stop_is_named():
    async def stubborn():
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    async def main():
        asyncio.create_task(stubborn(), name="mule")  # noqa: RUF006 - the loop stops it
        await asyncio.sleep(1)

    loop = new_loop(Rng(0))
    loop.run_until_complete(main())
    with pytest.raises(Unstoppable, match="mule"):
        loop.shut_down()


def test_the_collector_cannot_interrupt_a_run():
    async def main():
        return gc.isenabled()

    assert not run(main)
    assert gc.isenabled()


def test_cancelled_timers_do_not_pile_up():
    loop = new_loop(Rng(0))

    async def main():
        for _ in range(5_000):
            async with asyncio.timeout(3_600):
                await asyncio.sleep(0.001)
        return len(loop._timers)

    assert loop.run_until_complete(main()) < 1_000
