"""Who is heard, who is suspected, who is replaced: heartbeats over the bus on virtual time."""

import asyncio

import pytest

from phalanx.agents import (
    AgentState,
    Capability,
    FallKind,
    LastHeard,
    MissionStatus,
    Role,
    Swarm,
    Toolbox,
)
from phalanx.agents._limits import AT_ONCE_PER_ROLE, BEAT_GROUPS, BEAT_S, FALLS_BASE
from phalanx.core import NotFound
from phalanx.messaging import Bus, Kind, Marking, Member, tagged
from phalanx.telemetry import Alerts
from phalanx.testing import SimEntropy, SimWorld


class Door:
    """Identities that sign by writing their name under it."""

    def __init__(self):
        self.barred, self.prepared, self.forging = set(), 0, set()

    async def prepare(self, n, /):
        self.prepared += n

    def seat(self, agent, /):
        pass

    def leave(self, agent, /):
        self.barred.discard(agent)

    def admitted(self, agent, /):
        return agent not in self.barred

    def fingerprint(self, agent, /):
        return f"key of {agent}"

    def vouch(self, agent, statement, /):
        return b"?" if agent in self.forging else agent.encode() + statement

    def check(self, agent, statement, signature, /):
        if signature != agent.encode() + statement:
            raise NotFound("signature", agent)


class Town:
    """A swarm whose agents live on a bus; ``deaf`` are those whose beats get lost on the way."""

    def __init__(self, bench, *skills, agents=2):
        world = bench.world
        self.bench, self.door, self.deaf = bench, Door(), set()
        self.bus = Bus("n", clock=world.clock, ids=world.ids, telemetry=bench.telemetry)
        self.alerts = Alerts(bench.telemetry)
        self.swarm = Swarm(
            bench.store, clock=world.clock, telemetry=bench.telemetry, rng=world.rng.child("swarm"), toolbox=Toolbox(),
            skills=skills, agents_per_role=agents, admission=self.door, bus=self.bus,
            entropy=SimEntropy(world.rng.child("entropy")), alerts=self.alerts, locality="n",
        )  # fmt: skip
        answer = self.swarm._monitor.answer
        self.swarm._monitor.answer = lambda agent, *rest: agent.name in self.deaf or answer(agent, *rest)

    async def __aenter__(self):
        self.sweeping = asyncio.create_task(self.bus.run())
        await self.swarm.start()
        return self.swarm

    async def __aexit__(self, *_):
        await self.swarm.stop()
        self.sweeping.cancel()

    def metric(self, name):
        samples = self.bench.telemetry.metrics.snapshot()[name]["samples"]
        return sum(sample["value"] for sample in samples)


async def quick(mission):
    return "fine"


@pytest.mark.requirement("AGT-5")
def test_everybody_is_heard_and_each_epoch_has_keys_of_its_own(play, chore, monkeypatch):
    epoch_s = 300.0
    monkeypatch.setattr("phalanx.agents._monitor.EPOCH_S", epoch_s)

    async def scenario(bench):
        town = Town(bench, chore(quick), agents=3)
        async with town as swarm:
            await bench.world.clock.sleep(31.0)
            beats = town.metric("phalanx_heartbeats_total")
            assert beats >= 3 * 5
            heard = swarm.last_heard()
            now_ns = bench.world.clock.wall_ns()
            assert set(heard) == {"analyst-1.1", "analyst-2.1", "analyst-3.1"}
            assert all(one.authentic and one.responsive for one in heard.values())
            assert all(now_ns - one.at_ns < (BEAT_S + 1.5) * 1e9 for one in heard.values())
            keys = {one.key for one in swarm._monitor._watched.values()}
            await bench.world.clock.sleep(epoch_s)
            assert not keys & {one.key for one in swarm._monitor._watched.values()}
            assert town.metric("phalanx_heartbeats_refused_total") <= 3
            assert town.metric("phalanx_agents_replaced_total") == 0
            assert {view.state for view in swarm.roster()} == {AgentState.IDLE}

    play(scenario)


@pytest.mark.requirement("AGT-5")
@pytest.mark.requirement("AGT-6")
def test_a_silent_agent_is_first_suspected_then_replaced_and_its_mission_handed_on(play, chore):
    async def scenario(bench):
        gate = asyncio.Event()

        async def wait(mission):
            await gate.wait()
            return "fine"

        town = Town(bench, chore(wait), agents=2)
        async with town as swarm:
            await bench.world.clock.sleep(3 * BEAT_S)
            await bench.add(1)
            swarm.wake()
            await bench.world.clock.sleep(0.5)
            [silent] = [view.id for view in swarm.roster() if view.mission]
            town.deaf.add(silent)
            while swarm.registry.view(silent).state is not AgentState.SUSPECT:
                await bench.world.clock.sleep(0.1)
            assert swarm.last_heard()[silent] == LastHeard(swarm.last_heard()[silent].at_ns, True, False)
            assert silent not in {view.id for view in swarm.registry.find(able=True)}
            await bench.add(*range(2, 5))
            swarm.wake()
            await bench.world.clock.sleep(0.2)
            assert swarm.registry.view(silent).waiting == 0
            while swarm.registry.view(silent) is not None:
                await bench.world.clock.sleep(0.1)
            gate.set()
            await swarm.settled()
            assert await bench.standing() == {MissionStatus.DONE: 4}
            assert silent not in {mission.agent for mission in await bench.missions()}

    play(scenario)


