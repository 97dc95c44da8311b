"""Roles, skills and missions as values, and the durable form of a mission.

A mission is one row of ``MISSIONS``. Its status moves ``pending → assigned → done | failed``,
and from ``assigned`` back to ``pending`` when an attempt failed or its agent was lost. The
row's version at assignment is the fencing token of that attempt (``_book``).
"""

from dataclasses import dataclass
from enum import Enum

from phalanx.agents._limits import ATTEMPT_LIMIT_S, MAX_NOTE_CHARS
from phalanx.core import (
    Finding,
    Put,
    Record,
    Severity,
    Table,
    Waypoint,
    Write,
    derive_id,
    encode,
    id_time_ns,
)
from phalanx.telemetry import waypoint_of, waypoint_put

MISSIONS = Table("missions", indexes=("status", "case"), sealed=True)


class Role(Enum):
    """What an agent is for. An agent has every skill of its role."""

    SENTINEL = "sentinel"
    HUNTER = "hunter"
    GUARDIAN = "guardian"
    ANALYST = "analyst"
    DECEPTION = "deception"
    ADMIN = "admin"
    CANARY = "canary"
    SPECIALIST = "specialist"


class Capability(Enum):
    """What a skill contributes to the whole, across roles; skills are looked up by it."""

    DETECTION = "threat-detection"
    RESPONSE = "response-coordination"
    AGGREGATION = "intelligence-aggregation"
    PREDICTION = "prediction"
    ENFORCEMENT = "zero-trust-enforcement"
    INCIDENTS = "incident-response"


class MissionStatus(Enum):
    """Where a mission stands. ``DONE`` and ``FAILED`` are final."""

    PENDING = "pending"
    ASSIGNED = "assigned"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SkillManifest:
    """What a skill is and needs.

    ``inputs`` and ``outputs`` are the kinds of records it takes as a mission's subject and
    leaves behind. ``cost`` is the work of one mission relative to other skills: dispatch
    balances the sum. ``permissions`` names the tool types the skill may take from the
    toolbox; it is handed nothing else. An attempt that takes longer than ``limit_s`` is
    cancelled and counts as failed.
    """

    name: str
    role: Role
    capabilities: tuple[Capability, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    cost: float
    permissions: tuple[str, ...]
    limit_s: float = ATTEMPT_LIMIT_S


class Mission(Record, frozen=True, kw_only=True, tag="mission"):
    """One piece of work for one agent: apply ``skill`` to ``subject``.

    ``attempts`` counts assignments. ``note`` is the outcome in words: the summary of a done
    mission, the reason of a failed one, the last error of one that will be tried again.
    """

    skill: str
    subject: str
    case: str
    severity: Severity
    status: MissionStatus
    agent: str = ""
    attempts: int = 0
    note: str = ""


class AgentState(Enum):
    """What an agent is doing at the moment. ``BARRED``: its identity does not stand, so it gets nothing."""

    IDLE = "idle"
    BUSY = "busy"
    BARRED = "barred"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class AgentView:
    """One line of the roster. ``mission`` is the one in hand, empty when there is none.

    ``identity`` is the fingerprint of the agent's key, empty where agents have none.
    """

    id: str
    role: Role
    state: AgentState
    mission: str
    waiting: int
    done: int
    failed: int
    identity: str = ""


def new_mission(finding: Finding, *, at_ns: int, skill: str) -> Mission:
    """The mission that applies ``skill`` to ``finding``; the same two always give the same id."""
    return Mission(
        id=derive_id(id_time_ns(finding.id), "mission", skill, finding.id),
        tenant=finding.tenant,
        trace=finding.trace,
        at_ns=at_ns,
        skill=skill,
        subject=finding.id,
        case=finding.case,
        severity=finding.severity,
        status=MissionStatus.PENDING,
    )


def mission_put(mission: Mission) -> Put:
    """The write that stores ``mission`` as it stands."""
    index = {"status": (mission.status.value,), "case": (mission.case,)}
    return Put(MISSIONS, mission.tenant, mission.id, encode(mission), index)


def mission_waypoint(mission: Mission, stage: str, *, at_ns: int, summary: str) -> Waypoint:
    """The waypoint that tells of a mission's step ``stage``."""
    return waypoint_of(
        mission,
        room="agents",
        stage=stage,
        at_ns=at_ns,
        summary=summary[:MAX_NOTE_CHARS],
        skill=mission.skill,
        case=mission.case,
        agent=mission.agent,
        attempt=mission.attempts,
    )


def creation_waypoint(mission: Mission) -> Waypoint:
    """The waypoint written with a new mission."""
    summary = f"a mission to {mission.skill} case {mission.case}"
    return mission_waypoint(mission, "mission", at_ns=mission.at_ns, summary=summary)


def mission_writes(finding: Finding, *, at_ns: int, skill: str) -> tuple[Write, ...]:
    """A new mission and its waypoint, for the commit that writes the finding itself.

    The caller publishes ``creation_waypoint(new_mission(...))`` once that commit is durable.
    """
    mission = new_mission(finding, at_ns=at_ns, skill=skill)
    return mission_put(mission), waypoint_put(creation_waypoint(mission))
