import asyncio
import hashlib
import json

import pytest

from phalanx.core import (
    DEFAULT_TENANT,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Overloaded,
    StorageFull,
    Waypoint,
    decode,
)
from phalanx.ledger import (
    EMPTY_ROOT,
    HashTree,
    commit,
    encode_leaf,
    encode_payload,
    leaf_hash,
    root,
    verify_checkpoint,
)
from phalanx.ledger._limits import MAX_GROUP_ENTRIES, MAX_LEAF_BYTES, MAX_PAYLOAD_BYTES, MAX_WAITING_ENTRIES
from phalanx.ledger._record import split_record
from phalanx.telemetry import WAYPOINTS

pytestmark = pytest.mark.requirement("IRS-4")


def test_an_entry_comes_back_as_it_was_recorded(bench, make_entry):
    async def main(bench):
        ledger = await bench.open()
        first = await ledger.record(make_entry(0))
        second = await ledger.record(make_entry(1, body={}))
        assert (first.index, second.index, ledger.size) == (0, 1, 2)
        assert first.entry == make_entry(0).id
        found = await ledger.entry(first.entry)
        assert found.entry == make_entry(0)
        assert (found.index, found.leaf_hash) == (0, first.leaf_hash)
        assert leaf_hash(found.leaf).hex() == first.leaf_hash
        assert [split_record(record)[0] for record in bench.journal.records] == [
            found.leaf,
            (await ledger.entry(second.entry)).leaf,
        ]
        with pytest.raises(NotFound):
            await ledger.entry("nobody")

    bench(main)


def test_a_leaf_is_canonical_json(bench, make_entry):
    async def main(bench):
        ledger = await bench.filled(1)
        leaf = (await ledger.entry(make_entry(0).id)).leaf
        assert leaf == json.dumps(json.loads(leaf), sort_keys=True, separators=(",", ":")).encode()

    bench(main)


def test_the_bytes_of_a_leaf_never_change(make_entry):
    """Every hash ever handed out depends on them."""
    leaf = encode_leaf(make_entry(1, id="00000000-0000-7000-8000-000000000001", custody=("sensor",)), bytes(range(32)))
    assert leaf == (
        b'{"action":"approved","actor":"policy","at_ns":1767225600000000001,'
        b'"case":"host-1","commitment":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",'
        b'"custody":["sensor"],'
        b'"id":"00000000-0000-7000-8000-000000000001","kind":"ledger-entry","subject":"proposal-1",'
        b'"tenant":"default","trace":"trace-1","v":2}'
    )
    assert leaf_hash(leaf).hex() == hashlib.sha256(b"\x00" + leaf).hexdigest()
    payload = encode_payload({"b": [1, 2.5, None], "a": {"z": True}})
    assert payload == b'{"a":{"z":true},"b":[1,2.5,null]}'
    committed = hashlib.sha256(b"phalanx/ledger/payload/v1\x00" + bytes(range(32)) + payload)
    assert commit(bytes(range(32)), payload) == committed.digest()


def test_entries_are_read_in_pages(bench):
    async def main(bench):
        ledger = await bench.filled(5)
        assert [found.index for found in await ledger.entries(-1, 2)] == [0, 1]
        assert [found.index for found in await ledger.entries(1, 10)] == [2, 3, 4]
        assert await ledger.entries(4, 10) == []
        assert await ledger.entries(99, 10) == []
        assert await ledger.entries(-1, 0) == []

    bench(main)


def test_the_same_id_gives_the_first_receipt(bench, make_entry):
    async def main(bench):
        ledger = await bench.open()
        receipts = await asyncio.gather(*(ledger.record(make_entry(n % 3)) for n in range(9)))
        assert ledger.size == 3
        assert all(receipt == receipts[n % 3] for n, receipt in enumerate(receipts))
        assert bench.records == []
        assert await ledger.record(make_entry(0, actor="somebody else")) == receipts[0]
        assert ledger.size == 3
        assert (await ledger.entry(receipts[0].entry)).entry.actor == "policy"
        (warning,) = bench.records
        assert warning.event.startswith("ledger entry sent again with other content")

    bench(main)


