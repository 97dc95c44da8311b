"""What people tell detectors: where networks are, which values thresholds have, which models are used."""

from dataclasses import dataclass

from phalanx.core import AuditSink, Store
from phalanx.intel import Sentinel, Thresholds
from phalanx.intel.models import ModelDetector, Models
from phalanx.intel.places import Places
from phalanx.node._ports import Ports
from phalanx.node._services import Services


@dataclass(frozen=True, slots=True)
class Detection:
    """What people tell detectors."""

    places: Places
    thresholds: Thresholds
    models: Models


async def opened_detection(ports: Ports, store: Store, ledger: AuditSink) -> Detection:
    """As the store has it."""
    places = Places(store, ports.clock, ports.offload, ledger)
    await places.open()
    thresholds = Thresholds(store, ports.clock, ledger)
    await thresholds.open()
    models = Models(store, ports.clock, ports.offload, ledger)
    await models.open()
    return Detection(places, thresholds, models)


def start_detection(detection: Detection, sentinel: Sentinel, services: Services) -> None:
    """Before the first event is read, know what people want of detectors; and tell the ledger what moved."""
    sentinel.join(ModelDetector(detection.models))
    sentinel.steer(detection.thresholds.steering)
    services.start("thresholds", detection.thresholds.run)
