"""The beat of a node's pools on virtual time."""

import math

import pytest

from phalanx.balancing import Balancing, Operation, OperationKind, Pool, Resource
from phalanx.core import NotFound
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld


def make_pool(name="p"):
    kinds = [OperationKind(name="work", work={"cpu": 1.0})]
    return Pool(name, kinds, [Resource(name="a", kind="cpu"), Resource(name="b", kind="cpu")])


def show_targets(service):
    return service.views()[0].resources[0].target


@pytest.mark.parametrize("plan_from_per_s", [0.0, math.inf])
def test_beats_plan_and_move_what_waits_in_the_wrong_place(plan_from_per_s):
    asked = []

    async def main(world):
        pool = make_pool()
        service = Balancing(
            world.clock, world.offload, Telemetry(world.clock), beat_s=2.0, plan_from_per_s=plan_from_per_s
        )

        async def mover(move):
            asked.append(move)
            return pool.withdraw(move.operation, 0.0)

        service.add(pool, mover)
        service.add(make_pool("other"))
        for j in range(4):
            pool.place(Operation(id=str(j), kind="work", eligible=frozenset({"a"})), 0.0)
        pool._allowed.clear()
        for ticket in pool.tickets.values():
            ticket.operation = Operation(id=ticket.operation.id, kind="work")
        task = world.loop.create_task(service.run())
        await world.clock.sleep(7.0)
        task.cancel()
        assert (pool.plan.bound > 0) == (plan_from_per_s == 0), "without a solver work is split by speed"
        assert show_targets(service) > 0
        assert [view.name for view in service.views()] == ["p", "other"]
        assert service.placements("p")[0].operation == "3"
        with pytest.raises(NotFound, match="pool"):
            service.pool("nobody's")

    world = SimWorld(3)
    world.run(main)
    assert {move.source for move in asked} == {"a"}
    assert {move.target for move in asked} == {"b"}
