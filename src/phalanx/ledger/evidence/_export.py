"""Making a bundle: everything about one case that somebody without this node needs.

The checkpoint is the newest that a quorum of witnesses cosigned and that covers the whole case; the
present one where there is none. Timestamps and anchors are those that covered the first and the
last entry soonest.
"""

import base64
from typing import Protocol

from phalanx.core import NotFound, Store, TenantId
from phalanx.crypto import VerifyingKey
from phalanx.ledger._anchor import StoredAnchor, announcement_id, stored_anchors, unannounced
from phalanx.ledger._checkpoint import Checkpoint
from phalanx.ledger._limits import PAGE_CHECKPOINTS
from phalanx.ledger._note import parse_note
from phalanx.ledger._proof import InclusionProof
from phalanx.ledger._record import LedgerEntry
from phalanx.ledger.evidence._cases import CaseIndex
from phalanx.ledger.evidence._document import (
    KIND,
    VERSION,
    AnchorPart,
    AnnouncementPart,
    Bundle,
    EntryPart,
    LogPart,
    MarkPart,
    TimestampPart,
    WitnessPart,
)
from phalanx.ledger.evidence._timeline import Heading, Told, timeline
from phalanx.ledger.witness import Cosignature, OwnLog, StampedSizes, TrustedLog, Witnesses, WitnessKeys


class EvidenceLog(OwnLog, Protocol):
    """The ledger, as far as evidence is made of it."""

    async def entry(self, entry_id: str) -> LedgerEntry: ...

    async def entries(self, after: int, limit: int) -> list[LedgerEntry]: ...

    async def prove(self, index: int, size: int | None = None) -> InclusionProof: ...


