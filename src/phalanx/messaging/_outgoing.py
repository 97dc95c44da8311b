"""The sending half of a link: what is on the way to one process, and what waits for its turn. No I/O, no clock.

Invariants:

- a number names one item for good, and is handed out in order, from 1;
- an item is sent again, later and later, until its receiver says that it has it, and asked after until its end is
  known, until its deadline, or until ``MAX_ATTEMPTS`` in a row were without an answer; then it has an end here;
- every flight that was accepted ends exactly once;
- of each kind at most the policy's ``credit`` is on the way, and ``MAX_LINK_QUEUE`` wait. What does
  not fit is refused at once: nothing that was accepted is given up for something else;
- ``floor`` only grows, and every number below it has its end;
- a receiver that starts anew has nothing: all that has no end yet is sent to it again.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

import msgspec

from phalanx.core import Rng, ns_from_s
from phalanx.messaging._frames import Item, Settled
from phalanx.messaging._kinds import Kind, Outcome
from phalanx.messaging._limits import (
    FIRST_RETRY_S,
    MAX_ATTEMPTS,
    MAX_FRAME_ASKED,
    MAX_IN_FLIGHT_BYTES,
    MAX_LINK_QUEUE,
    MAX_LOOSE,
    MAX_PART_BYTES,
    MAX_RETRY_S,
    MAX_WINDOW,
    MIN_RETRY_S,
    RETRY_JITTER,
    STRIKE_FORGOTTEN_S,
)
from phalanx.messaging._policies import POLICIES, PRIORITIES

_FIRST_RETRY_NS, _MIN_RETRY_NS, _MAX_RETRY_NS = map(ns_from_s, (FIRST_RETRY_S, MIN_RETRY_S, MAX_RETRY_S))
_STRIKE_FORGOTTEN_NS = ns_from_s(STRIKE_FORGOTTEN_S)
_MAX_PATIENCE = 8
# In place of a path: it took several at once.
_SEVERAL = -1
_CREDIT = tuple(policy.credit for policy in POLICIES)
_PATHS = tuple(policy.paths for policy in POLICIES)
_PRIORITY = tuple(policy.priority for policy in POLICIES)
# Heaps are thrown out when they are this many entries larger than twice what is live.
_SLACK = 1_024


class Flight(msgspec.Struct, eq=False, gc=False):
    """One item with a number. ``key`` is the caller's, and comes back with the end; parts but the first have none."""

    kind: Kind
    data: bytes
    key: Any
    deadline_ns: int
    part: int
    parts: int
    again: bool
    number: int = 0
    attempts: int = 0
    sent_ns: int = 0
    due_ns: int = 0
    path: int = _SEVERAL
    is_received: bool = False
    is_ended: bool = False

    @property
    def item(self) -> Item:
        return Item(self.number, self.data, self.part, self.parts, self.again)


class Ended(msgspec.Struct, frozen=True, gc=False):
    """What was accepted under ``key`` came to this end."""

    key: Any
    taken: int
    refused: tuple[tuple[str, int], ...]
    outcome: Outcome


class Turn(msgspec.Struct):
    """What is to be sent now: flights by path, numbers to ask after, and items without a number; and what ended."""

    flights: dict[int, list[Flight]]
    asked: list[int]
    loose: list[bytes]
    ended: list[Ended]


