"""The swarm at work: missions get done, agents fall and are replaced, nothing is lost or doubled."""

import asyncio
import itertools

import pytest

from phalanx.agents import MISSIONS, AgentsError, AgentState, MissionRejected, MissionStatus, Role
from phalanx.agents._limits import BACKOFF_FIRST_S, BACKOFF_LONGEST_S, MAILBOX_MISSIONS, MAX_ATTEMPTS
from phalanx.core import DEFAULT_TENANT, InvalidInput, Put

DONE, FAILED, PENDING, ASSIGNED = (
    MissionStatus.DONE,
    MissionStatus.FAILED,
    MissionStatus.PENDING,
    MissionStatus.ASSIGNED,
)


async def quick(mission):
    return f"looked at {mission.subject}"


@pytest.mark.requirement("AGT-3")
def test_each_mission_is_done_once_and_its_way_is_told(play, chore):
    async def scenario(bench):
        skill = chore(quick)
        await bench.add(*range(20))
        feed = bench.telemetry.feed.subscribe(DEFAULT_TENANT)
        async with bench.swarm(skill) as swarm:
            await swarm.settled()
        feed.close()
        missions = await bench.missions()
        assert [(m.status, m.attempts) for m in missions] == [(DONE, 1)] * 20
        assert all(m.note == f"looked at {m.subject}" for m in missions)
        assert skill.times().total() == 20
        assert len(await bench.waypoints("assigned")) == 20
        done = await bench.waypoints("mission-done")
        assert sorted(w.subject for w in done) == sorted(m.id for m in missions)
        assert {w.trace for w in done} == {m.trace for m in missions}
        published = [w async for w in feed]
        assert sorted(w.stage for w in published) == ["assigned"] * 20 + ["mission-done"] * 20

    play(scenario)


def test_missions_that_arrive_later_are_found_when_the_swarm_is_woken(play, chore):
    async def scenario(bench):
        skill = chore(quick)
        async with bench.swarm(skill) as swarm:
            await swarm.settled()
            await bench.add(1, 2)
            swarm.wake()
            await swarm.settled()
            assert await swarm.open_missions() == 0
        assert skill.times().total() == 2

    play(scenario)


@pytest.mark.requirement("AGT-6")
def test_an_agent_that_raises_is_replaced_and_its_mission_completed_by_another(play, chore):
    async def scenario(bench):
        async def once(mission):
            if mission.attempts == 1:
                raise ValueError("dropped the vase")
            return "swept up"

        skill = chore(once)
        await bench.add(1)
        async with bench.swarm(skill) as swarm:
            before = [view.id for view in swarm.roster()]
            await swarm.settled()
            after = [view.id for view in swarm.roster()]
        [mission] = await bench.missions()
        assert (mission.status, mission.attempts, mission.note) == (DONE, 2, "swept up")
        (_, first), (_, second) = skill.asked
        assert first != second
        assert first in before
        assert first not in after
        assert len(after) == len(before)

    play(scenario)


@pytest.mark.requirement("AGT-6")
def test_missions_behind_a_fallen_agent_are_handed_over_and_not_blamed(play, chore):
    async def scenario(bench):
        async def first_one_breaks(mission):
            await bench.world.clock.sleep(1.0)
            if len(skill.asked) == 1:
                raise ValueError("broken")
            return "fine"

        skill = chore(first_one_breaks)
        await bench.add(*range(1 + MAILBOX_MISSIONS))
        async with bench.swarm(skill, agents=1) as swarm:
            await swarm.settled()
        attempts = sorted(m.attempts for m in await bench.missions())
        assert attempts == [1] * MAILBOX_MISSIONS + [2]
        assert await bench.standing() == {DONE: 1 + MAILBOX_MISSIONS}

    play(scenario)


