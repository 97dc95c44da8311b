"""Work for a thousand agents: a skill for each role that handles findings, and what it cost.

Where a role has skills of its own for findings or for what follows from them, those are measured: analysts triage and
correlate, hunters expand and hunt in stored events, guardians rehearse what was approved, canaries answer probes. A
stand-in takes the place of roles that have none (they keep duties): it reads its finding and the others of the case
from the store, compares what they are about, and keeps what it made of it in one commit.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, TypeVar

from phalanx.agents import Capability, Mission, Role, Skill, SkillManifest, Toolbox
from phalanx.core import (
    DEFAULT_TENANT,
    Entity,
    EventId,
    Finding,
    Put,
    Rng,
    Severity,
    Store,
    Table,
    TenantId,
    TraceId,
    derive_id,
)
from phalanx.intel import Findings

T = TypeVar("T")

NOTES = Table("bench_notes", sealed=True)
_CASES = 40
_COMPARED = 16
_NEVER_S = 30.0


class Meter:
    """CPU seconds on the event loop, and calls, by role; and when each mission's work was done, for replacement."""

    def __init__(self) -> None:
        self.cpu_s = dict.fromkeys(Role, 0.0)
        self.calls = dict.fromkeys(Role, 0)
        self.failing: set[str] = set()
        self.killing: set[str] = set()
        self.kill: Callable[[str, str], None] = lambda *_: None
        self.killed_ns: dict[str, tuple[str, int]] = {}
        self.ended_ns: dict[str, tuple[str, int]] = {}
        self.failed_ns: dict[str, tuple[str, int]] = {}
        self.performed: dict[str, int] = {}

    def reset(self) -> None:
        """Forget what was counted; what is planned stays."""
        self.cpu_s = dict.fromkeys(Role, 0.0)
        self.calls = dict.fromkeys(Role, 0)

    async def strike(self, mission: Mission) -> None:
        """Have the agent that works at the mission killed, or fail, if that was planned; in the middle of it."""
        fate = next((one for one in (self.killing, self.failing) if mission.id in one), None)
        if fate is None:
            return
        fate.discard(mission.id)
        self.performed[mission.id] = self.performed.get(mission.id, 0) + 1
        await asyncio.sleep(0.001)
        place, _, life = mission.agent.rpartition(".")
        fell = f"{place}.{int(life) + 1}", time.perf_counter_ns()
        if fate is self.failing:
            self.failed_ns[mission.id] = fell
            raise RuntimeError("planted by the benchmark")
        self.killed_ns[mission.id] = fell
        self.kill(mission.agent, "the benchmark")
        # It would go on, had it not been killed.
        await asyncio.sleep(_NEVER_S)

    async def run(self, role: Role, mission: Mission, work: Coroutine[Any, Any, T]) -> T:
        self.calls[role] += 1
        self.performed[mission.id] = self.performed.get(mission.id, 0) + 1
        try:
            result: T = await _Timed(work, self.cpu_s, role)
        finally:
            work.close()
        self.ended_ns[mission.id] = mission.agent, time.perf_counter_ns()
        return result


class _Timed:
    """Awaits a coroutine and adds up the CPU time of its steps."""

    def __init__(self, work: Coroutine[Any, Any, Any], into: dict[Role, float], role: Role) -> None:
        self._work, self._into, self._role = work, into, role

    def __await__(self) -> Generator[Any, Any, Any]:
        given: Any = None
        raised: BaseException | None = None
        while True:
            began_ns = time.thread_time_ns()
            try:
                asked = self._work.send(given) if raised is None else self._work.throw(raised)
            except StopIteration as done:
                return done.value
            finally:
                self._into[self._role] += (time.thread_time_ns() - began_ns) / 1e9
            try:
                given, raised = (yield asked), None
            except BaseException as error:  # noqa: BLE001 - handed to the coroutine, which decides
                given, raised = None, error


class Measured:
    """A skill as it is, and a meter around it."""

    def __init__(self, skill: Skill, meter: Meter) -> None:
        self.manifest = skill.manifest
        self._skill = skill
        self._meter = meter

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        return await self._meter.run(self.manifest.role, mission, self._skill.perform(mission, tools))


