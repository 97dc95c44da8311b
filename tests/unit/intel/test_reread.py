"""Chunks that were read a moment ago are not read again, and are not shown once they may not be."""

import pytest

from phalanx.core import MIB, NO_TRACE, NotFound, Put, TenantId, encode
from phalanx.crypto.vault import Shredded, Vault
from phalanx.intel import ChunkSeals, EventLog, Intake
from phalanx.intel._model import BATCHES, BatchEntry, Chunk
from phalanx.intel._reread import Reread
from phalanx.telemetry import Telemetry
from phalanx.testing import MemoryWrapper, SimWorld

ACME = TenantId("acme")


class Counted:
    """A journal, and which of its records were read one by one."""

    def __init__(self, journal):
        self._journal = journal
        self.reads = []
        self.kept_from = 0

    @property
    def start(self):
        return max(self._journal.start, self.kept_from)

    async def read(self, offset, **bounds):
        self.reads.append(offset)
        return await self._journal.read(offset, **bounds)


async def accepted(world, n, *, vault=None):
    """An event log over so many chunks of ACME, its journal, and the ids of the chunks."""
    seals, store = ChunkSeals(vault), world.store("disk")
    journal = await world.journals("disk").open("intake")
    telemetry = Telemetry(world.clock)
    intake = await Intake.open(
        journal, store, clock=world.clock, ids=world.ids, telemetry=telemetry, seals=seals
    )  # fmt: skip
    made = []
    for number in range(n):
        await world.clock.sleep(0.01)
        batch = (await intake.accept(b"line one of %d\nline two" % number, tenant=ACME)).batch
        entry = BatchEntry(
            id=batch, tenant=ACME, trace=NO_TRACE, at_ns=world.clock.wall_ns(), offset=number, reader="auto", events=2,
            rejected=0, sources=(),
        )  # fmt: skip
        await store.commit([Put(BATCHES, ACME, batch, encode(entry), {"source": ()})])
        made.append(batch)
    counted = Counted(journal)
    return EventLog(counted, store, seals), counted, made


def run(main):
    return SimWorld(7).run(main)


async def _vault(world):
    return await Vault.open(
        world.store("keys"), MemoryWrapper(world.entropy), clock=world.clock, ids=world.ids, entropy=world.entropy,
        telemetry=Telemetry(world.clock),
    )  # fmt: skip


def test_who_looks_at_the_same_chunks_next_reads_nothing():
    async def main(world):
        events, journal, made = await accepted(world, 5)
        first = [await events.lines(ACME, batch) for batch in made]
        n_read = len(journal.reads)
        assert n_read == len(made)
        assert [await events.lines(ACME, batch) for batch in made] == first
        assert first[3] == [b"line one of 3", b"line two"]
        assert len(journal.reads) == n_read

    run(main)


def test_parts_around_a_batch_are_the_chunks_around_it():
    async def main(world):
        events, _, made = await accepted(world, 9)
        one_by_one = [chunk.id async for chunk, _ in events.around(ACME, made[4])]
        together = [chunk.id async for part in events.parts_around(ACME, made[4]) for chunk, _ in part]
        assert together == one_by_one
        assert sorted(together) == sorted(made)
        assert together[0] == made[4]

    run(main)


def test_nothing_is_shown_from_memory_of_a_tenant_whose_keys_are_gone():
    async def main(world):
        vault = await _vault(world)
        events, journal, made = await accepted(world, 1, vault=vault)
        assert await events.lines(ACME, made[0])
        await vault.shred(ACME)
        for _ in range(2):
            with pytest.raises(Shredded):
                await events.lines(ACME, made[0])
        assert len(journal.reads) == 2, "what was forgotten was read again, and could not be opened"

    run(main)


def test_what_is_no_longer_kept_is_not_shown_from_memory():
    async def main(world):
        events, journal, made = await accepted(world, 3)
        assert await events.lines(ACME, made[0])
        journal.kept_from = 3
        assert await events.lines(ACME, made[0]) is None
        with pytest.raises(NotFound):
            await events.get(ACME, f"{made[0][:-1]}f")

    run(main)


def test_memory_is_bounded_and_the_least_used_give_way():
    def chunk(offset, n_bytes):
        return Chunk(
            id=str(offset), tenant=ACME, trace="", at_ns=0, reader="", events=1, data=bytes(n_bytes), total_bytes=0,
        )  # fmt: skip

    kept = Reread(8 * 1_024)
    for offset in range(4):
        kept.keep(offset, chunk(offset, 1_024), ())
    assert kept.find(0) is not None
    kept.keep(4, chunk(4, 1_024), ())
    assert [offset for offset in range(5) if kept.find(offset)] == [0, 2, 3, 4]
    kept.keep(5, chunk(5, MIB), ())
    assert kept.find(5) is None
    assert kept.find(4) is not None
