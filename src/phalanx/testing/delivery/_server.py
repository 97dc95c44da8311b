"""An HTTP server on loopback that goes wrong on demand; what it serves is a product's behaviour (``_products``).

``trouble`` is what happens to the next requests, one each: ``busy`` (429 with Retry-After), ``error`` (503), ``cut``
(half an answer, and the end), ``silent`` (the end before anything), ``after-effect`` (it takes everything, then the
connection ends), ``unauthorised`` (401), ``slow``.
"""

import gzip
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Protocol, Self

SLOW_S = 0.05


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, its body unpacked."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Given:
    """An answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Product(Protocol):
    """What a peer does with a request. ``kept`` are the ids of the items that it has, in the order it got them."""

    kept: list[str]

    def answer(self, asked: Asked) -> Given: ...


class PeerServer:
    """Serves one product; a context manager."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.trouble: deque[str] = deque()
        self.requests: list[Asked] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _any(self) -> None:
                outer.serve(self)

            do_POST = do_GET = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815 - http.server calls them so

            def log_message(self, *_: object) -> None:
                """Nothing: tests say what happened."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        """One request, with whatever trouble is next."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if handler.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        path, _, query = handler.path.partition("?")
        pairs = dict(part.partition("=")[::2] for part in query.split("&") if part)
        asked = Asked(handler.command, path, pairs, {k.lower(): v for k, v in handler.headers.items()}, body)
        with self._lock:
            trouble = self.trouble.popleft() if self.trouble else ""
            self.requests.append(asked)
            given = self._given(asked, trouble)
        if trouble == "slow":
            time.sleep(SLOW_S)
        if trouble in {"silent", "after-effect"}:
            handler.close_connection = True
            handler.connection.close()
            return
        handler.send_response(given.status)
        for name, value in given.headers.items():
            handler.send_header(name, value)
        cut = trouble == "cut"
        handler.send_header("Content-Length", str(len(given.body) + (1_000 if cut else 0)))
        handler.end_headers()
        handler.wfile.write(given.body[: len(given.body) // 2] if cut else given.body)
        if cut:
            handler.wfile.flush()
            handler.close_connection = True
            handler.connection.close()

    def _given(self, asked: Asked, trouble: str) -> Given:
        if trouble == "busy":
            return Given(429, b"slow down", {"Retry-After": "0"})
        if trouble in {"error", "cut"}:
            return Given(503, b"not now")
        if trouble == "unauthorised":
            return Given(401, b"who are you?")
        if trouble == "silent":
            return Given(500)
        return self.product.answer(asked)
