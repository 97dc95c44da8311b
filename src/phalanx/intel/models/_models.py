"""The models of a node: put, promoted and retired, each with who did so and why; by tenant.

A document is kept sealed, under its digest, as long as its entry is; entries are kept when a model is retired. What a
model saw is in the state of the detector that asks it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec

from phalanx.core import (
    NO_TRACE,
    AuditEntry,
    AuditSink,
    Clock,
    EventBatch,
    Expect,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Offload,
    Put,
    Record,
    Store,
    Table,
    TenantId,
    Write,
    decode,
    derive_id,
    encode,
)
from phalanx.intel._detector import Pattern
from phalanx.intel._judging import reason_of
from phalanx.intel.models._document import Document, Provenance, read_document
from phalanx.intel.models._limits import MAX_ASKED, MAX_MODELS
from phalanx.learning import Trees

MODELS: Final = Table("models", sealed=True)
MODEL_BODIES: Final = Table("model_bodies", sealed=True)


class ModelState(Enum):
    """Whether a model is counted, finds, or is only kept."""

    SHADOW = "shadow"
    PROMOTED = "promoted"
    RETIRED = "retired"


class ModelEntry(Record, frozen=True, kw_only=True, tag="model"):
    """A model ``id`` (its name and the beginning of its digest), where it is now, by whom and why."""

    name: str
    digest: str
    state: ModelState
    title: str
    log_source: str
    severity: str
    by: str
    reason: str
    since_ns: int


class ModelBody(Record, frozen=True, kw_only=True, tag="model-body"):
    """The document with the digest ``id``."""

    data: bytes


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a model saw: events, how many passed its threshold, and how far they are from those of its training.

    ``psi`` is the largest population stability index, that of ``psi_of``; ``drifts`` counts changes of its mean score.
    ``drifted`` says that the index is so large that the model is not to be believed until it is trained anew.
    """

    events: int = 0
    passed: int = 0
    threshold: float = 0.0
    psi: float = 0.0
    psi_of: str = ""
    drifted: bool = False
    drifts: int = 0


