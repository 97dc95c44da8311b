"""Spans and metrics to an OpenTelemetry collector, over OTLP/HTTP with protobuf (extra ``otlp``).

Metrics are cumulative, so a lost export costs nothing. Spans that could not be delivered wait
for the next round within a bound; what falls out of it is counted, never silent.
"""

import asyncio
import contextlib
import os
from collections import deque
from typing import TYPE_CHECKING

from phalanx import __version__
from phalanx.core import Unavailable
from phalanx.telemetry import Span, Telemetry

if TYPE_CHECKING:
    import httpx

    from phalanx.adapters._otlp_messages import Messages

MAX_WAITING_SPANS = 10_000
SPANS_PER_REQUEST = 512
REQUEST_TIMEOUT_S = 5.0
# What a stopping node waits for the collector, at most.
LAST_EXPORT_S = 2.0
# The answers after which OTLP lets a client send the same again.
_RETRYABLE = (429, 502, 503, 504)
_HEADERS = {"Content-Type": "application/x-protobuf"}


class OtlpExporter:
    """Sends what a node observes to the collector at ``endpoint`` (``http://host:4318``)."""

    def __init__(self, telemetry: Telemetry, endpoint: str, *, node: str) -> None:
        """Raises ``Unavailable`` when the extra is not installed."""
        self._telemetry = telemetry
        self._endpoint = endpoint.rstrip("/")
        self._log = telemetry.log.bind(room="adapters", endpoint=self._endpoint)
        self._messages = _messages(node, telemetry.clock.wall_ns())
        self._waiting: deque[Span] = deque()
        self._reachable = True
        metrics = telemetry.metrics
        self._lost = metrics.counter("phalanx_otlp_spans_lost_total", "Spans that could not be exported.")
        self._failures = metrics.counter("phalanx_otlp_failures_total", "OTLP requests that failed.", ("signal",))

    async def run(self, interval_s: float) -> None:
        """Export every ``interval_s`` until cancelled, and once more then."""
        import httpx

        stop = self._telemetry.tracer.export(self._keep)
        try:
            async with httpx.AsyncClient(timeout=REQUEST_TIMEOUT_S, headers=_HEADERS) as client:
                try:
                    while True:
                        await self._telemetry.clock.sleep(interval_s)
                        await self._export(client)
                finally:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LAST_EXPORT_S):
                            await self._export(client)
        finally:
            stop()

    def _keep(self, span: Span) -> None:
        self._waiting.append(span)
        if len(self._waiting) > MAX_WAITING_SPANS:
            self._waiting.popleft()
            self._lost.inc()

    async def _export(self, client: "httpx.AsyncClient") -> None:
        telemetry = self._telemetry
        await self._send(client, "metrics", self._messages.metrics(telemetry.metrics, telemetry.clock.wall_ns()))
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), SPANS_PER_REQUEST))]
            answer = await self._send(client, "traces", self._messages.spans(batch))
            if answer in _RETRYABLE or answer is None:
                self._put_back(batch)
                return
            if answer >= 300:
                self._lost.inc(len(batch))

    def _put_back(self, batch: list[Span]) -> None:
        room = MAX_WAITING_SPANS - len(self._waiting)
        kept = batch[-room:] if room > 0 else []
        self._waiting.extendleft(reversed(kept))
        self._lost.inc(len(batch) - len(kept))

    async def _send(self, client: "httpx.AsyncClient", signal: str, message: bytes) -> int | None:
        """The collector's status, or None when there was no answer."""
        import httpx

        try:
            response = await client.post(f"{self._endpoint}/v1/{signal}", content=message)
        except httpx.HTTPError as error:
            self._failed(signal, error)
            return None
        if response.is_success:
            self._reachable = True
        else:
            self._failed(signal, f"HTTP {response.status_code}")
        return response.status_code

    def _failed(self, signal: str, why: object) -> None:
        self._failures.labels(signal).inc()
        if self._reachable:
            # Once per outage: an absent collector must not fill the log.
            self._log.warning("telemetry export failed; trying on", signal=signal, error=why)
        self._reachable = False


def _messages(node: str, started_ns: int) -> "Messages":
    try:
        from phalanx.adapters._otlp_messages import Messages
    except ImportError as error:
        raise Unavailable("OTLP export", str(error), hint="install it: pip install 'phalanx[otlp]'") from error
    return Messages(node, os.urandom(8), __version__, started_ns)
