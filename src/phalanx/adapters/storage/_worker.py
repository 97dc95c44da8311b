"""One thread that serves requests in batches: whatever gathered while it was busy.

A database connection belongs to one thread. Handing over a batch and its answers at once
spares a wake-up of the event loop for each.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

from phalanx.adapters._limits import MAX_WAITING_REQUESTS
from phalanx.core import Overloaded, StorageError

R = TypeVar("R")
A = TypeVar("A")
R_contra = TypeVar("R_contra", contravariant=True)
A_co = TypeVar("A_co", covariant=True)


class Server(Protocol[R_contra, A_co]):
    """What a worker's thread runs; made, used and closed in that thread."""

    def serve(self, requests: Sequence[R_contra], /) -> Sequence[A_co | StorageError]: ...

    def close(self) -> None: ...


class Worker(Generic[R, A]):
    """Calls ``serve`` with batches of requests; it answers each or says what failed.

    ``start`` runs first in the thread and makes what serves, whose ``close`` runs last. A batch
    takes no more requests once they weigh ``max_weight`` together.
    """

    def __init__(
        self, name: str, start: Callable[[], Server[R, A]], *, weigh: Callable[[R], int], max_weight: int
    ) -> None:
        self._name = name
        self._start = start
        self._weigh = weigh
        self._max_weight = max_weight
        self._queue: SimpleQueue[tuple[R, asyncio.Future[A]] | None] = SimpleQueue()
        self._under_way = 0
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    async def open(self) -> None:
        """Start the thread; raises what ``start`` raised."""
        self._thread.start()
        await self._ready

    async def ask(self, request: R) -> A:
        if self._closed:
            raise StorageError(f"{self._name} is closed")
        if self._under_way >= MAX_WAITING_REQUESTS:
            raise Overloaded(self._name, retry_after_s=1)
        answer: asyncio.Future[A] = self._loop.create_future()
        self._under_way += 1
        self._queue.put((request, answer))
        return await answer

    async def close(self) -> None:
        """Answer what was asked, then end the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.shield(self._ended)

    def _run(self) -> None:
        try:
            server = self._start()
        except BaseException as error:  # noqa: BLE001 - handed to the task that opens
            self._tell(_fail, self._ready, error)
            return
        self._tell(_settle, self._ready, None)
        try:
            while batch := self._next_batch():
                try:
                    answers: Sequence[Any] = server.serve([request for request, _ in batch])
                except Exception as error:  # noqa: BLE001 - handed to the tasks that asked
                    answers = [error] * len(batch)
                self._tell(self._deliver, [answer for _, answer in batch], answers)
        finally:
            try:
                server.close()
            finally:
                self._tell(_settle, self._ended, None)

    def _next_batch(self) -> list[tuple[R, "asyncio.Future[A]"]]:
        batch: list[tuple[R, asyncio.Future[A]]] = []
        weight = 0
        while (item := self._queue.get()) is not None:
            batch.append(item)
            weight += self._weigh(item[0])
            if weight >= self._max_weight or self._queue.empty():
                return batch
        if batch:
            self._queue.put(None)
        return batch

    def _deliver(self, waiting: "list[asyncio.Future[A]]", answers: Sequence[Any]) -> None:
        self._under_way -= len(waiting)
        for future, answer in zip(waiting, answers, strict=True):
            if isinstance(answer, BaseException):
                _fail(future, answer)
            else:
                _settle(future, answer)

    def _tell(self, callback: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            # The loop is gone, and with it everybody who could be waiting.
            return


def _settle(future: "asyncio.Future[Any]", value: object) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: "asyncio.Future[Any]", error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
