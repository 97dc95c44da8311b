"""Anchors: once a day the newest checkpoint, signed with hashes alone (SLH-DSA, FIPS 205).

If the mathematics behind the signatures of checkpoints fails one day, what was anchored before
still stands on nothing but SHA-256. An anchor is a checkpoint (C2SP tlog-checkpoint) with one
extension line, ``anchor`` and its day in UTC, under a signature of type 0xff: the algorithm's
name belongs to the key id. The key that signs it is the log's own, and the first thing the log
is told of it is its public half, so that every later checkpoint vouches for it.
"""

import base64
import datetime as dt
import re
from dataclasses import dataclass

from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    NS_PER_S,
    AuditEntry,
    AuditSink,
    Clock,
    Expect,
    Offload,
    Put,
    Record,
    Row,
    Store,
    Table,
    WireError,
    decode,
    derive_id,
    encode,
)
from phalanx.crypto import CryptoError, SigningKey, VerifyingKey
from phalanx.ledger._checkpoint import Checkpoint, read_text
from phalanx.ledger._errors import InvalidCheckpoint, LedgerTampered
from phalanx.ledger._leaf import Identity
from phalanx.ledger._limits import PAGE_CHECKPOINTS
from phalanx.ledger._note import Note, NoteSignature, key_id, parse_note

ANCHORS = Table("ledger_anchors")

# What the announcement of an anchor key says; its subject is the key's fingerprint.
ANNOUNCE = "announce anchor key"
_ANNOUNCER = "node"

