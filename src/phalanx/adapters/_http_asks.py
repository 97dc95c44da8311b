"""Asking others over HTTP with a method and headers, in threads of its own.

As ``_calls``: bounded answers, a deadline, no redirects, no second try. What the answer's headers say is handed on.
Implements ``HttpAsks`` of ``phalanx.intel.sharing``.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from phalanx.adapters._calls import read_within, trusting
from phalanx.adapters._limits import CALL_WORKERS, MAX_WAITING_CALLS
from phalanx.adapters._system import ThreadOffload
from phalanx.core import Unavailable

if TYPE_CHECKING:
    import urllib3

    from phalanx.intel.sharing import HttpReply


class HttpAsker:
    """Asks with any method. ``ca`` is a file of certificates (PEM) that are trusted besides the system's."""

    def __init__(self, ca: Path | None = None) -> None:
        self._tls = None if ca is None else trusting(ca, "ca")
        self._threads = ThreadOffload(CALL_WORKERS, max_waiting=MAX_WAITING_CALLS)
        self._pool: urllib3.PoolManager | None = None

    async def ask(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes, max_bytes: int, within_s: float
    ) -> "HttpReply":
        return await self._threads.run(self._ask, method, url, headers, body, max_bytes, within_s)

    def close(self) -> None:
        """Refuse new questions and wait for those under way, which end by their deadlines."""
        self._threads.close()

    def _ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, max_bytes: int, within_s: float
    ) -> "HttpReply":
        import urllib3

        from phalanx.intel.sharing import HttpReply

        if self._pool is None:
            self._pool = urllib3.PoolManager(retries=False, ssl_context=self._tls)
        end_ns = time.monotonic_ns() + int(within_s * 1e9)
        try:
            answer = self._pool.request(
                method, url, body=body or None, headers=dict(headers), timeout=urllib3.Timeout(total=within_s),
                redirect=False, preload_content=False,
            )  # fmt: skip
            try:
                content = read_within(answer, url, max_bytes, end_ns)
            finally:
                answer.close()
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(url, str(error).rpartition(": ")[2] or type(error).__name__) from error
        return HttpReply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, content)
