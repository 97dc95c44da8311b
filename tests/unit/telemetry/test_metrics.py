import math

import pytest

from phalanx.core import InvalidInput
from phalanx.telemetry import Metrics
from phalanx.telemetry._limits import MAX_LABEL_SETS, OVERFLOW_LABEL


@pytest.fixture
def metrics():
    return Metrics()


def test_a_counter_counts(metrics):
    counter = metrics.counter("events_total", "Events.")
    counter.inc()
    counter.inc(4)
    assert counter.value == 5
    with pytest.raises(AssertionError, match="only grows"):
        counter.inc(-1)


def test_a_gauge_moves_both_ways(metrics):
    gauge = metrics.gauge("queue_events", "Waiting.")
    gauge.set(5)
    gauge.inc(-2)
    assert gauge.value == 3


def test_label_children_are_one_per_set_of_values(metrics):
    counter = metrics.counter("requests_total", "Requests.", ("method", "status"))
    bound = counter.labels("GET", "200")
    bound.inc(2)
    assert counter.labels("GET", "200") is bound
    assert counter.labels("GET", "500").value == 0
    counter.labels("GET", "500").inc()
    assert counter.value == 3


def test_labels_have_to_be_bound(metrics):
    counter = metrics.counter("requests_total", "Requests.", ("method",))
    with pytest.raises(AssertionError, match=r"bind them with .labels"):
        counter.inc()
    with pytest.raises(AssertionError):
        counter.labels("GET", "200")


def test_label_sets_beyond_the_bound_are_counted_together(metrics):
    counter = metrics.counter("hits_total", "Hits.", ("host",))
    for n in range(MAX_LABEL_SETS + 5):
        counter.labels(f"h{n}").inc()
    assert counter.labels(OVERFLOW_LABEL).value == 5
    assert counter.value == MAX_LABEL_SETS + 5
    assert counter.labels("h0").value == 1
    assert len(list(counter.children())) == MAX_LABEL_SETS + 1


def test_the_same_name_and_shape_is_the_same_instrument(metrics):
    made = metrics.counter("requests_total", "Requests.", ("method",))
    assert metrics.counter("requests_total", "Said differently.", ["method"]) is made


@pytest.mark.parametrize(
    "again",
    [
        lambda m: m.counter("requests_total", "x"),
        lambda m: m.counter("requests_total", "x", ("status",)),
        lambda m: m.gauge("latency_seconds", "x"),
    ],
)
def test_the_same_name_with_another_shape_is_refused(metrics, again):
    metrics.counter("requests_total", "Requests.", ("method",))
    metrics.histogram("latency_seconds", "Latency.")
    with pytest.raises(InvalidInput, match=r"is already registered as a (counter|histogram) with labels"):
        again(metrics)


@pytest.mark.parametrize(
    "register",
    [
        lambda m: m.counter("requests", "x"),
        lambda m: m.gauge("requests_total", "x"),
        lambda m: m.histogram("latency_bucket", "x"),
        lambda m: m.gauge("Requests", "x"),
        lambda m: m.gauge("re-quests", "x"),
        lambda m: m.gauge("requests", "x", ("le",)),
        lambda m: m.gauge("requests", "x", ("bad label",)),
    ],
)
def test_names_that_openmetrics_forbids_are_refused(metrics, register):
    with pytest.raises(InvalidInput):
        register(metrics)
    assert metrics.instruments() == []


def test_the_unit_is_read_from_the_name(metrics):
    named = {
        "a_seconds": metrics.gauge,
        "b_bytes": metrics.gauge,
        "c_ratio": metrics.gauge,
        "d": metrics.gauge,
        "e_seconds_total": metrics.counter,
    }
    assert [make(name, "x").unit for name, make in named.items()] == ["seconds", "bytes", "ratio", "", "seconds"]


def test_a_histogram_answers_over_all_its_children(metrics):
    histogram = metrics.histogram("latency_seconds", "Latency.", ("tenant",))
    assert math.isnan(histogram.quantile(0.5))
    histogram.labels("a").observe(1.0)
    histogram.labels("b").observe(3.0)
    histogram.labels("b").observe(100.0)
    assert histogram.count == 3
    assert histogram.sum == pytest.approx(104.0)
    assert histogram.quantile(0.5) == pytest.approx(3.0, rel=0.0055)
    assert histogram.labels("a").quantile(1.0) == pytest.approx(1.0, rel=0.0055)
    assert (histogram.labels("b").count, histogram.labels("b").sum) == (2, pytest.approx(103.0))


def test_a_snapshot_is_plain_values(metrics):
    metrics.counter("requests_total", "Requests.", ("method",)).labels("GET").inc()
    histogram = metrics.histogram("latency_seconds", "Latency.")
    before = metrics.snapshot()["latency_seconds"]
    assert before["samples"] == [{"labels": {}, "count": 0, "sum": 0.0, "quantiles": {}}]
    histogram.observe(2.0)
    after = metrics.snapshot()
    assert after["requests_total"] == {
        "kind": "counter",
        "help": "Requests.",
        "unit": "",
        "samples": [{"labels": {"method": "GET"}, "value": 1}],
    }
    (sample,) = after["latency_seconds"]["samples"]
    assert sample["quantiles"].keys() == {"0.5", "0.9", "0.99", "0.999"}
    assert sample["quantiles"]["0.99"] == pytest.approx(2.0, rel=0.0055)