class StandIn:
    """What an agent of a role without a skill for findings does with one."""

    def __init__(self, role: Role, meter: Meter) -> None:
        self.manifest = SkillManifest(
            name=f"bench-{role.value}", role=role, capabilities=(Capability.INCIDENTS,), inputs=("finding",),
            outputs=("note",), cost=1.0, permissions=("Findings", "Store"), limit_s=30.0,
        )  # fmt: skip
        self._meter = meter

    async def perform(self, mission: Mission, tools: Toolbox) -> str:
        await self._meter.strike(mission)
        return await self._meter.run(self.manifest.role, mission, self._handle(mission, tools))

    async def _handle(self, mission: Mission, tools: Toolbox) -> str:
        findings = tools.get(Findings)
        own = await findings.get(mission.tenant, mission.subject)
        others = await findings.list(mission.tenant, case=mission.case, limit=_COMPARED)
        about = {f"{entity.type}:{entity.value}" for entity in own.entities}
        shared = [one.id for one in others if about & {f"{e.type}:{e.value}" for e in one.entities}]
        digest = hashlib.sha256("\n".join(sorted(shared)).encode()).hexdigest()
        note = f"{self.manifest.role.value}: {len(shared)} findings share what it is about, {digest[:12]}"
        await tools.get(Store).commit([Put(NOTES, mission.tenant, mission.id, note.encode())])
        return note


def skills_for_all(installed: Sequence[Skill], meter: Meter) -> tuple[list[Skill], list[StandIn]]:
    """The installed skills, measured; and a stand-in for every role, to be killed in its work."""
    return [Measured(skill, meter) for skill in installed], [StandIn(role, meter) for role in Role]


def on_findings(skills: Sequence[Skill]) -> list[Skill]:
    """Those that a serious finding becomes a mission for."""
    return [skill for skill in skills if {"finding", "serious-finding"} & set(skill.manifest.inputs)]


def on_probes(skills: Sequence[Skill]) -> list[Skill]:
    """Those that a probe's finding becomes a mission for."""
    return [skill for skill in skills if "probe" in skill.manifest.inputs]


def roles_of(skills: Sequence[Skill]) -> list[str]:
    """The roles of some skills, by name."""
    return [skill.manifest.role.value for skill in skills]


def without(able: Sequence[Skill], stand_ins: Sequence[StandIn]) -> list[StandIn]:
    """The stand-ins of roles that none of the skills makes handle findings."""
    roles = {skill.manifest.role for skill in able}
    return [one for one in stand_ins if one.manifest.role not in roles]


# Stages that findings of one case show; together they make it look compromised, so that something is proposed.
_TACTICS = ("execution", "persistence", "credential-access", "lateral-movement", "exfiltration", "impact")


def findings(
    rng: Rng, number: int, phase: str, *, tenant: TenantId = DEFAULT_TENANT, events: Sequence[EventId] = ()
) -> list[Finding]:
    """Findings of some cases, each about a host, a user and an address that others are about as well.

    ``events`` are stored ones that they rest on, so that hunters can look around them.
    """
    made = []
    at_ns = time.time_ns()
    for n in range(number):
        case = rng.integer(0, _CASES)
        entities = (
            Entity("host", f"ws-{case}"), Entity("user", f"user-{rng.integer(0, 30)}"),
            Entity("ip", f"10.0.{case}.{rng.integer(1, 250)}"),
        )  # fmt: skip
        event = events[n % len(events)] if events else EventId(f"event-{n}")
        made.append(
            Finding(
                id=derive_id(at_ns + n, "finding", phase, str(n)), tenant=tenant,
                trace=TraceId(f"{phase}-{n}"), at_ns=at_ns, case=f"host:ws-{case}", rule="bench", title="A finding",
                severity=Severity.HIGH, confidence=0.8, techniques=("T1059",), tactics=(rng.choice(_TACTICS),),
                entities=entities, evidence=(event,), hits=1, first_seen_ns=at_ns, last_seen_ns=at_ns,
                accepted_at_ns=at_ns, found_at_ns=at_ns, explanation="made for a benchmark",
            )
        )  # fmt: skip
    return made
