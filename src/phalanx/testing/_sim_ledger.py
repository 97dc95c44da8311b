"""Simulation ``ledger``: a ledger on a machine that loses power, with a tenant shredded and a forger at the end.

Recorders record entries, some of them again and some with other content; meanwhile checkpoints
are signed and given away, a tenant is shredded, the process is killed or the power fails, the
disk fills up. After every restart the checkers compare what is there with what was acknowledged,
and at the end a forger changes something on the disk. The checkers share no code with the
ledger: they read leaves as JSON and hash trees anew. They require that

- an acknowledged entry is there, in its place, with its bytes; every id is there once;
- every entry has one waypoint, which says where it is;
- what a leaf commits to is what was recorded; a shredded payload is gone and no other is;
- the case index finds the entries of a case, all of them and no others;
- every checkpoint that was given away, ever, is of the log as it is now;
- a proof leads from a leaf to a checkpoint that was given away;
- an audit finds nothing, until the forger was there; then it finds it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from phalanx.core import (
    DEFAULT_TENANT,
    KIB,
    AuditEntry,
    Delete,
    Journal,
    Put,
    Rng,
    StorageFull,
    Store,
    Table,
    TenantId,
    TraceId,
    Waypoint,
    decode,
)
from phalanx.crypto.vault import Shredded
from phalanx.testing._checking import Checker, SimReport, Simulation, judged_in
from phalanx.testing._faults import DiskFaults, Faults
from phalanx.testing._ledger_checker import LedgerChecker, climbed
from phalanx.testing._sealers import MemorySealers
from phalanx.testing._store import SimStore
from phalanx.testing._world import SimNode, SimWorld

if TYPE_CHECKING:
    from phalanx.crypto import HybridSigner
    from phalanx.ledger import Ledger
    from phalanx.ledger.evidence import CaseIndex

NAME = "ledger"
_TENANTS = (DEFAULT_TENANT, TenantId("acme"))
_SHREDDED = _TENANTS[1]
_LIVES = 3
_RECORDERS = ("ada", "bob")
_ENTRIES = 4
# Small numbers make rare things happen often: runs of two ids, a segment every few groups.
_IDS_PER_PAGE = 2
_SEGMENT_BYTES = 2 * KIB
_LIFE_MEAN_S = 0.004
_HASH_BYTES = 32
_WAYPOINTS = Table("waypoints", indexes=("trace", "stage"))
_CASES = ("host-1", "host-2")
_TILES = Table("ledger_tiles")
_ID_RUNS = Table("ledger_id_runs")
_CASE_PAGES = Table("ledger_case_pages")
_CASE_HEAD = Table("ledger_case_head")


@lru_cache(maxsize=1)
def _signer() -> "HybridSigner":
    from phalanx.crypto import HybridSigner

    return HybridSigner.generate()


class EarlyJournal:
    """A planted mistake: says that records are durable before they are."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._ahead = 0
        self._late: set[asyncio.Task[int]] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    @property
    def end(self) -> int:
        return self._journal.end + self._ahead

    async def append(self, records: list[bytes]) -> int:
        first = self.end
        self._ahead += len(records)
        task = asyncio.create_task(self._append(records))
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return first

    async def _append(self, records: list[bytes]) -> int:
        first = await self._journal.append(records)
        self._ahead -= len(records)
        return first


