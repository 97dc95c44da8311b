"""An analyst's duty: every few hours, where enough was found, agents are ordered to foresee and to heed it."""

from phalanx.agents import Capability, DutyManifest, NoPlan, OrderRequest, Role, Swarm, Watch
from phalanx.core import MAX_PAGE_ROWS, NS_PER_S, PROBE_TENANT, Store, TenantId, id_time_ns
from phalanx.incidents._heeding import HEEDED
from phalanx.incidents._limits import LOOK_AHEAD_CHECK_S, LOOK_AHEAD_EVERY_S, LOOK_AHEAD_FINDINGS
from phalanx.intel import FINDINGS

BY = "look-ahead"


class LookAheadDuty:
    """Orders one foresight of each kind that can be heeded; orders that are under way are waited for."""

    manifest = DutyManifest(
        name=BY,
        role=Role.ANALYST,
        capabilities=(Capability.PREDICTION,),
        inputs=("finding",),
        outputs=("order",),
        cost=0.2,
        permissions=("Store", "Swarm"),
    )

    async def keep(self, watch: Watch, /) -> None:
        swarm, store = watch.tools.get(Swarm), watch.tools.get(Store)
        async for _ in watch.beats(LOOK_AHEAD_CHECK_S):
            for tenant in await store.tenants(FINDINGS):
                if tenant != PROBE_TENANT:
                    placed = await _placed(swarm, store, tenant, watch.clock.wall_ns())
                    if placed:
                        watch.progress(f"{placed} orders to look ahead placed", done=placed)


async def _placed(swarm: Swarm, store: Store, tenant: TenantId, now_ns: int) -> int:
    orders = await swarm.orders.newest(tenant, limit=MAX_PAGE_ROWS)
    last = next((one for one in orders if one.by == BY), None)
    if last is not None and now_ns - last.at_ns < LOOK_AHEAD_EVERY_S * NS_PER_S:
        return 0
    newest = await store.scan(FINDINGS, tenant, limit=LOOK_AHEAD_FINDINGS, reverse=True)
    if len(newest) < LOOK_AHEAD_FINDINGS:
        return 0
    if last is not None and id_time_ns(newest[0].key) <= last.at_ns:
        return 0
    placed = 0
    for question in HEEDED:
        request = OrderRequest(
            objective=f"look ahead: {question}", wanted=(f"precaution-{question}",), subjects=(str(tenant),),
            given="question",
        )  # fmt: skip
        try:
            await swarm.orders.place(tenant, request, by=BY)
        except NoPlan:
            continue  # whoever left a role out of the settings has nobody for it
        placed += 1
    return placed


look_ahead_duty = LookAheadDuty()
