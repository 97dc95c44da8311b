"""The outermost layer of every request, as plain ASGI: it costs microseconds, not a task.

It gives each request a trace id, answers errors that nobody caught, adds the security headers that a response does
not set itself, and counts. Time is measured to the start of the response, so that a live stream counts like any
other request. HEAD is answered with the head of what GET would give.
"""

from collections.abc import Sequence

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from phalanx.api._problems import METHODS, internal_problem
from phalanx.core import NS_PER_S, Clock, IdSource
from phalanx.telemetry import Telemetry

TRACE_HEADER = "phalanx-trace"

_SECURITY_HEADERS: Sequence[tuple[bytes, bytes]] = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)

# Nginx's number for "the client went away": nobody reads it, it only tells requests apart in the metrics.
_CLIENT_GONE = 499


class Edge:
    """The layer around the application."""

    def __init__(self, app: ASGIApp, *, telemetry: Telemetry, ids: IdSource, clock: Clock) -> None:
        self._app = app
        self._ids = ids
        self._clock = clock
        self._log = telemetry.log.bind(room="api")
        self._tracer = telemetry.tracer
        metrics = telemetry.metrics
        self._requests = metrics.counter(
            "phalanx_http_requests_total", "HTTP requests answered.", ("method", "route", "status")
        )
        self._seconds = metrics.histogram(
            "phalanx_http_response_seconds", "Time from a request's head to its response's head.", ("route",)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        scope = {**scope, "method": "GET" if method == "HEAD" else scope["method"]}
        trace = scope["phalanx.trace"] = self._ids.new()
        begun_ns = self._clock.monotonic_ns()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._seconds.labels(_route(scope)).observe((self._clock.monotonic_ns() - begun_ns) / NS_PER_S)
                message["headers"] = _completed(message.get("headers", ()), trace)
            if method == "HEAD":
                # The answer ends with its head, so the server tells a stream that its reader is gone.
                if message["type"] == "http.response.start":
                    await send(message)
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            await send(message)

        with self._tracer.span("http.request", room="api", trace=trace, method=method) as span:
            try:
                await self._app(scope, receive, send_with_headers)
            except ClientDisconnect:
                status = _CLIENT_GONE
            except Exception as error:
                self._log.error("request failed", trace=trace, path=scope["path"], error=error)
                if status:
                    # The response has begun and cannot be taken back: the server cuts the connection.
                    raise
                await internal_problem(Request(scope))(scope, receive, send_with_headers)
            finally:
                route = _route(scope)
                span.set(route=route, status=status)
                self._requests.labels(method, route, str(status)).inc()


def _completed(headers: Sequence[tuple[bytes, bytes]], trace: str) -> list[tuple[bytes, bytes]]:
    present = {name.lower() for name, _ in headers}
    missing = [header for header in _SECURITY_HEADERS if header[0] not in present]
    return [*headers, *missing, (TRACE_HEADER.encode(), trace.encode())]


def _route(scope: Scope) -> str:
    """The route's pattern, never the path: labels must not be chosen by the client."""
    route = scope.get("route")
    if route is not None:
        return str(getattr(route, "path", "other"))
    return "other" if "endpoint" in scope else "none"
