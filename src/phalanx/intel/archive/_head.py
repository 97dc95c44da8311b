"""What of a tenant is not in a segment yet, in memory."""

from phalanx.core import EventBatch, TenantId
from phalanx.intel.archive._columns import Builder, Piece
from phalanx.intel.archive._limits import MAX_PIECE_CELLS, PIECE_ROWS
from phalanx.intel.archive._segment import PieceShard


class Head:
    """Begun at ``since_ns`` of the clock that only goes on."""

    def __init__(self, tenant: TenantId, since_ns: int) -> None:
        self.since_ns = since_ns
        self._tenant = tenant
        self._shards: list[PieceShard] = []
        self._builder = Builder(tenant)
        self._latest: PieceShard | None = None
        self._fields: set[str] = set()

    def __len__(self) -> int:
        return sum(shard.n for shard in self._shards) + len(self._builder)

    @property
    def cells(self) -> int:
        """What it takes in memory as one piece: rows times fields."""
        return len(self) * (len(self._fields) + 1)

    def add(self, batch: EventBatch) -> None:
        self._latest = None
        self._builder.add(batch)
        self._fields.update(batch.columns)
        if len(self._builder) >= PIECE_ROWS or self._builder.cells >= MAX_PIECE_CELLS:
            self._shards.append(PieceShard(self._builder.piece()))
            self._builder = Builder(self._tenant)

    def shards(self) -> list[PieceShard]:
        """All of it, as it is now."""
        if self._latest is None and len(self._builder):
            self._latest = PieceShard(self._builder.piece())
        return [*self._shards, self._latest] if self._latest is not None else list(self._shards)

    def pieces(self) -> list[Piece]:
        return [shard.piece() for shard in self.shards()]

    def join(self, later: "Head") -> None:
        """Take what came after: pieces, as they are."""
        self._shards = [*self.shards(), *later.shards()]
        self._builder, self._latest = Builder(self._tenant), None
        self._fields |= later._fields
