"""Kernels of the Lagrangian dual: what an assignment must cost at given prices, and better prices.

Shapes: ``times`` (m, n) float32, infinity where operation j may not go to resource i; ``costs`` (m, n) float32, or
(0, 0) with ``has_costs`` false; ``prices`` (m,) float32; ``queue`` (m,) float64, work that a resource has already.
With prices λ the value of a pair is ``λᵢ·pᵢⱼ + cᵢⱼ``. Arrays are copied by loops: for ``a[:] = b`` numba compiles an
error message first, a second for each kernel.
"""

import numpy as np

from phalanx.balancing._arrays import Floats, Places, Sums
from phalanx.core import fast_kernel, kernel

BLOCK = 256
# Of the Newton matrix, relative to what a resource has and to what it should have.
RIDGE = 0.01
# Resources that can do nothing have logarithms below this, and stay below all others.
UNUSABLE = -25.0
# What the barrier may take off the value at sharpness k is this over k.
BARRIER = 0.1


@fast_kernel
def cheapest(times: Floats, costs: Floats, has_costs: bool, prices: Floats, choice: Places, loads: Sums) -> float:
    """Each operation to the pair of least value; fills ``choice`` and ``loads``, returns the sum of the values."""
    m, n = times.shape
    block = 512
    best = np.empty(block, np.float32)
    took = np.empty(block, np.float32)
    where = np.empty(block, np.int32)
    loads[:] = 0.0
    total = 0.0
    for low in range(0, n, block):
        width = min(block, n - low)
        best[:] = np.inf
        where[:] = 0
        took[:] = 0.0
        for i in range(m):
            price = prices[i]
            row = times[i, low : low + width]
            here = np.int32(i)
            if has_costs:
                extra = costs[i, low : low + width]
                for j in range(width):
                    value = price * row[j] + extra[j]
                    less = value < best[j]
                    best[j] = value if less else best[j]
                    took[j] = row[j] if less else took[j]
                    where[j] = here if less else where[j]
            else:
                for j in range(width):
                    value = price * row[j]
                    less = value < best[j]
                    best[j] = value if less else best[j]
                    took[j] = row[j] if less else took[j]
                    where[j] = here if less else where[j]
        for j in range(width):
            choice[low + j] = where[j]
            loads[where[j]] += took[j]
            total += best[j]
    return total


@fast_kernel
def _values(
    times: Floats, costs: Floats, has_costs: bool, prices: Floats, low: int, width: int, values: Floats, best: Floats
) -> None:
    """The values of one block of operations, and the least of each operation."""
    best[:] = np.inf
    for i in range(times.shape[0]):
        price = prices[i]
        row = times[i, low : low + width]
        value = values[i]
        if has_costs:
            extra = costs[i, low : low + width]
            for j in range(width):
                value[j] = price * row[j] + extra[j]
                best[j] = value[j] if value[j] < best[j] else best[j]
        else:
            for j in range(width):
                value[j] = price * row[j]
                best[j] = value[j] if value[j] < best[j] else best[j]


@fast_kernel
def _powers(values: Floats, best: Floats, width: int, sharpness: int, total: Floats) -> None:
    """Replace values by ``(best/value)^(2^sharpness)``; ``total`` becomes their sum per operation.

    What falls below 1e-17 on the way is cut to zero: the square would be a denormal, which costs a hundred cycles.
    """
    tiny, zero = np.float32(1e-17), np.float32(0.0)
    total[:] = 0.0
    for i in range(values.shape[0]):
        value = values[i]
        for j in range(width):
            value[j] = best[j] / value[j]
        for _ in range(sharpness):
            for j in range(width):
                kept = value[j] if value[j] > tiny else zero
                value[j] = kept * kept
        for j in range(width):
            total[j] += value[j]


