"""A TAXII 2.1 client: discovery, collections, pages of objects, and adding objects with their status.

What a server says is not trusted: answers are bounded, redirects are not followed, and a secret goes only where it
was meant to go: to the scheme, host and port of the address that a person gave. A server that asks to be left alone
(429, 503 with Retry-After) is.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol
from urllib.parse import urlencode, urljoin, urlsplit

from phalanx.core import NS_PER_S, Clock, InvalidInput, PhalanxError, Unavailable
from phalanx.intel.sharing._errors import TaxiiRefused
from phalanx.intel.sharing._limits import (
    ASK_WITHIN_S,
    FIRST_WAIT_S,
    MAX_ANSWER_BYTES,
    MAX_ATTEMPTS,
    MAX_STATUS_POLLS,
    MAX_WAIT_S,
)
from phalanx.intel.sharing._objects import BundleRead, StixObject, parse_json, read_bundle

TAXII: Final = "application/taxii+json;version=2.1"
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What another place answered; names of headers in small letters. Nothing in it is to be trusted."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpAsks(Protocol):
    """Asks other places over HTTP, with a method and headers. Follows no redirect and asks once."""

    async def ask(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, max_bytes: int, within_s: float
    ) -> HttpReply:
        """Raises ``Unavailable`` when no answer came in time and ``LimitExceeded`` when it was too long."""
        ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """``user`` empty: the secret is a bearer token; otherwise it is the password of HTTP Basic."""

    user: str = ""
    secret: str = ""

    def header(self) -> dict[str, str]:
        if not self.secret:
            return {}
        if not self.user:
            return {"Authorization": f"Bearer {self.secret}"}
        return {"Authorization": f"Basic {base64.b64encode(f'{self.user}:{self.secret}'.encode()).decode()}"}


@dataclass(frozen=True, slots=True)
class ObjectPage:
    """One page. ``next`` is empty on the last; ``last_added`` is when the last object of it was added, if said."""

    read: BundleRead
    next: str
    last_added: str


class TaxiiClient:
    """Speaks to one server: that of ``url``."""

    def __init__(self, asks: HttpAsks, clock: Clock, url: str, credentials: Credentials) -> None:
        self._asks = asks
        self._clock = clock
        self._url = url
        self._credentials = credentials

    async def discover(self) -> dict[str, Any]:
        """The server's own account of itself, its API roots as absolute addresses."""
        found = await self._get(self._url)
        roots = found.get("api_roots", [])
        if not isinstance(roots, list) or not all(isinstance(one, str) for one in roots):
            raise Unavailable(self._url, "its discovery is not one of TAXII 2.1")
        return found | {"api_roots": [urljoin(self._url, one) for one in roots]}

    async def collections(self, root: str) -> list[dict[str, Any]]:
        found = (await self._get(f"{_slashed(root)}collections/")).get("collections", [])
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise Unavailable(root, "its collections are not those of TAXII 2.1")
        return found

    async def page(self, root: str, collection: str, *, added_after: str, after: str, limit: int) -> ObjectPage:
        params = {"added_after": added_after, "next": after, "limit": str(limit)}
        query = urlencode({name: value for name, value in params.items() if value})
        url = f"{_slashed(root)}collections/{collection}/objects/?{query}"
        reply = await self._ask("GET", url)
        envelope = _object(reply, url)
        more = envelope.get("more") is True
        after = str(envelope.get("next", "")) if more else ""
        if more and not after:
            raise Unavailable(url, "it says that there is more, and not where")
        read = read_bundle(json.dumps({"objects": envelope.get("objects", [])}).encode())
        return ObjectPage(read, after, reply.headers.get("x-taxii-date-added-last", ""))

    async def push(self, root: str, collection: str, objects: Sequence[StixObject]) -> dict[str, Any]:
        """Add objects and wait for the status to be complete; the status as the server tells it."""
        body = b'{"objects":[' + b",".join(one.encoded() for one in objects) + b"]}"
        url = f"{_slashed(root)}collections/{collection}/objects/"
        status = _object(await self._ask("POST", url, body), url)
        for _ in range(MAX_STATUS_POLLS):
            if status.get("status") != "pending":
                return status
            await self._clock.sleep(FIRST_WAIT_S)
            status = await self._get(f"{_slashed(root)}status/{status.get('id')}/")
        return status

    async def _get(self, url: str) -> dict[str, Any]:
        return _object(await self._ask("GET", url), url)

    async def _ask(self, method: str, url: str, body: bytes = b"") -> HttpReply:
        """One request, again while the server asks for patience or is not there."""
        _require_same_place(self._url, url)
        headers = {"Accept": TAXII, **self._credentials.header()} | ({"Content-Type": TAXII} if body else {})
        wait_s = FIRST_WAIT_S
        for attempt in range(1, MAX_ATTEMPTS + 1):
            problem: PhalanxError
            asked_to_wait_s = 0.0
            try:
                reply = await self._asks.ask(
                    method, url, headers=headers, body=body, max_bytes=MAX_ANSWER_BYTES, within_s=ASK_WITHIN_S
                )
            except Unavailable as error:
                problem = error
            else:
                if reply.status < 300:
                    return reply
                problem = TaxiiRefused(url, reply.status, _title(reply))
                if reply.status not in _AGAIN:
                    raise problem
                asked_to_wait_s = retry_after_s(reply.headers.get("retry-after", ""), self._clock.wall_ns())
            if attempt == MAX_ATTEMPTS:
                raise problem
            await self._clock.sleep(min(MAX_WAIT_S, max(asked_to_wait_s, wait_s)))
            wait_s *= 2
        raise AssertionError("the last attempt returns or raises")


def retry_after_s(text: str, now_ns: int) -> float:
    """Seconds that a Retry-After asks for: a number, or a date; 0 for what is neither."""
    text = text.strip()
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_ns / NS_PER_S)
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _require_same_place(given: str, url: str) -> None:
    here, there = urlsplit(given), urlsplit(url)
    if (here.scheme, here.hostname, here.port) != (there.scheme, there.hostname, there.port):
        raise InvalidInput("url", f"{url} is not at {here.scheme}://{here.netloc}, which the secret is for",
                           hint="give the address of the API root itself")  # fmt: skip


def _slashed(url: str) -> str:
    return url if url.endswith("/") else f"{url}/"


def _object(reply: HttpReply, url: str) -> dict[str, Any]:
    media = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in ("application/taxii+json", "application/json"):
        raise Unavailable(url, f"it answers with {media or 'no media type'}, not with TAXII 2.1")
    try:
        found = parse_json(reply.body, max_bytes=MAX_ANSWER_BYTES)
    except InvalidInput as error:
        raise Unavailable(url, f"its answer {error.reason}") from error
    if not isinstance(found, dict):
        raise Unavailable(url, "its answer is no JSON object")
    return found


def _title(reply: HttpReply) -> str:
    try:
        found = json.loads(reply.body)
        text = f"{found.get('title', '')}: {found.get('description', '')}" if isinstance(found, dict) else ""
    except (ValueError, RecursionError):
        text = ""
    return text.strip(": ")[:200] or "without a reason"
