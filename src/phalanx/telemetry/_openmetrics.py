"""OpenMetrics 1.0 text (the exposition format that Prometheus and its relatives scrape).

Histogram buckets are powers of two in a range fixed per unit, so the series of a scrape never
change; their counts are exact because each power of two is an edge of the sketch.
"""

import math
from collections.abc import Iterable, Iterator

from phalanx.telemetry._instruments import Counter, Gauge, Histogram, HistogramChild

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

# Powers of two shown as buckets: seconds from 1 µs to 17 min, bytes to 64 GiB in steps of all
# octaves, ratios within one, and anything else as counts to a million.
_OCTAVES = {"seconds": (-20, 10), "bytes": (0, 36), "ratio": (-10, 0), "": (0, 20)}


def render(instruments: Iterable[Counter | Gauge | Histogram]) -> str:
    """The text of one scrape."""
    lines: list[str] = []
    for instrument in instruments:
        family = instrument.name.removesuffix("_total")
        lines.append(f"# TYPE {family} {instrument.kind}")
        if instrument.unit:
            lines.append(f"# UNIT {family} {instrument.unit}")
        lines.append(f"# HELP {family} {_escaped(instrument.help)}")
        for values, child in instrument.children():
            pairs = [_label(name, value) for name, value in zip(instrument.label_names, values, strict=True)]
            if isinstance(child, HistogramChild):
                lines.extend(_histogram(instrument, child, pairs))
            else:
                lines.append(f"{instrument.name}{_labels(pairs)} {_number(child.value)}")
    lines.append("# EOF\n")
    return "\n".join(lines)


def _histogram(instrument: Counter | Gauge | Histogram, child: HistogramChild, pairs: list[str]) -> Iterator[str]:
    name = instrument.name
    for edge, below in child.sketch.octaves(*_OCTAVES[instrument.unit]):
        yield f"{name}_bucket{_labels([*pairs, _label('le', repr(edge))])} {below}"
    yield f"{name}_bucket{_labels([*pairs, _label('le', '+Inf')])} {child.count}"
    yield f"{name}_count{_labels(pairs)} {child.count}"
    yield f"{name}_sum{_labels(pairs)} {_number(child.sum)}"


def _label(name: str, value: str) -> str:
    return f'{name}="{_escaped(value)}"'


def _labels(pairs: list[str]) -> str:
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
