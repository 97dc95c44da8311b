"""Operations that arrive: how long they take from arrival to end, under four arrival processes.

Simulated time: the pool and its decisions are the real ones, resources are served by a list of events. What an
operation really takes differs from what is declared by a factor that the pool must learn, the same for every rule. Each
rule sees the same arrivals. ``prices`` plans on every beat and moves what waits in the wrong place; ``earliest`` is the
same pool without a plan; ``two-choices`` may place on one of two resources drawn at random. The process ``ibm`` follows
the queues of twelve real devices, minute by minute, where the public test data is beside the checkout.
"""

import csv
import heapq
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phalanx.balancing import (
    Operation,
    OperationKind,
    Pool,
    Resource,
    compute,
    confirm,
    plan_fluid,
    plan_moves,
    put,
    take,
)
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench._timing import quantile
from phalanx.bench.public import find_data, public_data
from phalanx.core import NS_PER_US, Rng

if TYPE_CHECKING:
    import numpy as np

    Draws = np.random.Generator

_QUEUES = "ibm_queue_status_1min.csv"
_N_KINDS, _N_RESOURCES = 12, 32
_BEAT_S = 5.0
_ROOM = 100_000
_WARM_UP = 0.1
# Bursts: calm and storm alternate, at these parts of the mean rate, for so many seconds on average.
_CALM, _STORM, _SPELL_S = 0.4, 1.6, 20.0
_POLICIES = ("prices", "earliest", "two-choices")


@dataclass(frozen=True, slots=True, eq=False)
class _World:
    """Kinds and resources as declared, and the seconds that one unit really takes, (kinds, resources)."""

    kinds: list[OperationKind]
    resources: list[Resource]
    truth: "np.ndarray[tuple[int, int], np.dtype[np.float64]]"
    mix: "np.ndarray[tuple[int], np.dtype[np.float64]]"
    capacity_per_s: float


@dataclass(slots=True)
class _Outcome:
    taken_s: list[float] = field(default_factory=list)
    decision_us: list[float] = field(default_factory=list)
    moved: int = 0

    def figures(self) -> dict[str, float]:
        later = self.taken_s[int(_WARM_UP * len(self.taken_s)) :]
        return {
            "completion_s_mean": sum(later) / len(later),
            "completion_s_p50": quantile(later, 0.5),
            "completion_s_p99": quantile(later, 0.99),
            "moved": self.moved,
        }


def stream(options: BenchOptions) -> BenchResult:
    """Mean and p99 of completion for each rule and process, and what a decision takes."""
    n = 6_000 if options.quick else 40_000
    world = _world(options.rng.child("world").numpy())
    figures: dict[str, Any] = {}
    baselines: dict[str, Any] = {policy: {} for policy in _POLICIES[1:]}
    decisions: list[float] = []
    for name, load, arrivals in _processes(world, options.rng, n):
        for policy in _POLICIES:
            outcome = _play(world, arrivals, policy, options.rng.child("two choices"))
            found = outcome.figures()
            if policy == "prices":
                figures[name] = found | {"load_ratio": load}
                decisions += outcome.decision_us
            else:
                baselines[policy][name] = found
    figures |= {"decision_us_p50": quantile(decisions, 0.5), "decision_us_p99": quantile(decisions, 0.99)}
    processes = [name for name in figures if isinstance(figures[name], dict)]
    return BenchResult(
        load={
            "operations": n,
            "kinds": _N_KINDS,
            "resources": _N_RESOURCES,
            "beat_s": _BEAT_S,
            "time": "simulated; decisions are timed on this machine",
            "processes": processes,
        },
        figures=figures,
        baselines=baselines,
        ratios={
            policy: {
                name: {
                    of: baselines[policy][name][f"completion_s_{of}"] / figures[name][f"completion_s_{of}"]
                    for of in ("mean", "p99")
                }
                for name in processes
            }
            for policy in baselines
        },
    )


def _world(draws: "Draws") -> _World:
    import numpy as np

    kinds, resources = [], []
    factor = draws.lognormal(0.0, 0.3, (_N_KINDS, _N_RESOURCES))
    base = draws.lognormal(-1.0, 0.8, _N_KINDS)
    speed = draws.lognormal(0.0, 0.7, (_N_KINDS, _N_RESOURCES))
    only = draws.random(_N_KINDS) < 0.3
    for at in range(_N_KINDS):
        work = {"qpu": float(base[at])} if only[at] else {"qpu": float(base[at]), "cpu": float(base[at])}
        kinds.append(OperationKind(name=f"k{at}", work=work))
    for i in range(_N_RESOURCES):
        speeds = {f"k{at}": float(speed[at, i]) for at in range(_N_KINDS)}
        resources.append(Resource(name=f"r{i}", kind="qpu" if i % 3 == 0 else "cpu", speed=speeds))
    declared = Pool("declared", kinds, resources).estimates.rates
    truth, mix = declared * factor, draws.dirichlet(np.ones(_N_KINDS))
    return _World(kinds, resources, truth, mix, 1.0 / plan_fluid(truth, mix, np.ones(_N_RESOURCES)).bound)


Arrivals = list[tuple[float, int, float]]


