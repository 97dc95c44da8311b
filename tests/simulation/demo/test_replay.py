"""Replaying the demo into a real intake, in virtual time, with crashes and a full backlog."""

import asyncio
import dataclasses

import pytest

from phalanx.core import DEFAULT_TENANT, InvalidInput, Overloaded
from phalanx.demo import Intrusion, address_book, on_loopback, replay
from phalanx.demo._lure import began
from phalanx.demo._replay import happening_now
from phalanx.intel import Accepted, EventLog, Findings, Intake, Sentinel, load_rules
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld

SHORT = Intrusion(7, length_s=60.0, events_per_s=10.0)


async def collector(world, taken):
    async def accept(data, *, reader, idempotency_key):
        taken.append((world.clock.monotonic_ns(), data, reader, idempotency_key))
        return Accepted("batch", data.count(b"\n"), len(taken))

    return accept


@pytest.mark.parametrize(("speed", "lasts_s"), [(1.0, 60.0), (20.0, 3.0), (0.0, 0.0)])
def test_chunks_are_delivered_in_order_and_in_time(speed, lasts_s):
    async def main(world):
        taken = []
        started_ns = world.clock.monotonic_ns()
        report = await replay(SHORT, await collector(world, taken), world.clock, speed=speed)
        chunks = list(SHORT.chunks())
        assert [data for _, data, _, _ in taken] == [chunk.data for chunk in chunks]
        assert [reader for _, _, reader, _ in taken] == [chunk.reader_hint for chunk in chunks]
        assert [key for *_, key in taken] == [f"demo-7-{SHORT.start_ns // 10**9}-{n}" for n in range(len(chunks))]
        for (at_ns, *_), chunk in zip(taken, chunks, strict=True):
            due_s = chunk.at_offset_s / speed if speed else 0
            assert (at_ns - started_ns) / 1e9 == pytest.approx(due_s, abs=0.01)
        assert (world.clock.monotonic_ns() - started_ns) / 1e9 == pytest.approx(lasts_s, abs=0.01)
        assert (report.chunks, report.events, report.waits) == (len(chunks), SHORT.n_events, 0)

    SimWorld(1).run(main)


def test_a_full_backlog_makes_the_replay_wait_and_lose_nothing():
    async def main(world):
        taken = []
        accept = await collector(world, taken)
        refusals = iter([2, 3])

        async def sometimes(data, **named):
            if len(taken) == 5:
                for after_s in refusals:
                    raise Overloaded("the intake", retry_after_s=after_s)
            return await accept(data, **named)

        started_ns = world.clock.monotonic_ns()
        report = await replay(SHORT, sometimes, world.clock, speed=0)
        assert report.waits == 2
        assert (world.clock.monotonic_ns() - started_ns) / 1e9 == pytest.approx(5.0, abs=0.01)
        assert len(taken) == len(list(SHORT.chunks()))

    SimWorld(1).run(main)


@pytest.mark.parametrize("seed", range(4))
def test_a_replay_begun_again_after_crashes_doubles_nothing(seed):
    rules = load_rules()

    async def program(node):
        world = node.world
        store, journal = world.store(node.name), await world.journals(node.name).open("intake")
        telemetry = Telemetry(world.clock)
        intake = await Intake.open(
            journal, store, clock=world.clock, ids=world.ids, telemetry=telemetry, max_backlog_events=500
        )
        sentinel = Sentinel(
            intake,
            store,
            rules,
            clock=world.clock,
            telemetry=telemetry,
            on_missions=lambda: None,
            host_names=address_book(),
        )
        task = asyncio.create_task(sentinel.run())

        async def accept(data, *, reader, idempotency_key):
            return await intake.accept(data, tenant=DEFAULT_TENANT, reader=reader, idempotency_key=idempotency_key)

        await replay(SHORT, accept, world.clock, speed=60.0)
        await sentinel.drained()
        task.cancel()
        await asyncio.wait((task,))
        await intake.close()
        findings = await Findings(store).list(DEFAULT_TENANT, limit=1_000)
        batches = await EventLog(journal, store).batches(DEFAULT_TENANT, limit=1_000)
        return findings, batches

    async def main(world):
        node = world.node("demo")
        rng = world.rng.child("crashes")
        node.start(program)
        for _ in range(3):
            await world.clock.sleep(0.1 + 0.5 * rng.random())
            await node.crash()
            task = node.start(program)
        return await task

    findings, batches = SimWorld(seed).run(main)
    assert sum(entry.events for entry in batches) == SHORT.n_events
    assert sum(entry.rejected for entry in batches) == 0
    calm = SimWorld(seed + 100).run(lambda world: program(world.node("calm")))
    assert [(f.id, f.hits, f.case, f.rule) for f in findings] == [(f.id, f.hits, f.case, f.rule) for f in calm[0]]
    assert len(findings) > 20
    assert {f.case for f in findings if "large-transfer-outward" in f.rule} == {"fs-01.corp.example@2026-03-02"}


@pytest.mark.parametrize("speed", [0.5, 1.0, 20.0, 0.0])
def test_a_replay_is_dated_so_that_nothing_comes_before_it_happens_and_all_of_it_is_of_now(speed):
    async def main(world):
        await world.clock.sleep(5_000)
        stream = happening_now(SHORT, world.clock.wall_ns(), speed=speed)
        assert (stream.truth, stream.n_events) == (SHORT.truth, SHORT.n_events)
        taken = []
        await replay(stream, await collector(world, taken), world.clock, speed=speed)
        off_ns = world.clock.wall_ns() - stream.start_ns - int(stream.length_s * 1e9)
        assert 0 <= off_ns <= (60e9 if speed == 0.5 else 1e6)

    SimWorld(1).run(main)


def test_a_stream_that_is_begun_again_keeps_the_dates_that_it_had(tmp_path):
    async def main():
        with on_loopback() as intruder:
            first = await began(intruder, str(tmp_path), SHORT)
            later = dataclasses.replace(SHORT, start_ns=SHORT.start_ns + 7)
            assert await began(intruder, str(tmp_path), later) == first == SHORT.start_ns
            (tmp_path / "began-7.txt").write_bytes(b"")
            with pytest.raises(InvalidInput, match="begin anew in another folder"):
                await began(intruder, str(tmp_path), later)

    asyncio.run(main())
