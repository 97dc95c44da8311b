"""Accepting chunks: bounds, receipts, idempotency, back-pressure, what a full disk does."""

import asyncio

import pytest

from phalanx.core import (
    DEFAULT_TENANT,
    MAX_CHUNK_EVENTS,
    InvalidInput,
    LimitExceeded,
    Overloaded,
    Put,
    StorageFull,
    TenantId,
    Unavailable,
    decode,
    encode,
)
from phalanx.intel import IDEMPOTENCY, Chunk, Intake, UsedKey
from phalanx.intel._limits import MAX_CHUNK_DATA_BYTES
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld

LINE = b"Mar  2 09:00:00 web-01 app: hello"


class SlowJournal:
    """A journal whose appends wait for leave, and fail on demand."""

    def __init__(self, journal):
        self._journal = journal
        self.gate = asyncio.Event()
        self.gate.set()
        self.appends = []
        self.begun = asyncio.Event()
        self.error = None

    start = property(lambda self: self._journal.start)
    end = property(lambda self: self._journal.end)

    async def append(self, records):
        self.appends.append(len(records))
        self.begun.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return await self._journal.append(records)

    def __getattr__(self, name):
        return getattr(self._journal, name)


def run(main, seed=1, **options):
    async def inside(world):
        journal = SlowJournal(await world.journals("disk").open("intake"))
        store = world.store("disk")
        intake = await Intake.open(
            journal, store, clock=world.clock, ids=world.ids, telemetry=Telemetry(world.clock), **options
        )
        await main(intake, journal)
        await intake.close()

    SimWorld(seed).run(inside)


def test_a_receipt_names_the_batch_and_the_chunk_is_in_the_journal():
    async def main(intake, journal):
        accepted = await intake.accept(LINE + b"\n\n" + LINE, tenant=DEFAULT_TENANT, reader="syslog")
        assert (accepted.events, accepted.offset, accepted.duplicate) == (2, 0, False)
        (frame,) = await journal.read(0)
        chunk = decode(frame, Chunk)
        assert chunk.id == accepted.batch
        assert chunk.id.endswith("00000")
        assert chunk.data == LINE + b"\n\n" + LINE
        assert (chunk.events, chunk.reader, chunk.total_bytes) == (2, "syslog", len(chunk.data))
        assert intake.backlog_events == 2

    run(main)


@pytest.mark.parametrize(
    ("data", "options", "error"),
    [
        (b"", {}, InvalidInput),
        (b" \n\r\n", {}, InvalidInput),
        (b"x" * (MAX_CHUNK_DATA_BYTES + 1), {}, LimitExceeded),
        (b"x\n" * (MAX_CHUNK_EVENTS + 1), {}, LimitExceeded),
        (LINE, {"reader": "xml"}, InvalidInput),
        (LINE, {"idempotency_key": "k" * 201}, InvalidInput),
        (LINE, {"idempotency_key": "a\nb"}, InvalidInput),
    ],
)
def test_what_can_never_be_accepted_is_refused_and_leaves_nothing(data, options, error):
    async def main(intake, journal):
        with pytest.raises(error):
            await intake.accept(data, tenant=DEFAULT_TENANT, **options)
        assert journal.end == 0
        assert intake.backlog_events == 0

    run(main)


def test_the_largest_chunk_fits_into_the_journal():
    async def main(intake, journal):
        lines = MAX_CHUNK_DATA_BYTES // MAX_CHUNK_EVENTS
        data = (b"y" * (lines - 1) + b"\n") * MAX_CHUNK_EVENTS
        accepted = await intake.accept(data, tenant=TenantId("t" * 128), idempotency_key="k" * 200)
        assert accepted.events == MAX_CHUNK_EVENTS
        assert decode((await journal.read(0))[0], Chunk).data == data

    run(main)