def _processes(world: _World, rng: Rng, n: int) -> Iterator[tuple[str, float, Arrivals]]:
    """(name, load as a share of what any split could carry, arrivals)."""
    import numpy as np

    for load in (0.5, 0.8, 0.95):
        draws = rng.child(f"poisson {load}").numpy()
        yield f"poisson{load:.2f}", load, _arrivals(world, draws, np.cumsum(draws.exponential(1.0, n)), load)
    draws = rng.child("bursts").numpy()
    yield "bursts0.80", 0.8, _arrivals(world, draws, _bursty(draws, n, world.capacity_per_s * 0.8), 0.8)
    if find_data("queues") is not None:
        draws = rng.child("ibm").numpy()
        yield "ibm0.80", 0.8, _arrivals(world, draws, _as_ibm(draws, n), 0.8)


def _arrivals(world: _World, draws: "Draws", moments: Any, load: float) -> Arrivals:
    """``moments`` stretched so that the mean rate is ``load`` of the capacity; kinds and sizes drawn."""
    n = len(moments)
    at = moments * (n / moments[-1] / (load * world.capacity_per_s))
    kinds, sizes = draws.choice(_N_KINDS, n, p=world.mix), draws.lognormal(-0.125, 0.5, n)
    return list(zip(at.tolist(), kinds.tolist(), sizes.tolist(), strict=True))


def _bursty(draws: "Draws", n: int, rate_per_s: float) -> Any:
    import numpy as np

    moments: list[float] = []
    now, end, storm = 0.0, 0.0, False
    while len(moments) < n:
        if now >= end:
            storm, end = not storm, now + float(draws.exponential(_SPELL_S))
        now += float(draws.exponential(1.0 / (rate_per_s * (_STORM if storm else _CALM))))
        moments.append(now)
    return np.array(moments)


def _as_ibm(draws: "Draws", n: int) -> Any:
    """Poisson within each minute, at a rate that follows how many jobs joined the queues in it."""
    import numpy as np

    joined: dict[str, int] = {}
    last: dict[str, int] = {}
    with (public_data("queues") / _QUEUES).open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            backend, jobs = row["backend"], int(row["pending_jobs"])
            minute = row["timestamp_utc"][:16]
            joined[minute] = joined.get(minute, 0) + max(0, jobs - last.get(backend, jobs))
            last[backend] = jobs
    rates = np.array([joined[minute] for minute in sorted(joined)], np.float64)
    counts = draws.poisson(rates * (n / rates.sum()))
    moments = np.repeat(np.arange(len(counts), dtype=np.float64), counts) + draws.random(int(counts.sum()))
    return np.sort(moments) + 1e-9


def _play(world: _World, arrivals: Arrivals, policy: str, rng: Rng) -> _Outcome:
    """Every arrival through one pool, from its placing to its end."""
    names = [one.name for one in world.resources]
    pool = Pool("bench", world.kinds, world.resources, capacities=dict.fromkeys(names, _ROOM))
    queues: list[deque[str]] = [deque() for _ in names]
    busy = [False] * len(names)
    ends: list[tuple[float, str, int]] = []
    came: dict[str, float] = {}
    outcome, next_beat, waiting = _Outcome(), 0.0, deque(enumerate(arrivals))

    def begin(at: int, now: float) -> None:
        busy[at] = False
        while queues[at]:
            name = queues[at].popleft()
            ticket = pool.tickets.get(name)
            if ticket is None or ticket.resource != at or ticket.started_s >= 0:
                continue  # It has moved on.
            pool.start(name, now)
            operation = ticket.operation
            took = operation.size * float(world.truth[pool.kinds[operation.kind], at])
            heapq.heappush(ends, (now + took, name, at))
            busy[at] = True
            return

    while waiting or ends:
        arriving = bool(waiting) and (not ends or waiting[0][1][0] <= ends[0][0])
        now = waiting[0][1][0] if arriving else ends[0][0]
        if policy == "prices" and now >= next_beat:
            next_beat = now + _BEAT_S
            put(pool, compute(take(pool, now)))
            for move in plan_moves(pool, now):
                if confirm(pool, move, now):
                    queues[pool.places[move.target]].append(move.operation)
                    if not busy[pool.places[move.target]]:
                        begin(pool.places[move.target], now)
        if not arriving:
            _, name, at = heapq.heappop(ends)
            pool.finish(name, now)
            outcome.taken_s.append(now - came.pop(name))
            begin(at, now)
            continue
        number, (_, kind, size) = waiting.popleft()
        two = _two_of(world, kind, rng) if policy == "two-choices" else None
        operation = Operation(id=str(number), kind=f"k{kind}", size=size, eligible=two)
        begun = time.perf_counter_ns()
        ticket = pool.place(operation, now)
        outcome.decision_us.append((time.perf_counter_ns() - begun) / NS_PER_US)
        came[operation.id] = now
        queues[ticket.resource].append(operation.id)
        if not busy[ticket.resource]:
            begin(ticket.resource, now)
    outcome.moved = pool.moved
    return outcome


def _two_of(world: _World, kind: int, rng: Rng) -> frozenset[str]:
    able = [one.name for one in world.resources if one.kind in world.kinds[kind].work]
    return frozenset(rng.sample(able, 2))
