"""An entry as the bytes that are journalled and hashed: canonical JSON.

Canonical means: fields and map keys sorted, no white space, UTF-8, floats in their shortest
round-trip form. The bytes are stored as they were hashed, so nobody has to canonicalise to
verify. The position is not in them: the tree binds it.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from phalanx.core import AuditEntry, InvalidInput, LimitExceeded, Record, decode_json, encode_json
from phalanx.ledger._limits import MAX_LEAF_BYTES


class _Leaf(Record, frozen=True, kw_only=True, tag="ledger-entry"):
    actor: str
    action: str
    subject: str
    case: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A recorded entry, where it stands, and the exact bytes whose hash is its leaf."""

    index: int
    leaf_hash: str
    leaf: bytes
    entry: AuditEntry


def encode_leaf(entry: AuditEntry) -> bytes:
    """Raises ``InvalidInput`` for a body that is not JSON and ``LimitExceeded`` for one too long."""
    leaf = _Leaf(
        id=entry.id,
        tenant=entry.tenant,
        trace=entry.trace,
        at_ns=entry.at_ns,
        actor=entry.actor,
        action=entry.action,
        subject=entry.subject,
        case=entry.case,
        body=dict(entry.body),
    )
    try:
        # As a plain map: a record's kind would come first, out of order.
        data = encode_json(msgspec.to_builtins(leaf))
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput("body", f"cannot be written as JSON: {error}") from error
    if len(data) > MAX_LEAF_BYTES:
        raise LimitExceeded("bytes of one ledger entry", maximum=MAX_LEAF_BYTES, seen=len(data))
    return data


def decode_leaf(data: bytes) -> AuditEntry:
    """Raises ``WireError`` for bytes that ``encode_leaf`` did not write."""
    leaf = decode_json(data, _Leaf)
    return AuditEntry(
        id=leaf.id,
        tenant=leaf.tenant,
        trace=leaf.trace,
        at_ns=leaf.at_ns,
        actor=leaf.actor,
        action=leaf.action,
        subject=leaf.subject,
        case=leaf.case,
        body=leaf.body,
    )
