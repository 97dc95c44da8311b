"""Makes entries durable in groups, in two stages that work at once.

The first appends records to the journal; the second commits their tiles, ids and waypoints, and
then answers. While one group is being committed the next is being appended.

Invariants:

- the journal is ahead of the tree by the untold entries and nothing else, and they are told in
  order: nobody gets a receipt while an entry before theirs has none of its own rows;
- what was appended and could not be told (the store is full) is told before anything else is
  appended; its callers got the error, and whoever asks again gets the receipt;
- an id is looked for before its entry is appended, by the one task that appends.
"""

import asyncio
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from phalanx.core import (
    NS_PER_S,
    AuditEntry,
    AuditReceipt,
    Clock,
    Journal,
    Overloaded,
    PhalanxError,
    Store,
    Waypoint,
    derive_id,
)
from phalanx.crypto.vault import Shredded
from phalanx.ledger._errors import LedgerTampered
from phalanx.ledger._id_index import IdIndex, run_puts
from phalanx.ledger._ids import fingerprint
from phalanx.ledger._limits import MAX_GROUP_BYTES, MAX_GROUP_ENTRIES, MAX_UNTOLD_ENTRIES, MAX_WAITING_ENTRIES
from phalanx.ledger._tree import TiledTree
from phalanx.telemetry import Logger, Telemetry, waypoint_put

_ROOM = "ledger"
_RETRY_AFTER_S = 1


@dataclass(slots=True, eq=False)
class Pending:
    """One call that waits for its receipt."""

    entry: AuditEntry
    fingerprint: int
    leaf_hash: bytes
    record: bytes
    receipt: "asyncio.Future[AuditReceipt]"


@dataclass(slots=True, eq=False)
class Untold:
    """An entry that is synced in the journal and nowhere else, and who waits for it."""

    entry: AuditEntry
    leaf_hash: bytes
    checksum: int
    begun_ns: int
    waiting: list[Pending]
    # Without a waypoint: it was told in an earlier format, or its tenant was shredded. Nor has one
    # what is part of no trace.
    silent: bool = False


