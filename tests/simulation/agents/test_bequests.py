"""Giving missions heirs: many in one commit, and each by its own leave."""

import pytest

from phalanx.agents import MISSIONS, mission_writes
from phalanx.agents._bequests import Bequests
from phalanx.agents._succession_words import BEQUESTS
from phalanx.core import DEFAULT_TENANT, Put, StorageFull
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld
from phalanx.testing.agents import PlainCarrier


class Mail:
    """Two other nodes are there."""

    present = ("east", "south")

    def is_silent(self, process):
        return False


class Watched:
    """A store that is told what happens just before bequests are written, and counts how often they are."""

    def __init__(self, store):
        self._store, self.commits, self.before = store, 0, []

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def commit(self, writes, *, expect=()):
        if any(one.table is BEQUESTS for one in writes):
            self.commits += 1
            if self.before:
                await self.before.pop(0)()
        return await self._store.commit(writes, expect=expect)


def play(scenario, finding, missions):
    async def main(world):
        store = Watched(world.store("disk"))
        for n in range(missions):
            await store.commit(mission_writes(finding(n), at_ns=world.clock.wall_ns(), skill="chore"))
        bequests = Bequests(store, Mail(), PlainCarrier(), clock=world.clock, telemetry=Telemetry(world.clock))
        await bequests.open()
        await scenario(store, bequests, await store.scan(MISSIONS, DEFAULT_TENANT))

    SimWorld(3).run(main)


async def heirs(store):
    return [row.key for row in await store.scan(BEQUESTS, DEFAULT_TENANT)]


@pytest.mark.requirement("AGT-6")
def test_many_missions_get_heirs_in_few_commits(finding):
    async def scenario(store, bequests, missions):
        await bequests.bequeath()
        assert await heirs(store) == [row.key for row in missions]
        assert store.commits == 2, "a hundred and fifty missions are two pages"
        known = bequests.estate.known
        assert len(known) == 150
        assert all(one.durable and one.is_offered for one in known.values())

    play(scenario, finding, 150)


@pytest.mark.requirement("AGT-6")
def test_missions_that_went_on_meanwhile_do_not_keep_the_others_from_an_heir(finding):
    async def scenario(store, bequests, missions):
        went_on = [missions[7], missions[3]]

        async def go_on():
            row = went_on[store.commits - 1]
            index = await store.index_of(MISSIONS, DEFAULT_TENANT, row.key)
            await store.commit([Put(MISSIONS, DEFAULT_TENANT, row.key, row.value, index)])

        store.before = [go_on, go_on]
        await bequests.bequeath()
        gone = {row.key for row in went_on}
        assert await heirs(store) == [row.key for row in missions if row.key not in gone]
        assert store.commits == 3
        assert not gone & set(bequests.estate.known), "these may be worked on, and are given in the next round"
        assert all(bequests.may_begin(key) for key in gone)
        await bequests.bequeath()
        assert await heirs(store) == [row.key for row in missions]

    play(scenario, finding, 10)


@pytest.mark.requirement("AGT-6")
@pytest.mark.parametrize("first_goes_on", [True, False])
def test_an_heir_that_is_left_out_meanwhile_is_given_nothing(finding, first_goes_on):
    async def scenario(store, bequests, missions):
        put = []

        async def leave_out():
            if first_goes_on:
                row = missions[0]
                index = await store.index_of(MISSIONS, DEFAULT_TENANT, row.key)
                await store.commit([Put(MISSIONS, DEFAULT_TENANT, row.key, row.value, index)])
            put.extend(bequests.estate.lines["east"].missions)
            await bequests.heirs.disown("east")

        store.before = [leave_out]
        await bequests.bequeath()
        gone = {*put, missions[0].key} if first_goes_on else {*put}
        assert put
        assert store.commits == 3, "of which one is the leaving out, and the last is without them or takes them out"
        assert await heirs(store) == [row.key for row in missions if row.key not in gone]
        assert sorted(bequests.estate.known) == await heirs(store)
        assert all(one.record.heir == "south" and one.is_offered for one in bequests.estate.known.values())
        await bequests.bequeath()
        assert await heirs(store) == [row.key for row in missions], "and they have heirs in the next round"

    play(scenario, finding, 10)


@pytest.mark.requirement("AGT-6")
def test_what_could_not_be_written_is_given_to_nobody(finding):
    async def scenario(store, bequests, missions):
        async def full():
            raise StorageFull("disk")

        store.before = [full]
        with pytest.raises(StorageFull):
            await bequests.bequeath()
        assert await heirs(store) == []
        assert bequests.estate.known == {}
        assert bequests.estate.counts() == {"east": 0, "south": 0}
        await bequests.bequeath()
        assert await heirs(store) == [row.key for row in missions]

    play(scenario, finding, 10)


@pytest.mark.requirement("AGT-6")
def test_a_mission_whose_end_is_being_written_gets_no_heir(finding):
    async def scenario(store, bequests, missions):
        [row] = missions
        bequests._ending[row.key] += 1
        await bequests.bequeath()
        assert await heirs(store) == []
        assert store.commits == 0

    play(scenario, finding, 1)
