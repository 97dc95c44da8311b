"""Classical workers: what is kept of them, what is fresh, and what is drawn."""

import math

import pytest

from phalanx.core import InvalidInput, NotFound, Unavailable
from phalanx.devices import GpuReading, HostReading, WorkerNumber, Workers, watch_workers, worker_line, worker_name
from phalanx.devices._limits import MAX_KEPT_READINGS, WATCH_WORKERS_EVERY_S, WORKER_FRESH_S
from phalanx.testing import SimWorld


def reading(busy=0.5, *, gpus=()):
    return HostReading(cores=8, busy=busy, load_1m=1.5, memory_bytes=100, memory_used_bytes=25, gpus=gpus)


@pytest.mark.requirement("QRM-4")
def test_workers_say_how_they_are_and_fall_silent():
    async def main(world):
        workers = Workers(world.store("a"), world.clock)
        gpu = GpuReading(name="H100", busy=0.25, memory_bytes=80, memory_used_bytes=8)
        await workers.observe("b", reading(gpus=(gpu,)))
        await workers.observe("a", reading())
        first, second = await workers.newest()
        assert (first.name, second.name) == ("worker.a", "worker.b")
        assert second.fresh
        await world.clock.sleep(WORKER_FRESH_S + 1)
        await workers.observe("a", reading(0.75))
        first, second = await workers.newest()
        assert (first.fresh, first.busy, second.fresh) == (True, 0.75, False)
        seen = await workers.history("a")
        assert [one.number(WorkerNumber.BUSY) for one in seen] == [50, 75]
        assert seen[0].number(WorkerNumber.MEMORY) == 25
        assert math.isnan(seen[0].number(WorkerNumber.GPU))
        (last,) = await workers.history("b")
        assert last.number(WorkerNumber.GPU) == 25
        name, unit, points = worker_line("a", seen, WorkerNumber.LOAD)
        assert (name, unit, [value for _, value in points]) == ("worker.a: load", "processes", [1.5, 1.5])
        with pytest.raises(NotFound):
            await workers.history("c")

    SimWorld(1).run(main)


def test_what_is_kept_is_bounded():
    async def main(world):
        workers = Workers(world.store("a"), world.clock)
        for _ in range(MAX_KEPT_READINGS + 5):
            await workers.observe("a", reading())
            await world.clock.sleep(1)
        assert len(await workers.history("a")) == MAX_KEPT_READINGS

    SimWorld(1).run(main)


def test_a_machine_that_does_not_say_is_alerted_and_watched_on():
    async def main(world):
        workers, told = Workers(world.store("a"), world.clock), []

        class Sink:
            def alert(self, level, where, text, **_):
                told.append(text)

        answers = [Unavailable("proc", "gone"), reading(), reading(0.9)]

        def read():
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        import asyncio

        task = asyncio.ensure_future(watch_workers(workers, "a", read, world.clock, world.offload, Sink()))
        await world.clock.sleep(2.5 * WATCH_WORKERS_EVERY_S)
        task.cancel()
        assert len(told) == 1
        assert [one.busy for one in await workers.history("a")] == [0.5, 0.9]

    SimWorld(1).run(main)


def test_names():
    assert worker_name("worker.x") == "x"
    for wrong in ("x", "worker."):
        with pytest.raises(InvalidInput):
            worker_name(wrong)
