"""Asking a vendor of quantum machines over HTTP, in JSON.

What answers is not trusted: answers are bounded, redirects are not followed, secrets stand in headers only and never in
what an error says. A question that changes nothing is asked again when the vendor is busy or down, for as long as it
says and a bounded number of times; one that starts a job is sent once.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from phalanx import __version__
from phalanx.adapters._calls import read_within
from phalanx.adapters._limits import (
    MAX_VENDOR_ANSWER_BYTES,
    MAX_VENDOR_ASKS,
    VENDOR_AWAY_MOST_S,
    VENDOR_PAUSE_MOST_S,
    VENDOR_TIMEOUT_S,
)
from phalanx.core import NS_PER_S, Clock, InvalidInput, NotFound, Offload, Overloaded, Unavailable
from phalanx.devices import LeftSending, VendorAway

if TYPE_CHECKING:
    import urllib3

_REFUSED, _FORBIDDEN = {401, 403}, 403
_BUSY = {429, 500, 502, 503, 504}
# It takes nothing now; with the others above 500 nobody knows what became of the question.
_DOWN = 503
_FIRST_PAUSE_S = 0.5
_THIS_MACHINE = {"127.0.0.1", "::1", "localhost"}
_FORM = "application/x-www-form-urlencoded"
_T = TypeVar("_T")


class Refused(Unavailable):
    """The vendor rejects our credentials, or does not allow them to do this."""

    def __init__(self, what: str, why: str = "", *, hint: str = "") -> None:
        told = f"it refuses the credentials{f', or what they ask for: {why}' if why else ''}"
        super().__init__(what, told, hint=hint or "see devices.options and the provider's variables")


class Forbidden(Refused):
    """The vendor knows who is asking and forbids it: signing in again changes nothing."""


class Unanswered(VendorAway):
    """The question was sent, and nobody knows what became of it: what it starts may have been started."""


def created(what: str, answer: object, kind: type[_T]) -> _T:
    """What ``what`` answered to a question that starts a job. Raises ``Unanswered`` when it says something else: it has
    taken the question, and what it calls the job is not known."""
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise Unanswered(what, f"it does not say what it calls the job: {error}") from error


class _Unknown(NotFound):
    """The vendor has nothing there. ``path`` comes without its query: links to results are signed in it."""

    def __init__(self, who: str, path: str) -> None:
        super().__init__(who, path)
        self.message = f"{who} knows no {path!r}"
        self.args = (self.message,)


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    body: bytes
    retry_after_s: float | None


class VendorHttp:
    """Questions to one vendor at ``base``. ``what`` names it in errors; ``explain`` reads why out of a refusal."""

    def __init__(
        self, what: str, base: str, clock: Clock, offload: Offload, *, explain: Callable[[bytes], str] | None = None
    ) -> None:
        if not is_private(base):
            raise InvalidInput("devices.options", f"{base} is not https: credentials would travel in the clear")
        self._what, self._base = what, base.rstrip("/")
        self._clock, self._offload, self._explain = clock, offload, explain or said_plainly
        self._pool: urllib3.PoolManager | None = None

    async def ask(
        self, method: str, path: str, *, headers: Mapping[str, str], body: object = None, once: bool = False,
        form: Mapping[str, str] | None = None,
    ) -> Any:  # fmt: skip
        """The decoded answer. ``once``: never sent a second time, whatever comes back. ``form`` is sent instead of a
        ``body`` in JSON.

        Raises ``Refused``, ``NotFound``, ``InvalidInput`` for what the vendor finds wrong, ``Overloaded`` while it is
        busy, ``VendorAway`` where nobody answers, and ``Unavailable`` otherwise. Of what is sent ``once`` it raises
        ``Unanswered`` where the answer is lost, cannot be read, or does not say what was done.
        """
        sent = None if body is None else json.dumps(body).encode()
        if form is not None:
            sent, headers = urlencode(form).encode(), {**headers, "Content-Type": _FORM}
        pause_s = _FIRST_PAUSE_S
        for attempt in range(1, MAX_VENDOR_ASKS + 1):
            try:
                reply = await self._offload.run(self._exchange, method, path, dict(headers), sent)
            except asyncio.CancelledError as left:
                if once:
                    raise LeftSending from left
                raise
            except Unavailable as error:
                if once:
                    raise
                if attempt == MAX_VENDOR_ASKS:
                    raise VendorAway(self._what, error.reason) from error
                reply = _Reply(503, b"", None)
            if reply.status < 300:
                return self._decoded(reply.body, once=once)
            if reply.status not in _BUSY or once or attempt == MAX_VENDOR_ASKS:
                raise self._error(reply, path, once=once)
            asked_s = reply.retry_after_s
            await self._clock.sleep(min(pause_s if asked_s is None else asked_s, VENDOR_PAUSE_MOST_S))
            pause_s *= 2
        raise AssertionError("the last attempt returns or raises")

    def ask_now(self, path: str, *, headers: Mapping[str, str]) -> Any:
        """The decoded answer to ``GET path``, asked one time and in this thread: for what a provider has to know before
        it has any device."""
        reply = self._exchange("GET", path, dict(headers), None)
        if reply.status < 300:
            return self._decoded(reply.body)
        raise self._error(reply, path)

    def _decoded(self, body: bytes, *, once: bool = False) -> Any:
        try:
            return json.loads(body) if body.strip() else {}
        except (ValueError, RecursionError) as error:
            kind = Unanswered if once else Unavailable
            raise kind(self._what, "it answers with something that is no JSON") from error

    def _error(self, reply: _Reply, path: str, *, once: bool = False) -> Exception:
        text = self._explain(reply.body)
        if reply.status in _REFUSED:
            if reply.status == _FORBIDDEN:
                return Forbidden(self._what, text)
            # A bare refusal says nothing to people; who reads its answers knows what they mean.
            return Refused(self._what, text if self._explain is not said_plainly else "")
        if reply.status == 404:
            return _Unknown(self._what, urlsplit(path).path)
        if reply.status == 429:
            return Overloaded(self._what, retry_after_s=max(1, round(reply.retry_after_s or 1)))
        if reply.status < 500:
            return InvalidInput("job", f"{self._what} refuses it ({reply.status}): {text}")
        kind = Unanswered if once and reply.status != _DOWN else VendorAway
        return kind(self._what, f"it answers {reply.status}: {text}")

    def _exchange(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> _Reply:
        import urllib3

        if self._pool is None:
            self._pool = urllib3.PoolManager(retries=False, maxsize=4)
        headers = {"User-Agent": f"phalanx/{__version__}", "Accept": "application/json", **headers}
        if body is not None:
            headers = {"Content-Type": "application/json", **headers}
        end_ns = time.monotonic_ns() + int(VENDOR_TIMEOUT_S * 1e9)
        try:
            answer = self._pool.request(
                method, self._base + path, body=body, headers=headers, redirect=False, preload_content=False,
                timeout=urllib3.Timeout(total=VENDOR_TIMEOUT_S),
            )  # fmt: skip
            try:
                content = read_within(answer, self._what, MAX_VENDOR_ANSWER_BYTES, end_ns)
            finally:
                answer.close()
        except _unsent() as error:
            raise VendorAway(self._what, _told(error)) from error
        except (urllib3.exceptions.HTTPError, Unavailable) as error:
            raise Unanswered(self._what, _told(error)) from error
        return _Reply(
            answer.status, content, _seconds(answer.headers.get("Retry-After", ""), self._clock.wall_ns() / NS_PER_S)
        )


def _unsent() -> "tuple[type[urllib3.exceptions.HTTPError], ...]":
    """What happens before anything of a question has left."""
    from urllib3 import exceptions

    return (
        exceptions.NewConnectionError,
        exceptions.ConnectTimeoutError,
        exceptions.SSLError,
        exceptions.LocationValueError,
    )


def _told(error: Exception) -> str:
    return str(error).rpartition(": ")[2] or type(error).__name__


def is_private(url: str) -> bool:
    """Whether nobody on the way reads what is sent there."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _THIS_MACHINE)


def said_plainly(body: bytes) -> str:
    """The beginning of an answer, on one line."""
    return body.decode(errors="replace").strip().replace("\n", " ")[:300]


def _seconds(text: str, now_s: float) -> float | None:
    """How long ``Retry-After`` says: in seconds, or until when."""
    try:
        said_s = float(text) if text.strip().isdecimal() else parsedate_to_datetime(text).timestamp() - now_s
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, said_s), VENDOR_AWAY_MOST_S)
