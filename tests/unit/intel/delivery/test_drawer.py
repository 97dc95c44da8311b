"""When a source that gives nothing is asked again, in simulated time."""

import asyncio
from types import SimpleNamespace

import msgspec
import pytest

from phalanx.core import DEFAULT_TENANT, InvalidInput, Unavailable
from phalanx.intel.delivery import Drawer, Drawn, SourceManifest, SourcePlan
from phalanx.telemetry import Alerts, Telemetry
from phalanx.testing import SimWorld

pytestmark = pytest.mark.requirement("INT-5")


class Absent:
    """A source that is not there until ``there`` says so; ``asked`` are the times at which it was asked."""

    def __init__(self, world, **manifest):
        self.manifest = SourceManifest(product="absent", rereads=True, **manifest)
        self.world = world
        self.there = False
        self.asked = []

    async def draw(self, position, *, until, max_bytes, within_s):
        self.asked.append(self.world.clock.monotonic_ns() / 1e9)
        if not self.there:
            raise Unavailable("the source", "it is not there")
        if position:
            await self.world.clock.sleep(within_s)
            return Drawn(b"", position, 0)
        return Drawn(b"a line\n", "end", 0)

    def check(self, position):
        if not position.isdecimal():
            raise InvalidInput("position", "is no number")

    async def check_reach(self, position):
        if int(position) > 20:
            raise InvalidInput("position", "is beyond the end, which is 20")

    async def settle(self, position):
        pass

    async def close(self):
        pass


class Taking:
    """An intake that takes everything."""

    def __init__(self):
        self.lines = []

    async def accept(self, lines, **_):
        self.lines.append(lines)
        return SimpleNamespace(events=1, duplicate=False)


def in_world(work, **manifest):
    async def main(world):
        source, intake, telemetry = Absent(world, **manifest), Taking(), Telemetry(world.clock)
        drawer = Drawer(
            SourcePlan("s", "absent", DEFAULT_TENANT), source, intake, world.store("disk"), clock=world.clock,
            rng=world.rng, telemetry=telemetry, alerts=Alerts(telemetry),
        )  # fmt: skip
        task = asyncio.create_task(drawer.run())
        await work(world, drawer, source, intake)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    SimWorld(5).run(main)


def test_where_asking_costs_nothing_it_is_not_left_alone_for_long():
    async def often(world, drawer, source, intake):
        await world.clock.sleep(600)
        assert max(b - a for a, b in zip(source.asked[5:], source.asked[6:], strict=False)) < 2.1

    async def seldom(world, drawer, source, intake):
        await world.clock.sleep(600)
        assert max(b - a for a, b in zip(source.asked[5:], source.asked[6:], strict=False)) > 30

    in_world(often, longest_retry_s=2.0)
    in_world(seldom)


@pytest.mark.parametrize("told", ["resume", "rewind"])
def test_who_resumes_or_rewinds_a_source_has_it_asked_now(told):
    async def work(world, drawer, source, intake):
        await world.clock.sleep(600)
        source.there = True
        asked = len(source.asked)
        await (drawer.set_paused(paused=False) if told == "resume" else drawer.rewind(""))
        await world.clock.sleep(0.1)
        assert len(source.asked) > asked
        assert intake.lines == [b"a line\n"]
        assert not drawer.failing

    in_world(work)


@pytest.mark.parametrize("stands", ["", "17"])
@pytest.mark.parametrize(("position", "taken"), [("3", True), ("", True), ("seventeen", False)])
def test_a_position_that_is_none_of_the_source_is_refused_and_it_stands_where_it_stood(stands, position, taken):
    async def work(world, drawer, source, intake):
        drawer.state = msgspec.structs.replace(drawer.state, position=stands)
        if taken:
            await drawer.rewind(position)
        else:
            with pytest.raises(InvalidInput, match=f"is no number; s stands at {stands or 'its beginning'}"):
                await drawer.rewind(position)
        assert drawer.state.position == (position if taken else stands)

    in_world(work)


def test_a_position_beyond_the_end_is_refused_with_the_range_there_is():
    async def work(world, drawer, source, intake):
        drawer.state = msgspec.structs.replace(drawer.state, position="17")
        with pytest.raises(InvalidInput, match="is beyond the end, which is 20; s stands at 17"):
            await drawer.rewind("21")
        assert drawer.state.position == "17"
        await drawer.rewind("20")
        assert drawer.state.position == "20"

    in_world(work)
