"""Forecasts of a node: arrivals by device from its jobs, and queues from what the watch saw of devices."""

from collections.abc import AsyncIterator, Sequence

import msgspec
import numpy as np

from phalanx.allocation.forecasts._limits import DAYS, HORIZONS, MAX_JOBS_READ, STEP_S
from phalanx.allocation.forecasts._series import Forecaster
from phalanx.allocation.forecasts._warming import rate_ahead, workers_for
from phalanx.core import NS_PER_MS, NS_PER_S, Clock, Offload, Store, TenantId, decode
from phalanx.devices import JOBS, Fleet, History, Job

_SEASON = 86_400 // STEP_S


class ForecastRow(msgspec.Struct, frozen=True, kw_only=True):
    """One forecast. ``what`` is arrivals (jobs in a step of five minutes) or queue (what waits at a device).

    ``by`` is the way that gave ``value``; four of five fell between ``low`` and ``high`` of late, unless ``spread`` is
    false: then too few answers are known to say. ``errors`` are mean absolute errors of late of each way, persistence
    among them. ``workers`` is how many to have ready for arrivals.
    """

    what: str
    of: str
    ahead_s: int
    value: float
    low: float
    high: float
    by: str
    errors: dict[str, float]
    steps_seen: int
    workers: int | None = None
    spread: bool = True


class Forecasts:
    """Forecasts from what is stored; nothing is kept between two calls."""

    def __init__(self, store: Store, clock: Clock, fleet: Fleet, history: History, offload: Offload) -> None:
        self._store, self._clock, self._fleet = store, clock, fleet
        self._history, self._offload = history, offload

    async def of(self, tenant: TenantId | None) -> list[ForecastRow]:
        """Arrivals by device of one tenant's jobs (``None``: of everybody's), and the queues of all devices that were
        looked at."""
        now_ns = self._clock.wall_ns()
        first_ns = now_ns - DAYS * 86_400 * NS_PER_S
        arrivals, took_s = await self._arrivals(tenant, first_ns, now_ns)
        queues = {}
        for device in self._fleet.devices():
            if seen := await self._queue(device.name, first_ns, now_ns):
                queues[device.name] = seen
        return await self._offload.run(_rows, arrivals, took_s, queues)

    async def queue(self, device: str, /) -> ForecastRow | None:
        """How many will wait at a device a step from now; nothing where its queue was never seen."""
        now_ns = self._clock.wall_ns()
        seen = await self._queue(device, now_ns - DAYS * 86_400 * NS_PER_S, now_ns)
        return (await self._offload.run(_rows, {}, {}, {device: seen}))[0] if seen else None

    async def _queue(self, device: str, first_ns: int, now_ns: int) -> list[float]:
        states = await self._history.states(device)
        seen = [(one.at_ns, float(one.depth)) for one in states if one.depth is not None and one.at_ns >= first_ns]
        return _held(seen, now_ns) if seen else []

    async def hourly(self, tenant: TenantId) -> dict[str, list[float]]:
        """Jobs of a tenant by device and hour, of the whole days (UTC) before today, since the day of the first."""
        day_ns = 86_400 * NS_PER_S
        end_ns = self._clock.wall_ns() // day_ns * day_ns
        first_ns = end_ns - DAYS * day_ns
        counts: dict[str, list[float]] = {}
        oldest_ns = end_ns
        async for job in self._jobs(tenant, first_ns):
            if first_ns <= job.at_ns < end_ns:
                hours = counts.setdefault(job.device, [0.0] * (24 * DAYS))
                hours[(job.at_ns - first_ns) // (3_600 * NS_PER_S)] += 1.0
                oldest_ns = min(oldest_ns, job.at_ns)
        unknown = (oldest_ns - first_ns) // day_ns * 24
        return {device: hours[unknown:] for device, hours in counts.items()}

    async def _jobs(self, tenant: TenantId, first_ns: int) -> AsyncIterator[Job]:
        """Those that were submitted since, oldest first; their names begin with when that was."""
        after, read = f"{max(0, first_ns // NS_PER_MS) & 0xFFFFFFFFFFFF:012x}", 0
        after = f"{after[:8]}-{after[8:]}"
        while read < MAX_JOBS_READ and (rows := await self._store.scan(JOBS, tenant, after=after)):
            after = rows[-1].key
            read += len(rows)
            for row in rows:
                yield decode(row.value, Job)

    async def _jobs_of(self, tenant: TenantId | None, first_ns: int) -> AsyncIterator[Job]:
        for whose in [tenant] if tenant is not None else await self._store.tenants(JOBS):
            async for job in self._jobs(whose, first_ns):
                yield job

    async def _arrivals(
        self, tenant: TenantId | None, first_ns: int, now_ns: int
    ) -> tuple[dict[str, list[float]], dict[str, float]]:
        n_steps = max(1, (now_ns - first_ns) // (STEP_S * NS_PER_S))
        counts: dict[str, list[float]] = {}
        took: dict[str, list[float]] = {}
        oldest_ns = now_ns
        async for job in self._jobs_of(tenant, first_ns):
            step = min(n_steps - 1, max(0, (job.at_ns - first_ns) // (STEP_S * NS_PER_S)))
            counts.setdefault(job.device, [0.0] * n_steps)[step] += 1.0
            oldest_ns = min(oldest_ns, job.at_ns)
            if job.finished_at_ns > job.started_at_ns > 0:
                took.setdefault(job.device, []).append((job.finished_at_ns - job.started_at_ns) / NS_PER_S)
        # What was before the first job is not nothing: it is not known.
        begin = max(0, (oldest_ns - first_ns) // (STEP_S * NS_PER_S))
        return (
            {name: steps[begin:] for name, steps in counts.items()},
            {name: float(np.mean(seconds)) for name, seconds in took.items()},
        )


def _held(seen: Sequence[tuple[int, float]], now_ns: int) -> list[float]:
    """A value for each step since the first: the last one that was seen by then."""
    step_ns = STEP_S * NS_PER_S
    made, at = [], 0
    for end_ns in range(seen[0][0], now_ns + 1, step_ns):
        while at + 1 < len(seen) and seen[at + 1][0] <= end_ns:
            at += 1
        made.append(seen[at][1])
    return made


def _rows(
    arrivals: dict[str, list[float]], took_s: dict[str, float], queues: dict[str, list[float]]
) -> list[ForecastRow]:
    found = []
    for what, series in (("arrivals", arrivals), ("queue", queues)):
        for name, values in sorted(series.items()):
            forecaster = Forecaster(HORIZONS, season=_SEASON)
            for value in values:
                forecaster.observe(value)
            for steps in HORIZONS:
                told = forecaster.predict(steps)
                workers = None
                if what == "arrivals":
                    workers = workers_for(rate_ahead(values[-1], told.value), 0.0, took_s.get(name, 0.0) / STEP_S)
                found.append(
                    ForecastRow(
                        what=what, of=name, ahead_s=steps * STEP_S, value=told.value, low=told.low, high=told.high,
                        by=told.by, errors=dict(told.errors), steps_seen=len(values), workers=workers,
                        spread=told.spread,
                    )
                )  # fmt: skip
    return found
