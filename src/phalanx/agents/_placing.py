"""Which agent gets a mission: the pool ``agents`` of the node's balancing.

A place of the roster is a resource, whoever sits in it; a skill is a kind of operation, declared at its manifest's
cost and learned from then on. What an agent may hold is its mailbox and its hand.
"""

from collections.abc import Iterable
from contextlib import suppress

from phalanx.agents._agent import Agent
from phalanx.agents._book import Claim
from phalanx.agents._limits import MAILBOX_MISSIONS
from phalanx.agents._roster import Place, Roster
from phalanx.balancing import FairShares, NoEligibleResource, Operation, OperationKind, Pool, QueuesFull, Resource
from phalanx.core import NS_PER_S, Clock, TenantId

POOL = "agents"


class Placing:
    """Keeps the pool in step with the roster."""

    def __init__(self, roster: Roster, clock: Clock) -> None:
        self._roster = roster
        self._clock = clock
        self._by_name = {place.name: place for place in roster.places}
        self._shares = FairShares()
        manifests = [skill.manifest for skill in roster.skills.values()]
        self.pool = Pool(
            POOL,
            [OperationKind(name=one.name, work={one.role.value: one.cost}) for one in manifests],
            [Resource(name=place.name, kind=place.role.value) for place in roster.places],
            title="Missions over agents",
            capacities=dict.fromkeys(self._by_name, 1 + MAILBOX_MISSIONS),
        )

    def choose(self, claim: Claim) -> Agent | None:
        """The agent for this mission, None when every able one is full. It holds a place there until ``ended``."""
        mission = claim.mission
        role = self._roster.skills[mission.skill].manifest.role
        able = {agent.name for agent in self._roster.able(mission.skill)}
        peers = [place for place in self._roster.places if place.role is role]
        free = frozenset(place.name for place in peers if place.agent.name in able)
        operation = self._operation(claim, None if len(free) == len(peers) else free)
        try:
            ticket = self.pool.place(operation, self._now_s())
        except (QueuesFull, NoEligibleResource):
            return None
        agent = self._by_name[self.pool.seats[ticket.resource].resource.name].agent
        if not agent.has_room:
            self.pool.withdraw(mission.id, self._now_s())
            return None
        self._shares.charge(mission.tenant, ticket.expected_s)
        return agent

    def order(self, tenants: Iterable[TenantId]) -> list[TenantId]:
        """Whose missions are looked at first: those of the tenant that was served least."""
        return self._shares.order(tenants)

    def begun(self, claim: Claim) -> None:
        self.pool.start(claim.mission.id, self._now_s())

    def ended(self, claim: Claim, *, ok: bool) -> None:
        self.pool.finish(claim.mission.id, self._now_s(), ok=ok)

    def given_back(self, claim: Claim) -> None:
        """It went back to the queue without having been begun."""
        self.pool.withdraw(claim.mission.id, self._now_s())

    def handed(self, claim: Claim, agent: Agent) -> None:
        """It went from an agent that fell to its successor, in the same place."""
        operation = self._operation(claim, None)
        # A place that begins slowly may be full by the pool's count; the agent's mailbox decides.
        with suppress(QueuesFull, NoEligibleResource):
            self.pool.place(operation, self._now_s(), only=agent.place)

    def _operation(self, claim: Claim, eligible: frozenset[str] | None) -> Operation:
        mission = claim.mission
        return Operation(
            id=mission.id, kind=mission.skill, tenant=mission.tenant, priority=int(mission.severity), eligible=eligible
        )

    def replaced(self, place: Place) -> None:
        """Another agent sits there now. It begins slowly: what made the last one fall may not be over."""
        self.pool.open(place.name)

    def agent(self, place: str) -> Agent:
        return self._by_name[place].agent

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / NS_PER_S
