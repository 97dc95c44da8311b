"""Agents whose identity does not stand: they get nothing, bring nothing, and are replaced."""

import asyncio

import pytest

from phalanx.agents import AgentState, MissionStatus, Swarm, Toolbox


class Doorkeeper:
    """Gives every agent a number, and bars whom a test tells it to."""

    def __init__(self):
        self.seated, self.left, self.barred = [], [], set()

    def seat(self, agent, /):
        assert agent not in self.seated
        self.seated.append(agent)

    def leave(self, agent, /):
        self.left.append(agent)

    def admitted(self, agent, /):
        return agent not in self.barred

    def fingerprint(self, agent, /):
        return f"key-{self.seated.index(agent)}"


def swarm_of(bench, door, *skills, agents=2):
    return Swarm(
        bench.store, clock=bench.world.clock, telemetry=bench.telemetry, rng=bench.world.rng.child("swarm"),
        toolbox=Toolbox(), skills=skills, agents_per_role=agents, admission=door,
    )  # fmt: skip


@pytest.mark.requirement("AGT-5")
def test_a_barred_agent_gets_no_mission_and_is_replaced(play, chore):
    async def scenario(bench):
        async def do(mission):
            return "done"

        skill, door = chore(do), Doorkeeper()
        async with swarm_of(bench, door, skill) as swarm:
            assert [view.identity for view in swarm.roster()] == ["key-0", "key-1"]
            door.barred.add("analyst-1.1")
            assert [view.state for view in swarm.roster()] == [AgentState.BARRED, AgentState.IDLE]
            await bench.add(*range(6))
            swarm.wake()
            await swarm.settled()
            assert {agent for _, agent in skill.asked} == {"analyst-2.1"}
            swarm.expel_barred()
            swarm.expel_barred()
            await bench.world.clock.sleep(1)
            assert [(view.id, view.state) for view in swarm.roster()] == [
                ("analyst-1.2", AgentState.IDLE), ("analyst-2.1", AgentState.IDLE),
            ]  # fmt: skip
            assert door.left == ["analyst-1.1"]
            assert (await bench.standing())[MissionStatus.DONE] == 6

    play(scenario)


@pytest.mark.requirement("AGT-5")
def test_what_a_barred_agent_has_in_hand_is_dropped_and_done_again_by_another(play, chore):
    async def scenario(bench):
        gate = asyncio.Event()

        async def do(mission):
            if mission.agent == "analyst-1.1":
                await gate.wait()
                return "from the barred one"
            return "from another"

        skill, door = chore(do), Doorkeeper()
        async with swarm_of(bench, door, skill, agents=1) as swarm:
            await bench.add(1, 2, 3)
            swarm.wake()
            await bench.world.clock.sleep(1)
            assert swarm.roster()[0].state is AgentState.BUSY
            door.barred.add("analyst-1.1")
            swarm.expel_barred()
            gate.set()  # it finishes in the same moment, and still nobody takes what it brings
            await swarm.settled()
            assert {mission.note for mission in await bench.missions()} == {"from another"}
            assert swarm.roster()[0].id == "analyst-1.2"

    play(scenario)


def test_missions_wait_while_nobody_is_admitted(play, chore):
    async def scenario(bench):
        async def do(mission):
            return "done"

        skill, door = chore(do), Doorkeeper()
        async with swarm_of(bench, door, skill) as swarm:
            door.barred |= {"analyst-1.1", "analyst-2.1"}
            await bench.add(1)
            swarm.wake()
            await bench.world.clock.sleep(60)
            assert await bench.standing() == {MissionStatus.PENDING: 1}
            swarm.expel_barred()
            await swarm.settled()
            assert await bench.standing() == {MissionStatus.DONE: 1}

    play(scenario)
