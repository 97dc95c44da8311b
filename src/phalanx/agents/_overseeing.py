"""What admins do for a serious finding: make sure that its case is worked on, by agents fit for it.

``oversee-case`` looks at the missions of the case: a late one is given to another agent, a failed one is reported.
``weigh-agents`` looks at who has failed since it last looked: a place that failed at several missions, more often
than not, gets a new agent with a new identity. It also compares how much a tenant may have open with what it has.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from phalanx.agents._limits import FAILED_TO_REPLACE, MAX_LOOKED_AT, PATIENCE_S, WEIGHED_FOR_S
from phalanx.agents._model import (
    MISSIONS,
    OPEN,
    AgentState,
    AgentView,
    Capability,
    Mission,
    MissionStatus,
    Role,
    SkillManifest,
)
from phalanx.agents._reports import REPORT_TOOLS, Fact, Report, file_report, filed, told
from phalanx.agents._swarm import Swarm
from phalanx.agents._toolbox import Toolbox
from phalanx.core import NS_PER_S, Clock, NotFound, Put, Store, Table, decode, encode

# The newest report of ``weigh-agents``, by tenant: what has failed since is counted from there.
WEIGHINGS = Table("weighings", sealed=True)
_LAST = "last"
_FAILED = "failed at "


class OverseeCaseSkill:
    """Has what is late of a case done by somebody else, and says what failed."""

    manifest = SkillManifest(
        name="oversee-case",
        role=Role.ADMIN,
        capabilities=(Capability.RESPONSE, Capability.INCIDENTS),
        inputs=("serious-finding",),
        outputs=("case-overview",),
        cost=0.2,
        permissions=(*REPORT_TOOLS, "Clock", "Swarm"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        if (known := await filed(mission, tools)) is not None:
            return told(known)
        swarm, now_ns = tools.get(Swarm), tools.get(Clock).wall_ns()
        rows = await tools.get(Store).find(MISSIONS, mission.tenant, "case", mission.case, limit=MAX_LOOKED_AT)
        of_case = [one for one in (decode(row.value, Mission) for row in rows) if one.id != mission.id]
        late = [
            one for one in of_case if one.status in OPEN and now_ns - one.at_ns > PATIENCE_S[one.severity] * NS_PER_S
        ]
        moved = [one for one in late if await swarm.redelegate(one, "its case is overseen, and it waited for too long")]
        failed = [one for one in of_case if one.status is MissionStatus.FAILED]
        by_status = Counter(one.status.value for one in of_case)
        facts: dict[str, Fact] = {
            "missions": len(of_case), **dict(sorted(by_status.items())), "late": len(late),
            "given to another agent": len(moved),
        }  # fmt: skip
        concerns = [f"{one.skill} failed: {one.note}" for one in failed]
        concerns += [f"{one.skill} is late and nobody else can do it" for one in late if one not in moved]
        open_now = sum(one.status in OPEN for one in of_case)
        done = by_status[MissionStatus.DONE.value]
        summary = f"{len(of_case)} other missions of the case: {done} done, {open_now} open"
        return await file_report(mission, self.manifest, tools, summary=summary, facts=facts, concerns=concerns)


class WeighAgentsSkill:
    """Replaces who keeps failing, and says which role has nobody able to work."""

    manifest = SkillManifest(
        name="weigh-agents",
        role=Role.ADMIN,
        capabilities=(Capability.RESPONSE, Capability.ENFORCEMENT),
        inputs=("serious-finding",),
        outputs=("agents-review",),
        cost=0.2,
        permissions=(*REPORT_TOOLS, "Swarm"),
    )

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        if (known := await filed(mission, tools)) is not None:
            return told(known)
        swarm = tools.get(Swarm)
        last = await _last_report(mission, tools.get(Store))
        if last is not None and 0 <= mission.at_ns - last.at_ns < WEIGHED_FOR_S * NS_PER_S:
            return f"weighed a moment ago, for {last.case}: {told(last)}"
        views = [view for view in swarm.roster() if view.id != mission.agent]
        unfit = [view for view in views if _is_unfit(view, {} if last is None else last.facts)]
        replaced = [view.id for view in unfit if _replaced(swarm, view, mission)]
        suspect = sum(view.state in (AgentState.SUSPECT, AgentState.BARRED) for view in views)
        most = max(views, key=lambda view: view.waiting, default=None)
        facts: dict[str, Fact] = {
            "agents": len(views) + 1, "busy": sum(view.state is AgentState.BUSY for view in views),
            "suspect or barred": suspect, "replaced": len(replaced),
            "missions that wait at agents": sum(view.waiting for view in views),
            "most of them": f"{most.waiting} at {most.id}" if most is not None and most.waiting else "none",
            **{f"{_FAILED}{_place(view)}": view.failed for view in views if view.failed},
        }  # fmt: skip
        concerns = [f"{name} was replaced: it failed more often than not" for name in replaced]
        concerns += _roles_without_anybody(views)
        summary = f"{len(views) + 1} agents, {suspect} of them suspect or barred, {len(replaced)} replaced"
        return await file_report(
            mission, self.manifest, tools, summary=summary, facts=facts, concerns=concerns,
            also=lambda report: (Put(WEIGHINGS, report.tenant, _LAST, encode(report)),),
        )  # fmt: skip


def _place(view: AgentView) -> str:
    """Where an agent sits: its failures are counted there, whoever has the place."""
    return view.id.rpartition(".")[0]


async def _last_report(mission: Mission, store: Store) -> Report | None:
    row = await store.get(WEIGHINGS, mission.tenant, _LAST)
    return None if row is None else decode(row.value, Report)


def _is_unfit(view: AgentView, facts: Mapping[str, Fact]) -> bool:
    """Whether it failed at several missions since ``facts`` were written; a node that began anew counts from none."""
    before = facts.get(f"{_FAILED}{_place(view)}", 0)
    new = view.failed - before if isinstance(before, int) and before <= view.failed else view.failed
    return new >= FAILED_TO_REPLACE and view.failed > view.done


def _replaced(swarm: Swarm, view: AgentView, mission: Mission) -> bool:
    try:
        swarm.kill(view.id, f"{mission.agent} found that it fails more often than not")
    except NotFound:
        return False  # It fell by itself meanwhile.
    return True


def _roles_without_anybody(views: Sequence[AgentView]) -> list[str]:
    able = {view.role for view in views if view.state in (AgentState.IDLE, AgentState.BUSY)}
    return [f"no {role.value} can work now" for role in sorted({view.role for view in views} - able, key=_name)]


def _name(role: Role) -> str:
    return role.value


oversee_case_skill = OverseeCaseSkill()
weigh_agents_skill = WeighAgentsSkill()
