"""A ledger with two tenants and three cases, a witness, and what exports it."""

import pytest

from phalanx.core import DEFAULT_TENANT, AuditEntry, HttpAnswer, TenantId, TraceId, derive_id
from phalanx.crypto import HybridSigner
from phalanx.ledger import Ledger, audit, reindex
from phalanx.ledger.evidence import CaseIndex, Evidence
from phalanx.ledger.witness import Cosigner, TrustedLog, Witness, Witnesses, WitnessPeer
from phalanx.telemetry import Alerts, Telemetry
from phalanx.testing import MemorySealers, SimWorld

AT_NS = 1_767_225_600_000_000_000
OTHER = TenantId("other")
CASES = [(DEFAULT_TENANT, "host-1"), (DEFAULT_TENANT, "host-2"), (OTHER, "host-1")]
URL = "http://witness/v1/witness"


def entry(number, **changes):
    tenant, case = CASES[number % 3]
    fields = {
        "id": derive_id(AT_NS, "test", str(number)),
        "tenant": tenant,
        "trace": TraceId(f"trace-{number}"),
        "at_ns": AT_NS + number,
        "actor": "policy",
        "action": "approved",
        "subject": f"proposal-{number}",
        "case": case,
        "body": {"number": number, "text": "ä\u202e\n# no heading", "list": [1, 2.5, None]},
        "custody": ("collector", "analyst"),
    }
    return AuditEntry(**(fields | changes))


class Office:
    """A ledger and everything around it that evidence is made of."""

    def __init__(self, world, signer, witness_signer, name="disk"):
        self.world = world
        self.signer = signer
        self.name = name
        self.telemetry = Telemetry(world.clock)
        self.store = world.store(name)
        self.sealers = MemorySealers(world.entropy)
        self.cosigner = Cosigner(witness_signer)

    async def open(self):
        world = self.world
        self.ledger = await Ledger.open(
            await world.journals(self.name).open("ledger"), self.store, self.signer,
            clock=world.clock, telemetry=self.telemetry, entropy=world.entropy, offload=world.offload,
            sealers=self.sealers,
        )  # fmt: skip
        witness = Witness(
            world.store(f"{self.name} witness"), self.cosigner,
            [TrustedLog.of(self.ledger.origin, self.ledger.public_key)],
            clock=world.clock, telemetry=Telemetry(world.clock), on_seen=_nobody,
        )  # fmt: skip

        async def handler(path, body):
            return HttpAnswer(200, "text/plain", (await witness.add_checkpoint(body)).encode())

        world.calls.serve(URL, handler)
        self.witnesses = Witnesses(
            self.ledger, self.store, [WitnessPeer(self.cosigner.keys, URL)], quorum=0,
            calls=world.calls.of("log"), clock=world.clock, telemetry=self.telemetry, alerts=Alerts(self.telemetry),
        )  # fmt: skip
        cases = CaseIndex(self.ledger, self.store, self.signer, world.clock)
        self.evidence = Evidence(self.ledger, self.witnesses, self.store, cases)
        return self

    async def audit(self):
        journal = await self.world.journals(self.name).open("ledger")
        return await audit(journal, self.store, self.signer.public, sealers=self.sealers)

    async def reindex(self):
        journal = await self.world.journals(self.name).open("ledger")
        return await reindex(journal, self.store, self.signer, sealers=self.sealers, clock=self.world.clock)

    async def record(self, *numbers, **changes):
        for number in numbers:
            await self.ledger.record(entry(number, **changes))


async def _nobody(log, note, extends=None):
    pass


@pytest.fixture(scope="session")
def signers():
    return HybridSigner.generate(), HybridSigner.generate()


@pytest.fixture(scope="session")
def new_office(signers):
    """An office in a world, not open yet."""
    return lambda world: Office(world, *signers)


@pytest.fixture
def on_office(signers):
    """Runs ``main(office)`` in a simulated world."""

    def run(main, seed=1):
        async def on(world):
            return await main(await Office(world, *signers).open())

        return SimWorld(seed).run(on)

    return run


@pytest.fixture(scope="session")
def bundle(signers):
    """The file of a case of four entries, cosigned."""

    async def on(world):
        office = await Office(world, *signers).open()
        await office.record(*range(13))
        await office.witnesses.round()
        return await office.evidence.export(DEFAULT_TENANT, "host-1")

    return SimWorld(1).run(on)
