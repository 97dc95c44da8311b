"""Advancing runs that nobody waits for: those from before a restart, queued ones, those of engines that died."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from phalanx.core import DEFAULT_TENANT, Clock, Delete, Expect, Store, TenantId, decode
from phalanx.telemetry import Telemetry
from phalanx.workflows._limits import LOOK_S, MAX_PICKED_UP, MAX_RUNS_IN_FLIGHT
from phalanx.workflows._opening import Opening
from phalanx.workflows._states import LEASES, Lease, RunStates, RunStatus

Bring = Callable[[TenantId, str], Coroutine[Any, Any, None]]


class Service:
    """Looks for runs and has each brought forward in a task of its own."""

    def __init__(self, store: Store, clock: Clock, telemetry: Telemetry, opening: Opening, bring: Bring) -> None:
        self._store = store
        self._clock = clock
        self._states = RunStates(store)
        self._opening = opening
        self._bring = bring
        self._log = telemetry.log.bind(room="workflows")
        self._group: asyncio.TaskGroup | None = None
        self._underway: set[tuple[TenantId, str]] = set()
        self._left: set[tuple[TenantId, str]] = set()
        self._more = False
        self._wake = asyncio.Event()

    @property
    def has_room(self) -> bool:
        """Whether a run given to ``launch`` is brought forward at once."""
        return self._group is not None and len(self._underway) < MAX_RUNS_IN_FLIGHT

    @property
    def underway(self) -> int:
        """How many runs are brought forward."""
        return len(self._underway)

    def launch(self, tenant: TenantId, run: str, work: Coroutine[Any, Any, None] | None = None) -> None:
        """Bring a run forward; without room for it, it waits where it is kept."""
        key = tenant, run
        if self._group is None or key in self._underway or not self.has_room:
            self._more = True
            if work is not None:
                work.close()  # It is kept as begun already, so it is not found among those that are queued.
                self._left.add(key)
            return
        self._underway.add(key)
        self._group.create_task(self._carried(key, work or self._bring(tenant, run)), name=f"run {run}")

    def leave(self, tenant: TenantId, run: str) -> None:
        """Something besides the run went wrong: it is tried again when it is looked for work next."""
        self._left.add((tenant, run))

    def wake(self) -> None:
        self._wake.set()

    async def serve(self) -> None:
        """For as long as the node runs."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                await self._take_up(self._opening.owner)
                while True:
                    await self._look()
                    self._wake.clear()
                    try:
                        async with asyncio.timeout(LOOK_S):
                            await self._wake.wait()
                    except TimeoutError:
                        continue
            finally:
                self._group = None

    async def _carried(self, key: tuple[TenantId, str], work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        finally:
            self._underway.discard(key)
            if self._more:
                self._wake.set()

    async def _look(self) -> None:
        if lease := self._opening.lease():
            await self._store.commit(lease)
        left, self._left = self._left, set()
        for key in sorted(left):
            self.launch(*key)
        self._more = False
        for tenant in await self._states.tenants():
            room = MAX_RUNS_IN_FLIGHT - len(self._underway)
            if room <= 0:
                self._more = True
                return
            limit = min(room, MAX_PICKED_UP)
            queued = await self._states.list(tenant, status=RunStatus.QUEUED, limit=limit, oldest_first=True)
            for held in queued:
                self.launch(tenant, held.state.id)
            self._more = self._more or len(queued) == limit
        await self._bury()

    async def _bury(self) -> None:
        """Take up what engines left that have not said for long that they are at work."""
        for row in await self._store.scan(LEASES, DEFAULT_TENANT):
            lease = decode(row.value, Lease)
            if lease.id == self._opening.owner or lease.until_ns > self._clock.wall_ns():
                continue
            self._log.warning("an engine is gone", engine=lease.id)
            await self._take_up(lease.id)
            await self._store.commit(
                [Delete(LEASES, DEFAULT_TENANT, row.key)], expect=[Expect(LEASES, DEFAULT_TENANT, row.key, row.version)]
            )

    async def _take_up(self, owner: str) -> None:
        for tenant in await self._states.tenants():
            after = ""
            while True:
                page = await self._states.list(tenant, status=RunStatus.RUNNING, after=after, oldest_first=True)
                for held in page:
                    if held.state.owner == owner:
                        self.launch(tenant, held.state.id)
                if not page:
                    break
                after = page[-1].state.id
