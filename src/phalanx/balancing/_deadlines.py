"""Stronger bounds where operations are few and large against the makespan.

By deadlines: if everything is done by T, then no pair of operation and resource takes longer than T leaves it. Without
those pairs the dual bound is higher; where it exceeds T, nothing is done by T. The largest such T is a bound (Lenstra,
Shmoys and Tardos), found by halving. By counting: within T a resource does at most as many operations as its shortest
ones fit into T; where these counts add up to fewer than there are, nothing is done by T. Where all times are whole
numbers so is the optimum, and bounds are rounded up.
"""

import math
from typing import TYPE_CHECKING

from phalanx.balancing._kernel_sets import kernels
from phalanx.balancing._limits import BOUND_SLACK, MAX_SHARPENED_PAIRS
from phalanx.balancing._problem import Problem
from phalanx.core import LimitExceeded

if TYPE_CHECKING:
    from phalanx.balancing._arrays import Floats, Sums

_COARSE = (2, 7, 4, 0.2)
_SHARP = (8, 13, 4, 0.01)
_CLOSE = 1e-3
_MAX_HALVINGS = 40


def deadline_bound(problem: Problem, *, known_s: float, makespan_s: float) -> float:
    """A bound on the makespan, at least ``known_s``; ``makespan_s`` is one that was reached.

    For problems of up to 65,536 pairs: it solves the dual some ten times over.
    """
    import numpy as np

    if problem.times.size > MAX_SHARPENED_PAIRS:
        raise LimitExceeded(
            "pairs of a problem to bound by deadlines", maximum=MAX_SHARPENED_PAIRS, seen=problem.times.size
        )
    if not problem.n_operations:
        return known_s
    whole = is_whole(problem)
    low, high = max(known_s, counting_bound(problem)), makespan_s
    if whole:
        low, high = math.ceil(low * (1.0 - BOUND_SLACK) - 1e-9), round(makespan_s)
    logs = np.where(problem.usable, 0.0, -30.0)
    for _ in range(_MAX_HALVINGS):
        if high - low < (1 if whole else _CLOSE * high):
            break
        tried = (low + high) // 2 if whole else (low + high) / 2
        room = np.maximum(tried - problem.queue_s, 0.0)
        kept = np.where(problem.times <= room[:, None] * (1.0 + BOUND_SLACK), problem.times, np.float32(np.inf))
        if np.isinf(kept.min(axis=0)).any() or _dual(kept, problem.queue_s, logs) > tried * (1.0 + BOUND_SLACK):
            low = tried + 1 if whole else tried
        else:
            high = tried
    return float(low)


def counting_bound(problem: Problem) -> float:
    """The least T within which the resources could do as many operations as there are, each its own shortest ones."""
    import numpy as np

    ends = np.cumsum(np.sort(problem.times.astype(np.float64), axis=1), axis=1) + problem.queue_s[:, None]
    # Among all moments at which one more could be done, the n-th is the first at which n could be.
    return float(np.partition(ends.ravel(), problem.n_operations - 1)[problem.n_operations - 1])


def is_whole(problem: Problem) -> bool:
    """Whether every time and queue is a whole number, so that the optimum is one."""
    import numpy as np

    finite = problem.times[np.isfinite(problem.times)]
    return bool((finite == np.rint(finite)).all() and (problem.queue_s == np.rint(problem.queue_s)).all())


def _dual(times: "Floats", queue: "Sums", logs: "Sums") -> float:
    """The best bound that prices prove for these times; ``logs`` begins as the last prices and ends as the new ones."""
    import numpy as np

    dual = kernels("dual")

    m, n = times.shape
    no_costs, best = np.empty((0, 0), np.float32), 0.0
    prices, choice, loads = np.empty(m, np.float32), np.empty(n, np.int32), np.empty(m)
    times = np.ascontiguousarray(times)
    for plan in (_COARSE, _SHARP):
        first, last, steps, tolerance = plan
        for sharpness in range(first, last + 1):
            dual.ascend(times, no_costs, no_costs.size > 0, queue, 1.0, logs, sharpness, sharpness, steps, tolerance)
            dual.spread(logs, 1.0, prices)
            value = dual.cheapest(times, no_costs, no_costs.size > 0, prices, choice, loads)
            exact = prices.astype(np.float64)
            best = max(best, float(value + exact @ queue) / float(exact.sum()))
    return best
