import pytest

from phalanx.core import NS_PER_S


class ManualClock:
    """Time that moves when the test says so. Nobody sleeps on it."""

    def __init__(self) -> None:
        self.wall = 1_767_323_045 * NS_PER_S + 6_000
        self.monotonic = 0

    def advance(self, seconds: float) -> None:
        self.wall += round(seconds * NS_PER_S)
        self.monotonic += round(seconds * NS_PER_S)

    def monotonic_ns(self) -> int:
        return self.monotonic

    def wall_ns(self) -> int:
        return self.wall

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nothing here waits for time")


@pytest.fixture
def clock():
    return ManualClock()
