"""Checking a proof away from the node that made it: entry, path, signed checkpoint and key in one JSON.

``payload`` and ``salt`` disclose the entry's body and are checked against its leaf. Without them
(the tenant was shredded, or whoever passed the document on left them out) the rest still holds.

The document is what ``GET /v1/ledger/{entry}/proof`` answers. Every field that this reads is
checked, also those that only repeat what the signed note says. It convinces as far as its key
does: whoever checks it must know the key's fingerprint from elsewhere and compare ``signer``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from phalanx.core import AuditEntry, InvalidInput, WireError
from phalanx.crypto import CryptoError, PublicKey
from phalanx.ledger._checkpoint import Checkpoint, verify_checkpoint
from phalanx.ledger._errors import InvalidCheckpoint, InvalidProof
from phalanx.ledger._leaf import decode_leaf
from phalanx.ledger._payload import Disclosure
from phalanx.ledger._proof import InclusionProof
from phalanx.ledger._record import with_body


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """What a document proves: ``entry`` stood at ``index`` when ``signer`` signed ``size`` entries.

    Unless ``disclosed``, the entry's body is missing from it.
    """

    entry: AuditEntry
    disclosed: bool
    index: int
    size: int
    root_hex: str
    signer: str


class _SignedHead(msgspec.Struct, frozen=True):
    origin: str
    size: int
    root: str
    signed_at_s: int
    note: str
    public_key: bytes  # base64 in JSON


class _Document(msgspec.Struct, frozen=True):
    entry: str
    index: int
    leaf: str
    leaf_hash: str
    path: tuple[str, ...]
    checkpoint: _SignedHead
    payload: str | None = None
    salt: str | None = None


def verify_proof_document(document: Mapping[str, Any]) -> VerifiedProof:
    """Needs no node. Raises ``InvalidProof`` or ``InvalidCheckpoint``, and ``InvalidInput`` for what is no document."""
    try:
        read = msgspec.convert(dict(document), _Document)
        key = PublicKey.from_bytes(read.checkpoint.public_key)
        leaf = read.leaf.encode()
    except (msgspec.ValidationError, CryptoError, UnicodeEncodeError) as error:
        raise InvalidInput("proof document", str(error)) from error
    head = read.checkpoint
    checkpoint = verify_checkpoint(head.note, key)
    if checkpoint != Checkpoint(head.origin, head.size, head.root, head.signed_at_s, head.note):
        raise InvalidCheckpoint("the document says something else of it than its signed note")
    proof = InclusionProof(read.index, checkpoint.size, read.leaf_hash, read.path, checkpoint.root)
    proof.verify(leaf, checkpoint.root)
    try:
        said = decode_leaf(leaf)
        disclosure = _disclosure(read)
        entry = said.entry
        if disclosure is not None:
            disclosure.check(said.commitment)
            entry = with_body(entry, disclosure)
    except WireError as error:
        raise InvalidProof(error.message) from error
    if entry.id != read.entry:
        raise InvalidProof(f"its leaf is the entry {entry.id}, not {read.entry}")
    return VerifiedProof(
        entry=entry,
        disclosed=disclosure is not None or not said.commitment,
        index=read.index,
        size=checkpoint.size,
        root_hex=checkpoint.root,
        signer=key.fingerprint,
    )


def _disclosure(read: _Document) -> Disclosure | None:
    if read.payload is None and read.salt is None:
        return None
    try:
        return Disclosure(bytes.fromhex(read.salt or ""), (read.payload or "").encode())
    except (ValueError, UnicodeEncodeError) as error:
        raise InvalidInput("proof document", f"payload or salt: {error}") from error
