"""The places of a swarm and the agents in them."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phalanx.agents._admission import Admission
from phalanx.agents._agent import Agent
from phalanx.agents._book import Claim
from phalanx.agents._duty import Duty
from phalanx.agents._errors import InvalidSkill
from phalanx.agents._hearing import hearing_problem
from phalanx.agents._model import Role
from phalanx.agents._toolbox import Skill, Toolbox
from phalanx.core import MAX_NAME_CHARS, Clock


@dataclass(slots=True)
class Place:
    """A seat for one agent at a time. ``life`` counts the agents it has had, the others their work.

    ``tenant`` is the one whose missions alone it takes; empty where it takes everybody's.
    """

    role: Role
    number: int
    agent: Agent
    life: int = 1
    done: int = 0
    failed: int = 0
    busy_ns: int = 0
    tenant: str = ""

    @property
    def name(self) -> str:
        """Of the place, whoever sits in it."""
        return place_name(self.role, self.number)


class Roster:
    """Who there is. Roles without a skill and a duty have no agents: nobody sits idle for show.

    ``at_once`` agents of each role are there from the beginning; the others are seated one by one by ``seat_next``,
    as their identities become ready.
    """

    def __init__(
        self,
        skills: Sequence[Skill],
        duties: Sequence[Duty] = (),
        *,
        tools: Toolbox,
        clock: Clock,
        per_role: Mapping[Role, int],
        admission: Admission,
        at_once: int,
        reserved: Mapping[str, int] | None = None,
    ) -> None:
        self.reserved = dict(reserved or {})
        self._per_role = per_role
        self.skills = skills_by_name(skills)
        self._admission = admission
        self._tools = tools
        self._clock = clock
        wanted = {one.manifest.role for one in skills} | {one.manifest.role for one in duties}
        self.roles = tuple(role for role in Role if role in wanted)
        self._own = {
            role: {name: skill for name, skill in self.skills.items() if skill.manifest.role is role}
            for role in self.roles
        }
        self.places: list[Place] = []
        self.peers: dict[Role, list[Place]] = {role: [] for role in self.roles}
        self.named: dict[str, Place] = {}
        for role in self.roles:
            for number in range(1, min(per_role[role], at_once) + 1):
                self._seat(role, number)
        most = max((per_role[role] for role in self.roles), default=0)
        self.vacant = deque(
            (role, number) for number in range(at_once + 1, most + 1) for role in self.roles if number <= per_role[role]
        )
        # Agents that fell and whose missions are not back in the queue yet.
        self._fallen: list[Agent] = []
        # What is on its way from an agent that fell to its successor.
        self.handing: list[Claim] = []
        # Missions whose outcome is on its way to the store, by id.
        self.ending: dict[str, Claim] = {}

    @property
    def agents(self) -> list[Agent]:
        return [place.agent for place in self.places]

    @property
    def busy(self) -> bool:
        """Whether any agent holds something, fallen ones included."""
        return bool(self.handing or self.ending) or any(agent.held for agent in (*self.agents, *self._fallen))

    def held(self) -> set[str]:
        """The missions that agents hold, fallen ones included, and those on their way between two or to their end."""
        held = {claim.mission.id for agent in (*self.agents, *self._fallen) for claim in agent.held}
        return held | {claim.mission.id for claim in self.handing} | self.ending.keys()

    def has_room(self, role: Role) -> bool:
        """Whether any agent of the role can be given something."""
        return any(place.agent.has_room for place in self.peers[role])

    def find(self, agent: str) -> Agent | None:
        """The agent of that name, if it has its place."""
        place = self.named.get(agent.rpartition(".")[0])
        return place.agent if place is not None and place.agent.name == agent else None

    def seats(self, agent: Agent) -> bool:
        """Whether ``agent`` still has its place, and may act in it."""
        return agent.fall is None and self.find(agent.name) is agent and self.admits(agent)

    def admits(self, agent: Agent) -> bool:
        """Whether the agent's identity stands."""
        return self._admission.admitted(agent.name)

    def fingerprint(self, agent: Agent) -> str:
        return self._admission.fingerprint(agent.name)

    def barred(self) -> list[Agent]:
        """Agents in their places whose identity does not stand any more."""
        return [agent for agent in self.agents if not self._admission.admitted(agent.name)]

    def seat_next(self) -> Place | None:
        """Seat an agent in the next vacant place; None when there is none."""
        return self._seat(*self.vacant.popleft()) if self.vacant else None

    def replace(self, place: Place) -> None:
        """Seat a new agent, under a name that was not used before in this process.

        The old one counts until it is ``buried``, because it still holds missions.
        """
        self._fallen.append(place.agent)
        place.life += 1
        fallen, place.agent = place.agent, self._agent(place.role, place.number, life=place.life)
        fallen.succeed()

    def bury(self, agent: Agent) -> None:
        """A fallen agent holds nothing any more."""
        assert not agent.held
        self._fallen.remove(agent)
        self._admission.leave(agent.name)

    def tenant_of(self, role: Role, number: int) -> str:
        """Whose missions alone are taken in this place: the first ones of a role are there for everybody."""
        left = self._per_role[role] - number
        for tenant, n in self.reserved.items():
            if left < n:
                return tenant
            left -= n
        return ""

    def _seat(self, role: Role, number: int) -> Place:
        place = Place(role, number, self._agent(role, number, life=1), tenant=self.tenant_of(role, number))
        self.places.append(place)
        self.peers[role].append(place)
        self.named[place.name] = place
        return place

    def _agent(self, role: Role, number: int, *, life: int) -> Agent:
        agent = Agent(f"{place_name(role, number)}.{life}", role, self._own[role], self._tools, self._clock)
        self._admission.seat(agent.name)
        return agent


def place_name(role: Role, number: int) -> str:
    return f"{role.value}-{number}"


def skills_by_name(skills: Sequence[Skill]) -> Mapping[str, Skill]:
    """The skills under their names; raises ``InvalidSkill`` for a manifest that cannot be used."""
    named: dict[str, Skill] = {}
    for skill in skills:
        manifest = skill.manifest
        if not manifest.name or len(manifest.name) > MAX_NAME_CHARS:
            raise InvalidSkill("name", f"{manifest.name[:MAX_NAME_CHARS]!r} must have 1 to {MAX_NAME_CHARS} characters")
        if manifest.name in named:
            raise InvalidSkill("name", f"two skills are called {manifest.name!r}", hint="rename or remove one plug-in")
        if not manifest.cost > 0 or not manifest.limit_s > 0:
            raise InvalidSkill("cost", f"cost and limit_s of {manifest.name!r} must be positive")
        if problem := hearing_problem(skill):
            raise InvalidSkill("hears", f"{manifest.name!r}: {problem}")
        named[manifest.name] = skill
    return named
