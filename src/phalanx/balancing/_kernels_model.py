"""Kernels that turn operations and resources into times and costs, and an assignment into its score."""

import numpy as np

from phalanx.balancing._arrays import Flags, Floats, Places, Sums
from phalanx.core import fast_kernel, kernel

LEAST_TIME = np.float32(1e-30)


@fast_kernel
def fill_times(
    kind: Places,
    size: Floats,
    site: Places,
    data: Floats,
    group: Places,
    rates: Floats,
    links: Floats,
    allowed: Flags,
    out: Floats,
) -> None:
    """``out`` (m, n): seconds of operation j on resource i, infinity where it may not go.

    ``rates`` (kinds, m) seconds per unit of size, ``links`` (sites, m) seconds per MiB, ``allowed`` (groups, m);
    ``kind``, ``site``, ``group`` (n,) int32, ``size``, ``data`` (n,) float32.
    """
    m, n = out.shape
    for i in range(m):
        row = out[i]
        for j in range(n):
            rate = rates[kind[j], i]
            time = size[j] * rate + data[j] * links[site[j], i]
            can = allowed[group[j], i] and rate < np.inf
            row[j] = max(time, LEAST_TIME) if can else np.float32(np.inf)


@fast_kernel
def faulty(times: Floats) -> int:
    """How many are negative or not a number."""
    count = 0
    for i in range(times.shape[0]):
        row = times[i]
        for j in range(times.shape[1]):
            count += 0 if row[j] >= np.float32(0.0) else 1
    return count


@kernel
def apply_deadlines(times: Floats, queue: Sums, deadline: Sums, hopeless: Flags) -> int:
    """Where an operation would be late even if it went first, it may not go; where that is everywhere, it is hopeless.

    A hopeless operation keeps its places: being late is better than not being done. Returns how many there are.
    """
    m, n = times.shape
    count = 0
    for j in range(n):
        hopeless[j] = False
        if not deadline[j] < np.inf:
            continue
        kept = False
        for i in range(m):
            kept = kept or queue[i] + times[i, j] <= deadline[j]
        if not kept:
            hopeless[j] = True
            count += 1
            continue
        for i in range(m):
            if queue[i] + times[i, j] > deadline[j]:
                times[i, j] = np.inf
    return count


@fast_kernel
def least_times(times: Floats, out: Floats, usable: Flags) -> float:
    """``out`` (n,) float32: each operation's time where it is fastest; ``usable`` (m,): who can do anything at all.

    Returns the sum of the times that are finite.
    """
    out[:] = np.inf
    for i in range(times.shape[0]):
        row = times[i]
        least = np.float32(np.inf)
        for j in range(out.size):
            out[j] = row[j] if row[j] < out[j] else out[j]
            least = row[j] if row[j] < least else least
        usable[i] = least < np.inf
    total = 0.0
    for j in range(out.size):
        total += float(out[j]) if out[j] < np.inf else 0.0
    return total


@fast_kernel
def fill_costs(
    times: Floats,
    kind: Places,
    site: Places,
    data: Floats,
    loss: Floats,
    links: Floats,
    by_time: np.float32,
    by_loss: np.float32,
    by_transfer: np.float32,
    out: Floats,
) -> None:
    """``out`` (m, n): what a pair costs besides load: time beyond need, loss of coherence, transfers, each weighed."""
    m, n = times.shape
    for i in range(m):
        row, cost = times[i], out[i]
        for j in range(n):
            extra = by_loss * loss[kind[j], i] + by_transfer * data[j] * links[site[j], i]
            cost[j] = by_time * row[j] + extra if row[j] < np.inf else np.float32(np.inf)


@kernel
def totals(
    times: Floats, kind: Places, site: Places, data: Floats, loss: Floats, links: Floats, choice: Places, out: Sums
) -> None:
    """Into ``out`` (3,): busy time, loss of coherence and transfer time of an assignment."""
    out[:] = 0.0
    for j in range(choice.size):
        i = choice[j]
        out[0] += times[i, j]
        out[1] += loss[kind[j], i]
        out[2] += data[j] * links[site[j], i]
