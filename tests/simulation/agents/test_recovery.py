"""Crashes, full disks, orderly stops and fencing: what is durable decides, and nothing else."""

import asyncio
from collections import Counter

import pytest

from phalanx.agents import Fenced, Missions, MissionStatus
from phalanx.agents._book import MissionBook, Taker
from phalanx.agents._limits import MAX_ATTEMPTS, STORAGE_PAUSE_S
from phalanx.core import DEFAULT_TENANT, StorageError, StorageFull
from phalanx.testing import SimWorld

DONE, FAILED, PENDING, ASSIGNED = (
    MissionStatus.DONE,
    MissionStatus.FAILED,
    MissionStatus.PENDING,
    MissionStatus.ASSIGNED,
)
NUMBERS = range(4)


class FatefulStore:
    """Passes everything on, and at its n-th commit tells fate, before or after it took place."""

    def __init__(self, inner, fatal: int, *, after: bool) -> None:
        self._inner = inner
        self._fatal = fatal
        self._after = after
        self.commits = 0
        self.reached = asyncio.Event()

    def __getattr__(self, name):
        return getattr(self._inner, name)

    async def commit(self, writes, *, expect=()):
        self.commits += 1
        if self.commits != self._fatal:
            return await self._inner.commit(writes, expect=expect)
        if self._after:
            await self._inner.commit(writes, expect=expect)
        self.reached.set()
        return await asyncio.Event().wait()


def crash_at(fatal, bench, chore, *, after, power_loss=True, seed=3):
    """Run four missions, crash at a commit, run again; how many commits the first life made."""

    async def scenario(world):
        attempts: Counter[str] = Counter()

        async def flaky(mission):
            attempts[mission.subject] += 1
            await world.clock.sleep(0.5)
            if attempts[mission.subject] == 1 and mission.subject.endswith(("0", "1", "2", "3", "4", "5", "6", "7")):
                raise ValueError("not the first time")
            return "fine"

        async def setup(node):
            store = world.store(node.name)
            await bench(world, store).add(*NUMBERS)
            await store.close()

        await world.node("n").start(setup)
        store = FatefulStore(world.store("n"), fatal, after=after)

        async def first_life(node):
            async with bench(world, store).swarm(chore(flaky)) as swarm:
                await swarm.settled()

        life = world.node("n").start(first_life)
        fate = asyncio.ensure_future(store.reached.wait())
        await asyncio.wait((life, fate), return_when=asyncio.FIRST_COMPLETED)
        crashed = store.reached.is_set()
        fate.cancel()
        if crashed:
            await world.node("n").crash(power_loss=power_loss)

        async def second_life(node):
            this = bench(world, world.store(node.name))
            async with this.swarm(chore(flaky)) as swarm:
                await swarm.settled()
            done = Counter(w.subject for w in await this.waypoints("mission-done"))
            return await this.missions(), done

        missions, done = await world.node("n").start(second_life)
        assert [m.status for m in missions] == [DONE] * len(NUMBERS)
        assert done == {m.id: 1 for m in missions}
        return crashed

    return SimWorld(seed).run(scenario)


@pytest.mark.requirement("AGT-3")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_commit_loses_no_mission_and_completes_none_twice(bench, chore, after):
    fatal = 1
    while crash_at(fatal, bench, chore, after=after):
        fatal += 1
    # Given out in one commit, and each ended by one of its own at least.
    assert fatal > 1 + len(NUMBERS)


def test_a_mission_that_takes_the_node_down_each_time_is_given_up(bench, chore):
    async def main(world):
        async def setup(node):
            store = world.store(node.name)
            await bench(world, store).add(1)
            await store.close()

        await world.node("n").start(setup)
        deadly = asyncio.Event()

        async def kill(mission):
            deadly.set()
            await asyncio.Event().wait()

        async def life(node):
            async with bench(world, world.store(node.name)).swarm(chore(kill)) as swarm:
                await swarm.settled()

        for _ in range(MAX_ATTEMPTS):
            deadly.clear()
            world.node("n").start(life)
            await deadly.wait()
            await world.node("n").crash()

        async def last(node):
            this = bench(world, world.store(node.name))
            async with this.swarm(chore(kill)) as swarm:
                await swarm.settled()
            return await this.missions()

        [mission] = await world.node("n").start(last)
        assert (mission.status, mission.attempts) == (FAILED, MAX_ATTEMPTS)
        assert mission.note == f"given up after {MAX_ATTEMPTS} attempts: analyst-1.1 was lost while it had the mission"

    SimWorld(4).run(main)


