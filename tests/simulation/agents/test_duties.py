"""Standing work: kept by one agent at a time, moved when it falls, replaced when it hangs."""

import asyncio
import itertools

import pytest

from phalanx.agents import AgentsError, DutyManifest, DutyState, FallKind, InvalidSkill, Restart, Role, Swarm, Toolbox
from phalanx.agents._limits import BACKOFF_LONGEST_S
from phalanx.core import Clock


class Guard:
    """A duty that does what a test says, and remembers who was on watch when."""

    def __init__(self, keep, **manifest):
        given = {"name": "guard", "role": Role.CANARY, "silence_s": 10.0, "permissions": ()} | manifest
        self.manifest = DutyManifest(capabilities=(), inputs=(), outputs=(), cost=1.0, **given)
        self._keep = keep
        self.on_watch, self.at_once, self.most_at_once = [], {}, 0

    async def keep(self, watch, /):
        self.on_watch.append((watch.partition, watch.term, watch.agent))
        at_once = self.at_once[watch.partition] = self.at_once.get(watch.partition, 0) + 1
        self.most_at_once = max(self.most_at_once, at_once)
        try:
            await self._keep(watch)
        finally:
            self.at_once[watch.partition] -= 1


def swarm_of(bench, *duties, agents=2, skills=()):
    tools = Toolbox()
    tools.provide(Clock, bench.world.clock)
    return Swarm(
        bench.store, clock=bench.world.clock, telemetry=bench.telemetry, rng=bench.world.rng.child("swarm"),
        toolbox=tools, skills=skills, duties=duties, agents_per_role=agents,
    )  # fmt: skip


async def steady(watch):
    async for _ in watch.beats(1.0):
        watch.progress(done=1)


@pytest.mark.requirement("AGT-1")
def test_a_duty_is_kept_by_one_agent_and_each_partition_by_another(play):
    async def scenario(bench):
        guard = Guard(steady, partitions=3)
        async with swarm_of(bench, guard, agents=2) as swarm:
            await bench.world.clock.sleep(10.5)
            views = swarm.duties()
        assert [(one.partition, one.agent, one.state) for one in views] == [
            (0, "canary-1.1", DutyState.KEPT), (1, "canary-2.1", DutyState.KEPT), (2, "canary-1.1", DutyState.KEPT),
        ]  # fmt: skip
        assert [one.done for one in views] == [11, 11, 11]
        assert guard.most_at_once == 1
        assert {one.state for one in swarm.duties()} == {DutyState.RESTING}

    play(scenario)


@pytest.mark.requirement("AGT-6")
@pytest.mark.parametrize("kind", [FallKind.KILLED, FallKind.BARRED])
def test_a_duty_follows_its_place_when_its_agent_falls(play, kind):
    async def scenario(bench):
        guard = Guard(steady)
        async with swarm_of(bench, guard, agents=1) as swarm:
            await bench.world.clock.sleep(3.5)
            agent = swarm._roster.agents[0]
            from phalanx.agents import Fall

            assert agent.dismiss(Fall(kind, "a test says so", 0, 0))
            assert not agent.dismiss(Fall(kind, "again", 0, 0))
            await bench.world.clock.sleep(0.5)
            [view] = swarm.duties()
            assert (view.agent, view.term, view.falls, view.done) == ("canary-1.2", 2, 0, 5)
        assert guard.on_watch == [(0, 1, "canary-1.1"), (0, 2, "canary-1.2")]

    play(scenario)


@pytest.mark.requirement("AGT-6")
def test_a_duty_that_hangs_is_taken_over(play):
    async def scenario(bench):
        async def hang_at_first(watch):
            if watch.term == 1:
                await asyncio.Event().wait()
            await steady(watch)

        guard = Guard(hang_at_first, silence_s=5.0)
        async with swarm_of(bench, guard, agents=1) as swarm:
            await bench.world.clock.sleep(4.9)
            assert swarm.duties()[0].agent == "canary-1.1"
            await bench.world.clock.sleep(1.0)
            [view] = swarm.duties()
            assert (view.agent, view.falls) == ("canary-1.2", 1)
        assert guard.most_at_once == 1

    play(scenario)


def test_waiting_for_something_outside_is_no_hanging(play):
    async def scenario(bench):
        async def listen(watch):
            with watch.waiting():
                await asyncio.Event().wait()

        guard = Guard(listen, silence_s=5.0)
        async with swarm_of(bench, guard) as swarm:
            await bench.world.clock.sleep(600.0)
            [view] = swarm.duties()
            assert (view.term, view.silent_s) == (1, 0.0)

    play(scenario)


