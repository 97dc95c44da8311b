"""The text is read back by a parser written from the OpenMetrics 1.0 specification."""

import re

import pytest

from phalanx.telemetry import CONTENT_TYPE, Metrics

METRIC_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
ESCAPED = r'(?:[^"\\\n]|\\["\\n])*'
LABEL = rf'[a-zA-Z_][a-zA-Z0-9_]*="{ESCAPED}"'
NUMBER = r"(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[+-]?Inf|NaN)"
SAMPLE = re.compile(rf"({METRIC_NAME})(?:\{{({LABEL}(?:,{LABEL})*)?\}})? ({NUMBER})")
METADATA = re.compile(rf"# (TYPE|UNIT|HELP) ({METRIC_NAME}) (.*)")
SUFFIXES = {"counter": {"_total"}, "gauge": {""}, "histogram": {"_bucket", "_count", "_sum"}}


def parse(text):
    """Families as {name: {"type", "unit", "help", "samples": {(name, labels): value}}}; strict."""
    assert text.endswith("# EOF\n"), "the last line is # EOF"
    families, family = {}, None
    for line in text.removesuffix("# EOF\n").splitlines():
        if line.startswith("#"):
            word, name, rest = METADATA.fullmatch(line).groups()
            if family is None or family["name"] != name:
                assert name not in families, "the lines of one family are together"
                family = families[name] = {"name": name, "unit": "", "samples": {}}
            assert not family["samples"], "metadata comes before samples"
            assert word.lower() not in family or word == "UNIT", "metadata is given once"
            family[word.lower()] = rest
            continue
        name, labels, value = SAMPLE.fullmatch(line).groups()
        assert name.startswith(family["name"]), "samples follow their family"
        assert name.removeprefix(family["name"]) in SUFFIXES[family["type"]]
        pairs = re.findall(rf'([a-zA-Z_][a-zA-Z0-9_]*)="({ESCAPED})"', labels or "")
        read = tuple((key, re.sub(r'\\(["\\n])', lambda m: {"n": "\n"}.get(m[1], m[1]), raw)) for key, raw in pairs)
        assert len(dict(read)) == len(read), "label names are unique"
        assert (name, read) not in family["samples"], "a series appears once"
        family["samples"][name, read] = float(value)
    for family in families.values():
        assert not family["unit"] or family["name"].endswith("_" + family["unit"]), "the unit is the name's suffix"
    return families


@pytest.fixture
def metrics():
    return Metrics()


def test_nothing_registered_is_a_valid_scrape(metrics):
    assert parse(metrics.render_openmetrics()) == {}
    assert CONTENT_TYPE.startswith("application/openmetrics-text; version=1.0.0")


def test_counters_and_gauges(metrics):
    metrics.counter("phalanx_requests_total", "Requests.", ("method",)).labels("GET").inc(3)
    metrics.counter("phalanx_busy_seconds_total", "Busy.").inc(1.5)
    metrics.gauge("phalanx_heap_bytes", 'Says "heap"\nand \\.').set(-2)
    metrics.gauge("phalanx_bound", "No child yet.", ("x",))
    families = parse(metrics.render_openmetrics())
    assert families["phalanx_requests"]["samples"] == {("phalanx_requests_total", (("method", "GET"),)): 3}
    busy = families["phalanx_busy_seconds"]
    assert (busy["type"], busy["unit"]) == ("counter", "seconds")
    assert busy["samples"] == {("phalanx_busy_seconds_total", ()): 1.5}
    heap = families["phalanx_heap_bytes"]
    assert heap["help"] == r"Says \"heap\"\nand \\."
    assert heap["samples"] == {("phalanx_heap_bytes", ()): -2}
    assert families["phalanx_bound"]["samples"] == {}


@pytest.mark.parametrize("hostile", ['a"b', "a\\b", "a\nb", 'a"} 1\n# EOF', "ü", ""])
def test_label_values_survive(metrics, hostile):
    metrics.counter("hits_total", "Hits.", ("host", "other")).labels(hostile, "x").inc()
    (key,) = parse(metrics.render_openmetrics())["hits"]["samples"]
    assert key == ("hits_total", (("host", hostile), ("other", "x")))


def test_extreme_values(metrics):
    for name, value in (("a", float("inf")), ("b", float("-inf")), ("c", 1e300), ("d", 5e-324), ("e", 1 << 70)):
        metrics.gauge(name, "x").set(value)
    families = parse(metrics.render_openmetrics())
    assert [families[name]["samples"][name, ()] for name in "abcde"] == [
        float("inf"), float("-inf"), 1e300, 5e-324, float(1 << 70),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a_seconds", "a_bytes", "a_ratio", "a_rows"])
def test_histogram_buckets_are_cumulative_and_exact(metrics, name):
    histogram = metrics.histogram(name, "x", ("tenant",))
    values = [0.0, 2.0**-30, 0.125, 0.126, 0.25, 1.0, 1.5, 2.0, 1000.0, 2.0**39]
    for value in values:
        histogram.labels("t").observe(value)
    samples = parse(metrics.render_openmetrics())[name]["samples"]
    buckets = {dict(labels)["le"]: n for (sample, labels), n in samples.items() if sample == f"{name}_bucket"}
    edges = [float(le) for le in buckets]
    assert edges == sorted(edges)
    assert edges[-1] == float("inf")
    assert buckets == {le: sum(value <= float(le) for value in values) for le in buckets}
    plain = (("tenant", "t"),)
    assert samples[f"{name}_count", plain] == len(values)
    assert samples[f"{name}_sum", plain] == pytest.approx(sum(values))
    assert [dict(labels) for _, labels in samples][-1] == {"tenant": "t"}


def test_the_series_of_a_scrape_do_not_change_with_the_values(metrics):
    histogram = metrics.histogram("a_seconds", "x")
    before = set(parse(metrics.render_openmetrics())["a_seconds"]["samples"])
    histogram.observe(1e-9)
    histogram.observe(1e9)
    assert set(parse(metrics.render_openmetrics())["a_seconds"]["samples"]) == before


def test_quantiles_follow_their_histogram_as_a_gauge_family():
    metrics = Metrics()
    seconds = metrics.histogram("work_seconds", "Work.", ("room",)).labels("intel")
    for n in range(1, 1_001):
        seconds.observe(n / 1_000)
    text = metrics.render_openmetrics()
    assert "# TYPE work_quantile_seconds gauge\n" in text
    found = dict(re.findall(r'work_quantile_seconds\{room="intel",quantile="([\d.]+)"\} (\S+)', text))
    assert float(found["0.5"]) == pytest.approx(0.5, rel=0.006)
    assert float(found["0.99"]) == pytest.approx(0.99, rel=0.006)
