"""The places of a swarm and the agents in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from phalanx.agents._admission import Admission
from phalanx.agents._agent import Agent
from phalanx.agents._book import Claim
from phalanx.agents._duty import Duty
from phalanx.agents._errors import InvalidSkill
from phalanx.agents._model import AgentState, AgentView, Role
from phalanx.agents._toolbox import Skill, Toolbox
from phalanx.core import MAX_NAME_CHARS, Clock


@dataclass(slots=True)
class Place:
    """A seat for one agent at a time. ``life`` counts the agents it has had, the others their work."""

    role: Role
    number: int
    agent: Agent
    life: int = 1
    done: int = 0
    failed: int = 0

    @property
    def name(self) -> str:
        """Of the place, whoever sits in it."""
        return f"{self.role.value}-{self.number}"


class Roster:
    """Who there is. Roles without a skill and a duty have no agents: nobody sits idle for show."""

    def __init__(
        self,
        skills: Sequence[Skill],
        duties: Sequence[Duty] = (),
        *,
        tools: Toolbox,
        clock: Clock,
        per_role: int,
        admission: Admission,
    ) -> None:
        self.skills = skills_by_name(skills)
        self._admission = admission
        self._tools = tools
        self._clock = clock
        wanted = {one.manifest.role for one in skills} | {one.manifest.role for one in duties}
        roles = [role for role in Role if role in wanted]
        self.places = [
            Place(role, number, self._agent(role, number, life=1))
            for role in roles
            for number in range(1, per_role + 1)
        ]
        # Agents that fell and whose missions are not back in the queue yet.
        self._fallen: list[Agent] = []
        # What is on its way from an agent that fell to its successor.
        self.hand_over: list[Claim] = []

    @property
    def agents(self) -> list[Agent]:
        return [place.agent for place in self.places]

    @property
    def has_room(self) -> bool:
        """Whether any agent can be given something."""
        return any(place.agent.has_room for place in self.places)

    @property
    def busy(self) -> bool:
        """Whether any agent holds something, fallen ones included."""
        return bool(self.hand_over) or any(agent.held for agent in (*self.agents, *self._fallen))

    def held(self) -> set[str]:
        """The missions that agents hold, fallen ones included, and those on their way between two."""
        held = {claim.mission.id for agent in (*self.agents, *self._fallen) for claim in agent.held}
        return held | {claim.mission.id for claim in self.hand_over}

    def seats(self, agent: Agent) -> bool:
        """Whether ``agent`` still has its place, and may act in it."""
        return any(place.agent is agent for place in self.places) and self._admission.admitted(agent.name)

    def barred(self) -> list[Agent]:
        """Agents in their places whose identity does not stand any more."""
        return [agent for agent in self.agents if not self._admission.admitted(agent.name)]

    def able(self, skill: str) -> list[Agent]:
        """The agents that have ``skill`` and may act, in roster order; none when nobody knows it."""
        known = self.skills.get(skill)
        return [
            place.agent
            for place in self.places
            if known and place.role is known.manifest.role and self._admission.admitted(place.agent.name)
        ]

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

    def views(self, *, stopped: bool) -> list[AgentView]:
        """One line per place, in order."""
        return [self._view(place, stopped=stopped) for place in self.places]

    def _view(self, place: Place, *, stopped: bool) -> AgentView:
        agent = place.agent
        hand = agent.in_hand
        state = AgentState.BUSY if hand else AgentState.IDLE
        if not self._admission.admitted(agent.name):
            state = AgentState.BARRED
        return AgentView(
            id=agent.name,
            role=place.role,
            state=AgentState.STOPPED if stopped else state,
            mission=hand.mission.id if hand else "",
            waiting=len(agent.held) - (hand is not None),
            done=place.done,
            failed=place.failed,
            identity=self._admission.fingerprint(agent.name),
        )

    def _agent(self, role: Role, number: int, *, life: int) -> Agent:
        own = {name: skill for name, skill in self.skills.items() if skill.manifest.role is role}
        agent = Agent(f"{role.value}-{number}.{life}", role, own, self._tools, self._clock)
        self._admission.seat(agent.name)
        return agent


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
        named[manifest.name] = skill
    return named
