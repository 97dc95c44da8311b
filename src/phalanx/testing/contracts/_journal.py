"""What every ``core.Journals`` must do, whoever wrote it.

Each check is an async function of one argument, ``open_journals``, which gives the journals
under test; given again after all of them were closed, they must hold what they held::

    @pytest.mark.parametrize("check", JOURNAL_CHECKS)
    def test_my_journals(check, tmp_path):
        asyncio.run(check(lambda: MyJournals.open(tmp_path)))

``JOURNAL_FULL_CHECKS`` want journals with little room and, as a second argument, a function
that makes more.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from phalanx.core import (
    KIB,
    MAX_CHUNK_BYTES,
    InvalidInput,
    Journal,
    Journals,
    NotFound,
    Rng,
    StorageError,
    StorageFull,
)
from phalanx.testing.contracts._raises import raises

OpenJournals = Callable[[], Awaitable[Journals]]
JournalCheck = Callable[[OpenJournals], Awaitable[None]]

_NAME = "contract"
_WRITERS = 20
_FILL_BYTES = 64 * KIB
_MAX_FILLS = 10_000


async def check_empty(open_journals: OpenJournals) -> None:
    async with _opened(open_journals) as journal:
        assert (journal.start, journal.end) == (0, 0)
        assert await journal.read(0) == []
        assert await journal.append([]) == 0
        assert journal.end == 0


async def check_append_and_read(open_journals: OpenJournals) -> None:
    async with _opened(open_journals) as journal:
        records = [b"one", b"", bytes(range(256)), b"\n", b"x" * 100_000]
        assert await journal.append(records[:1]) == 0
        assert await journal.append(records[1:]) == 1
        assert (journal.start, journal.end) == (0, 5)
        for offset in range(6):
            assert await journal.read(offset) == records[offset:], offset
        assert await journal.read(99) == []


async def check_bounds_of_reading(open_journals: OpenJournals) -> None:
    """At least one record if there is one, then within both bounds."""
    async with _opened(open_journals) as journal:
        records = [b"%02d" % i * 50 for i in range(30)]
        for i in range(0, 30, 3):
            await journal.append(records[i : i + 3])
        for offset in (0, 1, 2, 3, 17, 29):
            for max_records in (1, 2, 5, 100):
                for max_bytes in (0, 1, 99, 100, 101, 250, 10_000):
                    found = await journal.read(offset, max_records=max_records, max_bytes=max_bytes)
                    n = max(1, min(max_records, max_bytes // 100))
                    assert found == records[offset : offset + n], (offset, max_records, max_bytes)


async def check_largest_record(open_journals: OpenJournals) -> None:
    async with _opened(open_journals) as journal:
        largest = Rng(1).bytes(MAX_CHUNK_BYTES)
        await journal.append([b"before"])
        await journal.append([largest, b"beside"])
        assert await journal.read(1, max_bytes=1) == [largest]
        assert await journal.read(2) == [b"beside"]


async def check_concurrent_appends(open_journals: OpenJournals) -> None:
    """Each append's records stand together, every record once, and one after the other in its task's order."""
    async with _opened(open_journals) as journal:

        async def write(writer: int) -> dict[int, bytes]:
            mine: dict[int, bytes] = {}
            for i in range(10):
                batch = [b"%d/%d/%d" % (writer, i, part) for part in range(1 + (writer + i) % 3)]
                first = await journal.append(batch)
                assert first + len(batch) <= journal.end, "what was acknowledged lies before the end"
                assert not mine or first > max(mine), "appends of one task keep their order"
                mine |= dict(enumerate(batch, first))
            return mine

        expected: dict[int, bytes] = {}
        for mine in await asyncio.gather(*(write(i) for i in range(_WRITERS))):
            assert not expected.keys() & mine.keys(), "an offset was given twice"
            expected |= mine
        assert await _everything(journal) == [expected[i] for i in range(journal.end)]


async def check_reading_while_appending(open_journals: OpenJournals) -> None:
    """A reader that follows sees every record once and in order."""
    async with _opened(open_journals) as journal:
        n = 200
        records = [b"%d" % i * 40 for i in range(n)]
        grown = asyncio.Condition()

        async def write() -> None:
            for i in range(0, n, 4):
                await journal.append(records[i : i + 4])
                async with grown:
                    grown.notify_all()

        async def follow() -> list[bytes]:
            seen: list[bytes] = []
            while len(seen) < n:
                found = await journal.read(len(seen), max_records=7)
                assert len(seen) + len(found) <= journal.end, "a record was shown before it was acknowledged"
                seen.extend(found)
                async with grown:
                    await grown.wait_for(lambda: len(seen) < journal.end or len(seen) == n)
            return seen

        _, *seen = await asyncio.gather(write(), follow(), follow())
        assert seen == [records, records]


async def check_cancelled_caller(open_journals: OpenJournals) -> None:
    """A caller that gives up leaves a whole append or none, and a journal that works."""
    async with _opened(open_journals) as journal:
        for i in range(_WRITERS):
            task = asyncio.ensure_future(journal.append([b"%d a" % i, b"%d b" % i]))
            for _ in range(i % 4):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        last = await journal.append([b"last"])
        found = await _everything(journal)
        assert found[last] == b"last"
        assert found[: last + 1 : 2] == [record.replace(b"b", b"a") for record in found[1:last:2]] + [b"last"]


async def check_reopening(open_journals: OpenJournals) -> None:
    expected: list[bytes] = []
    for life in range(4):
        async with _opened(open_journals) as journal:
            assert journal.end == len(expected)
            assert await _everything(journal) == expected
            batch = [b"%d %d" % (life, i) * 30 for i in range(25)]
            assert await journal.append(batch) == len(expected)
            expected += batch


async def check_names(open_journals: OpenJournals) -> None:
    journals = await open_journals()
    one, two = await journals.open("one"), await journals.open("two-2")
    await one.append([b"1"])
    await two.append([b"2", b"3"])
    assert (await _everything(one), await _everything(two)) == ([b"1"], [b"2", b"3"])
    await one.close()
    assert await two.append([b"4"]) == 2
    await two.close()
    for name in ("", ".", "..", "../one", "a/b"):
        await raises(InvalidInput, journals.open(name))


async def check_trim(open_journals: OpenJournals) -> None:
    async with _opened(open_journals) as journal:
        records = [b"%03d" % i * 100 for i in range(120)]
        for i in range(0, 120, 2):
            await journal.append(records[i : i + 2])
        given_up = 0
        for before in (0, 1, 37, 20, 38, 90):
            await journal.trim(before)
            given_up = max(given_up, before)
            assert journal.start <= given_up, "only what was given up may go"
            assert journal.end == 120
            assert await _everything(journal) == records[journal.start :]
            for gone in range(journal.start):
                await raises(NotFound, journal.read(gone))
        assert await journal.append([b"new"]) == 120
    async with _opened(open_journals) as journal:
        assert journal.start <= 90
        assert await _everything(journal) == [*records[journal.start :], b"new"]
        await journal.trim(121)
        await journal.trim(1_000_000)
        assert journal.end == 121
        assert await journal.append([b"newer"]) == 121
    async with _opened(open_journals) as journal:
        assert journal.end == 122, "numbers go on where they were, also when all was trimmed"
        assert (await journal.read(121)) == [b"newer"]


async def check_trim_while_reading(open_journals: OpenJournals) -> None:
    """A reader that is overtaken is told so; it never gets a record in another's place."""
    async with _opened(open_journals) as journal:
        records = [b"%03d" % i * 200 for i in range(150)]
        for i in range(0, 150, 3):
            await journal.append(records[i : i + 3])

        async def read() -> None:
            offset = 0
            while offset < 150:
                try:
                    found = await journal.read(offset, max_records=4)
                except NotFound:
                    assert journal.start > offset
                    offset = journal.start
                    continue
                assert found == records[offset : offset + len(found)]
                assert found
                offset += len(found)

        async def trim() -> None:
            for before in range(0, 150, 10):
                await journal.trim(before)

        await asyncio.gather(read(), trim(), read(), trim())


