"""The calendar, durable: every change is one commit that expects the calendar as it was read.

Whoever writes second is refused by the store, reads what the first wrote, and decides anew. So two nodes on one store
never book the same window, and a booking that was acknowledged survives the process.
"""

import asyncio
from collections.abc import Callable

import msgspec

from phalanx.allocation._booked import Booked
from phalanx.allocation._calendar import Ask, Bookable, Booking, Calendar
from phalanx.allocation._limits import LOOK_AT_CALENDAR_S, LOOK_WITHIN_S, MAX_CONFLICTS, MAX_ENDED_BOOKINGS
from phalanx.core import (
    DEFAULT_TENANT,
    Clock,
    Conflict,
    Delete,
    Expect,
    IdSource,
    NotFound,
    Put,
    Store,
    Table,
    Unavailable,
)

BOOKINGS = Table("allocation_bookings")
BOOKABLES = Table("allocation_bookables")
_HEAD = Table("allocation_head")
_KEY = "calendar"


class Reservations:
    """Books for tenants. All of one store share one calendar. ``booked`` is told of it."""

    def __init__(self, store: Store, clock: Clock, ids: IdSource, booked: Booked | None = None) -> None:
        self._booked = booked or Booked()
        self._store, self._clock, self._ids = store, clock, ids
        self._calendar, self._version = Calendar(), -1
        self._turn = asyncio.Lock()

    async def declare(self, resource: Bookable) -> None:
        """Add a resource or change one; the same again writes nothing."""

        def change(calendar: Calendar) -> list[Booking]:
            calendar.declare(resource)
            return []

        async with self._turn:
            if (await self._read()).resources.get(resource.name) != resource:
                await self._change(change, resource)

    async def book(self, tenant: str, ask: Ask, *, id: str = "") -> list[Booking]:  # noqa: A002
        """The booking, then those that had to make room. With an ``id`` of the caller's it may be asked again."""
        name = id or self._ids.new()
        async with self._turn:
            return await self._change(lambda calendar: calendar.book(name, tenant, ask, self._clock.wall_ns()))

    async def confirm(self, tenant: str, id: str) -> Booking:  # noqa: A002
        """Make a held booking one that stays."""
        async with self._turn:
            await self._own(tenant, id)
            return (await self._change(lambda calendar: calendar.confirm(id, self._clock.wall_ns())))[0]

    async def cancel(self, tenant: str, id: str, reason: str = "") -> Booking:  # noqa: A002
        """Give a booking's time back. ``reason`` says why, if there is more to say."""
        async with self._turn:
            await self._own(tenant, id)
            return (await self._change(lambda calendar: calendar.cancel(id, reason)))[0]

    async def bookings(self, tenant: str) -> list[Booking]:
        """Of one tenant, by start, ended ones included as long as they are kept."""
        async with self._turn:
            await self._change(lambda calendar: calendar.expire(self._clock.wall_ns()))
            mine = [one for one in self._calendar.bookings.values() if one.tenant == tenant]
        return sorted(mine, key=lambda one: (one.start_ns, one.id))

    async def resources(self) -> list[Bookable]:
        """By name."""
        async with self._turn:
            return sorted((await self._read()).resources.values(), key=lambda one: one.name)

    async def watch(self, seen: Callable[[], None] | None = None) -> None:
        """Look, until cancelled, whether others have written: decisions see what they booked. ``seen`` each time.

        Raises ``Unavailable`` where a look takes long: a database that is away is waited for, and people should know.
        """
        while True:
            try:
                async with asyncio.timeout(LOOK_WITHIN_S), self._turn:
                    await self._read()
            except TimeoutError as error:
                raise Unavailable("the calendar", f"it did not answer within {LOOK_WITHIN_S:g} s") from error
            if seen is not None:
                seen()
            await self._clock.sleep(LOOK_AT_CALENDAR_S)

    async def _own(self, tenant: str, id: str) -> None:  # noqa: A002
        if (await self._read()).get(id).tenant != tenant:
            raise NotFound("booking", id)

    async def _change(
        self, change: Callable[[Calendar], list[Booking]], declared: Bookable | None = None
    ) -> list[Booking]:
        for attempt in range(MAX_CONFLICTS):
            calendar, version = await self._read(), self._version
            expired = calendar.expire(self._clock.wall_ns())
            try:
                changed = change(calendar)
            except BaseException:
                self._version = -1  # What expired is read again: it was not written.
                raise
            rows = {one.id: one for one in (*expired, *changed)}
            if not rows and declared is None:
                return changed
            gone = (one for one in calendar.bookings.values() if not one.is_live and one.id not in rows)
            ended = [one.id for one in sorted(gone, key=lambda one: one.made)]
            writes: list[Put | Delete] = [
                Put(BOOKINGS, DEFAULT_TENANT, one.id, msgspec.json.encode(one)) for one in rows.values()
            ]
            writes += [Delete(BOOKINGS, DEFAULT_TENANT, id) for id in ended[:-MAX_ENDED_BOOKINGS]]  # noqa: A001
            if declared is not None:
                writes.append(Put(BOOKABLES, DEFAULT_TENANT, declared.name, msgspec.json.encode(declared)))
            writes.append(Put(_HEAD, DEFAULT_TENANT, _KEY, b""))
            self._version = -1
            try:
                await self._store.commit(writes, expect=[Expect(_HEAD, DEFAULT_TENANT, _KEY, version)])
            except Conflict:
                if attempt + 1 == MAX_CONFLICTS:
                    raise
                continue
            self._booked.see(rows.values(), declared)
            return changed
        raise AssertionError("unreachable")

    async def _read(self) -> Calendar:
        """The calendar as the store has it now; read whole when somebody has written."""
        head = await self._store.get(_HEAD, DEFAULT_TENANT, _KEY)
        version = head.version if head is not None else 0
        if version != self._version:
            resources = [msgspec.json.decode(value, type=Bookable) for value in await self._all(BOOKABLES)]
            bookings = [msgspec.json.decode(value, type=Booking) for value in await self._all(BOOKINGS)]
            self._calendar, self._version = Calendar(resources, bookings), version
            self._booked.see_all(resources, bookings)
        return self._calendar

    async def _all(self, table: Table) -> list[bytes]:
        found: list[bytes] = []
        after = ""
        while rows := await self._store.scan(table, DEFAULT_TENANT, after=after):
            found += [row.value for row in rows]
            after = rows[-1].key
        return found
