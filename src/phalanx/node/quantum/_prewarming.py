"""Acting on forecasts: processes start before forecast work, and windows are booked for recurring work.

Warming only adds to reacting: nothing that works is ended, and nothing waits for it. Windows in advance are
backfill, so they make room for everybody who really comes.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from phalanx.allocation import Ask, Grade, NoWindow, Reservations
from phalanx.allocation.forecasts import HOURS, Forecaster, Forecasts, processes_ahead, recurs
from phalanx.core import NS_PER_S, Clock, NotFound, TenantId, Unavailable
from phalanx.devices import JOBS
from phalanx.node._limits import ADVANCE_EVERY_S, MAX_ADVANCE_WINDOWS, PREWARM_EVERY_S
from phalanx.node._node import Node
from phalanx.node._ports import Ports
from phalanx.node._services import Services
from phalanx.telemetry import Telemetry

_DAY_NS = 86_400 * NS_PER_S
_HOUR_NS = 3_600 * NS_PER_S


class Warmable(Protocol):
    """Processes that can be begun before they are needed, and ended when they are not."""

    @property
    def most(self) -> int: ...

    @property
    def alive(self) -> int: ...

    @property
    def asked(self) -> int: ...

    @property
    def took_s(self) -> float: ...

    async def warm(self, n: int, ready: Callable[[], None], /) -> None: ...

    def cool(self) -> bool: ...


def ready() -> None:
    """What a process imports before it can work."""
    import phalanx.workflows.operations  # noqa: F401 - importing it is the work


class Prewarming:
    """Begins processes of ``pool`` a step ahead where ``ahead``, and ends them after ``idle_s`` without work (0: not).

    ``warmed`` and ``cooled`` count how often.
    """

    def __init__(self, pool: Warmable, clock: Clock, telemetry: Telemetry, *, ahead: bool, idle_s: float) -> None:
        self._pool, self._clock = pool, clock
        self._ahead, self._idle_s = ahead, idle_s
        self._log = telemetry.log.bind(room="node", service="prewarming")
        self._forecaster = Forecaster((1,), season=round(86_400 / PREWARM_EVERY_S))
        self._seen, self._busy_ns = pool.asked, clock.monotonic_ns()
        self.warmed = self.cooled = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(PREWARM_EVERY_S)
            await self.step()

    async def step(self) -> None:
        """A step has passed: learn from it, and be ready for the next."""
        asked, now_ns = self._pool.asked, self._clock.monotonic_ns()
        came, self._seen = asked - self._seen, asked
        if came:
            self._busy_ns = now_ns
        self._forecaster.observe(float(came))
        wanted = 0
        if self._ahead:
            told = self._forecaster.predict(1).value
            wanted = processes_ahead(told, float(came), self._pool.took_s, PREWARM_EVERY_S, most=self._pool.most)
        if wanted > self._pool.alive:
            try:
                await self._pool.warm(wanted, ready)
            except Unavailable as error:
                self._log.warning("processes could not be begun ahead", reason=error.reason)
                return
            self.warmed += 1
            self._log.info("processes were begun ahead of work", processes=wanted)
        elif self._idle_s and not wanted and now_ns - self._busy_ns >= self._idle_s * NS_PER_S and self._pool.cool():
            self.cooled += 1


class Advance:
    """Books an hour as backfill for every device and hour at which a tenant's jobs recur; each once."""

    def __init__(self, forecasts: Forecasts, reservations: Reservations, clock: Clock) -> None:
        self._forecasts, self._reservations, self._clock = forecasts, reservations, clock

    async def book(self, tenants: Sequence[TenantId]) -> list[str]:
        """Windows of the day from now on; returns the ids of those that were booked or are there."""
        now_ns = self._clock.wall_ns()
        known = {one.name for one in await self._reservations.resources()}
        found: list[str] = []
        for tenant in tenants:
            for device, counts in sorted((await self._forecasts.hourly(tenant)).items()):
                if device not in known:
                    continue
                for hour in (hour for hour in range(HOURS) if recurs(counts, hour)):
                    start_ns = now_ns // _DAY_NS * _DAY_NS + hour * _HOUR_NS
                    start_ns += _DAY_NS if start_ns < now_ns else 0
                    if len(found) >= MAX_ADVANCE_WINDOWS:
                        return found
                    found += await self._booked(tenant, device, start_ns)
        return found

    async def _booked(self, tenant: TenantId, device: str, start_ns: int) -> list[str]:
        ask = Ask(
            demands={device: 1}, duration_ns=_HOUR_NS, earliest_ns=start_ns, latest_end_ns=start_ns + _HOUR_NS,
            grade=Grade.BACKFILL, priority=-1,
        )  # fmt: skip
        try:
            made = await self._reservations.book(tenant, ask, id=f"advance/{tenant}/{device}/{start_ns // _HOUR_NS}")
        except (NoWindow, NotFound):
            return []  # Somebody has that hour already.
        return [made[0].id]


def start_foresight(node: Node, ports: Ports, services: Services) -> None:
    """What the settings ask for, and what there is to act on."""
    from phalanx.adapters.processes import ProcessOffload

    agents, pool = node.settings.agents, ports.processes
    if isinstance(pool, ProcessOffload) and (agents.prewarm or agents.processes_idle_s):
        warming = Prewarming(
            pool, node.clock, node.telemetry, ahead=agents.prewarm, idle_s=agents.processes_idle_s
        )  # fmt: skip
        services.start("prewarming", warming.run)
    if node.settings.allocation.advance and isinstance(node.reservations, Reservations):
        advance = Advance(node.forecasts, node.reservations, node.clock)

        async def book() -> None:
            while True:
                await advance.book(await node.store.tenants(JOBS))
                await node.clock.sleep(ADVANCE_EVERY_S)

        services.start("advance-windows", book)
