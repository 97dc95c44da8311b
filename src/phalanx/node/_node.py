"""The wiring: every service of a node, built in order, torn down in reverse.

Read ``build_node`` from top to bottom to see what depends on what.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from phalanx.adapters.providers import provider_secret
from phalanx.agents import Missions, Skill, Swarm, Toolbox
from phalanx.allocation import Placements, Reservations
from phalanx.allocation.forecasts import Forecasts
from phalanx.allocation.limits import DeviceLimits
from phalanx.allocation.money import Budgets
from phalanx.allocation.reports import Reports
from phalanx.balancing import Balancing
from phalanx.consensus import Archive
from phalanx.core import (
    DEFAULT_TENANT,
    Blobs,
    Clock,
    IdSource,
    InvalidInput,
    Journal,
    Journals,
    Offload,
    Store,
    TenantId,
    Waypoint,
    decode,
)
from phalanx.crypto.artefacts import Artefacts
from phalanx.crypto.entropy import NoiseWatch
from phalanx.crypto.identity import Identities
from phalanx.crypto.sharing import Escrows
from phalanx.crypto.vault import MigrationJob, SealedStore, Vault
from phalanx.devices import Fleet, History, Jobs, ProviderContext, Workers
from phalanx.incidents import Cases, Incidents, Responses
from phalanx.intel import ArchiveHunts, ChunkSeals, EventLog, Findings, Intake, Judgements, OwnEvents, Sentinel
from phalanx.intel.delivery import Delivery
from phalanx.intel.indicators import Indicators
from phalanx.ledger import Anchors, Ledger
from phalanx.messaging import Bus
from phalanx.node._bus import opened_bus
from phalanx.node._guard import SpaceWatch, WatchedBlobs, WatchedJournals, WatchedStore
from phalanx.node._limits import MAX_STORY_WAYPOINTS, SETTLED_POLL_S
from phalanx.node._plugins import provided_fleet
from phalanx.node._ports import Ports
from phalanx.node._roles import detection_rules, probes_of, skills_by_rule, skills_for
from phalanx.node._services import Health, Services
from phalanx.node._starting import start_services
from phalanx.node._swarm import load_work, opened_swarm, provide_tools
from phalanx.node.canaries._probing import Probes
from phalanx.node.cluster._assembly import Assembly
from phalanx.node.cluster._cluster import Cluster
from phalanx.node.council._responding import opened_responses
from phalanx.node.custody._entropy import watch_noise
from phalanx.node.custody._identities import opened_identities
from phalanx.node.custody._sealing import require_allowed, seal
from phalanx.node.custody._vault import TenantSealers, opened_vault
from phalanx.node.custody._vouching import Vouching, build_vouching
from phalanx.node.detection._archive import EventArchive, opened_events, opened_hunts, opened_migration
from phalanx.node.detection._connectors import opened_delivery, opened_telling
from phalanx.node.detection._detection import Detection, opened_detection
from phalanx.node.detection._indicators import SharedValues, opened_indicators
from phalanx.node.detection._rules import Rules, opened_rules
from phalanx.node.detection._sharing import Sharing, opened_sharing
from phalanx.node.managers._managed import ManagedReservations, ManagedWork
from phalanx.node.quantum._allocating import Allotted, opened_allotments, opened_placements
from phalanx.node.quantum._batching import Batches
from phalanx.node.quantum._calculating import calculating
from phalanx.node.quantum._routing import Routing
from phalanx.node.settings._settings import Settings
from phalanx.node.workers._workers import WorkflowWorkers
from phalanx.node.workers._workflows import NodeWorkflows, opened_workflows, use_desk
from phalanx.telemetry import WAYPOINTS, Alerts, LogSink, Telemetry, discard, in_order
from phalanx.trust import Principal, Role, Tokens
from phalanx.workflows import Assessments, Engine

_LOCAL_OPERATOR = Principal("local operator", DEFAULT_TENANT, Role.ADMIN)


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


@contextlib.asynccontextmanager
async def build_node(
    settings: Settings, ports: Ports, *, log_sink: LogSink = discard, host_names: Mapping[str, str] | None = None,
    besides: Sequence[Skill] = (),
) -> AsyncIterator[Node]:  # fmt: skip
    """Run a node for the length of the block, then drain it. ``host_names`` are by address, ``besides`` more skills."""
    require_allowed(settings)
    clock, offload, telemetry = ports.clock, ports.offload, _telemetry(settings, ports.clock, log_sink)
    alerts = Alerts(telemetry)
    space, services = SpaceWatch(clock, alerts), Services(clock, telemetry, alerts)
    watched, journals = WatchedStore(ports.store, space), WatchedJournals(ports.journals, space)
    async with contextlib.AsyncExitStack() as stack:
        noise = await watch_noise(ports, alerts, telemetry)  # the vault comes first: a wrong key must not get far
        vault, store = await stack.enter_async_context(opened_vault(settings, ports, watched, telemetry))
        seals, telling = ChunkSeals(vault, seals=settings.at_rest.seal), await opened_telling(settings, ports, store)
        ledger_journal, intake_journal, probe_journal = [
            await stack.enter_async_context(_opened(opener, name))
            for opener, name in ((journals, "ledger"), (journals, "intake"), (ports.journals, "space-probe"))
        ]
        ledger = await Ledger.open(
            ledger_journal, store, ports.signer, clock=clock, telemetry=telemetry, entropy=ports.entropy,
            offload=offload, sealers=TenantSealers(vault, seals=settings.at_rest.seal),
        )  # fmt: skip
        stack.push_async_callback(ledger.close)
        stack.push_async_callback(seal, ledger, telemetry)
        vouching = await build_vouching(settings, ports, store, ledger, telemetry, alerts)
        fleet, placements, budgets, jobs, routing = await _devices(settings, ports, store, telemetry, alerts, ledger)
        workflows = await opened_workflows(settings, ports, telling.store, telemetry, alerts, fleet, placements)
        intake = await _intake(settings, ports, intake_journal, store, seals, telemetry)
        stack.push_async_callback(intake.close)
        findings, work = Findings(store), load_work(alerts, besides)
        log = opened_events(settings, ports, space, store, vault, intake, telemetry, alerts, ledger)
        identities = await opened_identities(settings, ports, store, vault, ledger, telemetry, alerts, work)
        line = opened_bus(settings, ports, journals, store, identities, ledger, telemetry, alerts, services)
        toolbox, (bus, cluster) = Toolbox(), await stack.enter_async_context(line)
        archive, indicators = Archive(store, ledger, clock), await opened_indicators(settings, ports, store)
        swarm = opened_swarm(settings, ports, store, identities, bus, cluster, ledger, toolbox, telemetry, alerts, work)
        artefacts = _artefacts(settings, ports, WatchedBlobs(ports.blobs, space), store, vault, ledger, telemetry)
        responses, assembly = opened_responses(
            settings, ports, archive, telling.store, ledger, vault, swarm, identities, bus, cluster, telemetry,
            alerts, services)  # fmt: skip
        desk = fleet, placements, jobs, budgets, ledger
        allotted = await opened_allotments(settings, ports, store, desk, (bus, cluster), services, telemetry)
        sentinel = await _sentinel(settings, ports, intake, telling.store, telemetry, swarm, work[0], host_names or {})
        node = Node(
            settings=settings, clock=clock, ids=ports.ids, offload=offload, store=store, telemetry=telemetry,
            alerts=alerts, tokens=Tokens(store, ports.entropy, clock), intake=intake, sentinel=sentinel, jobs=jobs,
            judgements=Judgements(store, clock, ledger, OwnEvents(intake, clock), lambda: sentinel.rules.patterns),
            events=log[0], archive=log[1], findings=findings, bus=bus, cluster=cluster, assembly=assembly, swarm=swarm,
            hunts=opened_hunts(log, findings, sentinel, store, ledger, ports, indicators), indicators=indicators,
            assessments=Assessments(store), responses=responses, cases=Cases(store), noise=noise, vault=vault,
            balancing=_balancing(settings, ports, telemetry, swarm, workflows.engine), _allotted=allotted,
            migration=opened_migration(vault, store, clock, telemetry, artefacts, log[1]), placements=placements,
            escrows=Escrows(watched, ledger, clock, ports.signer, policy=settings.crypto.policy), vouching=vouching,
            agreements=archive, anchors=Anchors(store, offload, clock), artefacts=artefacts, fleet=fleet, ledger=ledger,
            engine=workflows.engine, identities=identities, probes=probes_of(settings, telemetry), workflows=workflows,
            sharing=opened_sharing(settings, ports, store, ledger, SharedValues(indicators)), routing=routing,
            delivery=await opened_delivery(settings, ports, store, telling, intake, telemetry, alerts, stack),
            incidents=Incidents(telling.store, ledger, clock, offload, ports.processes, host_names or {}),
            rules=opened_rules(settings, ports, sentinel, alerts, ledger), local_operator=_LOCAL_OPERATOR,
            _space=space, _services=services, budgets=budgets, detection=await opened_detection(ports, store, ledger),
        )  # fmt: skip
        use_desk(node, ports)
        provide_tools(toolbox, node, ports)
        await swarm.start()
        stack.push_async_callback(swarm.stop, settings.node.drain_s)
        start_services(node, ports, services, lambda: space.watch(ports.store, probe_journal))
        # Pushed last, so run first: nobody waits for updates and no service restarts while the node goes down.
        stack.push_async_callback(services.stop)
        stack.callback(telemetry.feed.close)
        yield node


async def _intake(
    settings: Settings, ports: Ports, journal: Journal, store: Store, seals: ChunkSeals, telemetry: Telemetry
) -> Intake:
    return await Intake.open(
        journal, store, clock=ports.clock, ids=ports.ids, telemetry=telemetry,
        max_backlog_events=settings.intake.max_backlog_events, seals=seals,
    )  # fmt: skip


def _artefacts(
    settings: Settings, ports: Ports, blobs: Blobs, store: Store, vault: Vault, ledger: Ledger, telemetry: Telemetry
) -> Artefacts:
    return Artefacts(
        blobs, store, vault, ledger,
        clock=ports.clock, entropy=ports.entropy, telemetry=telemetry, bounds=settings.artefacts.bounds,
    )  # fmt: skip


async def _sentinel(
    settings: Settings, ports: Ports, intake: Intake, store: Store, telemetry: Telemetry, swarm: Swarm,
    skills: Sequence[Skill], host_names: Mapping[str, str],
) -> Sentinel:  # fmt: skip
    return Sentinel(
        intake, store, await ports.offload.run(detection_rules, settings),
        clock=ports.clock, telemetry=telemetry, on_missions=swarm.wake,
        skills=skills_for("finding", skills), serious_skills=skills_for("serious-finding", skills),
        probe_skills=skills_for("probe", skills), rule_skills=skills_by_rule(skills),
        host_names={**await _host_names(settings, ports), **host_names},
    )  # fmt: skip


def _balancing(settings: Settings, ports: Ports, telemetry: Telemetry, swarm: Swarm, engine: Engine) -> Balancing:
    """What spreads missions over agents and circuits over devices."""
    wanted = settings.balancing
    made = Balancing(
        ports.clock, ports.offload, telemetry, beat_s=wanted.beat_s, plan_from_per_s=wanted.plan_from_per_s,
        compiler=ports.kernels,
    )  # fmt: skip
    made.add(swarm.pool, swarm.move)
    made.add(engine.pool)
    return made


def _telemetry(settings: Settings, clock: Clock, log_sink: LogSink) -> Telemetry:
    telemetry = Telemetry(clock, log_sink=log_sink, level=settings.log.level)
    telemetry.log = telemetry.log.bind(node=settings.node.name)
    return telemetry


async def _devices(
    settings: Settings, ports: Ports, store: Store, telemetry: Telemetry, alerts: Alerts, ledger: Ledger
) -> tuple[Fleet, Placements, Budgets, Jobs, Routing]:  # fmt: skip
    aside, ports = ports.offload, calculating(ports, telemetry)
    options, folder = settings.devices.options, settings.node.data_dir
    secret, hardware = provider_secret(options, folder), frozenset(settings.devices.hardware)
    context = ProviderContext(ports.offload, ports.clock, hardware, options, secret, folder, aside)
    fleet = provided_fleet(context, alerts)
    placements = await opened_placements(settings, ports, store, fleet, alerts, ledger)
    budgets = Budgets(store, ports.clock, fleet, ports.offload)
    jobs = Jobs(store, ports.clock, ports.ids, fleet, telemetry, placements, budgets, ledger, ports.offload)
    routing = Routing(fleet, jobs, budgets, ports.offload, ports.clock, placements.booked, placements.limits)
    return fleet, placements, budgets, jobs, routing


@contextlib.asynccontextmanager
async def _opened(journals: Journals, name: str) -> AsyncIterator[Journal]:
    journal = await journals.open(name)
    try:
        yield journal
    finally:
        await journal.close()


async def _host_names(settings: Settings, ports: Ports) -> dict[str, str]:
    """Names by address from the inventory: lines of ``address name [alias …]``, as in /etc/hosts."""
    file = settings.intake.hosts_file
    if file is None:
        return {}
    try:
        lines = (await ports.offload.run(file.read_text)).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("intake.hosts_file", f"{file} cannot be read: {error}") from error
    names: dict[str, str] = {}
    for line in lines:
        address, name, *aliases = [*line.partition("#")[0].split(), "", ""]
        if name:
            names |= dict.fromkeys(filter(None, (address, *aliases)), name)
    return names
