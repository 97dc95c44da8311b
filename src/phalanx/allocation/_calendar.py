"""Who has which resource when. Pure: what is asked, and what has happened, go in; what changed comes out.

Invariants, at every instant and for every resource:

- what is booked, of all classes together, is at most its capacity: no unit is booked twice;
- firm bookings are at most capacity less reserve; only emergencies and backfill use the reserve;
- backfill yields: to emergencies, to firm bookings, and to backfill of higher priority, lowest priority and latest
  booked first. Firm bookings and emergencies never yield;
- a booking holds all that it demands for all of its time, or nothing (hybrid bookings);
- no booking outlives a resource that expires.

Bounds that follow. An emergency whose demands fit the reserves beside other emergencies begins when it asks to.
Backfill that has yielded ``MAX_YIELDS`` times asks as firm, so it then begins no later than the last firm booking or
emergency of its resources ends (as of then), and never yields again. Where all of a resource is reserve, backfill has
no bound.
"""

from collections.abc import Iterable
from enum import Enum

import msgspec

from phalanx.allocation._errors import NoWindow
from phalanx.allocation._limits import MAX_BOOKED_NS, MAX_BOOKINGS, MAX_DEMANDS, MAX_RESOURCES, MAX_YIELDS
from phalanx.core import NS_PER_S, InvalidInput, LimitExceeded, NotFound


class Grade(Enum):
    """How a booking stands towards others."""

    BACKFILL = "backfill"
    FIRM = "firm"
    EMERGENCY = "emergency"


class BookingState(Enum):
    """A held booking is one that has to be confirmed in time."""

    HELD = "held"
    BOOKED = "booked"
    YIELDED = "yielded"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    DONE = "done"


_LIVE = (BookingState.HELD, BookingState.BOOKED)


