"""Orders: planned, carried out step by step, and followed to their end through crashes."""

import asyncio

import pytest

from phalanx.agents import MissionStatus, NoPlan, OrderRequest, OrderStatus, Role, SkillManifest, Swarm, Toolbox
from phalanx.core import DEFAULT_TENANT, InvalidInput, NotFound
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld


class Craft:
    """A skill that takes some kinds and leaves others, and says when it was at work."""

    def __init__(self, world, name, takes, leaves, *, do=None, role=Role.ANALYST):
        self.manifest = SkillManifest(name, role, (), takes, leaves, 1.0, (), 60.0)
        self._world, self._do = world, do
        self.began = []

    async def perform(self, mission, tools):
        self.began.append((self._world.loop.time(), mission.subject))
        await self._world.clock.sleep(1.0)
        if self._do is not None:
            await self._do(mission)
        return f"{self.manifest.name} of {mission.subject}"


def crafts(world, *, do=None):
    return [
        Craft(world, "triage", ("finding",), ("assessment",)),
        Craft(world, "expand", ("finding",), ("link",), role=Role.HUNTER, do=do),
        Craft(world, "report", ("assessment", "link"), ("report",)),
    ]


def swarm_of(world, store, skills):
    return Swarm(
        store, clock=world.clock, telemetry=Telemetry(world.clock), rng=world.rng.child("swarm"), toolbox=Toolbox(),
        skills=skills, agents_per_role=2,
    )  # fmt: skip


REPORT = OrderRequest(objective="report on two findings", wanted=("report",), subjects=("f1", "f2"))


async def ended(world, swarm, order):
    while (await swarm.orders.result(DEFAULT_TENANT, order.id)).order.status is OrderStatus.RUNNING:
        await world.clock.sleep(0.5)
    return await swarm.orders.result(DEFAULT_TENANT, order.id)


def played(scenario, seed=1):
    async def main(world):
        return await asyncio.wait_for(scenario(world, world.store("disk")), 3_600)

    return SimWorld(seed).run(main)


@pytest.mark.requirement("AGT-3")
def test_an_order_is_planned_and_each_step_waits_for_what_it_needs():
    async def scenario(world, store):
        skills = crafts(world)
        async with swarm_of(world, store, skills) as swarm:
            order = await swarm.orders.place(DEFAULT_TENANT, REPORT, by="kim")
            assert [(one.skill, one.needs) for one in order.steps] == [
                ("expand", ()), ("triage", ()), ("report", (0, 1)),
                ("expand", ()), ("triage", ()), ("report", (3, 4)),
            ]  # fmt: skip
            result = await ended(world, swarm, order)
        assert (result.order.status, result.order.note) == (OrderStatus.DONE, "6 of 6 steps done")
        assert [one.note for one in result.missions] == [
            f"{skill} of {subject}" for subject in ("f1", "f2") for skill in ("expand", "triage", "report")
        ]
        assert all(one.agent and one.given_ns and one.ended_ns >= one.given_ns for one in result.missions)
        ends = max(at for at, _ in skills[1].began)
        assert min(at for at, _ in skills[2].began) > ends - 1.0
        assert [found.id for found in await swarm.orders.newest(DEFAULT_TENANT)] == [order.id]

    played(scenario)


@pytest.mark.requirement("AGT-3")
def test_an_order_fails_with_its_step_and_begins_nothing_more():
    async def scenario(world, store):
        async def never(mission):
            raise ValueError("no links")

        skills = crafts(world, do=never)
        async with swarm_of(world, store, skills) as swarm:
            order = await swarm.orders.place(DEFAULT_TENANT, REPORT, by="kim")
            result = await ended(world, swarm, order)
        assert result.order.status is OrderStatus.FAILED
        assert "expand of f" in result.order.note
        assert "no links" in result.order.note
        assert skills[2].began == []

    played(scenario)


def test_a_deadline_ends_an_order_that_nobody_can_serve():
    async def scenario(world, store):
        skills = crafts(world)
        request = OrderRequest(
            objective="by somebody perfect", wanted=("assessment",), subjects=("f",), min_trust=1.0, within_s=20.0
        )
        async with swarm_of(world, store, skills) as swarm:
            for place in swarm._roster.places:
                place.failed = 3
            order = await swarm.orders.place(DEFAULT_TENANT, request, by="kim")
            behind = await swarm.orders.place(DEFAULT_TENANT, OrderRequest(
                objective="by anybody", wanted=("assessment",), subjects=("g",)), by="kim")  # fmt: skip
            assert (await ended(world, swarm, behind)).order.status is OrderStatus.DONE
            result = await ended(world, swarm, order)
        assert result.order.status is OrderStatus.FAILED
        assert "its deadline passed" in result.order.note
        assert 20.0 <= (result.order.ended_ns - result.order.at_ns) / 1e9 < 21.5
        assert [one.status for one in result.missions] != [MissionStatus.DONE]

    played(scenario)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"wanted": ("gold",)}, NoPlan),
        ({"wanted": ("finding",)}, NoPlan),
        ({"wanted": ()}, NoPlan),
        ({"subjects": ()}, InvalidInput),
        ({"subjects": ("f", "f")}, InvalidInput),
        ({"objective": ""}, InvalidInput),
        ({"min_trust": 1.5}, InvalidInput),
    ],
)
def test_what_cannot_be_ordered_is_refused_and_writes_nothing(changes, error):
    async def scenario(world, store):
        import msgspec

        async with swarm_of(world, store, crafts(world)) as swarm:
            with pytest.raises(error):
                await swarm.orders.place(DEFAULT_TENANT, msgspec.structs.replace(REPORT, **changes), by="kim")
            assert await swarm.orders.newest(DEFAULT_TENANT) == []
            with pytest.raises(NotFound):
                await swarm.orders.result(DEFAULT_TENANT, "none")

    played(scenario)


@pytest.mark.requirement("AGT-3")
@pytest.mark.parametrize("seed", range(8))
def test_an_order_survives_crashes_of_its_node(seed):
    async def main(world):
        node, placed = world.node("n"), []

        async def life(this):
            store = world.store(this.name)
            async with swarm_of(world, store, crafts(world)) as swarm:
                if not await swarm.orders.newest(DEFAULT_TENANT):
                    await swarm.orders.place(DEFAULT_TENANT, REPORT, by="kim")
                [order] = await swarm.orders.newest(DEFAULT_TENANT)
                placed.append(order.id)
                result = await ended(world, swarm, order)
                assert result.order.status is OrderStatus.DONE
                return [one.note for one in result.missions]

        rng = world.rng.child("crashes")
        running = node.start(life)
        for _ in range(3):
            await world.clock.sleep(rng.uniform(0.05, 1.5))
            if not running.done():
                await node.crash(power_loss=rng.chance(0.5))
                running = node.start(life)
        notes = await running
        assert len(notes) == len(set(notes)) == 6

    SimWorld(seed).run(main)
