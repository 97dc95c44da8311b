"""Asking others over HTTP, in threads of its own: a peer that answers slowly holds up nobody else.

What answers is not trusted: an answer is read up to a bound and a deadline, redirects are not
followed, and no request is sent twice.
"""

import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING

from phalanx.adapters._limits import CALL_WORKERS, MAX_WAITING_CALLS
from phalanx.adapters._system import ThreadOffload
from phalanx.core import HttpAnswer, InvalidInput, LimitExceeded, Unavailable

if TYPE_CHECKING:
    import urllib3

_CHUNK_BYTES = 65_536


class HttpCalls:
    """Implements ``HttpCaller``. ``ca`` is a file of certificates (PEM) that are trusted besides the system's."""

    def __init__(self, ca: Path | None = None) -> None:
        self._tls = None if ca is None else trusting(ca, "ledger.peer_ca")
        self._threads = ThreadOffload(CALL_WORKERS, max_waiting=MAX_WAITING_CALLS)
        self._pool: urllib3.PoolManager | None = None

    async def post(self, url: str, body: bytes, *, content_type: str, max_bytes: int, within_s: float) -> HttpAnswer:
        return await self._threads.run(self._post, url, body, content_type, max_bytes, within_s)

    def close(self) -> None:
        """Refuse new calls and wait for those under way, which end by their deadlines."""
        self._threads.close()

    def _post(self, url: str, body: bytes, content_type: str, max_bytes: int, within_s: float) -> HttpAnswer:
        import urllib3

        if self._pool is None:
            self._pool = urllib3.PoolManager(retries=False, ssl_context=self._tls)
        end_ns = time.monotonic_ns() + int(within_s * 1e9)
        try:
            answer = self._pool.request(
                "POST", url, body=body, headers={"Content-Type": content_type},
                timeout=urllib3.Timeout(total=within_s), redirect=False, preload_content=False,
            )  # fmt: skip
            try:
                content = read_within(answer, url, max_bytes, end_ns)
            finally:
                answer.close()
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(url, str(error).rpartition(": ")[2] or type(error).__name__) from error
        return HttpAnswer(answer.status, answer.headers.get("Content-Type", ""), content)


def trusting(ca: Path, field: str) -> ssl.SSLContext:
    """A context that trusts the certificates of a file besides the system's."""
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        raise InvalidInput(field, f"{ca} holds no certificates") from error
    return context


def read_within(answer: "urllib3.BaseHTTPResponse", url: str, max_bytes: int, end_ns: int) -> bytes:
    """The body of an answer, within a bound and a deadline."""
    parts: list[bytes] = []
    seen = 0
    while part := answer.read1(_CHUNK_BYTES):
        seen += len(part)
        if seen > max_bytes:
            raise LimitExceeded(f"bytes of an answer from {url}", maximum=max_bytes, seen=seen)
        if time.monotonic_ns() > end_ns:
            raise Unavailable(url, "it answers too slowly")
        parts.append(part)
    return b"".join(parts)
