"""A sentinel's duty: hears when a source goes quiet. Reads the index of batches, never the events."""

from phalanx.agents import Capability, DutyManifest, Role, Watch
from phalanx.core import (
    MAX_PAGE_ROWS,
    PROBE_TENANT,
    AlertLevel,
    AlertSink,
    EventSink,
    Store,
    TenantId,
    Value,
    decode,
    derive_id,
    how_long,
)
from phalanx.intel._limits import QUIET_EVERY_S, QUIET_HISTORY_BATCHES
from phalanx.intel._model import BATCHES, BatchEntry
from phalanx.intel._rhythm import Lags, Rhythms, Silence
from phalanx.intel.reading import PRODUCT

KIND = "silence"
# So many are told of one by one, and named when more are told of at once.
_NAMED = 8


class QuietSourcesDuty:
    """Learns each live source's rhythm from its deliveries, and tells when one stays out."""

    manifest = DutyManifest(
        name="quiet-sources",
        role=Role.SENTINEL,
        capabilities=(Capability.DETECTION, Capability.PREDICTION),
        inputs=("batch",),
        outputs=("source-went-quiet",),
        cost=0.2,
        permissions=("AlertSink", "EventSink", "Store"),
    )

    async def keep(self, watch: Watch, /) -> None:
        heard: dict[TenantId, _Heard] = {}
        async for _ in watch.beats(QUIET_EVERY_S):
            store = watch.tools.get(Store)
            for tenant in await store.tenants(BATCHES):
                if tenant == PROBE_TENANT:
                    continue
                if tenant not in heard:
                    heard[tenant] = await _begun(store, tenant, watch.clock.wall_ns())
                await heard[tenant].listen(store, tenant)
                silences = heard[tenant].rhythms.quiet(watch.clock.wall_ns())
                if silences:
                    await _tell(watch, tenant, silences, heard[tenant].rhythms)
            known = sum(one.rhythms.known for one in heard.values())
            watch.progress(f"{known} sources have a rhythm that is listened to")


class _Heard:
    """What was heard of one tenant's sources, and up to which batch."""

    def __init__(self) -> None:
        self.rhythms, self._lags = Rhythms(), Lags()
        self._after = ""

    async def listen(self, store: Store, tenant: TenantId) -> None:
        while True:
            rows = await store.scan(BATCHES, tenant, after=self._after, limit=MAX_PAGE_ROWS)
            for row in rows:
                self.add(decode(row.value, BatchEntry))
            if len(rows) < MAX_PAGE_ROWS:
                return

    def add(self, batch: BatchEntry) -> None:
        self._after = max(self._after, batch.id)
        for source in batch.sources:
            if source.partition("/")[0] != PRODUCT:
                live = self._lags.are_live(source, batch.at_ns, batch.latest_ns)
                self.rhythms.heard(source, batch.at_ns, live=live)


async def _begun(store: Store, tenant: TenantId, now_ns: int) -> _Heard:
    """Learned from what is on record; that nobody listened for a while is nobody's silence."""
    heard = _Heard()
    rows = await store.scan(BATCHES, tenant, limit=QUIET_HISTORY_BATCHES, reverse=True)
    for row in reversed(rows):
        heard.add(decode(row.value, BatchEntry))
    heard.rhythms.awake_since(now_ns)
    return heard


async def _tell(watch: Watch, tenant: TenantId, silences: list[Silence], rhythms: Rhythms) -> None:
    """One event for each source, so that each is a finding about itself; beyond a few, one for all."""
    names = ", ".join(one.source for one in silences[:_NAMED])
    told = f"every source ({names})" if len(silences) == rhythms.known else names
    worst = max(silences, key=lambda one: one.silent_s)
    watch.tools.get(AlertSink).alert(AlertLevel.WARNING, "intel", f"quiet: {told}", silent_for=how_long(worst.silent_s))
    if len(silences) > _NAMED:
        await _submit(watch, tenant, names, worst, among=len(silences))
    else:
        for one in silences:
            await _submit(watch, tenant, one.source, one, among=len(silences))
    watch.progress(f"quiet: {told}", done=len(silences))


async def _submit(watch: Watch, tenant: TenantId, source: str, silence: Silence, *, among: int) -> None:
    now_ns = watch.clock.wall_ns()
    fields: dict[str, Value] = {
        "source": source, "sources": among,
        "silent_s": round(silence.silent_s, 1), "usual_s": round(silence.usual_s, 1),
        "silent_for": how_long(silence.silent_s), "usually_every": how_long(silence.usual_s),
    }  # fmt: skip
    key = derive_id(now_ns, KIND, tenant, source)
    await watch.tools.get(EventSink).submit(KIND, fields, tenant=tenant, at_ns=now_ns, key=key)


quiet_sources_duty = QuietSourcesDuty()
