"""Segments that are put together: the events are the same, and found the same."""

import contextlib

import msgspec
import pytest

from phalanx.adapters import FolderBlobs
from phalanx.core import NS_PER_S, BatchId, EventBatch, LogSource, StorageError, StorageFull, TenantId
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
        before, young = await told(searches), max(one.at_ns for one in archive.segments(TENANT))
        assert len(before["*"]) == 4 * rows
        assert await archive.compact() == 4
        (made,) = archive.segments(TENANT)
        assert (made.events, made.at_ns) == (4 * rows, young)
        assert await told(searches) == before
        # And once more, after a restart, with only what is on disk.
        again = Archive(archive.files, archive._store, world.clock)
        await again.open()
        assert await told(Searches(again, world.clock, InlineOffload())) == before
        assert len(await archive.files.names()) == 1

    in_archive(work, cache_bytes=cache_bytes)


def test_what_is_kept_for_a_time_is_kept_no_longer_when_it_is_put_together_late():
    async def work(world, archive, searches):
        await write(world, archive, range(4))
        await world.clock.sleep(1_000)
        assert await archive.compact() == 4
        assert await archive.retain(Keep(10**9, 900 * NS_PER_S)) == 4 * ROWS

    in_archive(work)


def test_nothing_large_is_made_while_much_is_written():
    async def work(world, archive, searches):
        await write(world, archive, range(6))
        assert await archive.compact() == 0
        assert await archive.compact() == 4, "the next time it is quiet"
        assert await archive.compact() == 0, "three are not four"

    in_archive(work)


def test_a_segment_that_cannot_be_read_holds_up_no_other_and_is_not_tried_again():
    async def work(world, archive, searches):
        await write(world, archive, range(4))
        first = archive.segments(TENANT)[0]
        broken = msgspec.structs.replace(first, directory_bytes=first.directory_bytes - 1)
        archive._segments[TENANT][first.id] = broken
        assert await archive.compact() == 0
        assert len(archive.segments(TENANT)) == 4
        await write(world, archive, range(4, 8))
        assert await archive.compact() == 4
        assert [one.events for one in archive.segments(TENANT)] == [ROWS] * 4 + [4 * ROWS]

    in_archive(work)


def segment(number, events):
    return Segment(
        id=f"{number:04}", tenant=TENANT, trace="", at_ns=number, file=f"f{number}", events=events, low_ns=0, high_ns=1,
        size_bytes=1, directory_at=0, directory_bytes=1, sealed=False, keys=(),
    )  # fmt: skip


def test_which_segments_are_put_together():
    whole = [segment(number, ROWS + number % 2) for number in range(6)]
    assert whole_together(whole[:3]) == []
    assert whole_together(reversed(whole)) == whole[:4], "the oldest"
    large = segment(0, 4 * ROWS)
    assert whole_together([large, *whole[1:4]]) == [], "what is large is not made larger"
    assert whole_together([segment(n, 2 * ROWS - 1) for n in range(4)]) == [], "too much for one"
    small = [segment(number, 2) for number in range(10, 20)]
    assert whole_together(small) == []
    assert small_together([*whole, *small[:2]]) == []
    assert small_together([*whole, *small]) == small[:4], "no more than a whole one takes"


class Lossy:
    """A store whose commits go wrong: with nothing written, or with everything written and nobody told."""

    def __init__(self, store, error, *, writes):
        self._store, self._error, self._writes = store, error, writes

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, writes, **expect):
        if self._writes:
            await self._store.commit(writes, **expect)
        raise self._error


@pytest.mark.parametrize(
    ("error", "written"),
    [(StorageFull("archive"), False), (StorageError("lost"), True), (StorageError("lost"), False)],
)
def test_a_commit_that_goes_wrong_neither_doubles_nor_loses_an_event(error, written):
    async def main(world, archive, searches):
        await write(world, archive, range(4))
        before = await told(searches)
        whole, archive._store = archive._store, Lossy(archive._store, error, writes=written)
        for _ in range(3):
            with contextlib.suppress(StorageError):
                await archive.compact()
        archive._store = whole
        await archive.open()
        assert len(await archive.files.names()) == len(archive.segments(TENANT))
        await archive.compact()
        assert await told(searches) == before

    in_archive(main)


def test_a_file_that_is_missing_holds_up_nothing():
    async def main(world, archive, searches):
        await write(world, archive, range(4))
        lost = archive.segments(TENANT)[0].file
        await archive.files._blobs.remove(lost)
        archive.files.forget(lost)
        assert await archive.compact() == 0
        assert await archive.retain(Keep(0)) == 4 * ROWS

    in_archive(main)


def test_what_would_be_much_of_what_is_kept_is_not_put_together():
    async def main(world, archive, searches):
        await write(world, archive, range(4))
        size = sum(one.size_bytes for one in archive.segments(TENANT))
        assert await archive.compact(Keep(8 * size - 1)) == 0
        assert await archive.compact(Keep(8 * size, 8 * NS_PER_S)) == 0, "three seconds are more than an eighth"
        assert await archive.compact(Keep(8 * size, 100 * NS_PER_S)) == 4

    in_archive(main)
