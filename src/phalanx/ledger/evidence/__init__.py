"""Evidence for outsiders: a case as one file, and its offline verification.

``Evidence`` exports the entries of a case with their payloads, their proofs, the signed and
cosigned checkpoint, timestamps, keys and a readable timeline. ``verify_bundle`` checks all of it
and names the first broken link; ``compare`` says whether two bundles are of one history.
``examples/verify_evidence.py`` does the same in one file without Phalanx.

Errors::

    LedgerError
    └── BrokenLink      evidence does not verify; says at which link of what
"""

from phalanx.ledger.evidence._cases import CaseIndex
from phalanx.ledger.evidence._compare import Comparison, Relation, compare
from phalanx.ledger.evidence._document import Bundle, canonical, read_bundle
from phalanx.ledger.evidence._errors import BrokenLink, Link
from phalanx.ledger.evidence._export import Evidence, EvidenceLog
from phalanx.ledger.evidence._limits import MAX_BUNDLE_BYTES
from phalanx.ledger.evidence._verify import AnchoredMark, EvidenceReport, StampedMark, verify_bundle

__all__ = [
    "MAX_BUNDLE_BYTES",
    "AnchoredMark",
    "BrokenLink",
    "Bundle",
    "CaseIndex",
    "Comparison",
    "Evidence",
    "EvidenceLog",
    "EvidenceReport",
    "Link",
    "Relation",
    "StampedMark",
    "canonical",
    "compare",
    "read_bundle",
    "verify_bundle",
]
