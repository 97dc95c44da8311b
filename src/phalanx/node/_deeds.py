"""What each role consists of and what it did last, assembled from the records on request."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from phalanx.agents import MISSIONS, AgentState, AgentView, DutyView, Mission, MissionStatus, Role, SkillManifest
from phalanx.core import PROBE_TENANT, AuditEntry, TenantId, Waypoint, decode
from phalanx.node._limits import (
    DEEDS_PER_ROLE,
    MAX_DEED_ENTRIES,
    MAX_DEED_FINDINGS,
    MAX_DEED_MISSIONS,
)
from phalanx.node._node import Node
from phalanx.telemetry import WAYPOINTS


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done, and where to read on: a trace, a mission, an entry of the ledger (its index)."""

    at_ns: int
    what: str
    trace: str = ""
    mission: str = ""
    finding: str = ""
    entry: int | None = None


class SkillLine(msgspec.Struct, frozen=True, kw_only=True):
    """A skill and how its newest missions went: as many of the tenant's as are looked at."""

    name: str
    capabilities: tuple[str, ...]
    done: int
    failed: int
    open: int


class DutyLine(msgspec.Struct, frozen=True, kw_only=True):
    """A duty as it stands, its partitions together."""

    name: str
    state: str
    agents: tuple[str, ...]
    done: int
    falls: int
    note: str


class RoleView(msgspec.Struct, frozen=True, kw_only=True):
    """A role: its agents, what they can do, and the newest of what they did."""

    role: str
    agents: int
    busy: int
    falls: int
    capabilities: tuple[str, ...]
    skills: tuple[SkillLine, ...]
    duties: tuple[DutyLine, ...]
    deeds: tuple[Deed, ...]


async def roles(node: Node, tenant: TenantId) -> list[RoleView]:
    """Every role that there is, in the order of roles, as ``tenant`` may see it."""
    rows = await node.store.scan(MISSIONS, tenant, limit=MAX_DEED_MISSIONS, reverse=True)
    missions = [decode(row.value, Mission) for row in rows]
    rows = await node.store.find(WAYPOINTS, tenant, "stage", "finding", limit=MAX_DEED_FINDINGS, reverse=True)
    findings = [decode(row.value, Waypoint) for row in rows]
    start = max(0, node.ledger.size - MAX_DEED_ENTRIES)
    newest = await node.ledger.entries(start - 1, MAX_DEED_ENTRIES)
    entries = [(one.index, one.entry) for one in newest if one.entry.tenant in (tenant, PROBE_TENANT)]
    agents, manifests, duties = node.swarm.roster(), node.swarm.skills(), node.swarm.duties()
    outputs = node.swarm.outputs()
    return [
        _view(role, agents, manifests, duties, outputs, missions, findings, entries)
        for role in Role
        if any(view.role is role for view in agents)
    ]


def _view(
    role: Role, agents: Sequence[AgentView], manifests: Sequence[SkillManifest], duties: Sequence[DutyView],
    outputs: Mapping[str, Sequence[str]], missions: Sequence[Mission], findings: Sequence[Waypoint],
    entries: Sequence[tuple[int, AuditEntry]],
) -> RoleView:  # fmt: skip
    own = [view for view in agents if view.role is role]
    skills = [one for one in manifests if one.role is role]
    kept = [one for one in duties if one.role is role]
    rules = {rule for one in kept for rule in outputs.get(one.duty, ())}
    names = {one.name for one in skills}
    deeds = [
        *((one.skill, _by_mission(one)) for one in missions if one.skill in names and one.status is MissionStatus.DONE),
        *((one.detail["rule"], _by_finding(one)) for one in findings if one.detail.get("rule") in rules),
        *((one.action, _by_entry(index, one)) for index, one in entries if one.actor == role.value and not one.trace),
    ]
    return RoleView(
        role=role.value, agents=len(own), busy=sum(view.state is AgentState.BUSY for view in own),
        falls=sum(view.falls for view in own),
        capabilities=tuple(one.value for one in (own[0].capabilities if own else ())),
        skills=tuple(_skill(one, missions) for one in skills),
        duties=tuple(_duty(name, kept) for name in dict.fromkeys(one.duty for one in kept)),
        deeds=_newest(deeds),
    )  # fmt: skip


def _newest(deeds: Iterable[tuple[object, Deed]]) -> tuple[Deed, ...]:
    """The newest of each kind, then others, so that what is done often does not hide what is done seldom."""
    seen: set[object] = set()
    first: list[Deed] = []
    others: list[Deed] = []
    for kind, deed in sorted(deeds, key=lambda one: one[1].at_ns, reverse=True):
        (others if kind in seen else first).append(deed)
        seen.add(kind)
    return tuple(sorted((first + others)[:DEEDS_PER_ROLE], key=lambda one: one.at_ns, reverse=True))


def _by_mission(mission: Mission) -> Deed:
    what = f"{mission.skill}: {mission.note}"
    return Deed(at_ns=mission.ended_ns or mission.at_ns, what=what, trace=mission.trace, mission=mission.id)


def _by_finding(waypoint: Waypoint) -> Deed:
    return Deed(at_ns=waypoint.at_ns, what=waypoint.summary, trace=waypoint.trace, finding=waypoint.subject)


def _by_entry(index: int, entry: AuditEntry) -> Deed:
    told = _TOLD[entry.action](entry.body) if entry.action in _TOLD else ""
    return Deed(
        at_ns=entry.at_ns, what=f"{entry.action} of {entry.subject}" + (f": {told}" if told else ""), entry=index
    )


def _reviewed(body: Mapping[str, Any]) -> str:
    done, failed, falls = (sum(int(one.get(name, 0)) for one in body.values()) for name in ("done", "failed", "falls"))
    return f"{done} done and {failed} failed by agents of {len(body)} roles, {falls} agents replaced"


def _weighed(body: Mapping[str, Any]) -> str:
    # Hosts are of any tenant, and this is shown to every one: none is named.
    ahead = body.get("ahead_s") or {}
    return f"{len(ahead)} of them ahead" if ahead else "none is ahead"


# What an entry says, in words; of others the action and what it is about say enough.
_TOLD = {"missions.review": _reviewed, "clocks.weigh": _weighed}


def _skill(manifest: SkillManifest, missions: Sequence[Mission]) -> SkillLine:
    states = [one.status for one in missions if one.skill == manifest.name]
    done, failed = states.count(MissionStatus.DONE), states.count(MissionStatus.FAILED)
    elsewhere = states.count(MissionStatus.TAKEN)
    return SkillLine(
        name=manifest.name, capabilities=tuple(one.value for one in manifest.capabilities), done=done, failed=failed,
        open=len(states) - done - failed - elsewhere,
    )  # fmt: skip


def _duty(name: str, kept: Sequence[DutyView]) -> DutyLine:
    parts = [one for one in kept if one.duty == name]
    states = dict.fromkeys(one.state.value for one in parts)
    return DutyLine(
        name=name, state=", ".join(states), agents=tuple(one.agent for one in parts if one.agent),
        done=sum(one.done for one in parts), falls=sum(one.falls for one in parts),
        note="; ".join(dict.fromkeys(one.note for one in parts if one.note)),
    )  # fmt: skip