@dataclass(slots=True)
class _Run:
    world: SimWorld
    checker: Checker
    log: LedgerChecker
    sealers: MemorySealers
    early: bool

    async def main(self, world: SimWorld) -> None:
        rng, node = world.rng.child("plan"), world.node("machine")
        shred_in = rng.integer(0, 2 * _LIVES)
        for life in range(_LIVES):
            node.start(self._life)
            await world.clock.sleep(rng.exponential(_LIFE_MEAN_S))
            if life == shred_in:
                self.sealers.shred(_SHREDDED)
                self.log.shredded = True
            self.checker.count("crashes")
            await node.crash(power_loss=life == _LIVES - 1 or rng.chance(0.6))
            if rng.chance(0.3):
                world.disk("machine").capacity_bytes += 8 * KIB
        world.disk("machine").capacity_bytes += 256 * KIB
        await node.start(self._end)

    async def _open(self, node: SimNode) -> tuple["Ledger", Journal, Store]:
        from phalanx.ledger import Ledger
        from phalanx.telemetry import Telemetry

        world = self.world
        journal: Journal = await world.journals(node.name, segment_bytes=_SEGMENT_BYTES).open("ledger")
        store = SimStore(world.journals(node.name, "store", segment_bytes=_SEGMENT_BYTES))
        ledger = await Ledger.open(
            cast("Journal", EarlyJournal(journal)) if self.early else journal, store, _signer(),
            clock=world.clock, telemetry=Telemetry(world.clock), entropy=world.entropy, offload=world.offload,
            sealers=self.sealers, ids_per_page=_IDS_PER_PAGE,
        )  # fmt: skip
        self.log.inspect(await ledger.entries(-1, 1_000))
        rows = [row for tenant in _TENANTS for row in await store.scan(_WAYPOINTS, tenant)]
        self.log.inspect_waypoints([decode(row.value, Waypoint) for row in rows])
        return ledger, journal, store

    async def _life(self, node: SimNode) -> None:
        try:
            ledger, _, store = await self._open(node)
        except StorageFull:
            return
        index = await self._inspect_cases(ledger, store)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(node.rng.child("cases"), index), name="cases")
            for name in _RECORDERS:
                tasks.create_task(self._record_all(node.rng.child(name), name, ledger), name=name)
            tasks.create_task(self._sign(node.rng.child("sign"), ledger), name="sign")

    async def _inspect_cases(self, ledger: "Ledger", store: Store) -> "CaseIndex":
        from phalanx.ledger.evidence import CaseIndex

        index = CaseIndex(ledger, store, _signer(), self.world.clock)
        try:
            found = [(tenant, case, await index.of(tenant, case)) for tenant in _TENANTS for case in _CASES]
        except StorageFull:
            return index
        for one in found:
            self.log.inspect_case(*one)
        return index

    async def _follow(self, rng: Rng, index: "CaseIndex") -> None:
        for _ in range(3):
            await self.world.clock.sleep(rng.exponential(_LIFE_MEAN_S / 3))
            try:
                await index.catch_up()
            except StorageFull:
                continue
            self.checker.count("times the case index caught up")

    async def _record_all(self, rng: Rng, name: str, ledger: "Ledger") -> None:
        for _ in range(_ENTRIES):
            batch = [self._entry(rng, name) for _ in range(rng.integer(1, 4))]
            await asyncio.gather(*(self._record(ledger, entry) for entry in batch))

    def _entry(self, rng: Rng, name: str) -> AuditEntry:
        known = list(self.log.attempted)
        if known and rng.chance(0.2):
            again = self.log.attempted[known[rng.integer(0, len(known))]][0]
            if rng.chance(0.8):
                return again
            return self._noted(AuditEntry(**{**_fields(again), "subject": "something else"}))
        entry_id = f"{name} {rng.bits(64):016x}"
        tenant = _TENANTS[rng.integer(0, 2)]
        case, body = rng.choice(_CASES), {"text": f"{rng.bits(64):x}" * rng.integer(0, 12)}
        return self._noted(
            AuditEntry(entry_id, tenant, TraceId(entry_id), 0, name, "does", "something", case, body, (name, "node"))
        )

    def _noted(self, entry: AuditEntry) -> AuditEntry:
        self.log.attempted.setdefault(entry.id, []).append(entry)
        return entry

    async def _record(self, ledger: "Ledger", entry: AuditEntry) -> None:
        try:
            receipt = await ledger.record(entry)
        except StorageFull:
            self.checker.count("refused for space")
        except Shredded:
            self.checker.require(self.log.shredded and entry.tenant == _SHREDDED, "keys gone too early", entry.id)
        else:
            self.checker.count("entries acknowledged")
            self.log.acknowledge(entry, receipt)

    async def _sign(self, rng: Rng, ledger: "Ledger") -> None:
        for _ in range(2):
            await self.world.clock.sleep(rng.exponential(_LIFE_MEAN_S / 3))
            try:
                self.log.give(await ledger.checkpoint())
            except StorageFull:
                continue
            self.checker.count("checkpoints given away")

    async def _end(self, node: SimNode) -> None:
        """Everything holds; then the forger comes, and is found."""
        from phalanx.ledger import LedgerTampered

        rng = self.world.rng.child("forger")
        ledger, journal, store = await self._open(node)
        checkpoint = await ledger.checkpoint()
        self.log.give(checkpoint)
        await ledger.close()
        if not checkpoint.size:
            return
        index = rng.integer(0, checkpoint.size)
        proof = await ledger.prove(index, checkpoint.size)
        top = climbed(self.log.leaves[index], index, checkpoint.size, [bytes.fromhex(step) for step in proof.path])
        self.checker.require(top.hex() == checkpoint.root, "a proof leads elsewhere", index)
        try:
            await ledger.verify()
        except LedgerTampered as error:
            self.checker.violation("an audit found what nobody did", error.message)
            return
        await self._inspect_cases(ledger, store)
        forge = (self._flip_row, self._flip_case, self._forge_payload, self._cut_off)[rng.integer(0, 4)]
        await forge(rng, ledger, journal, store)

    async def _flip_row(self, rng: Rng, ledger: "Ledger", _: Journal, store: Store) -> None:
        """Change a byte of a tile, a run of ids or a checkpoint."""
        table = (_TILES, _ID_RUNS, Table("ledger_id_pages"), Table("ledger_checkpoints"))[rng.integer(0, 4)]
        rows = await store.scan(table, DEFAULT_TENANT)
        if rows:
            row = rows[rng.integer(0, len(rows))]
            at = rng.integer(0, len(row.value))
            value = row.value[:at] + bytes([row.value[at] ^ 1 << rng.integer(0, 8)]) + row.value[at + 1 :]
            await store.commit([Put(table, DEFAULT_TENANT, row.key, value)])
            await self._must_be_found(ledger, f"a changed byte of {table.name}")

    async def _flip_case(self, rng: Rng, ledger: "Ledger", _: Journal, store: Store) -> None:
        """Change a byte of the case index, or take a row of it away: nobody gets an answer from it any more."""
        from phalanx.ledger import LedgerTampered
        from phalanx.ledger.evidence import CaseIndex

        table = rng.choice((_CASE_PAGES, _CASE_HEAD))
        (row,) = await store.scan(table, DEFAULT_TENANT)
        at = rng.integer(0, len(row.value))
        value = row.value[:at] + bytes([row.value[at] ^ 1 << rng.integer(0, 8)]) + row.value[at + 1 :]
        gone = rng.chance(0.3)
        await store.commit(
            [Delete(table, DEFAULT_TENANT, row.key) if gone else Put(table, DEFAULT_TENANT, row.key, value)]
        )
        try:
            await CaseIndex(ledger, store, _signer(), self.world.clock).of(DEFAULT_TENANT, _CASES[0])
        except LedgerTampered:
            self.checker.count("forgeries found")
        else:
            self.checker.violation("a forged case index was believed", table.name)

    async def _forge_payload(self, rng: Rng, ledger: "Ledger", journal: Journal, store: Store) -> None:
        """Seal another payload in the place of one, with the tenant's own key, and mend the checksum."""
        import zlib

        found = [one for one in await ledger.entries(-1, 1_000) if one.disclosure is not None]
        if not found:
            return
        one = found[rng.integer(0, len(found))]
        (record,) = await journal.read(one.index, max_records=1)
        sealer = await self.sealers.sealer(one.entry.tenant, "ledger")
        aad = b"phalanx/ledger/record/v2\x00" + bytes.fromhex(one.leaf_hash)
        forged = record[: 3 + len(one.leaf)] + sealer.seal(bytes(_HASH_BYTES) + b'{"text":"forged"}', aad)
        records = await journal.read(0, max_records=1_000)
        records[one.index] = forged
        tile = await store.get(_TILES, DEFAULT_TENANT, f"0/{0:019d}")
        assert tile is not None
        at = ledger.size * _HASH_BYTES + one.index * 4
        value = tile.value[:at] + zlib.crc32(forged).to_bytes(4) + tile.value[at + 4 :]
        await store.commit([Put(_TILES, DEFAULT_TENANT, f"0/{0:019d}", value)])
        await self._must_be_found(await self._forged(records, store, opens=True), "a forged payload")

    async def _cut_off(self, rng: Rng, ledger: "Ledger", journal: Journal, store: Store) -> None:
        """Take the last entries away everywhere, but for the checkpoints."""
        kept = rng.integer(0, ledger.size)
        records = (await journal.read(0, max_records=1_000))[:kept]
        tile = await store.get(_TILES, DEFAULT_TENANT, f"0/{0:019d}")
        assert tile is not None
        sums = tile.value[ledger.size * _HASH_BYTES :]
        value = tile.value[: kept * _HASH_BYTES] + sums[: kept * 4]
        key = f"0/{0:019d}"
        runs = await store.scan(_ID_RUNS, DEFAULT_TENANT)
        await store.commit(
            [Put(_TILES, DEFAULT_TENANT, key, value) if kept else Delete(_TILES, DEFAULT_TENANT, key)]
            + [Delete(_ID_RUNS, DEFAULT_TENANT, run.key) for run in runs if int(run.key.partition("-")[2]) > kept]
        )
        await self._forged(records, store, opens=False)

    async def _forged(self, records: list[bytes], store: Store, *, opens: bool) -> "Ledger | None":
        """The ledger on a journal of these records."""
        from phalanx.ledger import Ledger, LedgerTampered
        from phalanx.telemetry import Telemetry

        world = self.world
        journal = await world.journals("machine", "forged").open("ledger")
        await journal.append(records)
        try:
            ledger = await Ledger.open(
                journal, store, _signer(), clock=world.clock, telemetry=Telemetry(world.clock), entropy=world.entropy,
                offload=world.offload, sealers=self.sealers, ids_per_page=_IDS_PER_PAGE,
            )  # fmt: skip
        except LedgerTampered:
            self.checker.count("forgeries refused at opening")
            self.checker.require(not opens, "a forgery was refused where it cannot be seen yet")
            return None
        self.checker.require(opens, "a log that lost signed entries was opened")
        return ledger

    async def _must_be_found(self, ledger: "Ledger | None", what: str) -> None:
        from phalanx.ledger import LedgerTampered

        if ledger is None:
            return
        try:
            await ledger.verify()
        except LedgerTampered:
            self.checker.count("forgeries found")
        else:
            self.checker.violation("an audit overlooked a forgery", what)


def _fields(entry: AuditEntry) -> Mapping[str, Any]:
    names = ("id", "tenant", "trace", "at_ns", "actor", "action", "subject", "case", "body", "custody")
    return {name: getattr(entry, name) for name in names}


def ledger_simulation(*, sabotage: Callable[[DiskFaults], DiskFaults] | None = None, early: bool = False) -> Simulation:
    """The simulation. ``sabotage`` changes the disk and ``early`` the journal into ones that lie."""

    def run(seed: int) -> SimReport:
        rng = Rng(seed).child("faults")
        faults = DiskFaults(
            tail_lost=rng.random(),
            tail_torn=rng.random(),
            tail_garbage=rng.random(),
            tail_kept=rng.random(),
            name_kept=rng.random(),
            capacity_bytes=rng.integer(16, 48) * KIB if rng.chance(0.2) else None,
        )
        world = SimWorld(seed, faults=Faults(disk=sabotage(faults) if sabotage else faults))
        checker = Checker()
        simulated = _Run(world, checker, LedgerChecker(checker, _SHREDDED), MemorySealers(world.entropy), early)
        return judged_in(world, simulated.main, checker, simulation=NAME)

    return Simulation(NAME, "a ledger is recorded to, signed, shredded and forged while its power fails", run)
