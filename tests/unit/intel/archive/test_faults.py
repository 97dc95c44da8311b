"""The archive where files are damaged or gone, clocks are wrong, and somebody is always looking."""

import pytest

from phalanx.adapters.storage import FolderBlobs
from phalanx.core import (
    DEFAULT_TENANT,
    MAX_PAGE_ROWS,
    NS_PER_S,
    NotFound,
    StorageCorrupt,
    StorageError,
    derive_id,
    event_id,
    iso_from_ns,
)
from phalanx.intel import read_chunk
from phalanx.intel.archive import Archive, Keep, Searches, SegmentFiles, mark_of, parse
from phalanx.intel.archive import _answers as answers_module
from phalanx.intel.archive import _archive as archive_module
from phalanx.testing import InlineOffload, SimEntropy, SimWorld

pytestmark = pytest.mark.requirement("INT-1")

DAY_NS = 86_400 * NS_PER_S
ROWS = 3


class Kept:
    """An archive on a simulated disk whose clock can be wrong."""

    def __init__(self, world):
        self.world, self.wrong_ns = world, 0
        self.disk = world.disk("disk")
        files = SegmentFiles(
            FolderBlobs(self.disk, "archive"), None, SimEntropy(world.rng), InlineOffload(), seals=False, cache_bytes=0
        )
        self.store = world.store("disk")
        self.archive = Archive(files, self.store, self)
        self.searches = Searches(self.archive, self, InlineOffload())
        self.batches = []

    def wall_ns(self):
        return self.world.clock.wall_ns() + self.wrong_ns

    def monotonic_ns(self):
        return self.world.clock.monotonic_ns()

    async def write(self, *whens, is_written=True):
        """A segment of an event for each of the times, which are texts."""
        number = len(self.batches)
        lines = b"\n".join(b"<38>1 %s web-01 app 1 - - n%d-%d" % (when.encode(), number, row)
                           for row, when in enumerate(whens))  # fmt: skip
        now_ns = self.wall_ns()
        batch = derive_id(now_ns, "batch", str(number))[:31] + "00000"
        out = read_chunk(lines, tenant=DEFAULT_TENANT, batch=batch, accepted_at_ns=now_ns)
        self.batches.append(batch)
        self.archive.add(out.batches, read_to=(number + 1, 0))
        if is_written:
            await self.archive.write()
        await self.world.clock.sleep(1)

    async def ask(self, text="*", **options):
        return await self.searches.search(DEFAULT_TENANT, parse(text, now_ns=self.wall_ns()), **options)

    async def files(self):
        return await self.archive.files.names()


def kept(work):
    async def main(world):
        it = Kept(world)
        await it.archive.open()
        await work(it)

    SimWorld(3).run(main)


TIMES = [f"2026-01-01T00:00:0{row}Z" for row in range(ROWS)]


@pytest.mark.parametrize("when", ["2117-01-01T00:00:00Z", "2262-04-11T23:47:16Z", "2300-01-01T00:00:00Z",
                                  "9999-12-31T23:59:59Z"])  # fmt: skip
def test_an_event_of_any_time_that_a_line_can_say_is_found_and_holds_up_no_other(when):
    async def work(it):
        await it.write("2025-01-01T00:00:00Z", when, is_written=False)
        for _ in ("in memory", "in a segment"):
            assert (await it.ask()).total == 2
            assert (await it.ask("after:2025-01-02")).total == 1
            assert sum(bar.events for bar in (await it.ask(bars_ns=DAY_NS)).bars) == 2
            await it.archive.write()
        await it.write(when)
        assert (await it.ask()).total == 3, "also where all of a segment is so late"
        assert len(it.archive.segments(DEFAULT_TENANT)) == 2

    kept(work)


def test_what_goes_is_gone_when_those_who_looked_at_it_are_done_although_others_look_now():
    async def work(it):
        await it.write(*TIMES)
        await it.write(*TIMES)
        first = it.archive.begin(DEFAULT_TENANT)
        assert await it.archive.retain(Keep(1)) == 2 * ROWS
        assert len(await it.files()) == 2, "somebody looks at them"
        second = it.archive.begin(DEFAULT_TENANT)
        assert second.segments == []
        await it.archive.end(first)
        assert await it.files() == [], "who came later does not know them"
        await it.archive.end(second)

    kept(work)


