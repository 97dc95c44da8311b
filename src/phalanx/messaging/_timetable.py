"""When what is on the way is due again, and when what waits is too late. No I/O, no clock.

Nothing is sorted for each flight: what is sent in one turn is due at one time and has one entry, and what is too late
within the same grain of time is kept together. So a time that passed may be of a flight that ended long before.
"""

import heapq
from collections.abc import Generator, Iterable
from itertools import count

from phalanx.core import Rng, ns_from_s
from phalanx.messaging._flight import Flight
from phalanx.messaging._limits import DEADLINE_GRAIN_S, RETRY_JITTER
from phalanx.messaging._pace import Pace

_GRAIN_NS = ns_from_s(DEADLINE_GRAIN_S)
_MAX_DOUBLINGS = 16
# What is remembered is thrown out when it is this much more than twice what is live.
_SLACK = 1_024


class Timetable:
    """See the module. All times are monotonic nanoseconds that the caller passes in."""

    def __init__(self, rng: Rng, pace: Pace) -> None:
        self._rng = rng
        self._pace = pace
        self._due: list[tuple[int, int, list[Flight]]] = []
        self._timed = 0  # flights in all of these entries
        self._batches: dict[int, tuple[int, list[Flight]]] = {}  # those of this turn, by how long they wait
        self._order = count()
        self._deadlines: dict[int, list[Flight]] = {}
        self._grains: list[int] = []
        self._dated = 0  # flights in all of these lists

    def begin(self) -> None:
        """A turn begins: what is sent in it is due together."""
        self._batches.clear()

    def batch(self, attempts: int, now_ns: int) -> tuple[int, list[Flight]]:
        """When what had so many attempts is due, and all of this turn that is due then.

        Whoever adds to it says so with ``added``.
        """
        doublings = min(attempts + self._pace.patience, _MAX_DOUBLINGS)
        batch = self._batches.get(doublings)
        if batch is None:
            jitter = self._rng.uniform(1, 1 + RETRY_JITTER)  # never sooner: what is on its way would be sent twice
            batch = self._batches[doublings] = now_ns + int(self._pace.wait_ns(doublings) * jitter), []
            self._push(*batch)
        return batch

    def added(self, n_flights: int) -> None:
        self._timed += n_flights

    def time(self, flight: Flight, now_ns: int) -> None:
        """Say when to send or ask again, a little later with every attempt."""
        flight.due_ns, batch = self.batch(flight.attempts, now_ns)
        flight.attempts += 1
        batch.append(flight)
        self._timed += 1

    def all_due(self, flights: Iterable[Flight], now_ns: int) -> None:
        """Have all of these sent at once."""
        batch = list(flights)
        for flight in batch:
            flight.due_ns = now_ns
        self._push(now_ns, batch)
        self._timed += len(batch)

    def due(self, now_ns: int) -> Generator[Flight, None, None]:
        """What is due, one by one; what was not handed out when this is closed is due still."""
        while self._due and self._due[0][0] <= now_ns:
            due_ns, _, flights = heapq.heappop(self._due)
            at = 0
            try:
                for at, flight in enumerate(flights, 1):  # noqa: B007 - how far it came
                    # Others have their end, or another time by now.
                    if not flight.is_ended and flight.due_ns == due_ns:
                        yield flight
            finally:
                self._timed -= at
                if at < len(flights):
                    self._push(due_ns, flights[at:])

    def date(self, flight: Flight, deadline_ns: int) -> None:
        """Say when it is too late for ``flight``."""
        grain = -(-deadline_ns // _GRAIN_NS)
        dated = self._deadlines.get(grain)
        if dated is None:
            dated = self._deadlines[grain] = []
            heapq.heappush(self._grains, grain)
        dated.append(flight)
        self._dated += 1

    def late(self, now_ns: int) -> list[Flight]:
        """What is too late, once."""
        found: list[Flight] = []
        while self._grains and self._grains[0] * _GRAIN_NS <= now_ns:
            dated = self._deadlines.pop(heapq.heappop(self._grains))
            self._dated -= len(dated)
            found += [one for one in dated if not one.is_ended]
        return found

    def next_ns(self) -> int | None:
        """When something is due or late, as far as is known."""
        due_ns = self._due[0][0] if self._due else None
        if not self._grains:
            return due_ns
        late_ns = self._grains[0] * _GRAIN_NS
        return late_ns if due_ns is None else min(due_ns, late_ns)

    def tidy(self, on_the_way: dict[int, Flight], n_waiting: int) -> None:
        """Forget what ended long before its time."""
        live = len(on_the_way) + n_waiting
        if self._dated > 2 * live + _SLACK:
            kept = {grain: [one for one in dated if not one.is_ended] for grain, dated in self._deadlines.items()}
            self._deadlines = {grain: dated for grain, dated in kept.items() if dated}
            self._grains = sorted(self._deadlines)
            self._dated = sum(map(len, self._deadlines.values()))
        if self._timed > 2 * live + _SLACK:
            self._batches.clear()
            due: dict[int, list[Flight]] = {}
            for flight in on_the_way.values():
                due.setdefault(flight.due_ns, []).append(flight)
            self._due = []
            for due_ns, flights in due.items():
                self._push(due_ns, flights)
            self._timed = len(on_the_way)

    def _push(self, due_ns: int, flights: list[Flight]) -> None:
        heapq.heappush(self._due, (due_ns, next(self._order), flights))
