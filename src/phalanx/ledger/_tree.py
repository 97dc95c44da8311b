"""The tree on the store: its tiles as rows, its right edge and some tiles in memory.

Invariants:

- a tile of level 0 also holds a checksum of each entry's whole record, so that damage to a
  sealed payload is found even when nobody can open it any more;
- tiles are written in the commit that acknowledges their entries, all levels of them, so the
  stored tree always is that of the acknowledged entries: ``size`` of them;
- what a tile holds is never changed, only added to.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from phalanx.core import DEFAULT_TENANT, Put, Store, Table
from phalanx.ledger._errors import LedgerTampered
from phalanx.ledger._kept import Kept
from phalanx.ledger._limits import MAX_LEAF_TILES, MAX_UPPER_TILES, TILES_AT_ONCE
from phalanx.ledger._merkle import HASH_BYTES, Tree
from phalanx.ledger._tiles import (
    MAX_TILE_LEVEL,
    TILE_HEIGHT,
    TILE_WIDTH,
    Frontier,
    NeededTiles,
    Tile,
    TileView,
    tiles_of,
)

TILES = Table("ledger_tiles")
CHECKSUM_BYTES = 4

_HOME = DEFAULT_TENANT
_LEAF_BYTES = HASH_BYTES + CHECKSUM_BYTES

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Growth:
    """What some leaves make of the tree: rows to write, and what to keep once they are written."""

    frontier: Frontier
    checksums: bytes
    puts: list[Put]
    levels: frozenset[int]


class TiledTree:
    """Made by ``open``. Reads may run beside one writer, who calls ``grown`` and then ``adopt``."""

    def __init__(self, store: Store, frontier: Frontier, checksums: bytes) -> None:
        self._store = store
        self._frontier = frontier
        self._checksums = checksums
        self._edge: dict[int, Tile] = {}
        # Full tiles, which never change.
        self._leaf_tiles: Kept[tuple[int, int], Tile] = Kept(MAX_LEAF_TILES)
        self._upper_tiles: Kept[tuple[int, int], Tile] = Kept(MAX_UPPER_TILES)

    @classmethod
    async def open(cls, store: Store) -> "TiledTree":
        """Read the right edge; raises ``LedgerTampered`` when the levels do not fit each other."""
        size, checksums = await _last_tile(store)
        edge, rest, level = [], size, 0
        while rest:
            number, width = divmod(rest, TILE_WIDTH)
            edge.append(await _stored(store, level, number, width) if width else b"")
            rest, level = rest >> TILE_HEIGHT, level + 1
        return cls(store, Frontier(size, edge), checksums if size % TILE_WIDTH else b"")

    @property
    def size(self) -> int:
        return self._frontier.size

    def grown(self, leaves: Sequence[bytes], checksums: Sequence[int]) -> Growth:
        """The tree after ``leaves``; ``checksums`` are those of their records."""
        frontier, changed = self._frontier.grown(leaves)
        sums = self._checksums + b"".join([one.to_bytes(CHECKSUM_BYTES) for one in checksums])
        first = self.size >> TILE_HEIGHT
        step = TILE_WIDTH * CHECKSUM_BYTES
        puts = []
        for (level, number), hashes in changed.items():
            beside = b"" if level else sums[(number - first) * step : (number - first + 1) * step]
            puts.append(Put(TILES, _HOME, tile_key(level, number), hashes + beside))
        left = sums[((frontier.size >> TILE_HEIGHT) - first) * step :]
        return Growth(frontier, left, puts, frozenset(level for level, _ in changed))

    def adopt(self, growth: Growth) -> None:
        """Its rows are written."""
        self._frontier, self._checksums = growth.frontier, growth.checksums
        for level in growth.levels:
            self._edge.pop(level, None)

    async def leaf_hash(self, index: int) -> bytes:
        tile = await self._tile(0, index >> TILE_HEIGHT)
        return tile.subtree(0, index % TILE_WIDTH)

    async def leaf_hashes(self, start: int, end: int) -> list[bytes]:
        """Those of entries ``start`` to below ``end``."""
        found: list[bytes] = []
        while (at := start + len(found)) < end:
            tile, first = await self._tile(0, at >> TILE_HEIGHT), at % TILE_WIDTH
            last = min(first + end - at, TILE_WIDTH)
            found += [tile.subtree(0, place) for place in range(first, last)]
        return found

    async def ask(self, question: Callable[[Tree], T]) -> T:
        """Whatever ``question`` computes from hashes of the tree, once the tiles it takes are read."""
        size = self.size
        needed = NeededTiles(size)
        question(needed)
        tiles = {name: await self._tile(*name) for name in needed.tiles}
        return question(TileView(size, tiles))

    async def tile(self, level: int, number: int, width: int) -> bytes | None:
        """The first ``width`` hashes of a tile, or None while there are not so many."""
        if (number << TILE_HEIGHT) + width > self.size >> TILE_HEIGHT * level:
            return None
        return (await self._tile(level, number)).hashes[: width * HASH_BYTES]

    def edge(self) -> Mapping[int, bytes]:
        """The hashes of every partial tile, by level."""
        return {level: hashes for level, hashes in enumerate(self._frontier.edge) if hashes}

    async def _tile(self, level: int, number: int) -> Tile:
        if number == self.size >> TILE_HEIGHT * (level + 1):
            return self._edge.setdefault(level, Tile(self._frontier.edge[level]))
        kept = self._upper_tiles if level else self._leaf_tiles
        tile = kept.get((level, number))
        if tile is None:
            tile = Tile(await _stored(self._store, level, number, TILE_WIDTH))
            kept.put((level, number), tile)
        return tile


async def stored_size(store: Store) -> int:
    """How many entries are stored as told; raises ``LedgerTampered``."""
    size, _ = await _last_tile(store)
    return size


async def stored_tile(store: Store, level: int, number: int) -> tuple[bytes, bytes]:
    """Hashes and checksums as they are stored; raises ``LedgerTampered`` when there is no such row."""
    row = await store.get(TILES, _HOME, tile_key(level, number))
    if row is None:
        raise tampered_tile(level, number, "its row is missing")
    return split_tile(level, number, row.value)


async def check_tile_names(store: Store, size: int) -> None:
    """That the stored tiles are those of a log of ``size`` entries and no others; raises ``LedgerTampered``."""
    expected = (tile_key(name.level, name.number) for name in tiles_of(size) if name.level is not None)
    after = ""
    while rows := await store.scan(TILES, _HOME, after=after, limit=TILES_AT_ONCE):
        for row in rows:
            if row.key != next(expected, None):
                raise LedgerTampered("table ledger_tiles", 0, f"{row.key!r} is no tile of a log of {size} entries")
        after = rows[-1].key


def split_tile(level: int, number: int, value: bytes) -> tuple[bytes, bytes]:
    width, rest = divmod(len(value), HASH_BYTES if level else _LEAF_BYTES)
    if rest or not 0 < width <= TILE_WIDTH:
        raise tampered_tile(level, number, f"it has {len(value)} bytes")
    return value[: width * HASH_BYTES], value[width * HASH_BYTES :]


def tampered_tile(level: int, number: int, reason: str) -> LedgerTampered:
    return LedgerTampered(f"tile of level {level}", number, reason)


def tile_key(level: int, number: int) -> str:
    return f"{_prefix(level)}{number:019d}"


async def _last_tile(store: Store) -> tuple[int, bytes]:
    """The size of the log, and the checksums beside its last leaf hashes."""
    last = await store.scan(TILES, _HOME, prefix=_prefix(0), reverse=True, limit=1)
    if not last:
        return 0, b""
    number = _number(last[0].key)
    hashes, checksums = split_tile(0, number, last[0].value)
    return number * TILE_WIDTH + len(hashes) // HASH_BYTES, checksums


async def _stored(store: Store, level: int, number: int, width: int) -> bytes:
    hashes, _ = await stored_tile(store, level, number)
    if len(hashes) != width * HASH_BYTES:
        raise tampered_tile(level, number, f"it holds {len(hashes) // HASH_BYTES} hashes where {width} belong")
    return hashes


def _prefix(level: int) -> str:
    assert 0 <= level <= MAX_TILE_LEVEL, level
    return f"{level}/"


def _number(key: str) -> int:
    number = key[2:]
    if not (number.isascii() and number.isdigit() and len(number) == 19):
        raise LedgerTampered("table ledger_tiles", 0, f"{key!r} is no tile")
    return int(number)
