"""The ledger: an append-only, Merkle-proved record of everything of consequence.

Invariants:

- journal record ``i`` holds leaf ``i`` and its sealed payload; a receipt is given once the
  record is synced *and* its leaf hash and waypoint are committed, so it survives the loss of power;
- an entry id is recorded once. Whoever sends it again gets the first receipt, also after a
  crash between the append and the receipt: opening reads the ids back from the journal;
- no checkpoint is signed over a tree that is not an extension of the last signed one: opening
  refuses a journal that disagrees with it;
- in memory are hashes only: 64 bytes of tree and about 150 of id index per entry.

Concurrent calls share one append and one commit (group commit). One process writes a ledger.
"""

import asyncio
import hashlib
from collections import deque
from dataclasses import dataclass, replace

from phalanx.core import (
    MAX_PAGE_ROWS,
    NS_PER_S,
    AuditEntry,
    AuditReceipt,
    Clock,
    EntropySource,
    Journal,
    NotFound,
    Overloaded,
    Store,
    Waypoint,
    derive_id,
)
from phalanx.crypto import HybridSigner, PublicKey
from phalanx.ledger._checkpoint import Checkpoint, sign_checkpoint
from phalanx.ledger._errors import LedgerTampered
from phalanx.ledger._leaf import encode_leaf
from phalanx.ledger._limits import MAX_GROUP_ENTRIES, MAX_WAITING_ENTRIES, PAGE_ENTRIES
from phalanx.ledger._merkle import HashTree, consistency_proof, inclusion_proof, leaf_hash, root
from phalanx.ledger._payload import SALT_BYTES, commit, encode_payload
from phalanx.ledger._proof import InclusionProof
from phalanx.ledger._record import (
    LedgerEntry,
    checked_disclosure,
    pack_record,
    read_record,
    seal_context,
    with_body,
)
from phalanx.ledger._sealing import KeptSealers, Sealers
from phalanx.ledger._shelf import Shelf
from phalanx.ledger._verify import VerifyReport, checked_checkpoint, read_records, verify
from phalanx.telemetry import Telemetry, waypoint_put

_ROOM = "ledger"
_RETRY_AFTER_S = 1


@dataclass(frozen=True, slots=True)
class _Waiting:
    entry: AuditEntry
    hashed: bytes
    record: bytes
    receipt: asyncio.Future[AuditReceipt]


