"""What a courier does that people rely on: one by one, in simulated time."""

import asyncio

import msgspec
import pytest

from phalanx.core import DEFAULT_TENANT, BatchId, Expect, Finding, Severity
from phalanx.intel import FINDINGS, BatchEntry, finding_put, read_chunk
from phalanx.intel.delivery import (
    FINDING,
    Courier,
    Delivery,
    Feed,
    Notices,
    ParcelBounds,
    RetryPolicy,
    SinkPlan,
    TellingStore,
)
from phalanx.telemetry import Alerts, Telemetry
from phalanx.testing import SimWorld
from phalanx.testing.contracts import item_like
from phalanx.testing.delivery import MemoryPeer, MemorySink

pytestmark = pytest.mark.requirement("INT-5")
BATCH = "01a21a2b-793c-76b2-97cc-e334c6300000"


def finding(number, hits=1, severity=Severity.HIGH):
    item = item_like(number)
    return Finding(
        id=item.subject, tenant=DEFAULT_TENANT, trace=item.subject, at_ns=(number + 1) * 10**9, case="c", rule="r",
        title="t", severity=severity, confidence=0.5, techniques=(), tactics=(), entities=(), evidence=(item.subject,),
        hits=hits, first_seen_ns=1, last_seen_ns=1, accepted_at_ns=1, found_at_ns=1, explanation="e",
    )  # fmt: skip


class Place:
    """A store with one sink to a peer in memory."""

    def __init__(self, world, *, name="s", **plan):
        self.name = name
        self.world = world
        self.peer = MemoryPeer("item")
        self.plan = {"bounds": ParcelBounds(10, 10_000, 0.01), "retry": RetryPolicy(0.1, 1.0, 5.0), **plan}

    async def open(self):
        self.store = self.world.store("disk")
        self.notices = await Notices.open(self.store, [DEFAULT_TENANT])
        self.telling = TellingStore(self.store, self.notices, self.world.clock, kinds={FINDINGS.name: FINDING})
        telemetry = Telemetry(self.world.clock)
        self.alerts = Alerts(telemetry)

        async def none(_):
            return []

        feed = Feed(self.store, self.notices, none, tables={FINDING: FINDINGS})
        self.sink = MemorySink(self.peer, self.world.clock, None, lambda item: item.severity is Severity.LOW)
        plan = SinkPlan(self.name, "memory", DEFAULT_TENANT, **{"kinds": (FINDING,), **self.plan})
        self.courier = Courier(
            plan, self.sink, feed, self.store, clock=self.world.clock, rng=self.world.rng, telemetry=telemetry,
            alerts=self.alerts,
        )  # fmt: skip
        await self.courier.open()
        return self

    async def record(self, *findings):
        for one in findings:
            row = await self.store.get(FINDINGS, DEFAULT_TENANT, one.id)
            version = 0 if row is None else row.version
            await self.telling.commit([finding_put(one)], expect=[Expect(FINDINGS, DEFAULT_TENANT, one.id, version)])

    async def run(self, seconds):
        task = asyncio.create_task(self.courier.run())
        await self.world.clock.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    @property
    def told(self):
        return [(item.subject[-2:], item.revision) for item in self.peer.told]


def in_world(work, **plan):
    world = SimWorld(5)

    async def main(world):
        await work(await Place(world, **plan).open())

    world.run(main)


def test_updates_are_told_where_they_are_wanted():
    async def work(place):
        await place.record(finding(1), finding(1, hits=2), finding(2))
        await place.run(5)
        assert place.told == [("01", 1), ("01", 2), ("02", 1)]

    async def first_only(place):
        await place.record(finding(1), finding(1, hits=2), finding(2))
        await place.run(5)
        assert place.told == [("01", 1), ("02", 1)]
        assert place.courier.state.skipped == 1

    in_world(work, updates=True)
    in_world(first_only, updates=False)


def test_what_is_below_the_severity_is_left_out_and_what_is_refused_is_a_dead_letter():
    async def work(place):
        await place.record(finding(1, severity=Severity.INFORMATIONAL), finding(2, severity=Severity.LOW), finding(3))
        await place.run(5)
        state = place.courier.state
        assert place.told == [("03", 1)]
        assert (state.delivered, state.refused, state.skipped) == (1, 1, 1)

    in_world(work, min_severity=Severity.LOW)


