"""OpenMetrics 1.0 text (the exposition format that Prometheus and its relatives scrape).

Histogram buckets are powers of two in a range fixed per unit, so the series of a scrape never
change; their counts are exact because each power of two is an edge of the sketch. Buckets that
coarse say little of a percentile, so each histogram is followed by a gauge family with its
quantiles since the start, as the sketch has them (``…_quantile_seconds{quantile="0.99"}``).
"""

import math
from collections.abc import Iterable, Iterator

from phalanx.telemetry._instruments import Counter, Gauge, Histogram, HistogramChild

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

# Powers of two shown as buckets: seconds from 1 µs to 17 min, bytes to 64 GiB in steps of all
# octaves, ratios within one, and anything else as counts to a million.
_QUANTILES = (0.5, 0.9, 0.99, 0.999)
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
        if isinstance(instrument, Histogram):
            lines.extend(_quantiles(instrument))
    lines.append("# EOF\n")
    return "\n".join(lines)


def _histogram(instrument: Counter | Gauge | Histogram, child: HistogramChild, pairs: list[str]) -> Iterator[str]:
    name = instrument.name
    # There are some thirty lines of these for every child, which differ in the edge alone.
    bucket = f'{name}_bucket{{{"".join(pair + "," for pair in pairs)}le="'
    for edge, below in child.sketch.octaves(*_OCTAVES[instrument.unit]):
        yield f'{bucket}{edge!r}"}} {below}'
    yield f'{bucket}+Inf"}} {child.count}'
    yield f"{name}_count{_labels(pairs)} {child.count}"
    yield f"{name}_sum{_labels(pairs)} {_number(child.sum)}"


def _quantiles(histogram: Histogram) -> Iterator[str]:
    stem, unit = histogram.name.removesuffix(f"_{histogram.unit}"), histogram.unit
    family = "_".join(filter(None, (stem, "quantile", unit)))
    yield f"# TYPE {family} gauge"
    if unit:
        yield f"# UNIT {family} {unit}"
    yield f"# HELP {family} Quantiles of {histogram.name} since the start."
    for values, child in histogram.children():
        pairs = [_label(name, value) for name, value in zip(histogram.label_names, values, strict=True)]
        for q in _QUANTILES if child.count else ():
            yield f"{family}{_labels([*pairs, _label('quantile', repr(q))])} {_number(child.quantile(q))}"


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
