"""What acting on forecasts is worth on the same trace, beside reacting, and beside acting on "as it was".

A *pool of processes*: the arrivals of one device, minute by minute, are calls that take two seconds each in at most
four processes. Beginning one takes what it takes here, measured in the run. ``kept``: what began stays; ``reactive``:
all end five minutes after the last call; ``persistence`` and ``forecast`` begin some ahead of the next minute as well.
Means over the devices; ``process_hours`` is what memory is kept for.

*Windows in advance*: an hour has a device's work when more arrives in it than in three of four hours so far. A window
is booked for an hour that had it on most days (``recurring``) or on the day before (``persistence``). Work in a booked
hour waits for nothing; ``reactive`` books when the work is there, half an hour before it can begin, as the others do
for what they did not foresee.

*Breakers*: every arrival is a run, which fails while its device is not open to all (the trace says when), and by chance
in a given part of cases (that part is a model: the trace has no failed runs). ``kept_away`` are runs that would have
gone well, ``sent_in_vain`` those that were sent into an outage.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.adapters.processes import ProcessOffload
from phalanx.allocation import Breakers
from phalanx.allocation.forecasts import (
    HOURS,
    Forecaster,
    PoolRan,
    busy_hours,
    processes_ahead,
    recurs,
    replay_pool,
)
from phalanx.core import NS_PER_S, Rng

Series = npt.NDArray[np.float64]
MINUTE_S, DAY_MINUTES = 60.0, 1_440
SERVICE_S, MOST, IDLE_S = 2.0, 4, 300.0
LEAD_S = 1_800.0
TRANSIENT = (0.0, 0.05, 0.2)


def imports() -> None:
    """What a process of a node has imported before it can work."""
    import phalanx.workflows.operations  # noqa: F401 - importing it is the work


async def beginning_s() -> float:
    """How long a process takes to begin here, what steps import included; the median of three."""
    took = []
    for _ in range(3):
        pool, began_s = ProcessOffload(1), time.perf_counter()
        await pool.run(imports)
        took.append(time.perf_counter() - began_s)
        pool.close()
    return float(np.median(took))


def pools(arrivals: dict[str, Series], start_s: float) -> dict[str, Any]:
    """Each rule, in the mean over devices, on the second half of the trace."""
    found: dict[str, list[PoolRan]] = {}
    for series in arrivals.values():
        half = len(series) // 2
        forecaster, told = Forecaster((1,), season=DAY_MINUTES), np.zeros(len(series))
        for step, value in enumerate(series):
            forecaster.observe(float(value))
            told[step] = forecaster.predict(1).value
        calls = series[half:].astype(int).tolist()

        rules: dict[str, tuple[Callable[[int], int], float]] = {
            "kept": (_nothing, float("inf")), "reactive": (_nothing, IDLE_S),
            "persistence": (_Ahead(series[half:], calls), IDLE_S), "forecast": (_Ahead(told[half:], calls), IDLE_S),
            "oracle": (_Ahead(np.append(series[half + 1 :], 0.0), [0] * len(calls)), 0.0),
        }  # fmt: skip
        for name, (rule, idle_s) in rules.items():
            ran = replay_pool(
                calls, rule, step_s=MINUTE_S, start_s=start_s, service_s=SERVICE_S, most=MOST, idle_s=idle_s
            )
            found.setdefault(name, []).append(ran)
    return {
        name: {
            "wait_s_mean": float(np.mean([one.wait_s_mean for one in ran])),
            "wait_s_p99": float(np.mean([one.wait_s_p99 for one in ran])),
            "cold_part": float(np.mean([one.cold for one in ran])),
            "process_hours": float(np.mean([one.process_s for one in ran])) / 3_600.0,
        }
        for name, ran in found.items()
    }  # fmt: skip


def _nothing(_: int) -> int:
    return 0


class _Ahead:
    """As many as what is told for the next minute takes, and never fewer than what came in this one."""

    def __init__(self, told: Series, calls: Sequence[int]) -> None:
        self._told, self._calls = told, calls

    def __call__(self, step: int) -> int:
        told, last = float(self._told[step]), float(self._calls[step])
        return processes_ahead(told, last, SERVICE_S, MINUTE_S, most=MOST)


def windows(arrivals: dict[str, Series], first_s: float) -> dict[str, Any]:
    """Windows that were booked ahead, from the third whole day on."""
    rows: dict[str, list[tuple[float, ...]]] = {"recurring": [], "persistence": [], "reactive": []}
    skip = int((-first_s) % 86_400.0 // MINUTE_S)
    for series in arrivals.values():
        minutes = series[skip : skip + (len(series) - skip) // DAY_MINUTES * DAY_MINUTES]
        hourly = minutes.reshape(-1, 60).sum(axis=1).tolist()
        busy = busy_hours(hourly)
        for day in range(2, len(hourly) // HOURS):
            before, seen = hourly[: day * HOURS], busy_hours(hourly[: day * HOURS])
            for hour in range(HOURS):
                at = day * HOURS + hour
                work = minutes[at * 60 : at * 60 + 60] if busy[at] else np.zeros(60)
                booked = {"recurring": recurs(before, hour), "persistence": seen[at - HOURS], "reactive": False}
                for name, is_booked in booked.items():
                    rows[name].append((float(is_booked), float(busy[at]), *_waited(work, booked=is_booked)))
    made: dict[str, Any] = {}
    for name, found in rows.items():
        is_booked, is_busy, waited, n = np.array(found).T
        made[name] = {
            "windows": int(is_booked.sum()),
            "used_part": float((is_booked * is_busy).sum() / max(1.0, is_booked.sum())),
            "covered_part": float((is_booked * is_busy).sum() / max(1.0, is_busy.sum())),
            "wait_s_mean": float(waited.sum() / max(1.0, n.sum())),
            "hours_for_nothing": float((is_booked * (1.0 - is_busy)).sum()),
        }  # fmt: skip
    return made


def _waited(work: Series, *, booked: bool) -> tuple[float, float]:
    """Seconds that the arrivals of an hour wait together, and how many there are."""
    n = float(work.sum())
    if booked or not n:
        return 0.0, n
    first = int(np.flatnonzero(work)[0])
    left_s = np.maximum(0.0, LEAD_S - (np.arange(60) - first) * MINUTE_S)
    return float((work * left_s).sum()), n


def breakers(arrivals: dict[str, Series], closed: dict[str, Series], rng: Rng) -> dict[str, Any]:
    """Runs by what a breaker of fixed and of adaptive limits did with them."""
    made: dict[str, Any] = {}
    for part in TRANSIENT:
        for name, adaptive in (("fixed", False), ("adaptive", True)):
            runs = kept_away = in_vain = outage = 0
            for device, series in arrivals.items():
                draws = rng.child(f"{device} {part}")
                found = _broken(series, closed[device], part, draws, Breakers(adaptive=adaptive), device)
                runs, kept_away = runs + found[0], kept_away + found[1]
                in_vain, outage = in_vain + found[2], outage + found[3]
            made.setdefault(f"failing_{part:g}", {})[name] = {
                "runs": runs, "kept_away": kept_away, "kept_away_part": kept_away / max(1, runs - outage),
                "sent_in_vain": in_vain, "sent_in_vain_part": in_vain / max(1, outage),
            }  # fmt: skip
    return made


def _broken(
    series: Series, closed: Series, part: float, rng: Rng, made: Breakers, device: str
) -> tuple[int, int, int, int]:
    """Runs; runs kept away that would have gone well; runs sent into an outage; runs that came in one."""
    runs = kept_away = in_vain = outage = 0
    for minute, n in enumerate(series.astype(int).tolist()):
        for at in range(n):
            now_ns = round((minute + (at + 0.5) / n) * MINUTE_S * NS_PER_S)
            is_out, fails = bool(closed[minute]), rng.chance(part)
            runs, outage = runs + 1, outage + is_out
            if not made.allows(device, device, now_ns):
                kept_away += not (is_out or fails)
                continue
            in_vain += is_out
            made.began(device, device)
            if is_out or fails:
                made.failed(device, device, now_ns)
            else:
                made.worked(device, device)
    return runs, kept_away, in_vain, outage
