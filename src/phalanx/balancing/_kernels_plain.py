"""The kernels of prices in NumPy, for while the compiled ones are not there. Names, arguments and effects are theirs.

Shapes and units are in ``_kernels_model``, ``_kernels_dual``, ``_kernels_assign`` and ``_kernels_lists``.
"""

import numpy as np

from phalanx.balancing._arrays import Flags, Floats, Longs, Places, Sums

_LEAST_TIME = np.float32(1e-30)
_RIDGE = 0.01
_LEAST_FACTOR = 0.05
_HALVINGS = 5


def fill_times(
    kind: Places, size: Floats, site: Places, data: Floats, group: Places, rates: Floats, links: Floats,
    allowed: Flags, out: Floats,
) -> None:  # fmt: skip
    rate = rates[kind].T
    can = allowed[group].T & (rate < np.inf)
    time = size * np.where(can, rate, np.float32(0.0)) + data * links[site].T
    out[:] = np.where(can, np.maximum(time, _LEAST_TIME), np.float32(np.inf))


def faulty(times: Floats) -> int:
    return int(times.size - np.count_nonzero(times >= 0.0))


def apply_deadlines(times: Floats, queue: Sums, deadline: Sums, hopeless: Flags) -> int:
    late = queue[:, None] + times > deadline
    hopeless[:] = np.isfinite(deadline) & late.all(axis=0)
    times[late & np.isfinite(deadline) & ~hopeless] = np.inf
    return int(hopeless.sum())


def least_times(times: Floats, out: Floats, usable: Flags) -> float:
    out[:] = times.min(axis=0, initial=np.float32(np.inf))
    usable[:] = np.isfinite(times).any(axis=1)
    return float(out[np.isfinite(out)].sum(dtype=np.float64))


def fill_costs(
    times: Floats, kind: Places, site: Places, data: Floats, loss: Floats, links: Floats, by_time: np.float32,
    by_loss: np.float32, by_transfer: np.float32, out: Floats,
) -> None:  # fmt: skip
    out[:] = by_time * times + by_loss * loss[kind].T + by_transfer * data * links[site].T


def totals(
    times: Floats, kind: Places, site: Places, data: Floats, loss: Floats, links: Floats, choice: Places, out: Sums
) -> None:
    each = np.arange(choice.size)
    out[0] = times[choice, each].sum(dtype=np.float64)
    out[1] = loss[kind, choice].sum(dtype=np.float64)
    out[2] = (data * links[site, choice]).sum(dtype=np.float64)


def tally(times: Floats, queue: Sums, choice: Places, loads: Sums) -> None:
    took = times[choice, np.arange(choice.size)]
    loads[:] = queue + np.bincount(choice, took, queue.size)


def earliest(times: Floats, order: Longs, loads: Sums, choice: Places) -> None:
    by_operation = np.ascontiguousarray(times.T)
    for j in order.tolist():
        done = loads + by_operation[j]
        here = int(done.argmin())
        choice[j], loads[here] = here, done[here]


def cheapest(times: Floats, costs: Floats, has_costs: bool, prices: Floats, choice: Places, loads: Sums) -> float:
    values = prices[:, None] * times
    if has_costs:
        values += costs
    choice[:] = values.argmin(axis=0)
    tally(times, np.zeros(loads.size), choice, loads)
    return float(values[choice, np.arange(choice.size)].sum(dtype=np.float64))


def spread(logs: Sums, weight: float, prices: Floats) -> None:
    parts = np.exp(logs - logs.max())
    prices[:] = parts / parts.sum() * weight


def ascend(
    times: Floats, costs: Floats, has_costs: bool, queue: Sums, weight: float, logs: Sums, first: int, last: int,
    steps: int, tolerance: float,
) -> float:  # fmt: skip
    prices, mean = np.empty(logs.size, np.float32), 0.0
    for sharpness in range(first, last + 1):
        spread(logs, weight, prices)
        value, worth, loads, curvature = _smoothed(times, costs, has_costs, queue, prices, sharpness)
        for _ in range(steps):
            mean = float(prices @ loads) / weight
            if loads.max() < mean * (1.0 + tolerance):
                break
            wanted = prices.astype(np.float64) / weight * worth.sum()
            ridge = _RIDGE * (worth + wanted) + 1e-12 * worth.mean()
            step = np.linalg.solve(curvature + np.diag(ridge), (worth - wanted) / ((1 << sharpness) + 1.0))
            step -= step.mean()
            length = min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
            for _ in range(_HALVINGS):
                spread(logs + length * step, weight, prices)
                found = _smoothed(times, costs, has_costs, queue, prices, sharpness)
                if found[0] > value:
                    logs += length * step
                    value, worth, loads, curvature = found
                    break
                length *= 0.35
            else:
                break
        spread(logs, weight, prices)
        mean = float(prices @ loads) / weight
    return mean


