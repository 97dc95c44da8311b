"""Identifiers: UUIDv7 (RFC 9562), as text, sortable by the millisecond they were made in.

Two ways to make one:

- ``IdSource.new()`` for something new. Ids of one source never go backwards, even within a millisecond and when the
  wall clock steps back.
- ``derive_id(at_ns, ...)`` for something that follows from something else. The same cause gives the same id, so
  work repeated after a crash overwrites itself instead of duplicating. Every record made downstream of an event
  uses this.

An accepted batch of events takes one id whose low 20 bits are zero; the events in it are ``batch id + row``. So an
event's id alone leads to its batch and row.
"""

import hashlib
import re
from collections.abc import Callable
from typing import NewType, Protocol

from phalanx.core._clock import Clock
from phalanx.core._units import NS_PER_MS

EventId = NewType("EventId", str)
BatchId = NewType("BatchId", str)
TraceId = NewType("TraceId", str)
TenantId = NewType("TenantId", str)

DEFAULT_TENANT = TenantId("default")
NO_TRACE = TraceId("")

ROW_BITS = 20
MAX_BATCH_ROWS = 1 << ROW_BITS
_ROW_MASK = MAX_BATCH_ROWS - 1

_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_RAND_A_MASK = 0xFFF
_RAND_B_MASK = (1 << 62) - 1
_RANDOM_BITS = 74

_FORM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class IdSource(Protocol):
    """Makes identifiers. Injected, so that a simulation's ids follow from its seed."""

    def new(self) -> str: ...

    def new_batch(self) -> BatchId: ...


class Uuid7Source:
    """Monotonic UUIDv7: the random part counts up while the clock's millisecond stands still."""

    def __init__(self, clock: Clock, random_bits: Callable[[int], int]) -> None:
        self._clock = clock
        self._random_bits = random_bits
        self._last_ms = -1
        self._last_random = 0

    def _next(self, step_bits: int) -> tuple[int, int]:
        now_ms = self._clock.wall_ns() // NS_PER_MS
        if now_ms > self._last_ms:
            # The top bit starts clear so that counting up within a millisecond has room.
            self._last_ms, self._last_random = now_ms, self._random_bits(_RANDOM_BITS - 1)
        else:
            self._last_random += 1 + self._random_bits(32)
        first = ((self._last_random >> step_bits) + 1) << step_bits
        if first >> _RANDOM_BITS:
            self._last_ms += 1
            first = 1 << step_bits
        # What comes next is past the rows of a batch too, which are ids as well.
        self._last_random = first + (1 << step_bits) - 1
        return self._last_ms, first

    def new(self) -> str:
        return _format(*self._next(0))

    def new_batch(self) -> BatchId:
        return BatchId(_format(*self._next(ROW_BITS)))


def derive_id(at_ns: int, *cause: str) -> str:
    """The identifier that follows from ``cause`` (for example a rule and an event), dated ``at_ns``."""
    joined = "\x1f".join(cause)
    if "\x1e" in joined or joined.count("\x1f") >= len(cause):
        # Escaped, so that no two causes join to one text.
        joined = "\x1f".join(part.replace("\x1e", "\x1e0").replace("\x1f", "\x1e1") for part in cause)
    digest = hashlib.blake2b(joined.encode(), digest_size=10).digest()
    return _format(at_ns // NS_PER_MS, int.from_bytes(digest) >> 6)


def event_id(batch: BatchId, row: int) -> EventId:
    """The id of one row of an accepted batch."""
    assert 0 <= row < MAX_BATCH_ROWS, row
    return EventId(f"{batch[:31]}{int(batch[31:], 16) | row:05x}")


def event_ids(batch: BatchId) -> Callable[[int], EventId]:
    """``event_id`` for many rows of one batch."""
    head, base = batch[:31], int(batch[31:], 16)

    def of(row: int) -> EventId:
        assert 0 <= row < MAX_BATCH_ROWS, row
        return EventId(f"{head}{base | row:05x}")

    return of


def split_event_id(event: str) -> tuple[BatchId, int]:
    """The batch and row an event id names; the inverse of ``event_id``."""
    return BatchId(f"{event[:31]}00000"), int(event[31:], 16) & _ROW_MASK


def id_time_ms(identifier: str) -> int:
    """The wall millisecond in which an identifier was made."""
    return int(identifier[:8] + identifier[9:13], 16)


def id_time_ns(identifier: str) -> int:
    """The same in nanoseconds: what follows from the bearer of an identifier is dated by it."""
    return id_time_ms(identifier) * NS_PER_MS


def is_id(text: str) -> bool:
    """Whether ``text`` is an identifier in the one form Phalanx writes."""
    return _FORM.fullmatch(text) is not None


def _format(ms: int, random: int) -> str:
    value = (ms & 0xFFFFFFFFFFFF) << 80 | _VERSION_7 | _VARIANT
    value |= (random >> 62 & _RAND_A_MASK) << 64 | random & _RAND_B_MASK
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