class ModelView(msgspec.Struct, frozen=True, kw_only=True):
    """A model with where it is from and what it saw."""

    entry: ModelEntry
    provenance: Provenance
    features: int
    floor: float
    status: ModelStatus


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """What a model makes of one event."""

    row: int
    probability: float
    log_odds: float
    passes: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A model that is asked. ``places`` are the columns of the features that are watched."""

    id: str
    promoted: bool
    document: Document
    trees: Trees
    pattern: Pattern
    places: dict[str, int]


class Models:
    """Made by ``open``."""

    def __init__(self, store: Store, clock: Clock, offload: Offload, audit: AuditSink) -> None:
        self._store = store
        self._clock = clock
        self._offload = offload
        self._audit = audit
        self._asked: dict[TenantId, tuple[Asked, ...]] = {}

    async def open(self) -> None:
        """Ask those that the store says."""
        for tenant in await self._store.tenants(MODELS):
            await self._load(tenant)

    def asked(self, tenant: TenantId) -> Sequence[Asked]:
        """Those of ``tenant`` that are in shadow or promoted."""
        return self._asked.get(tenant, ())

    async def entries(self, tenant: TenantId) -> list[ModelEntry]:
        """All of them, by name."""
        return [decode(row.value, ModelEntry) for row in await self._store.scan(MODELS, tenant, limit=MAX_MODELS)]

    async def get(self, tenant: TenantId, ident: str) -> ModelEntry:
        """By id, or by a name that only one has that is not retired. Raises ``NotFound``."""
        row = await self._store.get(MODELS, tenant, ident)
        if row is not None:
            return decode(row.value, ModelEntry)
        named = [one for one in await self.entries(tenant) if one.name == ident and one.state is not ModelState.RETIRED]
        if len(named) != 1:
            raise NotFound("model", ident, hint="phalanx intel models list shows them by id")
        return named[0]

    async def document(self, tenant: TenantId, entry: ModelEntry) -> Document:
        """As it was put."""
        row = await self._store.get(MODEL_BODIES, tenant, entry.digest)
        if row is None:
            raise NotFound("document", entry.id)
        return (await self._offload.run(read_document, decode(row.value, ModelBody).data))[0]

    async def put(self, tenant: TenantId, data: bytes, *, by: str) -> ModelEntry:
        """Keep a document, in shadow. The same one again is known. Raises ``InvalidInput`` and ``LimitExceeded``."""
        document, _ = await self._offload.run(read_document, data)
        # As it is written here, so that a document has one digest however it was packed.
        whole, digest = document.to_bytes(), document.digest
        ident = f"{document.name}@{digest[:12]}"
        known = await self.entries(tenant)
        if (before := next((one for one in known if one.id == ident), None)) is not None:
            return before
        if len(known) >= MAX_MODELS:
            raise LimitExceeded("models", maximum=MAX_MODELS, seen=len(known) + 1)
        if sum(one.state is not ModelState.RETIRED for one in known) >= MAX_ASKED:
            hint = "retire one: every model that is asked costs time on each event"
            raise LimitExceeded("models that are asked", maximum=MAX_ASKED, seen=MAX_ASKED + 1, hint=hint)
        now_ns = self._clock.wall_ns()
        entry = ModelEntry(
            id=ident, tenant=tenant, trace=NO_TRACE, at_ns=now_ns, name=document.name, digest=digest,
            state=ModelState.SHADOW, title=document.title, log_source=str(document.log_source),
            severity=document.severity, by=by, reason="put", since_ns=now_ns,
        )  # fmt: skip
        body = ModelBody(id=digest, tenant=tenant, trace=NO_TRACE, at_ns=now_ns, data=whole)
        await self._store.commit([
            Put(MODEL_BODIES, tenant, digest, encode(body)), Put(MODELS, tenant, ident, encode(entry))
        ], expect=[Expect(MODELS, tenant, ident, 0)])  # fmt: skip
        await self._load(tenant)
        await self._record("model.put", entry, data=document.provenance.data_sha256)
        return entry

    async def move(
        self, tenant: TenantId, ident: str, state: ModelState, *, reason: str, by: str, seen: int = 0, wanted: int = 0
    ) -> ModelEntry:  # fmt: skip
        """Promote or retire a model, with a reason. One that is promoted retires the one of its name before it.

        ``seen`` is how many events it saw in shadow, ``wanted`` how many it must have. Raises ``InvalidInput``.
        """
        reason, entry = reason_of(reason), await self.get(tenant, ident)
        if state is ModelState.PROMOTED and seen < wanted:
            raise InvalidInput("model", f"it saw {seen} events in shadow, {wanted} are wanted before it may speak")
        if entry.state is ModelState.RETIRED:
            raise InvalidInput("model", "it is retired; put it again under another name if it is to come back")
        now_ns, versions, writes = self._clock.wall_ns(), [], list[Write]()
        moved: list[ModelEntry] = []
        for one in await self.entries(tenant):
            to, why = state, reason
            if one.id != entry.id:
                if not (state is ModelState.PROMOTED and one.name == entry.name and one.state is ModelState.PROMOTED):
                    continue
                to, why = ModelState.RETIRED, f"replaced by {entry.id}: {reason}"
            row = await self._store.get(MODELS, tenant, one.id)
            assert row is not None, one.id
            changed = msgspec.structs.replace(one, state=to, reason=why, by=by, since_ns=now_ns)
            moved.append(changed)
            writes.append(Put(MODELS, tenant, one.id, encode(changed)))
            versions.append(Expect(MODELS, tenant, one.id, row.version))
        await self._store.commit(writes, expect=versions)
        await self._load(tenant)
        for one in moved:
            await self._record(f"model.{one.state.value}", one, data="")
        return next(one for one in moved if one.id == entry.id)

    async def score(self, tenant: TenantId, ident: str, batches: Sequence[EventBatch]) -> list[Scored]:
        """What a model makes of events of its log source."""
        document = await self.document(tenant, await self.get(tenant, ident))
        return await self._offload.run(_scored, document, batches)

    async def _load(self, tenant: TenantId) -> None:
        made = []
        for entry in await self.entries(tenant):
            if entry.state is ModelState.RETIRED:
                continue
            row = await self._store.get(MODEL_BODIES, tenant, entry.digest)
            if row is None:
                continue
            document, trees = await self._offload.run(read_document, decode(row.value, ModelBody).data)
            places = {name: trees.features.index(name) for name in document.watched}
            is_promoted = entry.state is ModelState.PROMOTED
            made.append(Asked(entry.id, is_promoted, document, trees, document.pattern, places))
        self._asked[tenant] = tuple(made)

    async def _record(self, action: str, entry: ModelEntry, *, data: str) -> None:
        body = {"digest": entry.digest, "state": entry.state.value, "reason": entry.reason, "data": data}
        await self._audit.record(
            AuditEntry(
                id=derive_id(entry.since_ns, "audit", action, entry.tenant, entry.id), tenant=entry.tenant,
                trace=NO_TRACE, at_ns=entry.since_ns, actor=entry.by, action=action, subject=entry.id, case="",
                body=body,
            )
        )  # fmt: skip


def _scored(document: Document, batches: Sequence[EventBatch]) -> list[Scored]:
    trees, found = Trees.from_bytes(document.trees), list[Scored]()
    for batch in batches:
        if not document.is_about(batch.log_source):
            continue
        scores = trees.log_odds(document.coding.rows(batch.columns, len(batch)))
        chances = document.calibration.apply(scores)
        found += [
            Scored(row=row, probability=round(chance, 6), log_odds=round(score, 4), passes=score > document.floor)
            for row, score, chance in zip(batch.rows, scores.tolist(), chances.tolist(), strict=True)
        ]
    return sorted(found, key=lambda one: one.row)
