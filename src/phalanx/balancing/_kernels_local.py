"""Kernels of local search over a few thousand operations: annealing, then steepest descent from the fullest resource.

``active`` (a,) int32 names the operations that may move. ``where`` (a, q) int32 and ``took`` (a, q) float32 are each
one's q cheapest resources at the prices (-1 and infinity past the end), ``home`` (a,) int32 where each is now. Loads
of operations that may not move are in ``loads`` all the same.
"""

import numpy as np

from phalanx.balancing._arrays import Floats, Index, Longs, Places, State, Sums
from phalanx.core import kernel


@kernel
def shortlist(
    times: Floats, costs: Floats, has_costs: bool, prices: Floats, active: Places, where: Places, took: Floats
) -> None:
    """Fill ``where`` and ``took``."""
    q = where.shape[1]
    values = np.empty(q, np.float32)
    for a in range(active.size):
        j = active[a]
        used = 0
        for i in range(times.shape[0]):
            value = prices[i] * times[i, j]
            if has_costs:
                value += costs[i, j]
            if not value < np.inf:
                continue
            if used < q:
                at = used
                used += 1
            elif value < values[q - 1]:
                at = q - 1
            else:
                continue
            while at > 0 and values[at - 1] > value:
                values[at] = values[at - 1]
                where[a, at] = where[a, at - 1]
                took[a, at] = took[a, at - 1]
                at -= 1
            values[at] = value
            where[a, at] = i
            took[a, at] = times[i, j]
        for at in range(used, q):
            where[a, at] = -1
            took[a, at] = np.inf