@pytest.mark.requirement("AGT-5")
def test_a_suspect_that_is_heard_again_is_given_work_again(play, chore):
    async def scenario(bench):
        town = Town(bench, chore(quick), agents=1)
        async with town as swarm:
            await bench.world.clock.sleep(3 * BEAT_S)
            monitor = swarm._monitor
            town.deaf.add("analyst-1.1")
            while not monitor._watched["analyst-1.1"].suspect:
                await bench.world.clock.sleep(0.1)
            box = swarm._housing._boxes["analyst-1.1"][0]
            assert box.member.clearance is Marking.GREEN
            await bench.add(1)
            swarm.wake()
            town.deaf.clear()
            for group in range(BEAT_GROUPS):
                monitor._ask(group)
            await swarm.settled()
            assert await bench.standing() == {MissionStatus.DONE: 1}
            assert (swarm.roster()[0].id, swarm.roster()[0].state) == ("analyst-1.1", AgentState.IDLE)
            assert box.member.clearance is Marking.AMBER_STRICT

    play(scenario)


@pytest.mark.requirement("AGT-5")
def test_forged_beats_neither_keep_an_agent_alive_nor_put_it_out(play, chore):
    async def scenario(bench):
        town = Town(bench, chore(quick), agents=2)
        async with town as swarm:
            await bench.world.clock.sleep(2 * BEAT_S)
            mallory = town.bus.join(Member("mallory", frozenset(f"beat:n:{group}" for group in range(BEAT_GROUPS))))
            town.deaf.add("analyst-1.1")

            async def forge():
                from phalanx.agents._heartbeat import Beat, seal_beat

                async for asked in mallory:
                    for name in ("analyst-1.1", "analyst-2.1", "nobody"):
                        message = seal_beat(Beat(name, 1, asked.body, 1), b"k" * 32)
                        mallory.send_nowait(Kind.HEARTBEAT, asked.sender, message)
                    mallory.send_nowait(Kind.HEARTBEAT, asked.sender, b"junk")

            forging = asyncio.create_task(forge())
            await bench.world.clock.sleep(4 * BEAT_S)
            assert [view.id for view in swarm.roster()] == ["analyst-1.2", "analyst-2.1"]
            assert town.metric("phalanx_heartbeats_refused_total") >= 8
            forging.cancel()

    play(scenario)


def test_a_key_that_nobody_signed_for_is_not_believed(play, chore):
    async def scenario(bench):
        town = Town(bench, chore(quick), agents=2)
        town.door.forging.add("analyst-1.1")
        async with town as swarm:
            await bench.world.clock.sleep(20.0)
            assert swarm._monitor._watched["analyst-1.1"].key == b""
            assert swarm._monitor._watched["analyst-2.1"].key

    play(scenario)


@pytest.mark.requirement("AGT-5")
def test_an_agent_in_quarantine_gets_nothing_and_another_has_its_place(play, chore):
    async def scenario(bench):
        gate = asyncio.Event()

        async def wait(mission):
            await gate.wait()
            return mission.agent

        town = Town(bench, chore(wait), agents=1)
        async with town as swarm:
            listening = town.bus.join(Member("desk"))
            await bench.add(1)
            swarm.wake()
            await bench.world.clock.sleep(1.0)
            one = swarm.quarantine("analyst-1.1", "it lied", by="a person")
            with pytest.raises(NotFound):
                swarm.quarantine("analyst-1.1", "again", by="a person")
            await bench.world.clock.sleep(1.0)
            assert (one.agent, one.successor, one.identity) == ("analyst-1.1", "analyst-1.2", "key of analyst-1.1")
            assert swarm.quarantined() == [one]
            assert set(swarm.last_heard()) == {"analyst-1.2"}
            receipt = await listening.send(Kind.INTELLIGENCE, tagged("role:analyst"), b"news")
            assert receipt.taken == 1
            gate.set()
            await swarm.settled()
            [mission] = await bench.missions()
            assert (mission.note, mission.attempts, mission.identity) == ("analyst-1.2", 1, "key of analyst-1.2")

    play(scenario)


