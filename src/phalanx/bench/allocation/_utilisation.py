"""How much of the time of a pool of devices is useful, when work comes as it came to real ones.

Arrivals are a replay: queue lengths of twelve IBM devices, once a minute for six days (public data beside the
checkout). What waits at the beginning is there at once, and each rise of a queue is so many arrivals in that minute; a
job keeps no device from the trace. How long jobs take is not in the trace: log-normal (sd of the logarithm 1, at most
eight means), scaled so that all of it together is 0.80, 0.95 or 1.05 of what the devices can do until the last arrival.
Half of all jobs are content with any device, 35 % need one of the better eight, 15 % one of the best four; 1 % are
emergencies, which must be done within ten mean lengths and their own; others within 12 hours and an exponential day.

Useful is time on a device that is good enough, of a job that ends by its deadline. ``of_offered`` is useful time over
all that came, what is done after the last arrival included; ``of_capacity`` counts until the last arrival, over what
the devices had until then; ``of_possible`` puts that beside the most that any rule could have done by then: no device
can work on what has not come yet, however work is split and shared. ``utilisation`` is the greater of the first two.
``dispatcher`` is `allocation.Dispatcher`. FIFO gives a
free device the oldest job, least-busy lets a job choose the shortest queue when it comes; ``_fit`` are the same with
devices that are not good enough ruled out beforehand.
"""

import csv
import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from phalanx.allocation import Dispatcher, Waiting
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench.public import public_data
from phalanx.core import Rng, ns_from_iso

QUEUE_LENGTHS = "ibm_queue_status_1min.csv"
LOADS = (0.80, 0.95, 1.05)
# Seconds of a device, in dollars: the four best, the next four, the others.
PRICES = (1.60, 1.00, 0.60)
HOUR = 3_600.0


@dataclass(frozen=True, slots=True)
class Trace:
    """Seconds at which jobs arrived, in order, and how many devices there were."""

    arrivals_s: tuple[float, ...]
    devices: tuple[str, ...]


@dataclass(slots=True)
class Ran:
    """What became of one replay."""

    useful_s: float = 0.0
    in_window_s: float = 0.0
    busy_s: float = 0.0
    done: int = 0
    missed: int = 0
    emergencies: int = 0
    emergencies_missed: int = 0
    cost: float = 0.0
    completion_s: list[float] = field(default_factory=list)


async def utilisation_bench(options: BenchOptions) -> BenchResult:
    """Every rule at every load, on the same jobs."""
    trace = read_trace(0.2 if options.quick else 1.0)
    figures: dict[str, Any] = {}
    baselines: dict[str, Any] = {}
    for load in LOADS:
        jobs = make_jobs(trace, load, options.rng.child(f"{load}"))
        for name in ("dispatcher", "fifo", "fifo_fit", "least_busy", "least_busy_fit"):
            options.tell(f"{name} at {load}")
            found = _summary(replay(trace, jobs, name), trace, jobs)
            (figures if name == "dispatcher" else baselines).setdefault(f"load_{load:.2f}", {})[name] = found
    return BenchResult(
        load={
            "jobs": len(trace.arrivals_s),
            "devices": len(trace.devices),
            "hours": trace.arrivals_s[-1] / HOUR,
            "arrivals": "rises of 12 public queues, a minute each",
            "durations": "log-normal, sd of the logarithm 1, at most 8 means; scaled to the load",
            "bars": "utilisation >= 0.97 and no emergency missed, at each load",
        },
        figures=figures,
        baselines=baselines,
        ratios={
            f"completion_{name}_over_dispatcher_{load:.2f}": baselines[f"load_{load:.2f}"][name]["completion_s_mean"]
            / figures[f"load_{load:.2f}"]["dispatcher"]["completion_s_mean"]
            for load in LOADS
            for name in ("fifo_fit", "least_busy_fit")
        },
    )


def read_trace(part: float) -> Trace:
    """The first ``part`` of the six days. Raises ``Unavailable``."""
    file = public_data("queues") / QUEUE_LENGTHS
    with file.open(newline="") as lines:
        rows = [
            (ns_from_iso(row["timestamp_utc"]) / 1e9, row["backend"], int(row["pending_jobs"]))
            for row in csv.DictReader(lines)
        ]
    first, last = rows[0][0], rows[-1][0]
    before: dict[str, int] = {}
    arrivals: list[float] = []
    for at, device, pending in rows:
        if at - first > part * (last - first):
            break
        risen = pending - before.get(device, 0)
        before[device] = pending
        if risen > 0:
            arrivals += [at - first] * risen
    return Trace(tuple(arrivals), tuple(sorted(before)))


