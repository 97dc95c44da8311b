"""Checking a bundle on a machine with nothing else: from its bytes to its keys, naming what breaks first.

The order is fixed and is that of ``Link``: the document's form; the keys and the pinned
fingerprint; the checkpoint's signatures; each witness; each further checkpoint with its
consistency, then their timestamps and anchors; each entry with its leaf, path and payload; the timeline.

What it proves: the entries stood in the ledger, at these places and with this content, when the
key with this fingerprint signed the checkpoint. What it cannot prove: that they are *all* entries
of the case, and that a payload which is not disclosed said nothing.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from phalanx.core import AuditEntry, InvalidInput, Unavailable, WireError
from phalanx.crypto import CryptoError, PublicKey, VerifyingKey
from phalanx.ledger._anchor import announced_key, verify_anchor
from phalanx.ledger._errors import InvalidCheckpoint, InvalidProof
from phalanx.ledger._leaf import decode_leaf
from phalanx.ledger._merkle import leaf_hash, verify_consistency, verify_inclusion
from phalanx.ledger._note import decode_base64, parse_note
from phalanx.ledger._payload import Disclosure
from phalanx.ledger.evidence._document import (
    ANCHOR_ALGORITHMS,
    AnchorPart,
    AnnouncementPart,
    Bundle,
    EntryPart,
    MarkPart,
    TimestampPart,
    read_bundle,
)
from phalanx.ledger.evidence._errors import BrokenLink, Link
from phalanx.ledger.evidence._timeline import Heading, Told, timeline
from phalanx.ledger.witness import Head, NoteKey, TimestampRefused, TrustedLog, WitnessKeys, as_pem, verify_timestamp

HEAD = "the checkpoint"


@dataclass(frozen=True, slots=True)
class AnchoredMark:
    """An anchor in a bundle, the fingerprint of its key, and which entry announced that.

    ``announced`` is None in files of version 1, where nothing ties the key to the log.
    """

    size: int
    day: str
    key: str
    announced: int | None


@dataclass(frozen=True, slots=True)
class StampedMark:
    """A timestamp in a bundle. ``at_s`` is None when it was not checked, for want of the library."""

    size: int
    at_s: int | None
    roots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EvidenceReport:
    """What a bundle proves. ``undisclosed`` counts the entries whose payload is not in it."""

    case: str
    tenant: str
    origin: str
    signer: str
    size: int
    root: str
    signed_at_s: int
    entries: tuple[tuple[int, AuditEntry], ...]
    leaf_hashes: tuple[str, ...]
    undisclosed: int
    witnesses: tuple[tuple[str, int], ...]
    timestamps: tuple[StampedMark, ...]
    anchors: tuple[AnchoredMark, ...]
    roots_at: tuple[tuple[int, str], ...]
    timeline: str


def verify_bundle(data: bytes, *, fingerprint: str = "", authority_pem: str = "") -> EvidenceReport:
    """Raises ``BrokenLink``. ``fingerprint`` pins the signer, ``authority_pem`` the timestamp authority."""
    bundle = read_bundle(data)
    log, witnesses = _keys(bundle, fingerprint)
    head, signed_at_s = _checkpoint(bundle, log, witnesses)
    cosigned = [(one.name, _cosignature(one, bundle.checkpoint, head)) for one in witnesses]
    marks = [_mark(number, mark, log, head) for number, mark in enumerate(bundle.marks)]
    vouched = list(enumerate(zip(bundle.marks, marks, strict=True)))
    stamps = [
        _timestamp(f"mark {number}", part.timestamp, marked, authority_pem)
        for number, (part, marked) in vouched
        if part.timestamp is not None
    ]
    anchors = [
        _anchor(f"mark {number}", part.anchor, marked) for number, (part, marked) in vouched if part.anchor is not None
    ]
    told = [_entry(entry, bundle, head) for entry in bundle.entries]
    heading = Heading(
        case=bundle.case,
        tenant=bundle.tenant,
        origin=log.origin,
        fingerprint=bundle.log.fingerprint,
        size=head.size,
        signed_at_s=signed_at_s,
        witnesses=cosigned,
        stamped_sizes=[stamp.size for stamp in stamps],
        anchored=[(anchor.size, anchor.day) for anchor in anchors],
    )
    if timeline(heading, told) != bundle.timeline:
        raise BrokenLink(Link.TIMELINE, "the bundle", "it does not tell what the entries say")
    return EvidenceReport(
        case=bundle.case,
        tenant=bundle.tenant,
        origin=log.origin,
        signer=bundle.log.fingerprint,
        size=head.size,
        root=head.root.hex(),
        signed_at_s=signed_at_s,
        entries=tuple((one.index, one.entry) for one in told),
        leaf_hashes=tuple(one.leaf_hash for one in told),
        undisclosed=sum(one.body is None for one in told),
        witnesses=tuple(cosigned),
        timestamps=tuple(stamps),
        anchors=tuple(anchors),
        roots_at=tuple((one.size, one.root.hex()) for one in (*marks, head)),
        timeline=bundle.timeline,
    )


def _keys(bundle: Bundle, fingerprint: str) -> tuple[TrustedLog, list[WitnessKeys]]:
    try:
        log = TrustedLog.from_texts(bundle.log.keys)
        classical, post_quantum = sorted(log.keys, key=lambda key: key.signature_type)
        found = PublicKey(classical.key, post_quantum.key).fingerprint
    except (InvalidInput, CryptoError) as error:
        raise BrokenLink(Link.KEY, "the signer", error.message) from error
    if log.origin != bundle.log.origin:
        raise BrokenLink(Link.KEY, "the signer", f"its keys are of {log.origin}, not {bundle.log.origin}")
    if found != bundle.log.fingerprint:
        raise BrokenLink(Link.KEY, "the signer", f"the fingerprint of its keys is {found}")
    if fingerprint and found != fingerprint.lower():
        raise BrokenLink(Link.KEY, "the signer", f"it is {found}, not the expected {fingerprint.lower()}")
    witnesses = []
    for number, part in enumerate(bundle.witnesses):
        try:
            keys = WitnessKeys.from_texts(part.keys)
        except InvalidInput as error:
            raise BrokenLink(Link.KEY, f"witness {number}", error.message) from error
        if keys.name != part.name:
            raise BrokenLink(Link.KEY, f"witness {number}", f"its keys are of {keys.name}, not {part.name}")
        witnesses.append(keys)
    return log, witnesses


def _checkpoint(bundle: Bundle, log: TrustedLog, witnesses: Sequence[WitnessKeys]) -> tuple[Head, int]:
    try:
        known = [*log.keys, *(key for witness in witnesses for key in witness.keys)]
        return _read(bundle.checkpoint, log, known)
    except InvalidCheckpoint as error:
        raise BrokenLink(Link.CHECKPOINT, HEAD, error.reason) from error


def _read(note: str, log: TrustedLog, known: Sequence[NoteKey]) -> tuple[Head, int]:
    """A note without a line that the bundle has no key for: nothing in it stands unchecked."""
    head, at_s = log.read_timed(note)
    lines = [(one.name, one.key_id) for one in parse_note(note).signatures]
    if len(set(lines)) < len(lines) or not set(lines) <= {(key.name, key.id) for key in known}:
        raise InvalidCheckpoint("it has a signature line by a key that is not in the bundle, or one twice")
    return head, at_s


def _cosignature(witness: WitnessKeys, note: str, head: Head) -> int:
    try:
        return witness.verify(parse_note(note), head)
    except InvalidCheckpoint as error:
        raise BrokenLink(Link.COSIGNATURE, witness.name, error.reason) from error


def _mark(number: int, mark: MarkPart, log: TrustedLog, head: Head) -> Head:
    where = f"mark {number}"
    try:
        marked, _ = _read(mark.note, log, log.keys)
    except InvalidCheckpoint as error:
        raise BrokenLink(Link.CHECKPOINT, where, error.reason) from error
    try:
        verify_consistency(marked.size, head.size, marked.root, head.root, [bytes.fromhex(step) for step in mark.path])
    except InvalidProof as error:
        raise BrokenLink(Link.CONSISTENCY, where, error.reason) from error
    return marked


def _timestamp(where: str, part: TimestampPart, marked: Head, authority_pem: str) -> StampedMark:
    try:
        token = decode_base64(part.token)
        roots = [decode_base64(root) for root in part.roots]
        pem = authority_pem or "".join(map(as_pem, roots))
        stamped = verify_timestamp(token, marked.text, pem)
    except Unavailable:
        names = tuple(hashlib.sha256(root).hexdigest() for root in roots)
        return StampedMark(marked.size, None, names)
    except (TimestampRefused, InvalidInput, InvalidCheckpoint) as error:
        raise BrokenLink(Link.TIMESTAMP, where, error.message) from error
    return StampedMark(marked.size, stamped.at_s, stamped.roots)


def _anchor(where: str, part: AnchorPart, marked: Head) -> AnchoredMark:
    if part.algorithm not in ANCHOR_ALGORITHMS:
        raise BrokenLink(Link.ANCHOR, where, f"{part.algorithm} does not sign with hashes alone")
    try:
        key = VerifyingKey(part.algorithm, decode_base64(part.key))
        anchor = verify_anchor(part.note, key)
    except (InvalidCheckpoint, CryptoError) as error:
        raise BrokenLink(Link.ANCHOR, where, error.message) from error
    if len(parse_note(part.note).signatures) > 1:
        raise BrokenLink(Link.ANCHOR, where, "it has more than one signature line")
    if (anchor.origin, anchor.size, anchor.root) != (marked.origin, marked.size, marked.root.hex()):
        raise BrokenLink(Link.ANCHOR, where, "it is of another checkpoint")
    announced = None
    if part.announcement is not msgspec.UNSET:
        _announcement(where, part.announcement, marked, key.fingerprint)
        announced = part.announcement.index
    return AnchoredMark(marked.size, anchor.day, key.fingerprint, announced)


def _announcement(where: str, part: AnnouncementPart, marked: Head, fingerprint: str) -> None:
    """That the log, as it was anchored, says that this key signs its anchors."""
    try:
        leaf = part.leaf.encode()
        verify_inclusion(
            leaf_hash(leaf), part.index, marked.size, [bytes.fromhex(step) for step in part.path], marked.root
        )
        said = decode_leaf(leaf)
    except InvalidProof as error:
        raise BrokenLink(Link.ANCHOR, where, f"the entry that announces its key: {error.reason}") from error
    except WireError as error:
        raise BrokenLink(Link.ANCHOR, where, f"the entry that announces its key: {error.message}") from error
    if announced_key(said.entry) != fingerprint:
        raise BrokenLink(Link.ANCHOR, where, f"entry {part.index} does not announce its key, {fingerprint}")


def _entry(part: EntryPart, bundle: Bundle, head: Head) -> Told:
    where, leaf = f"entry {part.index}", part.leaf.encode()
    hashed = leaf_hash(leaf)
    if hashed.hex() != part.leaf_hash:
        raise BrokenLink(Link.LEAF, where, f"its hash is {hashed.hex()}")
    try:
        verify_inclusion(hashed, part.index, head.size, [bytes.fromhex(step) for step in part.path], head.root)
    except InvalidProof as error:
        raise BrokenLink(Link.PATH, where, error.reason) from error
    try:
        said = decode_leaf(leaf)
    except WireError as error:
        raise BrokenLink(Link.LEAF, where, error.message) from error
    if (said.entry.tenant, said.entry.case) != (bundle.tenant, bundle.case):
        raise BrokenLink(Link.LEAF, where, "it is of another tenant or case")
    if not said.commitment:
        if part.payload is not None:
            raise BrokenLink(Link.COMMITMENT, where, "its leaf holds the body and commits to no payload")
        return Told(part.index, said.entry, part.leaf_hash, part.leaf)
    if part.payload is not None and part.salt is not None:
        try:
            Disclosure(bytes.fromhex(part.salt), part.payload.encode()).check(said.commitment)
        except InvalidProof as error:
            raise BrokenLink(Link.COMMITMENT, where, error.reason) from error
    return Told(part.index, said.entry, part.leaf_hash, part.payload)
