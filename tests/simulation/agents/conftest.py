"""A swarm in a simulated world, skills that behave badly on demand, and what is left in the store."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from phalanx.agents import (
    Capability,
    Mission,
    Missions,
    MissionStatus,
    Role,
    SkillManifest,
    Swarm,
    Toolbox,
    mission_writes,
)
from phalanx.core import (
    DEFAULT_TENANT,
    MAX_PAGE_ROWS,
    EventId,
    Finding,
    Severity,
    TenantId,
    TraceId,
    Waypoint,
    decode,
    derive_id,
)
from phalanx.telemetry import WAYPOINTS, Telemetry
from phalanx.testing import WORLD_START_NS, SimWorld


class Chore:
    """A skill that does what it is told to, and remembers who was asked."""

    def __init__(self, do: Callable[[Mission], Awaitable[str]], *, name: str = "chore", limit_s: float = 60.0) -> None:
        self.manifest = SkillManifest(
            name, Role.ANALYST, (Capability.INCIDENTS,), ("finding",), ("note",), 1.0, (), limit_s
        )
        self._do = do
        self.asked: list[tuple[str, str]] = []

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        self.asked.append((mission.subject, mission.agent))
        return await self._do(mission)

    def times(self) -> Counter[str]:
        return Counter(subject for subject, _ in self.asked)


def finding(n: int, tenant: str = DEFAULT_TENANT) -> Finding:
    return Finding(
        id=derive_id(WORLD_START_NS, "finding", tenant, str(n)),
        tenant=TenantId(tenant),
        trace=TraceId(f"trace-{n}"),
        at_ns=WORLD_START_NS,
        case="host:ws-1",
        rule="r1",
        title="Something happened",
        severity=Severity.HIGH,
        confidence=0.8,
        techniques=(),
        tactics=(),
        entities=(),
        evidence=(EventId("e1"),),
        hits=1,
        first_seen_ns=WORLD_START_NS,
        last_seen_ns=WORLD_START_NS,
        accepted_at_ns=WORLD_START_NS,
        found_at_ns=WORLD_START_NS,
        explanation="because",
    )


@dataclass
class Bench:
    """One store, and swarms on it one after the other."""

    world: SimWorld
    store: object
    telemetry: Telemetry = field(init=False)

    def __post_init__(self) -> None:
        self.told = []
        self.telemetry = Telemetry(self.world.clock, log_sink=self.told.append)

    def swarm(self, *skills: Chore, agents: int = 2, reserved: dict[str, int] | None = None) -> Swarm:
        return Swarm(
            self.store,
            clock=self.world.clock,
            telemetry=self.telemetry,
            rng=self.world.rng.child("swarm"),
            toolbox=Toolbox(),
            skills=skills,
            agents_per_role=agents,
            reserved=reserved,
        )

    async def add(self, *numbers: int, tenant: str = DEFAULT_TENANT, skill: str = "chore") -> None:
        for n in numbers:
            writes = mission_writes(finding(n, tenant), at_ns=self.world.clock.wall_ns(), skill=skill)
            await self.store.commit(writes)

    async def missions(self, tenant: str = DEFAULT_TENANT) -> list[Mission]:
        return await Missions(self.store).list(TenantId(tenant), limit=MAX_PAGE_ROWS)

    async def standing(self, tenant: str = DEFAULT_TENANT) -> Counter[MissionStatus]:
        return Counter(mission.status for mission in await self.missions(tenant))

    async def waypoints(self, stage: str) -> list[Waypoint]:
        rows = [decode(row.value, Waypoint) for row in await self.store.scan(WAYPOINTS, DEFAULT_TENANT)]
        return [waypoint for waypoint in rows if waypoint.stage == stage]


@pytest.fixture
def play():
    """Runs a scenario on a fresh bench in a world of its own."""

    def run(scenario: Callable[[Bench], Awaitable[object]], *, seed: int = 1):
        async def main(world: SimWorld):
            store = world.store("disk")
            return await asyncio.wait_for(scenario(Bench(world, store)), timeout=3_600)

        return SimWorld(seed).run(main)

    return run


@pytest.fixture(name="finding")
def finding_made():
    return finding


@pytest.fixture
def bench():
    return Bench


@pytest.fixture
def chore():
    return Chore
