"""Decisions with what proves them, and evidence, kept in the store and told to the ledger.

An epoch and its seal are stored once; a decision refers to it. The ledger holds digests: of the epoch,
of the certificate, of the evidence. Recording the same twice changes nothing.
"""

import hashlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from phalanx.consensus._agreement import Agreement
from phalanx.consensus._document import EpochSeal, document_of
from phalanx.consensus._epoch import Epoch
from phalanx.consensus._evidence import Evidence
from phalanx.consensus._membership import Objection
from phalanx.consensus._messages import decode_certificate, encode_message
from phalanx.consensus._question import Instance, Question
from phalanx.core import (
    DEFAULT_TENANT,
    MAX_PAGE_ROWS,
    NO_TRACE,
    AuditEntry,
    AuditSink,
    Clock,
    NotFound,
    Put,
    Record,
    Store,
    Table,
    TenantId,
    TraceId,
    decode,
    derive_id,
    encode,
)

AGREEMENTS = Table("agreements", indexes=("context", "slot"))
EPOCHS = Table("epochs", indexes=("digest",))
EVIDENCE = Table("misbehaviour")
CERTIFICATES = Table("certificates")
_NO_CHAINS: Mapping[str, bytes] = MappingProxyType({})


class EpochRecord(Record, frozen=True, kw_only=True, tag="epoch-record"):
    """An epoch with its seal, and what its members said to it. ``id`` derives from its digest.

    ``accepted`` is the weight that accepted it. ``refused`` says why it was not fixed; empty when it was. ``chains``
    hold the certificates of those who object, by name: with them and ``epoch`` anybody can check what they signed.
    """

    digest: str
    number: int
    epoch: bytes
    chain: bytes
    signature: bytes
    accepted: int
    refused: str = ""
    objections: tuple[Objection, ...] = ()
    chains: dict[str, bytes] = msgspec.field(default_factory=dict)

    def decoded(self) -> Epoch:
        """Raises ``EpochRefused``."""
        return Epoch.from_bytes(self.epoch)


class AgreementRecord(Record, frozen=True, kw_only=True, tag="agreement"):
    """A decision that participants made. Its certificate is stored beside it, under the same id.

    ``context`` is the SHA-256 of what was asked, as in a decision's ``context_hash``.
    """

    slot: str
    epoch: str
    epoch_number: int
    options: tuple[str, ...]
    about: str
    context: str
    threshold: tuple[int, int]
    decision: str
    view: int
    voters: tuple[str, ...]
    weight: int
    total: int
    quorum: int
    certificate_sha256: str
    certificate_bytes: int


class MisbehaviourRecord(Record, frozen=True, kw_only=True, tag="misbehaviour"):
    """Evidence against a participant, complete: anybody who knows the epoch can check it."""

    epoch: str
    slot: str
    culprit: str
    what: str
    evidence: bytes


def epoch_key(number: int, digest: str) -> str:
    """Where an epoch stands among all that were proposed."""
    return f"{number:012d}-{digest}"


