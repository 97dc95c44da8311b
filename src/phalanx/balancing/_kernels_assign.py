"""Kernels that turn prices into an assignment: sweeps that feed loads back into prices, and shedding of overload.

Shapes as in ``_kernels_dual``; ``choice`` (n,) int32 and ``loads`` (m,) float64, queue included.
"""

import numpy as np

from phalanx.balancing._arrays import Floats, Places, Sums
from phalanx.core import fast_kernel, kernel

# Operations whose times are gathered at once: a cache line of float32.
LINE = 16
LEAST_FACTOR = 0.05


@fast_kernel
def sweep(
    times: Floats,
    costs: Floats,
    has_costs: bool,
    prices: Floats,
    queue: Sums,
    target: float,
    gain: np.float32,
    blur: np.float32,
    noise: Floats,
    fresh: bool,
    choice: Places,
    loads: Sums,
) -> None:
    """Every operation once to where it is cheapest now; a resource above ``target`` is dearer by ``gain`` times that.

    ``blur`` times ``noise`` (4096 + m,) is added to each pair, relatively: operations that tie exactly would all follow
    one change of price together. ``fresh`` starts from nothing and steers along the way to the target.
    """
    m, n = times.shape
    gathered = np.empty((LINE, m), np.float32)
    extra = np.empty((LINE, m), np.float32)
    now = np.empty(m, np.float32)
    value = np.empty(m, np.float32)
    due = np.empty(m)
    span = noise.size - m
    for i in range(m):
        loads[i] = queue[i] if fresh else loads[i]
        due[i] = queue[i] if fresh else target
        now[i] = _price(prices[i], gain, loads[i] - due[i], target)
    for low in range(0, n, LINE):
        width = min(LINE, n - low)
        _gather(times, low, width, gathered)
        if has_costs:
            _gather(costs, low, width, extra)
        if fresh:
            done = (low + width) / n
            for i in range(m):
                due[i] = queue[i] + (target - queue[i]) * done
                now[i] = _price(prices[i], gain, loads[i] - due[i], target)
        for j in range(width):
            was = np.int64(choice[low + j])
            time = gathered[j]
            if not fresh:
                loads[was] -= time[was]
                now[was] = _price(prices[was], gain, loads[was] - due[was], target)
            start = ((low + j) * 37) % span
            least = np.float32(np.inf)
            if has_costs:
                cost = extra[j]
                for i in range(m):
                    value[i] = (now[i] * time[i] + cost[i]) * (np.float32(1.0) + blur * noise[start + i])
                    least = min(least, value[i])
            else:
                for i in range(m):
                    value[i] = now[i] * time[i] * (np.float32(1.0) + blur * noise[start + i])
                    least = min(least, value[i])
            here = was
            if fresh or value[was] > least:
                here = np.int64(0)
                while here < m - 1 and value[here] != least:
                    here += 1
                choice[low + j] = here
            loads[here] += time[here]
            now[here] = _price(prices[here], gain, loads[here] - due[here], target)


@fast_kernel
def _gather(matrix: Floats, low: int, width: int, out: Floats) -> None:
    for i in range(matrix.shape[0]):
        row = matrix[i, low : low + width]
        for j in range(width):
            out[j, i] = row[j]


@kernel
def _price(price: np.float32, gain: np.float32, over: float, target: float) -> float:
    factor = 1.0 + gain * over / target
    return float(price * (factor if factor > LEAST_FACTOR else LEAST_FACTOR))


@kernel
def absorb(prices: Floats, gain: np.float32, weight: float, target: float, loads: Sums) -> None:
    """Make the feedback of a sweep part of the prices, and have them add up to ``weight`` again."""
    whole = 0.0
    for i in range(prices.size):
        prices[i] = _price(prices[i], gain, loads[i] - target, target)
        whole += prices[i]
    for i in range(prices.size):
        prices[i] *= weight / whole


@fast_kernel
def _offers(
    times: Floats,
    costs: Floats,
    has_costs: bool,
    prices: Floats,
    target: float,
    choice: Places,
    loads: Sums,
    room: Floats,
    ratio: Floats,
    which: Places,
    to: Places,
) -> int:
    """For each operation on an overloaded resource the cheapest other place with room for it, and its regret."""
    m, n = times.shape
    gathered = np.empty((LINE, m), np.float32)
    extra = np.zeros((LINE, m), np.float32)
    count = 0
    for low in range(0, n, LINE):
        width = min(LINE, n - low)
        hot = False
        for j in range(width):
            hot = hot or loads[choice[low + j]] > target
        if not hot:
            continue
        _gather(times, low, width, gathered)
        if has_costs:
            _gather(costs, low, width, extra)
        for j in range(width):
            was = choice[low + j]
            if loads[was] <= target:
                continue
            time, cost = gathered[j], extra[j]
            least = np.float32(np.inf)
            here = -1
            for i in range(m):
                value = prices[i] * time[i] + cost[i]
                if time[i] <= room[i] and value < least:
                    least = value
                    here = i
            if here >= 0:
                paid = prices[was] * time[was]
                ratio[count] = (least - paid - cost[was]) / max(paid, np.float32(1e-30))
                which[count] = low + j
                to[count] = here
                count += 1
    return count


@kernel
def shed(
    times: Floats,
    costs: Floats,
    has_costs: bool,
    prices: Floats,
    target: float,
    choice: Places,
    loads: Sums,
    ratio: Floats,
    which: Places,
    to: Places,
) -> int:
    """One round: move operations off resources above ``target``, least regret per unit of load first.

    ``ratio`` float32, ``which`` and ``to`` int32 are scratch of n entries. Returns how many moved.
    """
    room = np.empty(loads.size, np.float32)
    for i in range(loads.size):
        room[i] = max(target - loads[i], 0.0)
    count = _offers(times, costs, has_costs, prices, target, choice, loads, room, ratio, which, to)
    moved = 0
    for at in np.argsort(ratio[:count]):
        j, here = which[at], to[at]
        was = choice[j]
        if loads[was] > target and loads[here] + times[here, j] <= target:
            loads[was] -= times[was, j]
            loads[here] += times[here, j]
            choice[j] = here
            moved += 1
    return moved


@kernel
def tally(times: Floats, queue: Sums, choice: Places, loads: Sums) -> None:
    """Loads from scratch: what each resource had, and what it was given."""
    for i in range(queue.size):
        loads[i] = queue[i]
    for j in range(choice.size):
        loads[choice[j]] += times[choice[j], j]
