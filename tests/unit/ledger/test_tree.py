"""The tree on a store: which tiles are kept, and what they weigh."""

import sys

import pytest

from phalanx.ledger import HashTree, inclusion_proof, leaf_hash, root
from phalanx.ledger._limits import MAX_TILE_BYTES
from phalanx.ledger._tiles import Tile
from phalanx.ledger._tree import TiledTree
from phalanx.testing import SimWorld

pytestmark = pytest.mark.requirement("IRS-4")

# Tiles that are full: 257 of leaves and one of level 1.
HASHES = [leaf_hash(b"%d" % number) for number in range(257 * 256 + 3)]
WHOLE = HashTree(HASHES)


class CountedStore:
    """Counts what is read of a store."""

    def __init__(self, store):
        self._store = store
        self.read = []

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def get(self, table, tenant, key):
        self.read.append(key)
        return await self._store.get(table, tenant, key)


def on_tree(main):
    async def run(world):
        store = CountedStore(world.store("disk"))
        tree = await TiledTree.open(store)
        growth = tree.grown(HASHES, [0] * len(HASHES))
        await store.commit(growth.puts)
        tree = await TiledTree.open(store)
        store.read.clear()
        return await main(tree, store)

    return SimWorld(1).run(run)


async def prove(tree, index):
    size = tree.size
    found = await tree.ask(lambda view: (inclusion_proof(view, index, size), root(view, size)))
    assert found == (inclusion_proof(WHOLE, index, size), root(WHOLE, size))


def test_a_proof_from_kept_tiles_reads_nothing():
    async def main(tree, store):
        for index in (5, 256 * 9 + 200, 256 * 256 + 1):
            await prove(tree, index)
        assert sorted(store.read) == [f"{level}/{number:019d}" for level, number in ((0, 0), (0, 9), (0, 256), (1, 0))]
        for index in (0, 255, 256 * 9, 256 * 257 - 1):
            await prove(tree, index)
        assert len(store.read) == 4

    on_tree(main)


def test_what_is_kept_is_bounded_and_leaf_tiles_never_push_out_those_above(monkeypatch):
    monkeypatch.setattr("phalanx.ledger._tree.MAX_LEAF_TILES", 3)

    async def main(tree, store):
        for number in range(20):
            await prove(tree, number * 256)
        assert store.read.count(f"1/{0:019d}") == 1
        store.read.clear()
        for number in (17, 18, 19, 17):
            await prove(tree, number * 256 + 7)
        assert store.read == []
        # 18 was asked for longest ago.
        await prove(tree, 0)
        assert store.read == [f"0/{0:019d}"]
        await prove(tree, 17 * 256)
        await prove(tree, 19 * 256)
        assert len(store.read) == 1
        await prove(tree, 18 * 256)
        assert len(store.read) == 2

    on_tree(main)


def test_a_tile_takes_no_more_memory_than_the_limits_say():
    tile = Tile(b"".join(HASHES[:256]))
    for height in range(9):
        for position in range(256 >> height):
            assert tile.subtree(height, position) == WHOLE.subtree(height, position)
    kept = [tile, tile.hashes, tile._groups, *tile._groups.values()]
    assert sum(map(sys.getsizeof, kept)) <= MAX_TILE_BYTES


@pytest.mark.parametrize(("start", "end"), [(0, 0), (0, 1), (250, 262), (256, 512), (100, 1_000), (65_000, 65_795)])
def test_leaf_hashes_are_read_a_tile_at_a_time(start, end):
    async def main(tree, store):
        assert await tree.leaf_hashes(start, end) == HASHES[start:end]
        assert len(store.read) <= (end >> 8) - (start >> 8) + 1

    on_tree(main)
