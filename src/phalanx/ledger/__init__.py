"""The audit trail that nobody can quietly change: a Merkle log with post-quantum signed checkpoints.

``Ledger`` is the node's ``AuditSink``. Hashing and proofs follow RFC 6962 and RFC 9162,
checkpoints the C2SP formats signed-note, tlog-checkpoint and tlog-cosignature, so that third-party
tools can check them and witnesses can cosign them.

Errors::

    PhalanxError
    └── LedgerError
        ├── LedgerTampered      what is stored is not what was recorded or signed
        ├── InvalidProof        a Merkle proof does not lead to its root
        └── InvalidCheckpoint   a note is not a checkpoint signed by this key
"""

from phalanx.ledger._anchor import Anchor, Anchors, StoredAnchor, verify_anchor
from phalanx.ledger._checkpoint import Checkpoint, sign_checkpoint, verify_checkpoint
from phalanx.ledger._document import VerifiedProof, verify_proof_document
from phalanx.ledger._errors import INDEXES, InvalidCheckpoint, InvalidProof, LedgerError, LedgerTampered
from phalanx.ledger._head import StoredHead, stored_head
from phalanx.ledger._leaf import Leaf, decode_leaf, encode_leaf
from phalanx.ledger._ledger import Ledger
from phalanx.ledger._looking import EntryFilter, look_through
from phalanx.ledger._merkle import (
    EMPTY_ROOT,
    HashTree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)
from phalanx.ledger._payload import Disclosure, commit, encode_payload
from phalanx.ledger._proof import InclusionProof
from phalanx.ledger._record import LedgerEntry
from phalanx.ledger._reindex import reindex
from phalanx.ledger._sealing import Sealer, Sealers, Unsealed
from phalanx.ledger._tiles import TileName, bundles_of, parse_tile, tiles_of
from phalanx.ledger._verify import VerifyReport, audit

__all__ = [
    "EMPTY_ROOT",
    "INDEXES",
    "Anchor",
    "Anchors",
    "Checkpoint",
    "Disclosure",
    "EntryFilter",
    "HashTree",
    "InclusionProof",
    "InvalidCheckpoint",
    "InvalidProof",
    "Leaf",
    "Ledger",
    "LedgerEntry",
    "LedgerError",
    "LedgerTampered",
    "Sealer",
    "Sealers",
    "StoredAnchor",
    "StoredHead",
    "TileName",
    "Unsealed",
    "VerifiedProof",
    "VerifyReport",
    "audit",
    "bundles_of",
    "commit",
    "consistency_proof",
    "decode_leaf",
    "encode_leaf",
    "encode_payload",
    "inclusion_proof",
    "leaf_hash",
    "look_through",
    "node_hash",
    "parse_tile",
    "reindex",
    "root",
    "sign_checkpoint",
    "stored_head",
    "tiles_of",
    "verify_anchor",
    "verify_checkpoint",
    "verify_consistency",
    "verify_inclusion",
    "verify_proof_document",
]
