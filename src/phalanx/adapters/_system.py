"""The machine's clocks, its entropy and a bounded pool of threads."""

import asyncio
import contextvars
import os
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from phalanx.adapters._limits import MAX_WAITING_WORK
from phalanx.core import Overloaded, Unavailable

P = ParamSpec("P")
T = TypeVar("T")


def machine_name() -> str:
    """What this machine calls itself."""
    return socket.gethostname()


class SystemClock:
    """The operating system's clocks and the event loop's timer."""

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        return time.time_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class OsEntropy:
    """Secret bytes from the operating system."""

    def token(self, n_bytes: int) -> bytes:
        return os.urandom(n_bytes)


class ThreadOffload:
    """Runs work in at most ``max_workers`` threads; ``max_waiting`` calls may queue behind them.

    A cancelled caller stops waiting, but its work runs to the end and keeps its thread until
    then: a thread cannot be interrupted.
    """

    def __init__(self, max_workers: int, *, max_waiting: int = MAX_WAITING_WORK) -> None:
        self._pool = ThreadPoolExecutor(max_workers, thread_name_prefix="phalanx-offload")
        self._bound = max_workers + max_waiting
        self._under_way = 0
        self._closed = False

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        if self._closed:
            raise Unavailable("the thread pool", "it is closed")
        if self._under_way >= self._bound:
            raise Overloaded("the thread pool", retry_after_s=1)
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        self._under_way += 1
        running = loop.run_in_executor(self._pool, lambda: context.run(work, *args, **kwargs))
        running.add_done_callback(self._finished)
        return await asyncio.shield(running)

    def _finished(self, running: "asyncio.Future[T]") -> None:
        self._under_way -= 1
        if not running.cancelled():
            running.exception()  # A caller who left does not want it; asyncio would complain.

    def close(self) -> None:
        """Refuse new work and wait for what is under way."""
        self._closed = True
        self._pool.shutdown()