@pytest.mark.requirement("AGT-6")
def test_a_poison_mission_ends_as_failed_with_its_reason_and_stops_nobody(play, chore):
    async def scenario(bench):
        poison = None

        async def allergic(mission):
            if mission.id == poison:
                raise RuntimeError("never works")
            return "fine"

        skill = chore(allergic)
        await bench.add(*range(10))
        poison = (await bench.missions())[0].id
        async with bench.swarm(skill) as swarm:
            await swarm.settled()
        assert await bench.standing() == {DONE: 9, FAILED: 1}
        [failed] = [m for m in await bench.missions() if m.status is FAILED]
        assert failed.id == poison
        assert failed.attempts == MAX_ATTEMPTS
        assert failed.note == f"given up after {MAX_ATTEMPTS} attempts; the last: RuntimeError: never works"
        assert skill.times()[failed.subject] == MAX_ATTEMPTS
        assert [w.subject for w in await bench.waypoints("mission-failed")] == [poison]

    play(scenario)


def test_a_mission_that_failed_rests_before_it_is_tried_again(play, chore):
    async def scenario(bench):
        tried_at_s = []

        async def fail(mission):
            tried_at_s.append(bench.world.loop.time())
            raise ValueError("not yet")

        await bench.add(1)
        async with bench.swarm(chore(fail)) as swarm:
            await swarm.settled()
        rests_s = [later - earlier for earlier, later in itertools.pairwise(tried_at_s)]
        assert len(rests_s) == MAX_ATTEMPTS - 1
        assert rests_s[0] < 0.1, "the first failure is tried again at once"
        for n, rest_s in enumerate(rests_s[1:], 1):
            longest_s = min(BACKOFF_LONGEST_S, BACKOFF_FIRST_S * 2**n)
            assert longest_s / 2 <= rest_s <= longest_s + 0.1

    play(scenario)


def test_a_rejected_mission_fails_at_once_and_costs_no_agent(play, chore):
    async def scenario(bench):
        async def reject(mission):
            raise MissionRejected("its finding is gone")

        await bench.add(1)
        async with bench.swarm(chore(reject)) as swarm:
            before = [view.id for view in swarm.roster()]
            await swarm.settled()
            assert [view.id for view in swarm.roster()] == before
        [mission] = await bench.missions()
        assert (mission.status, mission.attempts, mission.note) == (FAILED, 1, "its finding is gone")

    play(scenario)


@pytest.mark.requirement("AGT-6")
def test_an_attempt_that_overruns_is_cancelled_and_tried_by_another(play, chore):
    async def scenario(bench):
        async def hang_once(mission):
            if mission.attempts == 1:
                await asyncio.Event().wait()
            return "fine"

        skill = chore(hang_once, limit_s=5.0)
        await bench.add(1)
        started_s = bench.world.loop.time()
        async with bench.swarm(skill) as swarm:
            await swarm.settled()
        [mission] = await bench.missions()
        assert (mission.status, mission.attempts) == (DONE, 2)
        assert 5.0 < bench.world.loop.time() - started_s < 7.0

    play(scenario)


@pytest.mark.requirement("AGT-6")
def test_a_replaced_agent_that_finishes_late_overwrites_nothing(play, chore):
    async def scenario(bench):
        late = asyncio.Event()

        async def stubborn(mission):
            if mission.attempts == 1:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    await bench.world.clock.sleep(20.0)
                    late.set()
                return "the late answer"
            return "the right answer"

        await bench.add(1)
        async with bench.swarm(chore(stubborn, limit_s=5.0)) as swarm:
            await swarm.settled()
            await late.wait()
            await swarm.settled()
        [mission] = await bench.missions()
        assert (mission.status, mission.note) == (DONE, "the right answer")
        assert len(await bench.waypoints("mission-done")) == 1

    play(scenario)


def test_a_skill_that_cancels_itself_is_a_failed_attempt_like_any_other(play, chore):
    async def scenario(bench):
        async def cancel_once(mission):
            if mission.attempts == 1:
                raise asyncio.CancelledError
            return "fine"

        await bench.add(1)
        async with bench.swarm(chore(cancel_once)) as swarm:
            await swarm.settled()
            assert swarm.running
        assert await bench.standing() == {DONE: 1}

    play(scenario)


