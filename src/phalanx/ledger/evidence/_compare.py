"""Two bundles side by side: are they of one history?

A split view is shown by one place that holds two things: two roots of one size, or two leaves at
one index. One history is shown by one bundle's checkpoint standing, as a size and root that was
proved, in the other; or by a consistency proof that the log is asked for. Everything else shows
nothing either way, and is called so.
"""

from dataclasses import dataclass
from enum import Enum

from phalanx.ledger._errors import InvalidProof
from phalanx.ledger._merkle import verify_consistency
from phalanx.ledger.evidence._verify import EvidenceReport
from phalanx.ledger.witness import PrefixProof


class Relation(Enum):
    """What two bundles are to each other."""

    ONE_HISTORY = "one-history"
    SPLIT_VIEW = "split-view"
    OTHER_LOG = "other-log"
    NOT_SHOWN = "not-shown"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The answer, and where it was seen."""

    relation: Relation
    reason: str


def compare(one: EvidenceReport, other: EvidenceReport, proof: PrefixProof | None = None) -> Comparison:
    """What two verified bundles are to each other; ``proof`` is the log's from the smaller size to the larger."""
    if (one.origin, one.signer) != (other.origin, other.signer):
        return Comparison(Relation.OTHER_LOG, f"{one.origin} and {other.origin} are two ledgers, or two keys of one")
    roots, others = dict(one.roots_at), dict(other.roots_at)
    for size in sorted(roots.keys() & others.keys()):
        if roots[size] != others[size]:
            return Comparison(Relation.SPLIT_VIEW, f"size {size} has two roots, both signed")
    leaves = {index: leaf for (index, _), leaf in zip(one.entries, one.leaf_hashes, strict=True)}
    for (index, _), leaf in zip(other.entries, other.leaf_hashes, strict=True):
        if leaves.get(index, leaf) != leaf:
            return Comparison(Relation.SPLIT_VIEW, f"entry {index} is two things, both under signed roots")
    if roots.get(other.size) == other.root or others.get(one.size) == one.root:
        return Comparison(Relation.ONE_HISTORY, "one's checkpoint is proved to be a prefix of the other's")
    if proof is None:
        return Comparison(Relation.NOT_SHOWN, f"nothing connects size {one.size} with size {other.size}")
    first, second = (one, other) if one.size < other.size else (other, one)
    return _by_proof(first, second, proof)


def _by_proof(first: EvidenceReport, second: EvidenceReport, proof: PrefixProof) -> Comparison:
    try:
        path = [bytes.fromhex(step) for step in proof.path]
        verify_consistency(first.size, second.size, bytes.fromhex(proof.old_root), bytes.fromhex(second.root), path)
    except InvalidProof as error:
        return Comparison(Relation.NOT_SHOWN, f"the log's proof does not lead to size {second.size}: {error.reason}")
    if proof.old_root == first.root:
        return Comparison(Relation.ONE_HISTORY, "the log proved that one's checkpoint is a prefix of the other's")
    return Comparison(Relation.SPLIT_VIEW, f"the log proved another root of size {first.size} than it signed")
