"""All sinks and sources of a node: what people see of them and ask of them."""

from collections.abc import Sequence

import msgspec

from phalanx.core import NS_PER_S, Clock, Delete, IdSource, NotFound, Store, TenantId, decode
from phalanx.intel.delivery._contract import Answer
from phalanx.intel.delivery._courier import Courier
from phalanx.intel.delivery._drawer import Drawer
from phalanx.intel.delivery._errors import Unsendable
from phalanx.intel.delivery._items import probe_item
from phalanx.intel.delivery._limits import (
    MAX_COUNTED_LETTERS,
    MAX_SINK_LETTERS,
    MAX_WAITING_NOTICES,
    TRIM_EVERY_S,
    TRIM_NOTICES,
)
from phalanx.intel.delivery._model import SINK_LETTERS, SinkLetter
from phalanx.intel.delivery._notices import Notices


class SinkView(msgspec.Struct, frozen=True, kw_only=True):
    """One sink: what it is told, how far it is, and what became of the rest.

    ``waiting`` counts what was recorded and not looked at yet, ``lag_s`` is how long the oldest of it waits.
    ``lost`` will never be told, ``skipped`` was left out by the filter, ``dead_letters`` can be sent again; they are
    counted up to a thousand.
    """

    name: str
    type: str
    product: str
    tenant: str
    state: str
    kinds: tuple[str, ...]
    min_severity: str
    effect: str
    known_by: str
    delivered: int
    items_per_s: float
    bytes_sent: int
    waiting: int
    lag_s: float
    retries: int
    refused: int
    dead_letters: int
    lost: int
    skipped: int
    last_error: str
    last_error_at_ns: int
    last_delivered_at_ns: int


