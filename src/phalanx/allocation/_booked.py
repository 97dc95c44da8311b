"""For how long devices are taken by what others booked there, kept so that a decision need not ask the calendar.

Told of every change as it is committed. Firm bookings and emergencies count, held ones among them; backfill makes room
and does not. What a tenant booked itself is no wait to it.
"""

import math
from collections.abc import Iterable

from phalanx.allocation._calendar import Bookable, Booking, Grade
from phalanx.allocation._limits import MAX_BOOKED_VIEWS
from phalanx.core import NS_PER_S

_Spans = tuple[tuple[int, int], ...]


class Booked:
    """The calendar as it is looked at by decisions."""

    def __init__(self) -> None:
        self._capacity: dict[str, int] = {}
        self._on: dict[str, dict[str, Booking]] = {}
        self._spans: dict[tuple[str, str], _Spans] = {}

    def see_all(self, resources: Iterable[Bookable], bookings: Iterable[Booking]) -> None:
        """Everything anew, after others have written."""
        self._capacity = {one.name: one.capacity for one in resources}
        self._on, self._spans = {}, {}
        self.see(bookings)

    def see(self, changed: Iterable[Booking], declared: Bookable | None = None) -> None:
        """What has changed."""
        if declared is not None:
            self._capacity[declared.name] = declared.capacity
            self._forget(declared.name)
        for one in changed:
            for name in one.ask.demands:
                there = self._on.setdefault(name, {})
                there.pop(one.id, None)
                if one.is_live and one.ask.grade is not Grade.BACKFILL:
                    there[one.id] = one
                if not there:
                    del self._on[name]
                self._forget(name)

    def wait_s(self, device: str, tenant: str, from_ns: int, lasts_s: float) -> float:
        """Seconds from then on until it is free for so long, for that tenant."""
        if device not in self._on:
            return 0.0
        begin_ns, lasts_ns = from_ns, round(lasts_s * NS_PER_S)
        for start_ns, end_ns in self._taken(device, tenant):
            if end_ns <= begin_ns:
                continue
            if start_ns >= begin_ns + lasts_ns:
                break
            begin_ns = end_ns
        return (begin_ns - from_ns) / NS_PER_S

    def next_s(self, device: str, tenant: str, from_ns: int) -> float:
        """Seconds from then on until it is not free any more for that tenant; infinite where it stays so."""
        if device not in self._on:
            return math.inf
        for start_ns, end_ns in self._taken(device, tenant):
            if end_ns > from_ns:
                return max(0, start_ns - from_ns) / NS_PER_S
        return math.inf

    def whose(self, device: str, tenant: str, from_ns: int, until_ns: int) -> tuple[str, ...]:
        """Other tenants whose windows there touch the time in between, by name."""
        there = self._on.get(device, {}).values()
        touching = (one.tenant for one in there if one.start_ns < until_ns and one.end_ns > from_ns)
        return tuple(sorted(set(touching) - {tenant}))

    def _taken(self, device: str, tenant: str) -> _Spans:
        """When all of its units are others', in order and apart."""
        found = self._spans.get((device, tenant))
        if found is not None:
            return found
        steps: list[tuple[int, int]] = []
        for one in self._on[device].values():
            if one.tenant != tenant:
                units = one.ask.demands[device]
                steps += [(one.start_ns, units), (one.end_ns, -units)]
        made: list[tuple[int, int]] = []
        used, since_ns, capacity = 0, 0, self._capacity.get(device, 1)
        for at_ns, change in sorted(steps):
            before, used = used, used + change
            if before < capacity <= used:
                since_ns = at_ns
            elif used < capacity <= before:
                if made and made[-1][1] == since_ns:
                    made[-1] = (made[-1][0], at_ns)
                elif at_ns > since_ns:
                    made.append((since_ns, at_ns))
        if len(self._spans) >= MAX_BOOKED_VIEWS:
            self._spans.clear()
        spans = self._spans[device, tenant] = tuple(made)
        return spans

    def _forget(self, device: str) -> None:
        for key in [key for key in self._spans if key[0] == device]:
            del self._spans[key]