@pytest.mark.parametrize("error", [AgentsError(""), ValueError(), ExceptionGroup("several", [ValueError("x")])])
def test_an_error_that_says_nothing_is_a_failure_all_the_same(play, chore, error):
    async def scenario(bench):
        async def fail_once(mission):
            if mission.attempts == 1:
                raise error
            return "fine"

        await bench.add(1)
        async with bench.swarm(chore(fail_once)) as swarm:
            await swarm.settled()
        [mission] = await bench.missions()
        assert (mission.status, mission.attempts) == (DONE, 2)

    play(scenario)


def test_a_skill_that_returns_no_text_fails_and_the_swarm_lives(play, chore):
    async def scenario(bench):
        async def nothing(mission):
            return None

        await bench.add(1)
        async with bench.swarm(chore(nothing)) as swarm:
            await swarm.settled()
            assert swarm.running
        [mission] = await bench.missions()
        assert mission.status is FAILED
        assert mission.note.endswith("the skill returned NoneType, not a line of text")

    play(scenario)


def test_mailboxes_are_bounded_and_the_rest_waits_in_the_store(play, chore):
    async def scenario(bench):
        gate = asyncio.Event()

        async def wait(mission):
            await gate.wait()
            return "fine"

        await bench.add(*range(30))
        async with bench.swarm(chore(wait), agents=2) as swarm:
            await bench.world.clock.sleep(1.0)
            held = 2 * (1 + MAILBOX_MISSIONS)
            assert await bench.standing() == {ASSIGNED: held, PENDING: 30 - held}
            assert [(view.state, view.waiting) for view in swarm.roster()] == [(AgentState.BUSY, MAILBOX_MISSIONS)] * 2
            assert await swarm.open_missions() == 30
            gate.set()
            await swarm.settled()
            assert [view.state for view in swarm.roster()] == [AgentState.IDLE] * 2
            assert sum(view.done for view in swarm.roster()) == 30
        assert await bench.standing() == {DONE: 30}

    play(scenario)


def test_a_tenant_with_a_long_queue_does_not_starve_another(play, chore):
    async def scenario(bench):
        async def slow(mission):
            await bench.world.clock.sleep(1.0)
            return mission.tenant

        skill = chore(slow)
        await bench.add(*range(60))
        await bench.add(1, tenant="small")
        async with bench.swarm(skill, agents=1) as swarm:
            await bench.world.clock.sleep(10.0)
            assert await bench.standing("small") == {DONE: 1}
            await swarm.settled()
        assert await bench.standing() == {DONE: 60}

    play(scenario)


def test_a_mission_nobody_has_the_skill_for_fails_and_says_so(play, chore):
    async def scenario(bench):
        await bench.add(1, skill="juggling")
        await bench.add(2)
        async with bench.swarm(chore(quick)) as swarm:
            await swarm.settled()
        notes = {m.skill: (m.status, m.note) for m in await bench.missions()}
        assert notes["juggling"] == (FAILED, "no agent of this node has the skill 'juggling'")
        assert notes["chore"][0] is DONE

    play(scenario)


def test_an_unreadable_mission_is_left_alone_and_stops_nobody(play, chore):
    async def scenario(bench):
        await bench.add(*range(3))
        index = {"status": ["pending"]}
        await bench.store.commit([Put(MISSIONS, DEFAULT_TENANT, "0-first", b"\xc1 not a record", index)])
        async with bench.swarm(chore(quick)) as swarm:
            await swarm.settled()
        rows = await bench.store.find(MISSIONS, DEFAULT_TENANT, "status", "done")
        assert len(rows) == 3
        assert (await bench.store.get(MISSIONS, DEFAULT_TENANT, "0-first")).value == b"\xc1 not a record"
        assert _metric(bench, "phalanx_missions_total", status="unreadable") >= 1

    play(scenario)


def test_there_are_agents_only_for_roles_that_have_a_skill(play, chore):
    async def scenario(bench):
        async with bench.swarm(chore(quick), agents=3) as swarm:
            assert [(view.id, view.role) for view in swarm.roster()] == [
                ("analyst-1.1", Role.ANALYST),
                ("analyst-2.1", Role.ANALYST),
                ("analyst-3.1", Role.ANALYST),
            ]
            assert [manifest.name for manifest in swarm.skills()] == ["chore"]
        async with bench.swarm() as nobody:
            assert nobody.roster() == []

    play(scenario)