class SourceView(msgspec.Struct, frozen=True, kw_only=True):
    """One source: how much was drawn, what is left there, and what is missing.

    ``waiting`` is in ``waiting_unit``, −1 where the source does not say. ``gaps`` counts what was gone before it
    was drawn, ``refused`` chunks that the intake cannot take, ``doubled`` those it knew again after a crash.
    """

    name: str
    type: str
    product: str
    tenant: str
    state: str
    reader: str
    events: int
    events_per_s: float
    bytes_drawn: int
    waiting: int
    waiting_unit: str
    gaps: int
    refused: int
    doubled: int
    position: str
    last_error: str
    last_error_at_ns: int
    last_drawn_at_ns: int


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a probe or of a dead letter that was sent again."""

    sink: str
    item: str
    taken: bool
    problem: str
    took_ms: float


class Delivery:
    """Couriers and drawers by name. Names are a tenant's: nobody sees another's."""

    def __init__(
        self, store: Store, notices: Notices, couriers: Sequence[Courier], drawers: Sequence[Drawer], *, clock: Clock,
        ids: IdSource, node: str,
    ) -> None:  # fmt: skip
        self.couriers = {one.plan.name: one for one in couriers}
        self.drawers = {one.plan.name: one for one in drawers}
        self._store = store
        self._notices = notices
        self._clock = clock
        self._ids = ids
        self._node = node
        # How many items each sink had refused when its dead letters were last counted.
        self._counted: dict[str, int] = {}

    def courier(self, tenant: TenantId, name: str) -> Courier:
        found = self.couriers.get(name)
        if found is None or found.plan.tenant != tenant:
            names = [one.plan.name for one in self.couriers.values() if one.plan.tenant == tenant]
            raise NotFound("sink", name, hint=f"there are: {', '.join(names) or 'none; add [[sinks]] to the settings'}")
        return found

    def drawer(self, tenant: TenantId, name: str) -> Drawer:
        found = self.drawers.get(name)
        if found is None or found.plan.tenant != tenant:
            names = [one.plan.name for one in self.drawers.values() if one.plan.tenant == tenant]
            raise NotFound(
                "source", name, hint=f"there are: {', '.join(names) or 'none; add [[sources]] to the settings'}"
            )
        return found

    async def sinks(self, tenant: TenantId) -> list[SinkView]:
        return [await self.sink(tenant, name) for name, one in self.couriers.items() if one.plan.tenant == tenant]

    async def sink(self, tenant: TenantId, name: str) -> SinkView:
        courier = self.courier(tenant, name)
        plan, state, manifest = courier.plan, courier.state, courier.sink.manifest
        now_ns = self._clock.wall_ns()
        waiting, lag_s = self._lag(courier)
        shape = "paused" if state.paused else "failing" if courier.failing else "replaying" if state.past else "running"
        return SinkView(
            name=name, type=plan.type, product=manifest.product, tenant=tenant, state=shape, kinds=plan.kinds,
            min_severity=plan.min_severity.name.lower(), effect=manifest.effect, known_by=manifest.known_by,
            delivered=state.delivered, items_per_s=round(courier.tally.rate.per_s(now_ns), 3),
            bytes_sent=state.bytes_sent, waiting=waiting, lag_s=round(lag_s, 3), retries=state.retries,
            refused=state.refused, dead_letters=len(await self.letters(tenant, name, limit=MAX_COUNTED_LETTERS)),
            lost=state.lost, skipped=state.skipped, last_error=state.last_error,
            last_error_at_ns=state.last_error_at_ns, last_delivered_at_ns=state.last_delivered_at_ns,
        )  # fmt: skip

    def sources(self, tenant: TenantId) -> list[SourceView]:
        return [self.source(tenant, name) for name, one in self.drawers.items() if one.plan.tenant == tenant]

    def source(self, tenant: TenantId, name: str) -> SourceView:
        drawer = self.drawer(tenant, name)
        plan, state, manifest = drawer.plan, drawer.state, drawer.source.manifest
        return SourceView(
            name=name, type=plan.type, product=manifest.product, tenant=tenant,
            state="paused" if state.paused else "failing" if drawer.failing else "running", reader=plan.reader,
            events=state.events, events_per_s=round(drawer.rate.per_s(self._clock.wall_ns()), 3),
            bytes_drawn=state.bytes_drawn, waiting=drawer.waiting, waiting_unit=manifest.waiting_unit,
            gaps=state.gaps, refused=state.refused, doubled=state.doubled, position=state.position,
            last_error=state.last_error, last_error_at_ns=state.last_error_at_ns,
            last_drawn_at_ns=state.last_drawn_at_ns,
        )  # fmt: skip

    async def test(self, tenant: TenantId, name: str) -> Told:
        """Send a marked probe, whatever the filter says."""
        courier, ident = self.courier(tenant, name), self._ids.new()
        item = probe_item(name, ident=ident, tenant=tenant, node=self._node, at_ns=self._clock.wall_ns())
        started_ns = self._clock.monotonic_ns()
        try:
            answer = await courier.send_one(item)
        except Unsendable as error:
            answer = Answer(never=error.reason)
        return _told(name, item.id, answer, (self._clock.monotonic_ns() - started_ns) / 1e6)

    async def letters(self, tenant: TenantId, name: str, *, after: str = "", limit: int = 100) -> list[SinkLetter]:
        """Dead letters of a sink, oldest first."""
        self.courier(tenant, name)
        found: list[SinkLetter] = []
        while len(found) < limit:
            page = await self._store.find(SINK_LETTERS, tenant, "sink", name, after=after, limit=min(limit, 1_000))
            found += [decode(row.value, SinkLetter) for row in page]
            if len(page) < min(limit, 1_000):
                break
            after = page[-1].key
        return found[:limit]

    async def resend(self, tenant: TenantId, name: str, letter: str) -> Told:
        """Send a dead letter again; it is kept until it is taken, and counts as told then."""
        courier, found = self.courier(tenant, name), await self._letter(tenant, name, letter)
        started_ns = self._clock.monotonic_ns()
        try:
            answer = await courier.send_letter(letter, found.item)
        except Unsendable as error:
            answer = Answer(never=error.reason)
        return _told(name, found.item.id, answer, (self._clock.monotonic_ns() - started_ns) / 1e6)

    async def discard(self, tenant: TenantId, name: str, letter: str) -> None:
        await self._letter(tenant, name, letter)
        await self._store.commit([Delete(SINK_LETTERS, tenant, letter)])

    async def _letter(self, tenant: TenantId, name: str, letter: str) -> SinkLetter:
        self.courier(tenant, name)
        row = await self._store.get(SINK_LETTERS, tenant, letter)
        found = None if row is None else decode(row.value, SinkLetter)
        if found is None or found.sink != name:
            raise NotFound("dead letter", letter)
        return found

    async def keep(self) -> None:
        """Drop notices that everybody was told of, and keep the rest within its bound, for as long as it runs."""
        while True:
            for tenant in self._notices.tenants:
                await self._trim(tenant)
            for courier in self.couriers.values():
                waiting, lag_s = self._lag(courier)
                courier.tally.stands(waiting=waiting, lag_s=lag_s)
                await self._bound_letters(courier)
            await self._clock.sleep(TRIM_EVERY_S)

    async def _trim(self, tenant: TenantId, *, most: int = MAX_WAITING_NOTICES) -> None:
        mine = [one for one in self.couriers.values() if one.plan.tenant == tenant]
        horizon = self._notices.horizon(tenant)
        told = min((one.state.place.seq for one in mine), default=horizon)
        while await self._notices.trim(tenant, told, limit=TRIM_NOTICES):
            pass
        bound = horizon - most
        if told < bound:
            oldest = await self._notices.read(tenant, told, limit=1)
            for one in mine:
                if one.state.place.seq < bound:
                    await one.fall_back(oldest[0][1].at_ns if oldest else 0, bound)

    async def _bound_letters(self, courier: Courier) -> None:
        tenant, name, refused = courier.plan.tenant, courier.plan.name, courier.state.refused
        if self._counted.get(name) == refused:
            return
        self._counted[name] = refused
        rows = await self._store.find(SINK_LETTERS, tenant, "sink", name, limit=1_000, after="")
        if len(rows) < 1_000:
            return
        kept = await self.letters(tenant, name, limit=MAX_SINK_LETTERS + 1_000)
        surplus = kept[: max(0, len(kept) - MAX_SINK_LETTERS)]
        if surplus:
            await courier.lose([Delete(SINK_LETTERS, tenant, one.id) for one in surplus])

    def _lag(self, courier: Courier) -> tuple[int, float]:
        waiting = max(0, self._notices.horizon(courier.plan.tenant) - courier.state.place.seq)
        since_ns = courier.waits_since_ns
        return waiting, max(0.0, (self._clock.wall_ns() - since_ns) / NS_PER_S) if since_ns and waiting else 0.0


def _told(sink: str, item: str, answer: Answer, took_ms: float) -> Told:
    problem = answer.trouble
    return Told(sink=sink, item=item, taken=not problem, problem=problem, took_ms=round(took_ms, 3))
