"""Segment journals on files that were torn, damaged, lost or that found no room."""

import asyncio
import errno
import itertools
from contextlib import closing

import pytest

from phalanx.adapters import OsEntropy, ThreadOffload
from phalanx.adapters.storage import OsFiles, SegmentJournals, _frames
from phalanx.core import (
    MAX_CHUNK_BYTES,
    FutureVersion,
    LimitExceeded,
    NotFound,
    StorageCorrupt,
    StorageError,
    StorageFull,
    Unavailable,
)

RECORDS = [b"record %d " % i * 20 for i in range(12)]


class FailingFiles(OsFiles):
    """Runs out of room after ``room`` bytes; ``truncates`` says whether cutting off works meanwhile."""

    room = 1 << 40
    truncates = True
    error = errno.ENOSPC

    async def append_sync(self, path, data):
        kept = data[: self.room]
        self.room -= len(kept)
        await super().append_sync(path, kept)
        if len(kept) < len(data):
            raise OSError(self.error, "out of order")

    async def truncate(self, path, size):
        if not self.truncates:
            raise OSError(errno.EIO, "out of order")
        await super().truncate(path, size)


def on(folder, work, *, files=OsFiles, segment_bytes=1 << 20):
    """Run ``work(journal, files)`` on the journal in ``folder``, opened anew."""

    async def main():
        with closing(files(folder)) as opened, closing(ThreadOffload(1)) as offload:
            journals = SegmentJournals(opened, entropy=OsEntropy(), offload=offload, segment_bytes=segment_bytes)
            journal = await journals.open("j")
            try:
                return await work(journal, opened)
            finally:
                await journals.close()

    return asyncio.run(main())


async def write(journal, _files):
    for record in RECORDS:
        await journal.append([record])


async def read(journal, _files):
    return await journal.read(journal.start)


def segments(folder):
    return sorted((folder / "j").glob("*.segment"))


def frame_starts(data):
    marker = _frames.decode_header(data).marker
    starts, at = [], _frames.HEADER_BYTES
    while at < len(data):
        starts.append(at)
        at += _frames.frame_bytes(marker, data, at)
    return starts


def test_a_torn_tail_is_cut_off_wherever_it_was_torn(tmp_path):
    on(tmp_path, write)
    (file,) = segments(tmp_path)
    whole = file.read_bytes()
    last = frame_starts(whole)[-1]
    garbage = bytes(range(200))
    for end in [*range(last, last + 40), *range(last + 40, len(whole), 20), len(whole) - 1]:
        for tail in (b"", bytes(len(whole) - end), garbage):
            found_bytes = file.write_bytes(whole[:end] + tail)

            async def check(journal, _files, found_bytes=found_bytes):
                assert journal.cut_bytes == found_bytes - last
                assert await journal.read(0) == RECORDS[:-1]

            on(tmp_path, check)
            assert file.read_bytes() == whole[:last]


def test_after_a_torn_tail_appending_goes_on(tmp_path):
    on(tmp_path, write)
    (file,) = segments(tmp_path)
    file.write_bytes(file.read_bytes()[:-1])

    async def check(journal, _files):
        assert await journal.append([b"new"]) == len(RECORDS) - 1
        assert await journal.read(0) == [*RECORDS[:-1], b"new"]

    on(tmp_path, check)
    assert on(tmp_path, read) == [*RECORDS[:-1], b"new"]


def test_damage_before_the_tail_names_file_and_position(tmp_path):
    on(tmp_path, write)
    (file,) = segments(tmp_path)
    whole = file.read_bytes()
    starts = frame_starts(whole)
    for start, end in itertools.pairwise(starts):
        for at in (start, start + 9, start + 20, start + 25, end - 1):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
            with pytest.raises(StorageCorrupt) as caught:
                on(tmp_path, read)
            assert (caught.value.where, caught.value.position) == (f"j/{file.name}", start)
            assert file.stat().st_size == len(whole), "nothing was cut off"


