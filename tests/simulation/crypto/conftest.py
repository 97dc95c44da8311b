"""Identities of a node in a simulated world, on a store that survives, with a ledger that remembers."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from phalanx.core import AuditEntry, AuditReceipt
from phalanx.crypto import ED25519, CryptoPolicy, SigningKey
from phalanx.crypto.identity import Chain, Identities, KeyRequest, Names, Subject
from phalanx.telemetry import Alerts, Telemetry
from phalanx.testing import MemoryAudit, SimKeys, SimWorld


class Book(MemoryAudit):
    """Others run before it has an entry."""

    async def record(self, entry: AuditEntry) -> AuditReceipt:
        await asyncio.sleep(0)
        return await super().record(entry)


@dataclass
class Site:
    """One node's place: what survives from one opening to the next."""

    world: SimWorld
    name: str = "hq"
    organisation: str = "acme"
    keys: SimKeys = field(default_factory=SimKeys)
    ledger: Book = field(default_factory=Book)

    def __post_init__(self) -> None:
        self.boot()

    def boot(self) -> None:
        """Find what is on the disk, as after the power was cut."""
        self.store = self.world.store(f"disk-{self.organisation}-{self.name}")
        self.telemetry = Telemetry(self.world.clock)
        self.alerts = Alerts(self.telemetry)

    async def open(self, *, algorithm: str = ED25519, spares: int = 0, policy=None) -> Identities:
        return await Identities.open(
            Names(self.organisation, self.name, algorithm), self.store, self.keys, self.ledger, self.alerts,
            clock=self.world.clock, entropy=self.world.entropy, offload=self.world.offload, telemetry=self.telemetry,
            policy=policy or CryptoPolicy(), n_spares=spares,
        )  # fmt: skip

    async def person(self, identities: Identities, name: str = "kim") -> tuple[SigningKey, Chain]:
        """Somebody of the organisation whom ``identities`` has certified."""
        key = SigningKey.generate(ED25519)
        subject = Subject.parse(f"person:acme/{name}")
        return key, await identities.issue(KeyRequest.make(subject, key), actor="tester")


@pytest.fixture
def site():
    """Runs a scenario on a fresh site, in a world of its own."""

    def run(scenario: Callable[[Site], Awaitable[object]], *, seed: int = 1):
        async def main(world: SimWorld):
            return await asyncio.wait_for(scenario(Site(world)), timeout=400 * 86_400)

        return SimWorld(seed).run(main)

    return run


@pytest.fixture
def another_site():
    """A node's place in a world that is there already."""

    def make(world: SimWorld, name: str = "hq", organisation: str = "acme") -> Site:
        return Site(world, name, organisation)

    return make
