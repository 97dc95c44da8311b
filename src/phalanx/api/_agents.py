"""The swarm over HTTP: who is there, what each can do and keeps, and removing an agent from it."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from phalanx.agents import (
    AgentView,
    Capability,
    DutyView,
    Mission,
    Missions,
    MissionStatus,
    Quarantined,
    SkillManifest,
    Succession,
    SuccessionView,
    SwarmHealth,
)
from phalanx.agents import Role as AgentRole
from phalanx.api._auth import Gate, keeper
from phalanx.api._replies import reply
from phalanx.api._schemas import answer
from phalanx.core import MAX_NAME_CHARS, MAX_PAGE_ROWS, NotFound, Waypoint
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_MAX_REASON_CHARS = 200


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that was removed from the swarm, and who has its place from now on."""

    agent: str
    successor: str
    reason: str


class Disowned(msgspec.Struct, frozen=True, kw_only=True):
    """A node that is no longer waited for, and how many missions continue without it."""

    node: str
    missions: int


KINDS: tuple[type, ...] = (
    SuccessionView,
    Disowned,
    AgentView,
    DutyView,
    SkillManifest,
    Quarantined,
    SwarmHealth,
    Removed,
)

_Reason = Annotated[str, Query(max_length=_MAX_REASON_CHARS, description="The reason, in words; it is recorded.")]


def agent_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/agents``, ``/v1/duties`` and ``/v1/skills``."""
    router = APIRouter(prefix="/v1", tags=["agents"], default_response_class=Response)
    viewer = Depends(gate.needs(Role.VIEWER))
    swarm = node.swarm

    @router.get("/agents", responses=answer(AgentView, many=True), dependencies=[viewer])
    async def list_agents(
        role: Annotated[AgentRole | None, Query(description="Only agents of this role.")] = None,
        capability: Annotated[
            Capability | None, Query(description="Only agents with a skill or duty of this capability.")
        ] = None,
        skill: Annotated[str, Query(max_length=MAX_NAME_CHARS, description="Only agents with this skill.")] = "",
        tenant: Annotated[
            str, Query(max_length=MAX_NAME_CHARS, description="Only agents that work for this tenant.")
        ] = "",
        locality: Annotated[str, Query(max_length=MAX_NAME_CHARS, description="Only agents on this node.")] = "",
        min_trust: Annotated[float, Query(ge=0, le=1, description="Only agents trusted at least this much.")] = 0.0,
        able: Annotated[bool, Query(description="Only agents that may be given work now.")] = False,  # noqa: FBT002
    ) -> Response:
        """The swarm: who is there and what each is doing. With a filter, most trusted and least busy first."""
        wanted = (role, capability, skill, tenant, locality, min_trust, able)
        if any(wanted):
            found = swarm.registry.find(
                role=role, capability=capability, skill=skill, tenant=tenant, locality=locality, min_trust=min_trust,
                able=able,
            )  # fmt: skip
        else:
            found = swarm.roster()
        return reply({"items": found, "next": ""})

    @router.get("/agents/health", responses=answer(SwarmHealth), dependencies=[viewer])
    async def swarm_health() -> Response:
        """The state of the swarm: roles whose agents fall too often, duties that nobody keeps, who held the event
        loop.
        """
        return reply(swarm.health())

    @router.get("/agents/quarantined", responses=answer(Quarantined, many=True), dependencies=[viewer])
    async def list_quarantined() -> Response:
        """Agents isolated since the node started, newest first."""
        return reply({"items": swarm.quarantined(), "next": ""})

    _add_succession(router, node, gate)

    @router.get("/agents/{agent}", responses=answer(AgentView), dependencies=[viewer])
    async def get_agent(agent: str) -> Response:
        """One agent that is in its place."""
        return reply(_found(node, agent))

    _add_removals(router, node, gate)
    _add_work(router, node, gate)
    return router


def _add_succession(router: APIRouter, node: "Node", gate: Gate) -> None:
    """Missions, what happened to each, and which node takes over for which."""
    viewer = Depends(gate.needs(Role.VIEWER))
    missions = Missions(node.store)

    def succession() -> Succession:
        if node.swarm.succession is None:
            hint = "name the nodes that are to continue its missions in cluster.heirs"
            raise NotFound("heir of", node.bus.process, hint=hint)
        return node.swarm.succession

    @router.get("/agents/succession", responses=answer(SuccessionView), dependencies=[viewer])
    async def get_succession() -> Response:
        """Which nodes would continue this node's missions, and whose missions it would continue."""
        return reply(succession().view())

    @router.post("/agents/succession/{heir}/disown", responses=answer(Disowned))
    async def disown_node(heir: str, principal: Annotated[Principal, Depends(keeper(gate))]) -> Response:
        """Continue without a node that has copies of missions and will never come back; if it did, it would repeat
        them.
        """
        freed = await succession().disown(heir, by=principal.name)
        return reply(Disowned(node=heir, missions=freed))

    @router.get("/agents/missions", responses=answer(Mission, many=True))
    async def list_agent_missions(
        principal: Annotated[Principal, viewer],
        status: Annotated[MissionStatus | None, Query(description="Only missions with this status.")] = None,
        taken: Annotated[bool, Query(description="Only missions taken over from other nodes.")] = False,  # noqa: FBT002
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE_ROWS, description="How many.")] = 50,
    ) -> Response:
        """What agents were asked to do, by the time of the event or order that led to it, newest first."""
        found = await missions.list(principal.tenant, status=status, came_over=taken, newest=True, limit=limit)
        return reply({"items": found, "next": ""})

    @router.get("/agents/missions/{mission}/history", responses=answer(Waypoint, many=True))
    async def mission_history(mission: str, principal: Annotated[Principal, viewer]) -> Response:
        """Everything that happened to a mission: who had it and when, who took over, how it ended."""
        return reply({"items": await node.history(principal.tenant, mission), "next": ""})


