"""Time as a port. Nothing outside ``adapters`` reads the machine's clocks."""

from typing import Protocol


class Clock(Protocol):
    """Two clocks: one to measure with, one to tell people the time.

    ``monotonic_ns`` never goes back and has no date. ``wall_ns`` is UNIX time in UTC and
    may step. ``sleep`` waits on whatever drives ``monotonic_ns``.
    """

    def monotonic_ns(self) -> int: ...

    def wall_ns(self) -> int: ...

    async def sleep(self, seconds: float) -> None: ...
