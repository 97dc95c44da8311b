"""What the ledger keeps in the store beside tiles and ids: one row per signed checkpoint.

Ledgers written before there were tiles have a row per leaf hash, which opening makes into tiles.
"""

from dataclasses import dataclass

from phalanx.core import (
    DEFAULT_TENANT,
    MAX_PAGE_ROWS,
    NO_TRACE,
    NS_PER_S,
    Delete,
    Expect,
    Put,
    Record,
    Store,
    Table,
    WireError,
    decode,
    derive_id,
    encode,
)
from phalanx.ledger._checkpoint import Checkpoint
from phalanx.ledger._errors import LedgerTampered

LEAVES = Table("ledger_leaves")
CHECKPOINTS = Table("ledger_checkpoints")

# The log is one for all tenants of a node; its own rows belong to the node's default tenant.
_HOME = DEFAULT_TENANT


class SignedNote(Record, frozen=True, kw_only=True, tag="checkpoint"):
    """A checkpoint as it is stored."""

    note: str


@dataclass(frozen=True, slots=True)
class StoredNote:
    """A note as it is stored, unverified. ``row`` is the whole of it."""

    size: int
    note: str
    row: bytes


class Shelf:
    """Checkpoints by size, in order."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Raises ``Conflict`` when another one of this size was signed before."""
        key = _key(checkpoint.size)
        await self._store.commit(
            [Put(CHECKPOINTS, _HOME, key, checkpoint_row(checkpoint))], expect=[Expect(CHECKPOINTS, _HOME, key, 0)]
        )

    async def last_checkpoint(self) -> StoredNote | None:
        """The newest checkpoint."""
        rows = await self._store.scan(CHECKPOINTS, _HOME, reverse=True, limit=1)
        return _note(rows[0].key, rows[0].value) if rows else None

    async def checkpoint(self, size: int) -> StoredNote | None:
        """The checkpoint of this size."""
        row = await self._store.get(CHECKPOINTS, _HOME, _key(size))
        return _note(row.key, row.value) if row else None

    async def checkpoints(self, after: int, limit: int) -> list[StoredNote]:
        """Checkpoints larger than ``after`` (−1 for all)."""
        rows = await self._store.scan(CHECKPOINTS, _HOME, after=_key(after) if after >= 0 else "", limit=limit)
        return [_note(row.key, row.value) for row in rows]


def checkpoint_row(checkpoint: Checkpoint) -> bytes:
    """The row of a checkpoint: all of it follows from what is signed."""
    at_ns = checkpoint.signed_at_s * NS_PER_S
    row = SignedNote(
        id=derive_id(at_ns, "checkpoint", checkpoint.origin, str(checkpoint.size)),
        tenant=_HOME,
        trace=NO_TRACE,
        at_ns=at_ns,
        note=checkpoint.note,
    )
    return encode(row)


async def leaf_rows_count(store: Store) -> int:
    """How many entries have a row for their leaf hash."""
    last = await store.scan(LEAVES, _HOME, reverse=True, limit=1)
    return _position(LEAVES, last[0].key) + 1 if last else 0


async def leaf_rows(store: Store, start: int, limit: int) -> list[bytes]:
    """Leaf hashes from ``start`` on; raises ``LedgerTampered`` where a row is missing."""
    rows = await store.scan(LEAVES, _HOME, after=_key(start - 1) if start else "", limit=limit)
    for expected, row in enumerate(rows, start):
        if row.key != _key(expected):
            raise LedgerTampered("leaf hash", expected, "its row is missing")
    return [row.value for row in rows]


async def delete_leaf_rows(store: Store) -> None:
    """Backwards, so that what is left after a crash still begins with entry 0."""
    while rows := await store.scan(LEAVES, _HOME, reverse=True, limit=MAX_PAGE_ROWS):
        await store.commit([Delete(LEAVES, _HOME, row.key) for row in rows])


def _key(position: int) -> str:
    # As many digits as 2^63 has, so that keys order as their numbers do.
    return f"{position:019d}"


def _position(table: Table, key: str) -> int:
    if not (key.isascii() and key.isdigit() and len(key) == 19):
        raise LedgerTampered(f"table {table.name}", 0, f"{key!r} is no position")
    return int(key)


def _note(key: str, value: bytes) -> StoredNote:
    size = _position(CHECKPOINTS, key)
    try:
        return StoredNote(size, decode(value, SignedNote).note, value)
    except WireError as error:
        raise LedgerTampered("checkpoint", size, error.message) from error
