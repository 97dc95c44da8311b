"""The pools of a node and their beat."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from phalanx.balancing._beating import compute, put, take
from phalanx.balancing._fluid import split_by_speed
from phalanx.balancing._limits import BEAT_S, PLAN_FROM_PER_S
from phalanx.balancing._pool import Pool
from phalanx.balancing._rebalancing import Move, plan_moves
from phalanx.balancing._showing import placements, show
from phalanx.balancing._views import PlacementView, PoolView
from phalanx.balancing._warming import warm_plans
from phalanx.core import NS_PER_S, Clock, NotFound, Offload
from phalanx.telemetry import Telemetry

Mover = Callable[[Move], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class _Member:
    pool: Pool
    mover: Mover | None


class Balancing:
    """Keeps the plans of all pools fresh, and moves what waits in the wrong place.

    Until ``plan_from_per_s`` operations a second arrive in some pool no kernel is loaded: they go where they would be
    done first, which no plan betters while little waits, and the targets shown are those of a split by speed.
    """

    def __init__(
        self,
        clock: Clock,
        offload: Offload,
        telemetry: Telemetry,
        *,
        beat_s: float = BEAT_S,
        plan_from_per_s: float = PLAN_FROM_PER_S,
    ) -> None:
        self._clock, self._offload = clock, offload
        self._log = telemetry.log.bind(room="balancing")
        self._beat_s, self._plan_from_per_s = beat_s, plan_from_per_s
        self._warm = False
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
        while True:
            await self.beat()
            await self._clock.sleep(self._beat_s)

    async def beat(self) -> None:
        """One round: plan every pool anew, then carry out the moves that pay."""
        for name, member in self._members.items():
            pool = member.pool
            taken = take(pool, self._now_s())
            if await self._plans(float(taken.arrivals_per_s.sum())):
                plan = await self._offload.run(compute, taken)
            else:
                plan = split_by_speed(taken.rates, taken.arrivals_per_s, taken.slots)
            put(pool, plan)
            self._peak.labels(name).set(float(plan.utilisation.max(initial=0.0)))
            if member.mover is None:
                continue
            for move in plan_moves(pool, self._now_s()):
                if await member.mover(move):
                    self._moved.labels(name).inc()
                    self._log.info("operation moved", operation=move.operation, source=move.source, target=move.target)

    async def _plans(self, arrivals_per_s: float) -> bool:
        """Whether it is worth planning; from the first time that it is, it stays so."""
        if not self._warm and arrivals_per_s >= self._plan_from_per_s:
            await self._offload.run(warm_plans)
            self._warm = True
        return self._warm

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / NS_PER_S