def test_what_the_swarm_does_is_measured(play, chore):
    async def scenario(bench):
        async def flaky(mission):
            await bench.world.clock.sleep(2.0)
            if mission.attempts == 1:
                raise ValueError("again")
            return "fine"

        await bench.add(1)
        async with bench.swarm(chore(flaky)) as swarm:
            await swarm.settled()
        assert _metric(bench, "phalanx_missions_total", status="assigned") == 1
        assert _metric(bench, "phalanx_missions_total", status="handed-over") == 1
        assert _metric(bench, "phalanx_missions_total", status="done") == 1
        assert _metric(bench, "phalanx_agents_replaced_total", why="failed") == 1
        assert _metric(bench, "phalanx_agent_busy_seconds_total", role="analyst") == pytest.approx(4.0, abs=0.1)
        assert _metric(bench, "phalanx_agents_busy") == 0
        waited = bench.telemetry.metrics.snapshot()["phalanx_mission_assignment_seconds"]["samples"][0]
        assert waited["count"] == 1

    play(scenario)


def test_one_seed_gives_one_run(chore, bench):
    from phalanx.testing import SimWorld

    def trace(seed):
        async def main(world):
            async def sometimes(mission):
                await world.clock.sleep(dice.random())
                if dice.chance(0.3):
                    raise ValueError("bad luck")
                return "fine"

            dice = world.rng.child("dice")
            this = bench(world, world.store("disk"))
            await this.add(*range(12))
            async with this.swarm(chore(sometimes), agents=3) as swarm:
                await swarm.settled()
            return [(m.id, m.status, m.agent, m.attempts, m.note) for m in await this.missions()]

        world = SimWorld(seed)
        return world.run(main), world.trace.digest()

    assert trace(5) == trace(5)
    assert trace(5)[1] != trace(6)[1]


def _metric(bench, name, **labels):
    samples = bench.telemetry.metrics.snapshot()[name]["samples"]
    return sum(sample["value"] for sample in samples if sample["labels"] == labels)


@pytest.mark.requirement("AGT-2")
def test_places_of_a_tenant_take_its_missions_alone_and_the_registry_knows(play, chore):
    async def scenario(bench):
        release = asyncio.Event()

        async def wait(mission):
            await release.wait()
            return "done"

        skill = chore(wait)
        async with bench.swarm(skill, agents=3, reserved={"acme": 1}) as swarm:
            find = swarm.registry.find
            assert [view.tenants for view in swarm.roster()] == [("*",), ("*",), ("acme",)]
            assert {view.id for view in find(tenant="acme")} == {"analyst-1.1", "analyst-2.1", "analyst-3.1"}
            assert {view.id for view in find(tenant="other")} == {"analyst-1.1", "analyst-2.1"}
            # Others fill every place that they may have; the tenant's is free for it all the same.
            await bench.add(*range(20))
            swarm.wake()
            await bench.world.clock.sleep(1)
            await bench.add(50, tenant="acme")
            swarm.wake()
            await bench.world.clock.sleep(1)
            swarm.kill("analyst-3.1")
            await bench.world.clock.sleep(1)
            taken = {agent.rpartition(".")[0] for subject, agent in skill.asked}
            assert taken == {"analyst-1", "analyst-2", "analyst-3"}
            [own] = await bench.missions("acme")
            assert own.agent == "analyst-3.2", "the successor has the same place"
            assert not any(one.agent.startswith("analyst-3") for one in await bench.missions())
            release.set()
            await swarm.settled()
        assert (await bench.standing()) + (await bench.standing("acme")) == {DONE: 21}

    play(scenario)


def test_one_place_of_each_role_is_left_for_everybody(play, chore):
    async def scenario(bench):
        for reserved in ({"acme": 2}, {"acme": 1, "other": 1}, {"acme": 0}):
            with pytest.raises(InvalidInput, match="left for everybody"):
                bench.swarm(chore(quick), agents=2, reserved=reserved)

    play(scenario)