def test_a_start_anew_takes_no_file_from_who_looks_at_it():
    async def work(it):
        await it.write(*TIMES)
        looked = it.archive.begin(DEFAULT_TENANT)
        await it.archive.retain(Keep(1))
        await it.archive.open()
        assert len(await it.files()) == 1
        await it.archive.end(looked)
        assert await it.files() == []

    kept(work)


def test_a_file_that_cannot_be_removed_is_removed_later_and_no_answer_is_lost_for_it(monkeypatch):
    async def work(it):
        await it.write(*TIMES)
        await it.write(*TIMES)
        blobs, remove = it.archive.files._blobs, it.archive.files._blobs.remove

        async def refuses(name):
            raise StorageError("archive: Input/output error")

        looked = it.archive.begin(DEFAULT_TENANT)
        await it.archive.retain(Keep(1))
        monkeypatch.setattr(blobs, "remove", refuses)
        await it.archive.end(looked)
        monkeypatch.setattr(blobs, "remove", remove)
        assert len(await it.files()) == 2
        await it.archive.retain(Keep(10**9))
        assert await it.files() == []

    kept(work)


async def damage(it, number, how):
    segment = it.archive.segments(DEFAULT_TENANT)[number]
    path = f"archive/{segment.file}"
    if how == "gone":
        await it.disk.remove(path)
    elif how == "torn":
        await it.disk.truncate(path, segment.directory_at + segment.directory_bytes // 2)
    elif how == "empty":
        await it.disk.truncate(path, 0)
    elif how == "a bit":
        data = bytearray(await it.disk.read(path))
        shard = await it.archive.files.use(segment)
        at, size = shard.directory.blocks["places"]
        data[at + size // 2] ^= 4
        it.archive.files.done(segment)
        it.archive.files.forget(segment.file)
        await it.disk.truncate(path, 0)
        await it.disk.append_sync(path, bytes(data))
    else:
        data = await it.disk.read(path)
        first = segment.directory_at // 2 if how == "blocks" else segment.directory_at
        await it.disk.truncate(path, first)
        await it.disk.append_sync(path, bytes(byte ^ 0x55 for byte in data[first:]))


@pytest.mark.parametrize("how", ["gone", "torn", "empty", "a bit", "blocks", "directory"])
def test_a_segment_that_cannot_be_read_is_told_and_hides_nothing_of_the_others(how):
    async def work(it):
        for _ in range(3):
            await it.write(*TIMES)
        await damage(it, 1, how)
        # Where the events came from is read only to show them.
        counted = () if how == "a bit" else ("* | count by hostname", "* | timeline 1h")
        for question in ("*", "message:n*", *counted):
            answer = await it.ask(question)
            assert not answer.complete, question
            assert answer.unreadable == ROWS, question
            if how in ("gone", "torn", "empty", "directory"):
                assert answer.total == 2 * ROWS, question
        found = {event_id(batch.batch, batch.rows[at]) for batch, at in (await it.ask()).events}
        assert {event_id(it.batches[number], row) for number in (0, 2) for row in range(ROWS)} <= found
        whole = await it.ask("after:2027-01-01")
        assert whole.complete
        assert whole.unreadable == 0, "it was not asked"

    kept(work)


def test_counting_by_more_different_values_than_are_counted_says_so(monkeypatch):
    monkeypatch.setattr(answers_module, "MAX_COUNTED_VALUES", 4)

    async def work(it):
        await it.write(*TIMES)
        assert not (await it.ask("* | count by message")).rough
        await it.write(*TIMES)
        assert (await it.ask("* | count by message")).rough

    kept(work)


def test_pages_go_on_past_events_that_cannot_be_shown():
    async def work(it):
        for _ in range(3):
            await it.write(*TIMES)
        await damage(it, 1, "blocks")
        found, after = set(), ""
        for _ in range(10):
            answer = await it.ask(limit=2, after=mark_of(after) if after else None)
            found |= {event_id(batch.batch, batch.rows[at]) for batch, at in answer.events}
            after = answer.after
            if not after:
                break
        assert {event_id(it.batches[number], row) for number in (0, 2) for row in range(ROWS)} <= found

    kept(work)


@pytest.mark.parametrize("how", ["gone", "torn"])
def test_an_event_is_found_by_its_id_behind_a_segment_that_cannot_be_read(how):
    async def work(it):
        for _ in range(3):
            await it.write(*TIMES)
        await damage(it, 0, how)
        event = await it.searches.event(DEFAULT_TENANT, event_id(it.batches[2], 1))
        assert event.fields()["message"] == "n2-1"
        with pytest.raises(StorageCorrupt):
            await it.searches.event(DEFAULT_TENANT, event_id(it.batches[0], 1))

    kept(work)


def test_an_erased_tenant_is_no_damage():
    async def work(it):
        await it.write(*TIMES)
        looked = it.archive.begin(DEFAULT_TENANT)
        await it.archive.erase([DEFAULT_TENANT])
        await it.archive.end(looked)
        answer = await it.ask()
        assert (answer.total, answer.complete, answer.unreadable) == (0, True, 0)

    kept(work)


def test_an_event_is_found_by_its_id_although_the_clock_went_back_before_it_was_written():
    async def work(it):
        it.wrong_ns = DAY_NS
        await it.write(*TIMES)
        it.wrong_ns = 0
        await it.archive.open()
        now_ns = it.wall_ns() + DAY_NS
        batch = derive_id(now_ns, "batch", "late")[:31] + "00000"
        out = read_chunk(b"<38>1 2026-01-01T00:00:00Z web-01 app 1 - - late", tenant=DEFAULT_TENANT, batch=batch,
                         accepted_at_ns=now_ns)  # fmt: skip
        it.archive.add(out.batches, read_to=(9, 0))
        await it.archive.write()
        assert (await it.searches.event(DEFAULT_TENANT, event_id(batch, 0))).fields()["message"] == "late"
        with pytest.raises(NotFound):
            await it.searches.event(DEFAULT_TENANT, event_id(batch, 1))

    kept(work)


def test_what_waits_is_old_by_its_wait_and_not_by_a_clock_that_is_set_back():
    async def work(it):
        out = read_chunk(b"<38>1 2026-01-01T00:00:00Z web-01 app 1 - - x", tenant=DEFAULT_TENANT,
                         batch="0197a000-0000-7000-8000-000000000000", accepted_at_ns=it.wall_ns())  # fmt: skip
        it.archive.add(out.batches, read_to=(1, 0))
        it.wrong_ns = -DAY_NS
        await it.world.clock.sleep(5)
        assert it.archive.waited_ns == 5 * NS_PER_S
        await it.archive.write()
        assert it.archive.waited_ns == 0

    kept(work)


def test_events_that_say_they_are_of_the_future_are_kept_no_longer_than_others():
    async def work(it):
        keep = Keep(10**9, DAY_NS)
        await it.write(*TIMES, "2199-01-01T00:00:00Z")
        await it.write(*TIMES)
        assert await it.archive.retain(keep) == 0
        await it.world.clock.sleep(86_400 + 10)
        assert await it.archive.retain(keep) == 2 * ROWS + 1

    kept(work)


def test_without_room_for_both_the_older_goes_also_where_an_event_of_it_says_it_is_of_the_future():
    async def work(it):
        await it.write("2199-01-01T00:00:00Z")
        await it.write(iso_from_ns(it.wall_ns()))
        newer = it.archive.segments(DEFAULT_TENANT)[1]
        await it.archive.retain(Keep(newer.size_bytes))
        assert it.archive.segments(DEFAULT_TENANT) == [newer]

    kept(work)


def test_events_written_while_the_clock_was_far_behind_are_as_old_as_they_say():
    async def work(it):
        it.wrong_ns = -3_650 * DAY_NS
        now = it.world.clock.wall_ns()
        await it.write(iso_from_ns(now))
        it.wrong_ns = 0
        assert await it.archive.retain(Keep(10**9, DAY_NS)) == 0

    kept(work)


def test_a_tenant_with_as_many_segments_as_there_may_be_loses_the_oldest_and_holds_up_nobody(monkeypatch):
    monkeypatch.setattr(archive_module, "MAX_SEGMENTS", 4)

    async def work(it):
        for number in range(6):
            await it.write(f"2026-01-01T00:00:0{number}Z")
            await it.archive.retain(Keep(10**9))
        assert [one.low_ns // NS_PER_S % 10 for one in it.archive.segments(DEFAULT_TENANT)] == [2, 3, 4, 5]

    kept(work)


def test_many_files_go_in_commits_of_a_page(monkeypatch):
    monkeypatch.setattr(archive_module, "MAX_PAGE_ROWS", 2)
    assert MAX_PAGE_ROWS > 2

    async def work(it):
        for _ in range(5):
            await it.write(*TIMES)
        assert await it.archive.retain(Keep(1)) == 5 * ROWS
        assert await it.files() == []

    kept(work)
