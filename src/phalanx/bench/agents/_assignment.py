"""How missions are assigned: the pool that a node uses, beside an auction and the optimum.

A turn hands out a batch of missions to agents of one role (matching falls apart by role). Agents differ in speed, in
what they hold already, in trust (what fails is done again) and in where they are. An agent takes one mission
of a batch besides what it holds, so the sum of expected completion times is an assignment problem,
and its optimum is exact. Every method sees the same expected times; the pool decides one mission after another.
"""

import time
from collections.abc import Callable
from statistics import fmean

import numpy as np

from phalanx.balancing import Operation, OperationKind, Pool, Resource
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench.agents._matching import Costs, Slots, auction, greedy, optimal
from phalanx.core import Rng

_AGENTS = 125
_BATCHES = (8, 64, 120)
_SITES = ("here", "there")
_FAR_MIB, _LINK_MIB_PER_S = 20.0, 100.0
_TRUST = (0.8, 1.0)


def assignment_figures(options: BenchOptions) -> BenchResult:
    """Mean expected completion over the optimum, and time for each mission, by method and batch."""
    rounds = 5 if options.quick else 30
    methods: dict[str, Callable[[Costs], Slots]] = {"greedy": greedy, "auction": auction, "optimal": optimal}
    figures, baselines = {}, {}
    for size in _BATCHES:
        gaps: dict[str, list[float]] = {name: [] for name in ("pool", *methods)}
        times: dict[str, list[float]] = {name: [] for name in gaps}
        for number in range(rounds):
            rng = options.rng.child(f"{size}/{number}")
            pool, cost, kinds = _problem(rng, size)
            least = float("nan")
            for name, solve in reversed(methods.items()):
                began = time.thread_time()
                slots = solve(cost)
                times[name].append((time.thread_time() - began) / size)
                total = float(cost[np.arange(size), slots].sum())
                least = total if name == "optimal" else least
                gaps[name].append(total / least - 1)
            began = time.thread_time()
            chosen = [_placed(pool, n, kinds[n]) for n in range(size)]
            times["pool"].append((time.thread_time() - began) / size)
            gaps["pool"].append(float(cost[np.arange(size), chosen].sum()) / least - 1)
        told = {name: {"over_optimum": fmean(gaps[name]), "us_per_mission": fmean(times[name]) * 1e6} for name in gaps}
        figures[f"batch_{size}"] = {"pool": told.pop("pool")}
        baselines[f"batch_{size}"] = told
    return BenchResult(
        load={"agents": _AGENTS, "batches": _BATCHES, "rounds": rounds, "trust": _TRUST, "sites": len(_SITES)},
        figures=figures,
        baselines=baselines,
        ratios={
            f"optimal_over_pool_time_batch_{size}": baselines[f"batch_{size}"]["optimal"]["us_per_mission"]
            / figures[f"batch_{size}"]["pool"]["us_per_mission"]
            for size in _BATCHES
        },
    )


def _problem(rng: Rng, size: int) -> tuple[Pool, Costs, list[str]]:
    """A pool in the middle of its work, and the expected completion of each mission at each agent, failures counted."""
    draw = rng.numpy()
    speeds = draw.lognormal(0.0, 0.4, (_AGENTS, 2))
    trusts = draw.uniform(*_TRUST, _AGENTS)
    sites = [_SITES[int(one)] for one in draw.integers(0, len(_SITES), _AGENTS)]
    kinds = [OperationKind(name=name, work={"agent": work}) for name, work in (("triage", 1.0), ("hunt", 3.0))]
    resources = [
        Resource(
            name=f"agent-{n}", kind="agent", site=sites[n],
            speed={"triage": float(speeds[n, 0]), "hunt": float(speeds[n, 1])},
            default_link_s_per_mib=1 / _LINK_MIB_PER_S,
        )
        for n in range(_AGENTS)
    ]  # fmt: skip
    holds = [rng.chance(0.5) for _ in resources]
    capacities = {one.name: 1 + held for one, held in zip(resources, holds, strict=True)}
    pool = Pool("agents", kinds, resources, capacities=capacities)
    waits = np.zeros(_AGENTS)
    for n in range(_AGENTS):
        pool.set_loss(f"agent-{n}", float(1 / trusts[n] - 1))
        if holds[n]:
            ticket = pool.place(Operation(id=f"held-{n}", kind="triage"), 0.0, only=f"agent-{n}")
            waits[n] = ticket.expected_s
    wanted = [rng.choice(("triage", "hunt")) for _ in range(size)]
    cost = np.zeros((size, _AGENTS))
    for row, kind in enumerate(wanted):
        work = np.array([kinds[kind == "hunt"].work["agent"] / speeds[n, int(kind == "hunt")] for n in range(_AGENTS)])
        far = np.array([_FAR_MIB / _LINK_MIB_PER_S if site != _SITES[0] else 0.0 for site in sites])
        cost[row] = waits + work / trusts + far
    return pool, cost, wanted


def _placed(pool: Pool, number: int, kind: str) -> int:
    operation = Operation(id=f"mission-{number}", kind=kind, data_mib=_FAR_MIB, site=_SITES[0])
    return pool.place(operation, 0.0).resource