class Writer:
    """Owns the tree, the id index and the journal's end. ``recorded`` finds an entry by its id."""

    def __init__(
        self,
        journal: Journal,
        store: Store,
        tree: TiledTree,
        ids: IdIndex,
        *,
        recorded: Callable[[str], Awaitable[int | None]],
        again: Callable[[AuditEntry, int], Awaitable[AuditReceipt]],
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._journal = journal
        self._store = store
        self._tree = tree
        self._ids = ids
        self._recorded = recorded
        self._again = again
        self._clock = clock
        self._feed = telemetry.feed
        self._log = telemetry.log.bind(room=_ROOM)
        self._entries_total = telemetry.metrics.counter("phalanx_ledger_entries_total", "Entries recorded.")
        self._groups_seconds = telemetry.metrics.histogram(
            "phalanx_ledger_group_seconds", "Time to make one group of entries durable."
        )
        self._waiting: deque[Pending] = deque()
        self._untold: deque[Untold] = deque()
        self._appending: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None
        self._merging: asyncio.Task[None] | None = None
        self._room = asyncio.Event()
        # Held while rows are written; whoever else holds it sees the store standing still.
        self.rows = asyncio.Lock()

    def require_room(self) -> None:
        """Raises ``Overloaded`` when too many entries wait."""
        if len(self._waiting) >= MAX_WAITING_ENTRIES:
            raise Overloaded("the ledger", retry_after_s=_RETRY_AFTER_S)

    def submit(self, entry: AuditEntry, leaf_hash: bytes, record: bytes) -> "asyncio.Future[AuditReceipt]":
        """The receipt to wait for."""
        receipt: asyncio.Future[AuditReceipt] = asyncio.get_running_loop().create_future()
        self._waiting.append(Pending(entry, fingerprint(entry.id), leaf_hash, record, receipt))
        if self._appending is None:
            self._appending = asyncio.create_task(self._append_all(), name="ledger-append")
        return receipt

    async def resume(self, untold: Iterable[Untold]) -> None:
        """Tell what an earlier process appended."""
        self._untold.extend(untold)
        while self._untold:
            await self._tell()

    async def close(self) -> None:
        """Wait until what was asked for is written."""
        while tasks := [task for task in (self._appending, self._telling, self._merging) if task is not None]:
            await asyncio.wait(tasks)

    async def _append_all(self) -> None:
        group: list[Pending] = []
        try:
            while self._waiting:
                group = self._next_group()
                try:
                    await self._append(group)
                except Exception as error:  # noqa: BLE001 - every caller of the group is told, none hangs
                    _fail(group, error)
        except BaseException:
            # The event loop ends: nobody is left waiting for what will not come.
            for pending in (*group, *self._waiting):
                pending.receipt.cancel()
            self._waiting.clear()
            raise
        finally:
            self._appending = None

    def _next_group(self) -> list[Pending]:
        group: list[Pending] = []
        n_bytes = 0
        while self._waiting and len(group) < MAX_GROUP_ENTRIES and n_bytes < MAX_GROUP_BYTES:
            group.append(self._waiting.popleft())
            n_bytes += len(group[-1].record)
        return group

    async def _append(self, group: Sequence[Pending]) -> None:
        begun_ns = self._clock.monotonic_ns()
        await self._make_room()
        fresh, known = await self._sorted(group)
        if fresh:
            expected = self._tree.size + len(self._untold)
            first = await self._journal.append([pending.record for pending in fresh])
            if first != expected:
                reason = f"somebody else wrote {first - expected} entries to the journal"
                raise LedgerTampered("entry", expected, reason)
            for pending in fresh:
                self._ids.remember(pending.fingerprint)
                checksum = zlib.crc32(pending.record)
                self._untold.append(Untold(pending.entry, pending.leaf_hash, checksum, begun_ns, [pending]))
        for pending, index in known:
            await self._answer_again(pending, index)
        if self._untold and self._telling is None:
            self._telling = asyncio.create_task(self._tell_all(), name="ledger-tell")

    async def _make_room(self) -> None:
        while self._untold:
            if self._telling is None:
                await self._tell()
            elif len(self._untold) >= MAX_UNTOLD_ENTRIES:
                self._room.clear()
                await self._room.wait()
            else:
                return

    async def _sorted(self, group: Sequence[Pending]) -> tuple[list[Pending], list[tuple[Pending, int]]]:
        """Those to append, and those whose ids are known with the index of each."""
        unsure = set(self._ids.unsure([pending.fingerprint for pending in group]))
        next_index = self._tree.size + len(self._untold)
        fresh: dict[str, int] = {}
        appended: list[Pending] = []
        known: list[tuple[Pending, int]] = []
        for at, pending in enumerate(group):
            entry_id = pending.entry.id
            index = fresh.get(entry_id)
            if index is None and at in unsure:
                index = await self._recorded(entry_id)
            if index is None:
                fresh[entry_id] = next_index + len(appended)
                appended.append(pending)
            else:
                known.append((pending, index))
        return appended, known

    async def _answer_again(self, pending: Pending, index: int) -> None:
        told = self._tree.size
        if index >= told:
            self._untold[index - told].waiting.append(pending)
            return
        try:
            receipt = await self._again(pending.entry, index)
        except Exception as error:  # noqa: BLE001 - it is this caller's, not the group's
            _fail([pending], error)
        else:
            _settle(pending, receipt)

    async def _tell_all(self) -> None:
        try:
            while self._untold:
                await self._tell()
        except Exception as error:  # noqa: BLE001 - handed to everybody who waits
            for untold in self._untold:
                _fail(untold.waiting, error)
                untold.waiting.clear()
        except BaseException:
            for untold in self._untold:
                for pending in untold.waiting:
                    pending.receipt.cancel()
            raise
        finally:
            self._telling = None
            self._room.set()

    async def _tell(self) -> None:
        """Commit what the journal holds already, then answer and publish."""
        async with self.rows:
            await self._tell_group()
        if self._merging is None and self._ids.mergeable():
            self._merging = asyncio.create_task(self._merge(), name="ledger-ids")

    async def _tell_group(self) -> None:
        told = list(islice(self._untold, MAX_GROUP_ENTRIES))
        first = self._tree.size
        at_ns = self._clock.wall_ns()
        growth = self._tree.grown([one.leaf_hash for one in told], [one.checksum for one in told])
        built = self._ids.due(first + len(told))
        waypoints = [
            _waypoint(one.entry, at_ns, index, one.leaf_hash)
            for index, one in enumerate(told, first)
            if one.entry.trace and not one.silent
        ]
        runs = [put for one in built for put in run_puts(one)]
        try:
            await self._store.commit([*growth.puts, *runs, *map(waypoint_put, waypoints)])
        except Shredded as shredded:
            if not _silence(told, shredded.tenant):
                raise
            return  # to be told without the waypoints that nobody could read
        self._tree.adopt(growth)
        self._ids.adopt(built)
        for _ in told:
            self._untold.popleft()
        self._room.set()
        for index, one in enumerate(told, first):
            self._answer(one, index)
        for waypoint in waypoints:
            self._feed.publish(waypoint)
        self._entries_total.inc(len(told))
        self._groups_seconds.observe((self._clock.monotonic_ns() - told[0].begun_ns) / NS_PER_S)

    def _answer(self, told: Untold, index: int) -> None:
        if not told.waiting:
            return
        receipt = AuditReceipt(entry=told.entry.id, index=index, leaf_hash=told.leaf_hash.hex())
        for pending in told.waiting:
            if pending.entry is not told.entry and pending.entry != told.entry:
                warn_of_other_content(self._log, pending.entry.id)
            _settle(pending, receipt)

    async def _merge(self) -> None:
        try:
            while runs := self._ids.mergeable():
                merged = await self._ids.merged(runs)
                async with self.rows:
                    await self._ids.replace(runs, merged)
        except PhalanxError as error:
            # The runs are as they were; the next group tries again.
            self._log.warning("ids of the ledger are not merged", reason=error.message)
        finally:
            self._merging = None


def _silence(told: Iterable[Untold], tenant: str) -> bool:
    """Drop the waypoints of a tenant that was shredded after its entries were appended. Whether there were any."""
    gone = [one for one in told if one.entry.tenant == tenant and not one.silent]
    for one in gone:
        one.silent = True
    return bool(gone)


def warn_of_other_content(log: Logger, entry_id: str) -> None:
    log.warning("ledger entry sent again with other content; the first stands", entry=entry_id)


def _settle(pending: Pending, receipt: AuditReceipt) -> None:
    if not pending.receipt.done():
        pending.receipt.set_result(receipt)


def _fail(waiting: Iterable[Pending], error: Exception) -> None:
    for pending in waiting:
        if not pending.receipt.done():
            pending.receipt.set_exception(error)


def _waypoint(entry: AuditEntry, at_ns: int, index: int, leaf_hash: bytes) -> Waypoint:
    return Waypoint(
        id=derive_id(at_ns, "waypoint", _ROOM, entry.id),
        tenant=entry.tenant,
        trace=entry.trace,
        at_ns=at_ns,
        room=_ROOM,
        stage="ledger",
        subject=entry.id,
        summary=f"entry {index} recorded: {entry.actor} {entry.action} {entry.subject}",
        detail={"index": index, "leaf_hash": leaf_hash.hex()},
    )
