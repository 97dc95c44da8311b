"""A bus in a world of virtual time."""

from collections.abc import Callable

import pytest

from phalanx.messaging import Bus, running
from phalanx.telemetry import Telemetry
from phalanx.testing import MemoryAudit, SimWorld


class Bench:
    """One bus, what it is observed through, and the world it lives in."""

    def __init__(self, world: SimWorld) -> None:
        self.world = world
        self.notebook = MemoryAudit()
        self.telemetry = Telemetry(world.clock)
        self.bus = Bus(
            "here", clock=world.clock, ids=world.ids, telemetry=self.telemetry, audit=self.notebook,
            organisation="acme",
        )  # fmt: skip

    def count(self, name: str) -> float:
        samples = self.telemetry.metrics.snapshot()[name]["samples"]
        return sum(sample.get("value", sample.get("count", 0)) for sample in samples)


@pytest.fixture
def on_the_bus() -> Callable:
    """Run a coroutine function with a running bus."""

    def run(main):
        async def whole(world):
            bench = Bench(world)
            async with running(bench.bus):
                return await main(bench)

        return SimWorld(7).run(whole)

    return run
