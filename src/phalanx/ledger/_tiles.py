"""Tiles of a Merkle tree (C2SP tlog-tiles): 256 hashes of one level at a time, and entries beside them. Pure.

- Tile ``N`` of level ``L`` holds the hashes of the complete subtrees over ``256^L`` leaves each,
  from subtree ``256·N`` on. A full tile never changes; the last one of a level is partial, and
  what it holds already stays as it is.
- Everything between two levels follows from the lower one and is stored nowhere.
- An entry bundle is 256 leaves, each behind its length in two bytes.

Numbers in paths are cut into groups of three digits, all but the last behind an ``x``.
"""

import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from phalanx.core import InvalidInput
from phalanx.ledger._merkle import EMPTY_ROOT, HASH_BYTES, node_hash, root_over

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
_GROUP_HEIGHT = TILE_HEIGHT // 2
# 63 bits of leaves make eight levels of tiles.
MAX_TILE_LEVEL = 7
ENTRIES = "entries"

_LENGTH = struct.Struct(">H")
_PATH = re.compile(r"(?:x[0-9]{3}/)*[0-9]{3}(?:\.p/[1-9][0-9]{0,2})?")
_MAX_PATH_CHARS = 64


@dataclass(frozen=True, slots=True)
class TileName:
    """Which tile: of hashes at ``level``, or of entries when that is None. ``width`` below 256 is a partial one."""

    level: int | None
    number: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """Below the log's prefix: ``tile/0/x001/x234/067.p/8``."""
        groups = [f"{self.number % 1000:03d}"]
        rest = self.number // 1000
        while rest:
            groups.append(f"x{rest % 1000:03d}")
            rest //= 1000
        kind = ENTRIES if self.level is None else str(self.level)
        partial = f".p/{self.width}" if self.width < TILE_WIDTH else ""
        return f"tile/{kind}/{'/'.join(reversed(groups))}{partial}"


def parse_tile(level: str, number: str) -> TileName:
    """The tile that a path names, in the one form it has; raises ``InvalidInput``."""
    if len(number) > _MAX_PATH_CHARS or not _PATH.fullmatch(number):
        raise InvalidInput("tile", f"{number!r} is no tile's number")
    if level != ENTRIES and not (len(level) == 1 and "0" <= level <= str(MAX_TILE_LEVEL)):
        raise InvalidInput("tile", f"{level!r} is no level of tiles")
    digits, _, width = number.partition(".p/")
    parsed = TileName(
        None if level == ENTRIES else int(level),
        int(digits.replace("x", "").replace("/", "")),
        int(width) if width else TILE_WIDTH,
    )
    if parsed.path != f"tile/{level}/{number}":
        raise InvalidInput("tile", f"{number!r} is not written as tiles are")
    return parsed


def tiles_of(size: int) -> Iterator[TileName]:
    """Every tile of hashes of a log of ``size`` entries, lowest level first, the partial ones included."""
    level = 0
    while size:
        yield from (TileName(level, number) for number in range(size >> TILE_HEIGHT))
        if size % TILE_WIDTH:
            yield TileName(level, size >> TILE_HEIGHT, size % TILE_WIDTH)
        size >>= TILE_HEIGHT
        level += 1


def bundles_of(size: int) -> Iterator[TileName]:
    """Every entry bundle of a log of ``size`` entries."""
    return (TileName(None, name.number, name.width) for name in tiles_of(size) if name.level == 0)


def encode_bundle(leaves: Iterable[bytes]) -> bytes:
    return b"".join(part for leaf in leaves for part in (_LENGTH.pack(len(leaf)), leaf))


