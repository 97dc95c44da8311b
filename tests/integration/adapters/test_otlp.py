"""What a collector receives over HTTP, decoded with OpenTelemetry's own message definitions."""

import asyncio
import contextlib
import sys

import pytest

from phalanx.adapters import OtlpExporter
from phalanx.adapters import _otlp as module
from phalanx.core import Unavailable, derive_id
from phalanx.telemetry import Telemetry

pytest.importorskip("opentelemetry.proto", reason="the extra `otlp` is not installed")

TRACE = derive_id(1_767_225_600_000_000_000, "event")


class TickClock:
    """Time that moves by one second a look; a sleep ends when the test says so."""

    def __init__(self):
        self.now_ns = 1_767_225_600_000_000_000
        self.asleep = asyncio.Event()
        self.ticks = asyncio.Semaphore(0)

    def wall_ns(self):
        return self.now_ns

    def monotonic_ns(self):
        self.now_ns += 1_000_000_000
        return self.now_ns

    async def sleep(self, seconds):
        self.asleep.set()
        await self.ticks.acquire()


class Collector:
    """Answers each POST with the next status (200 when there is none left) and keeps the bodies."""

    def __init__(self):
        self.received = {"traces": [], "metrics": []}
        self.statuses = {"traces": [], "metrics": []}
        self.content_types = set()

    async def serve(self, reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(headers["content-length"]))
                verb, path, _ = head[0].split()
                assert verb == "POST"
                signal = path.removeprefix("/v1/")
                status = self.statuses[signal].pop(0) if self.statuses[signal] else 200
                self.content_types.add(headers["content-type"])
                if status == 200:
                    self.received[signal].append(body)
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        writer.close()

    def spans(self):
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        requests = [ExportTraceServiceRequest.FromString(body) for body in self.received["traces"]]
        return [span for request in requests for span in request.resource_spans[0].scope_spans[0].spans]

    def metrics(self):
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

        request = ExportMetricsServiceRequest.FromString(self.received["metrics"][-1])
        (resource,) = request.resource_metrics
        return resource.resource, {metric.name: metric for metric in resource.scope_metrics[0].metrics}


