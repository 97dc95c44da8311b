"""Lines from quarantine read again: each once, whatever breaks off in between."""

import asyncio

import pytest

from phalanx.core import DEFAULT_TENANT, NotFound
from phalanx.intel import EventLog, Intake, Replays, Sentinel, load_rules
from phalanx.telemetry import Telemetry
from phalanx.testing import MemoryAudit, SimWorld

pytestmark = pytest.mark.requirement("INT-1")
CEF = b"CEF:0|v|p|1|c|n|5|src=10.0.0.%d dst=10.0.0.2"
RULES = load_rules()


class Broken(Exception):
    """The process ended here."""


class BreakingOff:
    """A store, or an intake, whose n-th commit or acceptance breaks off, before or after it is done."""

    def __init__(self, inner, plan):
        self.inner = inner
        self.plan = plan

    async def commit(self, *arguments, **options):
        return await self._step(self.inner.commit, arguments, options)

    async def accept(self, *arguments, **options):
        return await self._step(self.inner.accept, arguments, options)

    async def _step(self, work, arguments, options):
        self.plan["steps"] += 1
        if self.plan["steps"] == self.plan["breaks"] and self.plan["before"]:
            raise Broken
        result = await work(*arguments, **options)
        if self.plan["steps"] == self.plan["breaks"]:
            raise Broken
        return result

    def __getattr__(self, name):
        return getattr(self.inner, name)


def run(main, seed=5):
    async def inside(world):
        store, telemetry = world.store("disk"), Telemetry(world.clock)
        journal = await world.journals("disk").open("intake")
        intake = await Intake.open(journal, store, clock=world.clock, ids=world.ids, telemetry=telemetry)
        sentinel = Sentinel(intake, store, RULES, clock=world.clock, telemetry=telemetry, on_missions=lambda: None)
        task = asyncio.create_task(sentinel.run())
        events = EventLog(journal, store)

        def replays(plan):
            return Replays(events, BreakingOff(intake, plan), BreakingOff(store, plan), world.clock, MemoryAudit())

        await main(intake, sentinel, events, replays)
        task.cancel()
        await intake.close()

    SimWorld(seed).run(inside)


def whole():
    return {"steps": 0, "breaks": 0, "before": False}


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("breaks", [1, 2, 3, 4, 5, 6])
def test_wherever_it_breaks_off_every_line_comes_in_once(breaks, before):
    lines = [CEF % number for number in range(4)]

    async def main(intake, sentinel, events, replays):
        for some in (lines[:2], lines[2:]):
            await intake.accept(b"\n".join([*some, b"nonsense"]), tenant=DEFAULT_TENANT, reader="suricata")
        await sentinel.drained()
        assert not await events.recent(DEFAULT_TENANT)
        plan = {"steps": 0, "breaks": breaks, "before": before}
        with pytest.raises(Broken):
            await replays(plan).replay(DEFAULT_TENANT, by="t", reader="cef")
        assert plan["steps"] == breaks
        total = 0
        for _ in range(3):
            out = await replays(whole()).replay(DEFAULT_TENANT, by="t", reader="cef")
            total += out.replayed
            assert out.replayed + out.before + out.still_bad == 6
        assert out.replayed == 0
        assert out.still_bad == 2
        await sentinel.drained()
        assert sorted(event.raw for event in await events.recent(DEFAULT_TENANT)) == lines
        assert total <= 4

    run(main)


def test_lines_are_shown_whole_and_named_ones_alone_are_taken():
    async def main(intake, sentinel, events, replays):
        await intake.accept(CEF % 1 + b"\nnonsense\n" + CEF % 2, tenant=DEFAULT_TENANT, reader="suricata")
        await sentinel.drained()
        (kept,) = await events.quarantine(DEFAULT_TENANT)
        again = replays(whole())
        third = kept.id[:-1] + "2"
        group, place, line = await again.line(DEFAULT_TENANT, third)
        assert (group.id, place, line) == (kept.id, 2, CEF % 2)
        out = await again.replay(DEFAULT_TENANT, by="t", reader="auto", only=[third])
        assert (out.replayed, out.still_bad) == (1, 0)
        await sentinel.drained()
        (event,) = await events.recent(DEFAULT_TENANT)
        assert event.raw == CEF % 2
        replay = await again.of(DEFAULT_TENANT, kept.id)
        assert [replay.event_of(row) for row in (0, 1, 2)] == ["", "", event.id]
        with pytest.raises(NotFound):
            await again.line(DEFAULT_TENANT, event.id)

    run(main)


def test_named_lines_of_several_chunks_bring_no_neighbours_in():
    async def main(intake, sentinel, events, replays):
        for number in (10, 20):
            lines = CEF % number + b"\n" + CEF % (number + 1)
            await intake.accept(lines, tenant=DEFAULT_TENANT, reader="suricata")
        await sentinel.drained()
        first, second = await events.quarantine(DEFAULT_TENANT)
        named = [first.id, second.id[:-1] + "1"]
        again = replays(whole())
        out = await again.replay(DEFAULT_TENANT, by="t", reader="cef", only=named)
        assert (out.replayed, out.before) == (2, 0)
        await sentinel.drained()
        assert sorted(event.raw for event in await events.recent(DEFAULT_TENANT)) == [CEF % 10, CEF % 21]
        out = await again.replay(DEFAULT_TENANT, by="t", reader="cef", only=[first.id[:-1] + "1", named[1]])
        assert (out.replayed, out.before) == (1, 1)

    run(main)


@pytest.mark.parametrize("line", ["nosuch", "", "x" * 300, "01a21b29-b782-7577-84c4-97393590ffff"])
def test_a_line_that_there_is_not_is_not_found(line):
    async def main(intake, sentinel, events, replays):
        with pytest.raises(NotFound):
            await replays(whole()).line(DEFAULT_TENANT, line)
        with pytest.raises(NotFound):
            await replays(whole()).replay(DEFAULT_TENANT, by="t", only=[line])

    run(main)


def test_what_the_journal_no_longer_has_is_said_to_be_gone():
    async def main(intake, sentinel, events, replays):
        await intake.accept(CEF % 1 + b"\n" + CEF % 2, tenant=DEFAULT_TENANT, reader="suricata")
        await sentinel.drained()
        (kept,) = await events.quarantine(DEFAULT_TENANT)
        again = replays(whole())
        await intake.accept(CEF % 3, tenant=DEFAULT_TENANT)
        await sentinel.drained()
        await events.retain(1)
        assert await events.quarantine(DEFAULT_TENANT) == []
        with pytest.raises(NotFound):
            await again.line(DEFAULT_TENANT, kept.id)
        assert (await again.replay(DEFAULT_TENANT, by="t")).gone == 0

    run(main)
