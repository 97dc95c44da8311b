"""Work that keeps a core busy, in processes of its own: the event loop and the threads beside it do not notice."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from phalanx.adapters._limits import MAX_WAITING_WORK
from phalanx.core import Overloaded, Unavailable

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

P = ParamSpec("P")
T = TypeVar("T")


class ProcessOffload:
    """Runs functions that can be found by name (not lambdas, not methods) in at most ``max_workers`` processes.

    The processes start with the first call and not with the node. One that dies takes the work of all with it: each
    call raises ``Unavailable``, and the next begins with new ones. Arguments and results are pickled.
    """

    def __init__(self, max_workers: int = 0, *, max_waiting: int = MAX_WAITING_WORK) -> None:
        self._workers = max_workers or os.cpu_count() or 1
        self._bound = self._workers + max_waiting
        self._pool: ProcessPoolExecutor | None = None
        self._under_way = 0
        self._closed = False

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        if self._closed:
            raise Unavailable("the processes", "they are closed")
        if self._under_way >= self._bound:
            raise Overloaded("the processes", retry_after_s=1)
        self._under_way += 1
        try:
            pool = self._started()
            return await asyncio.wrap_future(pool.submit(work, *args, **kwargs))
        except BrokenExecutor as error:
            self._pool = None
            raise Unavailable("the processes", "one of them died while it worked") from error
        finally:
            self._under_way -= 1

    def close(self) -> None:
        """Refuse new work and end the processes; what they work on is lost."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool is not None:
            for process in list(getattr(pool, "_processes", None) or {}):
                _terminate(pool, process)
            pool.shutdown(wait=True, cancel_futures=True)

    def _started(self) -> "ProcessPoolExecutor":
        if self._pool is None:
            import multiprocessing
            from concurrent.futures import ProcessPoolExecutor

            # Spawned, not forked: a fork would copy threads' locks in whatever state they are.
            self._pool = ProcessPoolExecutor(self._workers, mp_context=multiprocessing.get_context("spawn"))
        return self._pool


def _terminate(pool: "ProcessPoolExecutor", pid: int) -> None:
    pool._processes[pid].terminate()  # noqa: SLF001 - the pool itself ends processes only once they are done
