"""Making a bundle: everything about one case that somebody without this node needs.

The checkpoint is the newest that a quorum of witnesses cosigned and that covers the whole case; the
present one where there is none. Timestamps are those that covered the first and the last entry
soonest.
"""

import base64
from typing import Protocol

from phalanx.core import NotFound, TenantId
from phalanx.ledger._checkpoint import Checkpoint
from phalanx.ledger._note import parse_note
from phalanx.ledger._proof import InclusionProof
from phalanx.ledger._record import LedgerEntry
from phalanx.ledger.evidence._cases import CaseIndex
from phalanx.ledger.evidence._document import (
    KIND,
    VERSION,
    Bundle,
    EntryPart,
    LogPart,
    MarkPart,
    TimestampPart,
    WitnessPart,
)
from phalanx.ledger.evidence._timeline import Heading, Told, timeline
from phalanx.ledger.witness import Cosignature, Head, OwnLog, StampedSizes, TrustedLog, Witnesses, WitnessKeys


class EvidenceLog(OwnLog, Protocol):
    """The ledger, as far as evidence is made of it."""

    async def entries(self, after: int, limit: int) -> list[LedgerEntry]: ...

    async def prove(self, index: int, size: int | None = None) -> InclusionProof: ...


class Evidence:
    """Exports cases of a node's ledger."""

    def __init__(self, ledger: EvidenceLog, witnesses: Witnesses, stamps: StampedSizes, cases: CaseIndex) -> None:
        self._ledger = ledger
        self._witnesses = witnesses
        self._stamps = stamps
        self.cases = cases

    async def export(self, tenant: TenantId, case: str) -> bytes:
        """The bundle of a case as a file; raises ``NotFound`` when the tenant's ledger has no entry of it."""
        found = [
            entry for index in await self.cases.of(tenant, case) for entry in await self._ledger.entries(index - 1, 1)
        ]
        found = [one for one in found if (one.entry.tenant, one.entry.case) == (tenant, case)]
        if not found:
            raise NotFound("case in the ledger", case)
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
            stamped_sizes=[Head.of(parse_note(mark.note)).size for mark in marks],
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
        marks: dict[int, MarkPart] = {}
        for index in indexes:
            stamp = await self._stamps.first_covering(index)
            if stamp is None or stamp.size > checkpoint.size or stamp.size in marks:
                continue
            stamped = await self._ledger.signed(stamp.size)
            if stamped is None:
                continue
            _, path = await self._ledger.prefix(stamp.size, checkpoint.size)
            marks[stamp.size] = MarkPart(
                note=log.own_lines(stamped.note),
                path=tuple(step.hex() for step in path),
                timestamp=TimestampPart(
                    roots=tuple(base64.b64encode(root).decode() for root in stamp.roots),
                    token=base64.b64encode(stamp.token).decode(),
                ),
            )
        return [marks[size] for size in sorted(marks)]

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