def _smoothed(
    times: Floats, costs: Floats, has_costs: bool, queue: Sums, prices: Floats, sharpness: int
) -> tuple[float, Sums, Sums, Sums]:
    """The dual smoothed with exponent 2^sharpness: its value, its gradient by log price, loads, and its curvature."""
    values = prices[:, None] * times
    part = values
    if has_costs:
        values = values + costs
        part = np.divide(part, values, out=np.zeros_like(part), where=np.isfinite(values))
    best = values.min(axis=0)
    shares = best / values
    for _ in range(sharpness):
        shares *= shares
        shares[shares < np.float32(1e-17)] = 0.0
    total = shares.sum(axis=0)
    shares /= total
    soft = best * total ** np.float32(-1.0 / (1 << sharpness))
    loads = np.where(shares > 0.0, shares * np.where(shares > 0.0, times, np.float32(0.0)), np.float32(0.0))
    paid = shares * part if has_costs else shares
    worth = (paid * soft).sum(axis=1, dtype=np.float64) + prices * queue
    bend = (paid * (part if has_costs else np.float32(1.0)) * soft).sum(axis=1, dtype=np.float64)
    curvature = np.diag(bend) - ((paid * soft) @ paid.T).astype(np.float64)
    value = float(soft.sum(dtype=np.float64)) + float(prices @ queue)
    return value, worth, loads.sum(axis=1, dtype=np.float64) + queue, curvature


def sweep(
    times: Floats, costs: Floats, has_costs: bool, prices: Floats, queue: Sums, target: float, gain: np.float32,
    blur: np.float32, noise: Floats, fresh: bool, choice: Places, loads: Sums,
) -> None:  # fmt: skip
    m, n = times.shape
    by_operation = np.ascontiguousarray(times.T)
    extra = np.ascontiguousarray(costs.T) if has_costs else None
    if fresh:
        loads[:] = queue
    span = noise.size - m
    for j in range(n):
        time = by_operation[j]
        if not fresh:
            loads[choice[j]] -= time[choice[j]]
        due = queue + (target - queue) * ((j + 1) / n) if fresh else target
        value = prices * np.maximum(1.0 + gain * (loads - due) / target, _LEAST_FACTOR) * time
        if extra is not None:
            value = value + extra[j]
        start = (j * 37) % span
        choice[j] = here = int((value * (1.0 + blur * noise[start : start + m])).argmin())
        loads[here] += time[here]


def absorb(prices: Floats, gain: np.float32, weight: float, target: float, loads: Sums) -> None:
    prices *= np.maximum(1.0 + gain * (loads - target) / target, _LEAST_FACTOR).astype(np.float32)
    prices *= np.float32(weight / float(prices.sum(dtype=np.float64)))


def shed(
    times: Floats, costs: Floats, has_costs: bool, prices: Floats, target: float, choice: Places, loads: Sums,
    ratio: Floats, which: Places, to: Places,
) -> int:  # fmt: skip
    hot = np.flatnonzero(loads[choice] > target)
    which[: hot.size] = hot
    each, was = np.arange(hot.size), choice[hot]
    took = times[:, hot]
    values = prices[:, None] * took
    paid = values[was, each]
    if has_costs:
        values += costs[:, hot]
    now = values[was, each]
    values[took > np.maximum(target - loads, 0.0)[:, None]] = np.inf
    to[: hot.size] = values.argmin(axis=0)
    ratio[: hot.size] = (values.min(axis=0) - now) / np.maximum(paid, _LEAST_TIME)
    moved = 0
    for at in np.argsort(ratio[: hot.size]).tolist():
        j, here, there = int(which[at]), int(was[at]), int(to[at])
        if np.isfinite(ratio[at]) and loads[here] > target and loads[there] + times[there, j] <= target:
            loads[here] -= times[here, j]
            loads[there] += times[there, j]
            choice[j] = there
            moved += 1
    return moved
