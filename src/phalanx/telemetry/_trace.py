"""Spans: how long each part of the way of an event took.

A span knows its parent through a context variable, so it follows awaits and tasks. It starts
on the wall clock and lasts on the monotonic one. Finished spans stay in a bounded ring; an
exporter subscribes and gets each span as it ends.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
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

    @contextmanager
    def span(self, name: str, /, *, room: str, trace: str, **attrs: Any) -> Iterator[OpenSpan]:
        self._last_id += 1
        running = OpenSpan(self._last_id, attrs)
        outer, outer_trace = self._current.get()
        parent = outer if outer_trace == trace else 0
        token = self._current.set((running.id, trace))
        started_ns, begun_ns = self._clock.wall_ns(), self._clock.monotonic_ns()
        error = ""
        try:
            yield running
        except BaseException as raised:
            error = type(raised).__name__
            raise
        finally:
            self._current.reset(token)
            duration_ns = self._clock.monotonic_ns() - begun_ns
            self._finish(Span(running.id, parent, name, room, trace, started_ns, duration_ns, error, running.attrs))

    def spans(self, trace: str) -> list[Span]:
        """The finished spans of one trace, in the order they began, as far as the ring remembers."""
        return sorted((span for span in self._ring if span.trace == trace), key=lambda span: span.id)

    def export(self, sink: SpanSink) -> Callable[[], None]:
        """Give ``sink`` each span as it ends; the returned call ends that."""
        self._sinks.append(sink)
        return lambda: self._sinks.remove(sink)

    def _finish(self, span: Span) -> None:
        self._ring.append(span)
        for sink in self._sinks:
            sink(span)
