import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import DEFAULT_TENANT
from phalanx.ledger._id_index import ID_PAGES, ID_RUNS, IdIndex, run_puts
from phalanx.ledger._ids import build_run, find_in_page, fingerprint, merge_runs, read_page
from phalanx.ledger._limits import RUN_FAN
from phalanx.testing import SimWorld

fingerprints = st.integers(0, 2**64 - 1)


@given(st.lists(fingerprints, min_size=1, max_size=300), st.integers(1, 40), st.integers(0, 2**40))
def test_a_run_finds_what_it_holds_and_nothing_else(found, page_ids, start):
    built = build_run(start, found, page_ids=page_ids)
    assert (built.run.start, built.run.end) == (start, start + len(found))
    assert len(built.pages) == built.run.n_pages == max(len(found) // page_ids, 1)
    for sought in {*found, 0, 2**64 - 1}:
        indexes = find_in_page(built.pages[built.run.page_of(sought)], sought)
        assert indexes == [start + at for at, one in enumerate(found) if one == sought]
        assert built.run.may_hold(sought) or not indexes
    assert sum(len(read_page(page)[0]) for page in built.pages) == len(found)


@given(st.lists(fingerprints, min_size=1, max_size=200), st.lists(fingerprints, min_size=40, max_size=80))
def test_one_by_one_and_many_at_once_say_the_same(held, asked):
    import numpy as np

    run = build_run(0, held, page_ids=8).run
    which = run.may_hold_which(np.array(asked, np.uint64)).tolist()
    assert which == [at for at, one in enumerate(asked) if run.may_hold(one)]


@given(st.lists(fingerprints, min_size=32, max_size=32))
def test_a_merged_run_is_the_one_built_at_once(found):
    parts = [build_run(at, found[at : at + 8], page_ids=4) for at in range(0, 32, 8)]
    merged = merge_runs(0, [page for part in parts for page in part.pages], page_ids=4)
    assert merged == build_run(0, found, page_ids=4)


def test_few_are_let_through_that_are_not_there():
    run = build_run(0, [fingerprint(str(number)) for number in range(4_096)], page_ids=4_096).run
    passed = sum(run.may_hold(fingerprint(f"other {number}")) for number in range(20_000))
    assert passed < 20_000 * 0.003


async def told(index, store, size):
    built = index.due(size)
    writes = [put for one in built for put in run_puts(one)]
    if writes:
        await store.commit(writes)
    index.adopt(built)
    while runs := index.mergeable():
        await index.replace(runs, await index.merged(runs))


@pytest.mark.requirement("IRS-4")
@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=12), st.data())
def test_ids_are_found_wherever_they_are(groups, data):
    """Recent, in small runs and in merged ones; before and after opening again."""

    async def main(world):
        store, offload = world.store("disk"), world.offload
        index, names = await IdIndex.open(store, offload, page_ids=2), []
        for n in groups:
            fresh = [f"id {len(names) + at}" for at in range(n)]
            assert not set(index.unsure([fingerprint(one) for one in names])) ^ set(range(len(names)))
            for one in fresh:
                index.remember(fingerprint(one))
            names += fresh
            await told(index, store, len(names))
        assert len(names) - index.stored < 2
        for opened in (index, await IdIndex.open(store, offload, page_ids=2)):
            assert opened.stored == index.stored
            at = data.draw(st.integers(0, index.stored - 1)) if index.stored else None
            if at is not None:
                assert at in await opened.find(names[at])
            assert await opened.find("nobody") in ([], [0])
        rows = await store.scan(ID_RUNS, DEFAULT_TENANT)
        assert len(rows) < 3 * RUN_FAN
        pages = await store.scan(ID_PAGES, DEFAULT_TENANT)
        assert len(pages) == index.stored // 2

    SimWorld(1).run(main)


def test_ids_that_share_a_fingerprint_are_all_found():
    async def main(world):
        store = world.store("disk")
        index = await IdIndex.open(store, world.offload, page_ids=2)
        shared = fingerprint("a")
        for _ in range(5):
            index.remember(shared)
        assert await index.find("a") == [0, 1, 2, 3, 4]
        await told(index, store, 5)
        assert index.stored == 4
        assert await index.find("a") == [0, 1, 2, 3, 4]

    SimWorld(1).run(main)
