"""Delivery between two processes: both halves, and the frames they share. No I/O, no clock.

Invariants, besides those of ``_outgoing`` and ``_incoming``:

- a frame of an incarnation that is over changes nothing: incarnations are ordered, and the newest one counts (or one
  that was never heard of, after a silence: clocks step back, and a process must not be locked out by that);
- words about a stream count only for the incarnation whose stream it is;
- what is owed to the other side (that something was received, how it ended) goes along with whatever is sent, and
  alone after ``ACK_DELAY_S``; ends go at once;
- it goes back the way that something came: a path that brought nothing may be dead without a word.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

from phalanx.core import Rng, ns_from_s
from phalanx.messaging._envelope import Envelope
from phalanx.messaging._flight import Ended, Turn
from phalanx.messaging._frames import ENVELOPE_BYTES, VERSION, Frame, Item, encode_frame
from phalanx.messaging._incoming import Incoming, Told
from phalanx.messaging._kinds import Kind
from phalanx.messaging._limits import (
    ACK_DELAY_S,
    MAX_FRAME_ITEMS,
    MAX_PART_BYTES,
    MAX_RETIRED,
    MAX_TURN_BYTES,
    TAKEOVER_AFTER_S,
)
from phalanx.messaging._outgoing import Outgoing

_ACK_DELAY_NS = ns_from_s(ACK_DELAY_S)
_TAKEOVER_AFTER_NS = ns_from_s(TAKEOVER_AFTER_S)
# An item's share of a frame besides its data, and a frame's besides its items; both generous.
_ITEM_BYTES = 32
_FRAME_BYTES = 1_024
_NOTHING = Told()


class Heard(msgspec.Struct, frozen=True):
    """What a frame brought: envelopes, and ends of what was sent. ``is_new``: its sender is a new incarnation."""

    arrived: Sequence[Item] = ()
    ended: Sequence[Ended] = ()
    is_new: bool = False
    is_stale: bool = False


class Link:
    """See the module. ``origin`` is the incarnation at this end."""

    def __init__(self, peer: str, origin: str, rng: Rng, *, paths: int, max_frame_bytes: int) -> None:
        self.peer = peer
        # An item, and as much again for all else that a frame carries.
        self.outgoing = Outgoing(rng, paths, min(MAX_PART_BYTES, max_frame_bytes // 2))
        self.incoming: Incoming | None = None
        self.heard_ns = 0
        self._origin = origin
        self._paths = paths
        self._max_bytes = max_frame_bytes
        self._owing_ns = 0
        self._came_by: list[int] = []
        self._retired: deque[str] = deque(maxlen=MAX_RETIRED)

    @property
    def is_idle(self) -> bool:
        return self.outgoing.is_idle and not self.owes

    @property
    def owes(self) -> bool:
        """Whether the other side is to be told something."""
        incoming = self.incoming
        return incoming is not None and (incoming.is_owing or incoming.has_ends)

    def offer(self, data: bytes, kind: Kind, key: Any, deadline_ns: int, *, again: bool = False) -> bool:
        """Accept an envelope for the other process; False when too many of the kind wait."""
        return self.outgoing.offer(data, kind, key, deadline_ns, again=again)

    def offer_whole(self, envelope: Envelope, key: Any, deadline_ns: int) -> bool:
        """As ``offer``, for one that is small."""
        return self.outgoing.offer_whole(envelope, key, deadline_ns)

    def hear(self, frame: Frame, now_ns: int, path: int = 0) -> Heard:
        """Take in a frame of the other process, which came by ``path``."""
        is_new = self.incoming is None or self._is_successor(frame.origin, self.incoming.origin, now_ns)
        if is_new:
            if self.incoming is not None:
                self.outgoing.start_over(now_ns)
                self._retired.append(self.incoming.origin)
            self.incoming = Incoming(frame.origin)
        incoming = self.incoming
        assert incoming is not None
        if frame.origin != incoming.origin:
            return Heard(is_stale=True)
        self.heard_ns = now_ns
        owed = incoming.is_owing
        arrived = incoming.take_in(frame.floor, frame.items, frame.asked)
        if incoming.is_owing and not owed:
            self._owing_ns = now_ns
        if frame.items and path not in self._came_by:
            self._came_by.append(path)
        ended: Sequence[Ended] = ()
        if frame.stream == self._origin:
            ended = self.outgoing.hear(frame.complete, frame.ranges, frame.taken, frame.settled, now_ns)
        return Heard(arrived, ended, is_new)

    def _is_successor(self, origin: str, current: str, now_ns: int) -> bool:
        if origin > current:
            return True
        silent = now_ns - self.heard_ns > _TAKEOVER_AFTER_NS
        return silent and origin != current and origin not in self._retired

    def settle(self, origin: str, number: int, taken: int, refused: Sequence[tuple[str, int]]) -> None:
        """An envelope that arrived from incarnation ``origin`` came to its end here."""
        if self.incoming is not None and self.incoming.origin == origin:
            self.incoming.settle(number, taken, refused)

    def flush(self, now_ns: int) -> tuple[list[tuple[int, bytes]], Sequence[Ended]]:
        """Frames to send now, each with its path, and what ended meanwhile."""
        gave_up = self.outgoing.give_up(now_ns)
        turn = self.outgoing.take_turn(now_ns, MAX_TURN_BYTES)
        incoming = self.incoming
        best = self.outgoing.pace.best_path(now_ns)
        paths = {best, *turn.flights}
        frames: list[tuple[int, bytes]] = []
        if incoming is not None and (
            incoming.has_ends or (incoming.is_owing and (turn.flights or now_ns - self._owing_ns >= _ACK_DELAY_NS))
        ):
            # Who asks again may not hear this path.
            ways = range(self._paths) if incoming.was_asked else (self._way_back(best),)
            self._came_by.clear()
            told = incoming.tell(self._max_bytes // 4)
            for path in ways:
                frames += self._frames(path, turn, told, first=path == best)
            paths -= set(ways)
        for path in sorted(paths):
            frames += self._frames(path, turn, None, first=path == best)
        return frames, [*gave_up, *turn.ended]

    def _way_back(self, best: int) -> int:
        """The best path, unless what is answered came by others only."""
        return best if not self._came_by or best in self._came_by else self._came_by[0]

    def next_wake_ns(self) -> int | None:
        """When ``flush`` should be called at the latest."""
        wakes = [self.outgoing.next_wake_ns()]
        if self.incoming is not None and self.incoming.is_owing:
            wakes.append(self._owing_ns + _ACK_DELAY_NS)
        return min((wake for wake in wakes if wake is not None), default=None)

    def _frames(
        self,
        path: int,
        turn: Turn,
        told: Told | None,
        *,
        first: bool,
    ) -> list[tuple[int, bytes]]:
        """The frames of one path. What has no number, and questions, go on the first alone."""
        items = [Item(one.number, one.data, one.part, one.parts, one.again) for one in turn.flights.get(path, ())]
        asked: tuple[int, ...] = ()
        if first:
            items += [Item(0, data) for data in turn.loose]
            asked = tuple(turn.asked)
        stream = self.incoming.origin if told is not None and self.incoming is not None else ""
        if not (items or asked or stream):
            return []
        told = told or _NOTHING
        frames: list[tuple[int, bytes]] = []
        room, at = self._max_bytes - _FRAME_BYTES - told.n_bytes - 9 * len(asked), 0
        while True:
            upto = self._fitting(items, at, room)
            while True:
                frame = Frame(
                    VERSION, self._origin, self.outgoing.floor, tuple(items[at:upto]), asked, stream, told.complete,
                    told.ranges, told.settled, told.taken,
                )  # fmt: skip
                data = encode_frame(frame)
                if len(data) <= self._max_bytes or upto - at < 2:
                    break
                upto = (at + upto) // 2  # names were longer than they are as a rule
            frames.append((path, data))
            at, room = upto, self._max_bytes - _FRAME_BYTES
            asked, stream, told = (), "", _NOTHING
            if at >= len(items):
                return frames

    def _fitting(self, items: Sequence[Item], at: int, room: int) -> int:
        """Up to which of ``items``, from ``at`` on, one frame holds with so much room."""
        upto = at
        while upto < len(items) and upto - at < MAX_FRAME_ITEMS:
            data = items[upto].data
            room -= _ITEM_BYTES + (len(data) if isinstance(data, bytes) else len(data.body) + ENVELOPE_BYTES)
            if room < 0 and upto > at:
                break
            upto += 1
        return upto
