"""Group commit on the event loop: requests that arrive while one group is served form the next."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from phalanx.core import Overloaded, StorageError

R = TypeVar("R")
A = TypeVar("A")


class Groups(Generic[R, A]):
    """Hands requests to ``serve`` in groups, one group at a time, in order of arrival.

    ``serve`` answers every request of a group or raises for all. A group takes requests until
    the next one would lift it over ``max_weight``; ``max_waiting`` bounds what may wait. The
    task that serves lives only while there is something to do, and a caller who is cancelled
    does not stop it.
    """

    def __init__(
        self,
        name: str,
        serve: Callable[[Sequence[R]], Awaitable[Sequence[A | StorageError]]],
        *,
        weigh: Callable[[R], int],
        max_weight: int,
        max_waiting: int,
    ) -> None:
        self._name = name
        self._serve = serve
        self._weigh = weigh
        self._max_weight = max_weight
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[R, int, asyncio.Future[A]]] = deque()
        self._waiting_weight = 0
        self._serving: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def closed(self) -> bool:
        return self._closing and self._serving is None

    def require_open(self) -> None:
        if self._closing:
            raise StorageError(f"{self._name} is closed")

    async def ask(self, request: R) -> A:
        self.require_open()
        if self._waiting_weight > self._max_waiting:
            raise Overloaded(self._name, retry_after_s=1)
        weight = self._weigh(request)
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, weight, answer))
        self._waiting_weight += weight
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve_all(), name=self._name)
        return await answer

    async def close(self) -> None:
        """Serve what was asked and refuse what comes after."""
        self._closing = True
        if self._serving is not None:
            await asyncio.wait([self._serving])

    async def _serve_all(self) -> None:
        try:
            while self._waiting:
                requests, futures = self._next_group()
                try:
                    answers = await self._serve(requests)
                except Exception as error:  # noqa: BLE001 - handed to those who asked
                    answers = [error] * len(requests)  # type: ignore[list-item]
                for future, answer in zip(futures, answers, strict=True):
                    if future.done():
                        continue
                    if isinstance(answer, Exception):
                        future.set_exception(answer)
                    else:
                        future.set_result(answer)
        finally:
            # Normally nobody waits any more; they do when the event loop ends and cancels this.
            for _, _, future in self._waiting:
                future.cancel()
            self._waiting.clear()
            self._serving = None

    def _next_group(self) -> "tuple[list[R], list[asyncio.Future[A]]]":
        requests: list[R] = []
        futures: list[asyncio.Future[A]] = []
        group_weight = 0
        while self._waiting and (not requests or group_weight + self._waiting[0][1] <= self._max_weight):
            request, weight, future = self._waiting.popleft()
            requests.append(request)
            futures.append(future)
            group_weight += weight
        self._waiting_weight -= group_weight
        return requests, futures
