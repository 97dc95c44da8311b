"""What runs in a node besides its swarm, started in order."""

from collections.abc import Callable, Coroutine, Sequence

from phalanx.core import GIB, Clock, InvalidInput
from phalanx.devices import watch_devices, watch_workers
from phalanx.intel import EventLog
from phalanx.node._limits import RETENTION_EVERY_S
from phalanx.node._node import Node
from phalanx.node._ports import Ports
from phalanx.node._services import Services
from phalanx.node.custody._identities import keep_identities
from phalanx.node.custody._sealing import anchor_daily, seal_often
from phalanx.node.custody._vault import Erasable, keep_vault
from phalanx.node.detection._connectors import start_delivery
from phalanx.node.detection._detection import start_detection
from phalanx.node.detection._indicators import start_indicators
from phalanx.node.quantum._calculating import compile_ahead
from phalanx.node.quantum._prewarming import start_foresight
from phalanx.node.settings._settings import Settings
from phalanx.telemetry import Telemetry


def start_services(
    node: Node, ports: Ports, services: Services, watch_space: Callable[[], Coroutine[None, None, None]]
) -> None:  # fmt: skip
    """What runs beside the swarm for as long as the node does."""
    settings, telemetry, clock = node.settings, node.telemetry, node.clock
    services.start("storage-watch", watch_space)
    start_indicators(node.indicators, node.sentinel, ports, telemetry, services)
    start_detection(node.detection, node.sentinel, services)
    services.start("sentinel", node.sentinel.run)
    if node.archive is not None:
        node.archive.start(services, node.sentinel)
    if settings.intake.rules_dir is not None and settings.detection.reload_s > 0:
        services.start("rules", node.rules.run)
    start_delivery(node.delivery, services)
    services.start("retention", lambda: _retain(node.events, settings, clock))
    keep_identities(node.identities, node.swarm, services)
    services.start("migration", node.migration.run)
    services.start("artefacts", node.artefacts.run)
    services.start("vault", lambda: keep_vault(node.vault, node.store, _kept_files(node), node.ledger))
    services.start("noise", node.noise.run)
    services.start("balancing", node.balancing.run)
    services.start("workflows", node.engine.serve)
    if (kernels := ports.kernels) is not None:
        services.start("kernels", lambda: compile_ahead(kernels))
    services.start("workers", node.workflow_workers.crew.serve)
    start_foresight(node, ports, services)
    services.start("batches", node.batches.run)
    services.start("device-jobs", node.jobs.run)
    services.start(
        "device-watch",
        lambda: watch_devices(
            node.fleet, node.device_history, clock, node.alerts, node.jobs.reconsider, node.device_limits.look
        ),
    )
    services.start("uptime", node.reports.uptime.run)
    _watch_worker(node, ports, services)
    services.start("ledger-seal", lambda: seal_often(node.ledger, telemetry, clock))
    node.sharing.start(services, clock)
    services.start("ledger-anchor", lambda: anchor_daily(node.ledger, node.anchors, ports, telemetry))
    node.vouching.start(services)
    if settings.otlp.endpoint:
        _start_otlp(settings, telemetry, services)


def _watch_worker(node: Node, ports: Ports, services: Services) -> None:
    """Say how this machine is, where its operating system tells."""
    host, name = ports.host, node.settings.node.name
    if host is not None:
        services.start(
            "worker-watch",
            lambda: watch_workers(node.workers, name, host.read, node.clock, node.offload, node.alerts),
        )


def _kept_files(node: Node) -> Sequence[Erasable]:
    """What holds files of tenants beside the store."""
    return [node.artefacts] if node.archive is None else [node.artefacts, node.archive]


async def _retain(events: EventLog, settings: Settings, clock: Clock) -> None:
    """Drop the oldest raw events beyond what the settings keep, for as long as the node runs."""
    while True:
        await events.retain(int(settings.intake.retention_gib * GIB))
        await clock.sleep(RETENTION_EVERY_S)


def _start_otlp(settings: Settings, telemetry: Telemetry, services: Services) -> None:
    from phalanx.adapters import OtlpExporter

    if not settings.otlp.endpoint.startswith(("http://", "https://")):
        raise InvalidInput("otlp.endpoint", f"{settings.otlp.endpoint!r} is not an http address")
    exporter = OtlpExporter(telemetry, settings.otlp.endpoint, node=settings.node.name)
    services.start("otlp", lambda: exporter.run(settings.otlp.interval_s))
