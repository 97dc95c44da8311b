"""Assignment problems solved to the optimum and by auction, to compare what places missions with.

``cost`` is (missions, slots) with at least as many slots as missions; both return the slot of each mission.
"""

import numpy as np
from numpy.typing import NDArray

Costs = NDArray[np.float64]
Slots = NDArray[np.int64]

# The auction ends with prices that are right to this part of the mean cost, for each mission.
_AUCTION_PART = 0.02
_MAX_BIDS = 1_000_000


def optimal(cost: Costs) -> Slots:
    """The least sum, by shortest augmenting paths (Jonker and Volgenant 1987): exact, cubic."""
    n, m = cost.shape
    u, v = np.zeros(n + 1), np.zeros(m + 1)
    row_of = np.zeros(m + 1, dtype=np.int64)
    for row in range(1, n + 1):
        row_of[0] = row
        at = 0
        least = np.full(m + 1, np.inf)
        before = np.zeros(m + 1, dtype=np.int64)
        used = np.zeros(m + 1, dtype=bool)
        while True:
            used[at] = True
            reduced = cost[row_of[at] - 1] - u[row_of[at]] - v[1:]
            nearer = ~used[1:] & (reduced < least[1:])
            least[1:][nearer] = reduced[nearer]
            before[1:][nearer] = at
            free = np.where(used[1:], np.inf, least[1:])
            following = int(np.argmin(free)) + 1
            step = free[following - 1]
            u[row_of[used]] += step
            v[used] -= step
            least[~used] -= step
            at = following
            if row_of[at] == 0:
                break
        while at:
            row_of[at] = row_of[before[at]]
            at = int(before[at])
    slots = np.zeros(n, dtype=np.int64)
    for slot in range(1, m + 1):
        if row_of[slot]:
            slots[row_of[slot] - 1] = slot - 1
    return slots


def auction(cost: Costs) -> Slots:
    """Missions bid for slots (Bertsekas 1988): the sum is within a small part of the least one."""
    n, m = cost.shape
    epsilon = _AUCTION_PART * float(cost.min(axis=1).mean())
    prices = np.zeros(m)
    holder = np.full(m, -1)
    slots = np.full(n, -1)
    waiting = list(range(n))
    for _ in range(_MAX_BIDS):
        if not waiting:
            break
        mission = waiting.pop()
        value = -cost[mission] - prices
        best = int(np.argmax(value))
        most = value[best]
        value[best] = -np.inf
        second = value.max() if m > 1 else most
        prices[best] += most - second + epsilon
        if holder[best] >= 0:
            slots[holder[best]] = -1
            waiting.append(int(holder[best]))
        holder[best], slots[mission] = mission, best
    return slots


def greedy(cost: Costs) -> Slots:
    """Missions in their order, each to the cheapest slot that is left."""
    taken = np.zeros(cost.shape[1], dtype=bool)
    slots = np.zeros(len(cost), dtype=np.int64)
    for mission, row in enumerate(cost):
        slots[mission] = int(np.argmin(np.where(taken, np.inf, row)))
        taken[slots[mission]] = True
    return slots
