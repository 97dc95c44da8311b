"""Proposals of response actions as durable values, and where they are stored."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from phalanx.core import Entity, Record, Table

PROPOSALS = Table("proposals", indexes=("case",), sealed=True)
DECISIONS = Table("decisions", indexes=("about", "case", "approved_hour"), sealed=True)

ISOLATE_HOST = "isolate-host"
# What agents do themselves, with what the node keeps: nothing outside is touched.
LOOK_INTO = "look-into"
# What a person starts: nothing outside is touched, but what is at rest is sealed anew.
MIGRATE_KEYS = "migrate-keys"
INSIDE = frozenset({LOOK_INTO})


class ActionProposal(Record, frozen=True, kw_only=True, tag="action-proposal"):
    """An action that an assessment, or a foresight, calls for. A proposal changes nothing by itself.

    ``assessment`` is the id of what calls for it, ``probability`` what that says: a decision is bound to it through the
    hash of this record. ``blast_radius`` counts the hosts it takes from their users, ``evidence_at_ns`` is when the
    latest of what it rests on happened, 0 where that is not a matter of events.
    """

    VERSION: ClassVar[int] = 2
    # What version 2 added has a default that says what version 1 was.
    UPGRADES: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {1: dict}

    case: str
    action: str
    target: Entity
    reason: str
    assessment: str
    probability: float
    blast_radius: int
    evidence_at_ns: int = 0
