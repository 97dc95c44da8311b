"""Which agent gets a mission: the pool ``agents`` of the node's balancing.

A place of the roster is a resource, whoever sits in it; a skill is a kind of operation, declared at its manifest's
cost and learned from then on. An agent can hold what fits in its mailbox, plus one mission in hand. A place is
closed in the pool while nobody sits there, or while its agent is not to be trusted with anything.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress

from phalanx.agents._agent import Agent
from phalanx.agents._book import Claim
from phalanx.agents._limits import MAILBOX_MISSIONS, SILENT_PHI
from phalanx.agents._model import Role
from phalanx.agents._roster import Place, Roster, place_name
from phalanx.balancing import FairShares, NoEligibleResource, Operation, OperationKind, Pool, QueuesFull, Resource
from phalanx.core import NS_PER_S, Clock, InvalidInput, TenantId

POOL = "agents"
_VACANT = "vacant"


class Placing:
    """Keeps the pool in step with the roster."""

    def __init__(self, roster: Roster, clock: Clock) -> None:
        self._roster = roster
        self._clock = clock
        self._shares = FairShares()
        manifests = [skill.manifest for skill in roster.skills.values()]
        vacant = [(place_name(role, number), role) for role, number in roster.vacant]
        places = [*((place.name, place.role) for place in roster.places), *vacant]
        self.pool = Pool(
            POOL,
            [OperationKind(name=one.name, work={one.role.value: one.cost}) for one in manifests],
            [Resource(name=name, kind=role.value) for name, role in places],
            title="Missions over agents",
            capacities=dict.fromkeys((name for name, _ in places), 1 + MAILBOX_MISSIONS),
        )
        for name, _ in vacant:
            self.pool.close(name, _VACANT)
        numbered = [(place.role, place.number) for place in roster.places] + list(roster.vacant)
        # Where some places are one tenant's, the names of those that everybody else may have, by role and tenant.
        self._open_to = {
            (role, tenant): frozenset(
                place_name(one, number) for one, number in numbered
                if one is role and roster.tenant_of(one, number) in ("", tenant)
            )
            for role in roster.roles for tenant in ("", *roster.reserved)
        } if roster.reserved else {}  # fmt: skip

    def choose(self, claim: Claim) -> Agent | None:
        """The agent for this mission, None when every able one is full. It holds a place there until ``ended``."""
        operation = self._operation(claim)
        while True:
            try:
                ticket = self.pool.place(operation, self._now_s())
            except (QueuesFull, NoEligibleResource):
                return None
            place = self._roster.named[self.pool.seats[ticket.resource].resource.name]
            if self._roster.seats(place.agent):
                break
            # Its identity ended by itself. It is replaced, and until then gets nothing.
            self.pool.withdraw(claim.mission.id, self._now_s())
            self.set_apart(place, "its identity does not stand")
        if not place.agent.has_room:
            self.pool.withdraw(claim.mission.id, self._now_s())
            return None
        self._shares.charge(claim.mission.tenant, ticket.expected_s)
        return place.agent

    def room(self, role: Role) -> bool:
        """Whether it is worth asking for an agent of this role."""
        return self._roster.has_room(role)

    def order(self, tenants: Iterable[TenantId]) -> list[TenantId]:
        """Whose missions are looked at first: those of the tenant that was served least."""
        return self._shares.order(tenants)

    def begun(self, claim: Claim) -> None:
        self.pool.start(claim.mission.id, self._now_s())

    def ended(self, claim: Claim, place: Place, *, ok: bool) -> None:
        """The attempt is over. Missions that fail are done again: where they do, each is expected to take longer."""
        self.pool.finish(claim.mission.id, self._now_s(), ok=ok)
        if place.failed:
            self.pool.set_loss(place.name, place.failed / (1 + place.done + place.failed))

    def given_back(self, claim: Claim) -> None:
        """It went back to the queue without having been begun."""
        self.pool.withdraw(claim.mission.id, self._now_s())

    def handed(self, claim: Claim, agent: Agent) -> None:
        """It went from an agent that fell to its successor, in the same place."""
        # A place that begins slowly may be full by the pool's count; the agent's mailbox decides.
        with suppress(QueuesFull, NoEligibleResource):
            self.pool.place(self._operation(claim), self._now_s(), only=agent.place)

    def seated(self, place: Place) -> None:
        """Somebody sits there now. It begins slowly: what made the last one fall may not be over."""
        self.pool.open(place.name)

    def set_apart(self, place: Place, reason: str) -> None:
        """Give whoever sits there nothing more."""
        self.pool.close(place.name, reason)

    def agent(self, place: str) -> Agent | None:
        found = self._roster.named.get(place)
        return found.agent if found else None

    def _operation(self, claim: Claim) -> Operation:
        mission = claim.mission
        role = self._roster.skills[mission.skill].manifest.role
        eligible: frozenset[str] | None = None
        if self._open_to:
            eligible = self._open_to.get((role, mission.tenant), self._open_to[role, ""])
        if mission.min_trust > 0:
            trusted = (
                place for place in self._roster.peers[role] if trust(place.done, place.failed) >= mission.min_trust
            )
            names = frozenset(place.name for place in trusted)
            eligible = names if eligible is None else names & eligible
        return Operation(
            id=mission.id, kind=mission.skill, tenant=mission.tenant, priority=int(mission.severity), eligible=eligible
        )

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / NS_PER_S


def trust(done: int, failed: int, phi: float = 0.0) -> float:
    """From 0 to 1: the expected share of missions that go well (one good one taken as seen), less for a suspect."""
    return round((1 + done) / (1 + done + failed) * max(0.0, 1 - phi / SILENT_PHI), 4)


def by_role(weights: Mapping[Role, int] | int) -> dict[Role, int]:
    """How many agents each role has, from a number for all or one for each."""
    return dict.fromkeys(Role, weights) if isinstance(weights, int) else {role: weights.get(role, 0) for role in Role}


def check_reserved(reserved: Mapping[str, int], per_role: Mapping[Role, int]) -> None:
    """Raises ``InvalidInput`` when a role would have no place left for everybody."""
    most = sum(reserved.values())
    short = next((role for role, number in per_role.items() if 0 < number <= most), None)
    if any(number < 1 for number in reserved.values()) or (most and short is not None):
        where = f"; {short.value} has {per_role[short]}" if short is not None else ""
        raise InvalidInput(
            "reserved", f"{most} places of each role are reserved, one must be left for everybody{where}"
        )