@fast_kernel
def _shared(
    times: Floats,
    costs: Floats,
    has_costs: bool,
    prices: Floats,
    low: int,
    width: int,
    values: Floats,
    soft: Floats,
    total: Floats,
    worth: Sums,
    bend: Sums,
    loads: Sums,
) -> None:
    """From powers to shares; adds each resource's part of the smoothed value and of the load.

    Leaves in ``values`` share times φ, where φ is the part of a pair's value that the price makes. The less that is,
    the less loads follow prices: ``bend`` has φ twice where ``worth`` has it once.
    """
    small, zero = np.float32(1e-6), np.float32(0.0)
    for i in range(values.shape[0]):
        value = values[i]
        row = times[i, low : low + width]
        price = prices[i]
        worth_here = zero
        bend_here = zero
        load_here = zero
        for j in range(width):
            share = value[j] * total[j]
            share = share if share > small else zero
            time = row[j] if share > zero else zero
            load_here += time * share
            part = np.float32(1.0)
            if has_costs:
                paid = price * time
                part = paid / (paid + costs[i, low + j]) if share > zero else zero
                share *= part
            value[j] = share
            worth_here += soft[j] * share
            bend_here += soft[j] * share * part
        worth[i] += worth_here
        bend[i] += bend_here
        loads[i] += load_here


@fast_kernel
def smoothed(
    times: Floats,
    costs: Floats,
    has_costs: bool,
    prices: Floats,
    sharpness: int,
    scratch: Floats,
    worth: Sums,
    bend: Sums,
    loads: Sums,
    shared: Sums,
) -> float:
    """The dual smoothed with exponent k = 2^sharpness, and what a Newton step needs.

    ``scratch`` (m, BLOCK) float32; ``worth`` (m,) the gradient by log price; ``loads`` (m,) the fractional loads;
    ``bend`` (m,) and ``shared`` (m, m), lower half, its curvature: the second is how much value pairs of resources
    share. Returns the smoothed value.
    """
    m, n = times.shape
    best = np.empty(BLOCK, np.float32)
    total = np.empty(BLOCK, np.float32)
    worth[:] = 0.0
    bend[:] = 0.0
    loads[:] = 0.0
    shared[:] = 0.0
    whole = 0.0
    inverse = np.float32(1.0 / (1 << sharpness))
    one = np.float32(1.0)
    for low in range(0, n, BLOCK):
        width = min(BLOCK, n - low)
        _values(times, costs, has_costs, prices, low, width, scratch, best)
        _powers(scratch, best, width, sharpness, total)
        for j in range(width):
            best[j] = best[j] * total[j] ** (-inverse)
            total[j] = one / total[j]
            whole += best[j]
        _shared(times, costs, has_costs, prices, low, width, scratch, best, total, worth, bend, loads)
        for i in range(m):
            mine = scratch[i]
            for j in range(width):
                total[j] = best[j] * mine[j]
            for k in range(i + 1):
                other = scratch[k]
                both = np.float32(0.0)
                for j in range(width):
                    both += total[j] * other[j]
                shared[i, k] += both
    return whole


@kernel
def _newton(worth: Sums, bend: Sums, shared: Sums, prices: Floats, weight: float, k: float, step: Sums) -> None:
    """Solve for the change of log prices that would give each resource its part of the value, price over ``weight``.

    ``diag(bend) - shared`` is the Laplacian of who shares operations with whom. The ridge keeps steps within reason
    where a resource shares with nobody, or has nothing at all. Cholesky, in place.
    """
    m = worth.size
    lower = np.empty((m, m))
    whole = worth.sum()
    mean = bend.sum() / m
    for i in range(m):
        for j in range(i + 1):
            lower[i, j] = -shared[i, j]
        lower[i, i] += bend[i] + RIDGE * (bend[i] + prices[i] / weight * whole)
        step[i] = (worth[i] - prices[i] / weight * whole) / (k + 1.0)
    for i in range(m):
        for j in range(i + 1):
            left = lower[i, j]
            for q in range(j):
                left -= lower[i, q] * lower[j, q]
            lower[i, j] = np.sqrt(max(left, 1e-12 * mean)) if i == j else left / lower[j, j]
    for i in range(m):
        left = step[i]
        for q in range(i):
            left -= lower[i, q] * step[q]
        step[i] = left / lower[i, i]
    for i in range(m - 1, -1, -1):
        left = step[i]
        for q in range(i + 1, m):
            left -= lower[q, i] * step[q]
        step[i] = left / lower[i, i]


