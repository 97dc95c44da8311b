"""Whatever is changed behind the ledger's back is named by an audit, and most of it before."""

import pytest

from phalanx.core import DEFAULT_TENANT, Delete, Put, decode, encode
from phalanx.crypto import HybridSigner
from phalanx.ledger import InvalidProof, LedgerTampered, leaf_hash
from phalanx.ledger._checkpoint import sign_checkpoint
from phalanx.ledger._id_index import ID_PAGES, ID_RUNS, run_key, run_puts
from phalanx.ledger._ids import build_run, fingerprint
from phalanx.ledger._record import split_record
from phalanx.ledger._shelf import CHECKPOINTS, SignedNote
from phalanx.ledger._tree import TILES, tile_key

pytestmark = pytest.mark.requirement("IRS-4")


def flipped(data, at=10, bit=0):
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def key(position):
    return f"{position:019d}"


async def signed(bench, n, *, then=0):
    """A ledger of ``n`` entries with checkpoints at 2 and at ``n``, and ``then`` entries more."""
    ledger = await bench.filled(2)
    await ledger.checkpoint()
    await bench.fill(ledger, range(2, n))
    await ledger.checkpoint()
    await bench.fill(ledger, range(n, n + then))
    return ledger


async def refused(call, what, position, reason=None):
    with pytest.raises(LedgerTampered, match=reason) as caught:
        await call()
    assert (caught.value.what, caught.value.position) == (what, position)


async def change(bench, table, row_key, value):
    await bench.store.commit(
        [Delete(table, DEFAULT_TENANT, row_key) if value is None else Put(table, DEFAULT_TENANT, row_key, value)]
    )


async def row(bench, table, row_key):
    return (await bench.store.get(table, DEFAULT_TENANT, row_key)).value


@pytest.mark.parametrize("index", [0, 3, 5, 7])
def test_a_changed_entry(bench, make_entry, index):
    """Entries 0–5 are signed, 6 and 7 are not yet."""

    async def main(bench):
        bench.ids_per_page = 100  # so that opening has to read all of it
        ledger = await signed(bench, 6, then=2)
        good = bench.journal.records[index]
        bench.journal.records[index] = good.replace(b'"approved"', b'"refused!"')
        assert bench.journal.records[index] != good
        await refused(ledger.verify, "entry", index, "its hash is")
        await refused(lambda: ledger.entry(make_entry(index).id), "entry", index, "not the ones that were recorded")
        await refused(lambda: ledger.entries(-1, 100), "entry", index, "not the ones that were recorded")
        await refused(bench.open, "entry", index, "not the ones that were recorded")

    bench(main)


def test_every_bit_of_a_record_counts(bench):
    """Metadata, framing, seal and sealed payload, signed and not; also when nobody can open it any more."""

    async def main(bench):
        ledger = await signed(bench, 5, then=2)
        for index in (1, 6):
            good = bench.journal.records[index]
            n_leaf = len(split_record(good)[0])
            for at in range(len(good)):
                bench.journal.records[index] = flipped(good, at, at % 8)
                with pytest.raises(LedgerTampered) as caught:
                    await ledger.verify()
                assert caught.value.position == index
                assert caught.value.what == ("entry" if at < 3 + n_leaf else "payload")
            bench.sealers.shred(DEFAULT_TENANT)
            for at in range(3 + n_leaf, len(good)):
                bench.journal.records[index] = flipped(good, at, at % 8)
                await refused(ledger.verify, "payload", index)
            bench.journal.records[index] = good
        assert (await ledger.verify()).payloads_gone == 7

    bench(main)


