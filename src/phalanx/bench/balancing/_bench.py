"""Distributing operations over resources: how far from the best possible, how fast, and against what.

The suite without a name solves seeded instances of five families (``_balancing_loads``) at three sizes on 64 resources;
the time is from columns or matrix to the answer with its certificate, on kernels that are loaded. Baselines are run on
the same instances in the same run. ``braun`` and ``rcmax`` are published instances, read from the public test data
beside the checkout; ``stream`` is operations that arrive (``_balancing_stream``).
"""

import time
from collections.abc import Callable, Sequence
from statistics import fmean, median
from typing import Any

from phalanx.balancing import BASELINES, MAKESPAN_ONLY, Answer, Weights, solve, warm
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench._timing import quantile
from phalanx.bench.balancing._loads import FAMILIES, N_RESOURCES, Instance
from phalanx.bench.balancing._public import braun, rcmax
from phalanx.bench.balancing._stream import stream
from phalanx.core import NS_PER_MS, Rng

_MAIN, _LARGE, _HUGE = 13_847, 100_000, 1_000_000
SUITES: dict[str, Callable[[BenchOptions], BenchResult]] = {"braun": braun, "rcmax": rcmax, "stream": stream}


class _Measured:
    """One method's answers and their times, over instances."""

    def __init__(self) -> None:
        self.ms: list[float] = []
        self.answers: list[Answer] = []

    def take(self, instance: Instance, *, seed: int, **how: Any) -> None:
        begun = time.perf_counter_ns()
        answer = solve(instance(), seed=seed, **how)
        self.ms.append((time.perf_counter_ns() - begun) / NS_PER_MS)
        self.answers.append(answer)

    def summary(self) -> dict[str, float]:
        """``gap`` is the median over runs, its worst beside it; efficiency the least, contention the most."""
        gaps = [answer.gap for answer in self.answers]
        return {
            "gap": median(gaps),
            "gap_max": max(gaps),
            "ms_p50": quantile(self.ms, 0.5),
            "ms_p90": quantile(self.ms, 0.9),
            "efficiency": min(1.0 / (1.0 + gap) for gap in gaps),
            "contention": max(answer.contention for answer in self.answers),
        }


async def balancing_bench(options: BenchOptions) -> BenchResult:
    """Gap, time, efficiency and contention, and every baseline on the same instances."""
    warm()
    if options.suite:
        return SUITES[options.suite](options)
    seeds = range(options.seed, options.seed + (1 if options.quick else 2))
    figures = {
        "n13847": _size(_MAIN, seeds, repeats=2 if options.quick else 5),
        "n100000": _size(_LARGE, seeds, repeats=1 if options.quick else 3),
        "n1000000": _size(_HUGE, seeds[:1], repeats=1, families=("security", "inconsistent")),
    }
    rules = {name: measured.summary() for name, measured in _rules(seeds).items()}
    own = figures["n13847"]["gap"]
    return BenchResult(
        load={
            "resources": N_RESOURCES,
            "families": list(FAMILIES),
            "instances": len(FAMILIES) * len(seeds),
            "objective": "makespan against its dual bound; four_objectives weighs 0.4, 0.3, 0.2, 0.1",
            "efficiency": "bound over what was reached, the least of all runs",
            "contention": "share of work beyond the makespan's bound, the most of all runs",
        },
        figures=figures,
        baselines=rules,
        ratios={
            f"{name}_makespan_over_prices": (1.0 + rules[name]["gap"]) / (1.0 + own) for name in (*BASELINES, "genetic")
        }
        | {"genetic_gain_over_its_seed": own - rules["prices+genetic"]["gap"]},
    )


def _instance(family: str, n: int, seed: int) -> Instance:
    import numpy as np

    return FAMILIES[family](np.random.default_rng([seed, n, list(FAMILIES).index(family)]), n)


def _size(n: int, seeds: Sequence[int], *, repeats: int, families: Sequence[str] = tuple(FAMILIES)) -> dict[str, Any]:
    whole, all_four, by_family = _Measured(), _Measured(), {}
    for family in families:
        own = _Measured()
        for seed in seeds:
            instance = _instance(family, n, seed)
            for repeat in range(repeats):
                own.take(instance, seed=seed + repeat, weights=MAKESPAN_ONLY)
            all_four.take(instance, seed=seed, weights=Weights())
        by_family[family] = {"gap": fmean(answer.gap for answer in own.answers), "ms_p50": median(own.ms)}
        whole.ms += own.ms
        whole.answers += own.answers
    four = all_four.summary()
    del four["contention"]  # It is of the makespan, which these weights trade for the other three.
    return whole.summary() | {"families": by_family, "four_objectives": four}


def _rules(seeds: Sequence[int]) -> dict[str, _Measured]:
    """Every other method once on the same instances. A list rule's time is its own, without the bound."""
    found: dict[str, _Measured] = {}
    for family in FAMILIES:
        for seed in seeds:
            instance = _instance(family, _MAIN, seed)
            for method in (*BASELINES, "genetic", "prices+genetic"):
                measured = found.setdefault(method, _Measured())
                measured.take(instance, seed=seed, method=method, weights=MAKESPAN_ONLY)
                if method in BASELINES:
                    problem, begun = instance(), time.perf_counter_ns()
                    BASELINES[method](problem, Rng(seed))
                    measured.ms[-1] = (time.perf_counter_ns() - begun) / NS_PER_MS
    return found
