"""Ledgers whose leaf hashes lie in rows of their own get tiles when they are opened."""

import pytest

from phalanx.core import DEFAULT_TENANT, Put, StorageFull
from phalanx.ledger import LedgerTampered, leaf_hash
from phalanx.ledger._shelf import LEAVES
from phalanx.telemetry import WAYPOINTS

pytestmark = pytest.mark.requirement("IRS-4")

N = 40


def v1_leaf(number):
    return (
        b'{"action":"approved","actor":"policy","at_ns":1,"body":{"n":%d},"case":"c","id":"old-%d",'
        b'"kind":"ledger-entry","subject":"s","tenant":"default","trace":"t","v":1}' % (number, number)
    )


async def old_ledger(bench):
    """As it was left: records, a row per leaf hash, and one entry appended and not told."""
    bench.journal.records.extend(v1_leaf(number) for number in range(N + 1))
    puts = [Put(LEAVES, DEFAULT_TENANT, f"{n:019d}", leaf_hash(v1_leaf(n))) for n in range(N)]
    await bench.store.commit(puts)


async def check(bench, make_entry):
    ledger = await bench.open()
    assert ledger.size == N + 1
    assert await bench.store.scan(LEAVES, DEFAULT_TENANT) == []
    # The others were told of when they were recorded.
    assert len(await bench.store.scan(WAYPOINTS, DEFAULT_TENANT)) == 1
    assert (await ledger.entry("old-7")).entry.body == {"n": 7}
    await ledger.record(make_entry(0))
    assert (await ledger.verify()).size == N + 2
    assert (await (await bench.open()).verify()).size == N + 2


def test_an_old_ledger_gets_tiles_and_loses_its_rows(bench, make_entry):
    async def main(bench):
        await old_ledger(bench)
        await check(bench, make_entry)

    bench(main)


@pytest.mark.parametrize("commits", [0, 1, 2])
def test_an_upgrade_that_was_cut_short_goes_on(bench, make_entry, commits, monkeypatch):
    monkeypatch.setattr("phalanx.ledger._opening.PAGE_ENTRIES", 15)

    async def main(bench):
        await old_ledger(bench)
        write, left = bench.store._store.commit, [commits]

        async def commit(writes, *, expect=()):
            if not left[0]:
                raise StorageFull("the store")
            left[0] -= 1
            return await write(writes, expect=expect)

        bench.store._store.commit = commit
        with pytest.raises(StorageFull):
            await bench.open()
        bench.store._store.commit = write
        await check(bench, make_entry)

    bench(main)


def test_an_old_ledger_that_was_changed_is_refused(bench):
    async def main(bench):
        await old_ledger(bench)
        bench.journal.records[9] = v1_leaf(9).replace(b'"approved"', b'"refused!"')
        with pytest.raises(LedgerTampered) as caught:
            await bench.open()
        assert (caught.value.what, caught.value.position) == ("entry", 9)
        del bench.journal.records[20:]
        with pytest.raises(LedgerTampered, match="ends here"):
            await bench.open()

    bench(main)
