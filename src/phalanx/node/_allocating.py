"""The calendar of a node's resources: its devices and its workers can be booked from the start."""

from phalanx.allocation import Bookable, Reservations
from phalanx.core import Store
from phalanx.devices import Fleet
from phalanx.node._ports import Ports
from phalanx.node._settings import Settings

WORKERS = "workers"


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
