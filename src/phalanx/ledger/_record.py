"""A journal record: the leaf as it was hashed, and behind it the payload sealed for its tenant.

::

    0x02 | length of the leaf u16 | leaf | sealed (salt | payload)

The sealed part belongs to its leaf: the leaf's hash goes into the seal. It is not under the tree,
so a tenant's payloads can be made unreadable for good while everything about them still verifies.
Records of version 1 are a leaf and nothing else, and begin with the brace of its JSON.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from phalanx.core import AuditEntry, WireError
from phalanx.ledger._errors import LedgerTampered
from phalanx.ledger._leaf import Identity, Leaf, decode_leaf, identify
from phalanx.ledger._payload import SALT_BYTES, Disclosure, commit, decode_payload

S = TypeVar("S", Leaf, Identity)

_HEAD = struct.Struct(">BH")
_V1_FIRST_BYTE = 0x7B
_V2_FIRST_BYTE = 0x02


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A recorded entry, where it stands, and the exact bytes whose hash is its leaf.

    ``disclosure`` is what to show with the leaf so that the body can be checked; there is none
    for entries of version 1, whose leaf holds the body, and none when the payload is gone.
    """

    index: int
    leaf_hash: str
    leaf: bytes
    entry: AuditEntry
    disclosure: Disclosure | None = None
    payload_gone: bool = False


def pack_record(leaf: bytes, sealed: bytes) -> bytes:
    return _HEAD.pack(_V2_FIRST_BYTE, len(leaf)) + leaf + sealed


def split_record(record: bytes) -> tuple[bytes, bytes | None]:
    """Leaf and sealed payload, which records of version 1 do not have; raises ``WireError``."""
    if record[:1] == bytes((_V1_FIRST_BYTE,)):
        return record, None
    if len(record) < _HEAD.size:
        raise WireError("ledger record", "it is cut short")
    first, n_leaf = _HEAD.unpack_from(record)
    if first != _V2_FIRST_BYTE:
        raise WireError("ledger record", f"it begins with {first}")
    end = _HEAD.size + n_leaf
    if len(record) <= end:
        raise WireError("ledger record", "it is cut short")
    return record[_HEAD.size : end], record[end:]


def read_record(index: int, record: bytes) -> tuple[bytes, bytes | None, Leaf]:
    """Leaf bytes, sealed payload and what the leaf says; raises ``LedgerTampered``."""
    return _read(index, record, decode_leaf)


def identified(index: int, record: bytes) -> tuple[bytes, bytes | None, Identity]:
    """As ``read_record``, with less of what the leaf says and in less time; raises ``LedgerTampered``."""
    return _read(index, record, identify)


def _read(index: int, record: bytes, read_leaf: Callable[[bytes], S]) -> tuple[bytes, bytes | None, S]:
    try:
        leaf, sealed = split_record(record)
        said = read_leaf(leaf)
    except WireError as error:
        raise LedgerTampered("entry", index, error.message) from error
    # A leaf that commits to a payload, and only that, has one sealed behind it.
    if (sealed is None) == bool(said.commitment):
        raise LedgerTampered("entry", index, "its record and its leaf are of different versions")
    return leaf, sealed, said


def checked_disclosure(index: int, said: Leaf, opened: bytes) -> Disclosure:
    """An opened payload, once it is what the leaf commits to; raises ``LedgerTampered``."""
    check_opened(index, said.commitment, opened)
    return Disclosure(opened[:SALT_BYTES], opened[SALT_BYTES:])


def check_opened(index: int, commitment: str, opened: bytes) -> None:
    """That salt and payload, one behind the other, are what a leaf commits to; raises ``LedgerTampered``."""
    if len(opened) < SALT_BYTES or commit(opened, b"").hex() != commitment:
        raise LedgerTampered("payload", index, "payload and salt are not the ones its leaf commits to")


def with_body(entry: AuditEntry, disclosure: Disclosure) -> AuditEntry:
    """The entry as it was recorded; raises ``WireError``."""
    return AuditEntry(
        id=entry.id,
        tenant=entry.tenant,
        trace=entry.trace,
        at_ns=entry.at_ns,
        actor=entry.actor,
        action=entry.action,
        subject=entry.subject,
        case=entry.case,
        body=decode_payload(disclosure.payload),
        custody=entry.custody,
    )


def seal_context(hashed_leaf: bytes) -> bytes:
    """What a sealed payload is bound to: its own leaf."""
    return b"phalanx/ledger/record/v2\x00" + hashed_leaf