@pytest.mark.requirement("AGT-4")
def test_a_few_agents_are_there_at_once_and_the_others_come(play, chore):
    async def scenario(bench):
        town = Town(bench, chore(quick), agents=50)
        assert len(town.swarm.roster()) == AT_ONCE_PER_ROLE
        async with town as swarm:
            await swarm.complete()
            await bench.add(*range(60))
            swarm.wake()
            await swarm.settled()
            assert len(swarm.roster()) == 50
            assert town.door.prepared >= 46
            assert len({mission.agent for mission in await bench.missions()}) == 50
            assert swarm.health().told == "running, 50 agents"

    play(scenario)


@pytest.mark.requirement("AGT-2")
def test_the_registry_is_asked_by_what_is_wanted(play, chore):
    async def scenario(bench):
        async def half(mission):
            if mission.attempts == 1:
                raise ValueError("not at first")
            return "fine"

        town = Town(bench, chore(half), agents=2)
        async with town as swarm:
            await bench.add(1)
            swarm.wake()
            await swarm.settled()
            find = swarm.registry.find
            assert len(find()) == len(find(role=Role.ANALYST)) == len(find(capability=Capability.INCIDENTS)) == 2
            assert find(role=Role.HUNTER) == find(capability=Capability.PREDICTION) == find(skill="juggling") == []
            assert find(locality="elsewhere") == []
            assert len(find(locality="n", skill="chore")) == 2
            best, worst = find()
            assert best.trust > worst.trust
            assert find(min_trust=best.trust) == [best]

    play(scenario)


@pytest.mark.requirement("AGT-6")
def test_a_role_whose_agents_keep_falling_goes_on_slowly_and_says_so(play, chore):
    async def scenario(bench):
        async def fall(mission):
            raise ValueError("the analyser is broken")

        town = Town(bench, chore(fall), agents=1)
        async with town as swarm:
            await bench.add(*range(10))
            swarm.wake()
            await bench.world.clock.sleep(30.0)
            health = swarm.health()
            assert health.running
            assert "the analyser is broken" in health.degraded[0]
            assert "degraded: analyst" in health.told
            [alert] = [one for one in town.alerts.recent() if "fall too often" in one.text]
            assert alert.context["falls"] > FALLS_BASE
            await swarm.settled()
            await bench.world.clock.sleep(120.0)
            assert swarm.health().degraded == ()

    play(scenario)


def test_who_holds_the_event_loop_is_named(play, chore):
    async def scenario(bench):
        town = Town(bench, chore(quick))
        async with town as swarm:
            swarm.hogged("agent analyst-1.1 chore", 1.5, "crunch (chore.py:7)")
            swarm.hogged("service sentinel", 0.6, "elsewhere")
            [alert] = town.alerts.recent()
            assert "analyst-1.1 held the event loop in chore" in alert.text
            assert "analyst-1.1 in chore for 1.5 s at crunch (chore.py:7)" in swarm.health().told

    play(scenario)


@pytest.mark.requirement("AGT-3")
def test_a_mission_past_its_deadline_ends_as_failed_and_fells_nobody(play, chore):
    async def scenario(bench):
        import msgspec

        from phalanx.agents._model import mission_put

        async def slow(mission):
            await bench.world.clock.sleep(30.0)
            return "fine"

        await bench.add(1, 2, 3)
        for number, mission in enumerate(await bench.missions()):
            deadline_ns = bench.world.clock.wall_ns() + (10 + 40 * number) * 10**9
            await bench.store.commit([mission_put(msgspec.structs.replace(mission, deadline_ns=deadline_ns))])
        async with bench.swarm(chore(slow), agents=1) as swarm:
            await swarm.settled()
            assert swarm.roster()[0].id == "analyst-1.1"
        found = [(mission.status, mission.note) for mission in await bench.missions()]
        assert found[0] == (MissionStatus.FAILED, "its deadline passed before it was done")
        assert [status for status, _ in found[1:]] == [MissionStatus.DONE] * 2

    play(scenario)


def test_killing_somebody_who_is_not_there_says_so(play, chore):
    async def scenario(bench):
        async with bench.swarm(chore(quick)) as swarm:
            with pytest.raises(NotFound):
                swarm.kill("analyst-9.9")
            swarm.kill("analyst-1.1", "a test")
            await bench.world.clock.sleep(1.0)
            assert [view.id for view in swarm.roster()] == ["analyst-1.2", "analyst-2.1"]
            assert FallKind.KILLED.value == "killed"

    play(scenario)


def test_one_seed_gives_one_run_of_beats_too(chore, bench):
    def trace(seed):
        async def main(world):
            town = Town(bench(world, world.store("disk")), chore(quick), agents=5)
            async with town as swarm:
                await world.clock.sleep(30.0)
                return sorted(swarm.last_heard().items())

        world = SimWorld(seed)
        return world.run(main), world.trace.digest()

    assert trace(5) == trace(5)
    assert trace(5)[1] != trace(6)[1]
