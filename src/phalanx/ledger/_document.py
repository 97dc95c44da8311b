"""One entry, its proof, the signed checkpoint and the key, in one document for an offline check.

The document convinces as far as its key does: whoever checks it must know the key's
fingerprint from elsewhere (``VerifiedProof.signer`` is what to compare).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from phalanx.core import AuditEntry, InvalidInput, WireError
from phalanx.crypto import CryptoError, PublicKey
from phalanx.ledger._checkpoint import verify_checkpoint
from phalanx.ledger._errors import InvalidCheckpoint, InvalidProof
from phalanx.ledger._leaf import decode_leaf
from phalanx.ledger._merkle import leaf_hash
from phalanx.ledger._proof import InclusionProof


class ProofDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """JSON outside; bytes are base64 there. ``leaf`` is the entry exactly as it was hashed."""

    format: str = "phalanx-ledger-proof/v1"
    leaf: str
    index: int
    size: int
    path: tuple[str, ...]
    checkpoint: str
    public_key: bytes


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """What a document proves: this entry stood at ``index`` when ``signer`` signed ``size`` entries."""

    entry: AuditEntry
    index: int
    size: int
    root_hex: str
    signer: str


def verify_proof_document(document: ProofDocument | Mapping[str, Any]) -> VerifiedProof:
    """Needs no node. Raises ``InvalidProof`` or ``InvalidCheckpoint``, and ``InvalidInput`` for what is no document."""
    read = document if isinstance(document, ProofDocument) else _read(document)
    if read.format != "phalanx-ledger-proof/v1":
        raise InvalidInput("format", f"{read.format!r} is not known")
    try:
        key = PublicKey.from_bytes(read.public_key)
    except CryptoError as error:
        raise InvalidInput("public_key", error.message) from error
    checkpoint = verify_checkpoint(read.checkpoint, key)
    if checkpoint.size != read.size:
        raise InvalidCheckpoint(f"it is of size {checkpoint.size}, the proof of {read.size}")
    leaf = read.leaf.encode()
    proof = InclusionProof(read.index, read.size, leaf_hash(leaf).hex(), read.path, checkpoint.root)
    proof.verify(leaf, checkpoint.root)
    try:
        entry = decode_leaf(leaf)
    except WireError as error:
        raise InvalidProof(error.message) from error
    return VerifiedProof(
        entry=entry, index=read.index, size=read.size, root_hex=checkpoint.root, signer=key.fingerprint
    )


def _read(document: Mapping[str, Any]) -> ProofDocument:
    try:
        return msgspec.convert(dict(document), ProofDocument)
    except msgspec.ValidationError as error:
        raise InvalidInput("proof document", str(error)) from error
