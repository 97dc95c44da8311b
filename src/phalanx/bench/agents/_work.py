"""Work for a thousand agents: the skills that there are for each role, and what they cost.

All are measured: those for findings (sentinels, hunters, analysts, admins and specialists), for touches of decoys, for
keys that fall to a quantum computer, for what was approved because of findings (guardians), and for probes (canaries).
Stand-ins are for agents that are killed at work: they read their finding and the others of the case from the store,
compare what they are about, and keep what they made of it in one commit, all in about the same time.
"""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, TypeVar

from phalanx.agents import Capability, Mission, Role, Skill, SkillManifest, Toolbox, mission_writes
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
    Write,
    derive_id,
)
from phalanx.intel import Findings, finding_put

T = TypeVar("T")

NOTES = Table("bench_notes", sealed=True)
_CASES = 40
_COMPARED = 16
_NEVER_S = 30.0
_WRITE_BATCH = 50


class Meter:
    """CPU seconds on the event loop, and calls, by role; and when each mission's work was done, for replacement."""

    def __init__(self) -> None:
        self.cpu_s = dict.fromkeys(Role, 0.0)
        self.calls = dict.fromkeys(Role, 0)
        self.by_skill: Counter[str] = Counter()
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
        self.by_skill.clear()

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
        self.by_skill[mission.skill] += 1
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
    """Work that takes about the same time for every finding and in every role, to be killed in."""

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


def on_kind(skills: Sequence[Skill], kind: str) -> list[Skill]:
    """Those that a record of this kind becomes a mission for."""
    return [skill for skill in skills if kind in skill.manifest.inputs]


# Stages that findings of one case show; together they make it look compromised, so that something is proposed.
_TACTICS = ("execution", "persistence", "credential-access", "lateral-movement", "exfiltration", "impact")


def findings(
    rng: Rng, number: int, phase: str, *, tenant: TenantId = DEFAULT_TENANT, events: Sequence[EventId] = (),
    rule: str = "bench", address: str = "",
) -> list[Finding]:  # fmt: skip
    """Findings of some cases, each about a host, a user and an address that others are about as well.

    ``events`` are stored ones that they rest on, so that there is something to look at around them. ``address`` is who
    all of them are about, where that is somebody known.
    """
    made = []
    at_ns = time.time_ns()
    for n in range(number):
        case = rng.integer(0, _CASES)
        entities = (
            Entity("host", f"ws-{case}"), Entity("user", f"user-{rng.integer(0, 30)}"),
            Entity("ip", address or f"10.0.{case}.{rng.integer(1, 250)}"),
        )  # fmt: skip
        event = events[n % len(events)] if events else EventId(f"event-{n}")
        made.append(
            Finding(
                id=derive_id(at_ns + n, "finding", phase, str(n)), tenant=tenant,
                trace=TraceId(f"{phase}-{n}"), at_ns=at_ns, case=f"host:ws-{case}", rule=rule, title="A finding",
                severity=Severity.HIGH, confidence=0.8, techniques=("T1059",), tactics=(rng.choice(_TACTICS),),
                entities=entities, evidence=(event,), hits=1, first_seen_ns=at_ns, last_seen_ns=at_ns,
                accepted_at_ns=at_ns, found_at_ns=at_ns, explanation="made for a benchmark",
            )
        )  # fmt: skip
    return made


async def write_findings(store: Store, found: list[Finding], skills: Sequence[Skill]) -> None:
    """As detection does it: a finding and its missions are one commit."""
    for start in range(0, len(found), _WRITE_BATCH):
        writes: list[Write] = []
        for one in found[start : start + _WRITE_BATCH]:
            writes.append(finding_put(one))
            for skill in skills:
                writes.extend(mission_writes(one, at_ns=time.time_ns(), skill=skill.manifest.name))
        await store.commit(writes)


def agent_seconds(node: Any) -> dict[str, dict[str, float]]:
    """How long agents of each role were busy so far, and how long of it was useful."""
    snapshot = node.telemetry.metrics.snapshot()
    return {
        what: {
            sample["labels"]["role"]: sample["value"]
            for sample in snapshot[f"phalanx_agent_{what}_seconds_total"]["samples"]
        }
        for what in ("busy", "useful")
    }