def exporting(test, *, reachable=True):
    """Run ``test(telemetry, collector, tick)`` beside an exporter; ``tick()`` is one interval."""

    async def main():
        collector, clock, logged = Collector(), TickClock(), []
        server = await asyncio.start_server(collector.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        if not reachable:
            server.close()
            await server.wait_closed()
        telemetry = Telemetry(clock, log_sink=logged.append)
        exporter = OtlpExporter(telemetry, f"http://127.0.0.1:{port}/", node="n1")
        running = asyncio.create_task(exporter.run(interval_s=10))
        await clock.asleep.wait()

        async def tick():
            clock.asleep.clear()
            clock.ticks.release()
            await clock.asleep.wait()

        async with server:
            await test(telemetry, collector, tick)
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        return telemetry, collector, logged

    return asyncio.run(main())


def test_spans_arrive_as_they_were():
    async def test(telemetry, collector, tick):
        span = telemetry.tracer.span
        with (
            span("detect", room="intel", trace=TRACE, rules=3, ratio=0.5, deep=True, why="x"),
            contextlib.suppress(KeyError),
            span("rule", room="intel", trace=TRACE),
        ):
            raise KeyError
        await tick()

    _, collector, _ = exporting(test)
    rule, detect = collector.spans()
    assert (rule.name, detect.name) == ("rule", "detect")
    assert rule.trace_id == detect.trace_id == bytes.fromhex(TRACE.replace("-", ""))
    assert rule.parent_span_id == detect.span_id
    assert detect.parent_span_id == b""
    assert len(detect.span_id) == 8
    assert rule.span_id != detect.span_id
    assert (rule.status.code, rule.status.message) == (2, "KeyError")
    assert detect.status.code == 0
    assert detect.end_time_unix_nano - detect.start_time_unix_nano == 3_000_000_000
    attributes = {pair.key: pair.value for pair in detect.attributes}
    assert attributes["phalanx.room"].string_value == "intel"
    assert attributes["rules"].int_value == 3
    assert attributes["ratio"].double_value == 0.5
    assert attributes["deep"].bool_value is True
    assert attributes["why"].string_value == "x"
    assert collector.content_types == {"application/x-protobuf"}


def test_metrics_arrive_as_they_are():
    async def test(telemetry, collector, tick):
        metrics = telemetry.metrics
        metrics.counter("requests_total", "Requests.", ("method",)).labels("GET").inc(3)
        metrics.gauge("heap_bytes", "Heap.").set(-2)
        histogram = metrics.histogram("latency_seconds", "Latency.")
        metrics.histogram("quiet_seconds", "Nothing yet.")
        for value in (0.0, 1.0, 1.0, 1.5, 4.0):
            histogram.observe(value)
        await tick()

    _, collector, _ = exporting(test)
    resource, metrics = collector.metrics()
    named = {pair.key: pair.value.string_value for pair in resource.attributes}
    assert (named["service.name"], named["host.name"]) == ("phalanx", "n1")
    (requests,) = metrics["requests_total"].sum.data_points
    assert metrics["requests_total"].sum.is_monotonic
    assert metrics["requests_total"].sum.aggregation_temporality == 2
    assert (requests.as_double, requests.attributes[0].value.string_value) == (3, "GET")
    assert 0 < requests.start_time_unix_nano <= requests.time_unix_nano
    assert metrics["heap_bytes"].unit == "By"
    assert metrics["heap_bytes"].gauge.data_points[0].as_double == -2
    (latency,) = metrics["latency_seconds"].exponential_histogram.data_points
    assert (latency.count, latency.sum, latency.zero_count) == (5, 7.5, 1)
    # OTLP: bucket i of scale s holds (2^(i/2^s), 2^((i+1)/2^s)].
    base = 2 ** (2**-latency.scale)
    filled = [(latency.positive.offset + i, n) for i, n in enumerate(latency.positive.bucket_counts) if n]
    assert [n for _, n in filled] == [2, 1, 1]
    for (index, _), value in zip(filled, (1.0, 1.5, 4.0), strict=True):
        assert base**index < value <= base ** (index + 1) * (1 + 1e-12)
    assert metrics["quiet_seconds"].exponential_histogram.data_points[0].count == 0


def test_spans_wait_while_the_collector_is_busy():
    async def test(telemetry, collector, tick):
        collector.statuses["traces"] = [503]
        for name in ("one", "two"):
            with telemetry.tracer.span(name, room="intel", trace=TRACE):
                pass
        await tick()
        assert collector.spans() == []
        with telemetry.tracer.span("three", room="intel", trace=TRACE):
            pass
        await tick()
        assert [span.name for span in collector.spans()] == ["one", "two", "three"]

    telemetry, collector, logged = exporting(test)
    assert len(collector.spans()) == 3
    assert telemetry.metrics.counter("phalanx_otlp_spans_lost_total", "").value == 0
    assert telemetry.metrics.counter("phalanx_otlp_failures_total", "", ("signal",)).labels("traces").value == 1
    assert [record.event for record in logged] == ["telemetry export failed; trying on"]


def test_spans_that_the_collector_refuses_are_counted_as_lost():
    async def test(telemetry, collector, tick):
        collector.statuses["traces"] = [400]
        with telemetry.tracer.span("one", room="intel", trace=TRACE):
            pass
        await tick()
        await tick()

    telemetry, collector, _ = exporting(test)
    assert collector.spans() == []
    assert telemetry.metrics.counter("phalanx_otlp_spans_lost_total", "").value == 1


def test_many_spans_go_in_several_requests_and_the_oldest_fall_out(monkeypatch):
    monkeypatch.setattr(module, "MAX_WAITING_SPANS", 10)
    monkeypatch.setattr(module, "SPANS_PER_REQUEST", 4)

    async def test(telemetry, collector, tick):
        collector.statuses["traces"] = [503]
        for number in range(12):
            with telemetry.tracer.span(str(number), room="intel", trace=TRACE):
                pass
        await tick()
        for number in range(12, 15):
            with telemetry.tracer.span(str(number), room="intel", trace=TRACE):
                pass
        await tick()
        assert len(collector.received["traces"]) == 3

    telemetry, collector, _ = exporting(test)
    assert [span.name for span in collector.spans()] == [str(number) for number in range(5, 15)]
    assert telemetry.metrics.counter("phalanx_otlp_spans_lost_total", "").value == 5


def test_an_absent_collector_is_reported_once_and_harms_nothing():
    async def test(telemetry, collector, tick):
        with telemetry.tracer.span("one", room="intel", trace=TRACE):
            pass
        for _ in range(3):
            await tick()

    telemetry, _, logged = exporting(test, reachable=False)
    assert [record.event for record in logged] == ["telemetry export failed; trying on"]
    assert telemetry.metrics.counter("phalanx_otlp_failures_total", "", ("signal",)).value >= 6


def test_what_is_left_is_sent_when_the_node_stops():
    async def test(telemetry, collector, tick):
        with telemetry.tracer.span("last", room="intel", trace=TRACE):
            pass

    telemetry, collector, _ = exporting(test)
    assert [span.name for span in collector.spans()] == ["last"]
    assert telemetry.tracer._sinks == []


def test_spans_outside_any_trace_have_valid_ids():
    async def test(telemetry, collector, tick):
        for trace in ("", "", "maintenance", "maintenance"):
            with telemetry.tracer.span("s", room="node", trace=trace):
                pass
        await tick()

    _, collector, _ = exporting(test)
    traces = [span.trace_id for span in collector.spans()]
    assert all(len(trace) == 16 and any(trace) for trace in traces)
    assert len(set(traces)) == 3
    assert traces[2] == traces[3]


def test_a_missing_extra_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "phalanx.adapters._otlp_messages", None)

    async def main():
        with pytest.raises(Unavailable) as caught:
            OtlpExporter(Telemetry(TickClock()), "http://127.0.0.1:1", node="n")
        assert "phalanx[otlp]" in caught.value.hint

    asyncio.run(main())
