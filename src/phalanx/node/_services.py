"""Keeps the node's long-running services running, and knows the state of each."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from phalanx.core import AlertLevel, AlertSink, Clock
from phalanx.node._limits import FIRST_RESTART_S, LONGEST_RESTART_S, RECOVERED_NS
from phalanx.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Health:
    """How a service is doing. ``ok`` false means that people should look."""

    ok: bool
    detail: str


class Services:
    """Runs named services as tasks, restarting one that fails; the others do not notice."""

    def __init__(self, clock: Clock, telemetry: Telemetry, alerts: AlertSink) -> None:
        self._clock = clock
        self._log = telemetry.log
        self._restarts = telemetry.metrics.counter(
            "phalanx_service_restarts_total", "Services started again after a failure.", ("service",)
        )
        self._alerts = alerts
        self._health: dict[str, Health] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run ``run`` until the node stops. It is expected never to return."""
        self._health[name] = Health(ok=True, detail="running")
        self._begin(name, run, lambda problem: self._well(name, problem))

    def start_checked(self, name: str, run: Callable[[Callable[[], None]], Awaitable[None]], *, works: bool) -> None:
        """The same for one that can be started while it cannot work: ``run`` calls what it is given when it works.

        It is not well before that, also after it failed. ``works`` where that was seen already.
        """
        self._health[name] = Health(ok=works, detail="running" if works else "has not worked yet")
        last = ""

        def failed(problem: str) -> None:
            nonlocal last
            last = problem

        self._begin(name, lambda: run(lambda: self._well(name, last)), failed)

    def _begin(self, name: str, run: Callable[[], Awaitable[None]], restarted: Callable[[str], None]) -> None:
        self._tasks.append(asyncio.create_task(self._supervise(name, run, restarted), name=f"service {name}"))

    def _well(self, name: str, problem: str) -> None:
        self._health[name] = Health(ok=True, detail=f"running, restarted after: {problem}" if problem else "running")

    def health(self) -> dict[str, Health]:
        return dict(self._health)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _supervise(
        self, name: str, run: Callable[[], Awaitable[None]], restarted: Callable[[str], None]
    ) -> None:  # fmt: skip
        delay_s = FIRST_RESTART_S
        while True:
            started_ns = self._clock.monotonic_ns()
            try:
                await run()
                problem = "it returned"
            except Exception as error:  # noqa: BLE001 - whatever broke, the service is started again and people are told
                self._log.error("service failed", service=name, error=error)
                problem = f"{type(error).__name__}: {error}"
            self._health[name] = Health(ok=False, detail=f"restarting after: {problem}")
            self._restarts.labels(name).inc()
            self._alerts.alert(AlertLevel.WARNING, "node", f"service {name} failed and is restarted", problem=problem)
            if self._clock.monotonic_ns() - started_ns > RECOVERED_NS:
                delay_s = FIRST_RESTART_S
            await self._clock.sleep(delay_s)
            delay_s = min(delay_s * 2, LONGEST_RESTART_S)
            restarted(problem)
