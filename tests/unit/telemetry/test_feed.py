import asyncio

import pytest

from phalanx.core import NO_TRACE, Overloaded, Record, TenantId, TraceId, Waypoint, decode, derive_id
from phalanx.telemetry import WAYPOINTS, LiveFeed, waypoint_of, waypoint_put
from phalanx.telemetry._limits import MAX_SUBSCRIPTIONS


def waypoint(n, *, tenant="default", trace="t1"):
    return Waypoint(
        id=f"w{n}",
        tenant=TenantId(tenant),
        trace=TraceId(trace),
        at_ns=n,
        room="intel",
        stage="finding",
        subject=f"s{n}",
        summary="seen",
        detail={"n": n},
    )


async def taken(subscription, n):
    return [(await anext(subscription)).at_ns for _ in range(n)]


def test_a_reader_gets_its_tenants_waypoints_in_order():
    async def main():
        feed = LiveFeed()
        with feed.subscribe("default") as mine, feed.subscribe("other") as others:
            feed.publish(waypoint(1))
            feed.publish(waypoint(2, tenant="other"))
            feed.publish(waypoint(3))
            assert await taken(mine, 2) == [1, 3]
            assert await taken(others, 1) == [2]

    asyncio.run(main())


def test_a_waiting_reader_is_woken():
    async def main():
        feed = LiveFeed()
        subscription = feed.subscribe("default")
        reader = asyncio.create_task(taken(subscription, 2))
        await asyncio.sleep(0)
        feed.publish(waypoint(1))
        await asyncio.sleep(0)
        feed.publish(waypoint(2))
        assert await reader == [1, 2]

    asyncio.run(main())


def test_a_slow_reader_loses_the_oldest_and_is_told_how_many():
    async def main():
        feed = LiveFeed()
        slow, quick = feed.subscribe("default", capacity=2), feed.subscribe("default")
        for n in range(5):
            feed.publish(waypoint(n))
        assert slow.dropped == 3
        assert await taken(slow, 2) == [3, 4]
        assert quick.dropped == 0
        assert await taken(quick, 5) == [0, 1, 2, 3, 4]

    asyncio.run(main())


def test_closing_ends_the_reader_after_what_it_had():
    async def main():
        feed = LiveFeed()
        subscription = feed.subscribe("default")
        feed.publish(waypoint(1))
        subscription.close()
        subscription.close()
        feed.publish(waypoint(2))
        assert [w.at_ns async for w in subscription] == [1]

    asyncio.run(main())


def test_a_stopping_node_lets_waiting_readers_go():
    async def main():
        feed = LiveFeed()

        async def read(subscription):
            return [w.at_ns async for w in subscription]

        readers = [asyncio.create_task(read(feed.subscribe("default"))) for _ in range(3)]
        await asyncio.sleep(0)
        feed.publish(waypoint(1))
        feed.close()
        assert await asyncio.gather(*readers) == [[1], [1], [1]]

    asyncio.run(main())


def test_readers_are_bounded_and_closing_makes_room():
    feed = LiveFeed()
    open_ones = [feed.subscribe("default") for _ in range(MAX_SUBSCRIPTIONS)]
    with pytest.raises(Overloaded):
        feed.subscribe("default")
    open_ones[0].close()
    feed.subscribe("default")


def test_a_waypoint_takes_after_the_record_it_tells_of():
    record = Record(id="r", tenant=TenantId("acme"), trace=TraceId("t1"), at_ns=5)
    told = waypoint_of(record, room="intel", stage="finding", at_ns=7, summary="seen", hits=3)
    assert told == Waypoint(
        id=derive_id(7, "waypoint", "finding", "r"), tenant=record.tenant, trace=record.trace, at_ns=7,
        room="intel", stage="finding", subject="r", summary="seen", detail={"hits": 3},
    )  # fmt: skip
    with pytest.raises(AssertionError, match="made-up"):
        waypoint_of(record, room="intel", stage="made-up", at_ns=7, summary="seen")


def test_a_waypoint_is_found_by_its_traces_and_its_stage():
    put = waypoint_put(waypoint(1), also=["t2", "t1", "", "t3"])
    assert (put.table, put.tenant, put.key) == (WAYPOINTS, "default", "w1")
    assert put.index == {"trace": ("t1", "t2", "t3"), "stage": ("finding",)}
    assert set(put.index) == set(WAYPOINTS.indexes)
    assert decode(put.value, Waypoint) == waypoint(1)
    assert waypoint_put(waypoint(1, trace=NO_TRACE)).index["trace"] == ()
