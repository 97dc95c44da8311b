"""Segments that are put together: the events are the same, and found the same."""

import asyncio

import msgspec
import pytest

from phalanx.adapters.storage import FolderBlobs
from phalanx.core import GIB, MIB, NS_PER_S, BatchId, EventBatch, LogSource, StorageFull, TenantId
from phalanx.intel.archive import Archive, Keep, Searches, SegmentFiles, parse
from phalanx.intel.archive import _archive as archive_module
from phalanx.intel.archive import _merging as merging_module
from phalanx.intel.archive._merging import small_together, whole_together
from phalanx.intel.archive._model import Segment
from phalanx.testing import InlineOffload, SimEntropy, SimWorld

pytestmark = pytest.mark.requirement("INT-1")

TENANT = TenantId("acme")
START_NS = 1_600_000_000 * NS_PER_S
ROWS = 8
DAY_NS = 86_400 * NS_PER_S
KEEP = Keep(10**9)
NOW_NS = 10**19


@pytest.fixture(autouse=True)
def small_segments(monkeypatch):
    monkeypatch.setattr(archive_module, "SEGMENT_ROWS", ROWS)
    bounds = {"SEGMENT_ROWS": ROWS, "SMALL_ROWS": ROWS // 2, "LARGE_ROWS": 5 * ROWS, "MERGE_FROM_SEGMENTS": 3}
    for name, value in bounds.items():
        monkeypatch.setattr(merging_module, name, value)


def batch_of(number, rows=ROWS):
    """Values of every type, alike when written and not, in columns that not every batch has."""
    mixed = [None, "", 1, "1", 1.0, True, "true", 0.5, "ünïcode", "\udc80", -3, False]
    columns = {
        "same": ["always"] * rows, "own": [f"value {number} {row}" for row in range(rows)],
        "mixed": [mixed[(number + row) % len(mixed)] for row in range(rows)],
        "code": [number * 7 % 5 if row % 2 else None for row in range(rows)],
        f"only{number % 3}": [f"x{row % 2}" for row in range(rows)], "long": ["y" * 600 + str(number % 2)] * rows,
    }  # fmt: skip
    times = [START_NS + number * NS_PER_S + row for row in range(rows)]
    source = LogSource("windows", "", f"s{number % 2}")
    batch = BatchId(f"0197a0{number:02x}-0000-7000-8000-000000000000")
    return EventBatch(TENANT, batch, source, f"r{number % 3}", times[0], range(rows), times, [b""] * rows, columns)


QUESTIONS = ["*", "mixed:1", "mixed:true", "only1:x1", "own:*", '"value 3 4"', "code>2", "same:always AND long:*", "x0"]


async def told(searches):
    """What every question finds, each event with all that it says."""
    found = {}
    for question in QUESTIONS:
        answer = await searches.search(TENANT, parse(question, now_ns=START_NS), limit=1_000)
        found[question] = [
            (batch.log_source, batch.reader, batch.batch, batch.rows[at], batch.times_ns[at],
             {name: (type(column[at]), column[at]) for name, column in batch.columns.items() if column[at] is not None})
            for batch, at in answer.events
        ]  # fmt: skip
    return found


def in_archive(work, *, cache_bytes=0):
    async def main(world):
        offload = InlineOffload()
        blobs = FolderBlobs(world.disk("disk"), "archive")
        files = SegmentFiles(blobs, None, SimEntropy(world.rng), offload, seals=False, cache_bytes=cache_bytes)
        archive = Archive(files, world.store("disk"), world.clock)
        await archive.open()
        return await work(world, archive, Searches(archive, world.clock, offload))

    return SimWorld(3).run(main)


async def write(world, archive, numbers, rows=ROWS):
    for number in numbers:
        archive.add([batch_of(number, rows)], read_to=(number + 1, 0))
        await archive.write()
        await world.clock.sleep(1)


@pytest.mark.parametrize("cache_bytes", [0, 10**9])
@pytest.mark.parametrize("rows", [ROWS, 1])
def test_events_are_the_same_and_found_the_same_when_segments_became_one(cache_bytes, rows):
    async def work(world, archive, searches):
        await write(world, archive, range(4), rows)
        before, written_ns = await told(searches), [one.at_ns for one in archive.segments(TENANT)]
        assert len(before["*"]) == 4 * rows
        assert await archive.compact(KEEP) == 4
        (made,) = archive.segments(TENANT)
        assert (made.events, made.at_ns, made.oldest_ns(world.clock.wall_ns())) == (
            4 * rows,
            written_ns[-1],
            written_ns[0],
        )
        assert await told(searches) == before
        # And once more, after a restart, with only what is on disk.
        again = Archive(archive.files, archive._store, world.clock)
        await again.open()
        assert await told(Searches(again, world.clock, InlineOffload())) == before
        assert len(await archive.files.names()) == 1

    in_archive(work, cache_bytes=cache_bytes)


@pytest.mark.parametrize("rows", [ROWS, 1])
def test_events_are_kept_hardly_longer_than_they_would_be_by_themselves(rows):
    async def work(world, archive, searches):
        keep = Keep(10**9, 2_000 * NS_PER_S)
        await write(world, archive, range(3), rows)
        for number in range(3, 12):
            await world.clock.sleep(20)
            await write(world, archive, [number], rows)
            # As often as there is something to be put together, also what already was.
            while await archive.compact(keep):
                pass
        assert len(archive.segments(TENANT)) < 12
        last_ns = max(one.at_ns for one in archive.segments(TENANT))
        for number in range(12):
            # What became a whole goes as one, so late at most that the last of it is too old.
            written_ns = last_ns - sum(21 for later in range(max(3, number + 1), 12)) * NS_PER_S
            written_ns -= max(0, 2 - number) * NS_PER_S
            due_ns = written_ns + keep.max_age_ns + keep.max_age_ns // 20
            await world.clock.sleep(max(0.0, (due_ns - world.clock.wall_ns()) / NS_PER_S + 0.001))
            await archive.retain(keep)
            assert f"value {number} 0" not in await owned(searches)

    in_archive(work)


async def owned(searches):
    answer = await searches.search(TENANT, parse("*", now_ns=START_NS), limit=1_000)
    return {batch.columns["own"][at] for batch, at in answer.events}


def test_what_is_kept_for_a_time_is_kept_no_longer_when_it_is_put_together_late():
    async def work(world, archive, searches):
        await write(world, archive, range(4))
        await world.clock.sleep(1_000)
        assert await archive.compact(KEEP) == 4
        assert await archive.retain(Keep(10**9, 900 * NS_PER_S)) == 4 * ROWS

    in_archive(work)


def test_little_goes_for_a_byte_too_many():
    async def work(world, archive, searches):
        await write(world, archive, range(4))
        held = sum(one.size_bytes for one in archive.segments(TENANT))
        assert await archive.compact(Keep(held)) == 0, "they would be all of it"
        assert await archive.compact(Keep(1), apart={TENANT: Keep(50 * held)}) == 4
        (made,) = archive.segments(TENANT)
        assert made.size_bytes <= held

    in_archive(work)


class Failing:
    """A store whose commits fail, before or after they go through."""

    def __init__(self, store, error, *, goes_through):
        self.store, self.error, self.goes_through = store, error, goes_through

    def __getattr__(self, name):
        return getattr(self.store, name)

    async def commit(self, writes, **more):
        if self.goes_through:
            await self.store.commit(writes, **more)
        raise self.error


@pytest.mark.parametrize("goes_through", [False, True])
@pytest.mark.parametrize("change", ["compact", "retain", "reseal"])
def test_whether_a_commit_that_failed_went_through_is_looked_up_before_the_next(change, goes_through, monkeypatch):
    async def anew(archive):
        return [changed async for changed in archive.reseal()]

    changes = {"compact": lambda it: it.compact(KEEP), "retain": lambda it: it.retain(Keep(1)), "reseal": anew}

    async def needs(segment):
        return True

    async def work(world, archive, searches):
        await write(world, archive, range(4))
        before, real = await told(searches), archive._store
        monkeypatch.setattr(archive.files, "needs_resealing", needs)
        archive._store = Failing(real, ConnectionError("the line is cut"), goes_through=goes_through)
        with pytest.raises(ConnectionError):
            await changes[change](archive)
        assert await told(searches) == before, "until it is known, what was there can be asked"
        archive._store = real
        await archive.compact(KEEP)
        after = {} if change == "retain" and goes_through else before
        assert await told(searches) == (after or {question: [] for question in QUESTIONS})
        assert sorted(await archive.files.names()) == sorted(one.file for one in archive.segments(TENANT))
        again = Archive(archive.files, real, world.clock)
        await again.open()
        assert again.segments(TENANT) == archive.segments(TENANT)

    in_archive(work)


def test_a_file_of_which_nobody_knows_whether_it_is_named_stays_while_it_is_asked():
    async def work(world, archive, searches):
        await write(world, archive, range(4))
        files, real = await archive.files.names(), archive._store
        archive._store = Failing(real, ConnectionError("the line is cut"), goes_through=True)
        with pytest.raises(ConnectionError):
            await archive.compact(KEEP)
        archive._store = real
        looked = archive.begin(TENANT)
        assert await archive.compact(KEEP) == 0, "they are one already"
        assert set(await archive.files.names()) > set(files)
        await archive.end(looked)
        assert len(await archive.files.names()) == 1

    in_archive(work)


def test_what_waits_to_be_written_while_a_commit_fails_is_written_and_the_cursor_goes_on():
    async def work(world, archive, searches):
        await write(world, archive, range(4))
        real, held = archive._store, asyncio.Event()

        class Held(Failing):
            async def commit(self, writes, **more):
                await held.wait()
                await super().commit(writes, **more)

        archive._store = Held(real, ConnectionError("the line is cut"), goes_through=True)
        compacting = asyncio.create_task(archive.compact(KEEP))
        await world.clock.sleep(1)
        archive.add([batch_of(4)], read_to=(5, 0))
        writing = asyncio.create_task(archive.write())
        await world.clock.sleep(1)
        archive._store = real
        held.set()
        failed, written = await asyncio.gather(compacting, writing, return_exceptions=True)
        assert isinstance(failed, ConnectionError)
        assert written == ROWS
        again = Archive(archive.files, real, world.clock)
        await again.open()
        assert again.read_to == (5, 0)
        assert sum(one.events for one in again.segments(TENANT)) == 5 * ROWS

    in_archive(work)


def test_a_store_without_room_leaves_no_file_and_holds_up_nothing():
    async def work(world, archive, searches):
        await write(world, archive, range(4))
        before, real = archive.segments(TENANT), archive._store
        archive._store = Failing(real, StorageFull("the store"), goes_through=False)
        for _ in range(3):
            assert await archive.compact(KEEP) == 0
        assert sorted(await archive.files.names()) == sorted(one.file for one in before)
        archive._store = real
        assert await archive.compact(KEEP) == 4

    in_archive(work)


def test_a_file_that_is_missing_holds_up_neither_other_segments_nor_what_else_is_to_be_done(monkeypatch):
    async def needs(segment):
        return True

    async def work(world, archive, searches):
        await write(world, archive, range(4))
        await archive.files.remove_file(archive.segments(TENANT)[1].file)
        assert await archive.compact(KEEP) == 0
        await write(world, archive, range(4, 8))
        assert await archive.compact(KEEP) == 4
        monkeypatch.setattr(archive.files, "needs_resealing", needs)
        assert [changed async for changed in archive.reseal()] == [True, False, True, True, True]
        await world.clock.sleep(10)
        assert await archive.retain(Keep(10**9, NS_PER_S)) == 8 * ROWS, "what is missing is known no longer"

    in_archive(work)


def test_nothing_large_is_made_while_much_is_written():
    async def work(world, archive, searches):
        await write(world, archive, range(6))
        assert await archive.compact(KEEP) == 0
        assert await archive.compact(KEEP) == 4, "the next time it is quiet"
        assert await archive.compact(KEEP) == 0, "three are not four"

    in_archive(work)


def test_a_segment_that_cannot_be_read_holds_up_no_other_and_is_not_tried_again():
    async def work(world, archive, searches):
        await write(world, archive, range(4))
        first = archive.segments(TENANT)[0]
        broken = msgspec.structs.replace(first, directory_bytes=first.directory_bytes - 1)
        archive._segments[TENANT][first.id] = broken
        assert await archive.compact(KEEP) == 0
        assert len(archive.segments(TENANT)) == 4
        await write(world, archive, range(4, 8))
        assert await archive.compact(KEEP) == 4
        assert [one.events for one in archive.segments(TENANT)] == [ROWS] * 4 + [4 * ROWS]

    in_archive(work)


def segment(number, events, *, every_ns=1, size_bytes=1):
    return Segment(
        id=f"{number:06}", tenant=TENANT, trace="", at_ns=number * every_ns, file=f"f{number}", events=events, low_ns=0,
        high_ns=1, size_bytes=size_bytes, directory_at=0, directory_bytes=1, sealed=False, keys=(),
    )  # fmt: skip


def test_which_segments_are_put_together():
    whole = [segment(number, ROWS + number % 2) for number in range(6)]
    assert whole_together(whole[:3], KEEP, NOW_NS) == []
    assert whole_together(reversed(whole), KEEP, NOW_NS) == whole[:4], "the oldest"
    large = segment(0, 4 * ROWS)
    assert whole_together([large, *whole[1:4]], KEEP, NOW_NS) == [], "what is large is not made larger"
    assert whole_together([segment(n, 2 * ROWS - 1) for n in range(4)], KEEP, NOW_NS) == [], "too much for one"
    small = [segment(number, 2) for number in range(10, 20)]
    assert whole_together(small, KEEP, NOW_NS) == []
    assert small_together([*whole, *small[:2]], KEEP, NOW_NS) == []
    assert small_together([*whole, *small], KEEP, NOW_NS) == small[:4], "no more than a whole one takes"


def test_segments_that_cannot_be_put_together_are_left_out_and_later_ones_are():
    keep = Keep(250, 1_000)
    early = [segment(number, 2, every_ns=20) for number in range(3)]
    late = [segment(number, 2, every_ns=20) for number in range(10, 14)]
    assert small_together([*early[:2], *late], keep, NOW_NS) == late[:3], "with the next they would be kept too long"
    assert small_together([*early[:2], *late[:2]], keep, NOW_NS) == []
    assert whole_together([segment(number, ROWS, every_ns=18) for number in range(4)], keep, NOW_NS) == []
    large = [segment(number, 2, size_bytes=2) for number in range(3)]
    assert small_together([*large, *late[:2]], keep, NOW_NS) == [], "they would be too much of what is kept"


def test_how_late_events_go_does_not_grow_with_how_often_they_are_put_together():
    keep = Keep(10**9, 1_000)
    merged = msgspec.structs.replace(segment(1, 1, every_ns=50), since_ns=1)
    assert small_together([merged, *(segment(number, 1, every_ns=26) for number in range(2, 4))], keep, NOW_NS) == []


@pytest.mark.parametrize("keep", [Keep(64 * GIB), Keep(64 * GIB, 30 * DAY_NS), Keep(64 * GIB, 365 * DAY_NS)])
def test_with_usual_settings_a_month_of_ten_million_events_becomes_large_segments(keep, monkeypatch):
    rows = 65_536
    for name, value in {"SEGMENT_ROWS": rows, "SMALL_ROWS": rows // 2, "LARGE_ROWS": 5 * rows}.items():
        monkeypatch.setattr(merging_module, name, value)
    every_ns = 30 * DAY_NS * rows // 10_000_000
    left = [segment(number, rows, every_ns=every_ns, size_bytes=5 * MIB) for number in range(1, 153)]
    together = 0
    while chosen := whole_together(left, keep, NOW_NS):
        left, together = [one for one in left if one not in chosen], together + 1
    assert (together, left) == (38, [])
