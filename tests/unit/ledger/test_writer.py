"""Two stages at once: one group is appended while the one before it is committed, and never too far ahead."""

import asyncio

import pytest

from phalanx.core import AuditReceipt, StorageFull

pytestmark = pytest.mark.requirement("IRS-4")


def gated(bench):
    """Hold the store's commits back until the returned event is set."""
    gate, write = asyncio.Event(), bench.store._store.commit

    async def commit(writes, *, expect=()):
        await gate.wait()
        return await write(writes, expect=expect)

    bench.store._store.commit = commit
    return gate


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr("phalanx.ledger._writer.MAX_GROUP_ENTRIES", 2)
    monkeypatch.setattr("phalanx.ledger._writer.MAX_UNTOLD_ENTRIES", 6)


def test_the_next_group_is_appended_while_one_is_committed(bench, make_entry, small):
    async def main(bench):
        ledger = await bench.open()
        gate = gated(bench)
        tasks = [asyncio.create_task(ledger.record(make_entry(number))) for number in range(20)]
        await bench.world.clock.sleep(1)  # virtual: whatever can happen has happened
        # Appended is what may be untold, and not a group more; nobody has a receipt.
        assert len(bench.journal.records) == 6
        assert not any(task.done() for task in tasks)
        assert ledger.size == 0
        gate.set()
        receipts = await asyncio.gather(*tasks)
        assert sorted(receipt.index for receipt in receipts) == list(range(20))
        assert bench.journal.appends == [2] * 10
        assert (await ledger.verify()).size == 20

    bench(main)


def test_no_checkpoint_is_of_what_has_no_receipt(bench, make_entry, small):
    async def main(bench):
        ledger = await bench.filled(3)
        write, gate = bench.store._store.commit, gated(bench)
        task = asyncio.create_task(ledger.record(make_entry(3)))
        await bench.world.clock.sleep(1)
        assert len(bench.journal.records) == 4
        assert ledger.size == 3
        bench.store._store.commit = write
        assert (await ledger.checkpoint()).size == 3
        gate.set()
        assert (await task).index == 3
        assert (await ledger.checkpoint()).size == 4

    bench(main)


def test_who_asks_again_before_the_commit_waits_for_it(bench, make_entry):
    async def main(bench):
        ledger = await bench.open()
        gate = gated(bench)
        first = asyncio.create_task(ledger.record(make_entry(0)))
        await bench.world.clock.sleep(1)
        again = asyncio.create_task(ledger.record(make_entry(0)))
        other = asyncio.create_task(ledger.record(make_entry(0, actor="somebody else")))
        await bench.world.clock.sleep(1)
        assert not any(task.done() for task in (first, again, other))
        gate.set()
        receipts = await asyncio.gather(first, again, other)
        assert receipts == [receipts[0]] * 3
        assert isinstance(receipts[0], AuditReceipt)
        assert len(bench.journal.records) == 1
        assert len([one for one in bench.records if one.event.startswith("ledger entry sent again")]) == 1

    bench(main)


def test_a_full_store_fails_everybody_who_waits_and_then_tells_them_in_order(bench, make_entry, small):
    async def main(bench):
        ledger = await bench.filled(1)
        bench.store.full = True
        numbers = range(1, 8)
        failed = await asyncio.gather(*(ledger.record(make_entry(n)) for n in numbers), return_exceptions=True)
        assert {type(one) for one in failed} == {StorageFull}
        untold = len(bench.journal.records) - 1
        assert 0 < untold <= 6
        # While the store is full nothing more is appended.
        with pytest.raises(StorageFull):
            await ledger.record(make_entry(99))
        assert len(bench.journal.records) == 1 + untold
        bench.store.full = False
        receipts = [await ledger.record(make_entry(n)) for n in numbers]
        assert sorted(receipt.index for receipt in receipts) == list(range(1, 8))
        assert (await ledger.verify()).size == 8

    bench(main)


def test_runs_are_merged_beside_and_nothing_is_lost(bench, make_entry):
    async def main(bench):
        bench.ids_per_page = 2
        ledger = await bench.open()
        await bench.fill(ledger, range(100))
        await ledger.close()
        runs = ledger._ids._runs
        assert [run.end - run.start for run in runs] == [32, 32, 32, 2, 2]
        for number in range(100):
            assert (await ledger.record(make_entry(number))).entry == make_entry(number).id
        assert ledger.size == 100
        assert (await ledger.verify()).size == 100
        assert [run.end for run in (await bench.open())._ids._runs] == [run.end for run in runs]

    bench(main)