async def check_closed(open_journals: OpenJournals) -> None:
    journal = await (await open_journals()).open(_NAME)
    await journal.append([b"kept"])
    await journal.close()
    await raises(StorageError, journal.append([b"late"]))
    await raises(StorageError, journal.read(0))


async def check_full(open_journals: OpenJournals, make_room: Callable[[], None]) -> None:
    """Without room an append is refused and leaves nothing; reading goes on; with room so does writing."""
    async with _opened(open_journals) as journal:
        written: list[bytes] = []
        for i in range(_MAX_FILLS):
            try:
                # Bytes that no compression shrinks: the room that is asked for is taken.
                await journal.append([record := Rng(i).bytes(_FILL_BYTES)])
            except StorageFull:
                break
            written.append(record)
        assert 0 < len(written) < _MAX_FILLS, len(written)
        assert journal.end == len(written), "a refused append takes no offset"
        assert await _everything(journal) == written
        refused = await asyncio.gather(
            *(journal.append([bytes(_FILL_BYTES)]) for _ in range(3)), return_exceptions=True
        )
        assert any(isinstance(outcome, StorageFull) for outcome in refused), refused
        end = journal.end
        make_room()
        assert await journal.append([b"after"]) == end
        assert (await journal.read(end)) == [b"after"]
    async with _opened(open_journals) as journal:
        found = await _everything(journal)
        assert (found[: len(written)], found[end:]) == (written, [b"after"])


JOURNAL_CHECKS: tuple[JournalCheck, ...] = (
    check_empty,
    check_append_and_read,
    check_bounds_of_reading,
    check_largest_record,
    check_concurrent_appends,
    check_reading_while_appending,
    check_cancelled_caller,
    check_reopening,
    check_names,
    check_trim,
    check_trim_while_reading,
    check_closed,
)
JOURNAL_FULL_CHECKS: tuple[Callable[[OpenJournals, Callable[[], None]], Awaitable[None]], ...] = (check_full,)


@contextlib.asynccontextmanager
async def _opened(open_journals: OpenJournals) -> AsyncIterator[Journal]:
    journal = await (await open_journals()).open(_NAME)
    try:
        yield journal
    finally:
        await journal.close()


async def _everything(journal: Journal) -> list[bytes]:
    """All records that are kept, read in pages."""
    out: list[bytes] = []
    while journal.start + len(out) < journal.end:
        out += await journal.read(journal.start + len(out), max_records=50)
    return out
