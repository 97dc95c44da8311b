"""What people tell detectors: where networks are, where thresholds stand, which models are asked."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phalanx.core import AuditSink, Store
from phalanx.intel import Thresholds
from phalanx.intel.models import ModelDetector, Models
from phalanx.intel.places import Places
from phalanx.node._ports import Ports
from phalanx.node._services import Services

if TYPE_CHECKING:
    from phalanx.node._node import Node


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


def start_detection(node: "Node", services: Services) -> None:
    """Before the first event is read, know what people want of detectors; and tell the ledger what moved."""
    node.sentinel.join(ModelDetector(node.detection.models))
    node.sentinel.steer(node.detection.thresholds.steering)
    services.start("thresholds", node.detection.thresholds.run)
