"""A running node: its services under the names that API, dashboard and tests use."""

from dataclasses import dataclass
from functools import partial

from phalanx.agents import Missions, Swarm
from phalanx.allocation import Placements, Reservations
from phalanx.allocation.forecasts import Forecasts
from phalanx.allocation.limits import DeviceLimits
from phalanx.allocation.money import Budgets
from phalanx.allocation.reports import Reports
from phalanx.balancing import Balancing
from phalanx.consensus import Archive
from phalanx.core import (
    Clock,
    IdSource,
    Offload,
    TenantId,
    Waypoint,
    decode,
)
from phalanx.crypto.artefacts import Artefacts
from phalanx.crypto.entropy import NoiseWatch
from phalanx.crypto.identity import Identities
from phalanx.crypto.sharing import Escrows
from phalanx.crypto.vault import MigrationJob, SealedStore, Vault
from phalanx.devices import Fleet, History, Jobs, Workers
from phalanx.incidents import Cases, Handling, Incidents, Responses
from phalanx.intel import ArchiveHunts, EventLog, Findings, Intake, Judgements, Sentinel
from phalanx.intel.delivery import Delivery
from phalanx.intel.indicators import ByHand, Indicators
from phalanx.ledger import Anchors, Ledger
from phalanx.messaging import Bus
from phalanx.node._guard import SpaceWatch
from phalanx.node._limits import MAX_STORY_WAYPOINTS, SETTLED_POLL_S
from phalanx.node._services import Health, Services
from phalanx.node.canaries._probing import Probes
from phalanx.node.cluster._assembly import Assembly
from phalanx.node.cluster._cluster import Cluster
from phalanx.node.custody._vouching import Vouching
from phalanx.node.detection._archive import EventArchive
from phalanx.node.detection._detection import Detection
from phalanx.node.detection._rules import Rules
from phalanx.node.detection._sharing import Sharing
from phalanx.node.managers._managed import ManagedReservations, ManagedWork
from phalanx.node.quantum._allocating import Allotted
from phalanx.node.quantum._batching import Batches
from phalanx.node.quantum._routing import Routing
from phalanx.node.settings._settings import Settings
from phalanx.node.workers._workers import WorkflowWorkers
from phalanx.node.workers._workflows import NodeWorkflows
from phalanx.telemetry import WAYPOINTS, Alerts, Telemetry, in_order
from phalanx.trust import Principal, Role, Tokens
from phalanx.workflows import Assessments, Engine


