"""How much a connector moved of late, for people and as metrics."""

from collections import deque

from phalanx.core import NS_PER_S
from phalanx.intel.delivery._limits import RATE_SECONDS
from phalanx.telemetry import Telemetry


class Rate:
    """So many a second, over the last minute."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int]] = deque(maxlen=RATE_SECONDS)

    def add(self, n: int, at_ns: int) -> None:
        second = at_ns // NS_PER_S
        if self._seconds and self._seconds[-1][0] == second:
            self._seconds[-1] = (second, self._seconds[-1][1] + n)
        else:
            self._seconds.append((second, n))

    def per_s(self, now_ns: int) -> float:
        now = now_ns // NS_PER_S
        recent = [(second, n) for second, n in self._seconds if now - second < RATE_SECONDS]
        if not recent:
            return 0.0
        return sum(n for _, n in recent) / max(1, now - recent[0][0] + 1)


class Tally:
    """The metrics of one sink."""

    def __init__(self, sink: str, telemetry: Telemetry) -> None:
        metrics = telemetry.metrics
        items = metrics.counter("phalanx_sink_items_total", "Items, by outcome.", ("sink", "outcome"))
        self._taken, self._refused, self._lost = (items.labels(sink, how) for how in ("taken", "refused", "lost"))
        self._bytes = metrics.counter("phalanx_sink_sent_bytes_total", "Bytes of accepted items.", ("sink",)).labels(
            sink
        )
        self._failures = metrics.counter(
            "phalanx_sink_failures_total", "How often a sink accepted nothing or not everything.", ("sink",)
        ).labels(sink)
        self._waiting = metrics.gauge("phalanx_sink_waiting_items", "Notices not yet sent.", ("sink",)).labels(sink)
        self._lag = metrics.gauge(
            "phalanx_sink_lag_seconds", "How long the oldest unsent notice has been waiting.", ("sink",)
        ).labels(sink)
        self.rate = Rate()

    def told(self, taken: int, sent_bytes: int, *, refused: int, lost: int, at_ns: int) -> None:
        self._taken.inc(taken)
        self._bytes.inc(sent_bytes)
        self._refused.inc(refused)
        self._lost.inc(lost)
        self.rate.add(taken, at_ns)

    def failed(self) -> None:
        self._failures.inc()

    def stands(self, *, waiting: int, lag_s: float) -> None:
        self._waiting.set(waiting)
        self._lag.set(lag_s)
