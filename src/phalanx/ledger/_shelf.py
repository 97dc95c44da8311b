"""What the ledger keeps in the store, beside the journal that holds the entries.

- one row per leaf with its hash: a second copy, so that a changed or missing journal record
  can be named, also past the last checkpoint. Written in one commit with the entry's waypoint;
  the journal may be ahead of these rows after a crash, never behind;
- one row per signed checkpoint.
"""

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    NS_PER_S,
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


class _SignedNote(Record, frozen=True, kw_only=True, tag="checkpoint"):
    note: str


class Shelf:
    """Rows by position, in order."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @staticmethod
    def leaf_put(index: int, leaf_hash: bytes) -> Put:
        return Put(LEAVES, _HOME, _key(index), leaf_hash)

    async def leaf_count(self) -> int:
        last = await self._store.scan(LEAVES, _HOME, reverse=True, limit=1)
        return _position(LEAVES, last[0].key) + 1 if last else 0

    async def leaf_hashes(self, start: int, limit: int) -> list[bytes]:
        """Hashes from ``start`` on; raises ``LedgerTampered`` where a row is missing."""
        after = _key(start - 1) if start else ""
        rows = await self._store.scan(LEAVES, _HOME, after=after, limit=limit)
        for expected, row in enumerate(rows, start):
            if row.key != _key(expected):
                raise LedgerTampered("leaf hash", expected, "its row is missing")
        return [row.value for row in rows]

    async def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Raises ``Conflict`` when another one of this size was signed before."""
        at_ns = checkpoint.signed_at_s * NS_PER_S
        row = _SignedNote(
            id=derive_id(at_ns, "checkpoint", checkpoint.origin, str(checkpoint.size)),
            tenant=_HOME,
            trace=NO_TRACE,
            at_ns=at_ns,
            note=checkpoint.note,
        )
        key = _key(checkpoint.size)
        await self._store.commit(
            [Put(CHECKPOINTS, _HOME, key, encode(row))], expect=[Expect(CHECKPOINTS, _HOME, key, 0)]
        )

    async def last_checkpoint(self) -> tuple[int, str] | None:
        """Size and note of the newest checkpoint, unverified."""
        rows = await self._store.scan(CHECKPOINTS, _HOME, reverse=True, limit=1)
        return _note(rows[0].key, rows[0].value) if rows else None

    async def checkpoint(self, size: int) -> str | None:
        """The note of the checkpoint of this size, unverified."""
        row = await self._store.get(CHECKPOINTS, _HOME, _key(size))
        return _note(row.key, row.value)[1] if row else None

    async def checkpoints(self, after: int, limit: int) -> list[tuple[int, str]]:
        """Sizes and notes of checkpoints larger than ``after`` (−1 for all), unverified."""
        rows = await self._store.scan(CHECKPOINTS, _HOME, after=_key(after) if after >= 0 else "", limit=limit)
        return [_note(row.key, row.value) for row in rows]


def _key(position: int) -> str:
    # As many digits as 2^63 has, so that keys order as their numbers do.
    return f"{position:019d}"


def _position(table: Table, key: str) -> int:
    if not (key.isascii() and key.isdigit() and len(key) == 19):
        raise LedgerTampered(f"table {table.name}", 0, f"{key!r} is no position")
    return int(key)


def _note(key: str, value: bytes) -> tuple[int, str]:
    size = _position(CHECKPOINTS, key)
    try:
        return size, decode(value, _SignedNote).note
    except WireError as error:
        raise LedgerTampered("checkpoint", size, error.message) from error
