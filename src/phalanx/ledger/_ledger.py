"""The ledger: an append-only, Merkle-proved record of everything of consequence.

Invariants:

- journal record ``i`` holds leaf ``i`` and its sealed payload; a receipt is given once the
  record is synced *and* its tiles and waypoint are committed, so it survives the loss of power;
- an entry id is recorded once. Whoever sends it again gets the first receipt, also after a
  crash between the append and the receipt: opening tells what the journal holds untold;
- no checkpoint is signed over a tree that is not an extension of the last signed one, nor over
  an entry without a receipt: opening refuses tiles that disagree with the last checkpoint, and a
  journal that is shorter than they are;
- in memory are the tree's right edge, some tiles and pages, the ids of the last few thousand
  entries, and two bytes of filter for each older one. Opening reads these and the journal's
  tail, never all of it; ``verify`` does.

Concurrent calls share appends and commits (group commit). One process writes a ledger.
"""

import asyncio
from dataclasses import replace

from phalanx.core import (
    MAX_PAGE_ROWS,
    NS_PER_S,
    AuditEntry,
    AuditReceipt,
    Clock,
    Conflict,
    EntropySource,
    Journal,
    NotFound,
    Offload,
    Store,
)
from phalanx.crypto import HybridSigner, PublicKey
from phalanx.crypto.vault import Shredded
from phalanx.ledger._case_pages import case_fingerprint
from phalanx.ledger._checkpoint import Checkpoint, origin_of, sign_checkpoint
from phalanx.ledger._errors import LedgerTampered
from phalanx.ledger._id_index import IdIndex
from phalanx.ledger._leaf import encode_leaf
from phalanx.ledger._limits import IDS_PER_PAGE
from phalanx.ledger._merkle import consistency_proof, inclusion_proof, leaf_hash, root
from phalanx.ledger._opening import catch_up, check_last_checkpoint
from phalanx.ledger._payload import Salts, commit, encode_payload
from phalanx.ledger._proof import InclusionProof
from phalanx.ledger._reading import checked_checkpoint, read_records
from phalanx.ledger._record import (
    LedgerEntry,
    checked_disclosure,
    identified,
    pack_record,
    read_record,
    seal_context,
    with_body,
)
from phalanx.ledger._sealing import KeptSealers, Sealers
from phalanx.ledger._shelf import Shelf
from phalanx.ledger._tiles import TileName, encode_bundle
from phalanx.ledger._tree import TiledTree
from phalanx.ledger._verify import Audit, VerifyReport
from phalanx.ledger._verify_ids import IdAudit
from phalanx.ledger._writer import Writer, warn_of_other_content
from phalanx.telemetry import Telemetry

_ROOM = "ledger"