def test_a_full_disk_is_waited_for_and_costs_no_attempt(play, chore):
    async def scenario(bench):
        disk = bench.world.disk("disk")

        async def fills_up(mission):
            disk.capacity_bytes = disk.used_bytes
            return "fine"

        await bench.add(1)
        async with bench.swarm(chore(fills_up)) as swarm:
            await bench.world.clock.sleep(10 * STORAGE_PAUSE_S)
            assert await bench.standing() == {ASSIGNED: 1}
            await bench_add_fails(bench)
            disk.capacity_bytes = 1 << 30
            await swarm.settled()
            [mission] = await bench.missions()
            assert (mission.status, mission.attempts) == (DONE, 1)

    async def bench_add_fails(bench):
        with pytest.raises(StorageFull):
            await bench.add(2)

    play(scenario)


def test_a_skill_that_meets_a_full_disk_begins_again_when_there_is_room(play, chore):
    async def scenario(bench):
        full = True

        async def write(mission):
            if full:
                raise StorageFull("the ledger")
            return "fine"

        skill = chore(write)
        await bench.add(1)
        async with bench.swarm(skill) as swarm:
            await bench.world.clock.sleep(5.5 * STORAGE_PAUSE_S)
            full = False
            await swarm.settled()
            assert [view.id for view in swarm.roster()] == ["analyst-1.1", "analyst-2.1"]
        [mission] = await bench.missions()
        assert (mission.status, mission.attempts) == (DONE, 1)
        assert skill.times().total() == 7
        waits = [record.event for record in bench.told if "storage" in record.event]
        assert waits == ["attempts wait for storage", "attempts wait for storage no longer"], "told once"

    play(scenario)


def test_a_stop_lets_the_mission_in_hand_end_and_returns_the_rest(play, chore):
    async def scenario(bench):
        async def slow(mission):
            await bench.world.clock.sleep(3.0)
            return "fine"

        await bench.add(*range(6))
        swarm = bench.swarm(chore(slow), agents=1)
        await swarm.start()
        await bench.world.clock.sleep(1.0)
        await swarm.stop(10.0)
        assert await bench.standing() == {DONE: 1, PENDING: 5}
        assert {m.attempts for m in await bench.missions() if m.status is PENDING} == {0}
        assert [view.state.value for view in swarm.roster()] == ["stopped"]
        assert not swarm.running

    play(scenario)


def test_a_stop_does_not_wait_longer_than_it_was_told(play, chore):
    async def scenario(bench):
        async def forever(mission):
            await asyncio.Event().wait()

        await bench.add(1)
        swarm = bench.swarm(chore(forever, limit_s=10_000.0))
        await swarm.start()
        await bench.world.clock.sleep(1.0)
        assert await swarm.drain(2.0) == 1
        await swarm.stop(2.0)
        assert bench.world.loop.time() == pytest.approx(5.0, abs=0.1)
        [mission] = await bench.missions()
        assert (mission.status, mission.attempts, mission.agent) == (PENDING, 0, "")

    play(scenario)


def test_a_skill_that_will_not_be_cancelled_cannot_hold_up_the_stop(play, chore):
    async def scenario(bench):
        async def deaf(mission):
            until = bench.world.loop.time() + 60.0
            while bench.world.loop.time() < until:
                try:
                    await bench.world.clock.sleep(1.0)
                except asyncio.CancelledError:
                    continue
            return "at last"

        await bench.add(1)
        swarm = bench.swarm(chore(deaf))
        await swarm.start()
        await bench.world.clock.sleep(1.0)
        await swarm.stop(2.0)
        assert bench.world.loop.time() < 15.0
        assert await bench.standing() == {PENDING: 1}
        await bench.world.clock.sleep(120.0)
        assert await bench.standing() == {PENDING: 1}

    play(scenario)


