"""Published instances: the gap to the bounds and the best makespans that others found.

Read from the public test data beside the checkout, which is not part of it.
"""

import csv
import time
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from phalanx.balancing import MAKESPAN_ONLY, Answer, Problem, solve
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench._timing import quantile
from phalanx.bench.public import public_data
from phalanx.core import NS_PER_MS

if TYPE_CHECKING:
    import numpy as np

_RULES = ("earliest", "lpt", "min-min", "sufferage")
_MANY_PER_MACHINE = 10
_EFFORT = 8


def braun(options: BenchOptions) -> BenchResult:
    """Eight instances of 512 tasks on 16 machines, with an LP bound and the best published makespan."""
    instances, gaps, behind, ms = {}, [], [], []
    rules: dict[str, list[float]] = {rule: [] for rule in _RULES}
    for row in _rows("braun_hcsp/REFERENCE_BOUNDS.csv"):
        numbers = _numbers(f"braun_hcsp/{row['set']}/{row['instance']}", skip=1)
        problem = Problem.from_times(numbers.reshape(int(row["tasks"]), int(row["machines"])).T)
        bound, best = float(row["lp_lower_bound"]), float(row["best_published_makespan"])
        answer, took_ms = _timed(problem, options.seed)
        gaps.append(answer.makespan_s / bound - 1.0)
        behind.append(answer.makespan_s / best - 1.0)
        ms.append(took_ms)
        instances[row["instance"]] = {"gap": gaps[-1], "over_published_best": behind[-1], "ms": took_ms}
        for rule in _RULES:
            rules[rule].append(solve(problem, method=rule, weights=MAKESPAN_ONLY).makespan_s / bound - 1.0)
    return BenchResult(
        load={"instances": len(gaps), "tasks": 512, "machines": 16, "bound": "linear relaxation, published"},
        figures={
            "gap_mean": fmean(gaps),
            "gap_max": max(gaps),
            "over_published_best_mean": fmean(behind),
            "ms_p50": quantile(ms, 0.5),
            "ms_max": max(ms),
            "instances": instances,
        },
        baselines={rule: {"gap_mean": fmean(found)} for rule, found in rules.items()},
    )


def rcmax(options: BenchOptions) -> BenchResult:
    """R||Cmax: 100 to 1,000 jobs on 10 to 50 machines, by whether there are ten jobs for each machine or more."""
    by_size: dict[str, list[tuple[float, float]]] = {}
    many: list[tuple[float, float]] = []
    few: list[tuple[float, float]] = []
    ms: list[float] = []
    rows = _rows("rcmax/LP_BOUNDS.csv")[:: 8 if options.quick else 1]
    for row in rows:
        n, m = int(row["jobs"]), int(row["machines"])
        numbers = _numbers(f"rcmax/Parallelmachine/{row['instance']}.txt", skip=2)
        problem = Problem.from_times(numbers.reshape(n, m).T)
        answer, took_ms = _timed(problem, options.seed, effort=_EFFORT)
        proved = max(float(row["int_lower_bound"]), answer.makespan_bound_s)
        gap, to_linear = answer.makespan_s / proved - 1.0, answer.makespan_s / float(row["lp"]) - 1.0
        by_size.setdefault(f"{n}x{m}", []).append((gap, to_linear))
        (many if n >= _MANY_PER_MACHINE * m else few).append((gap, to_linear))
        ms.append(took_ms)
    return BenchResult(
        load={
            "instances": len(rows),
            "effort": _EFFORT,
            "bound": "the best of the published LP, deadlines and counting, rounded up (times are whole numbers)",
        },
        figures={
            "many_per_machine": _means(many),
            "few_per_machine": _means(few),
            "ms_p50": quantile(ms, 0.5),
            "ms_p90": quantile(ms, 0.9),
            "sizes": {size: _means(found) for size, found in by_size.items()},
        },
    )


def _means(found: list[tuple[float, float]]) -> dict[str, float]:
    return {
        "instances": len(found),
        "gap_mean": fmean(gap for gap, _ in found),
        "over_linear_bound_mean": fmean(linear for _, linear in found),
    }


def _timed(problem: Problem, seed: int, **how: Any) -> tuple[Answer, float]:
    begun = time.perf_counter_ns()
    answer = solve(problem, weights=MAKESPAN_ONLY, seed=seed, **how)
    return answer, (time.perf_counter_ns() - begun) / NS_PER_MS


def _rows(name: str) -> list[dict[str, str]]:
    with _file(name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _numbers(name: str, *, skip: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """All numbers of a file after the first ``skip`` lines."""
    import numpy as np

    return np.array(_file(name).read_text().split("\n", skip)[skip].split(), np.float64)


def _file(name: str) -> Path:
    """``name`` begins with the folder of its set."""
    folder, _, rest = name.partition("/")
    return public_data("braun" if folder.startswith("braun") else folder) / rest