class _AnchoredSizes:
    """The anchors that were kept: one a day, so that reading them in order is soon done."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def first_covering(self, index: int) -> tuple[int, StoredAnchor] | None:
        """Size and anchor of the earliest anchored checkpoint that the entry ``index`` is in."""
        after = ""
        while page := await stored_anchors(self._store, after=after, limit=PAGE_CHECKPOINTS):
            for stored in page:
                size = _size(stored.note)
                if size > index:
                    return size, stored
            after = page[-1].day
        return None


class Evidence:
    """Exports cases of a node's ledger."""

    def __init__(self, ledger: EvidenceLog, witnesses: Witnesses, store: Store, cases: CaseIndex) -> None:
        self._ledger = ledger
        self._witnesses = witnesses
        self._stamps = StampedSizes(store)
        self._anchors = _AnchoredSizes(store)
        self.cases = cases

    async def export(self, tenant: TenantId, case: str) -> bytes:
        """The bundle of a case as a file; raises ``NotFound`` when the tenant's ledger has no entry of it."""
        found = [
            entry for index in await self.cases.of(tenant, case) for entry in await self._ledger.entries(index - 1, 1)
        ]
        found = [one for one in found if (one.entry.tenant, one.entry.case) == (tenant, case)]
        if not found:
            raise NotFound("case", case, hint="`phalanx ledger list` names the cases that the ledger has")
        checkpoint = await self._checkpoint(found[-1].index)
        cosignatures = await self._witnesses.of(checkpoint.size)
        log = TrustedLog.of(self._ledger.origin, self._ledger.public_key)
        note = log.own_lines(checkpoint.note) + "".join(one.lines for one in cosignatures)
        marks = await self._marks([found[0].index, found[-1].index], checkpoint, log)
        entries = [await self._entry(one, checkpoint.size) for one in found]
        heading = Heading(
            case=case,
            tenant=tenant,
            origin=log.origin,
            fingerprint=self._ledger.public_key.fingerprint,
            size=checkpoint.size,
            signed_at_s=checkpoint.signed_at_s,
            witnesses=[(one.witness, one.cosigned_at_s) for one in cosignatures],
            stamped_sizes=[_size(mark.note) for mark in marks if mark.timestamp],
            anchored=[(_size(mark.note), _day(mark.anchor)) for mark in marks if mark.anchor],
        )
        return Bundle(
            case=case,
            checkpoint=note,
            entries=tuple(entries),
            kind=KIND,
            log=LogPart(fingerprint=heading.fingerprint, keys=tuple(map(str, log.keys)), origin=log.origin),
            marks=tuple(marks),
            tenant=tenant,
            timeline=timeline(heading, [_told(one) for one in found]),
            version=VERSION,
            witnesses=tuple(map(_witness, cosignatures)),
        ).to_bytes()

    async def _checkpoint(self, last: int) -> Checkpoint:
        cosigned = await self._witnesses.newest_with_quorum(last + 1)
        return cosigned or await self._ledger.checkpoint()

    async def _marks(self, indexes: list[int], checkpoint: Checkpoint, log: TrustedLog) -> list[MarkPart]:
        """The checkpoints that were stamped or anchored soonest after an entry was recorded."""
        stamps: dict[int, TimestampPart] = {}
        anchors: dict[int, StoredAnchor] = {}
        for index in indexes:
            stamp = await self._stamps.first_covering(index)
            if stamp is not None:
                roots = tuple(base64.b64encode(root).decode() for root in stamp.roots)
                stamps[stamp.size] = TimestampPart(roots=roots, token=base64.b64encode(stamp.token).decode())
            anchor = await self._anchors.first_covering(index)
            if anchor is not None:
                anchors[anchor[0]] = anchor[1]
        marks = []
        for size in sorted(stamps.keys() | anchors.keys()):
            marked = await self._ledger.signed(size) if size <= checkpoint.size else None
            if marked is None:
                continue
            _, path = await self._ledger.prefix(size, checkpoint.size)
            anchored = anchors.get(size)
            marks.append(
                MarkPart(
                    anchor=await self._anchor(anchored, size) if anchored else None,
                    note=log.own_lines(marked.note),
                    path=tuple(step.hex() for step in path),
                    timestamp=stamps.get(size),
                )
            )
        return marks

    async def _anchor(self, stored: StoredAnchor, size: int) -> AnchorPart:
        """The anchor with the entry that announces its key; raises ``LedgerTampered`` when there is none under it."""
        key = VerifyingKey.from_bytes(stored.public_key)
        try:
            found = await self._ledger.entry(announcement_id(key.fingerprint))
        except NotFound as error:
            raise unannounced(stored.day, size, key.fingerprint) from error
        if found.index >= size:
            raise unannounced(stored.day, size, key.fingerprint)
        proof = await self._ledger.prove(found.index, size)
        return AnchorPart(
            algorithm=key.algorithm,
            announcement=AnnouncementPart(index=found.index, leaf=found.leaf.decode(), path=proof.path),
            key=base64.b64encode(key.raw).decode(),
            note=stored.note,
        )

    async def _entry(self, found: LedgerEntry, size: int) -> EntryPart:
        proof = await self._ledger.prove(found.index, size)
        shown = found.disclosure
        return EntryPart(
            index=found.index,
            leaf=found.leaf.decode(),
            leaf_hash=proof.leaf_hash,
            path=proof.path,
            payload=shown.payload.decode() if shown else None,
            salt=shown.salt.hex() if shown else None,
        )


def _size(note: str) -> int:
    """The size that a note of ours names, in its second line."""
    return int(parse_note(note).text.split("\n")[1])


def _day(anchor: AnchorPart) -> str:
    return parse_note(anchor.note).text.split("\n")[3].removeprefix("anchor ")


def _told(found: LedgerEntry) -> Told:
    body = None
    if found.disclosure is not None:
        body = found.disclosure.payload.decode()
    elif not found.payload_gone:
        body = found.leaf.decode()  # version 1: the leaf holds the body
    return Told(found.index, found.entry, found.leaf_hash, body)


def _witness(cosignature: Cosignature) -> WitnessPart:
    keys = WitnessKeys.from_texts(cosignature.keys)
    return WitnessPart(keys=tuple(map(str, keys.keys)), name=keys.name)
