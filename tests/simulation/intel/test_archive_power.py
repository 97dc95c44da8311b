"""The archive under loss of power and without room: every accepted event is found, once, however it goes down."""

import asyncio
import contextlib
from collections import Counter

import pytest

from phalanx.adapters.storage import FolderBlobs
from phalanx.core import DEFAULT_TENANT, TenantId, event_id
from phalanx.intel import Archivist, Intake, Sentinel, _archiving, load_rules
from phalanx.intel._limits import HANDED_WITHIN_S
from phalanx.intel.archive import And, Archive, Keep, Query, Searches, SegmentFiles, parse
from phalanx.intel.archive import _archive as archive_module
from phalanx.intel.archive import _head as head_module
from phalanx.intel.archive import _merging as merging_module
from phalanx.telemetry import Alerts, Telemetry
from phalanx.testing import SimWorld

OTHER = TenantId("other")


@pytest.fixture(autouse=True)
def small_segments(monkeypatch):
    """Segments of a few events, so that a short run has many."""
    monkeypatch.setattr(archive_module, "SEGMENT_ROWS", 12)
    monkeypatch.setattr(head_module, "PIECE_ROWS", 5)
    for name, value in {"SEGMENT_ROWS": 12, "SMALL_ROWS": 8, "LARGE_ROWS": 60, "MERGE_FROM_SEGMENTS": 2}.items():
        monkeypatch.setattr(merging_module, name, value)


class Life:
    """A node's intake and archive from one start to the next."""

    def __init__(self, node):
        self.node, self.world = node, node.world

    def offload(self):
        return self.world.offload

    async def __aenter__(self):
        world, name = self.world, self.node.name
        self.telemetry = telemetry = Telemetry(world.clock)
        self.store = world.store(name)
        self.journal = await world.journals(name).open("intake")
        self.intake = await Intake.open(self.journal, self.store, clock=world.clock, ids=world.ids, telemetry=telemetry)
        files = SegmentFiles(
            FolderBlobs(world.disk(name), "archive"), None, world.entropy, world.offload, seals=False, cache_bytes=0
        )
        self.archive = Archive(files, self.store, world.clock)
        self.archivist = Archivist(
            self.archive, self.intake, clock=world.clock, offload=self.offload(), telemetry=telemetry,
            alerts=Alerts(telemetry),
        )  # fmt: skip
        self.searches = Searches(self.archive, world.clock, world.offload)
        self.task = asyncio.create_task(self.archivist.run())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        await asyncio.wait((self.task,))
        await self.intake.close()

    async def found(self, tenant=DEFAULT_TENANT, query=None):
        answer = await self.searches.search(tenant, query or Query(And(())), limit=1000)
        ids = [event_id(batch.batch, batch.rows[at]) for batch, at in answer.events]
        assert answer.total == len(ids)
        return Counter(ids)


class Along(Life):
    """The same with a sentinel, which can be stopped and begun again."""

    held = False

    def offload(self):
        return self

    async def run(self, work, *args):
        """Read for the archive only when the sentinel has read the same, if there is one."""
        if self.held and not self.watch.done():
            await self.sentinel.drained()
        return work(*args)

    async def __aenter__(self):
        await super().__aenter__()
        self.sentinel = Sentinel(
            self.intake, self.store, load_rules(), clock=self.world.clock, telemetry=self.telemetry,
            on_missions=lambda: None,
        )  # fmt: skip
        self.sentinel.hand_to(self.archivist.hand)
        self.watch = asyncio.create_task(self.sentinel.run())
        return self

    async def stop(self):
        self.watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.watch

    async def again(self):
        await self.stop()
        # What was being committed when it stopped is committed all the same.
        await self.world.clock.sleep(0.05)
        self.watch = asyncio.create_task(self.sentinel.run())

    async def __aexit__(self, *error):
        await self.stop()
        await super().__aexit__(*error)


def lines(first, n):
    line = b"<38>1 2026-01-01T00:00:00Z web-01 app 1 - - number %d is w%d x"
    return b"\n".join(line % (number, number % 3) for number in range(first, first + n))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.requirement("INT-1")
