"""The vault's root wrapped by a key server that speaks the Transit API of HashiCorp Vault and OpenBao.

``POST /v1/MOUNT/encrypt/KEY`` and ``…/decrypt/KEY`` with a token in ``X-Vault-Token``. The
context goes along as ``associated_data``, and as a hash inside what is encrypted: servers that
do not know the field ignore it in silence. Answers 429 and 5xx are tried again within bounds,
after as long as the server asks for. What holds the key never leaves the server.
"""

import asyncio
import base64
import binascii
import hashlib
import ipaddress
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import msgspec

from phalanx.adapters._limits import (
    MAX_TRANSIT_ANSWER_BYTES,
    TRANSIT_ATTEMPTS,
    TRANSIT_PAUSE_MAX_S,
    TRANSIT_PAUSE_S,
    TRANSIT_TIMEOUT_S,
)
from phalanx.core import InvalidInput, Offload, PhalanxError, Unavailable
from phalanx.crypto import KEY_BYTES
from phalanx.crypto.vault import WrapperContext, WrongKey

_WHAT = "the vault's root key"
_TRY_AGAIN = frozenset({412, 429, 472, 473, 500, 502, 503, 504})


class _Wrapped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The server's ``vault:v1:BASE64``, taken apart so that one ciphertext has one form."""

    key: str
    prefix: str
    ciphertext: bytes


_decoder = msgspec.msgpack.Decoder(_Wrapped)


