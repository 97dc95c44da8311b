"""A leaf: the metadata of an entry and a commitment to its payload, as canonical JSON.

Canonical means: fields and map keys sorted, no white space, UTF-8, floats in their shortest
round-trip form. The bytes are stored as they were hashed, so nobody has to canonicalise to
verify. The position is not in them: the tree binds it.

Leaves of version 1 hold the body itself; they are read for ever and not written any more.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import msgspec

from phalanx.core import AuditEntry, InvalidInput, LimitExceeded, Record, TenantId, WireError, decode_json, kind_name
from phalanx.ledger._limits import MAX_CUSTODIANS, MAX_LEAF_BYTES

_VERSION = 2


class _Leaf(Record, frozen=True, kw_only=True, tag="ledger-entry"):
    VERSION: ClassVar[int] = _VERSION
    UPGRADES: ClassVar = {1: lambda fields: fields | {"commitment": "", "custody": ()}}

    actor: str
    action: str
    subject: str
    case: str
    commitment: Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{64})?$")]
    custody: tuple[str, ...]
    body: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class _Sorted(msgspec.Struct, frozen=True, gc=False):
    """A leaf with its fields in the order they are written in; a record's kind would come first."""

    action: str
    actor: str
    at_ns: int
    case: str
    commitment: str
    custody: tuple[str, ...]
    id: str
    kind: str
    subject: str
    tenant: str
    trace: str
    v: int


_KIND = kind_name(_Leaf)
_encode = msgspec.json.Encoder().encode
# Reads what is of this version; everything else goes the long way, which upgrades or says what is wrong.
_decode = msgspec.json.Decoder(_Leaf).decode


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a leaf says: an entry without its body, and the commitment to that.

    ``commitment`` is empty in leaves of version 1, whose entry has its body.
    """

    entry: AuditEntry
    commitment: str


class Identity(NamedTuple):
    """What indexes and audits need of a leaf, read without making an entry of it."""

    id: str
    tenant: TenantId
    actor: str
    action: str
    subject: str
    case: str
    commitment: str


def encode_leaf(entry: AuditEntry, commitment: bytes) -> bytes:
    """Raises ``InvalidInput`` for what is not text and ``LimitExceeded`` for an entry too long."""
    if len(entry.custody) > MAX_CUSTODIANS:
        raise LimitExceeded("names in the custody of an entry", maximum=MAX_CUSTODIANS, seen=len(entry.custody))
    leaf = _Sorted(
        entry.action,
        entry.actor,
        entry.at_ns,
        entry.case,
        commitment.hex(),
        entry.custody,
        entry.id,
        _KIND,
        entry.subject,
        entry.tenant,
        entry.trace,
        _VERSION,
    )
    try:
        data = _encode(leaf)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput("entry", f"cannot be written as JSON: {error}") from error
    if len(data) > MAX_LEAF_BYTES:
        raise LimitExceeded("bytes of one ledger entry without its body", maximum=MAX_LEAF_BYTES, seen=len(data))
    return data


def identify(data: bytes) -> Identity:
    """Raises ``WireError`` for bytes that are no leaf."""
    try:
        leaf = _decode(data)
        if leaf.v == _VERSION and leaf.commitment and leaf.body is msgspec.UNSET:
            return Identity(leaf.id, leaf.tenant, leaf.actor, leaf.action, leaf.subject, leaf.case, leaf.commitment)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    said = decode_leaf(data)
    entry = said.entry
    return Identity(entry.id, entry.tenant, entry.actor, entry.action, entry.subject, entry.case, said.commitment)


def decode_leaf(data: bytes) -> Leaf:
    """Raises ``WireError`` for bytes that are no leaf."""
    try:
        leaf = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        leaf = None
    if leaf is None or leaf.v != _VERSION:
        leaf = decode_json(data, _Leaf)
    has_body = leaf.body is not msgspec.UNSET
    if has_body == bool(leaf.commitment):
        raise WireError(_KIND, "it has a body or a commitment to one, not both")
    entry = AuditEntry(
        id=leaf.id,
        tenant=leaf.tenant,
        trace=leaf.trace,
        at_ns=leaf.at_ns,
        actor=leaf.actor,
        action=leaf.action,
        subject=leaf.subject,
        case=leaf.case,
        body={} if leaf.body is msgspec.UNSET else leaf.body,
        custody=leaf.custody,
    )
    return Leaf(entry, leaf.commitment)
