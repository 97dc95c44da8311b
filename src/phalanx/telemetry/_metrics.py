"""The registry of instruments: a name belongs to one instrument and says its unit."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from phalanx.core import InvalidInput
from phalanx.telemetry._instruments import Counter, CounterChild, Gauge, GaugeChild, Histogram, HistogramChild
from phalanx.telemetry._openmetrics import render

SNAPSHOT_QUANTILES = (0.5, 0.9, 0.99, 0.999)

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_RESERVED_ENDINGS = ("_total", "_count", "_sum", "_bucket", "_created", "_info")
_RESERVED_LABELS = ("le", "quantile")

I = TypeVar("I", Counter, Gauge, Histogram)  # noqa: E741


class Metrics:
    """The registry. A name belongs to one instrument; asking again with the same shape returns it."""

    def __init__(self) -> None:
        self._instruments: dict[str, Counter | Gauge | Histogram] = {}

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:  # noqa: A002
        if not name.endswith("_total"):
            raise InvalidInput(name, "a counter's name ends in _total")
        return self._register(Counter, CounterChild, name, help, labels)

    def gauge(self, name: str, help: str, labels: Sequence[str] = ()) -> Gauge:  # noqa: A002
        return self._register(Gauge, GaugeChild, _not_reserved(name), help, labels)

    def histogram(self, name: str, help: str, labels: Sequence[str] = ()) -> Histogram:  # noqa: A002
        return self._register(Histogram, HistogramChild, _not_reserved(name), help, labels)

    def instruments(self) -> list[Counter | Gauge | Histogram]:
        """All instruments, by name."""
        return [self._instruments[name] for name in sorted(self._instruments)]

    def render_openmetrics(self) -> str:
        """Everything as OpenMetrics 1.0 text, as ``/metrics`` serves it."""
        return render(self.instruments())

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain values, for JSON and for people."""
        return {
            instrument.name: {
                "kind": instrument.kind,
                "help": instrument.help,
                "unit": instrument.unit,
                "samples": [
                    {"labels": dict(zip(instrument.label_names, values, strict=True)), **_plain(child)}
                    for values, child in instrument.children()
                ],
            }
            for instrument in self.instruments()
        }

    def _register(self, kind: type[I], child: Any, name: str, text: str, labels: Sequence[str]) -> I:
        known = self._instruments.get(name)
        if known is not None:
            if not isinstance(known, kind) or known.label_names != tuple(labels):
                shape = f"a {known.kind} with labels {list(known.label_names)}"
                raise InvalidInput(name, f"is already registered as {shape}")
            return known
        if not _NAME.fullmatch(name):
            raise InvalidInput(name, "a metric's name is lower-case words joined by single underscores")
        for label in labels:
            if not _NAME.fullmatch(label) or label in _RESERVED_LABELS:
                raise InvalidInput(name, f"{label!r} cannot be a label")
        made = self._instruments[name] = kind(name, text, tuple(labels), child)
        return made


def _not_reserved(name: str) -> str:
    if name.endswith(_RESERVED_ENDINGS):
        raise InvalidInput(name, f"only a counter's name may end in {', '.join(_RESERVED_ENDINGS)}")
    return name


def _plain(child: CounterChild | GaugeChild | HistogramChild) -> dict[str, Any]:
    if not isinstance(child, HistogramChild):
        return {"value": child.value}
    quantiles = {str(q): child.quantile(q) for q in SNAPSHOT_QUANTILES} if child.count else {}
    return {"count": child.count, "sum": child.sum, "quantiles": quantiles}
