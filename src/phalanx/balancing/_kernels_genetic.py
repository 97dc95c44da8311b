"""Kernels of the genetic solver. An individual is an assignment; its loads and costs are carried along.

``pool`` (p, n) int16 genes, ``loads`` (p, m) float64, ``extra`` (p,) float64 the sum of costs; a next generation is
written into a second set of the same arrays, which then changes places with the first. Fitness is
``weight × fullest load + extra``, the least is best. Randomness comes in as arrays.
"""

import numpy as np

from phalanx.balancing._arrays import Flags, Floats, Genes, Longs, Sums
from phalanx.core import kernel


@kernel
def measure(times: Floats, costs: Floats, has_costs: bool, queue: Sums, pool: Genes, loads: Sums, extra: Sums) -> None:
    """Loads and costs of every individual from scratch."""
    for p in range(pool.shape[0]):
        for i in range(queue.size):
            loads[p, i] = queue[i]
        extra[p] = 0.0
        for j in range(pool.shape[1]):
            i = pool[p, j]
            loads[p, i] += times[i, j]
            if has_costs:
                extra[p] += costs[i, j]


@kernel
def fitness(loads: Sums, extra: Sums, weight: float, out: Sums) -> None:
    """Of every individual; less is better."""
    for p in range(extra.size):
        out[p] = weight * loads[p].max() + extra[p]


@kernel
def _move(
    times: Floats, costs: Floats, has_costs: bool, genes: Genes, loads: Sums, extra: float, j: int, to: int
) -> float:
    """Give one gene another value; returns the new sum of costs."""
    was = genes[j]
    loads[was] -= times[was, j]
    loads[to] += times[to, j]
    genes[j] = to
    return extra + costs[to, j] - costs[was, j] if has_costs else extra


@kernel
def breed(
    times: Floats,
    costs: Floats,
    has_costs: bool,
    pool: Genes,
    loads: Sums,
    extra: Sums,
    parents: Longs,
    cuts: Longs,
    crossed: Flags,
    next_pool: Genes,
    next_loads: Sums,
    next_extra: Sums,
) -> None:
    """Children of the pairs ``parents`` (p, 2): the first one, with the genes between the ``cuts`` (p, 2) of the other.

    Only where the parents differ do loads change, so a child of two that are alike costs little more than a copy.
    """
    for p in range(parents.shape[0]):
        one, other = parents[p, 0], parents[p, 1]
        for j in range(pool.shape[1]):
            next_pool[p, j] = pool[one, j]
        for i in range(loads.shape[1]):
            next_loads[p, i] = loads[one, i]
        next_extra[p] = extra[one]
        if not crossed[p]:
            continue
        for j in range(cuts[p, 0], cuts[p, 1]):
            to = pool[other, j]
            if to != next_pool[p, j]:
                next_extra[p] = _move(times, costs, has_costs, next_pool[p], next_loads[p], next_extra[p], j, to)


@kernel
def mutate(
    times: Floats,
    costs: Floats,
    has_costs: bool,
    pool: Genes,
    loads: Sums,
    extra: Sums,
    who: Longs,
    gene: Longs,
    draw: Sums,
) -> None:
    """One operation of each individual in ``who`` to a resource drawn from those that may take it."""
    m = times.shape[0]
    for at in range(who.size):
        p, j = who[at], gene[at]
        able = 0
        for i in range(m):
            able += times[i, j] < np.inf
        wanted = int(draw[at] * able)
        for i in range(m):
            if times[i, j] < np.inf:
                if wanted == 0:
                    extra[p] = _move(times, costs, has_costs, pool[p], loads[p], extra[p], j, i)
                    break
                wanted -= 1


@kernel
def scatter(times: Floats, draws: Sums, out: Genes) -> None:
    """A random eligible assignment: ``draws`` (n,) in [0, 1) into ``out`` (n,) int16."""
    m, n = times.shape
    able = np.empty(m, np.int64)
    for j in range(n):
        count = 0
        for i in range(m):
            if times[i, j] < np.inf:
                able[count] = i
                count += 1
        out[j] = able[int(draws[j] * count)]
