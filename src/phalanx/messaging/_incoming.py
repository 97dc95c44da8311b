"""The receiving half of a link: what came from one incarnation of one process. No I/O, no clock.

Invariants:

- each number is handed on at most once, however often it arrives;
- what was handed on gets an end from the caller (``settle``), and that end is told as often as it is asked for, until
  the sender's floor passes it;
- a number beyond the window is not taken in, and neither is a part that there is no room for: the sender tries again;
- state is bounded: the window, and ``MAX_PARTIAL_BYTES`` of parts.
"""

from collections.abc import Iterable, Sequence

import msgspec

from phalanx.messaging._frames import Item, Settled
from phalanx.messaging._limits import MAX_FRAME_RANGES, MAX_FRAME_SETTLED, MAX_PARTIAL_BYTES, MAX_WINDOW

_END_BYTES = 32


class Arrived(msgspec.Struct, frozen=True, gc=False):
    """An envelope's bytes. ``number`` is 0 when nobody waits for its end."""

    number: int
    data: bytes
    again: bool


class Incoming:
    """See the module."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.complete = 0
        self.duplicates = 0
        self.is_owing = False  # something was received that was not acknowledged yet
        self.was_asked = False  # the sender seems not to hear us
        self._floor = 1
        self._above: set[int] = set()
        self._ends: dict[int, Settled] = {}
        self._to_tell: dict[int, Settled] = {}
        self._partial: dict[int, tuple[int, dict[int, bytes]]] = {}
        self._partial_bytes = 0

    @property
    def has_ends(self) -> bool:
        """Whether there are ends to tell."""
        return bool(self._to_tell)

    def take_in(self, floor: int, items: Iterable[Item], asked: Iterable[int]) -> list[Arrived]:
        """What is new in a frame."""
        self._raise_floor(floor)
        arrived: list[Arrived] = []
        for item in items:
            if item.number == 0:
                arrived.append(Arrived(0, item.data, item.again))
            elif self._is_known(item.number):
                self.duplicates += 1
                self.is_owing = self.was_asked = True
                self._tell_again(item.number)
            elif item.number <= self.complete + MAX_WINDOW:
                self._take(item, arrived)
        for number in asked:
            self.is_owing = self.was_asked = True
            self._tell_again(number)
        return arrived

    def settle(self, number: int, taken: int, refused: Sequence[tuple[str, int]] = ()) -> None:
        """What was handed on under ``number`` has come to its end."""
        if number >= self._floor and number not in self._ends:
            self._ends[number] = self._to_tell[number] = Settled(number, taken, tuple(refused))

    def tell(self, max_bytes: int) -> tuple[int, tuple[tuple[int, int], ...], tuple[Settled, ...]]:
        """What to say to the sender: received up to, received besides, and ends. It counts as said."""
        ends: list[Settled] = []
        for one in self._to_tell.values():
            max_bytes -= told_bytes(one)
            if ends and (max_bytes < 0 or len(ends) == MAX_FRAME_SETTLED):
                break
            ends.append(one)
        for one in ends:
            del self._to_tell[one.number]
        self.is_owing = self.was_asked = False
        return self.complete, self._ranges(), tuple(ends)

    def _is_known(self, number: int) -> bool:
        return number <= self.complete or number in self._above

    def _take(self, item: Item, arrived: list[Arrived]) -> None:
        if item.parts == 1:
            arrived.append(Arrived(item.number, item.data, item.again))
        else:
            if self._partial_bytes + len(item.data) > MAX_PARTIAL_BYTES:
                return
            first = item.number - item.part
            if first < 1:
                return
            total, parts = self._partial.setdefault(first, (item.parts, {}))
            if total != item.parts:
                return  # no sender of ours cuts one envelope in two ways
            parts[item.part] = item.data
            self._partial_bytes += len(item.data)
            if len(parts) == total:
                self._drop_partial(first)
                whole = b"".join(parts[part] for part in range(total))
                arrived.append(Arrived(first, whole, item.again))
            if item.part:
                # Only the first part's end is waited for by anybody.
                self._ends[item.number] = self._to_tell[item.number] = Settled(item.number, 0)
        self.is_owing = True
        self._above.add(item.number)
        while self.complete + 1 in self._above:
            self.complete += 1
            self._above.remove(self.complete)

    def _tell_again(self, number: int) -> None:
        end = self._ends.get(number)
        if end is not None:
            self._to_tell[number] = end

    def _raise_floor(self, floor: int) -> None:
        if floor <= self._floor:
            return
        passed: Iterable[int] = range(self._floor, floor)
        if floor - self._floor > MAX_WINDOW:
            passed = [number for number in self._ends if number < floor]
        self._floor = floor
        for number in passed:
            self._ends.pop(number, None)
            self._to_tell.pop(number, None)
        for first in [one for one in self._partial if one < floor]:
            self._drop_partial(first)
        if self.complete < floor - 1:
            self.complete = floor - 1
            self._above = {number for number in self._above if number > self.complete}
            while self.complete + 1 in self._above:
                self.complete += 1
                self._above.remove(self.complete)

    def _drop_partial(self, first: int) -> None:
        self._partial_bytes -= sum(map(len, self._partial.pop(first)[1].values()))

    def _ranges(self) -> tuple[tuple[int, int], ...]:
        found: list[tuple[int, int]] = []
        for number in sorted(self._above):
            if found and found[-1][1] == number - 1:
                found[-1] = found[-1][0], number
            elif len(found) == MAX_FRAME_RANGES:
                break
            else:
                found.append((number, number))
        return tuple(found)


def told_bytes(end: Settled) -> int:
    """At most what an end takes in a frame."""
    if not end.refused:
        return _END_BYTES
    return _END_BYTES + sum(4 * len(name) + _END_BYTES for name, _ in end.refused)
