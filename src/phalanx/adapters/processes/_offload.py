"""Work that keeps a core busy, in processes of its own: the event loop and the threads beside it do not notice."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from phalanx.adapters._limits import MAX_WAITING_WORK, TIMES_REMEMBERED
from phalanx.core import Overloaded, Unavailable

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

# What OpenBLAS, MKL and OpenMP read as they are loaded, which in a new process comes after this is set.
_THREADS = "OMP_NUM_THREADS"
# On a machine with few cores these would keep the event loop from them, and a thousand agents with it.
_NICENESS = 10
# What a process does first. It is text since a function would be found by importing this package, which loads some of
# these libraries before they can be told.
_BEGIN = """
import os
os.putenv("{name}", "{threads}")
os.nice({niceness})
from phalanx.adapters.processes._offload import watch_parent
watch_parent()
"""
P = ParamSpec("P")
T = TypeVar("T")


class ProcessOffload:
    """Runs functions that can be found by name (not lambdas, not methods) in at most ``max_workers`` processes.

    The processes start with the first call and not with the node, or when they are warmed. One that dies takes the work
    of all with it: each call raises ``Unavailable``, and the next begins with new ones. They end with the process that
    began them, however that ends. Arguments and results are pickled. ``asked`` counts calls, ``took_s`` is how long
    they take of late.
    """

    def __init__(self, max_workers: int = 0, *, max_waiting: int = MAX_WAITING_WORK) -> None:
        self._workers = max_workers or os.cpu_count() or 1
        self._bound = self._workers + max_waiting
        self._pool: ProcessPoolExecutor | None = None
        self._under_way = 0
        self._closed = False
        self.asked, self.took_s = 0, 0.0

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        if self._closed:
            raise Unavailable("the processes", "they are closed")
        if self._under_way >= self._bound:
            raise Overloaded("the processes", retry_after_s=1)
        self._under_way += 1
        self.asked += 1
        began_s = time.monotonic()
        try:
            pool = self._started()
            return await asyncio.wrap_future(pool.submit(work, *args, **kwargs))
        except BrokenExecutor as error:
            self._pool = None
            raise Unavailable("the processes", "one of them died while it worked") from error
        finally:
            self._under_way -= 1
            took_s = time.monotonic() - began_s
            self.took_s = took_s if not self.took_s else self.took_s + (took_s - self.took_s) / TIMES_REMEMBERED

    @property
    def most(self) -> int:
        """How many processes there may be."""
        return self._workers

    @property
    def alive(self) -> int:
        """How many there are now."""
        return len(getattr(self._pool, "_processes", None) or {})

    async def warm(self, n: int, ready: Callable[[], None]) -> None:
        """Have ``n`` processes there, ``most`` at most; those that begin have called ``ready``. What works goes on."""
        n = min(n, self._workers)
        if self._closed or n <= self.alive:
            return
        pool = self._started()
        # One that is free takes a call, and a call that finds none free begins one: so as many calls as are wanted.
        try:
            await asyncio.gather(*(asyncio.wrap_future(pool.submit(ready)) for _ in range(n)))
        except BrokenExecutor as error:
            self._pool = None
            raise Unavailable("the processes", "one of them died as it began") from error

    def cool(self) -> bool:
        """End the processes and give their memory back, unless they work; the next call begins new ones."""
        if self._under_way or self._pool is None:
            return False
        pool, self._pool = self._pool, None
        pool.shutdown(wait=False)
        return True

    def close(self) -> None:
        """Refuse new work and end the processes; what they work on is lost."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool is not None:
            for process in list(getattr(pool, "_processes", None) or {}):
                _terminate(pool, process)
            pool.shutdown(wait=True, cancel_futures=True)

    def _threads(self) -> str:
        """How many threads numeric libraries may use in each process: their share of the cores, unless it was set.

        Left alone, each takes all cores, and several that wait for each other's threads take a hundred times as long.
        """
        return os.environ.get(_THREADS) or str(max(1, (os.cpu_count() or 1) // self._workers))

    def _started(self) -> "ProcessPoolExecutor":
        if self._pool is None:
            import multiprocessing
            from concurrent.futures import ProcessPoolExecutor

            # Spawned, not forked: a fork would copy threads' locks in whatever state they are.
            self._pool = ProcessPoolExecutor(
                self._workers, mp_context=multiprocessing.get_context("spawn"),
                initializer=exec, initargs=(_BEGIN.format(name=_THREADS, threads=self._threads(), niceness=_NICENESS),),
            )  # fmt: skip
        return self._pool


def watch_parent() -> None:
    """In a process of a pool: end with the one that has the work done. Who is killed asks nobody to end."""
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()


def _end_with_parent() -> None:
    from multiprocessing import connection, parent_process

    parent = parent_process()
    assert parent is not None, "begun by spawning"
    connection.wait([parent.sentinel])
    os._exit(1)


def _terminate(pool: "ProcessPoolExecutor", pid: int) -> None:
    pool._processes[pid].terminate()  # noqa: SLF001 - the pool itself ends processes only once they are done
