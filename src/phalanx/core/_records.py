"""Records that several rooms share. A room's private records live in that room."""

from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import ClassVar

import msgspec

from phalanx.core._ids import EventId
from phalanx.core._provenance import Provenance
from phalanx.core._wire import Record, Upgrade


class Severity(IntEnum):
    """OCSF's severity_id, as far as findings use it."""

    INFORMATIONAL = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5


class Entity(msgspec.Struct, frozen=True, order=True):
    """Something a finding is about: ``type`` is host, user, ip, process, file or domain."""

    type: str
    value: str

    def __str__(self) -> str:
        return f"{self.type}:{self.value}"


class Finding(Record, frozen=True, kw_only=True, tag="finding"):
    """Something a detector saw. Repeated hits on one subject merge into one finding.

    ``case`` groups what belongs together (everything on one host in one day). ``evidence`` holds the first event
    ids, ``hits`` counts them all. ``found_at_ns − accepted_at_ns`` is the detection latency of the first hit.
    ``marking`` is the strictest TLP label of the intelligence it rests on, such as ``TLP:AMBER``; empty if none of
    it is restricted.
    """

    VERSION: ClassVar[int] = 2
    # Fields added in version 2 default to what version 1 meant.
    UPGRADES: ClassVar[Mapping[int, Upgrade]] = {1: dict}

    case: str
    rule: str
    title: str
    severity: Severity
    confidence: float
    techniques: tuple[str, ...]
    tactics: tuple[str, ...]
    entities: tuple[Entity, ...]
    evidence: tuple[EventId, ...]
    hits: int
    first_seen_ns: int
    last_seen_ns: int
    accepted_at_ns: int
    found_at_ns: int
    explanation: str
    marking: str = ""


class Verdict(Enum):
    """What an assessment says about its case.

    ``inconclusive`` is too little evidence to tell: nothing suggests innocence either. Only an assessment that
    weighs both, and was calibrated on labelled data, may say ``benign``.
    """

    BENIGN = "benign"
    INCONCLUSIVE = "inconclusive"
    SUSPICIOUS = "suspicious"
    COMPROMISED = "compromised"


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """What one step added to an assessment, in words and as a number."""

    step: str
    summary: str
    value: float


class Assessment(Record, frozen=True, kw_only=True, tag="assessment"):
    """The answer to a security question: a probability with its interval and its reasons.

    ``provenance`` has one entry per quantum step that contributed; ``degraded`` says why a quantum step was
    answered classically, and is empty if none was. ``evidence_at_ns`` is when the latest evidence happened; 0 if
    the answer does not rest on events.
    """

    VERSION: ClassVar[int] = 2
    # Fields added in version 2 default to what version 1 meant.
    UPGRADES: ClassVar[Mapping[int, Upgrade]] = {1: dict}

    case: str
    finding: str
    run: str
    subject: Entity
    verdict: Verdict
    probability: float
    interval: tuple[float, float]
    confidence: float
    contributions: tuple[Contribution, ...]
    provenance: tuple[Provenance, ...]
    degraded: str = ""
    evidence_at_ns: int = 0


class Outcome(Enum):
    """How a question put to a policy or a vote ended. Indeterminate is never a refusal."""

    APPROVED = "approved"
    REFUSED = "refused"
    INDETERMINATE = "indeterminate"


class Decision(Record, frozen=True, kw_only=True, tag="decision"):
    """A journalled answer to one question, bound to exactly what was asked.

    ``context_hash`` is the SHA-256 of the question's bytes; ``authority`` names the policy,
    person or agreement that answered.
    """

    about: str
    outcome: Outcome
    authority: str
    reasons: tuple[str, ...]
    context_hash: str


class Waypoint(Record, frozen=True, kw_only=True, tag="waypoint"):
    """One step on the path of an event, written together with the record it reports.

    ``room`` and ``stage`` say where, ``subject`` is the id of the record, ``summary`` is for people. Waypoints with
    one ``trace`` in order of ``at_ns`` are the whole story.
    """

    room: str
    stage: str
    subject: str
    summary: str
    detail: dict[str, str | int | float | bool] = msgspec.field(default_factory=dict)
