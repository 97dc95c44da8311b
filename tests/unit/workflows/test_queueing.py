"""Places at devices: who did not have to wait for one did not wait."""

import asyncio

import pytest

from phalanx.balancing import Operation, OperationKind, Pool, Resource
from phalanx.testing import SimWorld
from phalanx.workflows._queueing import Queueing


class Ticking:
    """A clock on which every look at it takes a moment, as on a machine."""

    def __init__(self):
        self.now_ns = 0

    def monotonic_ns(self):
        self.now_ns += 1_000
        return self.now_ns


def pool_of(places):
    kinds = [OperationKind(name="circuit", work={"qpu": 1.0})]
    return Pool("devices", kinds, [Resource(name="device", kind="qpu")], capacities={"device": places})


def operation(name):
    return Operation(id=name, kind="circuit")


def test_who_has_a_place_at_once_has_waited_for_nothing():
    async def main(world):
        ticket, waited_s = await Queueing(pool_of(1), Ticking()).placed(operation("one"), 1.0)
        assert ticket.operation.id == "one"
        assert waited_s == 0.0

    SimWorld(1).run(main)


@pytest.mark.parametrize("freed_after_s", [1.5, 2.0])
def test_who_waits_for_a_place_is_told_how_long_it_was(freed_after_s):
    """Also where the place is freed in the very moment in which it is looked for once more."""

    async def main(world):
        queueing = Queueing(pool_of(1), world.clock)
        await queueing.placed(operation("one"), 1.0)
        queueing.start("one")
        second = asyncio.ensure_future(queueing.placed(operation("two"), 10.0))
        await world.clock.sleep(freed_after_s)
        queueing.finish("one", ok=True)
        _, waited_s = await second
        assert waited_s == pytest.approx(freed_after_s, abs=0.6)

    SimWorld(1).run(main)
