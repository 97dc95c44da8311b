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


def outcomes(made, runs):
    """Run after run, three seconds apart; how many were kept away."""
    kept_away = 0
    for at, works in enumerate(runs):
        now_ns = at * 3 * S
        if not made.allows("d", "p", now_ns):
            kept_away += 1
            continue
        made.began("d", "p")
        made.worked("d", "p") if works else made.failed("d", "p", now_ns)
    return kept_away


@pytest.mark.requirement("LRN-3", "QRM-7")
def test_what_fails_now_and_then_anyway_is_given_more_failures_in_a_row_and_never_fewer_than_the_floor():
    flaky = [True, True, True, False, True, False, False] * 40
    assert outcomes(Breakers(adaptive=False), flaky) > 30
    assert outcomes(Breakers(), flaky) < 10
    for adaptive in (True, False):
        sound = Breakers(adaptive=adaptive)
        assert outcomes(sound, [True] * 100) == 0
        sound.failed("d", "p", 0)
        assert sound.allows("d", "p", 1)
        sound.failed("d", "p", 0)
        assert not sound.allows("d", "p", 1), "two in a row, as ever, where failures are rare"
    lost = Breakers()
    outcomes(lost, flaky)
    for _ in range(8):
        lost.failed("d", "p", 10**6 * S)
    assert not lost.allows("d", "p", 10**6 * S + 1), "there is a most, too"


def test_what_was_under_way_when_a_breaker_opened_makes_its_pause_no_longer():
    made = Breakers()
    for _ in range(30):
        made.failed("d", "p", 0)
    assert made.pause_s("d", "p", 0) == 30.0
    made.began("d", "p")
    made.failed("d", "p", 31 * S)
    assert made.pause_s("d", "p", 31 * S) == 60.0, "the run that tried it failed as well"


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
