"""Two nodes alone: the heir decides by itself, and only a person can say that it is gone."""

import asyncio

import pytest

from phalanx.agents import Missions, MissionStatus, Role, SkillManifest, Succession, Swarm, Toolbox, mission_writes
from phalanx.core import DEFAULT_TENANT, NotFound
from phalanx.messaging import Bus, ClearPeers
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld
from phalanx.testing.agents import PlainCarrier


class Work:
    """Takes as long as it is told to."""

    manifest = SkillManifest("chore", Role.ANALYST, (), ("finding",), (), 1.0, (), 3_000.0)

    def __init__(self, clock, seconds):
        self._clock, self._seconds = clock, seconds

    async def perform(self, mission, tools):
        await self._clock.sleep(self._seconds)
        return f"by {mission.agent}"


class Pair:
    """Two machines, ``p`` and ``q``, and what runs on them."""

    def __init__(self, world, seconds):
        self.world, self.seconds, self.swarms = world, seconds, {}
        for name in "pq":
            self.start(name)

    def start(self, name):
        self.world.node(name).start(self._live)

    async def _live(self, node):
        world, telemetry = self.world, Telemetry(self.world.clock)
        store = world.store(node.name)
        bus = await Bus.open(
            node.name, journal=await world.journals(node.name).open("outbox"),
            peers=ClearPeers([world.transport(node.name)]), clock=world.clock, ids=world.ids, telemetry=telemetry,
            rng=node.rng, store=None,
        )  # fmt: skip
        other = frozenset("pq") - {node.name}
        bus.meet(*other)
        succession = Succession(bus, store, lambda: other, PlainCarrier(), clock=world.clock, telemetry=telemetry)
        swarm = Swarm(
            store, clock=world.clock, telemetry=telemetry, rng=node.rng, toolbox=Toolbox(),
            skills=[Work(world.clock, self.seconds)], agents_per_role=1, succession=succession,
        )  # fmt: skip
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(bus.run())
            async with swarm:
                self.swarms[node.name] = swarm, store
                await asyncio.Event().wait()

    async def missions(self, name):
        return await Missions(self.swarms[name][1]).list(DEFAULT_TENANT)


def play(scenario, *, seconds):
    async def main(world):
        pair = Pair(world, seconds)
        await world.clock.sleep(5)
        await asyncio.wait_for(scenario(world, pair), 3_000)
        for name in "pq":
            await world.node(name).crash()

    SimWorld(2).run(main)


@pytest.fixture
def one_mission(finding):
    async def give(pair):
        swarm, store = pair.swarms["p"]
        await store.commit(mission_writes(finding(1), at_ns=pair.world.clock.wall_ns(), skill="chore"))
        swarm.wake()
        await pair.world.clock.sleep(2)
        assert swarm.succession.view().heirs == {"q": 1}
        assert pair.swarms["q"][0].succession.view().owners == {"p": 1}

    return give


@pytest.mark.requirement("AGT-6")
def test_the_heir_continues_and_the_owner_learns_what_came_of_it(one_mission):
    async def scenario(world, pair):
        await one_mission(pair)
        await world.node("p").crash()
        await world.clock.sleep(30)
        [theirs] = await pair.missions("q")
        assert (theirs.status, theirs.origin) == (MissionStatus.DONE, "p")
        pair.start("p")
        await world.clock.sleep(30)
        [own] = await pair.missions("p")
        assert (own.status, own.taken_by) == (MissionStatus.TAKEN, "q")
        assert own.note == f"done by {theirs.agent} of q: by {theirs.agent}"
        assert own.ended_ns == theirs.ended_ns
        assert pair.swarms["p"][0].succession.view().heirs == {"q": 0}

    play(scenario, seconds=10.0)


@pytest.mark.requirement("AGT-6")
def test_an_outcome_waits_for_an_heir_that_is_gone_until_somebody_says_so(one_mission):
    async def scenario(world, pair):
        await one_mission(pair)
        await world.node("q").crash()
        await world.clock.sleep(600)
        [own] = await pair.missions("p")
        assert own.status is MissionStatus.ASSIGNED, "it may have been taken over, for all that is known"
        succession = pair.swarms["p"][0].succession
        with pytest.raises(NotFound):
            await succession.disown("nobody", by="kim")
        assert await succession.disown("q", by="kim") == 1
        await world.clock.sleep(5)
        [own] = await pair.missions("p")
        assert own.status is MissionStatus.DONE
        # It was not gone after all; what it had a copy of is thrown away once it is told.
        pair.start("q")
        await world.clock.sleep(60)
        assert await pair.missions("q") == []

    play(scenario, seconds=10.0)