@dataclass(frozen=True, slots=True)
class Node:
    """A running node: its services under the names that API, dashboard and tests use."""

    settings: Settings
    clock: Clock
    ids: IdSource
    offload: Offload
    store: SealedStore
    telemetry: Telemetry
    alerts: Alerts
    tokens: Tokens
    intake: Intake
    sentinel: Sentinel
    rules: Rules
    judgements: Judgements
    detection: Detection
    events: EventLog
    archive: EventArchive | None
    hunts: ArchiveHunts
    findings: Findings
    bus: Bus
    cluster: Cluster | None
    assembly: Assembly | None
    swarm: Swarm
    engine: Engine
    workflows: NodeWorkflows
    balancing: Balancing
    assessments: Assessments
    responses: Responses
    agreements: Archive
    cases: Cases
    incidents: Incidents
    noise: NoiseWatch
    probes: Probes
    vault: Vault
    migration: MigrationJob
    artefacts: Artefacts
    identities: Identities
    ledger: Ledger
    anchors: Anchors
    escrows: Escrows
    vouching: Vouching
    sharing: Sharing
    indicators: Indicators
    delivery: Delivery
    fleet: Fleet
    placements: Placements
    jobs: Jobs
    budgets: Budgets
    routing: Routing
    local_operator: Principal
    _space: SpaceWatch
    _services: Services
    _allotted: Allotted

    @property
    def reservations(self) -> Reservations | ManagedReservations:
        """The calendar, this node's or that of its manager."""
        return self._allotted.reservations

    @property
    def batches(self) -> Batches:
        """Commands that are routed to this machine or to schedulers."""
        return self._allotted.batches

    @property
    def managed(self) -> ManagedWork | None:
        """What another node places and runs for this one, if one is its manager."""
        return self._allotted.managed

    @property
    def handling(self) -> Handling:
        """Who has which incident, and what people say of them."""
        actors = partial(self.tokens.holders, role=Role.OPERATOR)
        return Handling(self.incidents, self.store, self.ledger, self.clock, actors)

    @property
    def by_hand(self) -> ByHand:
        """Indicators that people put and take away."""
        return ByHand(self.indicators, self.ledger, self.clock, self.offload)

    @property
    def reports(self) -> Reports:
        """Who used what, what devices earned, and whether promises were kept."""
        return Reports(self.store, self.clock, self.fleet, self.device_history, self.settings.node.name)

    @property
    def forecasts(self) -> Forecasts:
        """What will arrive, and what will wait."""
        return Forecasts(self.store, self.clock, self.fleet, self.device_history, self.offload)

    @property
    def device_history(self) -> History:
        """What was seen of devices over time."""
        return History(self.store, self.clock)

    @property
    def device_limits(self) -> DeviceLimits:
        """How old calibrations may be, and when queues are long."""
        assert self.placements.limits is not None, "a node's placements have them"
        return self.placements.limits

    @property
    def workers(self) -> Workers:
        """How the machines are that run nodes on this store."""
        return Workers(self.store, self.clock)

    @property
    def read_only(self) -> bool:
        """Storage is full: everything can be looked at, nothing new is accepted."""
        return self._space.read_only

    @property
    def ready(self) -> bool:
        """Whether the node takes events and works on them."""
        # Cut off from other nodes it works on by itself: what is for them waits.
        return all(health.ok for name, health in self.health().items() if name != "line")

    def health(self) -> dict[str, Health]:
        """Each service and how it is doing."""
        full = f"no room left for {self._space.where}"
        storage = Health(ok=not self.read_only, detail=full if self.read_only else "there is room")
        found = self.swarm.health()
        swarm = Health(ok=found.running, detail=found.told)
        entropy = Health(ok=self.noise.sound, detail=self.noise.told())
        canary = Health(ok=self.probes.sound, detail=self.probes.told())
        line = {} if self.cluster is None else {"line": self.cluster.health()}
        kept = {} if self.archive is None else {"archive": self.archive.health()}
        return {
            **self._services.health(), "swarm": swarm, "storage": storage, "entropy": entropy, "canary": canary, **line,
            **kept,
        }  # fmt: skip

    @property
    def workflow_workers(self) -> WorkflowWorkers:
        """Who works for this node besides itself."""
        return self.workflows.workers

    async def story(self, tenant: TenantId, trace: str) -> list[Waypoint]:
        """What happened on the way of one event, in order. ``trace`` may be any event of a finding."""
        found = await self._waypoints(tenant, trace)
        # A later event of a finding leads to the finding; the rest of the way is under its own trace.
        for onward in sorted({waypoint.trace for waypoint in found.values()} - {trace}):
            found |= await self._waypoints(tenant, onward)
        return in_order(found.values())

    async def history(self, tenant: TenantId, mission: str) -> list[Waypoint]:
        """What happened to one mission, in order. Raises ``NotFound``."""
        found = await Missions(self.store).get(tenant, mission)
        told = await self._waypoints(tenant, found.trace)
        return in_order(one for one in told.values() if one.subject == mission)

    async def _waypoints(self, tenant: TenantId, trace: str) -> dict[str, Waypoint]:
        rows = await self.store.find(WAYPOINTS, tenant, "trace", trace, limit=MAX_STORY_WAYPOINTS)
        return {row.key: decode(row.value, Waypoint) for row in rows}

    async def settled(self) -> None:
        """Wait until everything accepted has been analysed and no mission is open."""
        while self.intake.backlog_events or await self.swarm.open_missions():
            await self.clock.sleep(SETTLED_POLL_S)
