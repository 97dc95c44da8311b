"""Spans: how long each part of the way of an event took.

A span knows its parent through a context variable, so it follows awaits and tasks. It starts
on the wall clock and lasts on the monotonic one. Finished spans stay in a bounded ring; an
exporter subscribes and gets each span as it ends.
"""

from collections import deque
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any

from phalanx.core import Clock
from phalanx.telemetry._limits import MAX_SPANS

SpanSink = Callable[["Span"], None]


@dataclass(frozen=True, slots=True)
class Span:
    """A finished piece of work. ``id`` counts within this process; ``parent`` is the span around it
    that belongs to the same trace, 0 when there is none.

    ``error`` is empty when the work succeeded, else the type of what was raised.
    """

    id: int
    parent: int
    name: str
    room: str
    trace: str
    started_ns: int
    duration_ns: int
    error: str
    attrs: Mapping[str, Any]


class OpenSpan:
    """A running span. ``set`` adds attributes learnt on the way."""

    __slots__ = ("attrs", "id")

    def __init__(self, span_id: int, attrs: dict[str, Any]) -> None:
        self.id = span_id
        self.attrs = attrs

    def set(self, **attrs: Any) -> None:
        self.attrs.update(attrs)


class Tracer:
    """Opens spans and keeps the finished ones. A sink must neither block nor raise."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ring: deque[Span] = deque(maxlen=MAX_SPANS)
        self._sinks: list[SpanSink] = []
        self._current: ContextVar[tuple[int, str]] = ContextVar("span", default=(0, ""))
        self._last_id = 0

    def span(self, name: str, /, *, room: str, trace: str, **attrs: Any) -> "RunningSpan":
        """Work that lasts as long as a ``with`` block."""
        self._last_id += 1
        return RunningSpan(self, OpenSpan(self._last_id, attrs), name, room, trace)

    def spans(self, trace: str) -> list[Span]:
        """The finished spans of one trace, in the order they began, as far as the ring remembers."""
        return sorted((span for span in self._ring if span.trace == trace), key=lambda span: span.id)

    def export(self, sink: SpanSink) -> Callable[[], None]:
        """Give ``sink`` each span as it ends; the returned call ends that."""
        self._sinks.append(sink)
        return lambda: self._sinks.remove(sink)

    def begin(self, span_id: int, trace: str) -> "tuple[int, Token[tuple[int, str]]]":
        """Make a span the current one: the id of the span around it, and what ``end`` puts back."""
        outer, outer_trace = self._current.get()
        return outer if outer_trace == trace else 0, self._current.set((span_id, trace))

    def end(self, span: Span, token: "Token[tuple[int, str]]") -> None:
        self._current.reset(token)
        self._ring.append(span)
        for sink in self._sinks:
            sink(span)

    @property
    def clock(self) -> Clock:
        return self._clock


class RunningSpan:
    """The block of one span; a class of its own, for a generator costs twice as much."""

    __slots__ = ("_begun_ns", "_name", "_open", "_parent", "_room", "_started_ns", "_token", "_trace", "_tracer")

    def __init__(self, tracer: Tracer, running: OpenSpan, name: str, room: str, trace: str) -> None:
        self._tracer = tracer
        self._open = running
        self._name = name
        self._room = room
        self._trace = trace

    def __enter__(self) -> OpenSpan:
        self._parent, self._token = self._tracer.begin(self._open.id, self._trace)
        clock = self._tracer.clock
        self._started_ns, self._begun_ns = clock.wall_ns(), clock.monotonic_ns()
        return self._open

    def __exit__(self, raised: type[BaseException] | None, *_: object) -> None:
        duration_ns = self._tracer.clock.monotonic_ns() - self._begun_ns
        error = "" if raised is None else raised.__name__
        span = Span(
            self._open.id,
            self._parent,
            self._name,
            self._room,
            self._trace,
            self._started_ns,
            duration_ns,
            error,
            self._open.attrs,
        )
        self._tracer.end(span, self._token)
