"""The wiring: every service of a node, built in order, torn down in reverse.

Read ``build_node`` from top to bottom to see what depends on what.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence

from phalanx.adapters.providers import provider_secret
from phalanx.agents import Skill, Swarm, Toolbox
from phalanx.allocation import Placements
from phalanx.allocation.forecasts import QueueWaits
from phalanx.allocation.money import Budgets
from phalanx.balancing import Balancing
from phalanx.consensus import Archive
from phalanx.core import (
    DEFAULT_TENANT,
    Blobs,
    Clock,
    InvalidInput,
    Journal,
    Journals,
    Store,
)
from phalanx.crypto.artefacts import Artefacts
from phalanx.crypto.sharing import Escrows
from phalanx.crypto.vault import Vault
from phalanx.devices import Fleet, Jobs, ProviderContext
from phalanx.incidents import Cases, Incidents
from phalanx.intel import ChunkSeals, Findings, Intake, Judgements, OwnEvents, Sentinel
from phalanx.ledger import Anchors, Ledger
from phalanx.node._bus import opened_bus
from phalanx.node._guard import SpaceWatch, WatchedBlobs, WatchedJournals, WatchedStore
from phalanx.node._node import Node
from phalanx.node._plugins import provided_fleet
from phalanx.node._ports import Ports
from phalanx.node._roles import probes_of, skills_by_rule, skills_for
from phalanx.node._services import Services
from phalanx.node._starting import start_services
from phalanx.node._swarm import load_work, opened_swarm, provide_tools
from phalanx.node.backups._settling import settle_jobs, settle_ledger
from phalanx.node.council._responding import opened_responses
from phalanx.node.custody._entropy import watch_noise
from phalanx.node.custody._identities import opened_identities
from phalanx.node.custody._sealing import require_allowed, seal
from phalanx.node.custody._vault import TenantSealers, opened_vault
from phalanx.node.custody._vouching import build_vouching
from phalanx.node.detection._archive import opened_events, opened_hunts, opened_migration
from phalanx.node.detection._connectors import opened_delivery, opened_telling
from phalanx.node.detection._detection import opened_detection
from phalanx.node.detection._indicators import SharedValues, opened_indicators
from phalanx.node.detection._rules import detection_rules, opened_rules
from phalanx.node.detection._sharing import opened_sharing
from phalanx.node.quantum._allocating import opened_allotments, opened_placements
from phalanx.node.quantum._calculating import calculating
from phalanx.node.quantum._routing import Routing
from phalanx.node.settings._settings import Settings
from phalanx.node.workers._workflows import opened_workflows
from phalanx.telemetry import Alerts, LogSink, Telemetry, discard
from phalanx.trust import Principal, Role, Tokens
from phalanx.workflows import Assessments, Desk, Engine

_LOCAL_OPERATOR = Principal("local operator", DEFAULT_TENANT, Role.ADMIN)


@contextlib.asynccontextmanager
async def build_node(
    settings: Settings, ports: Ports, *, log_sink: LogSink = discard, host_names: Mapping[str, str] | None = None,
    besides: Sequence[Skill] = (),
) -> AsyncIterator[Node]:  # fmt: skip
    """Run a node for the duration of the block, then drain it. ``host_names`` are by address, ``besides`` are extra
    skills.
    """
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
        ledger = await _ledger(settings, ports, ledger_journal, store, vault, telemetry)
        stack.push_async_callback(ledger.close)
        stack.push_async_callback(seal, ledger, telemetry)
        vouching = await build_vouching(settings, ports, store, ledger, telemetry, alerts)
        lives_since_ns = await settle_ledger(ports.restored, store, ledger, vouching, alerts)
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
        _use_desk(node, ports, lives_since_ns)
        provide_tools(toolbox, node, ports)
        await swarm.start()
        stack.push_async_callback(swarm.stop, settings.node.drain_s)
        start_services(node, ports, services, lambda: space.watch(ports.store, probe_journal))
        # Pushed last, so it runs first: nobody waits for updates and no service restarts while the node shuts down.
        stack.push_async_callback(services.stop)
        stack.callback(telemetry.feed.close)
        yield node


async def _ledger(
    settings: Settings, ports: Ports, journal: Journal, store: Store, vault: Vault, telemetry: Telemetry
) -> Ledger:
    return await Ledger.open(
        journal, store, ports.signer, clock=ports.clock, telemetry=telemetry, entropy=ports.entropy,
        offload=ports.offload, sealers=TenantSealers(vault, seals=settings.at_rest.seal),
    )  # fmt: skip


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
    # Gates are counted without kernels: a job that needs none must not wait until they are compiled.
    budgets = Budgets(store, ports.clock, fleet, aside)
    jobs = Jobs(store, ports.clock, ports.ids, fleet, telemetry, placements, budgets, ledger, ports.offload)
    await settle_jobs(ports.restored, jobs)
    routing = Routing(fleet, jobs, budgets, ports.offload, ports.clock, placements.booked, placements.limits)
    return fleet, placements, budgets, jobs, routing


def _use_desk(node: Node, ports: Ports, lives_since_ns: int) -> None:
    """Turn circuits of steps into jobs of the node: booked, paid for, and found again after a restart."""
    node.engine.use(Desk(
        node.jobs, node.budgets, node.reservations, node.routing, QueueWaits(node.forecasts, ports.clock),
        clock=ports.clock, ids=ports.ids, offload=calculating(ports, node.telemetry).offload,
        lives_since_ns=lives_since_ns,
    ))  # fmt: skip


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
    except OSError as error:
        raise InvalidInput("intake.hosts_file", f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput("intake.hosts_file", f"{file} is not a text file (UTF-8)") from error
    names: dict[str, str] = {}
    for line in lines:
        address, name, *aliases = [*line.partition("#")[0].split(), "", ""]
        if name:
            names |= dict.fromkeys(filter(None, (address, *aliases)), name)
    return names