class Tile:
    """The hashes of one tile, full or partial, and the complete subtrees above them.

    Of what is hashed, the roots of 16 leaves each are remembered and nothing else: a proof then
    takes some twenty hashes in a tile rather than 250, and a tile one ninth more memory, not twice as much.
    """

    __slots__ = ("_groups", "hashes")

    def __init__(self, hashes: bytes) -> None:
        assert 0 < len(hashes) <= TILE_WIDTH * HASH_BYTES, len(hashes)
        assert len(hashes) % HASH_BYTES == 0, len(hashes)
        self.hashes = hashes
        self._groups: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self.hashes) // HASH_BYTES

    def subtree(self, height: int, position: int) -> bytes:
        """The hash over the tile's hashes from ``position·2^height`` to below ``(position+1)·2^height``."""
        assert 0 <= position << height < len(self), (height, position, len(self))
        if height == 0:
            return self.hashes[position * HASH_BYTES : (position + 1) * HASH_BYTES]
        if height == _GROUP_HEIGHT:
            return self._group_root(position)
        below = height - 1
        return node_hash(self.subtree(below, 2 * position), self.subtree(below, 2 * position + 1))

    def _group_root(self, position: int) -> bytes:
        found = self._groups.get(position)
        if found is None:
            n_bytes = HASH_BYTES << _GROUP_HEIGHT
            found = self._groups[position] = root_over(self.hashes[position * n_bytes : (position + 1) * n_bytes])
        return found


def tile_root(hashes: bytes) -> bytes:
    """The hash over a full tile, which the tile one level up holds."""
    assert len(hashes) == TILE_WIDTH * HASH_BYTES, len(hashes)
    return root_over(hashes)


def tile_of(level: int, position: int) -> tuple[int, int, int, int]:
    """Where the tree's subtree ``position`` at ``level`` is: level and number of its tile, height and place in it."""
    tile_level, height = divmod(level, TILE_HEIGHT)
    number, place = divmod(position << height, TILE_WIDTH)
    return tile_level, number, height, place >> height


class NeededTiles:
    """Stands in for a tree to find out which tiles a proof or a root takes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.tiles: dict[tuple[int, int], None] = {}

    def __len__(self) -> int:
        return self._size

    def subtree(self, level: int, position: int) -> bytes:
        tile_level, number, _, _ = tile_of(level, position)
        self.tiles[tile_level, number] = None
        return bytes(HASH_BYTES)


class TileView:
    """A tree of ``size`` leaves made of the tiles at hand."""

    def __init__(self, size: int, tiles: Mapping[tuple[int, int], Tile]) -> None:
        self._size = size
        self._tiles = tiles

    def __len__(self) -> int:
        return self._size

    def subtree(self, level: int, position: int) -> bytes:
        tile_level, number, height, place = tile_of(level, position)
        return self._tiles[tile_level, number].subtree(height, place)


class Frontier:
    """The tiles at a tree's right edge, one for each level: all that growing it takes.

    ``edge[L]`` holds the hashes of the last tile of level ``L`` that is not full yet.
    """

    __slots__ = ("edge", "size")

    def __init__(self, size: int = 0, edge: Sequence[bytes] = ()) -> None:
        self.size = size
        self.edge = list(edge)
        expected, rest = [], size
        while rest:
            expected.append(rest % TILE_WIDTH * HASH_BYTES)
            rest >>= TILE_HEIGHT
        assert [len(hashes) for hashes in self.edge] == expected, (size, expected)

    def grown(self, leaves: Sequence[bytes]) -> "tuple[Frontier, dict[tuple[int, int], bytes]]":
        """The frontier after ``leaves``, and every tile that they change, as it is then."""
        changed: dict[tuple[int, int], bytes] = {}
        size, edge = self.size + len(leaves), list(self.edge)
        incoming, level, number = list(leaves), 0, self.size >> TILE_HEIGHT
        while incoming:
            if level == len(edge):
                edge.append(b"")
            hashes = edge[level] + b"".join(incoming)
            incoming, tile_bytes, at = [], TILE_WIDTH * HASH_BYTES, 0
            first = number
            while len(hashes) - at >= tile_bytes:
                full = hashes[at : at + tile_bytes]
                changed[level, number] = full
                incoming.append(tile_root(full))
                at, number = at + tile_bytes, number + 1
            edge[level] = hashes[at:]
            if edge[level]:
                changed[level, number] = edge[level]
            level, number = level + 1, first >> TILE_HEIGHT
        return Frontier(size, edge), changed

    def root(self) -> bytes:
        """MTH of all leaves."""
        found: bytes | None = None
        for hashes in self.edge:
            if not hashes:
                continue
            tile, done = Tile(hashes), len(hashes) // HASH_BYTES
            # The complete subtrees of this tile, the smallest and last one first.
            while done:
                height = (done & -done).bit_length() - 1
                done -= 1 << height
                subtree = tile.subtree(height, done >> height)
                found = subtree if found is None else node_hash(subtree, found)
        return EMPTY_ROOT if found is None else found
