"""Checking a whole ledger against itself: every entry, tile, id and signature.

What it proves: no entry up to the last checkpoint was changed, removed, added or moved since
the key signed it; every payload that can be opened is the committed one; and journal, tiles and
ids agree on every entry. What it cannot prove alone: that whoever holds the key and both stores
did not rewrite everything. That takes checkpoints kept elsewhere, which ``consistency_proof``
connects.
"""

import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from phalanx.core import InvalidInput, Journal, StorageCorrupt, Store, TenantId, WireError
from phalanx.crypto import PublicKey, VerifyingKey
from phalanx.ledger._anchor import stored_anchors
from phalanx.ledger._checkpoint import Checkpoint, origin_of, verify_checkpoint
from phalanx.ledger._errors import InvalidCheckpoint, LedgerTampered
from phalanx.ledger._ids import fingerprint
from phalanx.ledger._leaf import identify
from phalanx.ledger._limits import AUDIT_ENTRIES, IDS_PER_PAGE, PAGE_CHECKPOINTS
from phalanx.ledger._merkle import HASH_BYTES, leaf_hash
from phalanx.ledger._record import check_opened, require_one_version, seal_context, split_record
from phalanx.ledger._sealing import KeptSealers, Sealers
from phalanx.ledger._shelf import Shelf, StoredNote, checkpoint_row, leaf_rows_count
from phalanx.ledger._tiles import MAX_TILE_LEVEL, TILE_WIDTH, Frontier
from phalanx.ledger._tree import CHECKSUM_BYTES, stored_size, stored_tile, tampered_tile, tile_after
from phalanx.ledger._verify_ids import IdAudit


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was checked. ``signed_size`` is how much of ``size`` the last checkpoint covers.

    ``payloads`` were opened and are what their leaves commit to, those of ``payloads_gone`` were
    shredded; entries of version 1 hold theirs in the leaf and count as neither. ``untold`` records
    lie behind the last entry: they were appended, and nobody has a receipt for them.
    """

    size: int
    root: str
    checkpoints: int
    signed_size: int
    payloads: int = 0
    payloads_gone: int = 0
    anchors: int = 0
    untold: int = 0


@dataclass(slots=True)
class _Page:
    """Entries from ``start`` on, taken apart: a list for each thing, in order."""

    start: int
    leaf_hashes: list[bytes]
    checksums: list[bytes]
    ids: list[str]
    tenants: list[TenantId]
    commitments: list[str]
    sealed: list[bytes | None]


class Audit:
    """One run over the first ``size`` entries. Memory does not grow with their number."""

    def __init__(
        self, journal: Journal, store: Store, ids_per_page: int, sealers: KeptSealers, key: PublicKey, origin: str,
        size: int, anchor_key: Callable[[], VerifyingKey],
    ) -> None:  # fmt: skip
        self._journal = journal
        self._store = store
        self._shelf = Shelf(store)
        self._ids = IdAudit(store, ids_per_page)
        self._sealers = sealers
        self._key = key
        self._origin = origin
        self._size = size
        self._anchor_key = anchor_key
        self._frontier = Frontier()
        self._payloads: Counter[str] = Counter()
        self._ahead: list[bytes] = []

    async def run(self) -> VerifyReport:
        """Raises ``LedgerTampered`` naming the first broken thing."""
        await self._check_ends()
        heads = self._heads()
        head = await anext(heads, None)
        n_heads = signed_size = 0
        while True:
            while head is not None and head.size == self._frontier.size:
                self._check_head(head)
                n_heads, signed_size = n_heads + 1, head.size
                head = await anext(heads, None)
            if self._frontier.size == self._size:
                break
            await self._check_tile(head)
        await self._check_edge()
        await self._ids.finish(self._size)
        n_anchors = await self._check_anchors()
        return VerifyReport(
            size=self._size,
            root=self._frontier.root().hex(),
            checkpoints=n_heads,
            signed_size=signed_size,
            payloads=self._payloads["opened"],
            payloads_gone=self._payloads["gone"],
            anchors=n_anchors,
            untold=self._journal.end - self._size,
        )

    async def _check_ends(self) -> None:
        if self._journal.start > 0:
            raise LedgerTampered("entry", 0, "the journal no longer holds it")
        if self._journal.end < self._size:
            reason = f"the journal ends here, and {self._size} entries were recorded"
            raise LedgerTampered("entry", self._journal.end, reason)
        last = await self._shelf.last_checkpoint()
        if last is not None and last.size > self._size:
            raise LedgerTampered("checkpoint", last.size, f"the log holds {self._size} entries, fewer than were signed")

    async def _heads(self) -> AsyncIterator[Checkpoint]:
        """Signed checkpoints in order."""
        after = -1
        while page := await self._shelf.checkpoints(after, PAGE_CHECKPOINTS):
            for stored in page:
                yield checked_checkpoint(stored, self._key, self._origin)
            after = page[-1].size

    def _check_head(self, head: Checkpoint) -> None:
        if self._frontier.root().hex() != head.root:
            raise LedgerTampered("checkpoint", head.size, "the entries it covers are not the ones it was signed over")

    async def _check_anchors(self) -> int:
        """Every anchor: its signature, its day, and that the checkpoint it repeats is a signed one."""
        n_anchors, after, key = 0, "", None
        while page := await stored_anchors(self._store, after=after, limit=PAGE_CHECKPOINTS):
            key = key or self._anchor_key()
            for one in page:
                n_anchors += 1
                try:
                    anchor = one.checked(key)
                except InvalidCheckpoint as error:
                    raise LedgerTampered(f"anchor of {one.day}", 0, error.message) from error
                stored = await self._shelf.checkpoint(anchor.size)
                head = checked_checkpoint(stored, self._key, self._origin) if stored else None
                if head is None or (head.origin, head.root) != (anchor.origin, anchor.root):
                    raise LedgerTampered(f"anchor of {one.day}", anchor.size, "it is of no checkpoint of this log")
            after = page[-1].day
        return n_anchors

    async def _check_tile(self, head: Checkpoint | None) -> None:
        """The entries up to the end of a tile, or to the next checkpoint where that comes first."""
        start = self._frontier.size
        number, first = divmod(start, TILE_WIDTH)
        end = min((number + 1) * TILE_WIDTH, self._size, *([head.size] if head else []))
        hashes, checksums = await stored_tile(self._store, 0, number)
        page = _page(start, await self._records(start, end))
        kept = _slots(checksums, CHECKSUM_BYTES, first)
        _compare_leaves(page, _slots(hashes, HASH_BYTES, first), kept)
        opened = await self._open_payloads(page)
        if page.checksums != kept[: len(page.checksums)]:
            at = next(at for at, checksum in enumerate(page.checksums) if checksum != kept[at])
            what = "checksum" if opened[at] else "payload"
            raise LedgerTampered(what, start + at, "the record and the checksum kept of it differ")
        await self._ids.add([fingerprint(entry_id) for entry_id in page.ids])
        self._frontier, changed = self._frontier.grown(page.leaf_hashes)
        for (level, n), computed in changed.items():
            if level and len(computed) == TILE_WIDTH * HASH_BYTES:
                await self._compare_tile(level, n, computed)

    async def _records(self, start: int, end: int) -> list[bytes]:
        """Entries ``start`` to below ``end``. More are read at once: a group lies in the journal as one piece."""
        while len(self._ahead) < end - start:
            self._ahead += await read_records(self._journal, start + len(self._ahead), AUDIT_ENTRIES)
        records, self._ahead = self._ahead[: end - start], self._ahead[end - start :]
        return records

    async def _open_payloads(self, page: _Page) -> list[bool]:
        """For each whether its payload, in the leaf or sealed, is there and as it was committed to."""
        for tenant in dict.fromkeys(page.tenants):
            await self._sealers.prepare(tenant)
        opened = [self._open_payload(page, at, sealed) for at, sealed in enumerate(page.sealed)]
        n_sealed = sum(sealed is not None for sealed in page.sealed)
        gone = opened.count(False)
        self._payloads.update(opened=n_sealed - gone, gone=gone)
        return opened

    def _open_payload(self, page: _Page, at: int, sealed: bytes | None) -> bool:
        if sealed is None:
            return True
        index = page.start + at
        opened = self._sealers.open_now(index, page.tenants[at], sealed, seal_context(page.leaf_hashes[at]))
        if opened is None:
            return False
        check_opened(index, page.commitments[at], opened)
        return True

    async def _compare_tile(self, level: int, number: int, computed: bytes) -> None:
        stored, _ = await stored_tile(self._store, level, number)
        if stored != computed:
            place = next(
                (
                    at
                    for at in range(0, len(computed), HASH_BYTES)
                    if stored[at : at + HASH_BYTES] != computed[at : at + HASH_BYTES]
                ),
                len(computed),
            )
            reason = f"hash {place // HASH_BYTES} of it is not the one over the tile below"
            raise tampered_tile(level, number, reason)

    async def _check_edge(self) -> None:
        """The partial tiles, and that nothing is stored behind them."""
        rest = self._size
        for level in range(MAX_TILE_LEVEL + 1):
            number, width = divmod(rest, TILE_WIDTH)
            if width:
                hashes, _ = await stored_tile(self._store, level, number)
                if len(hashes) != width * HASH_BYTES:
                    raise tampered_tile(level, number, f"it holds {len(hashes) // HASH_BYTES} hashes, not {width}")
                await self._compare_tile(level, number, self._frontier.edge[level])
            last = number if width else number - 1
            if (beyond := await tile_after(self._store, level, last)) is not None:
                raise tampered_tile(level, beyond, "there are not so many entries")
            rest = number


async def audit(
    journal: Journal, store: Store, key: PublicKey, *, sealers: Sealers, anchor_key: Callable[[], VerifyingKey]
) -> VerifyReport:
    """Check what is stored of a ledger that nobody has open, and write nothing; raises ``LedgerTampered``."""
    if await leaf_rows_count(store):
        raise InvalidInput("ledger", "it is of an earlier format", hint="open it once: start the node, and stop it")
    size = await stored_size(store)
    return await Audit(journal, store, IDS_PER_PAGE, KeptSealers(sealers), key, origin_of(key), size, anchor_key).run()


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


def _page(start: int, records: Sequence[bytes]) -> _Page:
    """Raises ``LedgerTampered`` for a record that cannot be read."""
    page = _Page(start, [], [], [], [], [], [])
    for index, record in enumerate(records, start):
        try:
            leaf, sealed = split_record(record)
            entry_id, tenant, commitment = identify(leaf)
        except WireError as error:
            raise LedgerTampered("entry", index, error.message) from error
        require_one_version(index, sealed, commitment)
        page.leaf_hashes.append(leaf_hash(leaf))
        page.checksums.append(zlib.crc32(record).to_bytes(CHECKSUM_BYTES))
        page.ids.append(entry_id)
        page.tenants.append(tenant)
        page.commitments.append(commitment)
        page.sealed.append(sealed)
    return page


def _compare_leaves(page: _Page, hashes: list[bytes], checksums: list[bytes]) -> None:
    if page.leaf_hashes == hashes[: len(page.leaf_hashes)]:
        return
    for at, found in enumerate(page.leaf_hashes):
        index = page.start + at
        if at >= len(hashes):
            raise LedgerTampered("leaf hash", index, "its tile ends before it")
        if found == hashes[at]:
            continue
        if page.checksums[at] == checksums[at]:
            raise LedgerTampered("leaf hash", index, f"it is not that of its entry, which is {found.hex()}")
        raise LedgerTampered("entry", index, f"its hash is {found.hex()}, recorded was {hashes[at].hex()}")


def _slots(values: bytes, width: int, first: int) -> list[bytes]:
    return [values[at : at + width] for at in range(first * width, len(values), width)]
