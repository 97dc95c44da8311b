"""Checking a whole ledger against itself: every entry, every leaf hash, every signature.

What it proves: no entry up to the last checkpoint was changed, removed, added or moved since
the key signed it, and the journal and the store agree on every entry since. What it cannot
prove alone: that whoever holds the key and both stores did not rewrite everything. That takes
checkpoints kept elsewhere, which ``consistency_proof`` connects.
"""

from collections import Counter
from dataclasses import dataclass

from phalanx.core import Journal, StorageCorrupt
from phalanx.crypto import PublicKey
from phalanx.ledger._checkpoint import Checkpoint, verify_checkpoint
from phalanx.ledger._errors import InvalidCheckpoint, LedgerTampered
from phalanx.ledger._limits import PAGE_CHECKPOINTS, PAGE_ENTRIES
from phalanx.ledger._merkle import HashTree, leaf_hash, root
from phalanx.ledger._record import checked_disclosure, read_record, seal_context
from phalanx.ledger._sealing import KeptSealers
from phalanx.ledger._shelf import Shelf


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was checked. ``signed_size`` is how much of ``size`` the last checkpoint covers.

    ``payloads`` were opened and are what their leaves commit to, those of ``payloads_gone`` were
    shredded; entries of version 1 hold theirs in the leaf and count as neither.
    """

    size: int
    root: str
    checkpoints: int
    signed_size: int
    payloads: int = 0
    payloads_gone: int = 0


async def verify(
    journal: Journal, shelf: Shelf, sealers: KeptSealers, key: PublicKey, origin: str, size: int
) -> VerifyReport:
    """Recompute the first ``size`` entries; raises ``LedgerTampered`` naming the first broken thing."""
    if journal.start > 0:
        raise LedgerTampered("entry", 0, "the journal no longer holds it")
    if journal.end < size:
        raise LedgerTampered("entry", journal.end, f"the journal ends here, and {size} entries were recorded")
    signed = await _signed_roots(shelf, key, origin, size)
    tree = HashTree()
    _match_roots(tree, signed)
    found: Counter[str] = Counter()
    while len(tree) < size:
        start, n = len(tree), min(PAGE_ENTRIES, size - len(tree))
        records = (await read_records(journal, start, n))[:n]
        stored = await shelf.leaf_hashes(start, len(records))
        if len(stored) < len(records):
            raise LedgerTampered("leaf hash", start + len(stored), "its row is missing")
        for index, (record, expected) in enumerate(zip(records, stored, strict=True), start):
            found[await _check_entry(index, record, expected, sealers)] += 1
            tree.append(expected)
            _match_roots(tree, signed)
    last = max(signed, default=0)
    return VerifyReport(
        size=size,
        root=root(tree, size).hex(),
        checkpoints=len(signed),
        signed_size=last,
        payloads=found["opened"],
        payloads_gone=found["gone"],
    )


async def read_records(journal: Journal, start: int, limit: int) -> list[bytes]:
    """Records from ``start`` on; a damaged one is named."""
    try:
        records = await journal.read(start, max_records=limit)
    except StorageCorrupt:
        return await _read_singly(journal, start, limit)
    if not records:
        raise LedgerTampered("entry", start, "the journal no longer holds it")
    return records


def checked_checkpoint(size: int, note: str, key: PublicKey, origin: str) -> Checkpoint:
    """A stored checkpoint, once its signatures hold and it says what it is stored under."""
    try:
        checkpoint = verify_checkpoint(note, key)
    except InvalidCheckpoint as error:
        raise LedgerTampered("checkpoint", size, error.message) from error
    if (checkpoint.size, checkpoint.origin) != (size, origin):
        raise LedgerTampered("checkpoint", size, f"it is of size {checkpoint.size} and log {checkpoint.origin!r}")
    return checkpoint


async def _read_singly(journal: Journal, start: int, limit: int) -> list[bytes]:
    for index in range(start, start + limit):
        try:
            await journal.read(index, max_records=1)
        except StorageCorrupt as error:
            raise LedgerTampered("entry", index, error.message) from error
    raise LedgerTampered("entry", start, "it or one soon after it cannot be read together with the others")


async def _signed_roots(shelf: Shelf, key: PublicKey, origin: str, size: int) -> dict[int, str]:
    signed: dict[int, str] = {}
    while page := await shelf.checkpoints(max(signed, default=-1), PAGE_CHECKPOINTS):
        for signed_size, note in page:
            if signed_size > size:
                reason = f"the journal holds {size} entries, fewer than were signed"
                raise LedgerTampered("checkpoint", signed_size, reason)
            signed[signed_size] = checked_checkpoint(signed_size, note, key, origin).root
    return signed


def _match_roots(tree: HashTree, signed: dict[int, str]) -> None:
    size = len(tree)
    if size in signed and root(tree, size).hex() != signed[size]:
        raise LedgerTampered("checkpoint", size, "the entries it covers are not the ones it was signed over")


async def _check_entry(index: int, record: bytes, stored: bytes, sealers: KeptSealers) -> str:
    """Raises ``LedgerTampered``; returns what is there of the payload: in the leaf, opened or gone."""
    leaf, sealed, said = read_record(index, record)
    found = leaf_hash(leaf)
    if found != stored:
        raise LedgerTampered("entry", index, f"its hash is {found.hex()}, recorded was {stored.hex()}")
    if sealed is None:
        return "in the leaf"
    opened = await sealers.opened(index, said.entry.tenant, sealed, seal_context(found))
    if opened is None:
        return "gone"
    checked_disclosure(index, said, opened)
    return "opened"
