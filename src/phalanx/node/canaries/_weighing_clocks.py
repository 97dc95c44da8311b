"""Canaries weigh the clocks of event senders: with every probe, how far event times lie from arrival times.

An event written after it was accepted comes from a host whose clock is ahead; there is no other explanation. That
it was written long before may have many reasons, so the lag is only reported. Wrong clocks separate what belongs
together.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from phalanx.agents import Capability, Mission, Role, SkillManifest, Toolbox
from phalanx.core import (
    NO_TRACE,
    NS_PER_S,
    PROBE_TENANT,
    AlertLevel,
    AlertSink,
    AuditEntry,
    AuditSink,
    Event,
    Store,
    derive_id,
    id_time_ns,
)
from phalanx.intel import BATCHES, EventLog, Sentinel, host_of
from phalanx.node._limits import CLOCK_AHEAD_S, MAX_CLOCK_EVENTS
from phalanx.node.canaries._probing import Probes

_NAMED = 8


class WeighClocksSkill:
    """Looks at the newest events of every tenant, host by host."""

    manifest = SkillManifest(
        name="weigh-clocks",
        role=Role.CANARY,
        capabilities=(Capability.DETECTION, Capability.PREDICTION),
        inputs=("probe",),
        outputs=("clock-review",),
        cost=0.3,
        permissions=("AlertSink", "AuditSink", "EventLog", "Probes", "Sentinel", "Store"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        events, names = tools.get(EventLog), tools.get(Sentinel).host_names
        lags: dict[str, list[float]] = {}
        for tenant in await tools.get(Store).tenants(BATCHES):
            if tenant != PROBE_TENANT:
                newest = await events.recent(tenant, limit=MAX_CLOCK_EVENTS)
                for host, lag_s in lags_of(newest, names).items():
                    lags.setdefault(host, []).extend(lag_s)
        middle = {host: sorted(seen)[len(seen) // 2] for host, seen in lags.items()}
        ahead = {host: -lag_s for host, lag_s in middle.items() if -lag_s > CLOCK_AHEAD_S}
        slowest = max(middle, key=lambda host: middle[host], default="")
        await _record(mission, tools, len(middle), ahead)
        probes = tools.get(Probes)
        _alert(tools.get(AlertSink), ahead, probes.clocks_ahead)
        probes.clocks_ahead = set(ahead)
        told = f"{len(middle)} clocks weighed, {len(ahead)} ahead"
        return f"{told}; {slowest} is {middle[slowest]:.1f} s behind what was accepted" if slowest else told


def _alert(alerts: AlertSink, ahead: Mapping[str, float], told: set[str]) -> None:
    """Tell of those that were not ahead the last time."""
    new = sorted(set(ahead) - told)
    if new:
        named = ", ".join(f"{host} by {ahead[host]:.1f} s" for host in new[:_NAMED])
        alerts.alert(AlertLevel.WARNING, "node", f"clocks are ahead: {named}", hosts=len(new))


def lags_of(events: Iterable[Event], names: Mapping[str, str]) -> dict[str, list[float]]:
    """By host, in seconds, how long after it was written each event was accepted; below zero: before."""
    lags: dict[str, list[float]] = defaultdict(list)
    for event in events:
        lags[host_of(event, names)].append((event.batch.accepted_at_ns - event.time_ns) / NS_PER_S)
    return lags


async def _record(mission: Mission, tools: Toolbox, hosts: int, ahead: dict[str, float]) -> None:
    entry = AuditEntry(
        id=derive_id(id_time_ns(mission.id), "audit", "clocks", mission.id), tenant=mission.tenant, trace=NO_TRACE,
        at_ns=mission.at_ns, actor="canary", action="clocks.weigh", subject=f"{hosts} hosts", case="",
        body={"ahead_s": {host: round(by_s, 3) for host, by_s in sorted(ahead.items())}},
    )  # fmt: skip
    await tools.get(AuditSink).record(entry)


weigh_clocks_skill = WeighClocksSkill()
