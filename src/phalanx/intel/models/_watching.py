"""What is told of models: each with its provenance, and what it saw, out of the state of the detector that asks it."""

import msgspec

from phalanx.core import Store, TenantId, decode
from phalanx.intel._model import DETECTOR_STATES, DetectorState
from phalanx.intel.models._detector import DETECTOR, House, Watch
from phalanx.intel.models._document import Document
from phalanx.intel.models._limits import DRIFT_MIN_EVENTS, DRIFT_PSI
from phalanx.intel.models._models import ModelEntry, Models, ModelStatus, ModelView


async def model_views(models: Models, store: Store, tenant: TenantId) -> list[ModelView]:
    """All models of the tenant."""
    watches = await _watches(store, tenant)
    return [await _view(models, tenant, entry, watches) for entry in await models.entries(tenant)]


async def model_view(models: Models, store: Store, tenant: TenantId, ident: str) -> ModelView:
    """One model. Raises ``NotFound``."""
    return await _view(models, tenant, await models.get(tenant, ident), await _watches(store, tenant))


async def _view(models: Models, tenant: TenantId, entry: ModelEntry, watches: dict[str, Watch]) -> ModelView:
    document = await models.document(tenant, entry)
    return ModelView(
        entry=entry, provenance=document.provenance, features=len(document.coding.features), floor=document.floor,
        status=_status(document, watches.get(entry.id)),
    )  # fmt: skip


async def _watches(store: Store, tenant: TenantId) -> dict[str, Watch]:
    row = await store.get(DETECTOR_STATES, tenant, DETECTOR)
    return {} if row is None else msgspec.msgpack.decode(decode(row.value, DetectorState).data, type=House).watches


def _status(document: Document, watch: Watch | None) -> ModelStatus:
    if watch is None:
        return ModelStatus(threshold=document.floor)
    psi, worst = watch.psi(document)
    # As the detector has it: few events are distributed otherwise by chance alone.
    drifted = psi >= DRIFT_PSI and watch.events >= DRIFT_MIN_EVENTS
    return ModelStatus(
        events=watch.events, passed=watch.passed, threshold=watch.threshold.standing, psi=round(psi, 4),
        psi_of=worst, drifted=drifted, drifts=watch.drift.changes,
    )  # fmt: skip