def test_entries_that_come_during_an_append_share_the_next(bench, make_entry):
    async def main(bench):
        ledger = await bench.open()
        bench.journal.gate.clear()
        n = 2 * MAX_GROUP_ENTRIES + 5
        tasks = [asyncio.create_task(ledger.record(make_entry(0)))]
        await bench.world.clock.sleep(1)  # virtual: the first entry is on its way, alone
        tasks += [asyncio.create_task(ledger.record(make_entry(number))) for number in range(1, n)]
        await bench.world.clock.sleep(1)
        bench.journal.gate.set()
        receipts = await asyncio.gather(*tasks)
        assert bench.journal.appends == [1, MAX_GROUP_ENTRIES, MAX_GROUP_ENTRIES, 4]
        assert sorted(receipt.index for receipt in receipts) == list(range(n))
        assert (await ledger.verify()).size == n

    bench(main)


def test_too_many_waiting_entries_are_refused(bench, make_entry):
    async def main(bench):
        ledger = await bench.open()
        bench.journal.gate.clear()
        n = MAX_WAITING_ENTRIES + MAX_GROUP_ENTRIES + 1
        tasks = [asyncio.create_task(ledger.record(make_entry(number))) for number in range(n)]
        # While the journal stands still, only a refusal can come back.
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        bench.journal.gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        refused = [number for number, result in enumerate(results) if isinstance(result, Overloaded)]
        assert refused
        assert ledger.size == n - len(refused)
        assert (await ledger.record(make_entry(refused[0]))).index == n - len(refused)

    bench(main)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"text": "x" * MAX_PAYLOAD_BYTES}, LimitExceeded),
        ({"thing": object()}, InvalidInput),
        ({"text": "\ud800"}, InvalidInput),
    ],
)
def test_what_cannot_be_recorded_is_refused_and_nothing_is_written(bench, make_entry, body, error):
    async def main(bench):
        ledger = await bench.open()
        with pytest.raises(error):
            await ledger.record(make_entry(0, body=body))
        assert (ledger.size, bench.journal.records) == (0, [])

    bench(main)


@pytest.mark.parametrize(("subject", "error"), [("x" * MAX_LEAF_BYTES, LimitExceeded), ("\ud800", InvalidInput)])
def test_metadata_that_cannot_be_recorded_is_refused(bench, make_entry, subject, error):
    async def main(bench):
        ledger = await bench.open()
        with pytest.raises(error):
            await ledger.record(make_entry(0, subject=subject))
        assert (ledger.size, bench.journal.records) == (0, [])

    bench(main)


def test_a_waypoint_tells_of_each_entry(bench, make_entry):
    async def main(bench):
        subscription = bench.telemetry.feed.subscribe("default")
        ledger = await bench.open()
        receipt = await ledger.record(make_entry(7))
        rows = await bench.store.find(WAYPOINTS, DEFAULT_TENANT, "trace", "trace-7")
        (told,) = (decode(row.value, Waypoint) for row in rows)
        assert (told.room, told.stage, told.subject) == ("ledger", "ledger", receipt.entry)
        assert told.detail == {"index": 0, "leaf_hash": receipt.leaf_hash}
        assert "policy approved proposal-7" in told.summary
        assert await anext(subscription) == told

    bench(main)


def test_a_full_journal_refuses_and_recovers(bench, make_entry):
    async def main(bench):
        ledger = await bench.filled(1)
        bench.journal.full = True
        with pytest.raises(StorageFull):
            await ledger.record(make_entry(1))
        assert ledger.size == 1
        bench.journal.full = False
        assert (await ledger.record(make_entry(1))).index == 1

    bench(main)


def test_no_receipt_is_given_before_its_waypoint_is_stored(bench, make_entry):
    async def main(bench):
        ledger = await bench.filled(1)
        bench.store.full = True
        results = await asyncio.gather(*(ledger.record(make_entry(n)) for n in (1, 2)), return_exceptions=True)
        assert [type(result) for result in results] == [StorageFull, StorageFull]
        with pytest.raises(StorageFull):
            await ledger.record(make_entry(1))
        with pytest.raises(StorageFull):
            await ledger.record(make_entry(3))
        bench.store.full = False
        assert [(await ledger.record(make_entry(n))).index for n in (1, 2, 3)] == [1, 2, 3]
        assert len(bench.journal.records) == 4
        rows = await bench.store.scan(WAYPOINTS, DEFAULT_TENANT)
        assert sorted(decode(row.value, Waypoint).detail["index"] for row in rows) == [0, 1, 2, 3]
        assert (await ledger.verify()).size == 4

    bench(main)


