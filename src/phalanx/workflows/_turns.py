"""Whose turn it is: a bounded number of steps work at once, and tenants take turns at what is free.

A tenant with a thousand steps waiting delays another one's next step by one turn, not by a thousand.
"""

import asyncio
from collections import OrderedDict, deque
from types import TracebackType

from phalanx.core import TenantId


class Turns:
    """``async with turns.of(tenant):`` holds one of ``slots``."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._waiting: OrderedDict[TenantId, deque[asyncio.Future[None]]] = OrderedDict()

    def of(self, tenant: TenantId) -> "Turn":
        return Turn(self, tenant)

    async def take(self, tenant: TenantId) -> None:
        if self._free:
            self._free -= 1
            return
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(given)
        try:
            await given
        except asyncio.CancelledError:
            if given.done() and not given.cancelled():
                self.give_back()  # The turn came as its taker left: it is the next one's.
            raise

    def give_back(self) -> None:
        while self._waiting:
            tenant, line = self._waiting.popitem(last=False)
            given = line.popleft()
            if line:
                self._waiting[tenant] = line  # To the end: every other tenant comes first.
            if not given.done():
                given.set_result(None)
                return
        self._free += 1


class Turn:
    """One turn of a tenant."""

    __slots__ = ("_tenant", "_turns")

    def __init__(self, turns: Turns, tenant: TenantId) -> None:
        self._turns = turns
        self._tenant = tenant

    async def __aenter__(self) -> None:
        await self._turns.take(self._tenant)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._turns.give_back()
