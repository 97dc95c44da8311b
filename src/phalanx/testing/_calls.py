"""HTTP between simulated nodes (core.HttpCaller) on virtual time: addresses are served by functions.

A call takes a little while each way, drawn from the seed. A place that is not served, or that is
cut off from the caller, gives no answer.
"""

import asyncio
from collections.abc import Awaitable, Callable

from phalanx.core import HttpAnswer, HttpCaller, LimitExceeded, Rng, Unavailable
from phalanx.testing._sources import SimClock

# Serves what is posted below an address: the rest of the path and the body.
Handler = Callable[[str, bytes], Awaitable[HttpAnswer]]

_MAX_DELAY_S = 0.05


class SimCalls:
    """All addresses of a world."""

    def __init__(self, clock: SimClock, rng: Rng) -> None:
        self._clock = clock
        self._rng = rng
        self._served: dict[str, Handler] = {}
        self._cut: set[tuple[str, str]] = set()

    def serve(self, address: str, handler: Handler) -> None:
        """Let ``handler`` answer everything posted at or below ``address`` (``http://name``)."""
        self._served[address] = handler

    def stop(self, address: str) -> None:
        """Let nobody answer there."""
        self._served.pop(address, None)

    def cut(self, caller: str, address: str) -> None:
        """Let nothing pass between this caller and this address."""
        self._cut.add((caller, address))

    def heal(self) -> None:
        """Let everything pass again."""
        self._cut.clear()

    def of(self, caller: str) -> HttpCaller:
        """The port as ``caller`` has it."""
        return _Caller(self, caller)

    async def call(self, caller: str, url: str, body: bytes, max_bytes: int, within_s: float) -> HttpAnswer:
        """One call, there and back."""
        await self._clock.sleep(self._rng.random() * _MAX_DELAY_S)
        address = max((one for one in self._served if url.startswith(one)), key=len, default="")
        if not address or (caller, address) in self._cut:
            await self._clock.sleep(within_s)
            raise Unavailable(url, "there is no answer")
        try:
            answer = await self._served[address](url.removeprefix(address), body)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody ended the caller: what answers died in the middle of it.
            raise Unavailable(url, "the connection broke") from None
        await self._clock.sleep(self._rng.random() * _MAX_DELAY_S)
        if len(answer.body) > max_bytes:
            raise LimitExceeded(f"bytes of an answer from {url}", maximum=max_bytes, seen=len(answer.body))
        return answer


class _Caller:
    def __init__(self, calls: SimCalls, name: str) -> None:
        self._calls = calls
        self._name = name

    async def post(self, url: str, body: bytes, *, content_type: str, max_bytes: int, within_s: float) -> HttpAnswer:  # noqa: ARG002 - the port's signature
        return await self._calls.call(self._name, url, body, max_bytes, within_s)
