"""Checking a whole ledger against itself: every entry, tile, id and signature.

What it proves: no entry up to the last checkpoint was changed, removed, added or moved since
the key signed it; every payload that can be opened is the committed one; and journal, tiles and
ids agree on every entry. What it cannot prove alone: that whoever holds the key and both stores
did not rewrite everything. That takes checkpoints kept elsewhere, which ``consistency_proof``
connects.
"""

import zlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from phalanx.core import InvalidInput, Journal, Store
from phalanx.crypto import PublicKey
from phalanx.ledger._anchor import ANCHORS
from phalanx.ledger._case_pages import CASE_HEAD, CASE_PAGES, stored_head
from phalanx.ledger._checkpoint import Checkpoint, origin_of
from phalanx.ledger._errors import LedgerTampered
from phalanx.ledger._id_index import ID_PAGES, ID_RUNS
from phalanx.ledger._leaf import Identity
from phalanx.ledger._limits import AUDIT_ENTRIES, IDS_PER_PAGE, PAGE_CHECKPOINTS
from phalanx.ledger._merkle import HASH_BYTES, leaf_hash
from phalanx.ledger._reading import checked_checkpoint, read_records, require_home
from phalanx.ledger._record import check_opened, identified, seal_context
from phalanx.ledger._sealing import KeptSealers, Sealers
from phalanx.ledger._shelf import CHECKPOINTS, Shelf, leaf_rows_count
from phalanx.ledger._tiles import MAX_TILE_LEVEL, TILE_WIDTH, Frontier
from phalanx.ledger._tree import CHECKSUM_BYTES, TILES, check_tile_names, stored_size, stored_tile, tampered_tile
from phalanx.ledger._verify_anchors import AnchorAudit
from phalanx.ledger._verify_cases import CaseAudit
from phalanx.ledger._verify_ids import IdAudit

_TABLES = (TILES, CHECKPOINTS, ANCHORS, ID_RUNS, ID_PAGES, CASE_PAGES, CASE_HEAD)


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
    said: list[Identity]
    sealed: list[bytes | None]


class Beside(Protocol):
    """What is kept beside the log and follows from it: it sees every entry, and is checked in the end."""

    async def add(self, said: Sequence[Identity], /) -> None:
        """The next entries; raises ``LedgerTampered``."""
        ...

    async def finish(self, size: int, /) -> None:
        """There are no more than ``size``; raises ``LedgerTampered``."""
        ...


class Audit:
    """One run over the first ``size`` entries. Memory does not grow with their number."""

    def __init__(
        self, journal: Journal, store: Store, sealers: KeptSealers, key: PublicKey, size: int, beside: Sequence[Beside]
    ) -> None:
        self._journal = journal
        self._store = store
        self._shelf = Shelf(store)
        self._sealers = sealers
        self._key = key
        self._origin = origin_of(key)
        self._size = size
        self._anchors = AnchorAudit(store, key)
        self._beside: list[Beside] = [self._anchors, *beside]
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
        for one in self._beside:
            await one.finish(self._size)
        return VerifyReport(
            size=self._size,
            root=self._frontier.root().hex(),
            checkpoints=n_heads,
            signed_size=signed_size,
            payloads=self._payloads["opened"],
            payloads_gone=self._payloads["gone"],
            anchors=self._anchors.n_anchors,
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
        for one in self._beside:
            await one.add(page.said)
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
        for tenant in dict.fromkeys([one.tenant for one in page.said]):
            await self._sealers.prepare(tenant)
        opened = [self._open_payload(page, at, sealed) for at, sealed in enumerate(page.sealed)]
        n_sealed = sum(sealed is not None for sealed in page.sealed)
        gone = opened.count(False)
        self._payloads.update(opened=n_sealed - gone, gone=gone)
        return opened

    def _open_payload(self, page: _Page, at: int, sealed: bytes | None) -> bool:
        if sealed is None:
            return True
        index, said = page.start + at, page.said[at]
        opened = self._sealers.open_now(index, said.tenant, sealed, seal_context(page.leaf_hashes[at]))
        if opened is None:
            return False
        check_opened(index, said.commitment, opened)
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
        """The partial tiles, and that no tile is stored beside those of the log."""
        rest = self._size
        for level in range(MAX_TILE_LEVEL + 1):
            number, width = divmod(rest, TILE_WIDTH)
            if width:
                hashes, _ = await stored_tile(self._store, level, number)
                if len(hashes) != width * HASH_BYTES:
                    raise tampered_tile(level, number, f"it holds {len(hashes) // HASH_BYTES} hashes, not {width}")
                await self._compare_tile(level, number, self._frontier.edge[level])
            rest = number
        await check_tile_names(self._store, self._size)


async def audit(journal: Journal, store: Store, key: PublicKey, *, sealers: Sealers) -> VerifyReport:
    """Check what is stored of a ledger that nobody has open, and write nothing; raises ``LedgerTampered``."""
    beside: list[Beside] = [IdAudit(store, IDS_PER_PAGE), CaseAudit(store, await stored_head(store, key))]
    return await audit_beside(journal, store, key, sealers=sealers, beside=beside)


async def audit_beside(
    journal: Journal, store: Store, key: PublicKey, *, sealers: Sealers, beside: Sequence[Beside]
) -> VerifyReport:
    """The same, with other indexes than those that are stored, or none; raises ``LedgerTampered``."""
    if await leaf_rows_count(store):
        raise InvalidInput("ledger", "it is of an earlier format", hint="open it once: start the node, and stop it")
    await require_home(store, _TABLES)
    return await Audit(journal, store, KeptSealers(sealers), key, await stored_size(store), beside).run()


def _page(start: int, records: Sequence[bytes]) -> _Page:
    """Raises ``LedgerTampered`` for a record that cannot be read."""
    page = _Page(start, [], [], [], [])
    for index, record in enumerate(records, start):
        leaf, sealed, said = identified(index, record)
        page.leaf_hashes.append(leaf_hash(leaf))
        page.checksums.append(zlib.crc32(record).to_bytes(CHECKSUM_BYTES))
        page.said.append(said)
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