class Ledger:
    """Implements ``AuditSink``. Made by ``Ledger.open``."""

    def __init__(
        self,
        journal: Journal,
        store: Store,
        signer: HybridSigner,
        tree: TiledTree,
        ids: IdIndex,
        *,
        clock: Clock,
        telemetry: Telemetry,
        entropy: EntropySource,
        sealers: Sealers,
    ) -> None:
        """Use ``open``: an unopened ledger does not know what its journal holds."""
        self._journal = journal
        self._store = store
        self._shelf = Shelf(store)
        self._signer = signer
        self._tree = tree
        self._ids = ids
        self._clock = clock
        self._salts = Salts(entropy)
        self._sealers = KeptSealers(sealers)
        self._tracer = telemetry.tracer
        self._log = telemetry.log.bind(room=_ROOM)
        self.origin = origin_of(signer.public)
        self._writer = Writer(
            journal,
            store,
            tree,
            ids,
            recorded=self._find,
            again=self._first_receipt,
            clock=clock,
            telemetry=telemetry,
        )
        self._signing = asyncio.Lock()
        self._last_signed: Checkpoint | None = None

    @classmethod
    async def open(
        cls,
        journal: Journal,
        store: Store,
        signer: HybridSigner,
        *,
        clock: Clock,
        telemetry: Telemetry,
        entropy: EntropySource,
        offload: Offload,
        sealers: Sealers,
        ids_per_page: int = IDS_PER_PAGE,
    ) -> "Ledger":
        """Go on where the journal ends; raises ``LedgerTampered`` when it is not what was recorded and signed."""
        tree, ids = await TiledTree.open(store), await IdIndex.open(store, offload, page_ids=ids_per_page)
        ledger = cls(
            journal, store, signer, tree, ids, clock=clock, telemetry=telemetry, entropy=entropy, sealers=sealers
        )
        await catch_up(journal, store, tree, ids, ledger._writer)
        ledger._last_signed = await check_last_checkpoint(ledger._shelf, tree, signer.public, ledger.origin)
        return ledger

    @property
    def size(self) -> int:
        """Entries in the log."""
        return self._tree.size

    @property
    def public_key(self) -> PublicKey:
        """What checkpoints are verified with."""
        return self._signer.public

    async def record(self, entry: AuditEntry) -> AuditReceipt:
        """Remember ``entry``; durable on return. The same id again gives the first receipt."""
        self._writer.require_room()
        payload, salt = encode_payload(entry.body), self._salts.draw()
        leaf = encode_leaf(entry, commit(salt, payload))
        hashed = leaf_hash(leaf)
        try:
            sealed = await self._sealers.sealed(entry.tenant, salt + payload, seal_context(hashed))
        except Shredded:
            # What it recorded before is known all the same.
            index = await self._find(entry.id)
            if index is None or index >= self.size:
                raise
            return await self._first_receipt(entry, index)
        record = pack_record(leaf, sealed)
        if not entry.trace:
            return await self._writer.submit(entry, hashed, record)
        with self._tracer.span("record", room=_ROOM, trace=entry.trace, action=entry.action):
            return await self._writer.submit(entry, hashed, record)

    async def close(self) -> None:
        """Wait until what was asked for is written. Journal and store stay open: they are not ours."""
        await self._writer.close()

    async def entry(self, entry_id: str) -> LedgerEntry:
        """Raises ``NotFound``, and ``LedgerTampered`` when the record is not the one its leaf hash names."""
        index = await self._find(entry_id)
        if index is None or index >= self.size:
            raise NotFound("ledger entry", entry_id)
        (record,) = await read_records(self._journal, index, 1)
        return await self._entry_at(index, record)

    async def entries(self, after: int, limit: int) -> list[LedgerEntry]:
        """Entries past the index ``after`` (−1 for the first), in order, at most a page."""
        start, size = max(after + 1, 0), self.size
        end = min(start + min(limit, MAX_PAGE_ROWS), size)
        found: list[LedgerEntry] = []
        while start < end:
            records = await read_records(self._journal, start, end - start)
            found += [await self._entry_at(index, record) for index, record in enumerate(records, start)]
            start += len(records)
        return found

    async def case_fingerprints(self, start: int, limit: int) -> bytes:
        """What the case index holds of entries from ``start`` on, at least one and ``limit`` at most.

        Payloads stay sealed. Raises ``LedgerTampered`` for a leaf that is not the recorded one.
        """
        found = []
        records = await read_records(self._journal, start, min(limit, self.size - start))
        hashes = await self._tree.leaf_hashes(start, start + len(records))
        for index, (record, hashed) in enumerate(zip(records, hashes, strict=True), start):
            leaf, _, said = identified(index, record)
            if leaf_hash(leaf) != hashed:
                raise LedgerTampered("entry", index, "its bytes are not the ones that were recorded")
            found.append(case_fingerprint(said.tenant, said.case))
        return b"".join(found)

    async def prove(self, index: int, size: int | None = None) -> InclusionProof:
        """That entry ``index`` is in the log as it was at ``size`` entries (now, when not given)."""
        at = self.size if size is None else size
        if not 0 <= index < at <= self.size:
            raise NotFound("ledger entry", f"{index} of {at}")
        hashed, path, top = await self._tree.ask(
            lambda tree: (tree.subtree(0, index), inclusion_proof(tree, index, at), root(tree, at))
        )
        return InclusionProof(
            index=index,
            size=at,
            leaf_hash=hashed.hex(),
            path=tuple(step.hex() for step in path),
            root=top.hex(),
        )

    async def prove_consistency(self, old_size: int, new_size: int | None = None) -> list[bytes]:
        """That the log of ``old_size`` entries is a prefix of the one of ``new_size`` (now, when not given)."""
        at = self.size if new_size is None else new_size
        if not 0 <= old_size <= at <= self.size:
            raise NotFound("ledger of size", f"{old_size} before {at}")
        return await self._tree.ask(lambda tree: consistency_proof(tree, old_size, at))

    async def tile(self, name: TileName) -> bytes:
        """A tile of hashes or a bundle of leaves (tlog-tiles); raises ``NotFound`` while it is not full that far."""
        start, end = name.number << 8, (name.number << 8) + name.width
        if name.level is not None:
            hashes = await self._tree.tile(name.level, name.number, name.width)
            if hashes is None:
                raise NotFound("tile", name.path)
            return hashes
        if end > self.size:
            raise NotFound("tile", name.path)
        leaves: list[bytes] = []
        while start + len(leaves) < end:
            at = start + len(leaves)
            records = await read_records(self._journal, at, end - at)
            leaves += [read_record(index, record)[0] for index, record in enumerate(records, at)]
        return encode_bundle(leaves)

    async def checkpoint(self) -> Checkpoint:
        """The signed head of the log as it is now; the last one again while nothing was added."""
        async with self._signing:
            size = self.size
            if self._last_signed is None or self._last_signed.size < size:
                signed_at_s = self._clock.wall_ns() // NS_PER_S
                top = await self._tree.ask(lambda tree: root(tree, size))
                made = sign_checkpoint(self._signer, self.origin, size, top, signed_at_s)
                try:
                    await self._shelf.save_checkpoint(made)
                except Conflict:
                    # A commit whose answer was lost did happen: what it holds is the one of this size.
                    stored = await self.signed(size)
                    if stored is None or stored.root != made.root:
                        raise
                    made = stored
                self._last_signed = made
                self._log.info("checkpoint signed", size=size, root=made.root)
            return self._last_signed

    async def newest(self) -> Checkpoint | None:
        """The last checkpoint that was signed."""
        return self._last_signed

    async def signed(self, size: int) -> Checkpoint | None:
        """The checkpoint of exactly this size, if one was signed; raises ``LedgerTampered``."""
        stored = await self._shelf.checkpoint(size)
        return None if stored is None else checked_checkpoint(stored, self.public_key, self.origin)

    async def prefix(self, old: int, new: int) -> tuple[bytes, list[bytes]]:
        """The root at ``old`` entries, and the consistency proof from there to ``new``."""
        proof = await self.prove_consistency(old, new)
        return await self._tree.ask(lambda tree: root(tree, old)), proof

    async def verify(self) -> VerifyReport:
        """Recompute everything from the journal; raises ``LedgerTampered`` naming the first broken thing.

        Nobody gets a receipt or a checkpoint meanwhile. Of the case index, which somebody else writes,
        ``audit`` alone says something.
        """
        async with self._signing, self._writer.rows:
            beside = [IdAudit(self._store, self._ids.page_ids)]
            return await Audit(self._journal, self._store, self._sealers, self.public_key, self.size, beside).run()

    async def _find(self, entry_id: str) -> int | None:
        """The index of the entry of this id, which may be untold yet."""
        for index in await self._ids.find(entry_id):
            (record,) = await read_records(self._journal, index, 1)
            _, _, said = read_record(index, record)
            if said.entry.id == entry_id:
                return index
        return None

    async def _first_receipt(self, again: AuditEntry, index: int) -> AuditReceipt:
        """The receipt that was given for this id before."""
        (record,) = await read_records(self._journal, index, 1)
        first = await self._entry_at(index, record)
        if first.entry != (replace(again, body={}) if first.payload_gone else again):
            warn_of_other_content(self._log, again.id)
        return AuditReceipt(entry=again.id, index=index, leaf_hash=first.leaf_hash)

    async def _entry_at(self, index: int, record: bytes) -> LedgerEntry:
        leaf, sealed, said = read_record(index, record)
        hashed = leaf_hash(leaf)
        if hashed != await self._tree.leaf_hash(index):
            raise LedgerTampered("entry", index, "its bytes are not the ones that were recorded")
        if sealed is None:
            return LedgerEntry(index, hashed.hex(), leaf, said.entry)
        opened = await self._sealers.opened(index, said.entry.tenant, sealed, seal_context(hashed))
        if opened is None:
            return LedgerEntry(index, hashed.hex(), leaf, said.entry, payload_gone=True)
        disclosure = checked_disclosure(index, said, opened)
        return LedgerEntry(index, hashed.hex(), leaf, with_body(said.entry, disclosure), disclosure)