@kernel
def spread(logs: Sums, weight: float, prices: Floats) -> None:
    """Prices that add up to ``weight``, from their logarithms up to a constant."""
    top = logs.max()
    whole = 0.0
    for i in range(logs.size):
        whole += np.exp(logs[i] - top)
    for i in range(logs.size):
        prices[i] = np.exp(logs[i] - top) / whole * weight


@kernel
def _barred(logs: Sums, prices: Floats, barrier: float, worth: Sums) -> float:
    """A logarithmic barrier that keeps prices off nought: its value, and its gradient added to ``worth``.

    A resource that a sample has no use for would fall to nothing, and more operations could not raise it again: what it
    adds to the value would be lost in rounding.
    """
    value = 0.0
    for i in range(logs.size):
        if logs[i] > UNUSABLE:
            worth[i] += barrier
            value += barrier * np.log(prices[i])
    return value


@kernel
def ascend(
    times: Floats,
    costs: Floats,
    has_costs: bool,
    queue: Sums,
    weight: float,
    logs: Sums,
    first: int,
    last: int,
    steps: int,
    tolerance: float,
) -> float:
    """Improve ``logs``, the logarithms of the prices, by damped Newton steps on the smoothed dual.

    The sharpness goes from ``first`` to ``last``, with ``steps`` steps at each, fewer once the fullest resource is
    within ``tolerance`` of the mean. Returns the mean fractional load, weighted by price.
    """
    m = times.shape[0]
    scratch = np.empty((m, BLOCK), np.float32)
    worth, bend, loads, shared = np.empty(m), np.empty(m), np.empty(m), np.empty((m, m))
    worth_new, bend_new, loads_new, shared_new = np.empty(m), np.empty(m), np.empty(m), np.empty((m, m))
    step, logs_new, prices = np.empty(m), np.empty(m), np.empty(m, np.float32)
    mean = 0.0
    for sharpness in range(first, last + 1):
        spread(logs, weight, prices)
        value = smoothed(times, costs, has_costs, prices, sharpness, scratch, worth, bend, loads, shared)
        value += _with_queue(queue, prices, worth, loads)
        barrier = BARRIER / (1 << sharpness) * value / m
        value += _barred(logs, prices, barrier, worth)
        for _ in range(steps):
            mean = _mean(prices, loads) / weight
            if loads.max() < mean * (1.0 + tolerance):
                break
            _newton(worth, bend, shared, prices, weight, float(1 << sharpness), step)
            length = min(1.0, 2.0 / max(_centred(step), 1e-12))
            better = False
            for _ in range(5):
                for i in range(m):
                    logs_new[i] = logs[i] + length * step[i]
                spread(logs_new, weight, prices)
                value_new = smoothed(
                    times, costs, has_costs, prices, sharpness, scratch, worth_new, bend_new, loads_new, shared_new
                )
                value_new += _with_queue(queue, prices, worth_new, loads_new)
                value_new += _barred(logs_new, prices, barrier, worth_new)
                if value_new > value:
                    better = True
                    break
                length *= 0.35
            if not better:
                break
            for i in range(m):
                logs[i] = logs_new[i]
            value = value_new
            worth, worth_new = worth_new, worth
            bend, bend_new = bend_new, bend
            loads, loads_new = loads_new, loads
            shared, shared_new = shared_new, shared
        spread(logs, weight, prices)
        mean = _mean(prices, loads) / weight
    return mean


@kernel
def _mean(prices: Floats, loads: Sums) -> float:
    """Of loads, weighted by price."""
    whole = 0.0
    for i in range(loads.size):
        whole += prices[i] * loads[i]
    return whole


@kernel
def _centred(step: Sums) -> float:
    """Take the mean off each entry; returns the largest of what is left, by amount."""
    mean, most = 0.0, 0.0
    for i in range(step.size):
        mean += step[i] / step.size
    for i in range(step.size):
        step[i] -= mean
        most = max(most, abs(step[i]))
    return most


@kernel
def _with_queue(queue: Sums, prices: Floats, worth: Sums, loads: Sums) -> float:
    value = 0.0
    for i in range(queue.size):
        worth[i] += prices[i] * queue[i]
        loads[i] += queue[i]
        value += prices[i] * queue[i]
    return value
