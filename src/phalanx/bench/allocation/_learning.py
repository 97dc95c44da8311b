"""How well runs are predicted from earlier ones, and what placing by that gains as it learns.

Predictions are made before each outcome and judged on the last third of time. ``fidelity``: circuits on devices under
noise that has drifted (the world of `phalanx bench placement`), in random order; beside it persistence (the last
outcome of the device), the mean of all before, and the estimated success as it is. ``wait_s``: twelve real devices, six
days, one arrival every ten minutes at each; a wait is the time in which as many jobs left the queue as were in it
(public data beside the checkout); persistence is the last wait that had ended at the device, ``queue_by_its_pace`` what
is in the queue at the pace of the last two hours. Errors are absolute, with 95 % intervals from resampling.

``curve``: over near peers each circuit comes eight times in random order; the learned policy places among the three
likeliest and tries one in twenty, fixed policies do not learn. Regret (1 - worth/oracle) by quarter, intervals over
drifts and orders.
"""

import csv
import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from phalanx.allocation import Learner, Seen, warm_decisions
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench.allocation._placement import near_peers
from phalanx.bench.allocation._placement_world import World, make_world
from phalanx.bench.allocation._utilisation import QUEUE_LENGTHS
from phalanx.bench.public import public_data
from phalanx.core import Rng, Unavailable, ns_from_iso
from phalanx.learning import bootstrap

QUARTERS, PASSES, TIER, TRIED, SLACK = 4, 8, 3, 0.05, 0.03
EVERY_S, PACE_S = 600.0, 7_200.0
MIN_RUNS = 3

Errors = dict[str, list[float]]


async def learning_bench(options: BenchOptions) -> BenchResult:
    """Errors of predictions, and the learning curve."""
    warm_decisions()
    world = (
        make_world(options, n_jobs=6, draws=1, widest=30) if options.quick
        else make_world(options, n_jobs=14, draws=3, widest=65)
    )  # fmt: skip
    options.tell("predictions of fidelity")
    fidelity = fidelity_errors(world, options.rng.child("fidelity"))
    options.tell("predictions of waits")
    waits = wait_errors(0.25 if options.quick else 1.0)
    options.tell("learning curve")
    curve = learning_curve(world, options.rng.child("curve"), orders=4 if options.quick else 12)
    summed = {
        name: {how: _summary(errors, options.rng.child(f"{name} {how}")) for how, errors in found.items()}
        for name, found in (("fidelity", fidelity), ("wait_s", waits))
    }
    return BenchResult(
        load={
            "circuits": len(world.jobs), "devices": len(world.devices), "drifts": world.realised.shape[0],
            "near_peers": len(near_peers(world)), "queues": "12 public ones, six days, an arrival every 10 minutes",
        },
        figures={name: each["learned"] for name, each in summed.items()} | {"curve": curve},
        baselines={name: {how: of for how, of in each.items() if how != "learned"} for name, each in summed.items()},
        ratios={
            f"{name}_{how}_over_learned": of["error"] / each["learned"]["error"]
            for name, each in summed.items()
            for how, of in each.items()
            if how != "learned"
        },
    )  # fmt: skip


def fidelity_errors(world: World, rng: Rng) -> dict[str, Errors]:
    """Absolute errors on the last third, by predictor."""
    found: dict[str, list[float]] = {"learned": [], "persistence": [], "mean": [], "estimated_success": []}
    held: list[float] = []
    for draw in range(world.realised.shape[0]):
        learner, last, before = Learner(), dict[int, float](), list[float]()
        order = [(job, int(place)) for job in range(len(world.jobs)) for place in world.fits(job)]
        rng.child(str(draw)).shuffle(order)
        for at, (job, place) in enumerate(order):
            seen, real = _seen(world, job, place), float(world.realised[draw, job, place])
            expected = learner.outlook(seen).fidelity
            if at >= 2 * len(order) // 3:
                mean = float(np.mean(before))
                found["learned"].append(abs(expected.mean - real))
                found["persistence"].append(abs(last.get(place, mean) - real))
                found["mean"].append(abs(mean - real))
                found["estimated_success"].append(abs(seen.success - real))
                low, high = expected.interval(0.9)
                held.append(float(low <= real <= high))
            learner.learn(seen, fidelity=real, wait_s=0.0, run_s=1.0)
            last[place] = real
            before.append(real)
    return {how: {"errors": errors} | ({"held": held} if how == "learned" else {}) for how, errors in found.items()}


def wait_errors(part: float) -> dict[str, Errors]:
    """Absolute errors of waits in seconds on the last third, by predictor."""
    runs = sorted(run for queue in read_queues(part).values() for run in _waits(*queue))
    learner, last = Learner(), dict[int, float]()
    found: dict[str, list[float]] = {"learned": [], "persistence": [], "mean": [], "queue_by_its_pace": []}
    held: list[float] = []
    known: list[float] = []
    ending: list[tuple[float, int, Seen, float]] = []
    for at, (begun, device, said_s, wait_s) in enumerate(runs):
        ending.sort(key=lambda one: one[0])
        while ending and ending[0][0] <= begun:  # What has not ended is not known yet.
            _, where, was, took = ending.pop(0)
            learner.learn(was, fidelity=None, wait_s=took, run_s=max(1e-3, took / max(1.0, was.wait_s)))
            last[where] = took
            known.append(took)
        seen = Seen(
            device=str(device), circuit="", success=1.0, n_two=0, width=1, age_days=0.0, run_s=1.0, wait_s=said_s
        )
        outlook = learner.outlook(seen)
        if at >= 2 * len(runs) // 3 and len(known) >= MIN_RUNS:
            mean = float(np.mean(known))
            found["learned"].append(abs(outlook.wait_s - wait_s))
            found["persistence"].append(abs(last.get(device, mean) - wait_s))
            found["mean"].append(abs(mean - wait_s))
            found["queue_by_its_pace"].append(abs(said_s - wait_s))
            low, high = outlook.log_wait.interval(0.9)
            held.append(float(low <= math.log1p(wait_s) <= high))
        ending.append((begun + wait_s, device, seen, wait_s))
    return {how: {"errors": errors} | ({"held": held} if how == "learned" else {}) for how, errors in found.items()}