def test_a_restart_between_append_and_commit_tells_the_waypoint_once(bench, make_entry):
    async def main(bench):
        ledger = await bench.filled(1)
        bench.store.full = True
        with pytest.raises(StorageFull):
            await ledger.record(make_entry(1))
        bench.store.full = False
        for _ in range(2):
            ledger = await bench.open()
            assert (await ledger.record(make_entry(1))).index == 1
        assert len(bench.journal.records) == 2
        rows = await bench.store.scan(WAYPOINTS, DEFAULT_TENANT)
        assert sorted(decode(row.value, Waypoint).detail["index"] for row in rows) == [0, 1]

    bench(main)


def test_whoever_stops_waiting_leaves_the_others_alone(bench, make_entry):
    async def main(bench):
        ledger = await bench.open()
        tasks = [asyncio.create_task(ledger.record(make_entry(n))) for n in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[1], asyncio.CancelledError)
        assert results[0].index in range(3)
        assert results[2].index in range(3)
        assert (await ledger.record(make_entry(1))).entry == make_entry(1).id
        assert ledger.size == 3

    bench(main)


def test_closing_waits_for_what_is_under_way(bench, make_entry):
    async def main(bench):
        ledger = await bench.open()
        await ledger.close()
        tasks = [asyncio.create_task(ledger.record(make_entry(n))) for n in range(3)]
        await asyncio.sleep(0)
        await ledger.close()
        assert len(bench.journal.records) == 3
        await asyncio.gather(*tasks)

    bench(main)


def test_a_checkpoint_is_signed_when_the_log_grew_and_only_then(bench, make_entry, signer):
    async def main(bench):
        ledger = await bench.open()
        empty = await ledger.checkpoint()
        assert (empty.size, empty.root) == (0, EMPTY_ROOT.hex())
        await ledger.record(make_entry(0))
        await ledger.record(make_entry(1))
        both = await asyncio.gather(ledger.checkpoint(), ledger.checkpoint())
        assert both[0] is both[1]
        assert verify_checkpoint(both[0].note, signer.public) == both[0]
        assert both[0].root == root(HashTree(leaf_hash(split_record(one)[0]) for one in bench.journal.records), 2).hex()
        assert (await (await bench.open()).checkpoint()) == both[0]
        report = await ledger.verify()
        assert (report.size, report.checkpoints, report.signed_size, report.root) == (2, 2, 2, both[0].root)
        await ledger.record(make_entry(2))
        report = await ledger.verify()
        assert (report.size, report.signed_size) == (3, 2)

    bench(main)


def test_a_checkpoint_whose_commit_lost_its_answer_is_the_one_of_its_size(bench, make_entry):
    async def main(bench):
        ledger = await bench.filled(2)
        commit_rows = bench.store.commit

        async def unanswered(writes, *, expect=()):
            await commit_rows(writes, expect=expect)
            raise StorageFull("the answer was lost")

        bench.store.commit = unanswered
        with pytest.raises(StorageFull):
            await ledger.checkpoint()
        bench.store.commit = commit_rows
        await bench.world.clock.sleep(60)  # signed anew it would have another time
        found = await ledger.checkpoint()
        assert found == await ledger.signed(2) == await ledger.newest()
        assert (await bench.open()).size == 2

    bench(main)


def test_a_proof_holds_against_the_checkpoint_of_its_size(bench, make_entry):
    async def main(bench):
        ledger = await bench.filled(6)
        checkpoint = await ledger.checkpoint()
        await ledger.record(make_entry(6))
        for index in range(6):
            proof = await ledger.prove(index, checkpoint.size)
            assert proof.root == checkpoint.root
            proof.verify((await ledger.entries(index - 1, 1))[0].leaf, checkpoint.root)
        assert (await ledger.prove(6)).size == 7
        for index, size in ((7, None), (6, 6), (-1, None), (0, 8)):
            with pytest.raises(NotFound):
                await ledger.prove(index, size)

    bench(main)


def test_an_opened_ledger_goes_on_where_it_was(bench, make_entry):
    async def main(bench):
        before = await bench.filled(5)
        receipts = [await before.record(make_entry(n)) for n in range(5)]
        after = await bench.open()
        assert (after.size, after.origin) == (5, before.origin)
        assert [await after.record(make_entry(n)) for n in range(5)] == receipts
        assert (await after.record(make_entry(5))).index == 5
        assert await after.prove(2) == await (await bench.open()).prove(2)
        assert bench.journal.appends == [1] * 6

    bench(main)
