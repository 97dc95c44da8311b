"""The live feed: committed waypoints, to whoever watches, as they happen.

Publishing never waits. A reader that falls behind loses the oldest waypoints, and ``dropped``
counts them; the durable story stays in the table ``WAYPOINTS``.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Self

from phalanx.core import Overloaded, Waypoint
from phalanx.telemetry._limits import MAX_SUBSCRIPTIONS, SUBSCRIPTION_CAPACITY

_RETRY_AFTER_S = 5


class Subscription:
    """An async iterator of one tenant's waypoints, for one reader. Ends when closed."""

    def __init__(self, tenant: str, capacity: int, forget: Callable[["Subscription"], None]) -> None:
        assert capacity > 0, capacity
        self.tenant = tenant
        self.dropped = 0
        self._forget = forget
        self._waiting: deque[Waypoint] = deque(maxlen=capacity)
        self._wake = asyncio.Event()
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Waypoint:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._waiting.popleft()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the subscription; a reader that waits gets what is left and then the end."""
        if not self._closed:
            self._closed = True
            self._forget(self)
            self._wake.set()

    def offer(self, waypoint: Waypoint) -> None:
        """Called by the feed: queue a waypoint, dropping the oldest when the reader is too far behind."""
        if len(self._waiting) == self._waiting.maxlen:
            self.dropped += 1
        self._waiting.append(waypoint)
        self._wake.set()


class LiveFeed:
    """Hands each published waypoint to the open subscriptions of its tenant."""

    def __init__(self) -> None:
        self._open: list[Subscription] = []

    def publish(self, waypoint: Waypoint) -> None:
        """Call it after the commit that wrote the waypoint, never before."""
        for subscription in self._open:
            if subscription.tenant == waypoint.tenant:
                subscription.offer(waypoint)

    def subscribe(self, tenant: str, *, capacity: int = SUBSCRIPTION_CAPACITY) -> Subscription:
        """Raises ``Overloaded`` when too many readers are open."""
        if len(self._open) >= MAX_SUBSCRIPTIONS:
            raise Overloaded("the live feed", retry_after_s=_RETRY_AFTER_S)
        subscription = Subscription(tenant, capacity, self._open.remove)
        self._open.append(subscription)
        return subscription

    def close(self) -> None:
        """End every subscription, so that no reader keeps a stopping node waiting."""
        for subscription in list(self._open):
            subscription.close()
