"""Events in, findings out: intake, reading, detection by Sigma rules, and queries about them.

``Intake`` makes bytes durable, ``Sentinel`` reads them into batches, runs the detectors and commits
findings and missions, ``Findings`` and ``EventLog`` answer queries. Reading and matching are pure
functions over bytes and columns.

Errors::

    PhalanxError
    ├── InvalidInput
    │   └── InvalidRule             a detection rule cannot be compiled
    │       └── UnsupportedRule     it is valid Sigma, but beyond this compiler
    └── BadLine                     a line is not an event of its format (goes to quarantine)
        └── NoEvent                 it is part of a log's header, not a lost event

``accept`` also raises ``InvalidInput``, ``LimitExceeded``, ``Overloaded``, ``StorageFull`` and
``Unavailable`` of ``core``; queries raise ``NotFound``.
"""

from phalanx.intel._adapting import (
    THRESHOLD_MOVES,
    THRESHOLD_PINS,
    THRESHOLDS,
    Steering,
    Tally,
    ThresholdMove,
    ThresholdPin,
    ThresholdStanding,
)
from phalanx.intel._archive_hunts import ArchiveHunts, ExpandWanted, RetroWanted
from phalanx.intel._archiving import Archivist
from phalanx.intel._detecting import Detected, detect
from phalanx.intel._detector import (
    DETECTORS_GROUP,
    AdaptiveDetector,
    Detector,
    Hit,
    Pattern,
    StatefulDetector,
)
from phalanx.intel._errors import BadLine, InvalidRule, NoEvent, UnsupportedRule
from phalanx.intel._hunt import HUNTS, Hunt, HuntHit, HuntLink
from phalanx.intel._hunts import expand_skill, retro_hunt_skill
from phalanx.intel._intake import DEFAULT_MAX_BACKLOG_EVENTS, Intake
from phalanx.intel._judging import (
    OPINIONS,
    SUPPRESSIONS,
    Judgements,
    Opinion,
    OpinionWanted,
    Suppression,
    SuppressionWanted,
    Verdict,
    wrong_findings,
)
from phalanx.intel._limits import HYPOTHESES_EVERY_S, MAX_DETECTOR_STATE_BYTES, MAX_READ_ROWS, MAX_READER_CHARS
from phalanx.intel._merging import Sighting, Sightings, finding_of, finding_put
from phalanx.intel._model import (
    BATCHES,
    CURSORS,
    DETECTOR_STATES,
    FINDINGS,
    IDEMPOTENCY,
    QUARANTINE,
    REPLAYS,
    Accepted,
    BadRow,
    BatchEntry,
    Chunk,
    Cursor,
    DetectorState,
    Quarantine,
    UsedKey,
)
from phalanx.intel._own import OwnEvents
from phalanx.intel._queries import EventLog, Findings
from phalanx.intel._quiet import quiet_sources_duty
from phalanx.intel._rechecking import heed_silence_skill, recheck_skill
from phalanx.intel._replaying import Replay, Replayed, ReplayOut, Replays
from phalanx.intel._saved_hunts import HYPOTHESES, Hypotheses, Hypothesis, HypothesisWanted
from phalanx.intel._saved_queries import saved_queries
from phalanx.intel._sealing import ChunkSeals
from phalanx.intel._sentinel import Sentinel
from phalanx.intel._subjects import UNKNOWN_HOST, entities_of, host_of
from phalanx.intel._thresholds import PinWanted, RuleFeedback, SuppressionAdvice, Thresholds
from phalanx.intel._trail import StoredTrail
from phalanx.intel.reading import (
    AUTO,
    OCSF_VERSION,
    READERS,
    ReadOut,
    Rejected,
    check_reader,
    ocsf_view,
    read_chunk,
    read_lines,
)
from phalanx.intel.sigma import (
    CorrelationRule,
    Filter,
    Reason,
    Refused,
    Rule,
    RuleCost,
    RuleSet,
    explain,
    load_rules,
    parse_file,
    parse_rule,
    read_folder,
)

__all__ = [
    "THRESHOLDS",
    "THRESHOLD_MOVES",
    "THRESHOLD_PINS",
    "AdaptiveDetector",
    "SuppressionAdvice",
    "RuleFeedback",
    "ThresholdMove",
    "ThresholdPin",
    "PinWanted",
    "ThresholdStanding",
    "Steering",
    "Tally",
    "Thresholds",
    "StoredTrail",
    "entities_of",
    "heed_silence_skill",
    "host_of",
    "recheck_skill",
    "HUNTS",
    "Hunt",
    "HuntHit",
    "HuntLink",
    "expand_skill",
    "quiet_sources_duty",
    "retro_hunt_skill",
    "saved_queries",
    "check_reader",
    "AUTO",
    "BATCHES",
    "CURSORS",
    "DEFAULT_MAX_BACKLOG_EVENTS",
    "DETECTORS_GROUP",
    "FINDINGS",
    "IDEMPOTENCY",
    "OCSF_VERSION",
    "QUARANTINE",
    "READERS",
    "UNKNOWN_HOST",
    "Accepted",
    "ArchiveHunts",
    "Archivist",
    "BadLine",
    "BadRow",
    "BatchEntry",
    "Chunk",
    "ChunkSeals",
    "CorrelationRule",
    "Cursor",
    "Detected",
    "Detector",
    "DetectorState",
    "DETECTOR_STATES",
    "MAX_DETECTOR_STATE_BYTES",
    "MAX_READ_ROWS",
    "MAX_READER_CHARS",
    "EventLog",
    "ExpandWanted",
    "Filter",
    "Findings",
    "Hit",
    "HYPOTHESES",
    "HYPOTHESES_EVERY_S",
    "Hypotheses",
    "Hypothesis",
    "HypothesisWanted",
    "Intake",
    "InvalidRule",
    "OPINIONS",
    "SUPPRESSIONS",
    "Judgements",
    "NoEvent",
    "wrong_findings",
    "Opinion",
    "OpinionWanted",
    "Suppression",
    "SuppressionWanted",
    "Verdict",
    "OwnEvents",
    "Pattern",
    "Quarantine",
    "REPLAYS",
    "ReadOut",
    "Replay",
    "ReplayOut",
    "Replayed",
    "Replays",
    "RetroWanted",
    "Rejected",
    "Reason",
    "Refused",
    "Rule",
    "RuleCost",
    "RuleSet",
    "Sentinel",
    "Sighting",
    "Sightings",
    "StatefulDetector",
    "UnsupportedRule",
    "UsedKey",
    "detect",
    "finding_of",
    "explain",
    "load_rules",
    "parse_file",
    "read_folder",
    "ocsf_view",
    "parse_rule",
    "read_chunk",
    "read_lines",
    "finding_put",
]
