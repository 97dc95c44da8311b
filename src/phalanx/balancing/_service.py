"""The pools of a node and their beat."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from phalanx.balancing._beating import compute, put, take
from phalanx.balancing._documents import (
    AnswerView,
    CapacityDocument,
    CapacityView,
    ProblemDocument,
    answer_document,
    capacity_document,
)
from phalanx.balancing._fluid import split_by_speed
from phalanx.balancing._kernel_sets import plainly
from phalanx.balancing._limits import BEAT_S, COMPILE_AFTER_S, PIECE_PAUSE_S, PLAN_FROM_PER_S
from phalanx.balancing._pool import Pool
from phalanx.balancing._rebalancing import Move, plan_moves
from phalanx.balancing._showing import placements, show
from phalanx.balancing._views import PlacementView, PoolView
from phalanx.balancing._warming import warming
from phalanx.core import NS_PER_S, Clock, KernelCompiler, NotFound, Offload, Unavailable
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

    Kernels are compiled by ``compiler``, elsewhere. Until it is done nothing waits for it: pools are planned by speed,
    and problems sent in are solved plainly, which their answers say. From then on kernels are loaded when something
    needs them, in pieces, with the event loop between them. Without a ``compiler`` they are compiled here.
    """

    def __init__(
        self,
        clock: Clock,
        offload: Offload,
        telemetry: Telemetry,
        *,
        beat_s: float = BEAT_S,
        plan_from_per_s: float = PLAN_FROM_PER_S,
        compiler: KernelCompiler | None = None,
    ) -> None:
        self._clock, self._offload = clock, offload
        self._log = telemetry.log.bind(room="balancing")
        self._beat_s, self._plan_from_per_s = beat_s, plan_from_per_s
        self._compiler = compiler
        self._compiled = compiler is None
        self._loaded = False
        self._loading = asyncio.Lock()
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
        return [show(pool, self._now_s(), compiling=self.compiling) for pool in self.pools]

    def placements(self, name: str) -> list[PlacementView]:
        """Recent placements of one pool, newest first."""
        return placements(self.pool(name), wall_ns=self._clock.wall_ns(), now_s=self._now_s())

    @property
    def compiling(self) -> bool:
        """Whether kernels are not there yet."""
        return not self._compiled

    async def answer(self, document: ProblemDocument) -> AnswerView:
        """Solve what a document asks, off the event loop."""
        if await self._ready():
            return await self._offload.run(answer_document, document)
        with plainly():
            return await self._offload.run(answer_document, document)

    async def capacity(self, document: CapacityDocument) -> CapacityView:
        """Plan what a document asks, off the event loop."""
        if await self._ready():
            return await self._offload.run(capacity_document, document)
        with plainly():
            return await self._offload.run(capacity_document, document)

    async def run(self) -> None:
        """Until cancelled."""
        # Not a task group: what is wrong with a beat is told as it is, to who starts this again.
        compiling = asyncio.create_task(self._compile())
        try:
            while True:
                await self.beat()
                await self._clock.sleep(self._beat_s)
        finally:
            compiling.cancel()
            await asyncio.gather(compiling, return_exceptions=True)

    async def _compile(self) -> None:
        if self._compiler is None or self._compiled:
            return
        await self._clock.sleep(COMPILE_AFTER_S)
        try:
            await self._compiler.compile("balancing")
        except Unavailable as error:
            # Still plain: a node that answers roughly is better than one that stands still.
            self._log.warning("kernels are not compiled", error=error)
            return
        self._compiled = True

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
        return self._loaded or (arrivals_per_s >= self._plan_from_per_s and await self._ready())

    async def _ready(self) -> bool:
        """Load the kernels if they are compiled; whether they are there."""
        if not self._compiled:
            return False
        async with self._loading:
            for _, load in warming():
                await self._offload.run(load)
                await self._clock.sleep(PIECE_PAUSE_S)
            self._loaded = True
        return True

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / NS_PER_S
