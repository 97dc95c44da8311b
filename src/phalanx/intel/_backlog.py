"""How much waits for the sentinel, and when a sender who is turned away should come again."""

import math

from phalanx.core import NS_PER_S, Overloaded
from phalanx.intel._limits import MAX_RETRY_AFTER_S, MAX_WAITING_BYTES
from phalanx.telemetry import Telemetry

# Weight of the latest measurement in the rate of consumption.
_LATEST = 0.2


class Backlog:
    """Counts events that are accepted, or about to be, and not consumed."""

    def __init__(self, telemetry: Telemetry, max_events: int) -> None:
        assert max_events > 0, max_events
        self.events = 0
        self.waiting_bytes = 0
        self._max_events = max_events
        self._events_per_s = 0.0
        self._gauge = telemetry.metrics.gauge(
            "phalanx_intake_backlog_events", "Lines accepted and not yet read by the sentinel."
        )
        self._refused = telemetry.metrics.counter(
            "phalanx_intake_refused_total", "Chunks refused because the backlog was full."
        )

    def admit(self, events: int, size_bytes: int) -> None:
        """Count a chunk in, or raise ``Overloaded``. A chunk larger than the bound is let in alone."""
        over = self.events + events - self._max_events
        if (over > 0 and self.events > 0) or (
            self.waiting_bytes > 0 and self.waiting_bytes + size_bytes > MAX_WAITING_BYTES
        ):
            self._refused.inc()
            raise Overloaded("the intake", retry_after_s=self._retry_after_s(over))
        self.waiting_bytes += size_bytes
        self._count(events)

    def stored(self, size_bytes: int) -> None:
        """A chunk reached the journal."""
        self.waiting_bytes -= size_bytes

    def failed(self, events: int, size_bytes: int) -> None:
        """A chunk did not reach the journal."""
        self.waiting_bytes -= size_bytes
        self._count(-events)

    def recovered(self, events: int) -> None:
        """A chunk was found in the journal, accepted by a process that is gone."""
        self._count(events)

    def consumed(self, events: int) -> None:
        """The sentinel is done with ``events``."""
        self._count(-events)

    def pace(self, events: int, took_ns: int) -> None:
        """The sentinel needed so long for so many."""
        if events > 0 and took_ns > 0:
            rate = events * NS_PER_S / took_ns
            known = self._events_per_s
            self._events_per_s = rate if known == 0 else known + _LATEST * (rate - known)

    def _count(self, events: int) -> None:
        self.events += events
        assert self.events >= 0, self.events
        self._gauge.set(self.events)

    def _retry_after_s(self, over: int) -> int:
        """When there will be room at the measured rate."""
        if self._events_per_s <= 0:
            return 1
        return min(MAX_RETRY_AFTER_S, max(1, math.ceil(over / self._events_per_s)))
