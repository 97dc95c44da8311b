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

from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

from phalanx.core import Rng
from phalanx.messaging._envelope import Envelope
from phalanx.messaging._flight import SEVERAL, Ended, Flight, Turn
from phalanx.messaging._frames import ENVELOPE_BYTES, Settled
from phalanx.messaging._kinds import Kind, Outcome
from phalanx.messaging._limits import (
    MAX_ATTEMPTS,
    MAX_FRAME_ASKED,
    MAX_IN_FLIGHT_BYTES,
    MAX_LINK_QUEUE,
    MAX_LOOSE,
    MAX_PART_BYTES,
    MAX_WINDOW,
)
from phalanx.messaging._pace import Pace
from phalanx.messaging._policies import POLICIES, PRIORITIES
from phalanx.messaging._timetable import Timetable

_CREDIT = tuple(policy.credit for policy in POLICIES)
_PATHS = tuple(policy.paths for policy in POLICIES)
_PRIORITY = tuple(policy.priority for policy in POLICIES)


class Outgoing:
    """See the module. All times are monotonic nanoseconds that the caller passes in."""

    def __init__(self, rng: Rng, paths: int, part_bytes: int = MAX_PART_BYTES) -> None:
        self.floor = 1
        self.retries = 0
        self.pace = Pace(paths)
        self._times = Timetable(rng, self.pace)
        self._part_bytes = part_bytes
        self._next = 1
        self._heard = 0  # everything up to here was received
        self._flights: dict[int, Flight] = {}
        self._lanes: tuple[deque[Flight], ...] = tuple(deque() for _ in range(PRIORITIES))
        self._queued = [0] * len(POLICIES)
        self._on_the_way = [0] * len(POLICIES)
        self._bytes = 0
        self._loose: deque[bytes | Envelope] = deque(maxlen=MAX_LOOSE)
        self._is_measured = False  # in the frame that is heard now

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
            self._queue(Flight(kind, data, len(data), key, 0, 1, again), deadline_ns)
            return True
        cuts = range(0, len(data), self._part_bytes)
        for part, at in enumerate(cuts):
            piece = data[at : at + self._part_bytes]
            self._queue(Flight(kind, piece, len(piece), None if part else key, part, len(cuts), again), deadline_ns)
        return True

    def offer_whole(self, envelope: Envelope, key: Any, deadline_ns: int) -> bool:
        """Accept an envelope that is small enough to stay an object until its frame is written."""
        kind = envelope.kind
        if self._queued[kind] >= MAX_LINK_QUEUE:
            return False
        size = len(envelope.body) + ENVELOPE_BYTES
        self._queue(Flight(kind, envelope, size, key, 0, 1, False), deadline_ns)  # noqa: FBT003 - ``again``
        return True

    def _queue(self, flight: Flight, deadline_ns: int) -> None:
        kind = flight.kind
        self._lanes[_PRIORITY[kind]].append(flight)
        self._queued[kind] += 1
        self._times.date(flight, deadline_ns)

    def offer_loose(self, data: bytes | Envelope) -> None:
        """Accept what nobody keeps count of. Of too many the oldest go."""
        self._loose.append(data)

    def take_turn(self, now_ns: int, max_bytes: int) -> Turn:
        """What to send now. Whatever is in it counts as sent."""
        turn = Turn({}, [], [], [])
        self._times.begin()
        max_bytes = self._take_due(turn, now_ns, max_bytes)
        for lane in self._lanes:
            if lane and max_bytes > 0:
                max_bytes = self._depart(lane, turn, now_ns, max_bytes)
        while self._loose and max_bytes > 0:
            data = self._loose.popleft()
            max_bytes -= len(data) if isinstance(data, bytes) else len(data.body)
            turn.loose.append(data)
        return turn

    def _take_due(self, turn: Turn, now_ns: int, max_bytes: int) -> int:
        """Send again, ask after, or give up what is due; how many bytes are left of the turn."""
        if max_bytes <= 0:
            return max_bytes
        with closing(self._times.due(now_ns)) as due:
            for flight in due:
                if flight.is_received:
                    turn.asked.append(flight.number)
                    self._times.time(flight, now_ns)
                elif flight.attempts >= MAX_ATTEMPTS:
                    self._end(flight, turn.ended, 0, (), Outcome.UNREACHABLE)
                else:
                    max_bytes -= self._send(flight, turn, now_ns)
                if max_bytes <= 0 or len(turn.asked) >= MAX_FRAME_ASKED:
                    break
        return max_bytes

    def next_wake_ns(self) -> int | None:
        """When something is due, as far as is known."""
        return self._times.next_ns()

    def hear(
        self,
        complete: int,
        ranges: Sequence[tuple[int, int]],
        taken: Sequence[tuple[int, int]],
        settled: Iterable[Settled],
        now_ns: int,
    ) -> list[Ended]:
        """What the receiver says of this stream; ``taken`` are ranges of numbers that their one recipient took."""
        ended: list[Ended] = []
        self._times.begin()
        self._is_measured = False
        for low, high in taken:
            self._taken(max(low, self.floor), min(high, self._next - 1), ended, now_ns)
        for one in settled:
            flight = self._flights.get(one.number)
            if flight is not None:
                if not flight.is_received:
                    self._received(flight, now_ns)
                self._end(flight, ended, one.taken, one.refused, Outcome.TAKEN)
        if complete > self._heard or ranges:
            for flight in list(self._unreceived(complete, ranges)):
                self._received(flight, now_ns)
                self._times.time(flight, now_ns)
        return ended

    def _taken(self, low: int, high: int, ended: list[Ended], now_ns: int) -> None:
        """What nearly all come to, all of a range at once."""
        flights, on_the_way, n_bytes = self._flights, self._on_the_way, 0
        is_struck = self.pace.is_struck
        for number in range(low, high + 1):
            flight = flights.pop(number, None)
            if flight is None:
                continue
            if not flight.is_received and (is_struck or not self._is_measured):
                self._received(flight, now_ns)
            on_the_way[flight.kind] -= 1
            n_bytes += flight.size
            flight.is_ended = True
            if flight.key is not None:
                ended.append(Ended(flight.key, 1, (), Outcome.TAKEN))
            flight.data, flight.key = b"", None
        self._bytes -= n_bytes
        self._raise_floor()

    def give_up(self, now_ns: int) -> list[Ended]:
        """End what is too late."""
        ended: list[Ended] = []
        for flight in self._times.late(now_ns):
            self._end(flight, ended, 0, (), Outcome.DEADLINE_PASSED)
        self._times.tidy(self._flights, self.waiting)
        return ended

    def start_over(self, now_ns: int) -> None:
        """The receiver is somebody new: it has nothing of what was sent."""
        self._heard = self.floor - 1
        for flight in self._flights.values():
            flight.is_received, flight.attempts, flight.path = False, 0, SEVERAL
        self._times.all_due(self._flights.values(), now_ns)

    def abandon(self) -> list[Ended]:
        """End everything: the receiver will not come back."""
        ended: list[Ended] = []
        waiting = [flight for lane in self._lanes for flight in lane if not flight.is_ended]
        for flight in (*self._flights.copy().values(), *waiting):
            self._end(flight, ended, 0, (), Outcome.UNREACHABLE)
        return ended

    def _depart(self, lane: deque[Flight], turn: Turn, now_ns: int, max_bytes: int) -> int:
        """Send what waits in a lane for the first time, as far as there is room; what is left of the turn's bytes."""
        best, due_ns, batch = self.pace.best_path(now_ns), 0, None
        queued, on_the_way, several = self._queued, self._on_the_way, self.pace.paths > 1
        last, first = self.floor + MAX_WINDOW, self._next
        while lane and max_bytes > 0:
            flight = lane[0]
            if flight.is_ended:
                lane.popleft()
                continue
            kind, size = flight.kind, flight.size
            if on_the_way[kind] >= _CREDIT[kind] or self._bytes + size > MAX_IN_FLIGHT_BYTES or self._next >= last:
                break
            if batch is None:
                due_ns, batch = self._times.batch(0, now_ns)
            lane.popleft()
            queued[kind] -= 1
            on_the_way[kind] += 1
            number = flight.number = self._next
            self._next = number + 1
            self._flights[number] = flight
            self._bytes += size
            flight.sent_ns, flight.due_ns, flight.attempts = now_ns, due_ns, 1
            batch.append(flight)
            if several and _PATHS[kind] > 1:
                ways = min(_PATHS[kind], self.pace.paths)
                for path in range(best, best + ways):
                    turn.flights.setdefault(path % self.pace.paths, []).append(flight)
                max_bytes -= size * ways
            else:
                flight.path = best
                turn.flights.setdefault(best, []).append(flight)
                max_bytes -= size
        self._times.added(self._next - first)
        return max_bytes

    def _send(self, flight: Flight, turn: Turn, now_ns: int) -> int:
        """Put a flight into the turn again; how many bytes that makes."""
        pace, ways = self.pace, 1
        if flight.attempts:
            self.retries += 1
            pace.be_patient(now_ns)
            if flight.path != SEVERAL:
                pace.strike(flight.path, now_ns)
        else:  # to somebody new: as if it were the first time
            ways = min(_PATHS[flight.kind], pace.paths)
        # A retry takes another path than the one that seems to have lost it.
        other = flight.attempts and flight.path != SEVERAL
        first = (flight.path + 1) % pace.paths if other else pace.best_path(now_ns)
        for path in range(first, first + ways):
            turn.flights.setdefault(path % pace.paths, []).append(flight)
        flight.path = first if ways == 1 else SEVERAL
        flight.sent_ns = now_ns
        self._times.time(flight, now_ns)
        return flight.size * ways

    def _received(self, flight: Flight, now_ns: int) -> None:
        flight.is_received = True
        # After a retry nobody knows which of the two was answered; and one of those in a frame is enough.
        if flight.attempts == 1 and not self._is_measured:
            self.pace.measured(now_ns - flight.sent_ns)
            self._is_measured = True
        if flight.path != SEVERAL:
            self.pace.answered(flight.path)
        flight.attempts = 0

    def _unreceived(self, complete: int, ranges: Sequence[tuple[int, int]]) -> Iterable[Flight]:
        flights, heard = self._flights, self._heard
        self._heard = max(heard, min(complete, self._next - 1))
        for low, high in ((max(heard + 1, self.floor), complete), *ranges):
            # Kept to what was ever sent, whatever the other side claims.
            for number in range(max(low, heard + 1), min(high, self._next - 1) + 1):
                flight = flights.get(number)
                if flight is not None and not flight.is_received:
                    yield flight

    def _end(
        self, flight: Flight, ended: list[Ended], taken: int, refused: tuple[tuple[str, int], ...], outcome: Outcome
    ) -> None:
        if flight.number:
            del self._flights[flight.number]
            self._on_the_way[flight.kind] -= 1
            self._bytes -= flight.size
            self._raise_floor()
        else:
            self._queued[flight.kind] -= 1
        flight.is_ended = True
        if flight.key is not None:
            ended.append(Ended(flight.key, taken, refused, outcome))
        flight.data, flight.key = b"", None

    def _raise_floor(self) -> None:
        floor, flights = self.floor, self._flights
        if not flights:
            floor = self._next
        while floor < self._next and floor not in flights:
            floor += 1
        self.floor = floor
