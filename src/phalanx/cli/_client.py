"""Talks to a running node over its API, on behalf of a command."""

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlencode

import click

from phalanx.core import KIB, InvalidInput, Overloaded, PhalanxError, Unavailable

if TYPE_CHECKING:
    import urllib3

DEFAULT_URL = "http://127.0.0.1:8470"
TIMEOUT_S = 30.0
# The first circuit that a node lays out waits until kernels are compiled, at the lowest priority: once on a machine.
CIRCUIT_TIMEOUT_S = 300.0
_BINARY = "application/octet-stream"
_NO_HEADERS: Mapping[str, str] = {}
_JSON = {"Content-Type": "application/json"}
_PIECE_BYTES = 256 * KIB


class Refused(PhalanxError):
    """The node answered with a problem; ``code`` is that of the error on its side."""

    code = "refused"


class _Answer(dict[str, Any]):
    """An object in a node's answer. A field that it lacks is the node's fault and not the command's."""

    def __init__(self, url: str, found: Mapping[str, Any]) -> None:
        super().__init__(found)
        self._url = url

    def __missing__(self, name: str) -> Any:
        raise Unavailable(
            f"the node at {self._url}", f"its answer has no {name!r}",
            hint="it may be of another release than this command (`phalanx --version`), or no Phalanx node at all",
        )  # fmt: skip


ca_option = click.option(
    "--ca",
    envvar="PHALANX_CA",
    show_envvar=True,
    type=click.Path(path_type=Path),
    help="Certificates to trust instead of the system's, for https.",
)