def test_events_are_neither_lost_nor_double_over_losses_of_power(seed):
    async def main(world):
        node = world.node("n1")
        accepted = {DEFAULT_TENANT: set(), OTHER: set()}

        async def program(node):
            async with Life(node) as life:
                for number in range(40):
                    tenant = OTHER if number % 4 == 0 else DEFAULT_TENANT
                    taken = await life.intake.accept(lines(number, 3), tenant=tenant)
                    accepted[tenant] |= {event_id(taken.batch, row) for row in range(3)}
                    if number % 7 == 0:
                        await life.archive.compact(Keep(10**9))
                    await world.clock.sleep(node.rng.integer(1, 400) / 1000 if number % 5 == 0 else 0.001)
                await asyncio.Event().wait()

        for _ in range(4):
            node.start(program)
            await world.clock.sleep(world.rng.integer(5, 3_000) / 1000)
            await node.crash(power_loss=bool(world.rng.integer(0, 2)))

        async def last(node):
            async with Life(node) as life:
                await life.archivist.drained()
                for tenant, ids in accepted.items():
                    found = await life.found(tenant)
                    assert set(found.values()) <= {1}, "none is found twice"
                    assert set(found) >= ids, "whatever was accepted is found"
                assert sum(one.events for one in life.archive.segments(DEFAULT_TENANT)) > 12
                return len(accepted[DEFAULT_TENANT])

        assert await node.start(last)

    SimWorld(seed).run(main)


@pytest.mark.requirement("INT-1")
def test_without_room_the_archive_waits_and_says_so_and_catches_up():
    async def main(world):
        async with Life(world.node("n1")) as life:
            disk = world.disk("n1")
            await life.intake.accept(lines(0, 3), tenant=DEFAULT_TENANT)
            await life.archivist.drained()
            disk.capacity_bytes = disk.used_bytes + 2_000
            await life.intake.accept(lines(3, 20), tenant=DEFAULT_TENANT)
            disk.capacity_bytes = disk.used_bytes
            await world.clock.sleep(5)
            assert life.archivist.paused
            assert len(await life.found()) == 23, "what waits for room is found all the same"
            disk.capacity_bytes = 10**9
            await world.clock.sleep(5)
            assert not life.archivist.paused
            assert len(await life.found()) == 23
            assert [one.events for one in life.archive.segments(DEFAULT_TENANT)] == [23]

    SimWorld(5).run(main)


@pytest.mark.requirement("INT-1")
def test_retention_lets_the_oldest_go_and_erasure_everything_of_a_tenant():
    async def main(world):
        async with Life(world.node("n1")) as life:
            for number in range(6):
                for tenant in (DEFAULT_TENANT, OTHER):
                    await life.intake.accept(lines(number * 20, 14), tenant=tenant)
                await life.archivist.drained()
            held = life.archive.segments(DEFAULT_TENANT)
            most = sum(one.size_bytes for one in held) // 2
            gone = await life.archive.retain(Keep(most))
            kept = life.archive.segments(DEFAULT_TENANT)
            assert 0 < sum(one.size_bytes for one in kept) <= most
            assert gone > 0
            assert [one.id for one in kept] == [one.id for one in held][-len(kept) :]
            assert len(life.archive.segments(OTHER)) == len(kept), "as much of each tenant"
            await life.archive.retain(Keep(most), apart={OTHER: Keep(most, max_age_ns=1)})
            assert not await life.found(OTHER), "older than what is kept of this tenant alone"
            assert len(life.archive.segments(DEFAULT_TENANT)) == len(kept)
            await life.intake.accept(lines(900, 14), tenant=OTHER)
            await life.archivist.drained()
            assert await life.found(OTHER)
            await life.archive.erase([OTHER])
            assert not await life.found(OTHER)
            assert len(await life.archive.files.names()) == len(kept)
            assert await life.found()

    SimWorld(5).run(main)


@pytest.mark.requirement("INT-1")
def test_a_hostile_question_ends_when_its_time_is_up():
    async def main(world):
        async with Life(world.node("n1")) as life:
            await life.intake.accept(lines(0, 30), tenant=DEFAULT_TENANT)
            await life.archivist.drained()
            query = parse("message:/(n|u|w)*w1.*x/", now_ns=world.clock.wall_ns())
            ends = await life.searches.search(DEFAULT_TENANT, query, timeout_s=-1)
            assert not ends.complete
            whole = await life.searches.search(DEFAULT_TENANT, query)
            assert whole.complete
            assert whole.total == 10

    SimWorld(5).run(main)


