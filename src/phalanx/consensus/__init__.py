"""Agreement that no minority of traitors can bend.

A question with several options is put to the participants of a fixed epoch; what more than two thirds
of them (by weight) voted for is decided, and the certificate of the decision proves it to anybody who
knows the epoch. Fewer than a third can neither force a different answer nor, while messages get
through, prevent one. ``Council`` is the engine ``bft``; the protocol and its safety argument are at
the top of ``_machine``. What cannot be decided is ``Indeterminate``, never refused.

Errors::

    PhalanxError
    ├── ConsensusError
    │   ├── CertificateRefused      a certificate proves nothing
    │   │   ├── WrongEpoch          it belongs to other participants
    │   │   ├── WrongContext        it answers another question
    │   │   └── NoQuorum            too few signed it
    │   ├── InvalidVote             a signature does not belong to the statement and root
    │   ├── Unjustified             a proposal does not follow from what it shows
    │   ├── EpochRefused            an epoch may not be used
    │   │   └── UnjustFilter        too many object to whom it excludes or includes
    │   └── EvidenceRefused         what is shown convicts nobody
    └── InvalidInput
        ├── TooFewParticipants      fewer than three
        ├── ThresholdTooLow         below two thirds
        ├── UnknownOption           it is not one of the question's
        └── DeadlinePassed          the deadline for the answer is over
"""

from phalanx.consensus._agreement import Agreement, Indeterminate
from phalanx.consensus._archive import (
    AGREEMENTS,
    CERTIFICATES,
    EPOCHS,
    EVIDENCE,
    AgreementRecord,
    Archive,
    EpochRecord,
    MisbehaviourRecord,
    epoch_key,
)
from phalanx.consensus._checks import Checks
from phalanx.consensus._council import Council, Engine, Seat
from phalanx.consensus._document import EpochSeal, Proven, document_of, verifier_of, verify_document
from phalanx.consensus._epoch import Epoch, LeftOut, Participant
from phalanx.consensus._errors import (
    CertificateRefused,
    ConsensusError,
    DeadlinePassed,
    EpochRefused,
    EvidenceRefused,
    InvalidVote,
    NoQuorum,
    ThresholdTooLow,
    TooFewParticipants,
    UnjustFilter,
    Unjustified,
    UnknownOption,
    WrongContext,
    WrongEpoch,
)
from phalanx.consensus._evidence import (
    EQUIVOCATION,
    FALSE_CLAIM,
    IMPOSSIBLE_CLAIM,
    INVALID_JUSTIFICATION,
    Evidence,
    contradiction,
    convict,
    forked,
)
from phalanx.consensus._hub import Hub
from phalanx.consensus._limits import MAX_VIEWS, VIEW_NS
from phalanx.consensus._log import VoteLog
from phalanx.consensus._machine import Machine
from phalanx.consensus._membership import (
    Absence,
    Acceptance,
    Assent,
    Heard,
    Objection,
    Wrong,
    absence,
    answer,
    draft,
    fix,
    review,
)
from phalanx.consensus._messages import (
    Certificate,
    Fetch,
    Justification,
    Message,
    Nudge,
    Proposal,
    Timeout,
    Vote,
    decode_certificate,
    decode_message,
    encode_message,
    justification_digest,
)
from phalanx.consensus._question import COMMIT, PREPARE, PROPOSE, TIMEOUT, Instance, Question, quorum_of
from phalanx.consensus._rules import Fixed, Judge, hopeful
from phalanx.consensus._signing import ML_DSA, WOTS, MlDsaVerifier, MlDsaVotes, VoteSigner, VoteVerifier
from phalanx.consensus._state import (
    Accuse,
    Broadcast,
    Decided,
    Effect,
    GaveUp,
    Persist,
    Send,
    VoterState,
    Wake,
)
from phalanx.consensus._wire import Wire

__all__ = [
    "AGREEMENTS",
    "CERTIFICATES",
    "COMMIT",
    "EPOCHS",
    "EQUIVOCATION",
    "EVIDENCE",
    "FALSE_CLAIM",
    "IMPOSSIBLE_CLAIM",
    "INVALID_JUSTIFICATION",
    "MAX_VIEWS",
    "ML_DSA",
    "PREPARE",
    "PROPOSE",
    "TIMEOUT",
    "VIEW_NS",
    "WOTS",
    "Absence",
    "Acceptance",
    "Accuse",
    "Agreement",
    "AgreementRecord",
    "Archive",
    "Assent",
    "Broadcast",
    "Certificate",
    "CertificateRefused",
    "Checks",
    "ConsensusError",
    "Council",
    "DeadlinePassed",
    "Decided",
    "Effect",
    "Engine",
    "Epoch",
    "EpochRecord",
    "EpochRefused",
    "EpochSeal",
    "Evidence",
    "EvidenceRefused",
    "Fetch",
    "Fixed",
    "GaveUp",
    "Heard",
    "Hub",
    "Indeterminate",
    "Instance",
    "InvalidVote",
    "Judge",
    "Justification",
    "LeftOut",
    "Machine",
    "Message",
    "MisbehaviourRecord",
    "MlDsaVerifier",
    "MlDsaVotes",
    "NoQuorum",
    "Nudge",
    "Objection",
    "Participant",
    "Persist",
    "Proposal",
    "Proven",
    "Question",
    "Seat",
    "Send",
    "ThresholdTooLow",
    "Timeout",
    "TooFewParticipants",
    "UnjustFilter",
    "Unjustified",
    "UnknownOption",
    "Vote",
    "VoteLog",
    "VoteSigner",
    "VoteVerifier",
    "VoterState",
    "Wake",
    "Wire",
    "Wrong",
    "WrongContext",
    "WrongEpoch",
    "absence",
    "answer",
    "contradiction",
    "convict",
    "decode_certificate",
    "decode_message",
    "document_of",
    "draft",
    "encode_message",
    "epoch_key",
    "fix",
    "forked",
    "hopeful",
    "justification_digest",
    "quorum_of",
    "review",
    "verifier_of",
    "verify_document",
]
