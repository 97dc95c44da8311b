"""Forecasts of arrivals and queues on a real trace, beside persistence; and what knowing ahead is worth.

The trace: queue lengths of twelve IBM devices, once a minute for six days (public data beside the checkout), in steps
of five minutes. A rise of a queue is so many arrivals. Each device is a class by itself. Forecasters see one value
after another and are judged on the second half; what they were judged by taught them, never what came after.

Warming replays all arrivals of the second half: a worker (or a window that is reserved) that is wanted is there a lead
time later. ``reactive`` wants what the last step took, ``forecast`` what is told for the time when it will be there and
never less than reactive, ``forecast_alone`` only what is told, ``oracle`` what will be. A rule is tried at several
margins, so that rules are compared at the same worker-steps: the wait of each where it spends as much as reactive does
at the margin 1.2. Thresholds: which part of the second half lies above the 95 % quantile of the first day (fixed), and
above one that follows (with its floor); 5 % is wanted. What a node does of all this is replayed as well
(``_forecast_acting``): pools of processes, windows in advance, breakers; and limits of machines (``_forecast_limits``).
"""

import csv
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.allocation.forecasts import Forecaster, Warmed, rate_ahead, replay_warming, workers_for
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench.allocation import _forecast_acting as acting
from phalanx.bench.allocation import _forecast_limits as limits
from phalanx.bench.allocation._utilisation import QUEUE_LENGTHS
from phalanx.bench.public import public_data
from phalanx.core import Rng, ns_from_iso
from phalanx.learning import AdaptiveThreshold, bootstrap

STEP_S, SEASON = 300, 288
HORIZONS = {"5min": 1, "1h": 12, "6h": 72}
MARGINS = (0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5)
# Steps until what is wanted is there, and how long one arrival keeps it.
WARMED = {"workers": (1, 1), "reservations": (6, 1)}
PASSING = 0.05

Series = npt.NDArray[np.float64]


async def forecast_bench(options: BenchOptions) -> BenchResult:
    """Errors by horizon, waits by rule, and thresholds."""
    queues, arrivals = read_series(0.34 if options.quick else 1.0)
    figures: dict[str, Any] = {}
    baselines: dict[str, Any] = {}
    for name, series in (("queue", queues), ("arrivals", arrivals)):
        options.tell(f"{name} of {len(series)} devices")
        errors = {device: judged(values) for device, values in series.items()}
        for horizon in HORIZONS:
            mine, others = _errors(errors, horizon, options.rng.child(f"{name} {horizon}"))
            figures.setdefault(name, {})[horizon] = mine
            baselines.setdefault(name, {})[horizon] = others
    total = np.sum(list(arrivals.values()), axis=0)
    for kind, (lead, service) in WARMED.items():
        options.tell(f"warming of {kind}")
        figures[f"warming_{kind}"] = warming(total, lead, service)
    figures["thresholds"] = thresholds(queues)
    minutes, closed, first_s = read_minutes(0.5 if options.quick else 1.0)
    options.tell("acting: pools of processes, windows in advance, breakers")
    start_s = await acting.beginning_s()
    figures["pools"] = acting.pools(minutes, start_s)
    # Habits take all the days there are.
    figures["windows"] = acting.windows(read_minutes(1.0)[0], first_s)
    figures["breakers"] = acting.breakers(minutes, closed, options.rng.child("breakers"))
    options.tell("limits: how old calibrations may be, when queues are long")
    figures["freshness"] = limits.freshness(options.rng.child("freshness"), 4 if options.quick else 40)
    # Limits of queues are known after a day, so all days are taken.
    by_minute = limits.by_minute(_rows(), 1.0)
    jobs = 500 if options.quick else 4_000
    figures["queue_limits"] = limits.queue_limits(by_minute, options.rng.child("queues"), jobs)
    return BenchResult(
        load={
            "devices": len(queues), "steps": len(total), "step_s": STEP_S, "judged": "second half",
            "warming": {name: {"lead_s": lead * STEP_S, "service_s": n * STEP_S} for name, (lead, n) in WARMED.items()},
            "pools": {"process_begins_in_s": start_s, "call_s": acting.SERVICE_S, "most": acting.MOST},
            "arrivals_per_step_mean": float(total.mean()), "arrivals_per_step_max": float(total.max()),
        },
        figures=figures,
        baselines=baselines,
        ratios={
            f"{name}_{horizon}_error_over_persistence": figures[name][horizon]["mae_mean"]
            / baselines[name][horizon]["persistence"]["mae_mean"]
            for name in ("queue", "arrivals")
            for horizon in HORIZONS
        }
        | {
            f"wait_{kind}_forecast_over_reactive": figures[f"warming_{kind}"]["forecast"]["wait_s_mean"]
            / max(1e-9, figures[f"warming_{kind}"]["reactive"]["wait_s_mean"])
            for kind in WARMED
        },
    )  # fmt: skip


