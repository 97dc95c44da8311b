"""The migration of data at rest: from clear to sealed, from one algorithm to another, through crashes."""

import asyncio
from itertools import pairwise

import pytest

from phalanx.core import DEFAULT_TENANT, Put, Table, TenantId
from phalanx.crypto import CHACHA20_POLY1305
from phalanx.crypto.vault import (
    Level,
    MigrationJob,
    MigrationState,
    SealedRows,
    SealedStore,
    Vault,
    looks_sealed,
    parse,
)
from phalanx.telemetry import Telemetry
from phalanx.testing import MemoryWrapper, SimWorld

pytestmark = pytest.mark.requirement("CRY-1", "CRY-4")

NOTES, OTHER = Table("notes", indexes=("tag",), sealed=True), Table("other", sealed=True)
TENANTS = (DEFAULT_TENANT, TenantId("acme"), TenantId("zeta"))
N_ROWS = 450


class Machine:
    def __init__(self, world):
        self.world = world
        self.wrapper = MemoryWrapper(world.entropy)

    async def open(self, node=None, *, seals=True, **options):
        ports = (node or self.world.node("machine")).ports()
        telemetry = Telemetry(ports.clock)
        store = ports.store
        vault = await Vault.open(
            store, self.wrapper, clock=ports.clock, ids=ports.ids, entropy=ports.entropy, telemetry=telemetry, **options
        )
        sealed = await SealedStore.open(store, vault, tables=[OTHER, NOTES], seals=seals)
        return vault, sealed, MigrationJob(vault, sealed, ports.clock, telemetry)


async def fill(store):
    for tenant in TENANTS:
        await store.commit([Put(NOTES, tenant, f"k{n:04}", b"%d" % n, {"tag": [f"t{n % 3}"]}) for n in range(N_ROWS)])
        await store.commit([Put(OTHER, tenant, "o", b"other")])


async def check(store, inner, algorithm=None):
    """Everything is there and found as it was; when ``algorithm`` is given, sealed with it and nothing else."""
    for tenant in TENANTS:
        rows = await store.scan(NOTES, tenant)
        assert [row.value for row in rows] == [b"%d" % n for n in range(N_ROWS)]
        found = await store.find(NOTES, tenant, "tag", "t1")
        assert [row.key for row in found] == [f"k{n:04}" for n in range(1, N_ROWS, 3)]
        for table in (NOTES, OTHER):
            for row in await inner.scan(table, tenant):
                if algorithm is not None:
                    assert looks_sealed(row.value)
                    assert parse(row.value).algorithm == algorithm


async def until(job, holds):
    while not holds(await job.status()):
        await job._clock.sleep(0.001)


async def finished(job):
    await until(job, lambda now: now.state is not MigrationState.RUNNING)
    return await job.status()


def run(main, seed=1):
    return SimWorld(seed).run(lambda world: main(Machine(world)))


def test_a_store_in_clear_is_sealed_by_itself():
    async def main(machine):
        _, off, idle = await machine.open(seals=False)
        await fill(off)
        assert (await idle.status()).state is MigrationState.IDLE
        vault, store, job = await machine.open()
        task = asyncio.create_task(job.run())
        await job._clock.sleep(0.05)
        done = await finished(job)
        task.cancel()
        assert (done.state, done.total_rows) == (MigrationState.DONE, 3 * (N_ROWS + 1))
        assert done.rows == done.resealed == done.total_rows
        assert not store.unsealed_tables
        await check(store, store.inner, "AES-256-GCM")
        assert [event.action for event in await vault.outbox.pending()] == ["migration started", "migration finished"]

    run(main)


def test_another_algorithm_in_the_settings_moves_keys_and_rows():
    async def main(machine):
        _, store, _ = await machine.open()
        await fill(store)
        vault, store, job = await machine.open(seal_with=CHACHA20_POLY1305)
        # The root; of each tenant its own, two purposes and the one data key that seals; and three for the list.
        assert len(await vault.outdated_keys()) == 1 + 3 * (1 + 2 + 1) + 3
        task = asyncio.create_task(job.run())
        await job._clock.sleep(0.05)
        done = await finished(job)
        task.cancel()
        assert done.state is MigrationState.DONE
        assert done.resealed == done.total_rows == 3 * (N_ROWS + 1)
        assert await vault.outdated_keys() == []
        await check(store, store.inner, CHACHA20_POLY1305)
        _, store, job = await machine.open(seal_with=CHACHA20_POLY1305)
        task = asyncio.create_task(job.run())
        await job._clock.sleep(20)
        task.cancel()
        assert (await job.status()) == done, "nothing to do, nothing done"

    run(main)


