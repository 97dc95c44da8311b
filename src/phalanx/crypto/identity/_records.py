"""What is stored of identities: never a private key.

All rows stand under the default tenant: identities belong to the node and its organisation.
``HEAD`` is one row that every commit of this room touches. Its version tells another process
that shares the store that there is something to read, at the cost of one look.
"""

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    Put,
    Record,
    Table,
    encode,
)
from phalanx.crypto.identity._certificate import Certificate

IDENTITIES = Table("identities", indexes=("subject", "key", "kind"))
STANDINGS = Table("identity_standings")
LISTS = Table("identity_lists")
ANCHORS = Table("identity_anchors")
HEAD = Table("identity_head")
OWED = Table("identity_owed")

HEAD_KEY = "head"


class IdentityRecord(Record, frozen=True, kw_only=True, tag="identity"):
    """One certificate; its id is its serial, ``issuer_serial`` the certificate above (its own for a root)."""

    subject: str
    subject_kind: str
    issuer_serial: str
    key: str
    epoch: int
    not_after_ns: int
    certificate: bytes


class StandingRecord(Record, frozen=True, kw_only=True, tag="identity-standing"):
    """The present certificate of a subject that can rotate, and when each epoch became the lowest valid one."""

    serial: str
    epoch: int
    epochs: tuple[tuple[int, int], ...] = ()


class ListRecord(Record, frozen=True, kw_only=True, tag="identity-list"):
    """The newest list of revocations of one issuer, with the chain of the key that signed it."""

    number: int
    revocations: bytes
    chain: bytes


class AnchorRecord(Record, frozen=True, kw_only=True, tag="identity-anchor"):
    """An organisation of elsewhere that is trusted here; its id is the fingerprint of its root key."""

    subject: str
    certificate: bytes


class OwedRecord(Record, frozen=True, kw_only=True, tag="identity-owed"):
    """An audit entry that was committed with what it tells of, and is not in the ledger yet."""

    actor: str
    action: str
    subject: str
    body: dict[str, str]


def record_of(certificate: Certificate, issuer_serial: str, at_ns: int) -> IdentityRecord:
    return IdentityRecord(
        id=certificate.serial,
        tenant=DEFAULT_TENANT,
        trace=NO_TRACE,
        at_ns=at_ns,
        subject=str(certificate.subject),
        subject_kind=certificate.subject.kind.value,
        issuer_serial=issuer_serial,
        key=certificate.key_fingerprint,
        epoch=certificate.epoch,
        not_after_ns=certificate.not_after_ns,
        certificate=certificate.to_bytes(),
    )


def identity_put(record: IdentityRecord) -> Put:
    index = {
        "subject": (record.subject,),
        "key": (record.key,),
        "kind": (record.subject_kind,),
    }
    return Put(IDENTITIES, DEFAULT_TENANT, record.id, encode(record), index)


def put(table: Table, record: Record) -> Put:
    return Put(table, DEFAULT_TENANT, record.id, encode(record))
