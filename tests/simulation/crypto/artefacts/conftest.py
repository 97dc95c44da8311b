"""A place for artefacts in a simulated world, with a ledger that remembers."""

from dataclasses import dataclass

import pytest

from phalanx.crypto.artefacts import ARTEFACTS, Artefacts
from phalanx.crypto.vault import KeyUses, MigrationJob, SealedStore, Vault
from phalanx.telemetry import Telemetry
from phalanx.testing import MemoryAudit, SimWorld


@dataclass
class Shelf:
    """Artefacts, with the vault and the store under them, opened on a machine's disk."""

    vault: Vault
    store: SealedStore
    artefacts: Artefacts
    job: MigrationJob

    async def content(self, artefact):
        return b"".join([piece async for piece in self.artefacts.stream(artefact)])

    async def files(self):
        return await self.artefacts._files.names()


class Place:
    """One machine. Opening it again finds what a crash left."""

    def __init__(self, world):
        self.world = world
        self.told = MemoryAudit()

    async def open(self, node=None, *, uses=None, bounds=None, **options):
        ports = (node or self.world.node("machine")).ports()
        telemetry = Telemetry(ports.clock)
        vault = await Vault.open(
            ports.store, ports.key_wrapper(), clock=ports.clock, ids=ports.ids, entropy=ports.entropy,
            telemetry=telemetry, uses=uses and KeyUses(*uses), **options,
        )  # fmt: skip
        store = await SealedStore.open(ports.store, vault, tables=[ARTEFACTS], seals=True)
        artefacts = Artefacts(
            ports.blobs, store, vault, self.told,
            clock=ports.clock, entropy=ports.entropy, telemetry=telemetry, bounds=bounds,
        )  # fmt: skip
        return Shelf(vault, store, artefacts, MigrationJob(vault, store, ports.clock, telemetry, files=artefacts))


@pytest.fixture
def in_place():
    """Runs ``main(place)`` in a world of one seed."""

    def run(main, seed=1):
        return SimWorld(seed).run(lambda world: main(Place(world)))

    return run