class Archive:
    """Writes what councils learn, and reads it for pages, the API and the command line."""

    def __init__(self, store: Store, audit: AuditSink, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock

    async def keep_epoch(
        self,
        epoch: Epoch,
        seal: EpochSeal,
        *,
        accepted: int,
        refused: str = "",
        objections: Sequence[Objection] = (),
        chains: Mapping[str, bytes] = _NO_CHAINS,
    ) -> EpochRecord:
        """Durable, and in the ledger, when it returns. Participants are the node's, not a tenant's."""
        tenant, digest = DEFAULT_TENANT, epoch.id.hex()
        record = EpochRecord(
            id=derive_id(epoch.at_ns, "epoch", digest), tenant=tenant, trace=NO_TRACE, at_ns=epoch.at_ns,
            digest=digest, number=epoch.number, epoch=epoch.to_bytes(), chain=seal.chain, signature=seal.signature,
            accepted=accepted, refused=refused, objections=tuple(objections), chains=dict(chains),
        )  # fmt: skip
        key = epoch_key(epoch.number, digest)
        await self._store.commit([Put(EPOCHS, tenant, key, encode(record), {"digest": (digest,)})])
        body = {
            "epoch": digest,
            "number": epoch.number,
            "votes": epoch.votes,
            "participants": [one.name for one in epoch.participants],
            "left_out": {one.name: one.reason for one in epoch.left_out},
            "accepted_weight": accepted,
            "refused": refused,
            "objections": [
                {
                    "member": one.member, "about": one.about, "wrong": one.wrong.value,
                    "signature_sha256": hashlib.sha256(one.signature).hexdigest(),
                }
                for one in objections
            ],
        }  # fmt: skip
        action = "refuse epoch" if refused else "fix epoch"
        await self._tell(record, epoch.fixed_by, action, f"epoch {epoch.number}", body)
        return record

    async def next_number(self) -> int:
        """The number of an epoch that is proposed now."""
        last = await self.newest_epochs(limit=1)
        return last[0].number + 1 if last else 1

    async def epochs(self, *, after: str = "", limit: int = 100) -> list[EpochRecord]:
        """Epochs as they were proposed, past the one whose ``epoch_key`` is ``after``."""
        rows = await self._store.scan(EPOCHS, DEFAULT_TENANT, after=after, limit=min(limit, MAX_PAGE_ROWS))
        return [decode(row.value, EpochRecord) for row in rows]

    async def newest_epochs(self, *, limit: int) -> list[EpochRecord]:
        """The latest epochs, the last one first."""
        rows = await self._store.scan(EPOCHS, DEFAULT_TENANT, limit=min(limit, MAX_PAGE_ROWS), reverse=True)
        return [decode(row.value, EpochRecord) for row in rows]

    async def epoch(self, digest: str) -> EpochRecord:
        """By its digest; raises ``NotFound``."""
        rows = await self._store.find(EPOCHS, DEFAULT_TENANT, "digest", digest, limit=1)
        if not rows:
            raise NotFound("epoch", digest)
        return decode(rows[0].value, EpochRecord)

    async def keep(self, tenant: TenantId, trace: TraceId, agreement: Agreement) -> AgreementRecord:
        """Durable, and in the ledger, when it returns."""
        # A slot is decided once: what is kept of it already stays as it is, under the time at which it was kept.
        known = await self._store.find(AGREEMENTS, tenant, "slot", agreement.instance.slot.hex(), limit=1)
        if known:
            record = decode(known[0].value, AgreementRecord)
        else:
            certificate = encode_message(agreement.certificate)
            record = self._record(tenant, trace, agreement, certificate)
            found_by = {"context": (record.context,), "slot": (record.slot,)}
            await self._store.commit(
                [
                    Put(AGREEMENTS, tenant, record.id, encode(record), found_by),
                    Put(CERTIFICATES, tenant, record.id, certificate),
                ]
            )
        body = {name: getattr(record, name) for name in ("slot", "epoch", "context", "decision", "certificate_sha256")}
        body |= {"weight": record.weight, "total": record.total, "quorum": record.quorum}
        await self._tell(
            record, f"participants of epoch {record.epoch_number}", "agree", record.about or record.slot, body
        )
        return record

    def _record(self, tenant: TenantId, trace: TraceId, agreement: Agreement, certificate: bytes) -> AgreementRecord:
        instance, question, at_ns = agreement.instance, agreement.instance.question, self._clock.wall_ns()
        slot = instance.slot.hex()
        return AgreementRecord(
            id=derive_id(at_ns, "agreement", slot), tenant=tenant, trace=trace,
            at_ns=at_ns, slot=slot, epoch=instance.epoch.id.hex(),
            epoch_number=instance.epoch.number, options=question.options, about=question.about,
            context=question.context.hex(), threshold=question.threshold, decision=agreement.option,
            view=agreement.certificate.view, voters=agreement.voters, weight=agreement.weight, total=instance.total,
            quorum=instance.quorum, certificate_sha256=hashlib.sha256(certificate).hexdigest(),
            certificate_bytes=len(certificate),
        )  # fmt: skip

    async def convict(self, tenant: TenantId, instance: Instance, evidence: Evidence) -> MisbehaviourRecord:
        """Keep evidence that was found to hold; durable, and in the ledger, when it returns."""
        culprit = instance.epoch.participants[evidence.culprit].name
        slot = instance.slot.hex()
        record = MisbehaviourRecord(
            id=derive_id(instance.epoch.at_ns, "misbehaviour", slot, culprit), tenant=tenant, trace=NO_TRACE,
            at_ns=self._clock.wall_ns(), epoch=instance.epoch.id.hex(), slot=slot, culprit=culprit,
            what=evidence.summary, evidence=evidence.to_bytes(),
        )  # fmt: skip
        await self._store.commit([Put(EVIDENCE, tenant, record.id, encode(record))])
        body = {"slot": slot, "epoch": record.epoch, "what": record.what}
        body |= {"evidence_sha256": hashlib.sha256(record.evidence).hexdigest()}
        await self._tell(record, "consensus", "convict participant", culprit, body)
        return record

    async def misbehaviour(self, tenant: TenantId, *, after: str = "", limit: int = 100) -> list[MisbehaviourRecord]:
        """Evidence by id, past ``after``."""
        rows = await self._store.scan(EVIDENCE, tenant, after=after, limit=min(limit, MAX_PAGE_ROWS))
        return [decode(row.value, MisbehaviourRecord) for row in rows]

    async def list(self, tenant: TenantId, *, after: str = "", limit: int = 100) -> list[AgreementRecord]:
        """Decisions by id, past ``after``."""
        rows = await self._store.scan(AGREEMENTS, tenant, after=after, limit=min(limit, MAX_PAGE_ROWS))
        return [decode(row.value, AgreementRecord) for row in rows]

    async def newest(self, tenant: TenantId, *, limit: int) -> Sequence[AgreementRecord]:
        """The latest decisions, the last one first."""
        rows = await self._store.scan(AGREEMENTS, tenant, limit=min(limit, MAX_PAGE_ROWS), reverse=True)
        return [decode(row.value, AgreementRecord) for row in rows]

    async def get(self, tenant: TenantId, name: str) -> AgreementRecord:
        """By id, or by the context it is about; raises ``NotFound``."""
        row = await self._store.get(AGREEMENTS, tenant, name)
        if row is not None:
            return decode(row.value, AgreementRecord)
        rows = await self._store.find(AGREEMENTS, tenant, "context", name, limit=1, reverse=True)
        if not rows:
            raise NotFound("agreement", name)
        return decode(rows[0].value, AgreementRecord)

    async def document(self, tenant: TenantId, name: str) -> dict[str, Any]:
        """The decision as a document that can be verified elsewhere; raises ``NotFound``."""
        record = await self.get(tenant, name)
        certificate = await self._store.get(CERTIFICATES, tenant, record.id)
        if certificate is None:
            raise NotFound("certificate of agreement", record.id)
        kept = await self.epoch(record.epoch)
        question = Question(record.options, bytes.fromhex(record.context), record.about, record.threshold)
        instance = Instance(kept.decoded(), question)
        agreement = Agreement(instance, decode_certificate(certificate.value))
        return document_of(agreement, EpochSeal(kept.chain, kept.signature))

    async def _tell(self, record: Record, actor: str, action: str, subject: str, body: dict[str, Any]) -> None:
        await self._audit.record(
            AuditEntry(
                id=derive_id(record.at_ns, "audit", record.id), tenant=record.tenant, trace=record.trace,
                at_ns=record.at_ns, actor=actor, action=action, subject=subject, case="",
                body=msgspec.to_builtins(body),
            )
        )  # fmt: skip