@kernel
def _draw(state: State) -> np.int64:
    """Xorshift: 40 random bits as a non-negative integer."""
    x = state[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    state[0] = x
    return np.int64(x >> np.uint64(24))


@kernel
def _favour(state: State, q: int) -> np.int64:
    """A place in a shortlist, the cheaper the likelier."""
    return min(_draw(state) % q, _draw(state) % q)


@kernel
def seat(home: Places, members: Places, size: Longs, place: Places) -> None:
    """Lists of who is where: ``members`` (m, a) with ``size`` (m,), and each one's ``place`` in its list."""
    size[:] = 0
    for a in range(home.size):
        i = home[a]
        place[a] = size[i]
        members[i, size[i]] = a
        size[i] += 1


@kernel
def _reseat(a: Index, to: Index, home: Places, members: Places, size: Longs, place: Places) -> None:
    i = home[a]
    last = members[i, size[i] - 1]
    members[i, place[a]] = last
    place[last] = place[a]
    size[i] -= 1
    home[a] = to
    place[a] = size[to]
    members[to, size[to]] = a
    size[to] += 1


@kernel
def _strain(load: float, floor: float, stiffness: float) -> float:
    """What a load costs in the annealed energy: itself, and steeply more above the floor."""
    over = max(0.0, load - floor)
    return load + stiffness * over * over


@kernel
def _extra(costs: Floats, has_costs: bool, i: Index, j: Index) -> float:
    return np.float64(costs[i, j]) if has_costs else 0.0


@kernel
def _keep(home: Places, best: Places) -> None:
    for a in range(home.size):
        best[a] = home[a]


@kernel
def anneal(
    times: Floats, costs: Floats, has_costs: bool, active: Places, where: Places, took: Floats,
    weights: Sums, floor: float, heat: float, proposals: int, seed: int, home: Places, loads: Sums,
    best: Places,
) -> None:  # fmt: skip
    """Simulated annealing of moves and of chains of two; ``best`` (a,) becomes the homes with the least objective.

    The energy is the value at prices ``weights`` (summing to one) of each load, plus a penalty above ``floor``, plus
    the costs; one pair's regret and another's overload are thereby in one currency. The objective is the fullest load
    plus the costs. Bound: ``proposals``.
    """
    m, q = loads.size, where.shape[1]
    members, size = np.empty((m, active.size), np.int32), np.zeros(m, np.int64)
    place = np.empty(active.size, np.int32)
    seat(home, members, size, place)
    _keep(home, best)
    state = np.full(1, np.uint64(seed) * np.uint64(2654435769) + np.uint64(88172645463325252))
    least, spent = loads.max(), 0.0
    fullest = np.int64(loads.argmax())
    temperature = stiffness = 0.0
    for turn in range(proposals):
        if turn & 255 == 0:
            temperature = heat * floor * 1e-3 ** (turn / proposals)
            stiffness = 5.0 * 10.0 ** (turn / proposals) / floor
        hot = _draw(state) & 1 == 0 and size[fullest] > 0
        a = np.int64(members[fullest, _draw(state) % size[fullest]]) if hot else _draw(state) % active.size
        i, at = np.int64(home[a]), _favour(state, q)
        k = np.int64(where[a, at])
        if k < 0 or k == i:
            continue
        load_i, load_k, b, h, load_h = loads[i] - times[i, active[a]], loads[k] + took[a, at], np.int64(-1), i, 0.0
        cost = _extra(costs, has_costs, k, active[a]) - _extra(costs, has_costs, i, active[a])
        if size[k] > 0 and _draw(state) & 3 != 0:
            b, at = np.int64(members[k, _draw(state) % size[k]]), _favour(state, q)
            h = np.int64(where[b, at])
            if h < 0 or h == k:
                continue
            load_k -= times[k, active[b]]
            load_i += took[b, at] if h == i else 0.0
            load_h = loads[h] + took[b, at]
            cost += _extra(costs, has_costs, h, active[b]) - _extra(costs, has_costs, k, active[b])
        change = cost + weights[i] * (_strain(load_i, floor, stiffness) - _strain(loads[i], floor, stiffness))
        change += weights[k] * (_strain(load_k, floor, stiffness) - _strain(loads[k], floor, stiffness))
        if h != i:
            change += weights[h] * (_strain(load_h, floor, stiffness) - _strain(loads[h], floor, stiffness))
        if change > 0.0 and (
            change > 20.0 * temperature or _draw(state) / 1099511627776.0 >= np.exp(-change / temperature)
        ):
            continue
        loads[i], loads[k] = load_i, load_k
        if b >= 0:
            _reseat(b, h, home, members, size, place)
            if h != i:
                loads[h] = load_h
        _reseat(a, k, home, members, size, place)
        spent += cost
        if fullest in (i, k) or max(loads[i], loads[k], loads[h]) > loads[fullest]:
            fullest = np.int64(loads.argmax())
        if loads[fullest] + spent < least * (1.0 - 1e-6):
            least = loads[fullest] + spent
            _keep(home, best)
            if not has_costs and least <= floor:
                break


@kernel
def _chain(
    times: Floats,
    active: Places,
    where: Places,
    took: Floats,
    loads: Sums,
    members: Places,
    size: Longs,
    i: Index,
    a: Index,
    at: Index,
    least: float,
    found: Longs,
) -> float:
    """The best chain that begins with operation ``a`` going from ``i`` to its ``at``-th resource.

    ``found`` is (second operation, its resource) of the best so far; returns the fullest load it leaves, or ``least``.
    """
    k = np.int64(where[a, at])
    load_i = loads[i] - times[i, active[a]]
    load_k = loads[k] + took[a, at]
    if max(load_i, load_k) < least:
        least = max(load_i, load_k)
        found[0] = -1
    if load_i >= least and load_k < least:
        return least
    for v in range(size[k]):
        b = members[k, v]
        left = load_k - times[k, active[b]]
        if left >= least:
            continue
        for to in range(where.shape[1]):
            h = np.int64(where[b, to])
            if h < 0 or h == k:
                continue
            full = max(load_i + took[b, to], left) if h == i else max(max(loads[h] + took[b, to], left), load_i)
            if full < least:
                least = full
                found[0] = b
                found[1] = h
    return least


@kernel
def descend(
    times: Floats, active: Places, where: Places, took: Floats, floor: float, budget: int, home: Places, loads: Sums
) -> None:
    """Take the best move or chain out of the fullest resource until none helps, or ``budget`` pairs were looked at."""
    m, q = loads.size, where.shape[1]
    members, size = np.empty((m, active.size), np.int32), np.zeros(m, np.int64)
    place = np.empty(active.size, np.int32)
    seat(home, members, size, place)
    found, chosen = np.empty(2, np.int64), np.empty(4, np.int64)
    spent = 0
    while spent < budget:
        i = np.int64(loads.argmax())
        if loads[i] <= floor:
            break
        least = loads[i] * (1.0 - 1e-7)
        chosen[0] = -1
        for u in range(size[i]):
            a = np.int64(members[i, u])
            for at in range(q):
                k = np.int64(where[a, at])
                if k < 0 or k == i:
                    continue
                full = _chain(times, active, where, took, loads, members, size, i, a, at, least, found)
                spent += 1 + size[k]
                if full < least:
                    least = full
                    chosen[0], chosen[1], chosen[2], chosen[3] = a, k, found[0], found[1]
            if spent > budget:
                break
        if chosen[0] < 0:
            break
        a, k, b, h = chosen[0], chosen[1], chosen[2], chosen[3]
        loads[i] -= times[i, active[a]]
        loads[k] += times[k, active[a]]
        if b >= 0:
            loads[k] -= times[k, active[b]]
            loads[h] += times[h, active[b]]
            _reseat(b, h, home, members, size, place)
        _reseat(a, k, home, members, size, place)
