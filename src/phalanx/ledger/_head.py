"""Where a stored ledger stands, without opening it."""

from dataclasses import dataclass

from phalanx.core import Store
from phalanx.crypto import PublicKey
from phalanx.ledger._checkpoint import origin_of
from phalanx.ledger._reading import checked_checkpoint
from phalanx.ledger._shelf import Shelf
from phalanx.ledger._tree import TiledTree


@dataclass(frozen=True, slots=True)
class StoredHead:
    """Entries that are acknowledged, and the note of the last signed checkpoint: empty when none was."""

    size: int
    note: str


async def stored_head(store: Store, key: PublicKey) -> StoredHead:
    """What ``store`` says, the checkpoint's signatures checked; raises ``LedgerTampered``."""
    tree, last = await TiledTree.open(store), await Shelf(store).last_checkpoint()
    note = "" if last is None else checked_checkpoint(last, key, origin_of(key)).note
    return StoredHead(tree.size, note)
