"""The engine of a node: what can be run comes from plug-ins and from files that users brought."""

from phalanx.allocation import Placements
from phalanx.core import AlertSink, Store
from phalanx.devices import Fleet
from phalanx.node._plugins import ANALYSES, OPERATIONS, load_plugins, registered
from phalanx.node._ports import Ports
from phalanx.node._settings import Settings
from phalanx.telemetry import Telemetry
from phalanx.workflows import Definitions, Engine
from phalanx.workflows.operations import BUILT_IN, Operation


def registered_operations() -> list[Operation]:
    """Those that come with the package, and those of plug-ins. Raises what a plug-in does."""
    return [*BUILT_IN, *(entry.load() for entry in registered(OPERATIONS))]


async def opened_workflows(
    settings: Settings, ports: Ports, store: Store, telemetry: Telemetry, alerts: AlertSink, fleet: Fleet,
    placements: Placements,
) -> Definitions:  # fmt: skip
    """An engine that knows everything there is to run, and the definitions that it knows them from."""
    engine = Engine(
        store, ports.clock, telemetry, fleet, ports.offload, ports.rng.child("workflows"),
        name=settings.node.name, processes=ports.processes, chooser=placements,
        breakers=placements.breakers,
    )  # fmt: skip
    definitions = Definitions(store, ports.clock, telemetry, engine)
    load_plugins(ANALYSES, alerts, engine.register)
    load_plugins(OPERATIONS, alerts, definitions.accept)
    await definitions.load()
    return definitions
