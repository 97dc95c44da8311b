import pytest

from phalanx.core import TenantId
from phalanx.crypto.vault import Vault
from phalanx.telemetry import Telemetry
from phalanx.testing import MemoryWrapper, SimWorld

ACME, ZETA = TenantId("acme"), TenantId("zeta")


class Bench:
    """A vault in a simulated world, and what it takes to open it again."""

    def __init__(self, world):
        self.world = world
        self.wrapper = MemoryWrapper(world.entropy)
        self.store = world.store("disk")
        self.lines = []

    async def open(self, *, wrapper=None, store=None, **options):
        telemetry = Telemetry(self.world.clock, log_sink=self.lines.append, level="debug")
        return await Vault.open(
            store or self.store,
            wrapper or self.wrapper,
            clock=self.world.clock,
            ids=self.world.ids,
            entropy=self.world.entropy,
            telemetry=telemetry,
            **options,
        )


@pytest.fixture
def in_vault():
    """Runs ``main(bench)`` in a world of one seed."""

    def run(main, seed=1):
        return SimWorld(seed).run(lambda world: main(Bench(world)))

    return run
