"""Agents looked up by requirements: role, capability, skill, tenant, locality, trust."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping

from phalanx.agents._duties import Duties
from phalanx.agents._model import AgentState, AgentView, Capability, Role
from phalanx.agents._monitor import LastHeard, Monitor
from phalanx.agents._placing import trust
from phalanx.agents._roster import Place, Roster
from phalanx.core import NS_PER_S

_NOBODY = LastHeard(0)


class Registry:
    """A view of the swarm as it stands at the moment it is asked."""

    def __init__(
        self, roster: Roster, duties: Duties, monitor: Monitor | None, *, locality: str, stopped: Callable[[], bool]
    ) -> None:
        self._roster = roster
        self._duties = duties
        self._monitor = monitor
        self._locality = locality
        self._stopped = stopped
        self._skills = {role: self._skills_of(role) for role in roster.roles}

    def find(
        self,
        *,
        role: Role | None = None,
        capability: Capability | None = None,
        skill: str = "",
        tenant: str = "",
        locality: str = "",
        min_trust: float = 0.0,
        able: bool = False,
    ) -> list[AgentView]:
        """The agents that fit all of it, the most trusted and least busy first. ``able``: only who may be given work.

        All of them are where their node is, and those serve every tenant whose place is reserved for none.
        """
        if locality not in ("", self._locality):
            return []
        roles = [role] if role is not None else self._roster.roles
        found = [
            self._view(place, {})
            for one in roles
            if self._offers(one, capability, skill)
            for place in self._roster.peers.get(one, ())
            if not tenant or place.tenant in ("", tenant)
        ]
        chosen = [
            view
            for view in self._with_duties(found)
            if view.trust >= min_trust and (not able or view.state in (AgentState.IDLE, AgentState.BUSY))
        ]
        return sorted(chosen, key=lambda view: (-view.trust, view.waiting + bool(view.mission), view.id))

    def views(self) -> list[AgentView]:
        """One line per place, in order."""
        kept = self._kept()
        return [self._view(place, kept) for place in self._roster.places]

    def totals(self) -> dict[str, dict[str, int]]:
        """What places of each role did and how often their agents fell; without judging any, so it is cheap."""
        found: dict[str, dict[str, int]] = {}
        for place in self._roster.places:
            one = found.setdefault(place.role.value, {"done": 0, "failed": 0, "falls": 0})
            one["done"] += place.done
            one["failed"] += place.failed
            one["falls"] += place.life - 1
        return found

    def view(self, agent: str) -> AgentView | None:
        """One agent; None when it has no place."""
        place = self._roster.named.get(agent.rpartition(".")[0])
        return self._view(place, self._kept()) if place is not None and place.agent.name == agent else None

    def _view(self, place: Place, kept: Mapping[str, tuple[str, ...]]) -> AgentView:
        agent = place.agent
        hand = agent.in_hand
        phi = self._monitor.phi(agent.name) if self._monitor else 0.0
        heard = (self._monitor.last_heard(agent.name) if self._monitor else None) or _NOBODY
        skills, capabilities = self._skills[place.role]
        return AgentView(
            id=agent.name,
            role=place.role,
            state=self._state(place, responsive=heard.responsive),
            mission=hand.mission.id if hand else "",
            waiting=len(agent.held) - (hand is not None),
            done=place.done,
            failed=place.failed,
            identity=self._roster.fingerprint(agent),
            locality=self._locality,
            capabilities=capabilities,
            skills=skills,
            duties=kept.get(agent.name, ()),
            trust=trust(place.done, place.failed, phi),
            phi=round(phi, 3),
            heard_ns=heard.at_ns,
            falls=place.life - 1,
            busy_s=place.busy_ns / NS_PER_S,
            tenants=(place.tenant,) if place.tenant else ("*",),
        )

    def _state(self, place: Place, *, responsive: bool) -> AgentState:
        if self._stopped():
            return AgentState.STOPPED
        if not self._roster.admits(place.agent):
            return AgentState.BARRED
        if not responsive:
            return AgentState.SUSPECT
        return AgentState.BUSY if place.agent.in_hand else AgentState.IDLE

    def _with_duties(self, views: Iterable[AgentView]) -> list[AgentView]:
        kept = self._kept()
        return [dataclasses.replace(view, duties=kept.get(view.id, ())) for view in views]

    def _kept(self) -> dict[str, tuple[str, ...]]:
        kept: dict[str, tuple[str, ...]] = {}
        for post in self._duties.posts:
            agent = post.place.agent.name
            kept[agent] = (*kept.get(agent, ()), post.manifest.name)
        return kept

    def _offers(self, role: Role, capability: Capability | None, skill: str) -> bool:
        skills, capabilities = self._skills.get(role, ((), ()))
        return (capability is None or capability in capabilities) and (not skill or skill in skills)

    def _skills_of(self, role: Role) -> tuple[tuple[str, ...], tuple[Capability, ...]]:
        manifests = [one.manifest for one in self._roster.skills.values() if one.manifest.role is role]
        offered = {one for manifest in manifests for one in manifest.capabilities}
        offered |= {
            one for post in self._duties.posts if post.manifest.role is role for one in post.manifest.capabilities
        }
        return tuple(one.name for one in manifests), tuple(one for one in Capability if one in offered)
