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
from phalanx.messaging._limits import (
    MAX_FRAME_RANGES,
    MAX_FRAME_SETTLED,
    MAX_FRAME_TAKEN,
    MAX_PARTIAL_BYTES,
    MAX_WINDOW,
)

_END_BYTES = 32
_RANGE_BYTES = 20
_TAKEN = None  # an end that needs no word more: its one recipient took it


class Told(msgspec.Struct, frozen=True):
    """What to say to the sender: received up to, received besides, ranges that were taken, and other ends."""

    complete: int = 0
    ranges: tuple[tuple[int, int], ...] = ()
    taken: tuple[tuple[int, int], ...] = ()
    settled: tuple[Settled, ...] = ()

    @property
    def n_bytes(self) -> int:
        """At most what its ends take in a frame."""
        return _RANGE_BYTES * len(self.taken) + sum(map(told_bytes, self.settled))


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
        self._ends: dict[int, Settled | None] = {}
        self._to_tell: dict[int, Settled] = {}
        self._taken: list[int] = []  # to tell, too
        self._partial: dict[int, tuple[int, dict[int, bytes]]] = {}
        self._partial_bytes = 0

    @property
    def has_ends(self) -> bool:
        """Whether there are ends to tell."""
        return bool(self._to_tell or self._taken)

    def take_in(self, floor: int, items: Iterable[Item], asked: Iterable[int]) -> list[Item]:
        """What is new in a frame, without those of which parts are missing. Of number 0 nobody waits for the end."""
        self._raise_floor(floor)
        arrived: list[Item] = []
        for item in items:
            if item.number == 0:
                arrived.append(item)
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
        if number < self._floor or number in self._ends:
            return
        if taken == 1 and not refused:
            self._ends[number] = _TAKEN
            self._taken.append(number)
        else:
            self._ends[number] = self._to_tell[number] = Settled(number, taken, tuple(refused))

    def tell(self, max_bytes: int) -> Told:
        """What to say to the sender. It counts as said."""
        taken = _ranges(sorted(self._taken), min(MAX_FRAME_TAKEN, max(1, max_bytes // (2 * _RANGE_BYTES))))
        last = taken[-1][1] if taken else 0
        self._taken = [number for number in self._taken if number > last]
        max_bytes -= _RANGE_BYTES * len(taken)
        ends: list[Settled] = []
        for one in self._to_tell.values():
            max_bytes -= told_bytes(one)
            if ends and (max_bytes < 0 or len(ends) == MAX_FRAME_SETTLED):
                break
            ends.append(one)
        for one in ends:
            del self._to_tell[one.number]
        self.is_owing = self.was_asked = False
        return Told(self.complete, _ranges(sorted(self._above), MAX_FRAME_RANGES), taken, tuple(ends))

    def _is_known(self, number: int) -> bool:
        return number <= self.complete or number in self._above

    def _take(self, item: Item, arrived: list[Item]) -> None:
        if item.parts == 1:
            arrived.append(item)
            if item.number == self.complete + 1 and not self._above:
                self.is_owing = True
                self.complete += 1
                return
        else:
            assert isinstance(item.data, bytes), "a frame with other parts is malformed"
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
                arrived.append(Item(first, whole, again=item.again))
            if item.part:
                # Only the first part's end is waited for by anybody.
                self._ends[item.number] = self._to_tell[item.number] = Settled(item.number, 0)
        self.is_owing = True
        self._above.add(item.number)
        while self.complete + 1 in self._above:
            self.complete += 1
            self._above.remove(self.complete)

    def _tell_again(self, number: int) -> None:
        if (end := self._ends.get(number)) is not None:
            self._to_tell[number] = end
        elif number in self._ends:
            self._taken.append(number)

    def _raise_floor(self, floor: int) -> None:
        if floor <= self._floor:
            return
        passed: Iterable[int] = range(self._floor, floor)
        if floor - self._floor > MAX_WINDOW:
            passed = [number for number in self._ends if number < floor]
        self._floor = floor
        for number in passed:
            if self._ends.pop(number, None) is not None:
                self._to_tell.pop(number, None)
        if self._taken:
            self._taken = [number for number in self._taken if number >= floor]
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


def _ranges(numbers: Sequence[int], most: int) -> tuple[tuple[int, int], ...]:
    """The first of the ranges that sorted numbers make."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] >= number - 1:
            found[-1] = found[-1][0], number
        elif len(found) == most:
            break
        else:
            found.append((number, number))
    return tuple(found)


def told_bytes(end: Settled) -> int:
    """At most what an end takes in a frame."""
    if not end.refused:
        return _END_BYTES
    return _END_BYTES + sum(4 * len(name) + _END_BYTES for name, _ in end.refused)
