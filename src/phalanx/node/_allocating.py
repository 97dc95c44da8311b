"""Where a node's circuits go, and the calendar of its resources: devices and workers can be booked from the start."""

from phalanx.allocation import Bookable, Placements, PolicyContext, Reservations
from phalanx.core import AlertSink, Store
from phalanx.devices import JOBS_AT_ONCE, Fleet
from phalanx.node._plugins import provided_policies
from phalanx.node._ports import Ports
from phalanx.node._settings import Settings

WORKERS = "workers"


def opened_placements(settings: Settings, ports: Ports, fleet: Fleet, alerts: AlertSink) -> Placements:
    """The policy that the settings name, over the node's fleet. Raises ``InvalidInput`` when there is none such."""
    wanted = settings.allocation
    policies = provided_policies(PolicyContext(fidelity=wanted.fidelity, time=wanted.time, money=wanted.money), alerts)
    return Placements(
        fleet, ports.clock, ports.offload, policies, policy=wanted.policy, k=wanted.laid_out, slots=JOBS_AT_ONCE
    )


async def opened_reservations(settings: Settings, ports: Ports, store: Store, fleet: Fleet) -> Reservations:
    """The calendar in ``store``; what this node brings is declared unless somebody has said otherwise."""
    made = Reservations(store, ports.clock, ports.ids)
    known = {one.name for one in await made.resources()}
    brought = [Bookable(name=device.name) for device in fleet.devices()]
    workers = settings.node.workers
    brought.append(Bookable(name=WORKERS, capacity=workers, reserve=min(1, workers - 1), kind="workers"))
    for one in brought:
        if one.name not in known:
            await made.declare(one)
    return made
