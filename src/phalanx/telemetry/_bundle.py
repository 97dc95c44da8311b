"""What every room's constructor is handed to be observed through."""

from phalanx.core import Clock
from phalanx.telemetry._feed import LiveFeed
from phalanx.telemetry._log import Level, Logger, LogSink, discard
from phalanx.telemetry._metrics import Metrics
from phalanx.telemetry._trace import Tracer


class Telemetry:
    """Logs, metrics, spans and the live feed of one node. Logs go nowhere unless a sink is given."""

    def __init__(self, clock: Clock, *, log_sink: LogSink = discard, level: str = "info") -> None:
        self.clock = clock
        self.log = Logger(clock, log_sink, Level.named(level))
        self.metrics = Metrics()
        self.tracer = Tracer(clock)
        self.feed = LiveFeed()