def test_damage_in_an_older_segment_is_found_when_it_is_read(tmp_path):
    on(tmp_path, write, segment_bytes=600)
    first, second, *_ = segments(tmp_path)
    whole = second.read_bytes()
    second.write_bytes(whole[:50] + b"\xff" + whole[51:])

    async def check(journal, _files):
        assert journal.end == len(RECORDS)
        base = int(second.stem)
        assert await journal.read(0, max_records=base) == RECORDS[:base]
        with pytest.raises(StorageCorrupt) as caught:
            await journal.read(base)
        assert caught.value.where == f"j/{second.name}"
        assert caught.value.position == _frames.HEADER_BYTES

    on(tmp_path, check, segment_bytes=600)
    second.write_bytes(whole)
    starts = frame_starts(first.read_bytes())
    first.write_bytes(first.read_bytes()[: starts[-1]])
    with pytest.raises(StorageCorrupt, match="are missing"):
        on(tmp_path, read, segment_bytes=600)


def test_a_missing_or_renamed_segment_is_noticed(tmp_path):
    on(tmp_path, write, segment_bytes=600)
    _, second, third, *_ = segments(tmp_path)
    second.unlink()
    with pytest.raises(StorageCorrupt, match="are missing"):
        on(tmp_path, read, segment_bytes=600)
    third.rename(second)
    with pytest.raises(StorageCorrupt, match="its name denies"):
        on(tmp_path, read, segment_bytes=600)


def test_a_damaged_header_is_told_from_a_torn_creation(tmp_path):
    on(tmp_path, write, segment_bytes=600)
    last = segments(tmp_path)[-1]
    torn = last.with_name(f"{len(RECORDS):020d}.segment")
    for length in (0, 1, _frames.HEADER_BYTES - 1, _frames.HEADER_BYTES):
        torn.write_bytes(bytes(length))
        assert on(tmp_path, read, segment_bytes=600) == RECORDS
        assert not torn.exists()
    whole = last.read_bytes()
    last.write_bytes(b"\x00" + whole[1:])
    with pytest.raises(StorageCorrupt) as caught:
        on(tmp_path, read)
    assert (caught.value.where, caught.value.position) == (f"j/{last.name}", 0)


def test_a_creation_torn_at_the_very_beginning_is_made_anew(tmp_path):
    (tmp_path / "j").mkdir()
    (tmp_path / "j" / f"{0:020d}.segment").write_bytes(b"PHX")
    on(tmp_path, write)
    assert on(tmp_path, read) == RECORDS


def test_a_newer_format_is_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as newer:
        newer.setattr(_frames, "FORMAT_VERSION", 2)
        on(tmp_path, write)
    with pytest.raises(FutureVersion) as caught:
        on(tmp_path, read)
    assert (caught.value.seen, caught.value.known) == (2, 1)


def test_a_record_that_imitates_a_frame_cannot_fake_a_damage(tmp_path):
    """What a peer sends may look like a frame; only the marker tells, and that nobody outside knows."""
    forged = _frames.encode_frame(b"\x00" * 8, 99, [b"forged"])

    async def imitate(journal, _files):
        await journal.append([RECORDS[0]])
        await journal.append([forged * 20])

    on(tmp_path, imitate)
    (file,) = segments(tmp_path)
    file.write_bytes(file.read_bytes()[:-1])
    assert on(tmp_path, read) == [RECORDS[0]]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_undoes_the_write_and_the_journal_goes_on(tmp_path, error):
    async def check(journal, files):
        files.error = error
        await journal.append([b"before"])
        for room in (0, 1, 27, 28, 40):
            files.room = room
            size = await files.size("j/" + segments(tmp_path)[0].name)
            with pytest.raises(StorageFull):
                await journal.append([b"x" * 100])
            assert await files.size("j/" + segments(tmp_path)[0].name) == size
            assert (journal.end, await journal.read(0)) == (1, [b"before"])
        files.room = 1_000
        assert await journal.append([b"after"]) == 1

    on(tmp_path, check, files=FailingFiles)
    assert on(tmp_path, read) == [b"before", b"after"]


def test_no_room_for_a_new_segment(tmp_path):
    async def check(journal, files):
        await journal.append([b"x" * 700])
        for room in (0, 1, 27):
            files.room = room
            with pytest.raises(StorageFull):
                await journal.append([b"y"])
            assert await journal.read(0) == [b"x" * 700]
        files.room = 1_000
        assert await journal.append([b"z"]) == 1

    on(tmp_path, check, files=FailingFiles, segment_bytes=600)
    assert on(tmp_path, read, segment_bytes=600) == [b"x" * 700, b"z"]


