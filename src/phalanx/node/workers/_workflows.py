"""A node's workflow engine: what it can run comes from plug-ins and from files that users uploaded."""

from phalanx.allocation import Placements
from phalanx.core import AlertSink, Clock, Store
from phalanx.devices import Fleet
from phalanx.node._plugins import ANALYSES, OPERATIONS, load_plugins, registered
from phalanx.node._ports import Ports
from phalanx.node.settings._settings import Settings
from phalanx.node.workers._workers import WorkflowWorkers, opened_workers
from phalanx.telemetry import Telemetry
from phalanx.workflows import Definitions, Engine, portable
from phalanx.workflows.operations import BUILT_IN, Operation
from phalanx.workflows.workers import Functions


def registered_operations() -> list[Operation]:
    """Those that come with the package, and those of plug-ins. Raises what a plug-in does."""
    return [*BUILT_IN, *(entry.load() for entry in registered(OPERATIONS))]


def registered_functions() -> Functions:
    """What a worker on this machine can be asked for. Raises what a plug-in does."""
    return portable(registered_operations(), [entry.load() for entry in registered(ANALYSES)])


class NodeWorkflows(Definitions):
    """What can be run here, and the ``workers`` that help."""

    def __init__(
        self, store: Store, clock: Clock, telemetry: Telemetry, engine: Engine, workers: WorkflowWorkers
    ) -> None:
        super().__init__(store, clock, telemetry, engine)
        self.workers = workers


async def opened_workflows(
    settings: Settings, ports: Ports, store: Store, telemetry: Telemetry, alerts: AlertSink, fleet: Fleet,
    placements: Placements,
) -> NodeWorkflows:  # fmt: skip
    """An engine that knows everything there is to run, the definitions that it knows them from, and its workers."""
    workers = await opened_workers(settings, ports, store, telemetry)
    engine = Engine(
        store, ports.clock, telemetry, fleet, ports.offload, ports.rng.child("workflows"),
        name=settings.node.name, processes=ports.processes, chooser=placements,
        breakers=placements.breakers, crew=workers.crew,
    )  # fmt: skip
    definitions = NodeWorkflows(store, ports.clock, telemetry, engine, workers)
    load_plugins(ANALYSES, alerts, engine.register)
    load_plugins(OPERATIONS, alerts, definitions.accept)
    for function in portable(definitions.operations.values(), engine.templates).all:
        workers.crew.functions.add(function)
    await definitions.load()
    return definitions
