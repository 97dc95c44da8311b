"""An admin's duty: an overview of all missions, and action on those that are stuck.

A mission that was not begun in the time that its severity allows is given to another agent; one that still waits at
the next look is escalated: to people, and to the ledger. What agents did is recorded now and then, as long as they
did something. Nothing here decides the outcome of a mission.
"""

from collections import Counter
from dataclasses import dataclass, field

from phalanx.agents._duty import DutyManifest, Watch
from phalanx.agents._limits import (
    MAX_LOOKED_AT,
    MAX_OPEN_PER_TENANT,
    OVERVIEW_EVERY_S,
    PATIENCE_S,
    REPLACED_TO_WORRY,
    REVIEW_EVERY_S,
)
from phalanx.agents._model import MISSIONS, Capability, Mission, MissionStatus, Role
from phalanx.agents._swarm import Swarm
from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    NS_PER_S,
    AlertLevel,
    AlertSink,
    AuditEntry,
    AuditSink,
    Store,
    TenantId,
    decode,
    derive_id,
    id_time_ns,
)

Totals = dict[str, dict[str, int]]


@dataclass(slots=True)
class _Seen:
    """What an admin remembers from look to look. ``overdue`` are missions that were late the last time."""

    overdue: set[str] = field(default_factory=set)
    escalated: set[str] = field(default_factory=set)
    over_quota: set[str] = field(default_factory=set)
    falls: int = 0
    reviewed: Totals = field(default_factory=dict)
    reviewed_ns: int = 0


class OverviewDuty:
    """Looks at what is open, at who fell, and writes the review."""

    manifest = DutyManifest(
        name="missions-overview",
        role=Role.ADMIN,
        capabilities=(Capability.RESPONSE, Capability.PREDICTION),
        inputs=("mission",),
        outputs=(),
        cost=0.2,
        permissions=("AlertSink", "AuditSink", "Store", "Swarm"),
    )

    async def keep(self, watch: Watch, /) -> None:
        swarm = watch.tools.get(Swarm)
        # What was before this term is the last admin's to tell.
        seen = _Seen(falls=_falls(swarm), reviewed=_totals(swarm), reviewed_ns=watch.clock.wall_ns())
        async for _ in watch.beats(OVERVIEW_EVERY_S):
            n_open, late = await self._look(watch, swarm, seen)
            self._watch_falls(watch, swarm, seen)
            await self._review(watch, swarm, seen)
            watch.progress(f"{n_open} missions open, {late} late")

    async def _look(self, watch: Watch, swarm: Swarm, seen: _Seen) -> tuple[int, int]:
        """How many missions are open and how many of them late, after doing something about those."""
        store, now_ns = watch.tools.get(Store), watch.clock.wall_ns()
        missions = [one for tenant in await store.tenants(MISSIONS) for one in await _open(store, tenant)]
        self._watch_quotas(watch, missions, seen)
        late = [one for one in missions if now_ns - one.at_ns > PATIENCE_S[one.severity] * NS_PER_S]
        for mission in late:
            if mission.id in seen.overdue:
                await self._escalate(watch, mission, seen)
            elif await swarm.redelegate(mission, "it waited for too long"):
                watch.progress(f"{mission.skill} of {mission.case} given to another agent", done=1)
            elif mission.status is MissionStatus.PENDING:
                # Should a wake-up have been lost, this makes up for it.
                swarm.wake()
        seen.overdue = {one.id for one in late}
        seen.escalated &= seen.overdue
        return len(missions), len(late)

    async def _escalate(self, watch: Watch, mission: Mission, seen: _Seen) -> None:
        if mission.id in seen.escalated:
            return
        seen.escalated.add(mission.id)
        waited_s = (watch.clock.wall_ns() - mission.at_ns) / NS_PER_S
        watch.tools.get(AlertSink).alert(
            AlertLevel.URGENT, "agents", f"a mission does not get on: {mission.skill} of {mission.case}",
            mission=mission.id, waited_s=round(waited_s), status=mission.status.value,
        )  # fmt: skip
        entry = AuditEntry(
            id=derive_id(id_time_ns(mission.id), "audit", "escalated", mission.id), tenant=mission.tenant,
            trace=mission.trace, at_ns=mission.at_ns, actor="admin", action="mission.escalate", subject=mission.id,
            case=mission.case, body={"skill": mission.skill},
        )  # fmt: skip
        await watch.tools.get(AuditSink).record(entry)
        watch.progress(f"{mission.skill} of {mission.case} escalated", done=1)

    def _watch_quotas(self, watch: Watch, missions: list[Mission], seen: _Seen) -> None:
        per_tenant = Counter(one.tenant for one in missions)
        over = {str(tenant) for tenant, n in per_tenant.items() if n >= MAX_OPEN_PER_TENANT}
        for tenant in sorted(over - seen.over_quota):
            text = f"a tenant has {MAX_OPEN_PER_TENANT} missions open or more"
            watch.tools.get(AlertSink).alert(AlertLevel.WARNING, "agents", text, tenant=tenant)
        seen.over_quota = over

    def _watch_falls(self, watch: Watch, swarm: Swarm, seen: _Seen) -> None:
        """Agents are replaced without anybody's help; that many of them are is for people to know."""
        falls = _falls(swarm)
        if falls - seen.falls >= REPLACED_TO_WORRY:
            text = f"{falls - seen.falls} agents were replaced within {OVERVIEW_EVERY_S:g} s"
            watch.tools.get(AlertSink).alert(AlertLevel.WARNING, "agents", text)
        seen.falls = falls

    async def _review(self, watch: Watch, swarm: Swarm, seen: _Seen) -> None:
        """Put on record what agents of each role have done since the last time, if they did anything."""
        now_ns, totals = watch.clock.wall_ns(), _totals(swarm)
        if totals == seen.reviewed or now_ns - seen.reviewed_ns < REVIEW_EVERY_S * NS_PER_S:
            return
        entry = AuditEntry(
            id=derive_id(now_ns, "audit", "missions reviewed", watch.agent), tenant=DEFAULT_TENANT, trace=NO_TRACE,
            at_ns=now_ns, actor="admin", action="missions.review", subject="missions", case="", body=totals,
        )  # fmt: skip
        await watch.tools.get(AuditSink).record(entry)
        seen.reviewed, seen.reviewed_ns = totals, now_ns
        watch.progress(done=1)


async def _open(store: Store, tenant: TenantId) -> list[Mission]:
    """Missions of a tenant that are neither done nor failed, oldest first, as many as are looked at."""
    rows = [
        row
        for status in (MissionStatus.ASSIGNED, MissionStatus.PENDING)
        for row in await store.find(MISSIONS, tenant, "status", status.value, limit=MAX_LOOKED_AT)
    ]
    return [decode(row.value, Mission) for row in rows]


def _falls(swarm: Swarm) -> int:
    return sum(one["falls"] for one in swarm.registry.totals().values())


def _totals(swarm: Swarm) -> Totals:
    return {role: one for role, one in swarm.registry.totals().items() if any(one.values())}


overview_duty = OverviewDuty()