class TransitWrapper:
    """A ``KeyWrapper`` whose key is ``key`` on the server at ``url``."""

    name = "transit"

    def __init__(
        self,
        url: str,
        token: bytes,
        *,
        key: str,
        offload: Offload,
        mount: str = "transit",
        namespace: str = "",
        ca_file: str | None = None,
        pause_s: float = TRANSIT_PAUSE_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        import urllib3

        self._base = _checked(url)
        self._key = key
        self._mount = mount
        self._offload = offload
        self._pause_s = pause_s
        self._sleep = sleep
        self._headers = {"X-Vault-Token": _token(token), "X-Vault-Request": "true"}
        if namespace:
            self._headers["X-Vault-Namespace"] = namespace
        self._failure = urllib3.exceptions.HTTPError
        self._http = urllib3.PoolManager(ca_certs=ca_file, timeout=TRANSIT_TIMEOUT_S, retries=False)

    def __repr__(self) -> str:
        return f"<TransitWrapper {self._mount}/{self._key} at {self._base}>"

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        data = await self._ask("encrypt", context, plaintext=_to_text(key + hashlib.sha256(context).digest()))
        prefix, _, text = str(data.get("ciphertext", "")).rpartition(":")
        raw = _from_text(text)
        if not prefix or not raw:
            raise Unavailable(self._what, "its answer holds no ciphertext")
        return msgspec.msgpack.encode(_Wrapped(self._key, prefix, raw))

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        try:
            found = _decoder.decode(wrapped)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise WrongKey(_WHAT, f"it was not wrapped by a key server ({error})", hint=self._hint) from error
        if found.key != self._key:
            raise WrongKey(_WHAT, f"it was wrapped by key {found.key!r}, not {self._key!r}", hint=self._hint)
        data = await self._ask("decrypt", context, ciphertext=f"{found.prefix}:{_to_text(found.ciphertext)}")
        opened = _from_text(str(data.get("plaintext", "")))
        if len(opened) <= KEY_BYTES or opened[KEY_BYTES:] != hashlib.sha256(context).digest():
            raise WrongKey(_WHAT, "what the key server opened is not this vault's", hint=self._hint)
        return opened[:KEY_BYTES]

    async def close(self) -> None:
        self._http.clear()

    @property
    def _what(self) -> str:
        return f"the key server at {self._base}"

    @property
    def _hint(self) -> str:
        return f"the key is {self._mount}/{self._key} on {self._base}; name the right one in at_rest.options"

    async def _ask(self, operation: str, context: bytes, **fields: str) -> dict[str, Any]:
        """The ``data`` of the answer, after as many attempts as there may be."""
        path = f"{self._base}/v1/{quote(self._mount)}/{operation}/{quote(self._key, safe='')}"
        body = json.dumps({**fields, "associated_data": _to_text(context)}).encode()
        pause_s, problem = self._pause_s, ""
        for attempt in range(TRANSIT_ATTEMPTS):
            if attempt:
                await self._sleep(pause_s)
                pause_s = min(2 * pause_s, TRANSIT_PAUSE_MAX_S)
            try:
                status, headers, answer = await self._offload.run(self._post, path, body)
            except self._failure as error:
                problem = str(getattr(error, "reason", None) or error)
                continue
            if status == 200 and isinstance(answer.get("data"), dict):
                return dict(answer["data"])
            problem = "; ".join(map(str, answer.get("errors") or ())) or f"it answered with HTTP {status}"
            if status not in _TRY_AGAIN:
                raise self._refusal(status, operation, problem)
            asked = headers.get("Retry-After", "")
            if asked.isdecimal():
                pause_s = min(max(pause_s, float(asked)), TRANSIT_PAUSE_MAX_S)
        raise Unavailable(
            self._what,
            f"{problem} ({TRANSIT_ATTEMPTS} attempts)",
            hint="the node does not start without it; see that it is running, unsealed and within its rate limit",
        )

    def _post(self, path: str, body: bytes) -> tuple[int, Any, dict[str, Any]]:
        headers = {**self._headers, "Content-Type": "application/json"}
        answer = self._http.request("POST", path, body=body, headers=headers, preload_content=False, redirect=False)
        try:
            raw = answer.read(MAX_TRANSIT_ANSWER_BYTES)
        finally:
            answer.release_conn()
        try:
            found = json.loads(raw)
        except ValueError:
            found = {}
        return answer.status, answer.headers, found if isinstance(found, dict) else {}

    def _refusal(self, status: int, operation: str, problem: str) -> PhalanxError:
        if status == 403:
            hint = f"the token needs the capability update on {self._mount}/{operation}/{self._key}"
            return Unavailable(self._what, f"it refuses the token ({problem})", hint=hint)
        if status == 404:
            return Unavailable(self._what, f"there is nothing at mount {self._mount!r} ({problem})", hint=self._hint)
        if operation == "decrypt" and status == 400:
            return WrongKey(_WHAT, f"the key server does not open it ({problem})", hint=self._hint)
        return Unavailable(self._what, problem, hint=self._hint)


def transit_wrapper(context: WrapperContext) -> TransitWrapper:
    """Plug-in ``transit``. Options ``url``, ``key``; ``mount``, ``namespace``, ``ca_file``; the token is a secret."""
    context.only("url", "key", "mount", "namespace", "ca_file", "transit_token_file", "transit_token_fd")
    return TransitWrapper(
        context.option("url"),
        context.secret("transit_token"),
        key=context.option("key"),
        mount=context.option("mount", "transit"),
        namespace=context.option("namespace", ""),
        ca_file=context.options.get("ca_file"),
        offload=context.offload,
    )


def _checked(url: str) -> str:
    """The address, if the root key may travel there."""
    import urllib3

    try:
        target = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError as error:
        raise InvalidInput("at_rest.options.url", str(error)) from error
    if target.scheme not in {"http", "https"} or not target.host:
        raise InvalidInput("at_rest.options.url", f"{url!r} is not an http address")
    if target.scheme == "http" and not _is_loopback(target.host):
        raise InvalidInput("at_rest.options.url", "the root key travels over TLS only, except on this machine")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _token(token: bytes) -> str:
    text = token.decode("latin-1").strip()
    if not text or not text.isascii() or not text.isprintable():
        raise InvalidInput("transit_token", "has characters that no token has")
    return text


def _to_text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _from_text(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