@pytest.mark.requirement("INT-1")
def test_what_the_sentinel_read_is_not_read_again(monkeypatch):
    def never(*_):
        raise AssertionError("read a second time")

    async def main(world):
        async with Along(world.node("n1")) as life:
            await world.clock.sleep(0.1)
            monkeypatch.setattr(_archiving, "read_rows", never)
            for number in range(20):
                await life.intake.accept(lines(number, 3), tenant=DEFAULT_TENANT)
                await world.clock.sleep(0.01)
            await life.archivist.drained()
            found = await life.found()
            assert len(found) == 60
            assert life.archive.segments(DEFAULT_TENANT)

    SimWorld(5).run(main)


@pytest.mark.requirement("INT-1")
def test_without_a_sentinel_the_archive_goes_on_alone():
    async def main(world):
        async with Along(world.node("n1")) as life:
            await life.intake.accept(lines(0, 3), tenant=DEFAULT_TENANT)
            await life.archivist.drained()
            await life.stop()
            await life.intake.accept(lines(3, 40), tenant=DEFAULT_TENANT)
            await life.archivist.drained()
            assert len(await life.found()) == 43

    SimWorld(5).run(main)


@pytest.mark.requirement("INT-1")
def test_what_is_handed_over_while_it_is_read_is_taken_once():
    async def main(world):
        async with Along(world.node("n1")) as life:
            await life.stop()
            await life.intake.accept(lines(0, 3), tenant=DEFAULT_TENANT)
            life.held = True
            # The archive goes on alone just when the sentinel begins again, and both are at the same place.
            await world.clock.sleep(HANDED_WITHIN_S)
            life.watch = asyncio.create_task(life.sentinel.run())
            await life.archivist.drained()
            found = await life.found()
            assert len(found) == 3
            assert set(found.values()) == {1}

    SimWorld(5).run(main)


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.requirement("INT-1")
def test_each_event_is_found_once_however_the_two_stop(seed):
    async def main(world):
        node = world.node("n1")
        accepted = {DEFAULT_TENANT: set(), OTHER: set()}

        async def program(node):
            async with Along(node) as life:
                for number in range(60):
                    tenant = OTHER if number % 4 == 0 else DEFAULT_TENANT
                    n = node.rng.integer(1, 9)
                    taken = await life.intake.accept(lines(number, n), tenant=tenant)
                    accepted[tenant] |= {event_id(taken.batch, row) for row in range(n)}
                    chance = node.rng.integer(0, 20)
                    if chance == 0:
                        await life.stop()
                    elif chance < 3:
                        await life.again()
                    if chance > 15:
                        await world.clock.sleep(node.rng.integer(1, 1_500) / 1000)
                await asyncio.Event().wait()

        for _ in range(3):
            node.start(program)
            await world.clock.sleep(world.rng.integer(5, 6_000) / 1000)
            await node.crash(power_loss=bool(world.rng.integer(0, 2)))

        async def last(node):
            async with Along(node) as life:
                await life.archivist.drained()
                for tenant, ids in accepted.items():
                    found = await life.found(tenant)
                    assert set(found.values()) <= {1}, "none is found twice"
                    assert set(found) >= ids, "whatever was accepted is found"
                return True

        assert await node.start(last)

    SimWorld(seed).run(main)


@pytest.mark.requirement("INT-1")
def test_a_node_that_starts_says_how_much_the_archive_has_not_read_yet():
    async def main(world):
        async def first(node):
            async with Life(node) as life:
                for number in range(3):
                    await life.intake.accept(lines(2 * number, 2), tenant=DEFAULT_TENANT)
                await life.archivist.drained()
                assert life.archivist.left == 0, "what comes while it runs is none of an earlier life"

        async def second(node):
            async with Life(node) as life:
                assert life.archivist.left == 3
                assert not await life.found()
                await life.archivist.drained()
                assert life.archivist.left == 0
                assert len(await life.found()) == 6

        node = world.node("n1")
        await node.start(first)
        await node.crash(power_loss=False)
        await node.start(second)

    SimWorld(1).run(main)
