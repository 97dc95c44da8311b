"""The small ports, simulated: time, entropy and work off the loop."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from phalanx.core import NS_PER_S, Rng, ns_from_iso
from phalanx.testing._loop import SimLoop

P = ParamSpec("P")
T = TypeVar("T")

# When every world begins, so that dates in output do not depend on the day of the run.
WORLD_START_NS = ns_from_iso("2026-01-01T00:00:00Z")
# A monotonic clock has no date; starting it apart from the wall clock shows who mixes them up.
_MONOTONIC_START_NS = 1_000 * NS_PER_S


class SimClock:
    """Virtual time as core.Clock; ``asyncio.sleep`` and ``asyncio.timeout`` follow the same time."""

    def __init__(self, loop: SimLoop, *, start_wall_ns: int = WORLD_START_NS) -> None:
        self._loop = loop
        self._start_wall_ns = start_wall_ns

    def monotonic_ns(self) -> int:
        return _MONOTONIC_START_NS + self._loop.now_ns()

    def wall_ns(self) -> int:
        return self._start_wall_ns + self._loop.now_ns()

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = self._loop.create_future()
        timer = self._loop.call_later(seconds, _wake, woken)
        try:
            await woken
        finally:
            timer.cancel()


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class SimEntropy:
    """Repeatable "secrets". Only a simulation may use them; they protect nothing."""

    def __init__(self, rng: Rng) -> None:
        self._rng = rng

    def token(self, n_bytes: int) -> bytes:
        return self._rng.bytes(n_bytes)


class InlineOffload:
    """Runs the work at once, in no virtual time.

    It gives way before and after, as a pool would, so that the state may have changed when the
    work begins and when its result arrives.
    """

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        await asyncio.sleep(0)
        result = work(*args, **kwargs)
        await asyncio.sleep(0)
        return result


class SimKeys:
    """Private keys that outlive a crash, in memory. Implements the identities' ``KeyCabinet``."""

    def __init__(self) -> None:
        self._secrets: dict[str, bytes] = {}

    @property
    def names(self) -> list[str]:
        return list(self._secrets)

    async def load(self, name: str) -> bytes | None:
        await asyncio.sleep(0)
        return self._secrets.get(name)

    async def save(self, name: str, secret: bytes) -> None:
        await asyncio.sleep(0)
        assert self._secrets.setdefault(name, secret) == secret, f"{name} is the name of another key"

    async def erase(self, name: str) -> None:
        await asyncio.sleep(0)
        self._secrets.pop(name, None)
