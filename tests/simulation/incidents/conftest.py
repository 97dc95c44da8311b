"""What a node does with a finding, wired from the real rooms on one simulated machine."""

import asyncio
from collections import Counter
from dataclasses import dataclass

import pytest

from phalanx.agents import Missions, Swarm, Toolbox, mission_writes
from phalanx.core import (
    DEFAULT_TENANT,
    Entity,
    EventId,
    Finding,
    Put,
    Severity,
    TraceId,
    Waypoint,
    decode,
    derive_id,
    encode,
)
from phalanx.devices import Fleet, ProviderContext, local_provider
from phalanx.incidents import Cases, ContainmentPolicy, Responses, triage_skill, triage_template
from phalanx.intel import FINDINGS, Findings
from phalanx.ledger import Ledger, Unsealed
from phalanx.telemetry import WAYPOINTS, Telemetry
from phalanx.testing import WORLD_START_NS, SimWorld
from phalanx.workflows import Assessments, Engine

DAY = "2026-01-01"


def make_finding(n, *, host="ws-1", tactics=("credential-access",), severity=Severity.CRITICAL, confidence=0.9):
    at_ns = WORLD_START_NS + n
    entities = (Entity("host", host), Entity("user", "alice")) if host else (Entity("user", "alice"),)
    return Finding(
        id=derive_id(WORLD_START_NS, "finding", host, str(n)),
        tenant=DEFAULT_TENANT,
        trace=TraceId(f"event-{n}"),
        at_ns=at_ns,
        case=f"{host}@{DAY}",
        rule=f"rule-{n}",
        title=f"Something {n}",
        severity=severity,
        confidence=confidence,
        techniques=("T1003",),
        tactics=tuple(tactics),
        entities=entities,
        evidence=(EventId(f"event-{n}"),),
        hits=1,
        first_seen_ns=at_ns,
        last_seen_ns=at_ns,
        accepted_at_ns=at_ns,
        found_at_ns=at_ns,
        explanation="because",
    )


class Slowed:
    """A device that takes its time over each circuit."""

    def __init__(self, backend, takes_s, clock):
        self._backend, self.device, self.takes_s, self._clock = backend, backend.device, takes_s, clock

    async def run(self, circuit, /, *, shots, seed):
        await self._clock.sleep(self.takes_s)
        return await self._backend.run(circuit, shots=shots, seed=seed)


@dataclass
class Desk:
    """The rooms from a finding to the ledger, on one store and one journal."""

    clock: object
    store: object
    telemetry: Telemetry
    ledger: Ledger
    responses: Responses
    engine: Engine
    swarm: Swarm

    @classmethod
    async def open(cls, ports, *, policy=None, devices=True, slowed_s=0.0, agents=2, store=None, journal=None):
        clock, store = ports.clock, store or ports.store
        telemetry = Telemetry(clock)
        journal = journal or await ports.journals.open("ledger")
        ledger = await Ledger.open(
            journal,
            store,
            ports.signer,
            clock=clock,
            telemetry=telemetry,
            entropy=ports.entropy,
            offload=ports.offload,
            sealers=Unsealed(),
        )
        backends = local_provider(ProviderContext(ports.offload, ports.clock)).backends() if devices else ()
        fleet = Fleet([Slowed(one, slowed_s, clock) for one in backends] if slowed_s else backends)
        engine = Engine(store, clock, telemetry, fleet, ports.offload, ports.rng.child("workflows"))
        engine.register(triage_template)
        responses = Responses(store, ledger, policy or ContainmentPolicy(), clock, telemetry)
        tools = Toolbox()
        tools.provide(Engine, engine)
        tools.provide(Findings, Findings(store))
        tools.provide(Responses, responses)
        swarm = Swarm(
            store,
            clock=clock,
            telemetry=telemetry,
            rng=ports.rng.child("swarm"),
            toolbox=tools,
            skills=[triage_skill],
            agents_per_role=agents,
        )
        return cls(clock, store, telemetry, ledger, responses, engine, swarm)

    async def find(self, *findings):
        """Commit findings and their missions, as the sentinel does."""
        await self.find_quietly(*findings)
        await self.mission_only(*findings)

    async def find_quietly(self, *findings):
        """Commit findings that are not worth a mission."""
        await self.store.commit([finding_put(finding) for finding in findings])

    async def mission_only(self, *findings):
        at_ns = self.clock.wall_ns()
        await self.store.commit([w for f in findings for w in mission_writes(f, at_ns=at_ns, skill="triage")])
        self.swarm.wake()

    async def assessments(self):
        return await Assessments(self.store).list(DEFAULT_TENANT)

    async def missions(self):
        return await Missions(self.store).list(DEFAULT_TENANT)

    async def ledger_actions(self):
        return Counter(entry.entry.action for entry in await self.ledger.entries(-1, 1_000))

    async def story(self, trace):
        rows = await self.store.find(WAYPOINTS, DEFAULT_TENANT, "trace", trace)
        return sorted((decode(row.value, Waypoint) for row in rows), key=lambda waypoint: waypoint.at_ns)

    async def case(self, case):
        return await Cases(self.store).get(DEFAULT_TENANT, case)


def finding_put(finding):
    index = {"case": [finding.case], "trace": list(finding.evidence), "severity": [finding.severity.name.lower()]}
    return Put(FINDINGS, finding.tenant, finding.id, encode(finding), index)


@pytest.fixture
def finding():
    return make_finding


@pytest.fixture
def desk():
    return Desk


@pytest.fixture
def play():
    """Runs a scenario at a desk on a machine of its own."""

    def run(scenario, *, seed=1, **options):
        async def on_node(node):
            desk = await Desk.open(node.ports(), **options)
            async with desk.swarm:
                return await asyncio.wait_for(scenario(desk), timeout=36_000)

        async def main(world):
            return await world.node("n").start(on_node)

        return SimWorld(seed).run(main)

    return run
