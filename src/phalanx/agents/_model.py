"""Roles, skills and missions as values, and the durable form of a mission.

A mission is one row of ``MISSIONS``. Its status moves ``pending → assigned → done | failed``,
from ``assigned`` back to ``pending`` when an attempt failed or its agent was lost, and from both to
``taken-over`` when another node continues it (``_succession``). The
row's version at assignment is the fencing token of that attempt (``_book``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

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

# What missions that were taken over from another node are found under in the index ``status``, wherever they stand.
CAME_OVER = "came-over"
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
    """Where a mission stands. ``DONE`` and ``FAILED`` are final; ``TAKEN`` says that another node continues it."""

    PENDING = "pending"
    ASSIGNED = "assigned"
    DONE = "done"
    FAILED = "failed"
    TAKEN = "taken-over"


# Where a mission is to come to its end yet.
OPEN = (MissionStatus.PENDING, MissionStatus.ASSIGNED)


@dataclass(frozen=True, slots=True)
class SkillManifest:
    """What a skill is and needs.

    ``inputs`` and ``outputs`` are the kinds of records it takes as a mission's subject and
    leaves behind. ``cost`` is the work of one mission relative to other skills: dispatch
    balances the sum. ``permissions`` names the tool types the skill may take from the
    toolbox; it is handed nothing else. An attempt that takes longer than ``limit_s`` is
    cancelled and counts as failed. ``cpu_bound`` says that it computes for longer than some
    milliseconds: it does that through the tool ``Workers``, in processes of their own. ``hears`` names the kinds of
    envelopes that it may be written to by; it is a ``Listener`` then.
    """

    name: str
    role: Role
    capabilities: tuple[Capability, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    cost: float
    permissions: tuple[str, ...]
    limit_s: float = ATTEMPT_LIMIT_S
    cpu_bound: bool = False
    hears: tuple[str, ...] = ()


class Mission(Record, frozen=True, kw_only=True, tag="mission"):
    """One piece of work for one agent: apply ``skill`` to ``subject``.

    ``attempts`` counts assignments. ``note`` is the outcome in words: the summary of a done
    mission, the reason of a failed one, the last error of one that will be tried again. ``identity`` is
    the key (its fingerprint) of the agent that had it last, ``given_ns`` since when, ``ended_ns`` when it
    came to its end: where a result comes from. One whose ``deadline_ns`` has passed before it is done ends as
    failed; ``order`` is the order that it is a step of, empty for none. Only agents that are trusted
    from ``min_trust`` on get it. ``origin`` is the node that it was taken over from, empty for one of this node's own;
    ``taken_by`` the node that took it over from here.
    """

    VERSION: ClassVar[int] = 3
    # What versions 2 and 3 added has defaults that say "not known".
    UPGRADES: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {1: dict, 2: dict}

    skill: str
    subject: str
    case: str
    severity: Severity
    status: MissionStatus
    agent: str = ""
    attempts: int = 0
    note: str = ""
    identity: str = ""
    given_ns: int = 0
    ended_ns: int = 0
    deadline_ns: int = 0
    order: str = ""
    min_trust: float = 0.0
    origin: str = ""
    taken_by: str = ""


class AgentState(Enum):
    """What an agent is doing at the moment.

    ``SUSPECT``: it has been silent for too long; ``BARRED``: its identity does not stand. Neither gets anything.
    """

    IDLE = "idle"
    BUSY = "busy"
    SUSPECT = "suspect"
    BARRED = "barred"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class AgentView:
    """One line of the roster. ``mission`` is the one in hand, empty when there is none.

    ``identity`` is the fingerprint of the agent's key, empty where agents have none. ``done``, ``failed`` and ``falls``
    count what its place has seen. ``trust`` is from 0 to 1: the share of missions that went well there, less when it
    is suspect; ``phi`` how suspicious its silence is. ``duties`` are what it keeps. ``tenants`` are those that it
    works for, ``*`` for all.
    """

    id: str
    role: Role
    state: AgentState
    mission: str
    waiting: int
    done: int
    failed: int
    identity: str = ""
    locality: str = ""
    capabilities: tuple[Capability, ...] = ()
    skills: tuple[str, ...] = ()
    duties: tuple[str, ...] = ()
    trust: float = 1.0
    phi: float = 0.0
    heard_ns: int = 0
    falls: int = 0
    busy_s: float = 0.0
    tenants: tuple[str, ...] = ("*",)


def new_mission(finding: Finding, *, at_ns: int, skill: str) -> Mission:
    """The mission that applies ``skill`` to ``finding``; the same two always give the same id."""
    return mission_on(finding, case=finding.case, severity=finding.severity, at_ns=at_ns, skill=skill)


def mission_on(record: Record, *, case: str, severity: Severity, at_ns: int, skill: str) -> Mission:
    """The same for a record of another kind, which says neither its case nor how severe it is."""
    return Mission(
        id=derive_id(id_time_ns(record.id), "mission", skill, record.id),
        tenant=record.tenant,
        trace=record.trace,
        at_ns=at_ns,
        skill=skill,
        subject=record.id,
        case=case,
        severity=severity,
        status=MissionStatus.PENDING,
    )


def pending_for(skill: str) -> str:
    """What pending missions for ``skill`` are found under in the index ``status``."""
    return f"{MissionStatus.PENDING.value}/{skill}"


def mission_put(mission: Mission) -> Put:
    """The write that stores ``mission`` as it stands."""
    status = mission.status.value
    # Pending ones are looked for by the skill that they wait for, too.
    statuses: tuple[str, ...] = (status,)
    if mission.status is MissionStatus.PENDING:
        statuses = (status, pending_for(mission.skill))
    if mission.origin:
        statuses = (*statuses, CAME_OVER)
    index = {"status": statuses, "case": (mission.case,)}
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
    return writes_of(new_mission(finding, at_ns=at_ns, skill=skill))


def writes_of(mission: Mission) -> tuple[Write, ...]:
    """The same for a mission that was made already."""
    return mission_put(mission), waypoint_put(creation_waypoint(mission))