def read_minutes(part: float) -> tuple[dict[str, Series], dict[str, Series], float]:
    """Arrivals by minute and device, the minutes in which a device was not open to all, and when the first was."""
    rows = _rows()
    first = rows[0][0]
    n = int(part * (rows[-1][0] - first) // 60.0) + 1
    names = sorted({row[1] for row in rows})
    arrivals, closed = ({name: np.zeros(n) for name in names} for _ in range(2))
    before: dict[str, int] = {}
    for at, name, pending, status in rows:
        step = int((at - first) // 60.0)
        if step >= n:
            break
        arrivals[name][step] += max(0, pending - before.get(name, pending))
        closed[name][step] = status != "active"
        before[name] = pending
    return arrivals, closed, first


def _rows() -> list[tuple[float, str, int, str]]:
    file = public_data("queues") / QUEUE_LENGTHS
    with file.open(newline="") as lines:
        return [
            (ns_from_iso(row["timestamp_utc"]) / 1e9, row["backend"], int(row["pending_jobs"]), row["status_msg"])
            for row in csv.DictReader(lines)
        ]


def read_series(part: float) -> tuple[dict[str, Series], dict[str, Series]]:
    """Queues and arrivals of the first ``part`` of the trace, by device. Raises ``Unavailable``."""
    rows = _rows()
    first = rows[0][0]
    n = int(part * (rows[-1][0] - first) // STEP_S) + 1
    names = sorted({row[1] for row in rows})
    queues, arrivals = ({name: np.full(n, fill) for name in names} for fill in (np.nan, 0.0))
    before: dict[str, int] = {}
    for at, name, pending, _ in rows:
        step = int((at - first) // STEP_S)
        if step >= n:
            break
        queues[name][step] = pending
        arrivals[name][step] += max(0, pending - before.get(name, pending))
        before[name] = pending
    for values in queues.values():
        # Where nobody looked, it is as it was.
        for step in range(n):
            if np.isnan(values[step]):
                values[step] = values[step - 1] if step else 0.0
    return queues, arrivals


def judged(values: Series) -> dict[str, dict[str, float]]:
    """By horizon: mean absolute errors on the second half, the share within the interval, and who was chosen."""
    n, forecaster = len(values), Forecaster(tuple(HORIZONS.values()), season=SEASON)
    usual = float(values[: n // 2].mean())
    rows: dict[str, list[tuple[float, ...]]] = {horizon: [] for horizon in HORIZONS}
    for step, value in enumerate(values):
        forecaster.observe(float(value))
        for horizon, ahead in HORIZONS.items():
            if n // 2 <= step + ahead < n:
                told, then = forecaster.predict(ahead), float(values[step + ahead])
                rows[horizon].append((
                    abs(then - told.value), abs(then - told.told["persistence"]), abs(then - told.told["regression"]),
                    abs(then - usual), float(told.low <= then <= told.high), float(told.by == "persistence"),
                ))  # fmt: skip
    names = ("mae", "persistence", "regression", "mean", "within_interval", "persistence_chosen")
    return {
        horizon: dict(zip(names, np.array(found).mean(axis=0).tolist(), strict=True)) for horizon, found in rows.items()
    }


def _errors(
    errors: dict[str, dict[str, dict[str, float]]], horizon: str, rng: Rng
) -> tuple[dict[str, Any], dict[str, Any]]:
    of = {
        name: np.array([one[horizon][name] for one in errors.values()])
        for name in ("mae", "persistence", "regression", "mean", "within_interval", "persistence_chosen")
    }
    ratio = bootstrap(
        lambda at: float(of["mae"][at].mean() / max(1e-12, of["persistence"][at].mean())), len(of["mae"]), rng=rng,
        rounds=500,
    )  # fmt: skip
    return {
        "mae_mean": float(of["mae"].mean()), "over_persistence": ratio.value,
        "over_persistence_interval": [ratio.low, ratio.high], "persistence_wins": ratio.value >= 1.0,
        "devices_better_than_persistence": int((of["mae"] < of["persistence"]).sum()),
        "within_interval_of_0.8": float(of["within_interval"].mean()),
        "persistence_chosen": float(of["persistence_chosen"].mean()),
    }, {name: {"mae_mean": float(of[name].mean())} for name in ("persistence", "regression", "mean")}  # fmt: skip


def warming(total: Series, lead: int, service: int) -> dict[str, Any]:
    """Each rule at the worker-steps that reactive takes at the margin 1.2."""
    half = len(total) // 2
    arrivals = total[half:].astype(int).tolist()
    forecaster, told = Forecaster((lead,), season=SEASON), np.zeros(len(total))
    for step, value in enumerate(total):
        forecaster.observe(float(value))
        told[step] = forecaster.predict(lead).value
    ahead = told[half:]

    def rule(rate: Callable[[int], float], margin: float) -> Warmed:
        return replay_warming(
            arrivals, lambda step, backlog: workers_for(rate(step), backlog, service, margin=margin), lead=lead,
            service_steps=service,
        )  # fmt: skip

    rates: dict[str, Callable[[int], float]] = {
        "reactive": lambda step: float(arrivals[step]),
        "forecast": lambda step: rate_ahead(float(arrivals[step]), float(ahead[step])),
        "forecast_alone": lambda step: float(ahead[step]),
        "oracle": lambda step: float(arrivals[min(step + lead, len(arrivals) - 1)]),
    }
    found = {name: [rule(rate, margin) for margin in MARGINS] for name, rate in rates.items()}
    budget = found["reactive"][MARGINS.index(1.2)].worker_steps
    made: dict[str, Any] = {"worker_steps": budget}
    for name, runs in found.items():
        order = sorted(runs, key=lambda one: one.worker_steps)
        spent = [float(one.worker_steps) for one in order]
        made[name] = {
            "wait_s_mean": float(np.interp(budget, spent, [one.wait_steps_mean for one in order])) * STEP_S,
            "wait_s_p99": float(np.interp(budget, spent, [one.wait_steps_p99 for one in order])) * STEP_S,
            "worker_steps_least": spent[0], "worker_steps_most": spent[-1],
        }  # fmt: skip
    return made


def thresholds(queues: dict[str, Series]) -> dict[str, Any]:
    """How far from the wanted part fixed and adaptive thresholds let pass, in the mean over devices."""
    fixed, adaptive, moved = [], [], 0
    for values in queues.values():
        floor = float(np.quantile(values[:SEASON], 1.0 - PASSING))
        following = AdaptiveThreshold.between(0.5 * floor, max(100.0 * floor, 1.0), passing=PASSING)
        following.learn([float(one) for one in values[:SEASON]])
        half = len(values) // 2
        for value in values[SEASON:half]:
            following.passes(float(value))
        passed = [following.passes(float(value)) for value in values[half:]]
        adaptive.append(float(np.mean(passed)))
        fixed.append(float((values[half:] > floor).mean()))
        moved += len(following.changes)
    return {
        "wanted_part": PASSING,
        "fixed_part_mean": float(np.mean(fixed)), "adaptive_part_mean": float(np.mean(adaptive)),
        "fixed_off_mean": float(np.abs(np.array(fixed) - PASSING).mean()),
        "adaptive_off_mean": float(np.abs(np.array(adaptive) - PASSING).mean()), "moves": moved,
    }  # fmt: skip