def client_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options of a command that asks a running node; they arrive as one ``client``."""

    @functools.wraps(command)
    def wrapped(*args: Any, url: str, token: str, ca: Path | None, **others: Any) -> None:
        command(*args, client=NodeClient(url, token, ca), **others)

    token_option = click.option("--token", envvar="PHALANX_TOKEN", show_envvar=True, default="", help="Access token.")
    url_option = click.option(
        "--url", envvar="PHALANX_URL", default=DEFAULT_URL, show_default=True, show_envvar=True, help="URL of the node."
    )
    return url_option(token_option(ca_option(wrapped)))


# What the operating system's errors begin with.
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")
# How OpenSSL calls the answer of something that does not speak TLS.
_NO_TLS = "wrong version number"
# The node's own hint is for programs that send headers.
_SIGN_IN = "set PHALANX_TOKEN or --token to a token of that node; on its machine `phalanx tokens create NAME` makes one"


class NodeClient:
    """A thin client: one method per verb, errors as exceptions, pages followed.

    ``ca`` is a file of certificates that are trusted instead of the operating system's.
    """

    def __init__(self, url: str, token: str, ca: Path | None = None) -> None:
        import urllib3

        try:
            target = urllib3.util.parse_url(url)
        except urllib3.exceptions.LocationParseError as error:
            raise InvalidInput("url", str(error)) from error
        if not token.isascii() or not token.isprintable():
            raise InvalidInput("token", "has characters that no token has")
        if target.scheme not in {"http", "https"} or not target.host:
            raise InvalidInput("url", f"{url!r} is not an http address")
        self._http = urllib3.PoolManager(
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=TIMEOUT_S,
            retries=False,
            ssl_context=_tls_context(ca) if target.scheme == "https" else None,
        )
        self.url = url.rstrip("/")

    def get(self, path: str, **params: Any) -> Any:
        return self._ask("GET", path, params={k: v for k, v in params.items() if v not in (None, "")})

    def post(self, path: str, *, content: bytes = b"", headers: Mapping[str, str] = _NO_HEADERS, **params: Any) -> Any:
        return self._ask("POST", path, params=params, content=content, headers=headers)

    def post_json(self, path: str, value: Any, *, timeout_s: float = TIMEOUT_S, **params: Any) -> Any:
        content = json.dumps(value).encode()
        return self._ask("POST", path, params=params, content=content, headers=_JSON, timeout_s=timeout_s)

    def delete(self, path: str) -> None:
        self._ask("DELETE", path, params={})

    def upload(self, path: str, content: BinaryIO, **params: Any) -> Any:
        """Send a file as it is read, however large."""
        kept = {k: v for k, v in params.items() if v not in (None, "")}
        return self._ask("POST", path, params=kept, content=content, headers={"Content-Type": _BINARY})

    def download(self, path: str) -> Iterator[bytes]:
        """The body of an answer as it arrives, however large."""
        import urllib3

        _check(path)
        try:
            answer = self._http.request("GET", f"{self.url}{path}", preload_content=False)
            if answer.status == 200:
                yield from answer.stream(_PIECE_BYTES)
                return
            body = self._object(answer)
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"the node at {self.url}", _reason(error)) from error
        raise self._problem(answer, body or {})

    def pages(self, path: str, *, limit: int, **params: Any) -> Iterator[dict[str, Any]]:
        """Up to ``limit`` items of a listing, following its cursor."""
        after, left = "", limit
        while left > 0:
            page = self.get(path, after=after, limit=min(left, 1_000), **params)
            yield from page["items"][:left]
            left -= len(page["items"])
            after = page.get("next") or ""
            # A page may be empty, with more behind it: of what was looked through nothing was asked for.
            if not after:
                return

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any],
        content: bytes | BinaryIO | None = None,
        headers: Mapping[str, str] = _NO_HEADERS,
        timeout_s: float = TIMEOUT_S,
    ) -> Any:
        import urllib3

        _check(path)
        query = f"?{urlencode(params)}" if params else ""
        try:
            answer = self._http.request(
                method, f"{self.url}{path}{query}", body=content, headers={**self._http.headers, **headers},
                timeout=urllib3.Timeout(connect=TIMEOUT_S, read=timeout_s),
            )  # fmt: skip
        except urllib3.exceptions.HTTPError as error:
            hint = "start one with `phalanx up`, or name it with --url"
            if isinstance(error, urllib3.exceptions.ReadTimeoutError):
                hint = "it may still do what was asked: look before you ask again"
            if "certificate verify failed" in str(error):
                hint = "its certificate is not known here: give it with --ca, as `phalanx up` says"
            if _NO_TLS in str(error):
                hint = "name it with http:// instead"
            raise Unavailable(f"the node at {self.url}", _reason(error, timeout_s), hint=hint) from error
        body = {} if answer.status == 204 else self._object(answer)
        if 200 <= answer.status < 300 and body is not None:
            return body
        raise self._problem(answer, body or {})

    def _object(self, answer: "urllib3.BaseHTTPResponse") -> dict[str, Any] | None:
        """The answer's body; None if it is not a JSON object, which is all that a node answers with."""
        try:
            body = json.loads(answer.data, object_hook=lambda found: _Answer(self.url, found))
        except ValueError:
            return None
        return body if isinstance(body, dict) else None

    def _problem(self, answer: "urllib3.BaseHTTPResponse", body: dict[str, Any]) -> PhalanxError:
        code = body.get("code")
        if not isinstance(code, str):
            return Unavailable(
                f"the node at {self.url}",
                f"what answers there is no Phalanx node (HTTP {answer.status})",
                hint="name the node with --url",
            )
        if code == Overloaded.code:
            return Overloaded("the intake", retry_after_s=int(answer.headers.get("retry-after", "1")))
        said = str(body.get("detail") or body.get("title"))
        # A token is of one node: the other one there may be has others.
        told = f"{said}, says the node at {self.url}" if code == "not-authenticated" else said
        hint = _SIGN_IN if code == "not-authenticated" else str(body.get("hint", ""))
        return Refused(told, hint=hint, code=code)


def _check(path: str) -> None:
    """An empty name, or one made of dots, would address something other than what is meant. Raises ``InvalidInput``."""
    for name in path.removeprefix("/").split("/"):
        if path != "/" and name in {"", ".", ".."}:
            raise InvalidInput("name or id", f"{name!r} names nothing")


def _tls_context(ca: Path | None) -> Any:
    """A context that verifies, from the library that has the post-quantum key exchange."""
    import ssl

    from urllib3.contrib.pyopenssl import PyOpenSSLContext

    context = PyOpenSSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(str(ca)) if ca else context.set_default_verify_paths()
    except ssl.SSLError as error:
        raise InvalidInput("ca", f"{ca} holds no certificates") from error
    return context


def _reason(error: Exception, timeout_s: float = TIMEOUT_S) -> str:
    """The end of urllib3's message, which says what happened: "Connection refused"."""
    if "certificate verify failed" in str(error):
        return "its certificate is not trusted"
    if _NO_TLS in str(error):
        return "what listens there does not speak https"
    if "Read timed out" in str(error):
        return f"it gave no answer within {timeout_s:g} s"
    if "RemoteDisconnected" in str(error):
        return "what listens there closed the connection without an answer; does it speak https?"
    said = str(error).rpartition(": ")[2].rstrip("')") or type(error).__name__
    return _ERRNO.sub("", said)
