"""Simulation ``storage``: a machine that appends and commits, and loses power while it does.

Three writers append batches to a journal and commit to a store. Meanwhile the process is
killed or the power fails, the disk fills up and is given room again. After every restart the
checkers compare what is there with what was acknowledged:

- an acknowledged batch or commit is there, unchanged, in its place, and once;
- one that was not acknowledged is there wholly or not at all;
- what a restart has shown stays, since a program may have acted on it;
- only what was trimmed is gone from the journal's beginning.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from phalanx.core import (
    DEFAULT_TENANT,
    KIB,
    Conflict,
    Delete,
    Expect,
    Journal,
    Put,
    Rng,
    StorageFull,
    Store,
    Table,
    Write,
)
from phalanx.testing._checking import Checker, SimReport, Simulation, judged_in
from phalanx.testing._faults import DiskFaults, Faults
from phalanx.testing._store import SimStore
from phalanx.testing._world import SimNode, SimWorld

NAME = "storage"
_ROWS = Table("rows", indexes=("writer",))
_WRITERS = ("ada", "bob", "cyd")
_LIVES = 3
# Small numbers make rare things happen often: a new segment every few batches, a crash in most of them.
_SEGMENT_BYTES = KIB
_ROUNDS = 4
_LIFE_MEAN_S = 0.002


class JournalChecker:
    """What a journal may hold, told only by what was asked of it and what it acknowledged."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._kept: dict[int, bytes] = {}  # by offset: acknowledged, or shown by a restart
        self._open: dict[bytes, tuple[bytes, ...]] = {}  # first record -> batch not acknowledged
        self._may_start_at = 0

    def attempt(self, batch: tuple[bytes, ...]) -> None:
        self._open[batch[0]] = batch

    def acknowledge(self, batch: tuple[bytes, ...], offset: int) -> None:
        del self._open[batch[0]]
        for at, record in enumerate(batch, offset):
            self._checker.require(at not in self._kept, "journal gave one offset twice", at)
            self._kept[at] = record

    def refuse(self, batch: tuple[bytes, ...]) -> None:
        """The journal said that nothing of the batch was kept."""
        del self._open[batch[0]]

    def trim(self, before: int) -> None:
        self._may_start_at = max(self._may_start_at, before)

    def inspect(self, start: int, records: list[bytes]) -> None:
        """Judge the whole content after a restart."""
        require, end = self._checker.require, start + len(records)
        require(start <= self._may_start_at, "journal dropped what was not trimmed", start, self._may_start_at)
        found = dict(enumerate(records, start))
        for offset, record in self._kept.items():
            if offset >= start:
                require(found.get(offset) == record, "journal lost or changed a record", offset, record)
        offset = start
        while offset < end:
            if offset in self._kept:
                offset += 1
                continue
            batch = self._open.pop(found[offset], None)
            if batch is None:
                self._checker.violation("journal holds what it should not", offset, found[offset])
                return
            there = tuple(records[offset - start : offset - start + len(batch)])
            require(there == batch, "journal kept part of a batch", offset, batch)
            self._kept |= dict(enumerate(batch, offset))
            offset += len(batch)
        self._open.clear()


class StoreChecker:
    """Every writer counts up in a row of its own, with a twin row written in the same commit."""

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._kept: dict[str, int] = {}
        self._attempted: dict[str, int] = {}

    def attempt(self, writer: str, n: int) -> None:
        self._attempted[writer] = n

    def settle(self, writer: str, n: int) -> None:
        """The writer's number is ``n``: acknowledged, refused with the old one kept, or shown."""
        self._kept[writer] = self._attempted[writer] = n

    async def inspect(self, store: Store) -> None:
        require = self._checker.require
        for writer in _WRITERS:
            row = await store.get(_ROWS, DEFAULT_TENANT, writer)
            twin = await store.get(_ROWS, DEFAULT_TENANT, f"{writer}/twin")
            listed = await store.find(_ROWS, DEFAULT_TENANT, "writer", writer)
            n = int(row.value) if row is not None else 0
            allowed = {self._kept.get(writer, 0), self._attempted.get(writer, 0)}
            require(n in allowed, "store lost a commit or made one up", writer, n, sorted(allowed))
            # Even numbers delete the twin, odd ones write it.
            require(
                (int(twin.value) == n) if twin is not None else n % 2 == 0, "store kept part of a commit", writer, n
            )
            require([r for r in (row, twin) if r is not None] == listed, "index and rows differ", writer, n)
            self.settle(writer, n)


