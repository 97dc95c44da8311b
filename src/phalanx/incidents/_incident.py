"""What an incident is, what people say about one, and where both are stored.

A host's case is what happened on one host in one day. An incident is what belongs together across hosts and days:
findings, each with the reason it is included, the events that hunts added, the entities that link them, and the
techniques in the order in which they were seen. It has the id of its anchor, the finding it was opened for.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, ClassVar, Final

import msgspec

from phalanx.core import Entity, EventId, Record, Severity, Table
from phalanx.incidents._grouping import Member

INCIDENTS: Final = Table("incidents", indexes=("finding", "status", "case", "assignee"), sealed=True)
SCORES: Final = Table("incident_scores", sealed=True)
WORDS: Final = Table("incident_words", indexes=("incident",), sealed=True)


class IncidentStatus(Enum):
    """How an incident stands. What was merged into another one lives on there."""

    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"


class IncidentOutcome(Enum):
    """What an incident turned out to be, as whoever closes it says."""

    ATTACK = "attack"
    HARMLESS = "harmless"
    TEST = "test"


class Linked(msgspec.Struct, frozen=True):
    """An entity that several findings of an incident name, and which."""

    entity: Entity
    findings: tuple[str, ...]


class Seen(msgspec.Struct, frozen=True):
    """A technique, when it was first seen, and on which host."""

    technique: str
    tactic: str
    at_ns: int
    host: str
    finding: str


class Expanded(msgspec.Struct, frozen=True):
    """An event that a hunt added, why, and for which finding."""

    event: EventId
    time_ns: int
    host: str
    why: str
    finding: str


class Incident(Record, frozen=True, kw_only=True, tag="incident"):
    """Findings of any hosts that belong together. ``cases`` are the hosts' cases that are in it.

    ``probability`` is that at least one of its stages really happened, by the priors of triage. ``reason`` and ``by``
    are whose words closed it; ``into`` is where it was merged into. ``assignee`` is who has it; empty is nobody.
    """

    VERSION: ClassVar[int] = 2
    # What version 2 added has a default that says what version 1 was.
    UPGRADES: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {1: dict}

    title: str
    status: IncidentStatus
    severity: Severity
    probability: float
    cases: tuple[str, ...]
    members: tuple[Member, ...]
    linked: tuple[Linked, ...]
    techniques: tuple[Seen, ...]
    expanded: tuple[Expanded, ...]
    first_seen_ns: int
    last_seen_ns: int
    changed_at_ns: int
    hunts: int
    outcome: IncidentOutcome | None = None
    reason: str = ""
    by: str = ""
    into: str = ""
    assignee: str = ""

    @property
    def findings(self) -> tuple[str, ...]:
        """The ids of its findings, in order of time."""
        return tuple(member.finding for member in self.members)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Its hosts, in order of time."""
        return tuple(dict.fromkeys(case.rpartition("@")[0] for case in self.cases))


class IncidentScore(Record, frozen=True, kw_only=True, tag="incident-score"):
    """How good the incident ``id`` is, by somebody who knows the truth: ``rates`` from 0 to 1, and who says so."""

    rates: dict[str, float]
    by: str

    @property
    def text(self) -> str:
        """In words."""
        return ", ".join(f"{name} {rate:.0%}" for name, rate in self.rates.items())


class IncidentAct(Enum):
    """What somebody may say of incidents."""

    MERGE = "merge"
    SPLIT = "split"
    CLOSE = "close"
    REOPEN = "reopen"


class IncidentWord(Record, frozen=True, kw_only=True, tag="incident-word"):
    """What somebody said of incidents, which holds from then on.

    Of a merge, ``findings`` are one of each incident; of a split, those that go out, and ``rest`` those that stay.
    """

    act: IncidentAct
    incidents: tuple[str, ...]
    findings: tuple[str, ...]
    rest: tuple[str, ...]
    outcome: IncidentOutcome | None
    reason: str
    by: str


class MergeWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Incidents that are one, and why."""

    incidents: tuple[str, ...]
    reason: str


class SplitWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Findings that do not belong to an incident, and why."""

    findings: tuple[str, ...]
    reason: str


class CloseWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an incident turned out to be, and why it is closed.

    ``seen_ns`` is its ``changed_at_ns`` as it was seen: where it changed since, it is not closed. 0: however it is now.
    """

    outcome: IncidentOutcome
    reason: str
    seen_ns: int = 0
