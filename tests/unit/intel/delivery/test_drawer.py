"""When a source that gives nothing is asked again, and what is drawn when it begins anew, in simulated time."""

import asyncio
from types import SimpleNamespace

import msgspec
import pytest

from phalanx.core import DEFAULT_TENANT, InvalidInput, StorageFull, Unavailable, decode
from phalanx.intel import Intake
from phalanx.intel._model import Chunk
from phalanx.intel.delivery import Drawer, Drawn, PositionGone, SourceManifest, SourcePlan
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


class Stream:
    """Numbered messages, each drawn alone; it may be emptied, and its numbers then begin anew."""

    manifest = SourceManifest(product="stream", rereads=True)

    def __init__(self, world):
        self.world = world
        self.messages = []

    async def draw(self, position, *, until, max_bytes, within_s):
        start = int(position or 0)
        if start > len(self.messages):
            raise PositionGone("stream", f"it ends with message {len(self.messages)}")
        if start == len(self.messages):
            await self.world.clock.sleep(within_s)
            return Drawn(b"", str(start), 0)
        return Drawn(self.messages[start], until or str(start + 1), 0)

    def check(self, position):
        pass

    async def settle(self, position):
        pass

    async def close(self):
        pass


class Life:
    """A source that is drawn from into an intake, until it stops."""

    def __init__(self, world):
        self.world = world
        self.source = Stream(world)

    async def __aenter__(self):
        world, self.telemetry = self.world, Telemetry(self.world.clock)
        self.store = world.store("disk")
        journal = await world.journals("disk").open("intake")
        self.intake = await Intake.open(journal, self.store, clock=world.clock, ids=world.ids, telemetry=self.telemetry)
        self.drawer = self.made()
        self.task = asyncio.create_task(self.drawer.run())
        return self

    def made(self):
        return Drawer(
            SourcePlan("s", "stream", DEFAULT_TENANT), self.source, self.intake, self.store, clock=self.world.clock,
            rng=self.world.rng, telemetry=self.telemetry, alerts=Alerts(self.telemetry),
        )  # fmt: skip

    async def again(self):
        await self.stop()
        self.drawer = self.made()
        self.task = asyncio.create_task(self.drawer.run())

    async def stop(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def __aexit__(self, *error):
        await self.stop()
        await self.intake.close()

    async def accepted(self):
        """Everything in the intake's journal."""
        journal = self.intake.journal
        return [decode(frame, Chunk).data for frame in await journal.read(0, max_records=1_000, max_bytes=10**9)]


def messages(what, n):
    return [b"%s %d\n" % (what, number) for number in range(n)]


def in_life(work):
    async def main(world):
        async with Life(world) as life:
            await work(world, life)

    SimWorld(3).run(main)


def test_of_a_stream_whose_numbers_begin_anew_every_message_is_taken_and_the_gap_is_counted():
    async def work(world, life):
        for number, name in enumerate((b"first", b"second", b"third")):
            # Again and again, each shorter than what was drawn before, so that it is seen.
            life.source.messages = []
            await world.clock.sleep(10)
            life.source.messages = messages(name, 9 - number)
            await world.clock.sleep(10)
        assert await life.accepted() == [*messages(b"first", 9), *messages(b"second", 8), *messages(b"third", 7)]
        state = life.drawer.state
        assert (state.events, state.doubled, state.refused, state.gaps, state.position) == (24, 0, 0, 2, "7")

    in_life(work)


@pytest.mark.parametrize("failure", [StorageFull("disk"), Unavailable("the store", "it is not there")])
def test_what_fails_while_a_gap_is_noted_ends_no_source(failure):
    async def work(world, life):
        life.source.messages = messages(b"first", 3)
        await world.clock.sleep(10)
        keep, failures = life.drawer._keep, [failure]

        async def keeps(**changes):
            if failures and changes.get("gaps"):
                raise failures.pop()
            await keep(**changes)

        life.drawer._keep = keeps
        life.source.messages = []
        await world.clock.sleep(120)
        life.source.messages = messages(b"second", 2)
        await world.clock.sleep(10)
        assert not failures
        assert not life.task.done()
        assert await life.accepted() == [*messages(b"first", 3), *messages(b"second", 2)]
        assert life.drawer.state.gaps == 1

    in_life(work)


def test_what_is_drawn_once_more_is_accepted_once_more_and_no_more():
    async def work(world, life):
        life.source.messages = messages(b"message", 5)
        await world.clock.sleep(10)
        for _ in range(2):
            await life.drawer.rewind("2")
            await world.clock.sleep(10)
        wanted = [*life.source.messages, *life.source.messages[2:], *life.source.messages[2:]]
        assert await life.accepted() == wanted
        assert (life.drawer.state.events, life.drawer.state.doubled) == (11, 0)

    in_life(work)


@pytest.mark.parametrize("rewinds", [0, 1])
def test_a_chunk_that_was_accepted_before_its_position_was_written_is_accepted_once(rewinds):
    async def work(world, life):
        life.source.messages = messages(b"message", 2)
        await world.clock.sleep(10)
        for _ in range(rewinds):
            await life.drawer.rewind("2")
        before = await life.accepted()
        keep, stuck = life.drawer._keep, asyncio.Event()

        async def keeps(**changes):
            # The power goes when the intake has the chunk.
            if changes.get("position"):
                stuck.set()
                await asyncio.Event().wait()
            await keep(**changes)

        life.drawer._keep = keeps
        life.source.messages = messages(b"message", 3)
        await stuck.wait()
        await life.again()
        await world.clock.sleep(10)
        assert await life.accepted() == [*before, b"message 2\n"]
        assert (life.drawer.state.position, life.drawer.state.doubled) == ("3", 1)

    in_life(work)