_HOME = DEFAULT_TENANT
_OTHER_SIGNATURE = 0xFF
_EXTENSION = re.compile(r"anchor (\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True, slots=True)
class Anchor:
    """A checkpoint's size and root as they were signed on ``day``. ``note`` is the whole signed text."""

    origin: str
    size: int
    root: str
    day: str
    note: str


class StoredAnchor(Record, frozen=True, kw_only=True, tag="ledger-anchor"):
    """An anchor as it is kept, with the key that it can be verified with."""

    day: str
    note: str
    public_key: bytes

    def checked(self, key: VerifyingKey) -> Anchor:
        """What it says, once it is by ``key`` and everything stored with it fits; raises ``InvalidCheckpoint``."""
        anchor = verify_anchor(self.note, key)
        if self != stored_anchor(anchor, key):
            raise InvalidCheckpoint("what is stored beside its note is not what belongs there")
        return anchor


def stored_anchor(anchor: Anchor, key: VerifyingKey) -> StoredAnchor:
    return StoredAnchor(
        id=derive_id(0, "anchor", anchor.origin, anchor.day),
        tenant=DEFAULT_TENANT,
        trace=NO_TRACE,
        at_ns=0,
        day=anchor.day,
        note=anchor.note,
        public_key=key.to_bytes(),
    )


def sign_anchor(key: SigningKey, checkpoint: Checkpoint, day: str) -> Anchor:
    """Takes a second of computing with the small signatures of SLH-DSA."""
    root = base64.b64encode(bytes.fromhex(checkpoint.root)).decode()
    text = f"{checkpoint.origin}\n{checkpoint.size}\n{root}\nanchor {day}\n"
    name = _signer_name(checkpoint.origin)
    signature = NoteSignature(name, _key_id(name, key.public), key.sign(text.encode()))
    return Anchor(checkpoint.origin, checkpoint.size, checkpoint.root, day, str(Note(text, (signature,))))


def verify_anchor(note: str, key: VerifyingKey) -> Anchor:
    """What an anchor says, once its signature holds; raises ``InvalidCheckpoint``."""
    parsed = parse_note(note)
    head, _, extension = parsed.text[:-1].rpartition("\n")
    day = _EXTENSION.fullmatch(extension)
    if day is None:
        raise InvalidCheckpoint("it has no line that says of which day it is the anchor")
    origin, size, root = read_text(head + "\n")
    name = _signer_name(origin)
    signature = parsed.signature_of(name, _key_id(name, key))
    if signature is None:
        raise InvalidCheckpoint("the signature of the expected anchor key is missing")
    try:
        key.verify(parsed.text.encode(), signature)
    except CryptoError as error:
        raise InvalidCheckpoint(error.message) from error
    return Anchor(origin, size, root.hex(), day[1], note)


def announcement_id(fingerprint: str) -> str:
    """The id of the entry by which a log says whose anchors it has."""
    return derive_id(0, "anchor key", fingerprint)


def unannounced(day: str, size: int, fingerprint: str) -> LedgerTampered:
    reason = f"its key {fingerprint} is none that the entries under it announce"
    return LedgerTampered(f"anchor of {day}", size, reason)


def announced_key(said: Identity | AuditEntry) -> str:
    """The fingerprint of the anchor key that an entry announces; empty when it announces none."""
    is_one = (said.tenant, said.actor, said.action) == (DEFAULT_TENANT, _ANNOUNCER, ANNOUNCE)
    return said.subject if is_one else ""


class Anchors:
    """Signs a log's anchors and reads them."""

    def __init__(self, store: Store, offload: Offload, clock: Clock) -> None:
        self._store = store
        self._offload = offload
        self._clock = clock

    async def all(self, *, after: str = "", limit: int = PAGE_CHECKPOINTS) -> list[StoredAnchor]:
        """Anchors of days past ``after``, unverified; raises ``LedgerTampered`` for what is none."""
        return await stored_anchors(self._store, after=after, limit=limit)

    async def newest(self) -> StoredAnchor | None:
        """The anchor of the last day that has one, unverified."""
        rows = await self._store.scan(ANCHORS, _HOME, reverse=True, limit=1)
        return _decoded(rows[0]) if rows else None

    async def due(self) -> str | None:
        """The day whose anchor is missing: today, or None when it is there."""
        day = dt.datetime.fromtimestamp(self._clock.wall_ns() // NS_PER_S, dt.UTC).date().isoformat()
        return None if await self._store.get(ANCHORS, _HOME, day) else day

    async def announce(self, key: VerifyingKey, log: AuditSink) -> None:
        """Have the log remember whose anchors it has. Again and again is the same as once."""
        entry = AuditEntry(
            id=announcement_id(key.fingerprint),
            tenant=DEFAULT_TENANT,
            trace=NO_TRACE,
            at_ns=0,
            actor=_ANNOUNCER,
            action=ANNOUNCE,
            subject=key.fingerprint,
            case="",
            body={"algorithm": key.algorithm, "public_key": base64.b64encode(key.to_bytes()).decode()},
        )
        await log.record(entry)

    async def sign(self, key: SigningKey, checkpoint: Checkpoint, day: str) -> Anchor:
        """Sign and store the anchor of a day; raises ``Conflict`` when there is one."""
        anchor = await self._offload.run(sign_anchor, key, checkpoint, day)
        put = Put(ANCHORS, _HOME, day, encode(stored_anchor(anchor, key.public)))
        await self._store.commit([put], expect=[Expect(ANCHORS, _HOME, day, 0)])
        return anchor


async def stored_anchors(store: Store, *, after: str, limit: int) -> list[StoredAnchor]:
    """Anchors of days past ``after``, unverified; raises ``LedgerTampered`` for what is none."""
    return [_decoded(row) for row in await store.scan(ANCHORS, _HOME, after=after, limit=limit)]


def _decoded(row: Row) -> StoredAnchor:
    try:
        found = decode(row.value, StoredAnchor)
    except WireError as error:
        raise LedgerTampered(f"anchor of {row.key}", 0, error.message) from error
    if found.day != row.key:
        raise LedgerTampered(f"anchor of {row.key}", 0, f"it is of {found.day}")
    return found


def _signer_name(origin: str) -> str:
    return f"{origin}/anchor"


def _key_id(name: str, key: VerifyingKey) -> bytes:
    return key_id(name, _OTHER_SIGNATURE, key.algorithm.encode() + b"\n" + key.raw)
