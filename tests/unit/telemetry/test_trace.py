import asyncio

import pytest

from phalanx.telemetry import Telemetry
from phalanx.telemetry._limits import MAX_SPANS


@pytest.fixture
def tracer(clock):
    return Telemetry(clock).tracer


def test_a_span_has_a_start_a_length_and_what_was_learnt(clock, tracer):
    started_ns = clock.wall
    with tracer.span("detect", room="intel", trace="t1", rules=3) as span:
        clock.advance(0.25)
        clock.wall -= 10**12  # the wall clock steps back, the length does not care
        span.set(hits=1)
    (done,) = tracer.spans("t1")
    assert (done.name, done.room, done.trace, done.error) == ("detect", "intel", "t1", "")
    assert (done.started_ns, done.duration_ns) == (started_ns, 250_000_000)
    assert done.attrs == {"rules": 3, "hits": 1}


def test_an_error_is_named_and_goes_on(tracer):
    with pytest.raises(KeyError), tracer.span("detect", room="intel", trace="t1"):
        raise KeyError("x")
    assert tracer.spans("t1")[0].error == "KeyError"


def test_a_span_knows_the_one_around_it_also_across_tasks(tracer):
    async def inner(name):
        with tracer.span(name, room="workflows", trace="t1"):
            await asyncio.sleep(0)

    async def main():
        with tracer.span("run", room="workflows", trace="t1"):
            async with asyncio.TaskGroup() as group:
                group.create_task(inner("left"))
                group.create_task(inner("right"))

    asyncio.run(main())
    run, left, right = tracer.spans("t1")
    assert [span.name for span in (run, left, right)] == ["run", "left", "right"]
    assert (run.parent, left.parent, right.parent) == (0, run.id, run.id)


def test_a_parent_is_of_the_same_trace(tracer):
    with (
        tracer.span("loop", room="intel", trace=""),
        tracer.span("find", room="intel", trace="t1"),
        tracer.span("commit", room="intel", trace="t1"),
    ):
        pass
    find, commit = tracer.spans("t1")
    assert (find.parent, commit.parent) == (0, find.id)


def test_old_spans_are_forgotten(tracer):
    for n in range(MAX_SPANS + 1):
        with tracer.span("s", room="r", trace=str(n)):
            pass
    assert tracer.spans("0") == []
    assert len(tracer.spans("1")) == 1


def test_an_exporter_gets_each_span_until_it_stops(tracer):
    exported = []
    stop = tracer.export(exported.append)
    with tracer.span("one", room="r", trace="t"):
        assert exported == []
    stop()
    with tracer.span("two", room="r", trace="t"):
        pass
    assert [span.name for span in exported] == ["one"]
