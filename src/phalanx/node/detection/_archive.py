"""The searchable archive of a node: filled from the intake's journal, maintained, and queried."""

from dataclasses import dataclass

from phalanx.core import GIB, MIB, NS_PER_S, AlertLevel, AuditSink, Clock, Event, NotFound, Store, TenantId
from phalanx.crypto.artefacts import Artefacts
from phalanx.crypto.vault import MigrationJob, SealedStore, Vault
from phalanx.intel import (
    HYPOTHESES_EVERY_S,
    ArchiveHunts,
    Archivist,
    EventLog,
    Findings,
    Hypotheses,
    Intake,
    Sentinel,
)
from phalanx.intel.archive import TEND_EVERY_S, Archive, Keep, Searches, SegmentFiles
from phalanx.intel.indicators import Indicators, lookups_of
from phalanx.node._guard import SpaceWatch, WatchedBlobs
from phalanx.node._ports import Ports
from phalanx.node._services import Health, Services
from phalanx.node.custody._identities import IDENTITY_KEYS
from phalanx.node.custody._vault import AllFiles
from phalanx.node.settings._intel import ArchiveSection
from phalanx.node.settings._settings import Settings
from phalanx.telemetry import Alerts, Telemetry

_NS_PER_DAY = 86_400 * NS_PER_S


@dataclass(frozen=True, slots=True)
class EventArchive:
    """What fills the archive and what asks it."""

    archive: Archive
    archivist: Archivist
    searches: Searches
    hypotheses: Hypotheses
    _alerts: Alerts
    _settings: Settings
    _clock: Clock
    _vault: Vault

    def start(self, services: Services, sentinel: Sentinel) -> None:
        sentinel.hand_to(self.archivist.hand)
        services.start("archive", self.archivist.run)
        services.start("archive-tend", self._tend)
        services.start("hunts", self._hunt)

    def health(self) -> Health:
        """Whether it keeps up."""
        paused = self.archivist.paused
        told = paused or f"{self.archive.waiting} events are not in a segment yet"
        return Health(ok=not paused, detail=told)

    def offset(self) -> int:
        """Records of the intake's journal before this are in segments."""
        return self.archive.offset

    async def event(self, tenant: TenantId, event: str) -> Event:
        """An event that the intake's journal no longer has. Raises ``NotFound``."""
        return await self.searches.event(tenant, event)

    async def erase_shredded(self) -> int:
        """Erase what is kept of tenants that were shredded; how many files went."""
        return await self.archive.erase(sorted(self._vault.shredded_tenants))

    async def _hunt(self) -> None:
        """Ask saved hunts whose time has come, and say where one finds more than it did."""
        while True:
            await self._clock.sleep(HYPOTHESES_EVERY_S)
            for before, now in await self.hypotheses.run_due():
                if set(now.events) - set(before.events):
                    text = f"the saved hunt {now.id} found {now.total} events"
                    self._alerts.alert(AlertLevel.NOTICE, "intel", text, hunt=now.id, tenant=now.tenant)

    async def _tend(self) -> None:
        keep, apart = kept_of_tenants(self._settings.archive)
        while True:
            await self._clock.sleep(TEND_EVERY_S)
            await self.erase_shredded()
            await self.archive.retain(keep, apart=apart)
            await self.archive.compact(keep, apart=apart)


def kept_of_tenants(wanted: ArchiveSection) -> tuple[Keep, dict[TenantId, Keep]]:
    """What is kept of a tenant, and of those for whom the settings say something else."""
    apart = {
        TenantId(one): _keep(wanted.gib_of.get(one, wanted.tenant_gib), wanted.days_of.get(one, wanted.days))
        for one in {*wanted.gib_of, *wanted.days_of}
    }
    return _keep(wanted.tenant_gib, wanted.days), apart


def _keep(gib: float, days: float) -> Keep:
    return Keep(round(gib * GIB), round(days * _NS_PER_DAY))


def opened_events(
    settings: Settings, ports: Ports, space: SpaceWatch, store: Store, vault: Vault,
    intake: Intake,
    telemetry: Telemetry, alerts: Alerts, audit: AuditSink,
) -> tuple[EventLog, EventArchive | None]:  # fmt: skip
    """The log of events, and the archive, not started yet; None where the settings or the ports have none."""
    if ports.archive is None or not settings.archive.enabled:
        return EventLog(intake.journal, store, intake.seals), None
    files = SegmentFiles(
        WatchedBlobs(ports.archive, space), vault, ports.entropy, ports.offload, seals=settings.at_rest.seal,
        cache_bytes=settings.archive.cache_mib * MIB,
    )  # fmt: skip
    archive = Archive(files, store, ports.clock)
    archivist = Archivist(archive, intake, clock=ports.clock, offload=ports.offload, telemetry=telemetry, alerts=alerts)
    searches = Searches(archive, ports.clock, ports.offload)
    hypotheses = Hypotheses(store, searches, ports.clock, audit)
    made = EventArchive(archive, archivist, searches, hypotheses, alerts, settings, ports.clock, vault)
    return EventLog(intake.journal, store, intake.seals, made), made


def opened_migration(
    vault: Vault, store: SealedStore, clock: Clock, telemetry: Telemetry, artefacts: Artefacts,
    archive: EventArchive | None,
) -> MigrationJob:  # fmt: skip
    """The job that seals everything anew: rows, artefacts, and segments of the archive."""
    files = AllFiles([artefacts, *([] if archive is None else [archive.archive])])
    return MigrationJob(vault, store, clock, telemetry, besides=[IDENTITY_KEYS], files=files)


def opened_hunts(
    log: tuple[EventLog, EventArchive | None], findings: Findings, sentinel: Sentinel, store: Store, audit: AuditSink,
    ports: Ports, indicators: Indicators,
) -> ArchiveHunts:  # fmt: skip
    """Hunts over the archive, as far as there is one."""
    events, archive = log
    return ArchiveHunts(
        None if archive is None else archive.searches, events, findings, sentinel, store, audit, ports.clock, ports.ids,
        lambda tenant: lookups_of(indicators, tenant),
    )  # fmt: skip


def require_archive(archive: EventArchive | None) -> EventArchive:
    """Raises ``NotFound`` where there is none."""
    if archive is None:
        raise NotFound("archive of events", "here", hint="the setting archive.enabled is off")
    return archive