def test_a_key_rotated_while_the_job_is_under_way_is_followed_to_the_end():
    async def main(machine):
        vault, store, job = await machine.open()
        await fill(store)
        task = asyncio.create_task(job.run())
        await job.start()
        await until(job, lambda now: now.table == "other")
        rotated = await vault.rotate(Level.DATA, TENANTS[0], "store")
        await job.start(actor="ada")
        await job._clock.sleep(30)
        task.cancel()
        assert (await job.status()).state is MigrationState.DONE
        for table in (NOTES, OTHER):
            for row in await store.inner.scan(table, TENANTS[0]):
                assert parse(row.value).key_id == rotated.id
        assert len([one for one in await vault.outbox.pending() if one.action == "migration finished"]) == 2

    run(main)


def test_a_job_cut_off_before_the_settings_changed_begins_again():
    async def main(machine):
        _, store, _ = await machine.open()
        await fill(store)
        _, store, job = await machine.open(seal_with=CHACHA20_POLY1305)
        task = asyncio.create_task(job.run())
        await until(job, lambda now: now.table == "notes" and now.rows > 2)
        task.cancel()
        _, store, job = await machine.open(seal_with="AES-256-GCM")
        task = asyncio.create_task(job.run())
        await job._clock.sleep(0.05)
        await finished(job)
        task.cancel()
        await check(store, store.inner, "AES-256-GCM")

    run(main)


@pytest.mark.parametrize("seed", range(8))
def test_it_goes_on_where_a_crash_cut_it_off(seed):
    async def life(node):
        _, store, job = await machine.open(node, seal_with=CHACHA20_POLY1305)
        await check(store, store.inner)
        await job.run()

    async def main(world):
        global machine
        machine = Machine(world)
        _, store, _ = await machine.open()
        await fill(store)
        node, rng, seen = world.node("machine"), world.rng.child("plan"), []
        for _ in range(4):
            node.start(life)
            await world.clock.sleep(rng.exponential(0.05))
            await node.crash(power_loss=rng.chance(0.5))
            _, _, job = await machine.open(seal_with=CHACHA20_POLY1305)
            seen.append((await job.status()).rows)
        assert all(before <= after for before, after in pairwise(seen)), "what was moved stays moved"
        _, store, job = await machine.open(seal_with=CHACHA20_POLY1305)
        task = asyncio.create_task(job.run())
        await job._clock.sleep(0.05)
        done = await finished(job)
        task.cancel()
        assert done.rows == done.total_rows == 3 * (N_ROWS + 1)
        await check(store, store.inner, CHACHA20_POLY1305)

    SimWorld(seed).run(main)


def test_it_can_be_stopped_and_started_again():
    async def main(machine):
        _, off, _ = await machine.open(seals=False)
        await fill(off)
        vault, store, job = await machine.open()
        task = asyncio.create_task(job.run())
        await until(job, lambda now: now.rows >= N_ROWS)
        stopped = await job.stop(actor="ada")
        await job._clock.sleep(30)
        at_rest = await job.status()
        assert at_rest.state is stopped.state is MigrationState.STOPPED
        assert 0 < at_rest.rows < at_rest.total_rows
        await check(store, store.inner)
        task.cancel()
        vault, store, job = await machine.open()
        task = asyncio.create_task(job.run())
        await job._clock.sleep(30)
        assert (await job.status()) == at_rest, "also over a restart"
        await job.start(actor="ada")
        done = await finished(job)
        task.cancel()
        assert done.rows == done.total_rows
        await check(store, store.inner, "AES-256-GCM")
        actions = [event.action for event in await vault.outbox.pending()]
        assert actions == ["migration started", "migration stopped", "migration started", "migration finished"]

    run(main)


