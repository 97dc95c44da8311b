"""A ledger on a machine that loses power: an id is recorded once, a receipt given stays true."""

import asyncio

import pytest

from phalanx.core import DEFAULT_TENANT, AuditEntry, TraceId, Waypoint, decode, derive_id
from phalanx.crypto import HybridSigner
from phalanx.ledger import Ledger, LedgerTampered, verify_checkpoint
from phalanx.telemetry import WAYPOINTS, Telemetry
from phalanx.testing import MemorySealers, SimWorld

ENTRIES = 40
SIGNER = HybridSigner.generate()


def entry(number):
    return AuditEntry(
        id=derive_id(number, "test", str(number)),
        tenant=DEFAULT_TENANT,
        trace=TraceId("t"),
        at_ns=number,
        actor="policy",
        action="approved",
        subject=str(number),
        case="host-1",
    )


async def opened(world, name, sealers):
    journal = await world.journals(name).open("ledger")
    telemetry = Telemetry(world.clock)
    store = world.store(name)
    ledger = await Ledger.open(
        journal,
        store,
        SIGNER,
        clock=world.clock,
        telemetry=telemetry,
        entropy=world.entropy,
        offload=world.offload,
        sealers=sealers,
    )
    return ledger, journal, store


class Run:
    """Records the same entries again and again until one life of the machine is long enough."""

    def __init__(self, world):
        self.world = world
        self.rng = world.rng.child("test")
        self.sealers = MemorySealers(world.entropy)
        self.receipts = {}
        self.known_at_boot = []
        self.unreceipted_at_boot = []

    async def program(self, node):
        ledger, _, _ = await opened(self.world, node.name, self.sealers)
        self.known_at_boot.append(ledger.size)
        self.unreceipted_at_boot.append(ledger.size - len(self.receipts))
        numbers = list(range(ENTRIES))
        self.rng.shuffle(numbers)
        while numbers:
            group = [numbers.pop() for _ in range(min(len(numbers), self.rng.integer(1, 8)))]
            await asyncio.gather(*(self.record(ledger, number) for number in group))
            if self.rng.chance(0.3):
                await ledger.checkpoint()

    async def record(self, ledger, number):
        receipt = await ledger.record(entry(number))
        assert self.receipts.setdefault(number, receipt) == receipt, "a receipt never changes"

    async def main(self, world):
        node = world.node("n")
        for _ in range(6):
            program = node.start(self.program)
            await asyncio.wait([program], timeout=self.rng.exponential(0.008))
            await node.crash(power_loss=self.rng.chance(0.7))
        await node.start(self.program)
        ledger, journal, store = await opened(world, "n", self.sealers)
        return await self.checked(ledger, journal, store)

    async def checked(self, ledger, journal, store):
        assert ledger.size == journal.end == ENTRIES
        found = await ledger.entries(-1, 1_000)
        assert sorted(one.entry.id for one in found) == sorted(entry(n).id for n in range(ENTRIES))
        for number, receipt in self.receipts.items():
            assert found[receipt.index].entry == entry(number)
            assert found[receipt.index].leaf_hash == receipt.leaf_hash
        rows = await store.scan(WAYPOINTS, DEFAULT_TENANT)
        assert sorted(decode(row.value, Waypoint).detail["index"] for row in rows) == list(range(ENTRIES))
        report = await ledger.verify()
        assert report.size == ENTRIES
        signed = await ledger.checkpoint()
        assert verify_checkpoint(signed.note, SIGNER.public).root == report.root
        return report.root


@pytest.mark.requirement("IRS-4")
def test_an_entry_is_recorded_once_whenever_the_power_goes():
    redone = 0
    for seed in range(30):
        run = Run(SimWorld(seed))
        run.world.run(run.main)
        assert len(run.receipts) == ENTRIES
        redone += sum(n > 0 for n in run.unreceipted_at_boot)
    # Some crashes have to fall between the append and the receipt, else this shows nothing.
    assert redone > 5


def test_the_same_seed_gives_the_same_ledger():
    def outcome(seed):
        run = Run(SimWorld(seed))
        root = run.world.run(run.main)
        return root, run.receipts, run.known_at_boot, list(run.world.trace)

    assert outcome(5) == outcome(5)
    assert outcome(5)[0] != outcome(6)[0]


@pytest.mark.requirement("IRS-4")
@pytest.mark.parametrize("index", [0, 7, 12])
def test_a_byte_flipped_on_the_disk_is_named(index):
    async def main(world):
        ledger, _, _ = await opened(world, "n", MemorySealers(world.entropy))
        for number in range(13):
            await ledger.record(entry(number))
        flip_on_disk(world.disk("n"), (await ledger.entry(entry(index).id)).leaf)
        for call in (ledger.verify, lambda: ledger.entries(-1, 100)):
            with pytest.raises(LedgerTampered) as caught:
                await call()
            assert (caught.value.what, caught.value.position) == ("entry", index)

    SimWorld(1).run(main)


def flip_on_disk(disk, leaf):
    for file in disk._contents.files.values():
        at = file.data.find(leaf)
        if at >= 0:
            file.data[at + len(leaf) // 2] ^= 1
            return
    raise AssertionError("the leaf is not on the disk as it was hashed")
