"""Spans and metrics as OTLP protobuf messages. Needs the extra ``otlp``; import it on first use.

A trace of Phalanx is a UUID, so its 128 bits are the OTLP trace id. Span ids count within one
process; hashed with the process's own random id they are unique among processes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

from phalanx.core import is_id
from phalanx.telemetry import SCALE, CounterChild, GaugeChild, HistogramChild, Metrics, Sketch, Span

_UCUM = {"seconds": "s", "bytes": "By", "ratio": "1", "": ""}
_CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE


class Messages:
    """Makes the requests of one process, which it names by ``node`` and ``instance``."""

    def __init__(self, node: str, instance: bytes, version: str, started_ns: int) -> None:
        self._instance = instance
        self._started_ns = started_ns
        self._scope = InstrumentationScope(name="phalanx", version=version)
        named = {"service.name": "phalanx", "service.version": version, "host.name": node}
        self._resource = Resource(attributes=_attributes({**named, "service.instance.id": instance.hex()}))

    def spans(self, spans: Sequence[Span]) -> bytes:
        """An ``ExportTraceServiceRequest``."""
        scoped = ScopeSpans(scope=self._scope, spans=[self._span(span) for span in spans])
        request = ExportTraceServiceRequest(
            resource_spans=[ResourceSpans(resource=self._resource, scope_spans=[scoped])]
        )
        return bytes(request.SerializeToString())

    def metrics(self, metrics: Metrics, now_ns: int) -> bytes:
        """An ``ExportMetricsServiceRequest`` with everything as it is now, counted since the start."""
        made = []
        for instrument in metrics.instruments():
            unit = _UCUM[instrument.unit]
            metric = Metric(name=instrument.name, description=instrument.help, unit=unit)
            for values, child in instrument.children():
                labels = dict(zip(instrument.label_names, values, strict=True))
                self._add_point(metric, _attributes(labels), child, now_ns)
            made.append(metric)
        scoped = ScopeMetrics(scope=self._scope, metrics=made)
        request = ExportMetricsServiceRequest(
            resource_metrics=[ResourceMetrics(resource=self._resource, scope_metrics=[scoped])]
        )
        return bytes(request.SerializeToString())

    def _span(self, span: Span) -> OtlpSpan:
        status = Status(code=Status.STATUS_CODE_ERROR, message=span.error) if span.error else Status()
        return OtlpSpan(
            trace_id=self._trace_id(span),
            span_id=self._span_id(span.id),
            parent_span_id=self._span_id(span.parent) if span.parent else b"",
            name=span.name,
            kind=OtlpSpan.SPAN_KIND_INTERNAL,
            start_time_unix_nano=span.started_ns,
            end_time_unix_nano=span.started_ns + span.duration_ns,
            attributes=_attributes({"phalanx.room": span.room, "phalanx.trace": span.trace, **span.attrs}),
            status=status,
        )

    def _trace_id(self, span: Span) -> bytes:
        if is_id(span.trace):
            return bytes.fromhex(span.trace.replace("-", ""))
        # Work outside any event's way: each named trace, or each span without one, is a trace of its own.
        name = span.trace or str(span.id)
        return hashlib.blake2b(name.encode(), key=self._instance, digest_size=16).digest()

    def _span_id(self, number: int) -> bytes:
        return hashlib.blake2b(number.to_bytes(8), key=self._instance, digest_size=8).digest()

    def _add_point(
        self, metric: Metric, labels: list[KeyValue], child: CounterChild | GaugeChild | HistogramChild, now_ns: int
    ) -> None:
        if isinstance(child, HistogramChild):
            histogram: ExponentialHistogram = metric.exponential_histogram
            histogram.aggregation_temporality = _CUMULATIVE
            histogram.data_points.append(self._distribution(child.sketch, labels, now_ns))
            return
        point = NumberDataPoint(attributes=labels, time_unix_nano=now_ns, as_double=child.value)
        if isinstance(child, CounterChild):
            point.start_time_unix_nano = self._started_ns
            total: Sum = metric.sum
            total.aggregation_temporality, total.is_monotonic = _CUMULATIVE, True
            total.data_points.append(point)
        else:
            gauge: Gauge = metric.gauge
            gauge.data_points.append(point)

    def _distribution(self, sketch: Sketch, labels: list[KeyValue], now_ns: int) -> ExponentialHistogramDataPoint:
        point = ExponentialHistogramDataPoint(
            attributes=labels,
            start_time_unix_nano=self._started_ns,
            time_unix_nano=now_ns,
            count=sketch.count,
            sum=sketch.sum,
            scale=SCALE,
            zero_count=sketch.zeros,
        )
        if sketch.buckets:
            low, high = min(sketch.buckets), max(sketch.buckets)
            point.positive.offset = low
            point.positive.bucket_counts.extend(sketch.buckets.get(index, 0) for index in range(low, high + 1))
        return point


def _attributes(values: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=name, value=_any_value(value)) for name, value in values.items()]


def _any_value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int) and value.bit_length() < 64:
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=str(value))
