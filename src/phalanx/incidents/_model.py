"""Proposals of response actions as durable values, and where they are kept."""

from phalanx.core import Entity, Record, Table

PROPOSALS = Table("proposals", indexes=("case",), sealed=True)
DECISIONS = Table("decisions", indexes=("about", "case", "approved_hour"), sealed=True)

ISOLATE_HOST = "isolate-host"


class ActionProposal(Record, frozen=True, kw_only=True, tag="action-proposal"):
    """An action on the outside that an assessment calls for. A proposal changes nothing by itself.

    ``blast_radius`` counts the hosts it takes from their users. ``probability`` is the
    assessment's: a decision is bound to it through the hash of this record.
    """

    case: str
    action: str
    target: Entity
    reason: str
    assessment: str
    probability: float
    blast_radius: int
