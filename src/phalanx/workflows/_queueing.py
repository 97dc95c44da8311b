"""Room in the queues of devices: full queues are waited for, within bounds, and count as nobody's failure."""

import asyncio
from collections import deque

from phalanx.balancing import Operation, Pool, QueuesFull, Ticket
from phalanx.core import NS_PER_S, Clock, Unavailable


class Queueing:
    """Gives circuits places in the pool, and has them wait for one where every queue is full."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def placed(self, operation: Operation, patience_s: float) -> tuple[Ticket, float]:
        """A place, and for how long it was waited for.

        Raises ``NoEligibleResource`` at once, and ``Unavailable`` when there was no room within ``patience_s``.
        """
        begun_s, waited_s = self.now_s(), 0.0
        while True:
            try:
                return self._pool.place(operation, self.now_s()), waited_s
            except QueuesFull as full:
                if not await self._room(operation, begun_s + patience_s, full.retry_after_s):
                    raise Unavailable(
                        "a place at a device", f"every queue that fits was full for {patience_s:.3g} s",
                        hint="add a device, or send less at once",
                    ) from full  # fmt: skip
                waited_s = self.now_s() - begun_s

    def start(self, operation: str) -> None:
        self._pool.start(operation, self.now_s())

    def finish(self, operation: str, *, ok: bool) -> None:
        """The device has done it, or it did not do it."""
        self._pool.finish(operation, self.now_s(), ok=ok)
        self._wake()

    def withdraw(self, operation: str) -> None:
        """It ended without a word on the device: nobody wants it any more, or the circuit was at fault."""
        self._pool.withdraw(operation, self.now_s())
        self._wake()

    def now_s(self) -> float:
        return self._clock.monotonic_ns() / NS_PER_S

    async def _room(self, operation: Operation, until_s: float, look_after_s: float) -> bool:
        """Whether one of its queues had room in time; what rests comes back unannounced, so it is looked for too."""
        while (left_s := until_s - self.now_s()) > 0:
            freed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(freed)
            try:
                async with asyncio.timeout(min(left_s, look_after_s)):
                    await freed
            except TimeoutError:
                self._leave(freed)
            except asyncio.CancelledError:
                self._leave(freed)
                raise
            if self._pool.has_room(operation, self.now_s()):
                return True
        return False

    def _leave(self, freed: "asyncio.Future[None]") -> None:
        """Who was woken in the same moment stands in the line no more."""
        if freed in self._waiting:
            self._waiting.remove(freed)

    def _wake(self) -> None:
        """All look, in the order in which they came: not everyone's circuit may go where there is room now."""
        waiting, self._waiting = self._waiting, deque()
        for one in waiting:
            if not one.done():
                one.set_result(None)