def read_queues(part: float) -> dict[str, tuple[int, list[float], list[int]]]:
    """By device: its number, seconds and lengths of its queue. Raises ``Unavailable``."""
    file = public_data("queues") / QUEUE_LENGTHS
    found: dict[str, tuple[int, list[float], list[int]]] = {}
    with file.open(newline="") as lines:
        rows = [(ns_from_iso(row["timestamp_utc"]) / 1e9, row["backend"], int(row["pending_jobs"]))
                for row in csv.DictReader(lines)]  # fmt: skip
    for at, backend, pending in rows:
        if at - rows[0][0] <= part * (rows[-1][0] - rows[0][0]):
            _, seconds, lengths = found.setdefault(backend, (len(found), [], []))
            seconds.append(at - rows[0][0])
            lengths.append(pending)
    return found


def _waits(device: int, seconds: Sequence[float], lengths: Sequence[int]) -> list[tuple[float, int, float, float]]:
    """(arrival, device, its queue at the pace of the last two hours, how long until as many have left), where known."""
    left = np.concatenate([[0], np.cumsum(np.maximum(0, -np.diff(lengths)))])
    found, due = [], 0.0
    for at, (now, pending) in enumerate(zip(seconds, lengths, strict=True)):
        if now < due:
            continue
        due = now + EVERY_S
        end = int(np.searchsorted(left, left[at] + pending))
        if pending and end < len(left):
            since = int(np.searchsorted(seconds, now - PACE_S))
            pace_s = (now - seconds[since]) / max(1.0, float(left[at] - left[since]))
            found.append((now, device, pending * pace_s, seconds[end] - now))
    return found


def learning_curve(world: World, rng: Rng, *, orders: int) -> dict[str, Any]:
    """Regret by quarter of time for the learned policy and for fixed ones, over near peers."""
    pool = near_peers(world)
    curves: dict[str, list[list[float]]] = {"learned": [], "success_probability": [], "expected_fidelity": []}
    for draw in range(world.realised.shape[0]):
        for number in range(orders):
            each = rng.child(f"{draw} {number}")
            order = list(range(len(world.jobs))) * PASSES
            each.shuffle(order)
            for how, rows in curves.items():
                rows.append(_quarters(world, draw, pool, order, how, each.child(how)))
    found: dict[str, Any] = {}
    for how, rows in curves.items():
        table = np.array(rows)
        spread = [bootstrap(partial(_mean, quarter), len(table), rng=rng.child(how), rounds=400) for quarter in table.T]
        found[how] = {
            "regret_by_quarter": [one.value for one in spread],
            "interval": [[one.low, one.high] for one in spread],
        }
    gain = np.array(curves["success_probability"])[:, -1] - np.array(curves["learned"])[:, -1]
    saved = bootstrap(partial(_mean, gain), len(gain), rng=rng.child("gain"), rounds=400)
    found["learned_saves_in_last_quarter"] = {"regret": saved.value, "interval": [saved.low, saved.high]}
    return found


def _quarters(world: World, draw: int, pool: np.ndarray, order: list[int], how: str, rng: Rng) -> list[float]:
    learner = Learner()
    reached, best = np.zeros(len(order)), np.zeros(len(order))
    for at, job in enumerate(order):
        places = np.intersect1d(pool, world.fits(job))
        few = places[np.argsort(-world.log_success[job, places], kind="stable")[:TIER]]
        if how == "expected_fidelity":
            chosen = int(few[np.argmax(world.expected[job, few])])
        elif how == "success_probability":
            chosen = int(few[0])
        else:
            hoped = np.array([learner.outlook(_seen(world, job, int(place))).fidelity.mean for place in few])
            safe = few[hoped >= hoped.max() - SLACK]
            chosen = int(rng.choice(safe.tolist())) if rng.chance(TRIED) else int(few[np.argmax(hoped)])
            real = float(world.realised[draw, job, chosen])
            learner.learn(_seen(world, job, chosen), fidelity=real, wait_s=0.0, run_s=1.0)
        reached[at], best[at] = world.realised[draw, job, chosen], world.realised[draw, job, places].max()
    parts = np.array_split(np.arange(len(order)), QUARTERS)
    return [float(1.0 - reached[part].sum() / max(1e-12, best[part].sum())) for part in parts]


def _seen(world: World, job: int, place: int) -> Seen:
    wanted = world.jobs[job].wanted
    return Seen(
        device=world.devices[place], circuit=world.jobs[job].name,
        success=float(np.exp(world.log_success[job, place])), n_two=wanted.n_two, width=wanted.width,
        age_days=0.0, run_s=1.0, wait_s=0.0,
    )  # fmt: skip


def _mean(of: np.ndarray, at: np.ndarray) -> float:
    return float(of[at].mean())


def _summary(found: Errors, rng: Rng) -> dict[str, Any]:
    errors = np.array(found["errors"])
    if not errors.size:
        raise Unavailable("predictions", "too little was seen to judge any")
    mean = bootstrap(partial(_mean, errors), len(errors), rng=rng, rounds=400)
    summed: dict[str, Any] = {"error": mean.value, "interval": [mean.low, mean.high], "n": len(errors)}
    if "held" in found:
        summed["interval_90_held"] = float(np.mean(found["held"]))
    return summed