def test_chunks_that_arrive_during_an_append_share_the_next_one():
    async def main(intake, journal):
        journal.gate.clear()
        waiting = [asyncio.create_task(intake.accept(LINE, tenant=DEFAULT_TENANT)) for _ in range(10)]
        await journal.begun.wait()
        more = [asyncio.create_task(intake.accept(LINE, tenant=DEFAULT_TENANT)) for _ in range(20)]
        for _ in range(50):
            await asyncio.sleep(0)
        assert not any(task.done() for task in waiting + more)
        journal.gate.set()
        accepted = await asyncio.gather(*waiting, *more)
        assert sorted(one.offset for one in accepted) == list(range(30))
        assert len({one.batch for one in accepted}) == 30
        assert len(journal.appends) < 5

    run(main)


@pytest.mark.requirement("INT-5")
def test_one_key_is_accepted_once_however_it_is_sent():
    async def main(intake, journal):
        send = lambda: intake.accept(LINE, tenant=DEFAULT_TENANT, idempotency_key="k")  # noqa: E731
        together = await asyncio.gather(send(), send(), send())
        later = await send()
        assert {one.batch for one in (*together, later)} == {later.batch}
        assert [one.duplicate for one in (*together, later)].count(False) == 1
        assert journal.end == 1
        other = await intake.accept(LINE, tenant=TenantId("other"), idempotency_key="k")
        assert not other.duplicate
        with pytest.raises(InvalidInput, match="used for other data"):
            await intake.accept(LINE + b"!", tenant=DEFAULT_TENANT, idempotency_key="k")

    run(main)


class SlowLookup:
    """A store whose first lookup of a key answers late, with what was true when it was asked."""

    def __init__(self, store):
        self._store = store
        self.gate = asyncio.Event()
        self.asked = asyncio.Event()

    async def get(self, table, tenant, key):
        found = await self._store.get(table, tenant, key)
        if table == IDEMPOTENCY and not self.asked.is_set():
            self.asked.set()
            await self.gate.wait()
        return found

    def __getattr__(self, name):
        return getattr(self._store, name)


def test_a_key_that_moves_from_memory_to_the_store_during_a_lookup_is_not_missed():
    async def inside(world):
        store = SlowLookup(world.store("disk"))
        journal = await world.journals("disk").open("intake")
        intake = await Intake.open(journal, store, clock=world.clock, ids=world.ids, telemetry=Telemetry(world.clock))
        late = asyncio.create_task(intake.accept(LINE, tenant=DEFAULT_TENANT, idempotency_key="k"))
        await store.asked.wait()
        first = await intake.accept(LINE, tenant=DEFAULT_TENANT, idempotency_key="k")
        chunk = decode((await journal.read(0))[0], Chunk)
        used = UsedKey(
            id=chunk.id, tenant=chunk.tenant, trace=chunk.trace, at_ns=0, offset=0, events=1, digest=chunk.digest
        )
        await store.commit([Put(IDEMPOTENCY, DEFAULT_TENANT, "k", encode(used))])
        intake.consumed(1, 0)
        store.gate.set()
        again = await late
        assert (again.batch, again.duplicate) == (first.batch, True)
        assert journal.end == 1
        await intake.close()

    SimWorld(1).run(inside)


def test_a_failed_append_tells_everyone_and_frees_the_key():
    async def main(intake, journal):
        journal.error = StorageFull("intake")
        journal.gate.clear()
        sends = [asyncio.create_task(intake.accept(LINE, tenant=DEFAULT_TENANT, idempotency_key="k")) for _ in range(3)]
        await journal.begun.wait()
        journal.gate.set()
        results = await asyncio.gather(*sends, return_exceptions=True)
        assert all(isinstance(result, StorageFull) for result in results)
        assert intake.backlog_events == 0
        journal.error = None
        accepted = await intake.accept(LINE, tenant=DEFAULT_TENANT, idempotency_key="k")
        assert not accepted.duplicate

    run(main)