@pytest.mark.parametrize("seed", range(4))
def test_whoever_writes_meanwhile_is_not_overwritten(seed):
    async def main(machine):
        _, off, _ = await machine.open(seals=False)
        await fill(off)
        _, store, job = await machine.open()
        task, rng, last = asyncio.create_task(job.run()), machine.world.rng.child("writer"), {}
        for n in range(200):
            tenant, key = rng.choice(TENANTS), f"k{rng.integer(0, N_ROWS):04}"
            last[tenant, key] = b"written %d" % n
            await store.commit([Put(NOTES, tenant, key, last[tenant, key], {"tag": ["mine"]})])
        await finished(job)
        task.cancel()
        for (tenant, key), value in last.items():
            assert (await store.get(NOTES, tenant, key)).value == value
        for tenant in TENANTS:
            mine = {row.key for row in await store.find(NOTES, tenant, "tag", "mine")}
            assert mine == {key for owner, key in last if owner == tenant}

    run(main, seed)


def test_what_is_read_in_an_old_form_is_sealed_anew_soon():
    async def main(machine):
        _, store, _ = await machine.open()
        await fill(store)
        vault, store, job = await machine.open()
        await vault.rotate(Level.DATA, TENANTS[1], "store")
        task = asyncio.create_task(job.run())
        before = {row.key: row.value for row in await store.inner.scan(NOTES, TENANTS[1])}
        await store.get(NOTES, TENANTS[1], "k0007")
        await store.find(NOTES, TENANTS[1], "tag", "t0", limit=2)
        await job._clock.sleep(30)
        after = {row.key: row.value for row in await store.inner.scan(NOTES, TENANTS[1])}
        changed = {key for key in before if before[key] != after[key]}
        assert changed == {"k0007", "k0000", "k0003"}
        assert len({parse(after[key]).key_id for key in changed}) == 1
        await check(store, store.inner)
        task.cancel()

    run(main)


def test_a_row_that_does_not_open_holds_up_no_other():
    async def main(machine):
        _, store, _ = await machine.open()
        await fill(store)
        stored = (await store.inner.get(NOTES, TENANTS[0], "k0003")).value
        await store.inner.commit([Put(NOTES, TENANTS[0], "k0003", stored[:-1] + bytes([stored[-1] ^ 1]))])
        _, store, job = await machine.open(seal_with=CHACHA20_POLY1305)
        task = asyncio.create_task(job.run())
        await job._clock.sleep(0.05)
        done = await finished(job)
        task.cancel()
        assert done.resealed == done.total_rows - 1
        assert (await store.inner.get(NOTES, TENANTS[0], "k0003")).value[:-1] == stored[:-1], (
            "it is left for people to look at"
        )

    run(main)


def test_a_tenant_that_is_shredded_meanwhile_is_passed_over():
    async def main(machine):
        _, store, _ = await machine.open()
        await fill(store)
        vault, store, job = await machine.open(seal_with=CHACHA20_POLY1305)
        task = asyncio.create_task(job.run())
        await until(job, lambda now: now.rows >= N_ROWS // 2)
        await vault.shred(TENANTS[1])
        done = await finished(job)
        task.cancel()
        assert done.state is MigrationState.DONE
        for row in await store.inner.scan(NOTES, TENANTS[2]):
            assert parse(row.value).algorithm == CHACHA20_POLY1305

    run(main)


def test_what_its_owner_seals_himself_is_sealed_anew_as_well():
    keys = SealedRows(Table("private"), TenantId("node:keys"), "keys")

    async def main(machine):
        vault, store, _ = await machine.open()
        sealer = await vault.sealer(keys.tenant, keys.purpose)
        await store.commit(
            [Put(keys.table, keys.tenant, f"k{n}", sealer.seal(b"%d" % n, b"k%d" % n)) for n in range(9)]
        )
        vault, store, _ = await machine.open(seal_with=CHACHA20_POLY1305)
        clock = machine.world.clock
        job = MigrationJob(vault, store, clock, Telemetry(clock), besides=[keys])
        task = asyncio.create_task(job.run())
        await job._clock.sleep(0.05)
        assert (await finished(job)).resealed == 9
        task.cancel()
        opener = await vault.opener(keys.tenant, keys.purpose)
        for row in await store.scan(keys.table, keys.tenant):
            assert parse(row.value).algorithm == CHACHA20_POLY1305
            assert opener.open(row.value, row.key.encode()) == row.key[1:].encode()

    run(main)
