"""Alerts on the embedded defaults: logged, counted, and the recent ones kept to be shown."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from phalanx.core import AlertLevel
from phalanx.telemetry._bundle import Telemetry
from phalanx.telemetry._limits import MAX_RECENT_ALERTS


@dataclass(frozen=True, slots=True)
class Alert:
    """Something a person must know."""

    at_ns: int
    level: AlertLevel
    room: str
    text: str
    context: Mapping[str, str | float]


class Alerts:
    """An ``AlertSink``. ``recent()`` gives the newest first."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._clock = telemetry.clock
        self._log = telemetry.log
        self._recent: deque[Alert] = deque(maxlen=MAX_RECENT_ALERTS)
        self._count = telemetry.metrics.counter("phalanx_alerts_total", "Alerts raised.", ("level", "room"))

    def alert(self, level: AlertLevel, room: str, text: str, **context: str | float) -> None:
        self._recent.append(Alert(self._clock.wall_ns(), level, room, text, context))
        self._count.labels(level.value, room).inc()
        write = self._log.info if level is AlertLevel.NOTICE else self._log.warning
        if level is AlertLevel.URGENT:
            write = self._log.error
        write(text, **{**context, "alert": level.value, "room": room})

    def recent(self, limit: int = MAX_RECENT_ALERTS) -> list[Alert]:
        return list(reversed(self._recent))[:limit]
