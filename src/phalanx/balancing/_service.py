"""The pools of a node and their beat."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from phalanx.balancing._beating import compute, put, take
from phalanx.balancing._limits import BEAT_S
from phalanx.balancing._pool import Pool
from phalanx.balancing._rebalancing import Move, plan_moves
from phalanx.balancing._showing import placements, show
from phalanx.balancing._views import PlacementView, PoolView
from phalanx.balancing._warming import warm
from phalanx.core import NS_PER_S, Clock, NotFound, Offload
from phalanx.telemetry import Telemetry

# Nobody needs a plan in the first moments, and a node that starts has better things to do than to compile.
_WARM_AFTER_S = 2.0

Mover = Callable[[Move], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class _Member:
    pool: Pool
    mover: Mover | None


class Balancing:
    """Keeps the plans of all pools fresh, and moves what waits in the wrong place.

    Without ``compiled`` no kernel is loaded: operations go where they would be done first, without a plan.
    """

    def __init__(
        self, clock: Clock, offload: Offload, telemetry: Telemetry, *, beat_s: float = BEAT_S, compiled: bool = True
    ) -> None:
        self._clock, self._offload = clock, offload
        self._log = telemetry.log.bind(room="balancing")
        self._beat_s, self._compiled = beat_s, compiled
        self._members: dict[str, _Member] = {}
        self._peak = telemetry.metrics.gauge(
            "phalanx_balancing_planned_peak",
            "Highest utilisation of a pool's plan; above 1 it cannot keep up.",
            ("pool",),
        )
        self._moved = telemetry.metrics.counter(
            "phalanx_balancing_moved_total", "Operations moved to another resource before they began.", ("pool",)
        )

    def add(self, pool: Pool, mover: Mover | None = None) -> None:
        """Look after ``pool``; ``mover`` carries out a move and says whether it could."""
        self._members[pool.name] = _Member(pool, mover)

    @property
    def pools(self) -> Sequence[Pool]:
        return tuple(member.pool for member in self._members.values())

    def pool(self, name: str) -> Pool:
        """Raises ``NotFound``."""
        if name not in self._members:
            raise NotFound("pool", name, hint=f"there are: {', '.join(self._members)}")
        return self._members[name].pool

    def views(self) -> list[PoolView]:
        return [show(pool, self._now_s()) for pool in self.pools]

    def placements(self, name: str) -> list[PlacementView]:
        """Recent placements of one pool, newest first."""
        return placements(self.pool(name), wall_ns=self._clock.wall_ns(), now_s=self._now_s())

    async def run(self) -> None:
        """Until cancelled."""
        await self._clock.sleep(_WARM_AFTER_S)
        if self._compiled:
            await self._offload.run(warm)
        while True:
            await self.beat()
            await self._clock.sleep(self._beat_s)

    async def beat(self) -> None:
        """One round: plan every pool anew, then carry out the moves that pay."""
        for name, member in self._members.items():
            pool = member.pool
            taken = take(pool, self._now_s())
            if self._compiled:
                plan = await self._offload.run(compute, taken)
                put(pool, plan)
                self._peak.labels(name).set(float(plan.utilisation.max(initial=0.0)))
            if member.mover is None:
                continue
            for move in plan_moves(pool, self._now_s()):
                if await member.mover(move):
                    self._moved.labels(name).inc()
                    self._log.info("operation moved", operation=move.operation, source=move.source, target=move.target)

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / NS_PER_S