class Bookable(msgspec.Struct, frozen=True, kw_only=True):
    """A resource: a device, workers, memory slots, pairs of entangled qubits. ``expires_ns`` 0: it does not.

    ``reserve`` of its ``capacity`` units are for emergencies; others may use them as backfill only.
    """

    name: str
    capacity: int = 1
    reserve: int = 0
    expires_ns: int = 0
    kind: str = "device"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants: units of resources, together, for ``duration_ns``, begun at ``earliest_ns`` or later.

    ``latest_end_ns`` 0: whenever. ``hold_until_ns`` above 0 makes it a held booking, which expires then unless it is
    confirmed. Of backfill, higher ``priority`` goes first.
    """

    demands: dict[str, int]
    duration_ns: int
    earliest_ns: int
    latest_end_ns: int = 0
    grade: Grade = Grade.FIRM
    priority: int = 0
    hold_until_ns: int = 0


class Booking(msgspec.Struct, frozen=True, kw_only=True):
    """An ask that has its time. ``yields`` counts how often it had to make room; ``reason`` says what ended it."""

    id: str
    tenant: str
    ask: Ask
    start_ns: int
    end_ns: int
    state: BookingState
    made: int
    yields: int = 0
    reason: str = ""

    @property
    def is_live(self) -> bool:
        return self.state in _LIVE


class Calendar:
    """All bookings of all resources. Every change returns the bookings that it changed, the asked one first."""

    def __init__(self, resources: Iterable[Bookable] = (), bookings: Iterable[Booking] = ()) -> None:
        self.resources: dict[str, Bookable] = {}
        self.bookings: dict[str, Booking] = {}
        self._live: dict[str, dict[str, Booking]] = {}
        self._made = 0
        for resource in resources:
            self.declare(resource)
        for booking in bookings:
            self._keep(booking)

    def declare(self, one: Bookable) -> None:
        """Add a resource, or change one so that what is booked still fits. Raises ``InvalidInput``."""
        if not (one.name and one.capacity >= 1 and one.expires_ns >= 0):
            raise InvalidInput("resource", "needs a name, and a capacity of at least one")
        if not 0 <= one.reserve <= one.capacity:
            raise InvalidInput("resource", f"of {one.capacity} units of {one.name} {one.reserve} cannot be a reserve")
        if one.name not in self.resources and len(self.resources) >= MAX_RESOURCES:
            raise LimitExceeded("resources of a calendar", maximum=MAX_RESOURCES, seen=len(self.resources) + 1)
        live = self._live.setdefault(one.name, {}).values()
        firm = [booking for booking in live if booking.ask.grade is Grade.FIRM]
        over = one.expires_ns and any(booking.end_ns > one.expires_ns for booking in live)
        if over or _peak(live, one.name) > one.capacity or _peak(firm, one.name) > one.capacity - one.reserve:
            raise InvalidInput("resource", f"{one.name} has bookings that would no longer fit")
        self.resources[one.name] = one

    def book(self, id: str, tenant: str, ask: Ask, now_ns: int) -> list[Booking]:  # noqa: A002 - the word for it
        """At the earliest time there is, not before now. Raises ``NoWindow``. The same ``id`` again changes nothing."""
        known = self.bookings.get(id)
        if known is not None:
            if not _is_same(known, ask) or known.tenant != tenant:
                raise InvalidInput("id", f"{id} is another booking")
            return [known]
        self._check(ask)
        start_ns, yielding = self._earliest(ask, now_ns)
        self._made += 1
        state = BookingState.HELD if ask.hold_until_ns else BookingState.BOOKED
        made = Booking(
            id=id, tenant=tenant, ask=ask, start_ns=start_ns, end_ns=start_ns + ask.duration_ns, state=state,
            made=self._made,
        )  # fmt: skip
        self._keep(made)
        changed = {made.id: made}
        waiting = [(one, made) for one in yielding]
        for one in yielding:
            self._drop(one)
        while waiting:
            # Whoever has become firm may make others yield; each becomes firm once, so this ends.
            waiting.sort(key=lambda pair: (-pair[0].ask.priority, pair[0].made))
            one, by = waiting.pop(0)
            changed[one.id], more = self._again(one, by, now_ns)
            for other in more:
                self._drop(other)
            waiting += [(other, changed[one.id]) for other in more]
        return list(changed.values())

    def confirm(self, id: str, now_ns: int) -> list[Booking]:  # noqa: A002
        """Make a held booking one that stays. Raises ``InvalidInput`` when it is too late."""
        self.expire(now_ns)
        booking = self.get(id)
        if booking.state is BookingState.BOOKED:
            return [booking]
        if booking.state is not BookingState.HELD:
            raise InvalidInput("id", f"{id} is {booking.state.value}")
        return [self._end(booking, BookingState.BOOKED)]

    def cancel(self, id: str, reason: str = "") -> list[Booking]:  # noqa: A002
        """Give its time back; cancelling what has ended changes nothing."""
        booking = self.get(id)
        return [self._end(booking, BookingState.CANCELLED, reason or "cancelled")] if booking.is_live else [booking]

    def expire(self, now_ns: int) -> list[Booking]:
        """Holds that nobody confirmed before that was due or their time was over, and bookings whose time is over."""
        live = [booking for booking in self.bookings.values() if booking.is_live]
        changed = [
            self._end(one, BookingState.EXPIRED, "not confirmed in time")
            for one in live
            if one.state is BookingState.HELD and min(one.ask.hold_until_ns, one.end_ns) <= now_ns
        ]
        over = [one for one in live if one.state is BookingState.BOOKED and one.end_ns <= now_ns]
        return changed + [self._end(one, BookingState.DONE) for one in over]

    def get(self, id: str) -> Booking:  # noqa: A002
        """Raises ``NotFound``."""
        if id not in self.bookings:
            raise NotFound("booking", id, hint="phalanx reservations list")
        return self.bookings[id]

    def on(self, resource: str) -> list[Booking]:
        """Live bookings of one resource, by start."""
        return sorted(self._live.get(resource, {}).values(), key=lambda one: (one.start_ns, one.id))

    def _check(self, ask: Ask) -> None:
        if not 1 <= len(ask.demands) <= MAX_DEMANDS:
            raise InvalidInput("demands", f"between 1 and {MAX_DEMANDS} resources are booked together")
        if not 0 < ask.duration_ns <= MAX_BOOKED_NS:
            days = MAX_BOOKED_NS // (86_400 * NS_PER_S)
            raise InvalidInput("duration", f"{ask.duration_ns / NS_PER_S:g} s are not between 0 and {days} days")
        for name, units in ask.demands.items():
            resource = self.resources.get(name)
            if resource is None:
                raise NotFound("resource", name, hint="phalanx reservations resources lists what can be booked")
            room = resource.capacity - (resource.reserve if ask.grade is Grade.FIRM else 0)
            if not 1 <= units <= room:
                raise InvalidInput("demands", f"{name} has {room} units for {ask.grade.value} bookings, not {units}")
        live = sum(booking.is_live for booking in self.bookings.values())
        if live >= MAX_BOOKINGS:
            raise LimitExceeded("live bookings", maximum=MAX_BOOKINGS, seen=live + 1)

    def _earliest(self, ask: Ask, now_ns: int, *, alone: bool = False) -> tuple[int, list[Booking]]:
        """The first start at which everything fits, and who has to yield for it; ``alone``: nobody has to."""
        first, latest = max(ask.earliest_ns, now_ns), self._latest_end(ask) - ask.duration_ns
        ends = {one.end_ns for name in ask.demands for one in self._live[name].values() if one.end_ns > first}
        for start_ns in sorted({first} | ends):
            if start_ns > latest:
                break
            yielding = self._yielding(ask, start_ns)
            if yielding is not None and not (alone and yielding):
                return start_ns, yielding
        raise NoWindow(", ".join(ask.demands), first, self._latest_end(ask))

    def _latest_end(self, ask: Ask) -> int:
        ends = [self.resources[name].expires_ns for name in ask.demands if self.resources[name].expires_ns]
        return min([ask.latest_end_ns or _FOREVER, *ends])

    def _yielding(self, ask: Ask, start_ns: int) -> list[Booking] | None:
        """Who yields if ``ask`` begins then; ``None`` where that is not enough."""
        gone: dict[str, Booking] = {}
        end_ns = start_ns + ask.duration_ns
        for name, units in ask.demands.items():
            resource = self.resources[name]
            there = [
                one
                for one in self._live[name].values()
                if one.start_ns < end_ns and one.end_ns > start_ns and one.id not in gone
            ]
            firm = [one for one in there if one.ask.grade is Grade.FIRM]
            if ask.grade is Grade.FIRM and _peak(firm, name) + units > resource.capacity - resource.reserve:
                return None
            weak = sorted(
                (one for one in there if _yields_to(one.ask, ask)), key=lambda one: (one.ask.priority, -one.made)
            )
            for one in weak:
                if _peak(there, name) + units <= resource.capacity:
                    break
                there.remove(one)
                gone[one.id] = one
            if _peak(there, name) + units > resource.capacity:
                return None
        return list(gone.values())

    def _again(self, one: Booking, by: Booking, now_ns: int) -> tuple[Booking, list[Booking]]:
        """Another time for who has yielded; at last as firm, so that others may have to yield, who are told too."""
        yielding: list[Booking] = []
        yields = one.yields + 1
        ask = one.ask
        if yields >= MAX_YIELDS and self._fits_as_firm(ask):
            ask = msgspec.structs.replace(ask, grade=Grade.FIRM)
        try:
            start_ns, yielding = self._earliest(ask, now_ns, alone=ask.grade is Grade.BACKFILL)
        except NoWindow:
            kept = msgspec.structs.replace(
                one, state=BookingState.YIELDED, yields=yields, reason=f"made room for {by.id}, no other time is left"
            )  # fmt: skip
        else:
            kept = msgspec.structs.replace(
                one, ask=ask, start_ns=start_ns, end_ns=start_ns + ask.duration_ns, yields=yields,
                reason=f"made room for {by.id}",
            )  # fmt: skip
        self._keep(kept)
        return kept, yielding

    def _fits_as_firm(self, ask: Ask) -> bool:
        room = {name: self.resources[name].capacity - self.resources[name].reserve for name in ask.demands}
        return all(units <= room[name] for name, units in ask.demands.items())

    def _end(self, booking: Booking, state: BookingState, reason: str = "") -> Booking:
        self._drop(booking)
        ended = msgspec.structs.replace(booking, state=state, reason=reason or booking.reason)
        self._keep(ended)
        return ended

    def _keep(self, booking: Booking) -> None:
        self.bookings[booking.id] = booking
        self._made = max(self._made, booking.made)
        if booking.is_live:
            for name in booking.ask.demands:
                self._live.setdefault(name, {})[booking.id] = booking

    def _drop(self, booking: Booking) -> None:
        for name in booking.ask.demands:
            self._live[name].pop(booking.id, None)


_FOREVER = 1 << 63


def _is_same(known: Booking, ask: Ask) -> bool:
    if known.ask == ask:
        return True
    # It made room so often that it asks as firm now; whoever asks again cannot know of that.
    was = msgspec.structs.replace(known.ask, grade=Grade.BACKFILL)
    return known.yields >= MAX_YIELDS and was == ask


def _yields_to(one: Ask, other: Ask) -> bool:
    if one.grade is not Grade.BACKFILL:
        return False
    return other.grade is not Grade.BACKFILL or other.priority > one.priority


def _peak(bookings: Iterable[Booking], resource: str) -> int:
    """The most units of ``resource`` booked at one time. Where all meet one window, that is within the window.

    Times are half open: an end meets a start.
    """
    steps: list[tuple[int, int]] = []
    for one in bookings:
        units = one.ask.demands[resource]
        steps += [(one.start_ns, units), (one.end_ns, -units)]
    most = now = 0
    for _, change in sorted(steps):
        now += change
        most = max(most, now)
    return most
