"""Whatever is changed behind the ledger's back is named."""

import pytest

from phalanx.core import DEFAULT_TENANT, Delete, Put, WireError, decode, encode
from phalanx.crypto import HybridSigner
from phalanx.ledger import LedgerTampered
from phalanx.ledger._record import hash_of_record
from phalanx.ledger._shelf import CHECKPOINTS, LEAVES, _SignedNote

pytestmark = pytest.mark.requirement("IRS-4")


def flipped(data, at=10):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def key(position):
    return f"{position:019d}"


async def signed(bench, make_entry, n, *, then=0):
    """A ledger of ``n`` entries with checkpoints at 2 and at ``n``, and ``then`` entries more."""
    ledger = await bench.filled(2)
    await ledger.checkpoint()
    for number in range(2, n):
        await ledger.record(make_entry(number))
    await ledger.checkpoint()
    for number in range(n, n + then):
        await ledger.record(make_entry(number))
    return ledger


async def refused(call, what, position, reason=None):
    with pytest.raises(LedgerTampered, match=reason) as caught:
        await call()
    assert (caught.value.what, caught.value.position) == (what, position)


@pytest.mark.parametrize("index", [0, 3, 5, 7])
def test_a_changed_entry(bench, make_entry, index):
    """Entries 0–5 are signed, 6 and 7 are not yet."""

    async def main(bench):
        ledger = await signed(bench, make_entry, 6, then=2)
        good = bench.journal.records[index]
        bench.journal.records[index] = good.replace(b'"approved"', b'"refused!"')
        assert bench.journal.records[index] != good
        await refused(ledger.verify, "entry", index, "its hash is")
        await refused(lambda: ledger.entry(make_entry(index).id), "entry", index, "not the ones that were recorded")
        await refused(lambda: ledger.entries(-1, 100), "entry", index, "not the ones that were recorded")
        if index < 6:
            await refused(bench.open, "checkpoint", 6, "not the ones it was signed over")
        else:
            reopened = await bench.open()
            await refused(reopened.verify, "entry", index, "its hash is")

    bench(main)


def test_a_changed_entry_with_its_stored_hash_changed_too(bench, make_entry):
    async def main(bench):
        ledger = await signed(bench, make_entry, 6)
        forged = bench.journal.records[4].replace(b'"approved"', b'"refused!"')
        bench.journal.records[4] = forged
        await bench.store.commit([Put(LEAVES, DEFAULT_TENANT, key(4), hash_of_record(forged))])
        await refused(ledger.verify, "payload", 4)  # it was sealed for the leaf as it was
        bench.sealers.shred(DEFAULT_TENANT)
        await refused(ledger.verify, "checkpoint", 6, "not the ones it was signed over")
        await refused(bench.open, "checkpoint", 6, "not the ones it was signed over")

    bench(main)


def test_an_entry_that_cannot_be_read(bench, make_entry):
    async def main(bench):
        ledger = await signed(bench, make_entry, 3, then=1)
        bench.journal.records[3] = flipped(bench.journal.records[3], 0)
        await refused(ledger.verify, "entry", 3, "it begins with 3")
        await refused(bench.open, "entry", 3, "it begins with 3")
        bench.journal.records[3] = flipped(flipped(bench.journal.records[3], 0), 3)
        await refused(ledger.verify, "entry", 3, "not a valid ledger-entry")
        await refused(bench.open, "entry", 3, "not a valid ledger-entry")

    bench(main)


def test_swapped_entries(bench, make_entry):
    async def main(bench):
        ledger = await signed(bench, make_entry, 4)
        records = bench.journal.records
        records[1], records[2] = records[2], records[1]
        await refused(ledger.verify, "entry", 1, "its hash is")
        await refused(bench.open, "checkpoint", 4, "not the ones it was signed over")

    bench(main)


def test_a_removed_entry(bench, make_entry):
    async def main(bench):
        ledger = await signed(bench, make_entry, 4)
        del bench.journal.records[1]
        await refused(ledger.verify, "entry", 3, "the journal ends here, and 4 entries were recorded")
        await refused(bench.open, "entry", 3, "the journal ends here, and 4 entries were recorded")

    bench(main)


@pytest.mark.parametrize("kept", [0, 3, 5])
def test_a_truncated_journal(bench, make_entry, kept):
    """Five entries, four of them signed; also the unsigned tail is missed."""

    async def main(bench):
        ledger = await signed(bench, make_entry, 4, then=2)
        del bench.journal.records[kept:]
        await refused(ledger.verify, "entry", kept, "the journal ends here, and 6 entries were recorded")
        await refused(bench.open, "entry", kept, "the journal ends here, and 6 entries were recorded")

    bench(main)


def test_a_journal_truncated_together_with_the_stored_hashes(bench, make_entry):
    async def main(bench):
        ledger = await signed(bench, make_entry, 4)
        del bench.journal.records[3:]
        await bench.store.commit([Delete(LEAVES, DEFAULT_TENANT, key(3))])
        await refused(bench.open, "checkpoint", 4, "the journal holds 3 entries, fewer than were signed")
        await refused(ledger.verify, "entry", 3, "the journal ends here")

    bench(main)


def test_a_journal_that_lost_its_beginning(bench, make_entry):
    async def main(bench):
        ledger = await signed(bench, make_entry, 4)
        bench.journal.start = 1
        await refused(ledger.verify, "entry", 0, "no longer holds it")
        await refused(bench.open, "entry", 0, "no longer holds it")

    bench(main)


