"""Work goes on elsewhere, and what failed is left alone for a while."""

import asyncio

import pytest

from phalanx.allocation import Breakers, DeviceFailed, NoDeviceLeft, run_somewhere
from phalanx.testing import SimWorld

S = 10**9


@pytest.mark.requirement("QRM-7")
def test_a_breaker_opens_pauses_tries_and_closes():
    made = Breakers()
    made.failed("d", "p", 0)
    assert made.allows("d", "p", 0)
    made.failed("d", "p", 0)
    assert not made.allows("d", "p", 29 * S)
    assert made.allows("d", "p", 30 * S)
    made.began("d", "p")
    assert not made.allows("d", "p", 30 * S)  # one is let through
    made.failed("d", "p", 30 * S)
    assert not made.allows("d", "p", 89 * S)
    assert made.allows("d", "p", 90 * S)
    made.began("d", "p")
    made.worked("d", "p")
    assert made.allows("d", "p", 90 * S)


@pytest.mark.requirement("QRM-7")
def test_failures_of_devices_are_failures_of_their_provider():
    made = Breakers()
    for name in "abcde":
        made.failed(name, "p", 0)
    assert not made.allows("new", "p", 0)
    assert made.allows("new", "q", 0)
    made.gave_up("a", "p")
    assert not made.allows("a", "p", 0)


def run(work):
    world = SimWorld(1)
    return world.run(lambda world: work(world.clock))


@pytest.mark.requirement("QRM-7")
def test_it_goes_on_elsewhere_and_says_where_it_was():
    async def work(clock):
        async def attempt(left, began):
            device = min(left)
            began(device)
            if device == "a":
                raise DeviceFailed("a", "gone")
            return device, 7

        ran = await run_somewhere({"a": "p", "b": "p"}, attempt, Breakers(), clock)
        assert (ran.value, ran.device, ran.failed) == (7, "b", (("a", "gone"),))

        async def never(left, began):
            raise DeviceFailed(min(left), "gone")

        with pytest.raises(NoDeviceLeft) as raised:
            await run_somewhere({"a": "p", "b": "p"}, never, Breakers(), clock)
        assert raised.value.failures == ("a: gone", "b: gone")

    run(work)


def test_who_is_cancelled_leaves_no_breaker_half_open():
    async def work(clock):
        breakers = Breakers()
        breakers.failed("a", "p", clock.monotonic_ns())
        breakers.failed("a", "p", clock.monotonic_ns())
        await clock.sleep(31)

        async def forever(left, began):
            began("a")
            await asyncio.Event().wait()

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await run_somewhere({"a": "p"}, forever, breakers, clock)
        assert breakers.allows("a", "p", clock.monotonic_ns())

    run(work)
