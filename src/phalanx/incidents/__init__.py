"""From findings to a decision: cases, triage, proposed actions and the policy that answers them.

An analyst's triage assesses the case of a finding with a hybrid workflow. ``Responses`` proposes the action that
the assessment calls for, decides under the containment policy, journals both and records them in the ledger.
Nothing acts on the outside: an approved action is recorded as approved and not executed, because acting is switched
off for every class of action.

Errors::

    PhalanxError
    └── OutOfDate       an incident is not as somebody saw it who wants to change it

Besides: ``InvalidInput`` for a policy that cannot be, ``NotFound`` for a case, and what the store and the ledger raise.
"""

from phalanx.incidents._approval import Approval, Approved
from phalanx.incidents._cases import Cases, CaseView
from phalanx.incidents._correlating import CORRELATIONS, Correlation, Link, correlate_skill, related
from phalanx.incidents._errors import OutOfDate
from phalanx.incidents._grouping import Group, Member, Said, grouped
from phalanx.incidents._grouping_duty import incidents_duty
from phalanx.incidents._handling import Handling
from phalanx.incidents._heeding import (
    HEEDED,
    PrecautionPolicy,
    heed_novelty_skill,
    heed_paths_skill,
    heed_risk_skill,
    heed_vulnerability_skill,
    target_of,
)
from phalanx.incidents._impact import weigh_impact_skill
from phalanx.incidents._incident import (
    INCIDENTS,
    SCORES,
    WORDS,
    CloseWanted,
    Expanded,
    Incident,
    IncidentAct,
    IncidentOutcome,
    IncidentScore,
    IncidentStatus,
    IncidentWord,
    Linked,
    MergeWanted,
    Seen,
    SplitWanted,
)
from phalanx.incidents._incidents import Incidents
from phalanx.incidents._limits import MAX_EVIDENCE_AGE_S
from phalanx.incidents._looking_ahead import look_ahead_duty
from phalanx.incidents._migrating import CONFIRMED_SIGN, SIGN_RULES, propose_migration_skill
from phalanx.incidents._model import DECISIONS, ISOLATE_HOST, LOOK_INTO, MIGRATE_KEYS, PROPOSALS, ActionProposal
from phalanx.incidents._notes import (
    INCIDENT_NOTES,
    AssignWanted,
    CommentWanted,
    IncidentNote,
    NoteAct,
)
from phalanx.incidents._policy import DOMAIN_CONTROLLERS, ContainmentPolicy, Ruling
from phalanx.incidents._proposing import proposal_bytes
from phalanx.incidents._rehearsing import REHEARSALS, Check, Rehearsal, rehearse_skill
from phalanx.incidents._responses import Response, Responses
from phalanx.incidents._ties import Tie, Why, host_in, named_by, ties
from phalanx.incidents._timeline import Moment, Timeline, timeline
from phalanx.incidents._triage import triage_skill, triage_template

__all__ = [
    "INCIDENT_NOTES",
    "AssignWanted",
    "CommentWanted",
    "Handling",
    "IncidentNote",
    "NoteAct",
    "OutOfDate",
    "Moment",
    "Timeline",
    "timeline",
    "CONFIRMED_SIGN",
    "MIGRATE_KEYS",
    "SIGN_RULES",
    "propose_migration_skill",
    "LOOK_INTO",
    "PrecautionPolicy",
    "heed_novelty_skill",
    "heed_paths_skill",
    "heed_risk_skill",
    "heed_vulnerability_skill",
    "look_ahead_duty",
    "HEEDED",
    "target_of",
    "CORRELATIONS",
    "INCIDENTS",
    "SCORES",
    "WORDS",
    "CloseWanted",
    "Expanded",
    "Group",
    "Incident",
    "IncidentAct",
    "IncidentOutcome",
    "IncidentScore",
    "IncidentStatus",
    "IncidentWord",
    "Incidents",
    "Linked",
    "Member",
    "MergeWanted",
    "Said",
    "Seen",
    "SplitWanted",
    "Tie",
    "Why",
    "grouped",
    "host_in",
    "incidents_duty",
    "named_by",
    "ties",
    "Check",
    "Correlation",
    "Link",
    "REHEARSALS",
    "Rehearsal",
    "correlate_skill",
    "rehearse_skill",
    "weigh_impact_skill",
    "related",
    "DECISIONS",
    "DOMAIN_CONTROLLERS",
    "ISOLATE_HOST",
    "MAX_EVIDENCE_AGE_S",
    "PROPOSALS",
    "ActionProposal",
    "proposal_bytes",
    "Approval",
    "Approved",
    "CaseView",
    "Cases",
    "ContainmentPolicy",
    "Response",
    "Responses",
    "Ruling",
    "triage_skill",
    "triage_template",
]
