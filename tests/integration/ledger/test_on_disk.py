"""The ledger on the embedded storage: real files, closed and opened again."""

import asyncio
import contextlib

import pytest

from phalanx.adapters import OsEntropy, SystemClock, ThreadOffload
from phalanx.adapters.storage import OsFiles, SegmentJournals, SqliteStore
from phalanx.core import DEFAULT_TENANT, AuditEntry, StorageCorrupt, TraceId, derive_id
from phalanx.crypto import HybridSigner
from phalanx.ledger import Ledger, LedgerTampered
from phalanx.telemetry import Telemetry
from phalanx.testing import MemorySealers

pytestmark = pytest.mark.requirement("IRS-4")

ENTRIES = 60
SIGNER = HybridSigner.generate()
ENTROPY = OsEntropy()
SEALERS = MemorySealers(ENTROPY)


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


@contextlib.asynccontextmanager
async def opened(folder):
    offload, files = ThreadOffload(1), OsFiles(folder)
    journals = SegmentJournals(files, "journals", entropy=OsEntropy(), offload=offload, segment_bytes=4_096)
    store = await SqliteStore.open(folder / "store.db")
    journal = None
    try:
        journal = await journals.open("ledger")
        clock = SystemClock()
        ledger = await Ledger.open(
            journal,
            store,
            SIGNER,
            clock=clock,
            telemetry=Telemetry(clock),
            entropy=ENTROPY,
            offload=offload,
            sealers=SEALERS,
        )
        yield ledger
        await ledger.close()
    finally:
        if journal is not None:
            await journal.close()
        await store.close()
        files.close()
        offload.close()


def test_a_ledger_is_there_again_with_the_same_receipts_and_proofs(tmp_path):
    async def main():
        async with opened(tmp_path) as ledger:
            receipts = await asyncio.gather(*(ledger.record(entry(n)) for n in range(ENTRIES)))
            signed, proof = await ledger.checkpoint(), await ledger.prove(7)
        async with opened(tmp_path) as ledger:
            assert [await ledger.record(entry(n)) for n in range(ENTRIES)] == receipts
            assert await ledger.checkpoint() == signed
            assert await ledger.prove(7) == proof
            proof.verify((await ledger.entries(6, 1))[0].leaf, signed.root)
            report = await ledger.verify()
            assert (report.size, report.signed_size, report.root) == (ENTRIES, ENTRIES, signed.root)

    asyncio.run(main())


def test_a_byte_changed_in_the_files_is_not_overlooked(tmp_path):
    async def main():
        async with opened(tmp_path) as ledger:
            for number in range(ENTRIES):
                await ledger.record(entry(number))
            await ledger.checkpoint()
        folder = tmp_path / "journals" / "ledger"
        segments = sorted(path for path in folder.iterdir() if b'"approved"' in path.read_bytes())
        assert len(segments) > 2
        for path in segments:
            whole = path.read_bytes()
            at = whole.find(b'"approved"')
            path.write_bytes(whole[:at] + b'"refused!"' + whole[at + 10 :])
            with pytest.raises((LedgerTampered, StorageCorrupt)):
                async with opened(tmp_path):
                    pass
            path.write_bytes(whole)
        async with opened(tmp_path) as ledger:
            assert (await ledger.verify()).size == ENTRIES

    asyncio.run(main())
