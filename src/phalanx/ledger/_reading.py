"""Reading what is stored of a ledger, and naming it where it is damaged or does not belong there."""

from collections.abc import Iterable

from phalanx.core import DEFAULT_TENANT, Journal, StorageCorrupt, Store, Table
from phalanx.crypto import PublicKey
from phalanx.ledger._checkpoint import Checkpoint, verify_checkpoint
from phalanx.ledger._errors import InvalidCheckpoint, LedgerTampered
from phalanx.ledger._shelf import StoredNote, checkpoint_row


async def require_home(store: Store, tables: Iterable[Table]) -> None:
    """That no tenant but the node's own has rows in them, which nobody would ever read; raises ``LedgerTampered``."""
    for table in tables:
        if others := [tenant for tenant in await store.tenants(table) if tenant != DEFAULT_TENANT]:
            raise LedgerTampered(f"table {table.name}", 0, f"it has rows of the tenant {others[0]!r}")


async def read_records(journal: Journal, start: int, limit: int) -> list[bytes]:
    """At least one record from ``start`` on and ``limit`` at most; a damaged one is named."""
    try:
        records = await journal.read(start, max_records=limit)
    except StorageCorrupt:
        return await _read_singly(journal, start, limit)
    if not records:
        raise LedgerTampered("entry", start, "the journal no longer holds it")
    return records[:limit]


def checked_checkpoint(stored: StoredNote, key: PublicKey, origin: str) -> Checkpoint:
    """A stored checkpoint, once its signatures hold and it says what it is stored under."""
    size = stored.size
    try:
        checkpoint = verify_checkpoint(stored.note, key)
    except InvalidCheckpoint as error:
        raise LedgerTampered("checkpoint", size, error.message) from error
    if (checkpoint.size, checkpoint.origin) != (size, origin):
        raise LedgerTampered("checkpoint", size, f"it is of size {checkpoint.size} and log {checkpoint.origin!r}")
    if checkpoint_row(checkpoint) != stored.row:
        raise LedgerTampered("checkpoint", size, "what is stored beside its note is not what belongs there")
    return checkpoint


async def _read_singly(journal: Journal, start: int, limit: int) -> list[bytes]:
    for index in range(start, start + limit):
        try:
            await journal.read(index, max_records=1)
        except StorageCorrupt as error:
            raise LedgerTampered("entry", index, error.message) from error
    raise LedgerTampered("entry", start, "it or one soon after it cannot be read together with the others")
