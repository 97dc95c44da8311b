"""Others vouch for the ledger: witnesses that cosign, neighbours that compare, a timestamp authority.

A log that signs its own checkpoints proves that it never changed what it shows *to you*. Proving
that it shows the same to everybody takes others: a **witness** cosigns only what provably extends what it
cosigned before (C2SP tlog-witness and tlog-cosignature), **gossip** compares what different nodes
were shown, and a **timestamp** (RFC 3161) says when a root existed at the latest. Two histories
under one key become a ``SplitView`` that convinces anybody.

Errors::

    LedgerError
    ├── WitnessRefused      a witness does not cosign, with the reason that tlog-witness gives
    └── TimestampRefused    the authority's answer is not a timestamp of what was sent
"""

from phalanx.ledger.witness._asking import SIZE_TYPE, Ahead, Cosignature, Witnesses, WitnessPeer, WitnessStatus
from phalanx.ledger.witness._errors import Refusal, TimestampRefused, WitnessRefused
from phalanx.ledger.witness._gossip import GOSSIP_PATH, Gossip, WatchedLog
from phalanx.ledger.witness._judge import AddCheckpoint, judge
from phalanx.ledger.witness._keys import Cosigner, Head, NoteKey, TrustedLog, WitnessKeys
from phalanx.ledger.witness._limits import MAX_GOSSIP_BYTES, MAX_REQUEST_BYTES, MAX_WITNESSES
from phalanx.ledger.witness._messages import GossipMessage, PrefixProof, Question
from phalanx.ledger.witness._own import OwnLog
from phalanx.ledger.witness._seen import FoundSplitView, Seen, SeenNote
from phalanx.ledger.witness._split import SplitView, read_split_view, split_view
from phalanx.ledger.witness._stored import VouchedReport, audit_vouched
from phalanx.ledger.witness._timestamp import Stamped, StampedSizes, Timestamp, Timestamps, as_pem, verify_timestamp
from phalanx.ledger.witness._witness import Witness, WitnessedHead

__all__ = [
    "GOSSIP_PATH",
    "MAX_GOSSIP_BYTES",
    "MAX_REQUEST_BYTES",
    "MAX_WITNESSES",
    "SIZE_TYPE",
    "AddCheckpoint",
    "Ahead",
    "Cosignature",
    "Cosigner",
    "FoundSplitView",
    "Gossip",
    "GossipMessage",
    "Head",
    "NoteKey",
    "OwnLog",
    "PrefixProof",
    "Question",
    "Refusal",
    "Seen",
    "SeenNote",
    "SplitView",
    "Stamped",
    "StampedSizes",
    "Timestamp",
    "TimestampRefused",
    "Timestamps",
    "TrustedLog",
    "VouchedReport",
    "WatchedLog",
    "Witness",
    "WitnessKeys",
    "WitnessPeer",
    "WitnessRefused",
    "WitnessStatus",
    "WitnessedHead",
    "Witnesses",
    "as_pem",
    "audit_vouched",
    "judge",
    "read_split_view",
    "split_view",
    "verify_timestamp",
]
