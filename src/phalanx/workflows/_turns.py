"""Whose turn it is: a bounded number of steps work at once, and tenants take turns at free capacity.

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

    def of(self, tenant: TenantId, *, first: bool = False) -> "Turn":
        """A turn; ``first`` is before the tenant's own others: what has begun ends before more begins."""
        return Turn(self, tenant, first)

    async def take(self, tenant: TenantId, *, first: bool = False) -> None:
        if self._free:
            self._free -= 1
            return
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line = self._waiting.setdefault(tenant, deque())
        line.appendleft(given) if first else line.append(given)
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

    __slots__ = ("_first", "_tenant", "_turns")

    def __init__(self, turns: Turns, tenant: TenantId, first: bool) -> None:  # noqa: FBT001 - made by ``of`` alone
        self._turns = turns
        self._tenant = tenant
        self._first = first

    async def __aenter__(self) -> None:
        await self._turns.take(self._tenant, first=self._first)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._turns.give_back()