def test_a_dead_letter_that_is_taken_when_it_is_sent_again_counts_as_told():
    async def work(place):
        clock = place.world.clock
        delivery = Delivery(
            place.store, place.notices, [place.courier], [], clock=clock, ids=place.world.ids, node="n"
        )  # fmt: skip
        await place.record(finding(2, severity=Severity.LOW))
        await place.run(5)
        (letter,) = await delivery.letters(DEFAULT_TENANT, "s")
        assert not (await delivery.resend(DEFAULT_TENANT, "s", letter.id)).taken
        assert [one.id for one in await delivery.letters(DEFAULT_TENANT, "s")] == [letter.id]
        place.sink.refuses = lambda _: False
        assert (await delivery.resend(DEFAULT_TENANT, "s", letter.id)).taken
        assert place.told == [("02", 1)]
        view = await delivery.sink(DEFAULT_TENANT, "s")
        assert (view.delivered, view.refused, view.dead_letters) == (1, 1, 0)
        assert view.items_per_s > 0
        assert view.bytes_sent == len(place.sink.encode(letter.item))
        assert view.last_delivered_at_ns > letter.at_ns

    in_world(work)


def test_an_item_that_has_no_form_small_enough_is_a_dead_letter_and_the_next_ones_go_on():
    async def work(place):
        await place.record(msgspec.structs.replace(finding(1), explanation="x" * 20_000), finding(2))
        await place.run(5)
        assert place.told == [("02", 1)]
        assert place.courier.state.refused == 1

    in_world(work)


def test_a_replay_tells_what_was_recorded_since_and_goes_on():
    async def work(place):
        await place.record(*(finding(number) for number in range(4)))
        await place.run(5)
        place.peer.told.clear()
        place.peer._seen.clear()
        await place.courier.replay(3 * 10**9)
        await place.record(finding(7))
        await place.run(5)
        # What is recorded meanwhile is told by the replay and after it, under one id: this peer has it once.
        assert place.told == [("02", 1), ("03", 1), ("07", 1)]
        assert place.courier.state.past is None

    in_world(work)


def test_a_new_sink_is_told_of_what_comes_and_with_a_replay_of_what_was():
    async def work(place):
        await place.record(finding(1), finding(2))
        later = Place(place.world, name="another")
        await later.open()
        await later.record(finding(3))
        await later.run(5)
        assert later.told == [("03", 1)]
        await later.courier.replay(0)
        await later.run(5)
        assert sorted(later.told) == [("01", 1), ("02", 1), ("03", 1)]

    in_world(work)


def test_who_falls_too_far_behind_reads_the_tables():
    async def work(place):
        await place.record(*(finding(number) for number in range(6)))
        place.notices._orders[DEFAULT_TENANT].first_kept = 4
        await place.notices.trim(DEFAULT_TENANT, 4, limit=100)
        await place.courier.fall_back(0, 4)
        await place.run(5)
        assert sorted(set(place.told)) == [(f"0{number}", 1) for number in range(6)], "nothing is missing"

    in_world(work)


def test_a_paused_courier_tells_nothing_and_a_resumed_one_everything():
    async def work(place):
        await place.courier.set_paused(paused=True)
        await place.record(finding(1))
        await place.run(40)
        assert place.told == []
        await place.courier.set_paused(paused=False)
        await place.run(5)
        assert place.told == [("01", 1)]

    in_world(work)


def test_others_have_the_loop_while_a_large_batch_is_made_ready():
    lines = b"".join(b'{"EventID":1,"Channel":"c","n":%d}\n' % n for n in range(3_000))
    out = read_chunk(lines, tenant=DEFAULT_TENANT, batch=BatchId(BATCH), accepted_at_ns=1)
    entry = BatchEntry(
        id=BATCH,
        tenant=DEFAULT_TENANT,
        trace=BATCH,
        at_ns=1,
        offset=0,
        reader="auto",
        events=3_000,
        rejected=0,
        sources=(),
    )
    turns = 0

    async def events(_):
        return [event for batch in out.batches for event in batch]

    async def count():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def work(place):
        place.courier._feed._events = events
        counting = asyncio.create_task(count())
        items, _ = await place.courier._feed._batch(entry, 1_000)
        counting.cancel()
        assert [item.fields["n"] for item in items] == list(range(1_000, 3_000))
        assert turns > 10

    in_world(work)
