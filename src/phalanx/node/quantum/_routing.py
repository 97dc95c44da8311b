"""Quantum or classical for the jobs of a node: routed over its fleet as it is now, and learned from as they end."""

from collections import OrderedDict

from phalanx.allocation import Booked
from phalanx.allocation.limits import DeviceLimits
from phalanx.allocation.money import Budgets
from phalanx.allocation.routing import Aims, Routed, Router
from phalanx.core import NO_TRACE, NS_PER_S, Circuit, Clock, Offload, TenantId, TraceId, Unavailable
from phalanx.devices import Fleet, Job, Jobs, JobState, PriceModel
from phalanx.node._limits import FREE_FOR_S, MAX_ROUTED_JOBS


class Routing:
    """Routes circuits, and submits them where they were routed to."""

    def __init__(
        self, fleet: Fleet, jobs: Jobs, budgets: Budgets, offload: Offload, clock: Clock, booked: Booked,
        limits: DeviceLimits | None = None,
    ) -> None:  # fmt: skip
        self._fleet, self._jobs, self._budgets, self._offload = fleet, jobs, budgets, offload
        self.router = Router()
        self._clock, self._booked, self._limits = clock, booked, limits
        self._open: OrderedDict[tuple[TenantId, str], tuple[str, float]] = OrderedDict()

    async def route(self, tenant: TenantId, circuit: Circuit, shots: int, aims: Aims) -> Routed:
        """Where it would go now, with every way that was considered. Nothing is sent."""
        await self._learn()
        models = self._fleet.devices()
        tables = {one.device for one in await self._budgets.prices.tables()}
        prices: dict[str, PriceModel] = {}
        for model in models:
            if model.name in tables or f"{model.provider}.*" in tables:
                prices[model.name] = (await self._budgets.prices.of(model)).model
        now_ns = self._clock.wall_ns()
        waits_s = {one.name: self._booked.wait_s(one.name, tenant, now_ns, FREE_FOR_S) for one in models}
        limits = self._limits
        stale = {one.name: told for one in models if limits is not None and (told := limits.stale(one))}
        return await self._offload.run(
            self.router.route, circuit, shots, aims, models, prices=prices, waits_s=waits_s, stale=stale
        )  # fmt: skip

    async def submit(
        self, tenant: TenantId, circuit: Circuit, shots: int, aims: Aims, *, seed: int | None = None, key: str = "",
        trace: TraceId = NO_TRACE,
    ) -> tuple[Routed | None, Job]:  # fmt: skip
        """The job where it was routed to, with the reason; ``None`` instead of a route when ``key`` is known already.

        Raises ``Unavailable`` where no way is left.
        """
        if key and (known := await self._jobs.known(tenant, key)) is not None:
            return None, known
        routed = await self.route(tenant, circuit, shots, aims)
        if not routed.name:
            raise Unavailable("a way to answer it", routed.reason, hint="ask for less, wait, or pay more")
        job = await self._jobs.submit(
            tenant, circuit, shots=shots, device=routed.name, seed=seed, key=key, trace=trace, reason=routed.reason
        )
        self._open[tenant, job.id] = routed.name, routed.ways[0].way.expected_s
        while len(self._open) > MAX_ROUTED_JOBS:
            self._open.popitem(last=False)
        return routed, job

    async def _learn(self) -> None:
        """From the jobs that were routed and have ended since: how long they really took, waiting included."""
        for name, (device, expected_s) in list(self._open.items()):
            job = await self._jobs.get(*name)
            if not job.state.final:
                continue
            del self._open[name]
            if job.state is JobState.COMPLETED:
                self.router.learned.took(device, expected_s, (job.finished_at_ns - job.at_ns) / NS_PER_S)
