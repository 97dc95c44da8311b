"""What detection needs beside rules and indicators: places of networks."""

from dataclasses import dataclass

from phalanx.core import AuditSink, Store
from phalanx.intel.places import Places
from phalanx.node._ports import Ports


@dataclass(frozen=True, slots=True)
class Detection:
    """What people tell detectors."""

    places: Places


async def opened_detection(ports: Ports, store: Store, ledger: AuditSink) -> Detection:
    """As the store has it."""
    places = Places(store, ports.clock, ports.offload, ledger)
    await places.open()
    return Detection(places)