@pytest.mark.requirement("AGT-6")
def test_only_the_latest_assignment_can_write_the_outcome(play, chore):
    async def scenario(bench):
        await bench.add(1)
        book = MissionBook(bench.store, clock=bench.world.clock, telemetry=bench.telemetry)
        [pending] = [claim async for claim in book.standing(DEFAULT_TENANT, PENDING)]
        [(stale, _)] = await book.assign([(pending, Taker("analyst-1.1", "", None))])
        assert await book.assign([(pending, Taker("analyst-2.1", "", None))]) == []
        await book.again(stale, "analyst-1.1 was replaced")
        [pending] = [claim async for claim in book.standing(DEFAULT_TENANT, PENDING)]
        [(current, _)] = await book.assign([(pending, Taker("analyst-2.1", "", None))])
        assert await book.hand_over([stale], Taker("analyst-3.1", "", None), "too late") == []
        for write in (book.done, book.failed, book.again, book.unbegun):
            with pytest.raises(Fenced):
                await write(stale, "from the past")
        await book.done(current, "the answer")
        with pytest.raises(Fenced):
            await book.done(current, "once more")
        [mission] = await Missions(bench.store).list(DEFAULT_TENANT, status=DONE)
        assert (mission.agent, mission.attempts, mission.note) == ("analyst-2.1", 2, "the answer")

    play(scenario)


@pytest.mark.slow
@pytest.mark.requirement("AGT-6")
def test_many_seeds_with_falls_overruns_and_crashes_end_with_every_mission_done_once(bench, chore):
    for seed in range(150):
        crash_at(1 + seed % 17, bench, chore, after=seed % 2 == 0, power_loss=seed % 3 != 0, seed=seed)


class SlowStore:
    """Passes everything on, but its n-th commit takes ten seconds."""

    def __init__(self, inner, slow: int, clock) -> None:
        self._inner = inner
        self._slow = slow
        self._clock = clock
        self.commits = 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    async def commit(self, writes, *, expect=()):
        self.commits += 1
        version = await self._inner.commit(writes, expect=expect)
        if self.commits == self._slow:
            await self._clock.sleep(10.0)
        return version


def test_a_mission_assigned_to_an_agent_that_falls_meanwhile_goes_to_its_successor(play, chore):
    async def scenario(bench):
        async def fall_once(mission):
            await bench.world.clock.sleep(1.0)
            if len(skill.asked) == 1:
                raise ValueError("fell")
            return "fine"

        skill = chore(fall_once)
        await bench.add(1, 2)
        bench.store = SlowStore(bench.store, 2, bench.world.clock)
        async with bench.swarm(skill, agents=1) as swarm:
            await swarm.settled()
        assert await bench.standing() == {DONE: 2}
        assert sorted(m.attempts for m in await bench.missions()) == [1, 2]

    play(scenario)


def test_a_mission_assigned_while_the_swarm_begins_to_stop_is_not_begun(play, chore):
    async def scenario(bench):
        async def fine(mission):
            return "fine"

        skill = chore(fine)
        await bench.add(1)
        bench.store = SlowStore(bench.store, 1, bench.world.clock)
        swarm = bench.swarm(skill)
        await swarm.start()
        await bench.world.clock.sleep(1.0)
        assert await swarm.drain(5.0) == 0
        await bench.world.clock.sleep(30.0)
        assert skill.asked == []
        [mission] = await bench.missions()
        assert (mission.status, mission.attempts) == (PENDING, 0)
        await swarm.stop()

    play(scenario)


class DoubtfulStore:
    """Passes everything on, but its n-th commit takes place and says that it failed."""

    def __init__(self, inner, doubtful: int) -> None:
        self._inner = inner
        self._doubtful = doubtful
        self.commits = 0

    def __getattr__(self, name):
        return getattr(self._inner, name)

    async def commit(self, writes, *, expect=()):
        self.commits += 1
        version = await self._inner.commit(writes, expect=expect)
        if self.commits == self._doubtful:
            raise StorageError("the connection broke")
        return version


def test_a_commit_that_took_place_but_seemed_to_fail_strands_no_mission(play, chore):
    async def scenario(bench, doubtful):
        async def fine(mission):
            await bench.world.clock.sleep(5.0)
            return "fine"

        skill = chore(fine)
        await bench.add(1, 2, 3)
        bench.store = DoubtfulStore(bench.store, doubtful)
        async with bench.swarm(skill) as swarm:
            await swarm.settled()
        assert await bench.standing() == {DONE: 3}
        assert set(skill.times().values()) == {1}
        assert len(await bench.waypoints("mission-done")) == 3

    for doubtful in range(1, 7):
        play(lambda bench, doubtful=doubtful: scenario(bench, doubtful))