def make_jobs(trace: Trace, load: float, rng: Rng) -> list[Waiting]:
    """Every arrival with its length, where it may go, and until when."""
    draw = rng.numpy()
    n = len(trace.arrivals_s)
    lengths = draw.lognormal(0.0, 1.0, n).clip(max=8.0 * float(draw.lognormal(0.0, 1.0, 10_000).mean()))
    lengths *= load * len(trace.devices) * trace.arrivals_s[-1] / lengths.sum()
    mean = float(lengths.mean())
    kinds, sudden = draw.random(n), draw.random(n) < 0.01
    slack = 12 * HOUR + draw.exponential(24 * HOUR, n)
    jobs = []
    for at, arrived in enumerate(trace.arrivals_s):
        count = len(trace.devices) if kinds[at] < 0.5 else 8 if kinds[at] < 0.85 else 4
        took = float(lengths[at])
        due = arrived + (10.0 * mean + took if sudden[at] else float(slack[at]) + took)
        jobs.append(
            Waiting(str(at), dict.fromkeys(trace.devices[:count], took), arrived, due, emergency=bool(sudden[at]))
        )
    return jobs


class _Plain:
    """FIFO, one queue for all or one for each device: what has no eye for deadlines."""

    def __init__(self, devices: tuple[str, ...], *, fit: bool, shortest: bool) -> None:
        self._fit, self._shortest = fit, shortest
        self._queues: dict[str, deque[Waiting]] = {name: deque() for name in (devices if shortest else ("all",))}
        self._devices = devices

    def add(self, job: Waiting) -> None:
        able = [name for name in self._devices if not self._fit or name in job.took_s]
        self._queues[min(able, key=lambda name: len(self._queues[name])) if self._shortest else "all"].append(job)

    def next(self, device: str, _: float) -> tuple[Waiting | None, list[Waiting]]:
        queue = self._queues[device if self._shortest else "all"]
        for at, job in enumerate(queue):
            if not self._fit or device in job.took_s:
                del queue[at]
                return job, []
        return None, []


def replay(trace: Trace, jobs: list[Waiting], rule: str) -> Ran:
    """All jobs to their end, by one rule."""
    queue: Dispatcher | _Plain = (
        Dispatcher(trace.devices) if rule == "dispatcher"
        else _Plain(trace.devices, fit=rule.endswith("_fit"), shortest=rule.startswith("least"))
    )  # fmt: skip
    ran, window = Ran(), trace.arrivals_s[-1]
    price = {name: PRICES[min(2, at // 4)] for at, name in enumerate(trace.devices)}
    # Times at which something happens: a device becomes free, or jobs come.
    free, busy = set(trace.devices), [(0.0, "")]
    at = 0
    while busy or at < len(jobs):
        now = min(busy[0][0] if busy else float("inf"), jobs[at].arrived_s if at < len(jobs) else float("inf"))
        while at < len(jobs) and jobs[at].arrived_s <= now:
            queue.add(jobs[at])
            at += 1
        while busy and busy[0][0] <= now:
            _, name = heapq.heappop(busy)
            if name:
                free.add(name)
        for name in sorted(free):
            job, missed = queue.next(name, now)
            for one in missed:
                _miss(ran, one)
            if job is None:
                continue
            free.discard(name)
            took = max(job.took_s.values())
            end = now + took
            heapq.heappush(busy, (end, name))
            ran.busy_s += took
            ran.cost += took * price[name]
            ran.completion_s.append(end - job.arrived_s)
            ran.emergencies += job.emergency
            if name in job.took_s and end <= job.deadline_s:
                ran.useful_s += took
                ran.in_window_s += max(0.0, min(end, window) - min(now, window))
                ran.done += 1
            else:
                _miss(ran, job)
    return ran


def possible_s(jobs: Sequence[Waiting], n_devices: int, until_s: float) -> float:
    """The most device time that can go into ``jobs`` (by arrival) by ``until_s``, were each divisible and fit anywhere.

    At whatever moment one looks: what had come by then, and all that the devices had left.
    """
    came_s, least = 0.0, float("inf")
    for job in jobs:
        least = min(least, came_s + n_devices * (until_s - min(job.arrived_s, until_s)))
        came_s += max(job.took_s.values())
    return min(least, came_s)


def _miss(ran: Ran, job: Waiting) -> None:
    ran.missed += 1
    ran.emergencies_missed += job.emergency


def _summary(ran: Ran, trace: Trace, jobs: list[Waiting]) -> dict[str, float]:
    offered = sum(max(job.took_s.values()) for job in jobs)
    of_offered = ran.useful_s / offered
    of_capacity = ran.in_window_s / (len(trace.devices) * trace.arrivals_s[-1])
    possible = possible_s(jobs, len(trace.devices), trace.arrivals_s[-1])
    return {
        "utilisation": max(of_offered, of_capacity),
        "of_offered": of_offered,
        "of_capacity": of_capacity,
        "of_possible": ran.in_window_s / possible,
        "useful_of_busy": ran.useful_s / ran.busy_s,
        "missed": ran.missed / len(jobs),
        "emergencies": ran.emergencies,
        "emergencies_missed": ran.emergencies_missed,
        "completion_s_mean": fmean(ran.completion_s),
        "cost_per_useful_job": ran.cost / max(1, ran.done),
    }
