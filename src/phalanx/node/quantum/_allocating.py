"""Where a node's circuits go, and the calendar of its resources: devices and workers can be booked from the start."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from phalanx.allocation import Bookable, Breakers, Learner, Placements, PolicyContext, Reservations, Trials
from phalanx.allocation.limits import DeviceLimits
from phalanx.allocation.money import Budgets, OwnPrices, Prices
from phalanx.core import NS_PER_S, AlertSink, AuditSink, InvalidInput, StorageError, Store, Unavailable
from phalanx.devices import JOBS_AT_ONCE, Fleet, Jobs
from phalanx.messaging import Bus
from phalanx.node._limits import MANAGER
from phalanx.node._plugins import provided_policies
from phalanx.node._ports import Ports
from phalanx.node._services import Services
from phalanx.node.cluster._cluster import Cluster
from phalanx.node.managers._desk import ManagerDesk
from phalanx.node.managers._managed import ManagedReservations, ManagedWork, ManagerLine
from phalanx.node.managers._serving import Manager
from phalanx.node.quantum._batching import Batches, opened_batches
from phalanx.node.quantum._calendar_name import CalendarName
from phalanx.node.settings._settings import Settings
from phalanx.telemetry import Telemetry

WORKERS = "workers"


async def opened_placements(
    settings: Settings, ports: Ports, store: Store, fleet: Fleet, alerts: AlertSink, audit: AuditSink
) -> Placements:
    """The policy that the settings name, or the one that was promoted, over the node's fleet, with what was learned.

    Raises ``InvalidInput`` when there is none such.
    """
    wanted, learner = settings.allocation, Learner()
    context = PolicyContext(fidelity=wanted.fidelity, time=wanted.time, money=wanted.money)
    policies = provided_policies(context, alerts, learner)
    trials = Trials(
        store, ports.clock, ports.offload, ports.rng.child("placements"), learner, policies, share=wanted.tried,
        audit=audit,
    )  # fmt: skip
    limits = DeviceLimits(
        store, ports.clock, audit, fresh_ns=round(wanted.fresh_h * 3_600 * NS_PER_S),
        adaptive_freshness=wanted.adaptive_freshness, adaptive_queues=wanted.adaptive_queues,
    )  # fmt: skip
    await limits.recall()
    made = Placements(
        fleet, ports.clock, ports.offload, policies, policy=wanted.policy, k=wanted.laid_out, slots=JOBS_AT_ONCE,
        trials=trials, breakers=Breakers(adaptive=wanted.adaptive_breakers), limits=limits,
        own_prices=OwnPrices(Prices(store)),
    )  # fmt: skip
    promoted = await trials.recall()
    if promoted in made.policies:
        made.use(promoted)
    return made


@dataclass(frozen=True, slots=True)
class Allotted:
    """The calendar, and, where another node is manager, what it is asked for."""

    reservations: Reservations | ManagedReservations
    batches: Batches
    managed: ManagedWork | None = None


async def opened_allotments(
    settings: Settings, ports: Ports, store: Store, desk: tuple[Fleet, Placements, Jobs, Budgets, AuditSink],
    line: tuple[Bus, Cluster | None], services: Services, telemetry: Telemetry,
) -> Allotted:  # fmt: skip
    """The calendar in ``store`` or in one that several nodes share; or a manager elsewhere.

    It is served to other nodes, with placements and jobs, where the settings say so.
    """
    batches = opened_batches(settings, ports, store)
    (bus, cluster), wanted = line, settings.cluster
    fleet, placements, jobs, budgets, audit = desk
    if cluster is None and (wanted.manager or wanted.manages):
        raise InvalidInput(
            "cluster.manager", "this node is in no cluster", hint="start it with --cluster or --join, or name nobody"
        )
    if wanted.manager:
        if wanted.manages:
            raise InvalidInput("cluster.manages", f"{wanted.manager} is the manager: this node is none")
        if ports.calendar is not None:
            raise InvalidInput("allocation.calendar_dsn", f"{wanted.manager} is the manager, and keeps the calendar")
        asking = ManagerLine(bus, wanted.manager, ports.clock)
        managed = ManagedWork(asking, bus.process, store, ports.clock, ports.ids, placements, jobs, audit)
        return Allotted(ManagedReservations(asking, ports.ids), batches, managed)
    made = Reservations(ports.calendar or store, ports.clock, ports.ids, placements.booked)
    await _keep_calendar(made, _brought(settings, ports, fleet), services, shared=ports.calendar is not None)
    if ports.calendar is not None:
        name = CalendarName(ports.calendar, ports.clock, settings.node.name, ports.ids.new())
        services.start_checked("calendar name", name.keep, works=True)
    if cluster is not None and wanted.manages:
        met = cluster
        work = ManagerDesk(bus.process, store, ports.clock, ports.offload, placements, made, jobs, budgets)
        jobs.use_windows(work)
        services.start(MANAGER, Manager(bus, made, work, wanted.manages, lambda: met.met, telemetry).run)
    return Allotted(made, batches)


def _brought(settings: Settings, ports: Ports, fleet: Fleet) -> list[Bookable]:
    """In a calendar of several nodes a device of one name is one device, and workers bear the name of their node."""
    brought = [Bookable(name=device.name) for device in fleet.devices()]
    workers = settings.node.workers
    at_work = WORKERS if ports.calendar is None else f"{WORKERS}.{settings.node.name}"
    brought.append(Bookable(name=at_work, capacity=workers, reserve=min(1, workers - 1), kind="workers"))
    return brought


async def _keep_calendar(
    made: Reservations, brought: Sequence[Bookable], services: Services, *, shared: bool
) -> None:  # fmt: skip
    """What this node brings is declared, and others' bookings are seen. A shared calendar may not be there yet."""

    async def declare() -> None:
        known = {one.name for one in await made.resources()}
        for one in brought:
            # Unless somebody has said otherwise.
            if one.name not in known:
                await made.declare(one)

    async def keep(seen: Callable[[], None]) -> None:
        if shared:
            await declare()
        await made.watch(seen)

    works = True
    try:
        await declare()
    except (StorageError, Unavailable):
        if not shared:
            raise
        works = False  # The service tries again, and says why.
    services.start_checked("calendar", keep, works=works)