@dataclass(slots=True)
class _Run:
    world: SimWorld
    checker: Checker
    journal: JournalChecker
    store: StoreChecker

    async def main(self, world: SimWorld) -> None:
        rng, node = world.rng.child("plan"), world.node("machine")
        for life in range(_LIVES):
            node.start(self._life)
            await world.clock.sleep(rng.exponential(_LIFE_MEAN_S))
            self.checker.count("crashes")
            await node.crash(power_loss=life == _LIVES - 1 or rng.chance(0.6))
            if rng.chance(0.3):
                world.disk("machine").capacity_bytes += 8 * KIB
        world.disk("machine").capacity_bytes += 64 * KIB
        await node.start(self._inspect)

    async def _inspect(self, node: SimNode) -> tuple[Journal, Store]:
        world = self.world
        journal = await world.journals(node.name, segment_bytes=_SEGMENT_BYTES).open("work")
        records: list[bytes] = []
        start = journal.start
        while start + len(records) < journal.end:
            records += await journal.read(start + len(records))
        self.journal.inspect(start, records)
        store = SimStore(world.journals(node.name, "store", segment_bytes=_SEGMENT_BYTES))
        await self.store.inspect(store)
        return journal, store

    async def _life(self, node: SimNode) -> None:
        try:
            journal, store = await self._inspect(node)
        except StorageFull:
            return  # without room for a first segment there is nothing to do in this life
        async with asyncio.TaskGroup() as writers:
            for writer in _WRITERS:
                writers.create_task(self._write(writer, node.rng.child(writer), journal, store), name=writer)

    async def _write(self, writer: str, rng: Rng, journal: Journal, store: Store) -> None:
        for _ in range(_ROUNDS):
            await self._append(writer, rng, journal)
            await self._commit(writer, store)
            if rng.chance(0.2):
                before = rng.integer(journal.start, journal.end + 1)
                self.journal.trim(before)
                await journal.trim(before)

    async def _append(self, writer: str, rng: Rng, journal: Journal) -> None:
        mark = f"{writer} {rng.bits(64):016x}".encode()
        batch = tuple(b"%s %d %s" % (mark, i, rng.bytes(rng.integer(0, 200))) for i in range(rng.integer(1, 4)))
        self.journal.attempt(batch)
        try:
            offset = await journal.append(batch)
        except StorageFull:
            self.journal.refuse(batch)
            self.checker.count("refused for space")
        else:
            self.journal.acknowledge(batch, offset)
            self.checker.count("batches acknowledged")

    async def _commit(self, writer: str, store: Store) -> None:
        row = await store.get(_ROWS, DEFAULT_TENANT, writer)
        n = 1 + (int(row.value) if row is not None else 0)
        value, index = b"%d" % n, {"writer": [writer]}
        twin: Write = Delete(_ROWS, DEFAULT_TENANT, f"{writer}/twin")
        if n % 2:
            twin = Put(_ROWS, DEFAULT_TENANT, f"{writer}/twin", value, index)
        expect = [Expect(_ROWS, DEFAULT_TENANT, writer, row.version if row is not None else 0)]
        self.store.attempt(writer, n)
        try:
            await store.commit([Put(_ROWS, DEFAULT_TENANT, writer, value, index), twin], expect=expect)
        except StorageFull:
            self.store.settle(writer, n - 1)
            self.checker.count("refused for space")
        except Conflict as conflict:
            self.checker.violation("store saw a writer that is not there", str(conflict))
        else:
            self.store.settle(writer, n)
            self.checker.count("commits acknowledged")


def storage_simulation(*, sabotage: Callable[[DiskFaults], DiskFaults] | None = None) -> Simulation:
    """The simulation; ``sabotage`` changes the disk into one that the checkers must complain of."""

    def run(seed: int) -> SimReport:
        rng = Rng(seed).child("faults")
        faults = DiskFaults(
            tail_lost=rng.random(),
            tail_torn=rng.random(),
            tail_garbage=rng.random(),
            tail_kept=rng.random(),
            name_kept=rng.random(),
            capacity_bytes=rng.integer(2, 12) * KIB if rng.chance(0.3) else None,
        )
        world = SimWorld(seed, faults=Faults(disk=sabotage(faults) if sabotage else faults))
        checker = Checker()
        return judged_in(
            world, _Run(world, checker, JournalChecker(checker), StoreChecker(checker)).main, checker, simulation=NAME
        )

    return Simulation(NAME, "a machine appends and commits while its power fails", run)
