import asyncio
import base64
import json

import pytest

from phalanx.core import AuditEntry, StorageFull, TenantId, TraceId, derive_id
from phalanx.crypto import HybridSigner
from phalanx.ledger import Ledger
from phalanx.telemetry import Telemetry
from phalanx.testing import MemorySealers

AT_NS = 1_767_225_600_000_000_000


class ListJournal:
    """A journal whose records a test can change behind the ledger's back."""

    def __init__(self, records=()):
        self.records = list(records)
        self.appends = []
        self.full = False
        self.start = 0
        self.gate = asyncio.Event()
        self.gate.set()

    @property
    def end(self):
        return len(self.records)

    async def append(self, records):
        if self.full:
            raise StorageFull("the journal")
        await self.gate.wait()
        first = len(self.records)
        self.records.extend(records)
        self.appends.append(len(records))
        return first

    async def read(self, offset, *, max_records=1_000, max_bytes=1 << 23):
        return self.records[offset : offset + max_records]

    async def trim(self, before):
        raise AssertionError("a ledger is never trimmed")

    async def close(self):
        pass


class FullStore:
    """A store that has no room while ``full``."""

    def __init__(self, store):
        self.full = False
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, writes, *, expect=()):
        if self.full:
            raise StorageFull("the store")
        return await self._store.commit(writes, expect=expect)


class Bench:
    """One ledger's surroundings, and ways to open it again on what is stored."""

    # So small that short ledgers have runs of ids.
    ids_per_page = 4

    def __init__(self, world, signer, journal=None):
        self.world = world
        self.signer = signer
        self.journal = journal or ListJournal()
        self.store = FullStore(world.store("disk"))
        self.records = []
        self.sealers = MemorySealers(world.entropy)
        self.telemetry = Telemetry(world.clock, log_sink=self.records.append)

    async def open(self, signer=None):
        return await Ledger.open(
            self.journal,
            self.store,
            signer or self.signer,
            clock=self.world.clock,
            telemetry=self.telemetry,
            entropy=self.world.entropy,
            offload=self.world.offload,
            sealers=self.sealers,
            ids_per_page=self.ids_per_page,
        )

    async def filled(self, n):
        ledger = await self.open()
        await self.fill(ledger, range(n))
        return ledger

    async def fill(self, ledger, numbers):
        """Record entries, few of them in order, many in few groups and in any order."""
        if len(numbers) > 50:
            await asyncio.gather(*(ledger.record(entry(number)) for number in numbers))
            return
        for number in numbers:
            await ledger.record(entry(number))


def entry(number, **changes):
    fields = {
        "id": derive_id(AT_NS, "test", str(number)),
        "tenant": TenantId("default"),
        "trace": TraceId(f"trace-{number}"),
        "at_ns": AT_NS + number,
        "actor": "policy",
        "action": "approved",
        "subject": f"proposal-{number}",
        "case": "host-1",
        "body": {"number": number, "b": [1, 2.5, None], "a": {"z": True}},
    }
    return AuditEntry(**(fields | changes))


@pytest.fixture(scope="session")
def signer():
    return HybridSigner.generate()


@pytest.fixture
def bench(signer):
    """Runs ``main(bench)`` in a simulated world."""
    from phalanx.testing import SimWorld

    def run(main, seed=1):
        return SimWorld(seed).run(lambda world: main(Bench(world, signer)))

    return run


@pytest.fixture
def make_entry():
    return entry


@pytest.fixture
def proof_document(bench, make_entry):
    """A document as somebody far away gets it from the API: JSON, read back."""

    async def main(bench):
        ledger = await bench.filled(7)
        checkpoint = await ledger.checkpoint()
        found = await ledger.entry(make_entry(3).id)
        proof = await ledger.prove(found.index, checkpoint.size)
        made = {
            "entry": found.entry.id,
            "index": found.index,
            "leaf": found.leaf.decode(),
            "payload": found.disclosure.payload.decode(),
            "salt": found.disclosure.salt.hex(),
            "leaf_hash": proof.leaf_hash,
            "path": proof.path,
            "checkpoint": {
                "origin": checkpoint.origin,
                "size": checkpoint.size,
                "root": checkpoint.root,
                "signed_at_s": checkpoint.signed_at_s,
                "note": checkpoint.note,
                "public_key": base64.b64encode(ledger.public_key.to_bytes()).decode(),
            },
        }
        return json.loads(json.dumps(made))

    return bench(main)
