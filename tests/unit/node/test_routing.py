"""Routing over the devices of a node: what it knows of their limits."""

import dataclasses

import pytest

from phalanx.allocation import Booked
from phalanx.allocation.limits import DeviceLimits
from phalanx.allocation.money import Budgets
from phalanx.allocation.routing import Aims
from phalanx.core import DEFAULT_TENANT, NS_PER_S
from phalanx.devices import Fleet, Jobs
from phalanx.node.quantum._routing import Routing
from phalanx.quantum import Gates
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld, line_of_three

HOUR_NS = 3_600 * NS_PER_S
BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()


class Machine:
    """Was calibrated so many hours ago."""

    def __init__(self, world, name, error, hours):
        made = line_of_three(name, error)
        at_ns = world.clock.wall_ns() - hours * HOUR_NS
        self.device = dataclasses.replace(
            made, calibration=dataclasses.replace(made.calibration, calibrated_at_ns=at_ns)
        )

    async def run(self, circuit, /, *, shots, seed):
        raise AssertionError("nothing is run here")


class Nobody:
    async def record(self, entry, /):
        raise AssertionError("no limit changes here")


@pytest.mark.requirement("LRN-3", "QRM-10")
@pytest.mark.parametrize(("fresh_h", "chosen"), [(48, "a.new"), (72, "a.old"), (0, "a.old")])
def test_a_machine_older_than_the_limit_of_placement_gives_way(fresh_h, chosen):
    async def main(world):
        store = world.store("node")
        fleet = Fleet([Machine(world, "a.old", 0.001, 60), Machine(world, "a.new", 0.05, 1)])
        limits = DeviceLimits(
            store, world.clock, Nobody(), fresh_ns=fresh_h * HOUR_NS, adaptive_freshness=False, adaptive_queues=False
        )
        jobs = Jobs(store, world.clock, world.ids, fleet, Telemetry(world.clock))
        budgets = Budgets(store, world.clock, fleet, world.offload)
        routing = Routing(fleet, jobs, budgets, world.offload, world.clock, Booked(), limits)
        found = await routing.route(DEFAULT_TENANT, BELL, 100, Aims(worth=10.0))
        assert found.name == chosen
        told = next(one.reason for one in found.ways if one.way.name == "a.old")
        assert ("calibrated 60 h ago, more than 48 h" in told) is (fresh_h == 48)

    SimWorld(5).run(main)