def _add_removals(router: APIRouter, node: "Node", gate: Gate) -> None:
    swarm = node.swarm

    @router.post("/agents/{agent}/kill", responses=answer(Removed))
    async def kill_agent(
        agent: str, principal: Annotated[Principal, Depends(keeper(gate))], reason: _Reason = "on request"
    ) -> Response:
        """End an agent; its successor takes over its place, and what it had in hand, at once."""
        _found(node, agent)
        swarm.kill(agent, f"{reason} (by {principal.name})")
        place, _, life = agent.rpartition(".")
        return reply(Removed(agent=agent, successor=f"{place}.{int(life) + 1}", reason=reason))

    @router.post("/agents/{agent}/quarantine", responses=answer(Quarantined))
    async def quarantine_agent(
        agent: str, principal: Annotated[Principal, Depends(keeper(gate))], reason: _Reason = "on request"
    ) -> Response:
        """Isolate an agent, revoke its identity, and record both; another takes its place."""
        from phalanx.node import quarantine

        return reply(await quarantine(node, agent, reason, by=principal.name))


def _add_work(router: APIRouter, node: "Node", gate: Gate) -> None:
    viewer, swarm = Depends(gate.needs(Role.VIEWER)), node.swarm

    @router.get("/duties", responses=answer(DutyView, many=True), dependencies=[viewer])
    async def list_duties() -> Response:
        """Continuous work, each partition with who keeps it."""
        return reply({"items": swarm.duties(), "next": ""})

    @router.get("/skills", responses=answer(SkillManifest, many=True), dependencies=[viewer])
    async def list_skills(
        capability: Annotated[Capability | None, Query(description="Only skills that contribute to this.")] = None,
    ) -> Response:
        """What agents can be asked to do: the manifest of each skill."""
        return reply({"items": swarm.skills(capability), "next": ""})


def _found(node: "Node", agent: str) -> AgentView:
    found = node.swarm.registry.view(agent)
    if found is None:
        raise NotFound("agent", agent, hint="`phalanx agents list` shows the existing agents")
    return found