class Ledger:
    """Implements ``AuditSink``. Made by ``Ledger.open``."""

    def __init__(
        self,
        journal: Journal,
        shelf: Shelf,
        store: Store,
        signer: HybridSigner,
        clock: Clock,
        telemetry: Telemetry,
        entropy: EntropySource,
        sealers: Sealers,
    ) -> None:
        """Use ``open``: an unopened ledger does not know what its journal holds."""
        self._journal = journal
        self._shelf = shelf
        self._store = store
        self._signer = signer
        self._clock = clock
        self._entropy = entropy
        self._sealers = KeptSealers(sealers)
        self._feed = telemetry.feed
        self._tracer = telemetry.tracer
        self._log = telemetry.log.bind(room=_ROOM)
        self._entries_total = telemetry.metrics.counter("phalanx_ledger_entries_total", "Entries recorded.")
        self._groups_seconds = telemetry.metrics.histogram(
            "phalanx_ledger_group_seconds", "Time to make one group of entries durable."
        )
        self.origin = f"phalanx-ledger/{signer.public.fingerprint[:16]}"
        self._tree = HashTree()
        self._index: dict[bytes, int] = {}
        # Entries that are synced in the journal while their leaf rows and waypoints are not
        # committed yet: at most one group, for no group is appended before the last one is told.
        self._untold: list[AuditEntry] = []
        self._waiting: deque[_Waiting] = deque()
        self._writer: asyncio.Task[None] | None = None
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
        sealers: Sealers,
    ) -> "Ledger":
        """Read the journal back; raises ``LedgerTampered`` when it is not what was recorded and signed."""
        ledger = cls(journal, Shelf(store), store, signer, clock, telemetry, entropy, sealers)
        await ledger._load()
        return ledger

    @property
    def size(self) -> int:
        """Entries in the log."""
        return len(self._tree)

    @property
    def public_key(self) -> PublicKey:
        """What checkpoints are verified with."""
        return self._signer.public

    async def record(self, entry: AuditEntry) -> AuditReceipt:
        """Remember ``entry``; durable on return. The same id again gives the first receipt."""
        index = self._index.get(_id_hash(entry.id))
        if index is not None and index < self._told:
            return await self._first_receipt(entry)
        payload, salt = encode_payload(entry.body), self._entropy.token(SALT_BYTES)
        leaf = encode_leaf(entry, commit(salt, payload))
        hashed = leaf_hash(leaf)
        sealer = await self._sealers.of(entry.tenant)
        record = pack_record(leaf, sealer.seal(salt + payload, seal_context(hashed)))
        if len(self._waiting) >= MAX_WAITING_ENTRIES:
            raise Overloaded("the ledger", retry_after_s=_RETRY_AFTER_S)
        waiting = _Waiting(entry, hashed, record, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write(), name="ledger-writer")
        with self._tracer.span("record", room=_ROOM, trace=entry.trace, action=entry.action):
            return await waiting.receipt

    async def close(self) -> None:
        """Wait until what was asked for is written. Journal and store stay open: they are not ours."""
        if self._writer is not None:
            await asyncio.wait([self._writer])

    async def entry(self, entry_id: str) -> LedgerEntry:
        """Raises ``NotFound``, and ``LedgerTampered`` when the record is not the one its leaf hash names."""
        index = self._index.get(_id_hash(entry_id))
        if index is None:
            raise NotFound("ledger entry", entry_id)
        (record,) = await read_records(self._journal, index, 1)
        return await self._entry_at(index, record)

    async def entries(self, after: int, limit: int) -> list[LedgerEntry]:
        """Entries past the index ``after`` (−1 for the first), in order, at most a page."""
        start, size = max(after + 1, 0), self.size
        end = min(start + min(limit, MAX_PAGE_ROWS), size)
        found: list[LedgerEntry] = []
        while start < end:
            records = (await read_records(self._journal, start, end - start))[: end - start]
            found += [await self._entry_at(index, record) for index, record in enumerate(records, start)]
            start += len(records)
        return found

    async def prove(self, index: int, size: int | None = None) -> InclusionProof:
        """That entry ``index`` is in the log as it was at ``size`` entries (now, when not given)."""
        size = self.size if size is None else size
        if not 0 <= index < size <= self.size:
            raise NotFound("ledger entry", f"{index} of {size}")
        path = inclusion_proof(self._tree, index, size)
        return InclusionProof(
            index=index,
            size=size,
            leaf_hash=self._tree.subtree(0, index).hex(),
            path=tuple(step.hex() for step in path),
            root=root(self._tree, size).hex(),
        )

    async def prove_consistency(self, old_size: int, new_size: int | None = None) -> list[bytes]:
        """That the log of ``old_size`` entries is a prefix of the one of ``new_size`` (now, when not given)."""
        new_size = self.size if new_size is None else new_size
        if not 0 <= old_size <= new_size <= self.size:
            raise NotFound("ledger of size", f"{old_size} before {new_size}")
        return consistency_proof(self._tree, old_size, new_size)

    async def checkpoint(self) -> Checkpoint:
        """The signed head of the log as it is now; the last one again while nothing was added."""
        async with self._signing:
            size = self._told
            if self._last_signed is None or self._last_signed.size < size:
                signed_at_s = self._clock.wall_ns() // NS_PER_S
                made = sign_checkpoint(self._signer, self.origin, size, root(self._tree, size), signed_at_s)
                await self._shelf.save_checkpoint(made)
                self._last_signed = made
                self._log.info("checkpoint signed", size=size, root=made.root)
            return self._last_signed

    async def newest(self) -> Checkpoint | None:
        """The last checkpoint that was signed."""
        return self._last_signed

    async def signed(self, size: int) -> Checkpoint | None:
        """The checkpoint of exactly this size, if one was signed; raises ``LedgerTampered``."""
        note = await self._shelf.checkpoint(size)
        return None if note is None else checked_checkpoint(size, note, self.public_key, self.origin)

    async def prefix(self, old: int, new: int) -> tuple[bytes, list[bytes]]:
        """The root at ``old`` entries, and the consistency proof from there to ``new``."""
        proof = await self.prove_consistency(old, new)
        return root(self._tree, old), proof

    async def verify(self) -> VerifyReport:
        """Recompute everything from the journal; raises ``LedgerTampered`` naming the first broken thing."""
        async with self._signing:
            return await verify(self._journal, self._shelf, self._sealers, self.public_key, self.origin, self._told)

    @property
    def _told(self) -> int:
        return len(self._tree) - len(self._untold)

    def _receipt(self, entry_id: str, index: int) -> AuditReceipt:
        return AuditReceipt(entry=entry_id, index=index, leaf_hash=self._tree.subtree(0, index).hex())

    async def _first_receipt(self, again: AuditEntry) -> AuditReceipt:
        """The receipt that was given for this id before."""
        first = await self.entry(again.id)
        same = first.entry == (replace(again, body={}) if first.payload_gone else again)
        if not same:
            self._log.warning("ledger entry sent again with other content; the first stands", entry=again.id)
        return self._receipt(again.id, first.index)

    async def _entry_at(self, index: int, record: bytes) -> LedgerEntry:
        leaf, sealed, said = read_record(index, record)
        hashed = leaf_hash(leaf)
        if hashed != self._tree.subtree(0, index):
            raise LedgerTampered("entry", index, "its bytes are not the ones that were recorded")
        if sealed is None:
            return LedgerEntry(index, hashed.hex(), leaf, said.entry)
        opened = await self._sealers.opened(index, said.entry.tenant, sealed, seal_context(hashed))
        if opened is None:
            return LedgerEntry(index, hashed.hex(), leaf, said.entry, payload_gone=True)
        disclosure = checked_disclosure(index, said, opened)
        return LedgerEntry(index, hashed.hex(), leaf, with_body(said.entry, disclosure), disclosure)

    async def _load(self) -> None:
        if self._journal.start > 0:
            raise LedgerTampered("entry", 0, "the journal no longer holds it")
        told = await self._shelf.leaf_count()
        if self._journal.end < told:
            raise LedgerTampered("entry", self._journal.end, f"the journal ends here, and {told} entries were recorded")
        while self.size < self._journal.end:
            for record in await read_records(self._journal, self.size, PAGE_ENTRIES):
                leaf, _, said = read_record(self.size, record)
                if self.size >= told:
                    self._untold.append(said.entry)
                self._remember(said.entry.id, leaf_hash(leaf))
        await self._load_last_checkpoint()
        await self._tell()

    async def _load_last_checkpoint(self) -> None:
        stored = await self._shelf.last_checkpoint()
        if stored is None:
            return
        size, note = stored
        if size > self.size:
            raise LedgerTampered("checkpoint", size, f"the journal holds {self.size} entries, fewer than were signed")
        checkpoint = checked_checkpoint(size, note, self.public_key, self.origin)
        if root(self._tree, size).hex() != checkpoint.root:
            raise LedgerTampered("checkpoint", size, "the entries it covers are not the ones it was signed over")
        self._last_signed = checkpoint

    def _remember(self, entry_id: str, hashed: bytes) -> None:
        self._index.setdefault(_id_hash(entry_id), self.size)
        self._tree.append(hashed)

    async def _write(self) -> None:
        group: list[_Waiting] = []
        try:
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_GROUP_ENTRIES))]
                try:
                    await self._write_group(group)
                except Exception as error:  # noqa: BLE001 - every caller of the group is told, none hangs
                    for waiting in group:
                        if not waiting.receipt.done():
                            waiting.receipt.set_exception(error)
        finally:
            self._writer = None
            for waiting in (*group, *self._waiting):
                waiting.receipt.cancel()
            self._waiting.clear()

    async def _write_group(self, group: list[_Waiting]) -> None:
        begun_ns = self._clock.monotonic_ns()
        await self._tell()
        fresh: dict[bytes, _Waiting] = {}
        for waiting in group:
            hashed_id = _id_hash(waiting.entry.id)
            if hashed_id not in self._index:
                fresh.setdefault(hashed_id, waiting)
        if fresh:
            first = await self._journal.append([waiting.record for waiting in fresh.values()])
            if first != self.size:
                raise LedgerTampered(
                    "entry", self.size, f"somebody else wrote {first - self.size} entries to the journal"
                )
            for waiting in fresh.values():
                self._untold.append(waiting.entry)
                self._remember(waiting.entry.id, waiting.hashed)
            await self._tell()
            self._entries_total.inc(len(fresh))
            self._groups_seconds.observe((self._clock.monotonic_ns() - begun_ns) / NS_PER_S)
        for waiting in group:
            hashed_id = _id_hash(waiting.entry.id)
            if fresh.get(hashed_id) is waiting:
                receipt = self._receipt(waiting.entry.id, self._index[hashed_id])
            else:
                receipt = await self._first_receipt(waiting.entry)
            if not waiting.receipt.done():
                waiting.receipt.set_result(receipt)

    async def _tell(self) -> None:
        """Commit leaf rows and waypoints of what the journal holds already, then publish."""
        while self._untold:
            first, told = self._told, self._untold[:MAX_GROUP_ENTRIES]
            at_ns = self._clock.wall_ns()
            hashes = [self._tree.subtree(0, index) for index in range(first, first + len(told))]
            waypoints = [
                _waypoint(entry, at_ns, index, hashed)
                for index, (entry, hashed) in enumerate(zip(told, hashes, strict=True), first)
            ]
            rows = [self._shelf.leaf_put(index, hashed) for index, hashed in enumerate(hashes, first)]
            await self._store.commit([*rows, *map(waypoint_put, waypoints)])
            del self._untold[: len(told)]
            for waypoint in waypoints:
                self._feed.publish(waypoint)


def _id_hash(entry_id: str) -> bytes:
    return hashlib.blake2b(entry_id.encode(), digest_size=16).digest()


def _waypoint(entry: AuditEntry, at_ns: int, index: int, hashed: bytes) -> Waypoint:
    return Waypoint(
        id=derive_id(at_ns, "waypoint", _ROOM, entry.id),
        tenant=entry.tenant,
        trace=entry.trace,
        at_ns=at_ns,
        room=_ROOM,
        stage="ledger",
        subject=entry.id,
        summary=f"entry {index} recorded: {entry.actor} {entry.action} {entry.subject}",
        detail={"index": index, "leaf_hash": hashed.hex()},
    )
