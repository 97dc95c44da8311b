"""Kernels of the list heuristics that everything else is compared with.

``times`` (m, n) float32, infinity where not eligible; ``loads`` (m,) float64 begins as the queues and ends as the
loads; ``choice`` (n,) int32 is filled. Whoever is not told otherwise takes operations in the order they came in.
"""

import numpy as np

from phalanx.balancing._arrays import Floats, Longs, Places, Sums
from phalanx.core import kernel


@kernel
def round_robin(times: Floats, loads: Sums, choice: Places) -> None:
    """The next resource in turn that may take it."""
    m, n = times.shape
    turn = 0
    for j in range(n):
        while not times[turn, j] < np.inf:
            turn = (turn + 1) % m
        choice[j] = turn
        loads[turn] += times[turn, j]
        turn = (turn + 1) % m


@kernel
def least_loaded(times: Floats, loads: Sums, choice: Places) -> None:
    """The resource with the least load so far, whatever the operation takes there."""
    m, n = times.shape
    for j in range(n):
        here = -1
        for i in range(m):
            if times[i, j] < np.inf and (here < 0 or loads[i] < loads[here]):
                here = i
        choice[j] = here
        loads[here] += times[here, j]


@kernel
def earliest(times: Floats, order: Longs, loads: Sums, choice: Places) -> None:
    """In ``order`` (n,) int64: where it would be done first. By falling time this is the LPT rule."""
    m = times.shape[0]
    for j in order:
        here = 0
        soonest = np.inf
        for i in range(m):
            done = loads[i] + times[i, j]
            if done < soonest:
                soonest = done
                here = i
        choice[j] = here
        loads[here] = soonest


@kernel
def two_choices(times: Floats, draws: Sums, loads: Sums, choice: Places) -> None:
    """Of two resources drawn from those eligible, the one where it would be done first. ``draws`` (n, 2) in [0, 1)."""
    m, n = times.shape
    able = np.empty(m, np.int64)
    for j in range(n):
        count = 0
        for i in range(m):
            if times[i, j] < np.inf:
                able[count] = i
                count += 1
        one = able[int(draws[j, 0] * count)]
        other = able[int(draws[j, 1] * count)]
        here = one if loads[one] + times[one, j] <= loads[other] + times[other, j] else other
        choice[j] = here
        loads[here] += times[here, j]


@kernel
def min_min(times: Floats, by_time: Places, loads: Sums, choice: Places) -> None:
    """Again and again the pair that would be done first. ``by_time`` (m, n) int32 sorts each resource's operations."""
    m, n = times.shape
    choice[:] = -1
    at = np.zeros(m, np.int64)
    for _ in range(n):
        soonest = np.inf
        here = 0
        for i in range(m):
            while at[i] < n and choice[by_time[i, at[i]]] >= 0:
                at[i] += 1
            if at[i] < n and loads[i] + times[i, by_time[i, at[i]]] < soonest:
                soonest = loads[i] + times[i, by_time[i, at[i]]]
                here = i
        choice[by_time[here, at[here]]] = here
        loads[here] = soonest


@kernel
def _two_best(times: Floats, loads: Sums, j: int) -> tuple[int, int, float, float]:
    """Where operation ``j`` would be done first and second, and when; alone, its first place is its second as well."""
    first, second, here, next_best = np.inf, np.inf, 0, -1
    for i in range(loads.size):
        done = loads[i] + times[i, j]
        if done < first:
            second, next_best = first, here
            first, here = done, i
        elif done < second:
            second, next_best = done, i
    if second == np.inf:
        return here, here, first, first
    return here, next_best, first, second


@kernel
def most_urgent(times: Floats, by_sufferage: bool, loads: Sums, choice: Places) -> None:
    """Max-min and sufferage: again and again the operation that has most to lose, to where it would be done first.

    Max-min means the one whose best completion is latest, sufferage the one whose second best is furthest from it.
    Quadratic in the number of operations.
    """
    n = times.shape[1]
    left = np.arange(n)
    best, other = np.empty(n, np.int64), np.empty(n, np.int64)
    first, second = np.empty(n), np.empty(n)
    for j in range(n):
        best[j], other[j], first[j], second[j] = _two_best(times, loads, j)
    for count in range(n, 0, -1):
        at = 0
        most = -1.0
        for u in range(count):
            j = left[u]
            urgency = second[j] - first[j] if by_sufferage else first[j]
            if urgency > most:
                most = urgency
                at = u
        j = left[at]
        left[at] = left[count - 1]
        here = best[j]
        choice[j] = here
        loads[here] = first[j]
        # Loads only grow, so who had this resource neither first nor second is not affected.
        for u in range(count - 1):
            k = left[u]
            if best[k] == here or (by_sufferage and other[k] == here):
                best[k], other[k], first[k], second[k] = _two_best(times, loads, k)
