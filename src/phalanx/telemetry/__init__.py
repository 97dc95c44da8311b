"""How a node is observed: structured logs, metrics with real quantiles, spans, and the live feed.

Rooms are given one ``Telemetry`` and report to it; where it all goes (a terminal, JSON lines, ``/metrics``, OTLP)
is decided outside. What nobody reads is never formatted: a log call below the threshold is one comparison, a bound
metric child is one addition.

Raises nothing of its own: ``InvalidInput`` for a wrong level, metric name or shape, and ``Overloaded`` when too
many readers watch the feed.
"""

from phalanx.telemetry._alerts import Alert, Alerts
from phalanx.telemetry._bundle import Telemetry
from phalanx.telemetry._feed import LiveFeed, Subscription
from phalanx.telemetry._instruments import (
    Counter,
    CounterChild,
    Gauge,
    GaugeChild,
    Histogram,
    HistogramChild,
)
from phalanx.telemetry._log import Level, Logger, LogRecord, LogSink, discard
from phalanx.telemetry._metrics import Metrics
from phalanx.telemetry._openmetrics import CONTENT_TYPE
from phalanx.telemetry._sinks import HumanSink, JsonSink
from phalanx.telemetry._sketch import RELATIVE_ERROR, SCALE, Sketch
from phalanx.telemetry._storage_wait import StorageWait
from phalanx.telemetry._trace import OpenSpan, Span, Tracer
from phalanx.telemetry._waypoints import STAGES, WAYPOINTS, in_order, waypoint_of, waypoint_put

__all__ = [
    "CONTENT_TYPE",
    "RELATIVE_ERROR",
    "SCALE",
    "STAGES",
    "WAYPOINTS",
    "Alert",
    "Alerts",
    "Counter",
    "CounterChild",
    "Gauge",
    "GaugeChild",
    "Histogram",
    "HistogramChild",
    "HumanSink",
    "JsonSink",
    "Level",
    "LiveFeed",
    "LogRecord",
    "LogSink",
    "Logger",
    "Metrics",
    "OpenSpan",
    "Sketch",
    "Span",
    "StorageWait",
    "Subscription",
    "Telemetry",
    "Tracer",
    "discard",
    "in_order",
    "waypoint_of",
    "waypoint_put",
]