class Outgoing:
    """See the module. All times are monotonic nanoseconds that the caller passes in."""

    def __init__(self, rng: Rng, paths: int, part_bytes: int = MAX_PART_BYTES) -> None:
        self.floor = 1
        self.retries = 0
        self.round_trip_ns = 0
        self._rng = rng
        self._paths = paths
        self._part_bytes = part_bytes
        self._next = 1
        self._heard = 0  # everything up to here was received
        self._flights: dict[int, Flight] = {}
        self._lanes: tuple[deque[Flight], ...] = tuple(deque() for _ in range(PRIORITIES))
        self._queued = [0] * len(POLICIES)
        self._on_the_way = [0] * len(POLICIES)
        self._bytes = 0
        # What is sent in one turn is due again at one time: it has one entry in the heap, not one each.
        self._due: list[tuple[int, int, list[Flight]]] = []
        self._timed = 0  # flights in all of these entries
        self._batches: dict[int, tuple[int, list[Flight]]] = {}  # those of this turn, by how long they wait
        self._order = count()
        self._deadlines: list[tuple[int, int, Flight]] = []
        self._accepted = 0
        self._loose: deque[bytes] = deque(maxlen=MAX_LOOSE)
        self._spread_ns = 0
        self._is_measured = False  # in the frame that is heard now
        self._patience = 0  # how often the wait was doubled since a round trip was last measured
        self._patient_until_ns = 0
        self._strikes = [0] * paths
        self._struck_ns = [0] * paths

    @property
    def is_idle(self) -> bool:
        """Nothing waits and nothing is on the way."""
        return not (self._flights or self._loose or any(self._lanes))

    @property
    def on_the_way(self) -> int:
        return len(self._flights)

    @property
    def waiting(self) -> int:
        return sum(map(len, self._lanes))

    def has_room(self, kind: Kind) -> bool:
        return self._queued[kind] < MAX_LINK_QUEUE

    def has_much_room(self, kind: Kind) -> bool:
        return self._queued[kind] <= MAX_LINK_QUEUE // 2

    def offer(self, data: bytes, kind: Kind, key: Any, deadline_ns: int, *, again: bool = False) -> bool:
        """Accept an envelope's bytes; False when too many of the kind wait."""
        if not self.has_room(kind):
            return False
        if len(data) <= self._part_bytes:
            self._queue(Flight(kind, data, key, deadline_ns, 0, 1, again))
            return True
        cuts = range(0, len(data), self._part_bytes)
        for part, at in enumerate(cuts):
            piece = data[at : at + self._part_bytes]
            self._queue(Flight(kind, piece, None if part else key, deadline_ns, part, len(cuts), again))
        return True

    def _queue(self, flight: Flight) -> None:
        self._lanes[_PRIORITY[flight.kind]].append(flight)
        self._queued[flight.kind] += 1
        self._accepted += 1
        heapq.heappush(self._deadlines, (flight.deadline_ns, self._accepted, flight))

    def offer_loose(self, data: bytes) -> None:
        """Accept what nobody keeps count of. Of too many the oldest go."""
        self._loose.append(data)

    def take_turn(self, now_ns: int, max_bytes: int) -> Turn:
        """What to send now. Whatever is in it counts as sent."""
        turn = Turn({}, [], [], [])
        self._batches.clear()
        max_bytes = self._take_due(turn, now_ns, max_bytes)
        for lane in self._lanes:
            while lane and max_bytes > 0 and self._may_leave(lane[0]):
                flight = lane.popleft()
                if not flight.is_ended:
                    max_bytes -= self._depart(flight, turn, now_ns)
        while self._loose and max_bytes > 0:
            data = self._loose.popleft()
            max_bytes -= len(data)
            turn.loose.append(data)
        return turn

    def _take_due(self, turn: Turn, now_ns: int, max_bytes: int) -> int:
        """Send again, ask after, or give up what is due; how many bytes are left of the turn."""
        while self._due and self._due[0][0] <= now_ns:
            due_ns, _, flights = heapq.heappop(self._due)
            for at, flight in enumerate(flights):
                if flight.is_ended or flight.due_ns != due_ns:
                    continue  # it has its end, or another time by now
                if max_bytes <= 0 or len(turn.asked) >= MAX_FRAME_ASKED:
                    heapq.heappush(self._due, (due_ns, next(self._order), flights[at:]))
                    self._timed -= at
                    return max_bytes
                if flight.is_received:
                    turn.asked.append(flight.number)
                    self._time(flight, now_ns)
                elif flight.attempts >= MAX_ATTEMPTS:
                    self._end(flight, turn.ended, 0, (), Outcome.UNREACHABLE)
                else:
                    max_bytes -= self._send(flight, turn, now_ns)
            self._timed -= len(flights)
        return max_bytes

    def next_wake_ns(self) -> int | None:
        """When something is due, as far as is known."""
        return min((heap[0][0] for heap in (self._due, self._deadlines) if heap), default=None)

    def hear(
        self, complete: int, ranges: Sequence[tuple[int, int]], settled: Iterable[Settled], now_ns: int
    ) -> list[Ended]:
        """What the receiver says of this stream."""
        ended: list[Ended] = []
        self._batches.clear()
        self._is_measured = False
        for one in settled:
            flight = self._flights.get(one.number)
            if flight is not None:
                if not flight.is_received:
                    self._received(flight, now_ns)
                self._end(flight, ended, one.taken, one.refused, Outcome.TAKEN)
        if complete > self._heard or ranges:
            for flight in list(self._unreceived(complete, ranges)):
                self._received(flight, now_ns)
                self._time(flight, now_ns)
        return ended

    def give_up(self, now_ns: int) -> list[Ended]:
        """End what is too late."""
        ended: list[Ended] = []
        while self._deadlines and self._deadlines[0][0] <= now_ns:
            flight = heapq.heappop(self._deadlines)[2]
            if not flight.is_ended:
                self._end(flight, ended, 0, (), Outcome.DEADLINE_PASSED)
        self._tidy()
        return ended

    def start_over(self, now_ns: int) -> None:
        """The receiver is somebody new: it has nothing of what was sent."""
        self._heard = self.floor - 1
        for flight in self._flights.values():
            flight.is_received, flight.attempts, flight.path = False, 0, _SEVERAL
            flight.due_ns = now_ns
        heapq.heappush(self._due, (now_ns, next(self._order), list(self._flights.values())))
        self._timed += len(self._flights)

    def abandon(self) -> list[Ended]:
        """End everything: the receiver will not come back."""
        ended: list[Ended] = []
        waiting = [flight for lane in self._lanes for flight in lane if not flight.is_ended]
        for flight in (*self._flights.copy().values(), *waiting):
            self._end(flight, ended, 0, (), Outcome.UNREACHABLE)
        return ended

    def best_path(self, now_ns: int) -> int:
        """The path that lost the least lately."""
        if self._paths == 1 or not any(self._strikes):
            return 0
        for path in range(self._paths):
            if self._strikes[path] and now_ns - self._struck_ns[path] > _STRIKE_FORGOTTEN_NS:
                self._strikes[path] = 0
        return self._strikes.index(min(self._strikes))

    def _may_leave(self, flight: Flight) -> bool:
        if flight.is_ended:
            return True
        kind = flight.kind
        return (
            self._on_the_way[kind] < _CREDIT[kind]
            and self._bytes + len(flight.data) <= MAX_IN_FLIGHT_BYTES
            and self._next - self.floor < MAX_WINDOW
        )

    def _depart(self, flight: Flight, turn: Turn, now_ns: int) -> int:
        self._queued[flight.kind] -= 1
        self._on_the_way[flight.kind] += 1
        flight.number, self._next = self._next, self._next + 1
        self._flights[flight.number] = flight
        self._bytes += len(flight.data)
        return self._send(flight, turn, now_ns)

    def _send(self, flight: Flight, turn: Turn, now_ns: int) -> int:
        """Put a flight into the turn; how many bytes that makes."""
        if flight.attempts:
            self.retries += 1
            self._be_patient(now_ns)
            if flight.path != _SEVERAL:
                self._strike(flight.path, now_ns)
        # A retry takes another path than the one that seems to have lost it.
        other = flight.attempts and flight.path != _SEVERAL
        first = (flight.path + 1) % self._paths if other else self.best_path(now_ns)
        ways = min(_PATHS[flight.kind], self._paths) if flight.attempts == 0 else 1
        for path in range(first, first + ways):
            turn.flights.setdefault(path % self._paths, []).append(flight)
        flight.path = first if ways == 1 else _SEVERAL
        flight.sent_ns = now_ns
        self._time(flight, now_ns)
        return len(flight.data) * ways

    def _time(self, flight: Flight, now_ns: int) -> None:
        """When to send or ask again."""
        doublings = min(flight.attempts + self._patience, 16)
        batch = self._batches.get(doublings)
        if batch is None:
            wait_ns = min(self._first_wait_ns() << doublings, _MAX_RETRY_NS)
            jitter = self._rng.uniform(1, 1 + RETRY_JITTER)  # never sooner: what is on its way would be sent twice
            batch = self._batches[doublings] = now_ns + int(wait_ns * jitter), []
            heapq.heappush(self._due, (batch[0], next(self._order), batch[1]))
        flight.attempts += 1
        flight.due_ns = batch[0]
        batch[1].append(flight)
        self._timed += 1

    def _first_wait_ns(self) -> int:
        """The round trip as it was measured, and as much again as it varies, but never next to nothing."""
        if not self.round_trip_ns:
            return _FIRST_RETRY_NS
        return self.round_trip_ns + max(_MIN_RETRY_NS, 4 * self._spread_ns)

    def _received(self, flight: Flight, now_ns: int) -> None:
        flight.is_received = True
        # After a retry nobody knows which of the two was answered; and one of those in a frame is enough.
        if flight.attempts == 1 and not self._is_measured:
            self._measure(now_ns - flight.sent_ns)
            self._is_measured = True
        if flight.path != _SEVERAL:
            self._strikes[flight.path] = 0
        flight.attempts = 0

    def _unreceived(self, complete: int, ranges: Sequence[tuple[int, int]]) -> Iterable[Flight]:
        flights, heard = self._flights, self._heard
        self._heard = max(heard, min(complete, self._next - 1))
        for low, high in ((heard + 1, complete), *ranges):
            # Kept to what was ever sent, whatever the other side claims.
            for number in range(max(low, heard + 1), min(high, self._next - 1) + 1):
                flight = flights.get(number)
                if flight is not None and not flight.is_received:
                    yield flight

    def _be_patient(self, now_ns: int) -> None:
        """Wait longer with whatever is sent next, until a round trip was measured again.

        A way that became slower than the wait answers every sending after its retry, when nothing can be measured:
        without this everything would be sent twice for as long as it stays slow, which makes it slower still.
        """
        if now_ns >= self._patient_until_ns:
            self._patience = min(self._patience + 1, _MAX_PATIENCE)
            self._patient_until_ns = now_ns + min(self._first_wait_ns() << self._patience, _MAX_RETRY_NS)

    def _measure(self, took_ns: int) -> None:
        """Smoothed round trip and its spread, after RFC 6298."""
        self._patience = 0
        if not self.round_trip_ns:
            self.round_trip_ns, self._spread_ns = max(1, took_ns), took_ns // 2
            return
        self._spread_ns += (abs(took_ns - self.round_trip_ns) - self._spread_ns) // 4
        self.round_trip_ns = max(1, self.round_trip_ns + (took_ns - self.round_trip_ns) // 8)

    def _strike(self, path: int, now_ns: int) -> None:
        self._strikes[path] += 1
        self._struck_ns[path] = now_ns

    def _end(
        self, flight: Flight, ended: list[Ended], taken: int, refused: tuple[tuple[str, int], ...], outcome: Outcome
    ) -> None:
        if flight.number:
            del self._flights[flight.number]
            self._on_the_way[flight.kind] -= 1
            self._bytes -= len(flight.data)
            while self.floor < self._next and self.floor not in self._flights:
                self.floor += 1
        else:
            self._queued[flight.kind] -= 1
        flight.is_ended = True
        if flight.key is not None:
            ended.append(Ended(flight.key, taken, refused, outcome))
        flight.data, flight.key = b"", None

    def _tidy(self) -> None:
        """Forget what the heaps remember of flights that ended long before their time."""
        live = len(self._flights) + self.waiting
        if len(self._deadlines) > 2 * live + _SLACK:
            self._deadlines = [one for one in self._deadlines if not one[2].is_ended]
            heapq.heapify(self._deadlines)
        if self._timed > 2 * live + _SLACK:
            self._batches.clear()
            due: dict[int, list[Flight]] = {}
            for flight in self._flights.values():
                due.setdefault(flight.due_ns, []).append(flight)
            self._due = [(due_ns, next(self._order), flights) for due_ns, flights in due.items()]
            heapq.heapify(self._due)
            self._timed = len(self._flights)