def test_a_duty_that_fails_rests_for_longer_each_time_and_then_recovers(play):
    async def scenario(bench):
        begun_s = []

        async def fail(watch):
            begun_s.append(bench.world.loop.time())
            if watch.term <= 12:
                raise OSError("the port is taken")
            await steady(watch)

        guard = Guard(fail)
        async with swarm_of(bench, guard, agents=1) as swarm:
            await bench.world.clock.sleep(2.0)
            assert [(post.note, post.state) for post in swarm._duties.resting()] == [
                ("OSError: the port is taken", DutyState.RESTING)
            ]
            await bench.world.clock.sleep(12 * BACKOFF_LONGEST_S)
            [view] = swarm.duties()
            assert (view.state, view.term, view.falls) == (DutyState.KEPT, 13, 12)
        rests_s = [later - earlier for earlier, later in itertools.pairwise(begun_s)]
        assert rests_s[0] < 1.0
        assert max(rests_s) <= BACKOFF_LONGEST_S + 0.1
        assert rests_s[-1] >= BACKOFF_LONGEST_S / 2

    play(scenario)


@pytest.mark.parametrize(("restart", "terms", "state"), [
    (Restart.ON_FAILURE, 1, DutyState.OVER), (Restart.ALWAYS, 3, DutyState.RESTING),
])  # fmt: skip
def test_what_returning_means_is_for_the_manifest_to_say(play, restart, terms, state):
    async def scenario(bench):
        async def briefly(watch):
            await watch.pause(0.1)

        guard = Guard(briefly, restart=restart)
        async with swarm_of(bench, guard, agents=1) as swarm:
            await bench.world.clock.sleep(2.0)
            [view] = swarm.duties()
            assert view.term >= terms
            assert (view.state is DutyState.OVER) == (state is DutyState.OVER)

    play(scenario)


def test_a_term_that_is_over_cannot_speak_for_the_duty_any_more(play):
    async def scenario(bench):
        refused = []

        async def stubborn(watch):
            if watch.term > 1:
                return await steady(watch)
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await bench.world.clock.sleep(20.0)
                try:
                    watch.progress(done=100)
                except AgentsError as error:
                    refused.append(error.message)
            return None

        guard = Guard(stubborn, silence_s=5.0)
        async with swarm_of(bench, guard, agents=1) as swarm:
            await bench.world.clock.sleep(60.0)
            assert refused == ["the term of canary-1.1 is over"]
            [view] = swarm.duties()
            assert view.agent == "canary-1.2"
            assert view.done < 100

    play(scenario)


def test_a_duty_gets_the_tools_that_its_manifest_names(play):
    async def scenario(bench):
        seen = []

        async def ask(watch):
            seen.append(watch.tools.get(Clock))
            try:
                watch.tools.get(Toolbox)
            except AgentsError as error:
                seen.append(error.message)
            await steady(watch)

        async with swarm_of(bench, Guard(ask, permissions=("Clock",))):
            await bench.world.clock.sleep(1.0)
        assert seen == [bench.world.clock, "the skill 'guard' has no permission for Toolbox"]

    play(scenario)


def test_partitions_divide_what_there_is_without_overlap(play):
    async def scenario(bench):
        mine = {}

        async def sort(watch):
            mine[watch.partition] = {f"host-{n}" for n in range(100) if watch.mine(f"host-{n}")}
            await steady(watch)

        async with swarm_of(bench, Guard(sort, partitions=4)):
            await bench.world.clock.sleep(1.0)
        assert sum(len(part) for part in mine.values()) == len(set().union(*mine.values())) == 100
        assert min(len(part) for part in mine.values()) >= 10

    play(scenario)


@pytest.mark.parametrize(
    "manifest",
    [{"name": ""}, {"silence_s": 0.0}, {"partitions": 0}, {"partitions": 65}],
    ids=["name", "silence", "none", "many"],
)
def test_a_manifest_that_cannot_be_used_is_refused(play, manifest):
    async def scenario(bench):
        with pytest.raises(InvalidSkill):
            swarm_of(bench, Guard(steady, **manifest))
        with pytest.raises(InvalidSkill):
            swarm_of(bench, Guard(steady), Guard(steady))

    play(scenario)