def test_a_sender_who_goes_away_does_not_undo_the_chunk():
    async def main(intake, journal):
        journal.gate.clear()
        sender = asyncio.create_task(intake.accept(LINE, tenant=DEFAULT_TENANT, idempotency_key="k"))
        await journal.begun.wait()
        sender.cancel()
        journal.gate.set()
        again = await intake.accept(LINE, tenant=DEFAULT_TENANT, idempotency_key="k")
        assert again.duplicate
        assert journal.end == 1

    run(main)


def test_too_much_is_turned_away_until_the_sentinel_catches_up():
    async def main(intake, journal):
        data = b"\n".join([LINE] * 60)
        first = await intake.accept(data, tenant=DEFAULT_TENANT)
        with pytest.raises(Overloaded) as caught:
            await intake.accept(data, tenant=DEFAULT_TENANT)
        assert caught.value.context["retry_after_s"] == 1
        assert journal.end == 1
        await intake.accept(b"\n".join([LINE] * 40), tenant=DEFAULT_TENANT)
        intake.backlog.pace(60, took_ns=30_000_000_000)
        with pytest.raises(Overloaded) as caught:
            await intake.accept(data, tenant=DEFAULT_TENANT)
        # 60 too many at 2 a second.
        assert caught.value.context["retry_after_s"] == 30
        intake.consumed(first.offset + 1, 0)
        assert intake.backlog_events == 40
        await intake.accept(data, tenant=DEFAULT_TENANT)

    run(main, max_backlog_events=100)


def test_a_chunk_larger_than_the_backlog_is_let_in_alone():
    async def main(intake, journal):
        await intake.accept(b"\n".join([LINE] * 50), tenant=DEFAULT_TENANT)
        with pytest.raises(Overloaded):
            await intake.accept(LINE, tenant=DEFAULT_TENANT)

    run(main, max_backlog_events=10)


def test_consumption_is_counted_by_position_and_so_only_once():
    async def main(intake, journal):
        for _ in range(2):
            await intake.accept(b"\n".join([LINE] * 10), tenant=DEFAULT_TENANT)
        left = []
        for offset, row in ((0, 3), (0, 3), (0, 2), (1, 0), (1, 0), (0, 9), (1, 4), (2, 0), (2, 0)):
            intake.consumed(offset, row)
            left.append(intake.backlog_events)
        assert left == [17, 17, 17, 10, 10, 10, 6, 0, 0]

    run(main)


def test_a_new_process_knows_what_the_old_one_left():
    async def inside(world):
        async def open_intake():
            journal = await world.journals("disk").open("intake")
            return await Intake.open(
                journal, world.store("disk"), clock=world.clock, ids=world.ids, telemetry=Telemetry(world.clock)
            )

        first = await open_intake()
        accepted = await first.accept(LINE, tenant=DEFAULT_TENANT, idempotency_key="k")
        await first.close()
        await first.journal.append([b"not a chunk"])
        await first.journal.close()
        second = await open_intake()
        assert second.backlog_events == 1
        again = await second.accept(LINE, tenant=DEFAULT_TENANT, idempotency_key="k")
        assert (again.batch, again.duplicate) == (accepted.batch, True)
        await second.accept(LINE, tenant=DEFAULT_TENANT)
        assert decode((await second.journal.read(2))[0], Chunk).total_bytes == 2 * len(LINE)
        await second.close()

    SimWorld(3).run(inside)


def test_a_closed_intake_accepts_nothing_more_but_writes_what_waits():
    async def main(intake, journal):
        journal.gate.clear()
        waiting = asyncio.create_task(intake.accept(LINE, tenant=DEFAULT_TENANT))
        await journal.begun.wait()
        closing = asyncio.create_task(intake.close())
        for _ in range(20):
            await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await intake.accept(LINE, tenant=DEFAULT_TENANT)
        journal.gate.set()
        await closing
        assert (await waiting).offset == 0

    run(main)
