"""What opening a ledger makes sure of, and how ledgers of an earlier format are brought up to date."""

import zlib

from phalanx.core import Journal, Store
from phalanx.crypto import PublicKey
from phalanx.ledger._checkpoint import Checkpoint
from phalanx.ledger._errors import LedgerTampered
from phalanx.ledger._id_index import IdIndex
from phalanx.ledger._ids import fingerprint
from phalanx.ledger._limits import PAGE_ENTRIES
from phalanx.ledger._merkle import leaf_hash, root
from phalanx.ledger._reading import checked_checkpoint, read_records
from phalanx.ledger._record import read_record
from phalanx.ledger._shelf import Shelf, delete_leaf_rows, leaf_rows, leaf_rows_count
from phalanx.ledger._tree import TiledTree
from phalanx.ledger._writer import Untold, Writer


async def catch_up(journal: Journal, store: Store, tree: TiledTree, ids: IdIndex, writer: Writer) -> None:
    """Remember the ids that are in no run yet, and tell what was appended and not told.

    A ledger whose leaf hashes lie in rows of their own gets tiles and runs here, once, and loses
    those rows. Raises ``LedgerTampered``.
    """
    n_rows = await leaf_rows_count(store)
    recorded = max(tree.size, n_rows)
    if journal.start > 0:
        raise LedgerTampered("entry", 0, "the journal no longer holds it")
    if journal.end < recorded:
        raise LedgerTampered("entry", journal.end, f"the journal ends here, and {recorded} entries were recorded")
    if ids.stored > tree.size:
        raise LedgerTampered("id index", tree.size, f"it goes on to {ids.stored}, past the last entry")
    start = ids.stored
    while start < journal.end:
        records = await read_records(journal, start, PAGE_ENTRIES)
        rows = await leaf_rows(store, start, len(records)) if start < n_rows else []
        untold = []
        for index, record in enumerate(records, start):
            found = _untold(index, record, silent=index < n_rows)
            ids.remember(fingerprint(found.entry.id))
            if index >= tree.size:
                untold.append(found)
            expected = rows[index - start] if index - start < len(rows) else None
            if index < tree.size:
                expected = await tree.leaf_hash(index)
            if expected not in (None, found.leaf_hash):
                raise LedgerTampered("entry", index, "its bytes are not the ones that were recorded")
        await writer.resume(untold)
        start += len(records)
    if n_rows:
        await delete_leaf_rows(store)


async def check_last_checkpoint(shelf: Shelf, tree: TiledTree, key: PublicKey, origin: str) -> Checkpoint | None:
    """The newest checkpoint, once it is of this tree; raises ``LedgerTampered``."""
    stored = await shelf.last_checkpoint()
    if stored is None:
        return None
    size = stored.size
    if size > tree.size:
        raise LedgerTampered("checkpoint", size, f"the log holds {tree.size} entries, fewer than were signed")
    checkpoint = checked_checkpoint(stored, key, origin)
    if (await tree.ask(lambda view: root(view, size))).hex() != checkpoint.root:
        raise LedgerTampered("checkpoint", size, "the entries it covers are not the ones it was signed over")
    return checkpoint


def _untold(index: int, record: bytes, *, silent: bool) -> Untold:
    leaf, _, said = read_record(index, record)
    return Untold(said.entry, leaf_hash(leaf), zlib.crc32(record), 0, [], silent)
