import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import InvalidInput
from phalanx.ledger import HashTree, TileName, consistency_proof, inclusion_proof, leaf_hash, root
from phalanx.ledger._tiles import (
    Frontier,
    NeededTiles,
    Tile,
    TileView,
    bundles_of,
    encode_bundle,
    parse_tile,
    tile_root,
    tiles_of,
)

SIZES = st.one_of(st.integers(0, 1_500), st.sampled_from([255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_000]))
HASHES = [leaf_hash(b"%d" % number) for number in range(66_000)]
WHOLE = HashTree(HASHES)


def grown(sizes):
    """A frontier grown to each of ``sizes`` in turn, and all tiles as they were last written."""
    frontier, tiles = Frontier(), {}
    for size in sorted(sizes):
        frontier, changed = frontier.grown(HASHES[frontier.size : size])
        tiles |= changed
    return frontier, tiles


@settings(max_examples=40, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=6))
def test_tiles_hold_the_subtrees_of_the_tree_however_it_grew(sizes):
    frontier, tiles = grown(sizes)
    assert frontier.size == max(sizes)
    assert frontier.root() == root(WHOLE, frontier.size)
    assert {name: len(hashes) // 32 for name, hashes in tiles.items()} == {
        (name.level, name.number): name.width for name in tiles_of(frontier.size)
    }
    for (level, number), hashes in tiles.items():
        for place in (0, len(hashes) // 64, len(hashes) // 32 - 1):
            assert hashes[place * 32 : place * 32 + 32] == WHOLE.subtree(8 * level, number * 256 + place)
    # What it was opened with makes the same frontier again.
    assert Frontier(frontier.size, frontier.edge).root() == frontier.root()


@settings(max_examples=40, deadline=None)
@given(SIZES.filter(bool), st.data())
def test_proofs_from_the_tiles_they_need_are_those_of_the_tree(size, data):
    _, tiles = grown([size])
    at = data.draw(st.integers(1, size))
    index, old = data.draw(st.integers(0, at - 1)), data.draw(st.integers(0, at))
    for question in (
        lambda tree: inclusion_proof(tree, index, at),
        lambda tree: consistency_proof(tree, old, at),
        lambda tree: root(tree, at),
    ):
        needed = NeededTiles(size)
        question(needed)
        view = TileView(size, {name: Tile(tiles[name]) for name in needed.tiles})
        assert question(view) == question(WHOLE)
        assert len(needed.tiles) <= 6


def test_the_root_of_a_full_tile_is_its_subtree():
    hashes = b"".join(HASHES[:256])
    assert tile_root(hashes) == Tile(hashes).subtree(8, 0) == root(WHOLE, 256)


@given(st.integers(0, 7), st.integers(0, 2**55), st.integers(1, 256))
def test_a_path_names_one_tile(level, number, width):
    for name in (TileName(level, number, width), TileName(None, number, width)):
        _, kind, path = name.path.split("/", 2)
        assert parse_tile(kind, path) == name
        assert re.fullmatch(r"(x\d{3}/)*\d{3}(\.p/\d+)?", path)


def test_paths_as_the_specification_shows_them():
    assert TileName(0, 1_234_067).path == "tile/0/x001/x234/067"
    assert TileName(1, 0, 5).path == "tile/1/000.p/5"
    assert TileName(None, 999, 8).path == "tile/entries/999.p/8"
    assert TileName(None, 1_000).path == "tile/entries/x001/000"


@pytest.mark.parametrize(
    "path",
    ["0", "00", "0000", "x000/001", "x01/000", "x001/00", "000.p/0", "000.p/256", "000.p/01", "000.p/", "-01", "x001",
     "000/001", "٠٠٠", "000\n", "x001/" * 30 + "000"],
)  # fmt: skip
def test_what_is_no_path_of_a_tile_is_refused(path):
    with pytest.raises(InvalidInput):
        parse_tile("0", path)


@pytest.mark.parametrize("level", ["8", "-1", "00", "", "x", "63", "٠"])
def test_what_is_no_level_is_refused(level):
    with pytest.raises(InvalidInput):
        parse_tile(level, "000")


@given(st.lists(st.binary(max_size=400), max_size=5))
def test_a_bundle_can_be_taken_apart(leaves):
    bundle, found = encode_bundle(leaves), []
    while bundle:
        n_bytes = int.from_bytes(bundle[:2])
        found.append(bundle[2 : 2 + n_bytes])
        bundle = bundle[2 + n_bytes :]
    assert found == leaves


@given(SIZES)
def test_bundles_cover_every_entry_once(size):
    covered = [name.number * 256 + place for name in bundles_of(size) for place in range(name.width)]
    assert covered == list(range(size))
