"""HTTP for sinks and sources: one connection each, in a thread of its own, every request sent once.

What answers is not trusted: answers are read up to a bound and a deadline, redirects are not followed. Secrets stand
in headers only, and never in what an error says.
"""

import asyncio
import base64
import gzip
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from phalanx.adapters._limits import CONNECTOR_TIMEOUT_S, MAX_CONNECTOR_CALLS, TOKEN_LONGEST_S, TOKEN_MARGIN_S
from phalanx.adapters._system import ThreadOffload
from phalanx.core import InvalidInput, Unavailable
from phalanx.intel.delivery import MAX_ANSWER_BYTES, ConnectorContext, retry_after_s
from phalanx.intel.delivery.wire import HttpReply, HttpRequest

if TYPE_CHECKING:
    import urllib3

Headers = Callable[[], Awaitable[Mapping[str, str]]]
HTTP_OPTIONS = ("url", "ca_file", "timeout_s")
_CHUNK_BYTES = 65_536
_GZIP_LEVEL = 3


class ConnectorHttp:
    """Requests to one peer. ``option`` names the option with its address."""

    def __init__(self, context: ConnectorContext, *, option: str = "url", default: str | None = None) -> None:
        import urllib3

        self._what = f"{context.name} at "
        self._base = _checked(context.option(option, default), f"{context.where}.options.{option}")
        self._what += self._base
        self._timeout_s = context.number("timeout_s", CONNECTOR_TIMEOUT_S, least=0.1)
        ca = context.options.get("ca_file")
        tls = None if ca is None else _trusting(context.data_dir / ca, f"{context.where}.options.ca_file")
        self._http = urllib3.PoolManager(retries=False, ssl_context=tls, maxsize=1)
        self._threads = ThreadOffload(1, max_waiting=MAX_CONNECTOR_CALLS)
        self._clock = context.clock

    async def send(self, request: HttpRequest, headers: Mapping[str, str]) -> HttpReply:
        """Raises ``Unavailable`` when nobody knows what came of it."""
        return await self._threads.run(self._exchange, request, dict(headers))

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.close)
        self._http.clear()

    def _exchange(self, request: HttpRequest, headers: dict[str, str]) -> HttpReply:
        import urllib3

        body, sent = request.body, {**headers, **request.headers}
        if request.gzip:
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
            sent["Content-Encoding"] = "gzip"
        end_ns = time.monotonic_ns() + int(self._timeout_s * 1e9)
        try:
            answer = self._http.request(
                request.method, self._base + request.path, body=body or None, headers=sent,
                timeout=urllib3.Timeout(total=self._timeout_s), redirect=False, preload_content=False,
            )  # fmt: skip
            whole = False
            try:
                content = self._read(answer, end_ns)
                whole = True
            finally:
                # A connection with half an answer on it is of no more use.
                answer.release_conn() if whole else answer.close()
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise Unavailable(self._what, str(error).rpartition(": ")[2] or type(error).__name__) from error
        asked = retry_after_s(answer.headers.get("Retry-After", ""), now_ns=self._clock.wall_ns())
        return HttpReply(answer.status, content, asked)

    def _read(self, answer: "urllib3.BaseHTTPResponse", end_ns: int) -> bytes:
        parts: list[bytes] = []
        seen = 0
        while part := answer.read1(_CHUNK_BYTES):
            seen += len(part)
            if seen > MAX_ANSWER_BYTES:
                raise Unavailable(self._what, f"its answer is longer than {MAX_ANSWER_BYTES} bytes")
            if time.monotonic_ns() > end_ns:
                raise Unavailable(self._what, "it answers too slowly")
            parts.append(part)
        return b"".join(parts)


class TokenHeaders:
    """``Authorization: Bearer …`` with a token from an OAuth 2 endpoint, kept until shortly before it ends."""

    def __init__(self, http: ConnectorHttp, grant: Callable[[], Mapping[str, str]], context: ConnectorContext) -> None:
        self._http = http
        self._grant = grant
        self._clock = context.clock
        self._token = ""
        self._until_ns = 0

    async def __call__(self) -> Mapping[str, str]:
        """Raises ``Unavailable`` when there is no token to be had."""
        if not self._token or self._clock.monotonic_ns() >= self._until_ns:
            await self._ask()
        return {"Authorization": f"Bearer {self._token}"}

    def forget(self) -> None:
        """The peer refused it: the next request asks for another."""
        self._token = ""

    async def close(self) -> None:
        await self._http.close()

    async def _ask(self) -> None:
        form = urlencode(self._grant()).encode()
        request = HttpRequest("", form, {"Content-Type": "application/x-www-form-urlencoded"})
        reply = await self._http.send(request, {})
        found = reply.json()
        token, seconds = found.get("access_token"), found.get("expires_in", 0)
        if reply.status != 200 or not isinstance(token, str) or not token.isascii():
            reason = str(found.get("error_description") or found.get("error") or f"HTTP {reply.status}")
            raise Unavailable("an access token", reason.splitlines()[0])
        lasts_s = min(float(seconds) if isinstance(seconds, int | float) else 0.0, TOKEN_LONGEST_S)
        self._token = token
        self._until_ns = self._clock.monotonic_ns() + int(max(1.0, lasts_s - TOKEN_MARGIN_S) * 1e9)


def fixed_headers(headers: Mapping[str, str]) -> Headers:
    """The same ones each time."""

    async def given() -> Mapping[str, str]:
        return headers

    return given


def header_secret(context: ConnectorContext, name: str) -> str:
    """A secret that goes into a header."""
    text = context.secret(name).decode("latin-1").strip()
    if not text or not text.isascii() or not text.isprintable():
        raise InvalidInput(f"{context.where}.options.{name}_file", "it has characters that no header has, or none")
    return text


def google_grant(context: ConnectorContext) -> tuple[str, Callable[[], Mapping[str, str]]]:
    """Where a service account's key (JSON) asks for tokens, and what it says there: a signed assertion each time."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    where = f"{context.where}.options.key_file"
    try:
        account = json.loads(context.secret("key"))
        key = serialization.load_pem_private_key(account["private_key"].encode(), None)
        email, endpoint = str(account["client_email"]), str(account["token_uri"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(where, "it is not the key of a service account") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise InvalidInput(where, "its key is not an RSA key")

    def grant() -> Mapping[str, str]:
        now_s = context.clock.wall_ns() // 1_000_000_000
        claims = {
            "iss": email, "scope": "https://www.googleapis.com/auth/cloud-platform", "aud": endpoint, "iat": now_s,
            "exp": now_s + 3_600,
        }  # fmt: skip
        signed = ".".join(_b64(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
        mac = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        assertion = f"{signed}.{_b64(mac)}"
        return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}

    return endpoint, grant


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _checked(url: str, where: str) -> str:
    """The address, if secrets may travel there: over TLS, or within this machine."""
    import ipaddress

    import urllib3

    try:
        target = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError as error:
        raise InvalidInput(where, str(error)) from error
    if target.scheme not in {"http", "https"} or not target.host:
        raise InvalidInput(where, f"{url!r} is not an http address")
    host = target.host.strip("[]")
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = host == "localhost"
    if target.scheme == "http" and not near:
        raise InvalidInput(where, "findings and tokens travel over TLS only, except on this machine: use https")
    return url.rstrip("/")


def _trusting(file: Path, where: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(file)
    except (OSError, ssl.SSLError) as error:
        raise InvalidInput(where, f"{file} holds no certificates") from error
    return context
