"""The machine's clocks and the pool of threads."""

import asyncio
import contextvars
import threading

import pytest

from phalanx.adapters import OsEntropy, SystemClock, ThreadOffload
from phalanx.core import NS_PER_S, Overloaded, Unavailable


def test_clock_runs_forward_and_sleeps():
    async def main():
        clock = SystemClock()
        before = clock.monotonic_ns()
        await clock.sleep(0.001)
        assert clock.monotonic_ns() - before >= 1_000_000
        assert clock.wall_ns() > 1_700_000_000 * NS_PER_S

    asyncio.run(main())


def test_entropy_has_the_length_asked_for_and_never_repeats():
    entropy = OsEntropy()
    drawn = {entropy.token(16) for _ in range(100)}
    assert len(drawn) == 100
    assert {len(token) for token in drawn} == {16}


def test_offload_runs_in_a_thread_with_the_caller_s_context():
    variable = contextvars.ContextVar("variable")

    async def main():
        offload = ThreadOffload(1)
        variable.set("mine")
        try:
            assert await offload.run(lambda a, *, b: (a, b, variable.get()), 1, b=2) == (1, 2, "mine")
            assert await offload.run(threading.get_ident) != threading.get_ident()
            with pytest.raises(ZeroDivisionError):
                await offload.run(lambda: 1 / 0)
        finally:
            offload.close()
        with pytest.raises(Unavailable):
            await offload.run(lambda: None)

    asyncio.run(main())


def test_offload_turns_away_what_would_queue_too_long():
    async def main():
        offload, gate = ThreadOffload(1, max_waiting=1), threading.Event()
        try:
            running = [asyncio.ensure_future(offload.run(gate.wait)) for _ in range(2)]
            await asyncio.sleep(0)
            with pytest.raises(Overloaded):
                await offload.run(lambda: None)
            gate.set()
            assert await asyncio.gather(*running) == [True, True]
            assert await offload.run(lambda: "room again") == "room again"
        finally:
            gate.set()
            offload.close()

    asyncio.run(main())


def test_cancelled_work_keeps_its_thread_until_it_is_done():
    async def main():
        offload, gate = ThreadOffload(1, max_waiting=0), threading.Event()
        try:
            task = asyncio.ensure_future(offload.run(gate.wait))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(Overloaded):
                await offload.run(lambda: None)
        finally:
            gate.set()
            offload.close()

    asyncio.run(main())
