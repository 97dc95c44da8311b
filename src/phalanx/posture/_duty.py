"""A specialist's duty: taking stock of the node's keys and certificates, and of what settings name besides.

The inventory is kept, and goes into the ledger when it is not the one of last time. Assets that a quantum
computer breaks are one event, which says how many there are and which comes first.
"""

from dataclasses import dataclass

from phalanx.agents import Capability, DutyManifest, Role, Watch
from phalanx.core import (
    DEFAULT_TENANT,
    NO_TRACE,
    AlertLevel,
    AlertSink,
    AuditEntry,
    AuditSink,
    EventSink,
    FileWatch,
    NotFound,
    Offload,
    Put,
    Store,
    TraceId,
    Value,
    decode,
    derive_id,
    encode,
    id_time_ns,
)
from phalanx.crypto.identity import Identities, SubjectKind, Told
from phalanx.posture._endpoints import look_at
from phalanx.posture._inventory import Stock, listed, take_stock
from phalanx.posture._judging import judge
from phalanx.posture._limits import INVENTORY_EVERY_S
from phalanx.posture._model import INVENTORIES, NEWEST, Asset, Inventory, Use
from phalanx.posture.ports import EndpointProbe

KIND = "posture"


@dataclass(frozen=True, slots=True)
class StockPlan:
    """Where a node takes stock. A tool of the node."""

    node: str
    paths: tuple[str, ...]
    endpoints: tuple[str, ...] = ()


class InventoryDuty:
    """Takes stock when it begins, and once a day."""

    manifest = DutyManifest(
        name="crypto-inventory",
        role=Role.SPECIALIST,
        capabilities=(Capability.PREDICTION, Capability.ENFORCEMENT),
        inputs=(),
        outputs=("inventory", "quantum-vulnerable-crypto"),
        cost=0.2,
        permissions=(
            "AlertSink", "AuditSink", "Clock", "EndpointProbe", "EventSink", "FileWatch", "Identities", "Offload",
            "StockPlan", "Store",
        ),
    )  # fmt: skip

    async def keep(self, watch: Watch, /) -> None:
        plan, tools = watch.tools.get(StockPlan), watch.tools
        async for _ in watch.beats(INVENTORY_EVERY_S):
            own = await _own_assets(tools.get(Identities), plan.node)
            own += await _offered(watch, plan)
            paths = await _those_there(watch, plan)
            stock = await take_stock(paths, tools.get(FileWatch), tools.get(Offload), besides=own)
            if await self._keep(watch, plan, stock):
                watch.progress(done=1)
            watch.progress(f"{len(stock.assets)} keys and certificates, {stock.vulnerable} fall to a quantum computer")

    async def _keep(self, watch: Watch, plan: StockPlan, stock: Stock) -> bool:
        """Keep the inventory and tell of it; false when it is the one of last time."""
        store, now_ns = watch.tools.get(Store), watch.clock.wall_ns()
        row = await store.get(INVENTORIES, DEFAULT_TENANT, NEWEST)
        if row is not None and decode(row.value, Inventory).digest == stock.digest:
            return False
        trace = await self._tell(watch, plan, stock, now_ns) if stock.vulnerable else NO_TRACE
        entry = AuditEntry(
            id=derive_id(id_time_ns(trace) if trace else now_ns, "audit", "inventory", stock.digest),
            tenant=DEFAULT_TENANT, trace=trace, at_ns=id_time_ns(trace) if trace else now_ns, actor="specialist",
            action="posture.inventory", subject=plan.node, case="",
            body={"digest": stock.digest, "assets": len(stock.assets), "vulnerable": stock.vulnerable},
        )  # fmt: skip
        await watch.tools.get(AuditSink).record(entry)
        made = Inventory(
            id=NEWEST, tenant=DEFAULT_TENANT, trace=trace, at_ns=now_ns, files=stock.files,
            assets=tuple(listed(asset) for asset in stock.assets), vulnerable=stock.vulnerable, digest=stock.digest,
        )  # fmt: skip
        await store.commit([Put(INVENTORIES, DEFAULT_TENANT, NEWEST, encode(made))])
        return True

    async def _tell(self, watch: Watch, plan: StockPlan, stock: Stock, now_ns: int) -> TraceId:
        first = stock.assets[0]
        judgement = judge(first)
        fields: dict[str, Value] = {
            "host": plan.node, "assets": len(stock.assets), "vulnerable": stock.vulnerable, "path": first.where,
            "first": f"{first.algorithm} {first.size} {first.form}".replace("  ", " "),
            "disallowed_after": judgement.until, "replacement": judgement.replacement,
        }  # fmt: skip
        event = await watch.tools.get(EventSink).submit(
            KIND, fields, tenant=DEFAULT_TENANT, at_ns=now_ns, key=derive_id(0, KIND, stock.digest)
        )
        return TraceId(event)


async def _own_assets(identities: Identities, node: str) -> list[Asset]:
    """The keys of organisation and node. Agents' keys are of the node's algorithm, and of this process."""
    kinds = (SubjectKind.ORGANISATION, SubjectKind.NODE)
    told = [one for kind in kinds for one in await identities.page(kind=kind) if one.state == "valid"]
    return [_asset_of(one, node) for one in told]


def _asset_of(told: Told, node: str) -> Asset:
    # Without the key's fingerprint: that a key was renewed makes the stock no other one.
    body = told.certificate.body
    return Asset(
        form="certificate", name=told.record.subject, where=f"identities of {node}",
        algorithm=told.certificate.key.algorithm, size="", use=Use.SIGNATURE,
        not_before_ns=body.not_before_ns, until_ns=body.not_after_ns,
    )  # fmt: skip


async def _offered(watch: Watch, plan: StockPlan) -> list[Asset]:
    """What the plan's endpoints agree to; of those that do not answer people are told."""
    if not plan.endpoints:
        return []
    found, silent = await look_at(plan.endpoints, watch.tools.get(EndpointProbe))
    for error in silent:
        text = f"an endpoint of the inventory does not answer: {error}"
        watch.tools.get(AlertSink).alert(AlertLevel.WARNING, "posture", text)
    return found


async def _those_there(watch: Watch, plan: StockPlan) -> list[str]:
    """The paths of the plan that are there; of the others people are told."""
    there = []
    for path in plan.paths:
        try:
            await watch.tools.get(FileWatch).walk(path, max_files=1)
        except NotFound:
            text = "a path of the inventory is not there"
            watch.tools.get(AlertSink).alert(AlertLevel.WARNING, "posture", text, path=path)
        else:
            there.append(path)
    return there


inventory_duty = InventoryDuty()
