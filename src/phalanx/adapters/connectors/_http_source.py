"""A source that asks an HTTP API for what is new: a cursor goes out, items and the next cursor come back.

The answer is JSON; ``items`` and ``next`` say where in it the list and the cursor stand, as names parted by dots.
Each item becomes a line. Such an API rarely gives the same page twice, so what it gave is written down before it is
taken in.
"""

import json
from typing import Any
from urllib.parse import urlencode

from phalanx.adapters.connectors._http import HTTP_OPTIONS, ConnectorHttp, fixed_headers, header_secret
from phalanx.core import InvalidInput, Unavailable
from phalanx.intel.delivery import ConnectorContext, Drawn, SourceManifest
from phalanx.intel.delivery.wire import HttpRequest

_HEADERS = {"bearer": "Bearer {}", "splunk": "Splunk {}", "apikey": "ApiKey {}", "plain": "{}"}


class HttpPollSource:
    """One address, asked again and again."""

    manifest = SourceManifest(product="HTTP API", rereads=False)

    def __init__(self, context: ConnectorContext) -> None:
        self._http = ConnectorHttp(context)
        self._parameter = context.option("cursor", "after")
        self._items = _path(context, "items", "items")
        self._next = _path(context, "next", "next")
        self._every_s = context.number("every_s", 10.0, least=0.1)
        self._clock = context.clock
        headers = {"Accept": "application/json"}
        if {"token_file", "token_fd"} & set(context.options):
            shape = _HEADERS[context.chosen("auth", "bearer", tuple(_HEADERS))]
            headers["Authorization"] = shape.format(header_secret(context, "token"))
        self._headers = fixed_headers(headers)

    async def draw(self, position: str, *, until: str, max_bytes: int, within_s: float) -> Drawn:  # noqa: ARG002
        """Waits as long as ``every_s`` says when there was nothing new, whatever ``within_s`` is."""
        query = f"?{urlencode({self._parameter: position})}" if position else ""
        reply = await self._http.send(HttpRequest(query, b"", method="GET"), await self._headers())
        if reply.status == 429 or reply.status >= 500:
            await self._clock.sleep(min(reply.retry_after_s or self._every_s, 3_600.0))
        if reply.status != 200:
            raise Unavailable("the API", reply.told)
        body: Any = reply.json()
        items = _at(body, self._items)
        if not isinstance(items, list):
            raise Unavailable("the API", f"its answer has no list at {'.'.join(self._items)!r}")
        cursor = _at(body, self._next)
        behind = str(cursor) if isinstance(cursor, str | int) and cursor != "" else position
        lines = b"".join(json.dumps(one, separators=(",", ":")).encode() + b"\n" for one in items)
        if not lines or behind == position:
            await self._clock.sleep(self._every_s)
        if lines and behind == position:
            raise Unavailable("the API", "it gives items and no cursor behind them: they would come again and again")
        return Drawn(lines, behind)

    def check(self, position: str) -> None:
        """Nothing: a cursor is whatever the API says."""

    async def settle(self, position: str) -> None:
        """Nothing: the cursor says it with the next request."""

    async def close(self) -> None:
        await self._http.close()


def http_poll_source(context: ConnectorContext) -> HttpPollSource:
    """Plug-in ``http-poll``. ``url``; ``cursor`` (name of the parameter), ``items``, ``next``, ``every_s``, ``auth``,
    secret ``token``.
    """
    context.only(*HTTP_OPTIONS, "cursor", "items", "next", "every_s", "auth", secrets=("token",))
    return HttpPollSource(context)


def _path(context: ConnectorContext, name: str, default: str) -> tuple[str, ...]:
    parts = tuple(context.option(name, default).split("."))
    if not all(parts):
        raise InvalidInput(f"{context.where}.options.{name}", "it is not names parted by dots")
    return parts


def _at(body: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        body = body.get(part) if isinstance(body, dict) else None
    return body