def test_somebody_else_writes_to_the_journal(bench, make_entry):
    async def main(bench):
        ledger = await bench.filled(2)
        bench.journal.records.append(bench.journal.records[0])
        await refused(lambda: ledger.record(make_entry(2)), "entry", 2, "somebody else wrote 1 entries")

    bench(main)


@pytest.mark.parametrize(("position", "change"), [(1, "flip"), (1, "delete"), (3, "flip"), (2, "move")])
def test_a_changed_stored_hash(bench, make_entry, position, change):
    async def main(bench):
        ledger = await signed(bench, make_entry, 4)
        row = await bench.store.get(LEAVES, DEFAULT_TENANT, key(position))
        writes = {
            "flip": [Put(LEAVES, DEFAULT_TENANT, key(position), flipped(row.value))],
            "delete": [Delete(LEAVES, DEFAULT_TENANT, key(position))],
            "move": [Put(LEAVES, DEFAULT_TENANT, key(99), row.value), Delete(LEAVES, DEFAULT_TENANT, key(position))],
        }[change]
        await bench.store.commit(writes)
        if change == "flip":
            await refused(ledger.verify, "entry", position, "its hash is")
        else:
            await refused(ledger.verify, "leaf hash", position, "its row is missing")

    bench(main)


@pytest.mark.parametrize("size", [2, 4])
def test_a_changed_checkpoint(bench, make_entry, size):
    async def main(bench):
        ledger = await signed(bench, make_entry, 4)
        row = await bench.store.get(CHECKPOINTS, DEFAULT_TENANT, key(size))
        for at in range(0, len(row.value), 97):
            await bench.store.commit([Put(CHECKPOINTS, DEFAULT_TENANT, key(size), flipped(row.value, at))])
            if decoded_note(flipped(row.value, at)) == decoded_note(row.value):
                continue  # the flip hit the row's own date or id, which say nothing about the log
            await refused(ledger.verify, "checkpoint", size)
            if size == 4:
                await refused(bench.open, "checkpoint", size)
        await bench.store.commit([Put(CHECKPOINTS, DEFAULT_TENANT, key(size), row.value)])
        assert (await ledger.verify()).checkpoints == 2

    bench(main)


def decoded_note(data):
    try:
        return decode(data, _SignedNote).note
    except WireError:
        return None


def test_a_checkpoint_stored_under_another_size(bench, make_entry):
    async def main(bench):
        ledger = await signed(bench, make_entry, 4)
        row = await bench.store.get(CHECKPOINTS, DEFAULT_TENANT, key(2))
        await bench.store.commit([Put(CHECKPOINTS, DEFAULT_TENANT, key(3), row.value)])
        await refused(ledger.verify, "checkpoint", 3, "it is of size 2")

    bench(main)


def test_a_checkpoint_signed_by_another_key(bench, make_entry, signer):
    from phalanx.ledger._checkpoint import sign_checkpoint

    async def main(bench):
        ledger = await signed(bench, make_entry, 4)
        stranger = HybridSigner.generate()
        await refused(lambda: bench.open(stranger), "checkpoint", 4, "signature of the expected key is missing")
        row = decode((await bench.store.get(CHECKPOINTS, DEFAULT_TENANT, key(4))).value, _SignedNote)
        forged = sign_checkpoint(stranger, ledger.origin, 4, bytes(32), 0)
        record = _SignedNote(id=row.id, tenant=row.tenant, trace=row.trace, at_ns=row.at_ns, note=forged.note)
        await bench.store.commit([Put(CHECKPOINTS, DEFAULT_TENANT, key(4), encode(record))])
        await refused(ledger.verify, "checkpoint", 4, "signature of the expected key is missing")
        own = sign_checkpoint(signer, ledger.origin, 4, bytes(32), 0)
        record = _SignedNote(id=row.id, tenant=row.tenant, trace=row.trace, at_ns=row.at_ns, note=own.note)
        await bench.store.commit([Put(CHECKPOINTS, DEFAULT_TENANT, key(4), encode(record))])
        await refused(ledger.verify, "checkpoint", 4, "not the ones it was signed over")
        await refused(bench.open, "checkpoint", 4, "not the ones it was signed over")

    bench(main)


def test_a_checkpoint_of_an_empty_log_has_the_empty_root(bench, make_entry, signer):
    from phalanx.ledger._checkpoint import sign_checkpoint

    async def main(bench):
        ledger = await bench.filled(1)
        own = sign_checkpoint(signer, ledger.origin, 0, bytes(32), 0)
        row = _SignedNote(id="c", tenant=DEFAULT_TENANT, trace="", at_ns=0, note=own.note)
        await bench.store.commit([Put(CHECKPOINTS, DEFAULT_TENANT, key(0), encode(row))])
        await refused(ledger.verify, "checkpoint", 0, "not the ones it was signed over")

    bench(main)


def test_a_checkpoint_under_a_key_that_is_no_size(bench, make_entry):
    async def main(bench):
        ledger = await signed(bench, make_entry, 4)
        await bench.store.commit([Put(CHECKPOINTS, DEFAULT_TENANT, "x", b"")])
        await refused(ledger.verify, "table ledger_checkpoints", 0, "'x' is no position")

    bench(main)