def test_nothing_is_written_while_a_failed_write_cannot_be_cut_off(tmp_path):
    async def check(journal, files):
        await journal.append([b"before"])
        files.room, files.truncates = 30, False
        with pytest.raises(StorageError, match="not undone yet") as caught:
            await journal.append([b"x" * 100])
        assert not isinstance(caught.value, StorageFull), "that would promise that nothing was kept"
        files.room = 1_000
        with pytest.raises(StorageError, match="not undone yet"):
            await journal.append([b"too early"])
        assert await journal.read(0) == [b"before"]
        files.truncates = True
        assert await journal.append([b"after"]) == 1

    on(tmp_path, check, files=FailingFiles)
    assert on(tmp_path, read) == [b"before", b"after"]


def test_concurrent_appends_share_a_write(tmp_path):
    class CountingFiles(OsFiles):
        writes = 0

        async def append_sync(self, path, data):
            self.writes += 1
            await super().append_sync(path, data)

    async def check(journal, files):
        files.writes = 0
        offsets = await asyncio.gather(*(journal.append([b"%d" % i, b"-"]) for i in range(64)))
        assert files.writes == 1
        assert sorted(offsets) == list(range(0, 128, 2))
        assert [(await journal.read(offset))[0] for offset in offsets] == [b"%d" % i for i in range(64)]

    on(tmp_path, check, files=CountingFiles)


def test_a_failed_group_fails_for_each_of_its_members(tmp_path):
    async def check(journal, files):
        files.room = 10
        outcomes = await asyncio.gather(*(journal.append([b"x"]) for _ in range(5)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [StorageFull] * 5

    on(tmp_path, check, files=FailingFiles)


def test_bounds(tmp_path):
    async def check(journal, _files):
        with pytest.raises(LimitExceeded):
            await journal.append([bytes(MAX_CHUNK_BYTES + 1)])
        with pytest.raises(LimitExceeded):
            await journal.append([bytes(MAX_CHUNK_BYTES)] * 9)
        assert journal.end == 0

    on(tmp_path, check)


def test_a_journal_is_opened_once(tmp_path):
    async def main():
        with closing(OsFiles(tmp_path)) as files, closing(ThreadOffload(1)) as offload:
            journals = SegmentJournals(files, "folder", entropy=OsEntropy(), offload=offload)
            journal = await journals.open("j")
            with pytest.raises(Unavailable, match="open already"):
                await journals.open("j")
            with closing(OsFiles(tmp_path)) as others, pytest.raises(Unavailable, match="is using it"):
                await SegmentJournals(others, "folder", entropy=OsEntropy(), offload=offload).open("j")
            await journal.close()
            await (await journals.open("j")).close()

    asyncio.run(main())


def test_trimming_overtakes_a_reader(tmp_path):
    """The reader gets what it had begun to read, or is told that it is gone; it never sees damage."""

    class OvertakenFiles(OsFiles):
        overtake = None

        async def read(self, path, offset=0, n=-1):
            data = await super().read(path, offset, n)
            if self.overtake is not None:
                overtake, self.overtake = self.overtake, None
                await overtake()
            return data

    async def check(journal, files):
        await write(journal, files)
        first = int(segments(tmp_path)[1].stem)
        files.overtake = lambda: journal.trim(len(RECORDS))
        assert await journal.read(0) == RECORDS[:first]
        assert journal.start > first
        for offset in range(journal.start):
            with pytest.raises(NotFound):
                await journal.read(offset)

    on(tmp_path, check, files=OvertakenFiles, segment_bytes=600)


def test_reading_remembers_where_frames_lie(tmp_path):
    """Reading near the end of a segment does not begin at its beginning again."""

    positions = []

    class ReadingFiles(OsFiles):
        async def read(self, path, offset=0, n=-1):
            positions.append(offset)
            return await super().read(path, offset, n)

    async def fill(journal, _files):
        for _ in range(60):
            await journal.append([bytes(10_000)])

    async def check(journal, _files):
        # Opening read it through once; from then on the positions are known.
        positions.clear()
        assert await journal.read(58) == [bytes(10_000)] * 2
        assert min(positions) > 500_000

    on(tmp_path, fill)
    on(tmp_path, check, files=ReadingFiles)