def test_every_byte_of_a_row_counts(bench):
    """Tiles of two levels with their checksums, ids, and checkpoints."""

    async def main(bench):
        bench.ids_per_page = 64
        ledger = await signed(bench, 300)
        named = {TILES: ("leaf hash", "checksum", "tile of level 1"), ID_PAGES: ("id index",), ID_RUNS: ("id index",)}
        for table in (TILES, ID_PAGES, ID_RUNS, CHECKPOINTS):
            rows = await bench.store.scan(table, DEFAULT_TENANT)
            assert rows
            seen = set()
            for one in rows:
                step = max(1, len(one.value) // 40)
                for at in {*range(0, len(one.value), step), len(one.value) - 1}:
                    await change(bench, table, one.key, flipped(one.value, at, at % 8))
                    with pytest.raises(LedgerTampered) as caught:
                        await ledger.verify()
                    assert caught.value.what in named.get(table, ("checkpoint",))
                    seen.add(caught.value.what)
                await change(bench, table, one.key, one.value)
            assert seen == set(named.get(table, ("checkpoint",)))
        assert (await ledger.verify()).size == 300

    bench(main)


@pytest.mark.parametrize("how", ["missing", "short", "long", "doubled"])
@pytest.mark.parametrize("table", [TILES, ID_PAGES, ID_RUNS])
def test_rows_that_are_missing_or_too_many(bench, table, how):
    async def main(bench):
        bench.ids_per_page = 64
        ledger = await signed(bench, 300)
        for one in await bench.store.scan(table, DEFAULT_TENANT):
            value = {"missing": None, "short": one.value[:-1], "long": one.value + b"x"}.get(how, one.value)
            row_key = one.key
            if how == "doubled":
                row_key = one.key.replace("0000", "7777", 1)
            await change(bench, table, row_key, value)
            with pytest.raises(LedgerTampered):
                await ledger.verify()
            await change(bench, table, one.key, one.value)
            if how == "doubled":
                await change(bench, table, row_key, None)
        assert (await ledger.verify()).size == 300

    bench(main)


@pytest.mark.parametrize("name", ["", "0", "0/x", "0/00", "1/0000000000000000000x", "7/0000000000000000000", "9/", "~"])
def test_a_row_beside_the_tiles(bench, name):
    async def main(bench):
        ledger = await signed(bench, 300)
        good = await row(bench, TILES, tile_key(0, 0))
        await change(bench, TILES, name or tile_key(0, 0) + "x", good)
        await refused(ledger.verify, "table ledger_tiles", 0, "is no tile of a log of 300 entries")

    bench(main)


def test_pages_of_a_merge_that_was_not_finished_are_no_forgery(bench):
    async def main(bench):
        ledger = await bench.filled(15 * 4)
        index = ledger._ids
        await bench.fill(ledger, range(15 * 4, 16 * 4))
        await ledger.close()
        # As it was before the runs were replaced by one: the pages of both are there.
        (merged,) = index._runs
        pages = await bench.store.scan(ID_PAGES, DEFAULT_TENANT)
        for start in range(0, 16 * 4, 4):
            found = [fingerprint(one.entry.id) for one in await ledger.entries(start - 1, 4)]
            built = build_run(start, found, page_ids=4)
            await bench.store.commit(run_puts(built))
        await change(bench, ID_RUNS, run_key(merged), None)
        assert (await ledger.verify()).size == 64
        await change(bench, ID_PAGES, pages[3].key, flipped(pages[3].value, 30))
        await refused(ledger.verify, "id index", 0, "checksum")
        await change(bench, ID_PAGES, pages[3].key, None)
        await change(bench, ID_PAGES, pages[3].key.replace("/0003", "/0099"), pages[3].value)
        await refused(ledger.verify, "id index", 0, "is of none of its runs")

    bench(main)


def test_an_entry_changed_together_with_its_stored_hash(bench):
    async def main(bench):
        ledger = await signed(bench, 6)
        forged = bench.journal.records[4].replace(b'"approved"', b'"refused!"')
        bench.journal.records[4] = forged
        tile = await row(bench, TILES, tile_key(0, 0))
        await change(bench, TILES, tile_key(0, 0), tile[: 4 * 32] + leaf_hash(split_record(forged)[0]) + tile[5 * 32 :])
        await refused(ledger.verify, "payload", 4)  # it was sealed for the leaf as it was
        await refused(bench.open, "checkpoint", 6, "not the ones it was signed over")
        bench.sealers.shred(DEFAULT_TENANT)
        await refused(ledger.verify, "payload", 4, "checksum")

    bench(main)


def test_an_entry_changed_with_everything_that_is_kept_of_it(bench):
    """Only the signature is left to tell."""
    import zlib

    async def main(bench):
        ledger = await signed(bench, 6)
        forged = bench.journal.records[4].replace(b'"approved"', b'"refused!"')
        bench.journal.records[4] = forged
        tile = await row(bench, TILES, tile_key(0, 0))
        sums = tile[6 * 32 :]
        sums = sums[:16] + zlib.crc32(forged).to_bytes(4) + sums[20:]
        await change(
            bench,
            TILES,
            tile_key(0, 0),
            tile[: 4 * 32] + leaf_hash(split_record(forged)[0]) + tile[5 * 32 : 6 * 32] + sums,
        )
        bench.sealers.shred(DEFAULT_TENANT)
        await refused(ledger.verify, "checkpoint", 6, "not the ones it was signed over")
        await refused(bench.open, "checkpoint", 6, "not the ones it was signed over")

    bench(main)


def test_swapped_entries(bench):
    async def main(bench):
        ledger = await signed(bench, 4)
        records = bench.journal.records
        records[1], records[2] = records[2], records[1]
        await refused(ledger.verify, "entry", 1, "its hash is")

    bench(main)


@pytest.mark.parametrize("kept", [0, 3, 5])
def test_a_truncated_journal(bench, kept):
    """Five entries, four of them signed; also the unsigned tail is missed."""

    async def main(bench):
        ledger = await signed(bench, 4, then=2)
        del bench.journal.records[kept:]
        await refused(ledger.verify, "entry", kept, "the journal ends here, and 6 entries were recorded")
        await refused(bench.open, "entry", kept, "the journal ends here, and 6 entries were recorded")

    bench(main)


def test_a_removed_entry(bench):
    async def main(bench):
        ledger = await signed(bench, 4)
        del bench.journal.records[1]
        await refused(ledger.verify, "entry", 3, "the journal ends here, and 4 entries were recorded")
        await refused(bench.open, "entry", 3, "the journal ends here, and 4 entries were recorded")

    bench(main)


def test_everything_truncated_but_the_checkpoints(bench):
    async def main(bench):
        bench.ids_per_page = 100
        ledger = await signed(bench, 4)
        tile = await row(bench, TILES, tile_key(0, 0))
        del bench.journal.records[3:]
        await change(bench, TILES, tile_key(0, 0), tile[: 3 * 32] + tile[4 * 32 : 4 * 32 + 12])
        await refused(bench.open, "checkpoint", 4, "the log holds 3 entries, fewer than were signed")
        await refused(ledger.verify, "entry", 3, "the journal ends here")

    bench(main)


def test_ids_of_more_entries_than_there_are(bench):
    async def main(bench):
        await signed(bench, 4)
        tile = await row(bench, TILES, tile_key(0, 0))
        await change(bench, TILES, tile_key(0, 0), tile[: 3 * 32] + tile[4 * 32 : 4 * 32 + 12])
        await refused(bench.open, "id index", 3, "past the last entry")

    bench(main)


def test_a_journal_that_lost_its_beginning(bench):
    async def main(bench):
        ledger = await signed(bench, 4)
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


def test_tiles_that_do_not_fit_each_other_are_refused_at_once(bench):
    async def main(bench):
        ledger = await signed(bench, 300)
        good = await row(bench, TILES, tile_key(1, 0))
        for value in (None, good + good, b"", good[:-1]):
            await change(bench, TILES, tile_key(1, 0), value)
            await refused(bench.open, "tile of level 1", 0)
            await refused(ledger.verify, "tile of level 1", 0)
        await change(bench, TILES, "0/x", good)
        await refused(bench.open, "table ledger_tiles", 0, "is no tile")

    bench(main)


def test_a_tile_that_was_changed_gives_no_proof_of_it(bench):
    """A proof is computed from tiles; one from a forged tile does not lead to the signed root."""

    async def main(bench):
        await signed(bench, 300)
        tile = await row(bench, TILES, tile_key(0, 0))
        await change(bench, TILES, tile_key(0, 0), flipped(tile, 32))
        ledger = await bench.open()
        checkpoint = await ledger.checkpoint()
        found = (await ledger.entries(-1, 1))[0]
        proof = await ledger.prove(0, 300)
        with pytest.raises(InvalidProof, match="another root"):
            proof.verify(found.leaf, checkpoint.root)

    bench(main)


def test_a_checkpoint_stored_under_another_size(bench):
    async def main(bench):
        ledger = await signed(bench, 4)
        await change(bench, CHECKPOINTS, key(3), await row(bench, CHECKPOINTS, key(2)))
        await refused(ledger.verify, "checkpoint", 3, "it is of size 2")

    bench(main)


def test_a_checkpoint_signed_by_another_key(bench, signer):
    async def main(bench):
        ledger = await signed(bench, 4)
        stranger = HybridSigner.generate()
        await refused(lambda: bench.open(stranger), "checkpoint", 4, "signature of the expected key is missing")
        stored = decode(await row(bench, CHECKPOINTS, key(4)), SignedNote)
        for by, reason in (
            (stranger, "signature of the expected key is missing"),
            (signer, "not the ones it was signed"),
        ):
            forged = sign_checkpoint(by, ledger.origin, 4, bytes(32), stored.at_ns // 10**9)
            record = SignedNote(
                id=stored.id, tenant=stored.tenant, trace=stored.trace, at_ns=stored.at_ns, note=forged.note
            )
            await change(bench, CHECKPOINTS, key(4), encode(record))
            await refused(ledger.verify, "checkpoint", 4, reason)
            await refused(bench.open, "checkpoint", 4, reason)

    bench(main)


def test_a_checkpoint_of_an_empty_log_has_the_empty_root(bench, signer):
    from phalanx.ledger._shelf import checkpoint_row

    async def main(bench):
        ledger = await bench.filled(1)
        own = sign_checkpoint(signer, ledger.origin, 0, bytes(32), 0)
        await change(bench, CHECKPOINTS, key(0), checkpoint_row(own))
        await refused(ledger.verify, "checkpoint", 0, "not the ones it was signed over")

    bench(main)


def test_a_checkpoint_past_the_end(bench, signer):
    from phalanx.ledger._shelf import checkpoint_row

    async def main(bench):
        ledger = await bench.filled(1)
        own = sign_checkpoint(signer, ledger.origin, 2, bytes(32), 0)
        await change(bench, CHECKPOINTS, key(2), checkpoint_row(own))
        await refused(ledger.verify, "checkpoint", 2, "fewer than were signed")
        await refused(bench.open, "checkpoint", 2, "fewer than were signed")

    bench(main)


def test_a_checkpoint_under_a_key_that_is_no_size(bench):
    async def main(bench):
        ledger = await signed(bench, 4)
        await change(bench, CHECKPOINTS, "x", b"")
        await refused(ledger.verify, "table ledger_checkpoints", 0, "'x' is no position")

    bench(main)
