"""Two nodes of one name in a calendar that they share are both told, and one that came after another is not."""

import asyncio
import contextlib

import pytest

from phalanx.core import DEFAULT_TENANT, Delete, InvalidInput
from phalanx.node._limits import DOUBT_NAME_S
from phalanx.node._services import Services
from phalanx.node.quantum import _calendar_name
from phalanx.node.quantum._calendar_name import CalendarName
from phalanx.telemetry import Alerts, Telemetry
from phalanx.testing import run_with_store


async def looked(world, name, for_s):
    """How often it was alone meanwhile, and what it was told."""
    alone, told = 0, ""

    def seen():
        nonlocal alone
        alone += 1

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(for_s):
            try:
                await name.keep(seen)
            except InvalidInput as error:
                told = str(error)
    return alone, told


@pytest.mark.requirement("QRM-11")
def test_both_are_told_while_both_run():
    async def main(world, store):
        one, other = (CalendarName(store, world.clock, "lab", life) for life in ("first", "second"))
        third = CalendarName(store, world.clock, "elsewhere", "third")
        assert await looked(world, one, 20.0) == (4, "")
        found = await asyncio.gather(*(looked(world, each, 30.0) for each in (one, other, third)))
        assert ["'lab' too" in told for _, told in found] == [True, True, False]
        assert found[2][0] == 6
        assert await looked(world, other, 30.0) == (0, ""), "the first may be about to come back"
        await world.clock.sleep(DOUBT_NAME_S)
        assert await looked(world, other, 20.0) == (4, ""), "the first has left"

    run_with_store(main)


def test_whoever_was_told_is_not_well_again_while_the_other_one_runs():
    async def main(world, store):
        nodes = []
        for life in ("first", "second"):
            telemetry = Telemetry(world.clock)
            services = Services(world.clock, telemetry, Alerts(telemetry))
            services.start_checked("name", CalendarName(store, world.clock, "lab", life).keep, works=True)
            nodes.append(services)
        await world.clock.sleep(60.0)
        for _ in range(300):
            assert not any(node.health()["name"].ok for node in nodes)
            await world.clock.sleep(1.0)
        await nodes[0].stop()
        await world.clock.sleep(2 * DOUBT_NAME_S)
        assert nodes[1].health()["name"].ok
        await nodes[1].stop()

    run_with_store(main)


def test_the_next_life_of_a_node_takes_its_name():
    async def main(world, store):
        assert (await looked(world, CalendarName(store, world.clock, "lab", "life 1"), 20.0))[1] == ""
        assert (await looked(world, CalendarName(store, world.clock, "lab", "life 2"), 60.0))[1] == ""

    run_with_store(main)


def test_a_row_that_is_gone_is_written_again_and_nobody_is_accused():
    async def main(world, store):
        name = CalendarName(store, world.clock, "lab", "first")
        assert (await looked(world, name, 10.0))[1] == ""
        await store.commit([Delete(_calendar_name._NAMES, DEFAULT_TENANT, "lab")])
        assert (await looked(world, name, 20.0))[1] == ""

    run_with_store(main)
