"""What the page of the swarm shows: roles, agents, duties, who was set apart, and missions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phalanx.agents import (
    MISSIONS,
    AgentState,
    AgentView,
    DutyView,
    Mission,
    Quarantined,
    Role,
    SuccessionView,
    SwarmHealth,
)
from phalanx.core import TenantId, decode
from phalanx.dashboard._limits import MAX_SHOWN_AGENTS, MAX_SHOWN_MISSIONS

if TYPE_CHECKING:
    from phalanx.node import Node


@dataclass(frozen=True, slots=True)
class RoleRow:
    """One role: how many there are, how many are at work, what they did, and the skills they have."""

    role: Role
    n: int
    busy: int
    suspect: int
    done: int
    failed: int
    falls: int
    skills: tuple[str, ...]
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SwarmPage:
    """The page. ``agents`` are those that have something to show first; ``more`` counts those left out."""

    health: SwarmHealth
    roles: tuple[RoleRow, ...]
    duties: tuple[DutyView, ...]
    agents: tuple[AgentView, ...]
    more: int
    missions: tuple[Mission, ...]
    quarantined: tuple[Quarantined, ...]
    succession: SuccessionView | None

    @property
    def nodes(self) -> list[str]:
        """Every node that continues for this one, or the other way round."""
        seen = self.succession
        return [] if seen is None else sorted({*seen.heirs, *seen.owners, *seen.present})


async def agents_view(node: "Node", tenant: TenantId) -> SwarmPage:
    """The swarm as it stands, and the tenant's missions of what happened last, newest first."""
    views = node.swarm.roster()
    rows = await node.store.scan(MISSIONS, tenant, limit=MAX_SHOWN_MISSIONS, reverse=True)
    shown = sorted(views, key=_interest)[:MAX_SHOWN_AGENTS]
    return SwarmPage(
        health=node.swarm.health(),
        roles=tuple(_role(role, [view for view in views if view.role is role]) for role in _roles(views)),
        duties=tuple(node.swarm.duties()),
        agents=tuple(shown),
        more=len(views) - len(shown),
        # The store has them in order of what led to them: these are of what happened last, and begun when they were.
        missions=tuple(sorted((decode(row.value, Mission) for row in rows), key=lambda one: one.at_ns, reverse=True)),
        quarantined=tuple(node.swarm.quarantined()),
        succession=node.swarm.succession.view() if node.swarm.succession is not None else None,
    )


def _roles(views: Sequence[AgentView]) -> list[Role]:
    return [role for role in Role if any(view.role is role for view in views)]


def _role(role: Role, views: Sequence[AgentView]) -> RoleRow:
    return RoleRow(
        role=role,
        n=len(views),
        busy=sum(view.state is AgentState.BUSY for view in views),
        suspect=sum(view.state in (AgentState.SUSPECT, AgentState.BARRED) for view in views),
        done=sum(view.done for view in views),
        failed=sum(view.failed for view in views),
        falls=sum(view.falls for view in views),
        skills=views[0].skills,
        capabilities=tuple(one.value for one in views[0].capabilities),
    )


def _interest(view: AgentView) -> tuple[bool, bool, int, bool]:
    """Whoever is in trouble first, then who is at work, then who did most."""
    troubled = view.state in (AgentState.SUSPECT, AgentState.BARRED)
    return (not troubled, not view.mission, -(view.done + view.failed), not view.duties)
