"""The beat of a node's pools on virtual time."""

import asyncio
import math

import pytest

from phalanx.balancing import (
    Balancing,
    CapacityDocument,
    Operation,
    OperationKind,
    Pool,
    ProblemDocument,
    Resource,
)
from phalanx.balancing._documents import KindDocument, OperationDocument, ResourceDocument
from phalanx.core import NotFound, Unavailable
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
        pool.eligibility.drifted()
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


PROBLEM = ProblemDocument(
    kinds=(KindDocument(name="work", work={"cpu": 1.0}),),
    resources=(ResourceDocument(name="a", kind="cpu"), ResourceDocument(name="b", kind="cpu")),
    operations=(OperationDocument(kind="work", count=9),),
)
CAPACITY = CapacityDocument(
    kinds=PROBLEM.kinds, resources=PROBLEM.resources, arrivals_per_s={"work": 1.5}, horizon_days=2
)


class Compiler:
    """Is done when it is told, or fails."""

    def __init__(self, *, fails=False):
        self.done = asyncio.Event()
        self.asked = 0
        self._fails = fails

    async def compile(self, *groups):
        assert groups == ("balancing",)
        self.asked += 1
        await self.done.wait()
        if self._fails:
            raise Unavailable("the kernel compiler", "there is none")


@pytest.mark.parametrize("fails", [False, True])
def test_while_kernels_are_compiled_elsewhere_answers_are_plain_and_pools_split_by_speed(fails):
    async def main(world):
        compiler, pool = Compiler(fails=fails), make_pool()
        service = Balancing(
            world.clock, world.offload, Telemetry(world.clock), beat_s=1.0, plan_from_per_s=0.0, compiler=compiler
        )
        service.add(pool)
        pool.place(Operation(id="one", kind="work"), 0.0)
        task = world.loop.create_task(service.run())
        await world.clock.sleep(4.5)
        assert compiler.asked == 0, "the node starts first"
        await world.clock.sleep(5.0)
        assert compiler.asked == 1
        answer = await service.answer(PROBLEM)
        assert "still being compiled" in answer.note
        assert answer.makespan_s == 5.0
        assert (await service.capacity(CAPACITY)).bounds[0] == pytest.approx(0.75, rel=1e-3)
        assert service.views()[0].planning == "split by speed while kernels are compiled"
        compiler.done.set()
        pool.place(Operation(id="two", kind="work"), 0.0)
        await world.clock.sleep(3.0)
        answer = await service.answer(PROBLEM)
        assert bool(answer.note) == service.compiling == fails
        assert service.views()[0].planning.startswith("split by speed" if fails else "planned")
        assert compiler.asked == 1
        task.cancel()

    SimWorld(4).run(main)
