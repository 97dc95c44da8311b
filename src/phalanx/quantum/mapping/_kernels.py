"""Kernels of routing, after SABRE (Li, Ding, Xie, ASPLOS 2019), and of the success probability of a mapped circuit.

Shapes: ``gates`` (k, 2) int32 are the two-qubit gates by logical qubits in order; ``distance`` (m, m) float32 between
physical qubits; ``neighbours`` (m, d) int32, padded with -1; ``place`` (m,) int32 is where each logical qubit is (there
are m of them, the ones beyond the circuit's are spare). ``noise`` (k + MANY_SWAPS,) float64 in [0, 1) breaks ties.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.core import kernel

Array = npt.NDArray[Any]

AHEAD = 20
AHEAD_WEIGHT = 0.5
DECAY = 0.001
DECAY_EVERY = 5


@kernel
def route(
    gates: Array, next_first: Array, next_second: Array, waiting: Array, distance: Array, neighbours: Array,
    place: Array, noise: Array, out: Array, most: int,
) -> int:  # fmt: skip
    """Order gates and swaps; returns how many entries of ``out`` (most,) int64 were written, or -1 when it is full.

    An entry g ≥ 0 is a gate; -(1 + a·m + b) swaps the physical qubits a and b. ``next_first`` and ``next_second`` (k,)
    name the gate that follows on each qubit, or -1; ``waiting`` (k,) counts the gates before each. Changes ``place``.
    """
    k, m = gates.shape[0], distance.shape[0]
    who = np.empty(m, np.int32)
    for q in range(m):
        who[place[q]] = q
    front = np.empty(k + 1, np.int64)
    n_front = 0
    for g in range(k):
        if waiting[g] == 0:
            front[n_front] = g
            n_front += 1
    decay = np.ones(m)
    ahead = np.empty(AHEAD, np.int64)
    seen = np.full(k, -1, np.int64)
    queue = np.empty(k + AHEAD * 4 + 4, np.int64)
    swap = np.full(2, -1, np.int64)
    written = since = stuck = at_noise = round_ = 0
    while True:
        before = written
        n_front, written = _advance(
            gates, next_first, next_second, waiting, distance, place, front, n_front, out, written, most
        )
        if written < 0 or n_front == 0:
            return written
        if written > before:
            stuck = since = 0
            swap[0] = swap[1] = -1
            decay[:] = 1.0
        round_ += 1
        n_ahead = _look_ahead(next_first, next_second, front, n_front, queue, seen, round_, ahead)
        if stuck > 3 * m:
            _shortest_way(gates, distance, neighbours, place, front, n_front, swap)
        else:
            at_noise = _best_swap(
                gates, distance, neighbours, place, front, n_front, ahead, n_ahead, decay, noise, at_noise, swap
            )
        stuck += 1
        if swap[0] < 0:
            continue
        if written >= most:
            return -1
        a, b = swap[0], swap[1]
        out[written] = -(1 + a * m + b)
        written += 1
        q, r = who[a], who[b]
        who[a], who[b] = r, q
        place[q], place[r] = b, a
        since += 1
        decay[a] += DECAY
        decay[b] += DECAY
        if since >= DECAY_EVERY:
            since = 0
            decay[:] = 1.0


@kernel
def _advance(
    gates: Array, next_first: Array, next_second: Array, waiting: Array, distance: Array, place: Array, front: Array,
    n_front: int, out: Array, written: int, most: int,
) -> tuple[int, int]:  # fmt: skip
    """Do every gate of the front whose qubits are neighbours, and what that lets into the front, until none is left."""
    i = 0
    while i < n_front:
        g = front[i]
        if distance[place[gates[g, 0]], place[gates[g, 1]]] > 1.0:
            i += 1
            continue
        if written >= most:
            return n_front, -1
        out[written] = g
        written += 1
        n_front -= 1
        front[i] = front[n_front]
        for side in range(2):
            f = next_first[g] if side == 0 else next_second[g]
            if f >= 0:
                waiting[f] -= 1
                if waiting[f] == 0:
                    front[n_front] = f
                    n_front += 1
    return n_front, written


@kernel
def _look_ahead(
    next_first: Array, next_second: Array, front: Array, n_front: int, queue: Array, seen: Array, round_: int,
    ahead: Array,
) -> int:  # fmt: skip
    """The first gates after the front, breadth first; returns how many."""
    head = tail = n_ahead = 0
    for i in range(n_front):
        queue[tail] = front[i]
        seen[front[i]] = round_
        tail += 1
    while head < tail and n_ahead < AHEAD:
        g = queue[head]
        head += 1
        for side in range(2):
            f = next_first[g] if side == 0 else next_second[g]
            if f >= 0 and seen[f] != round_ and n_ahead < AHEAD:
                seen[f] = round_
                queue[tail] = f
                tail += 1
                ahead[n_ahead] = f
                n_ahead += 1
    return n_ahead


@kernel
def _shortest_way(
    gates: Array, distance: Array, neighbours: Array, place: Array, front: Array, n_front: int, swap: Array
) -> None:
    """When the heuristic goes in circles: bring the nearest gate of the front together along a shortest path."""
    g = front[0]
    for i in range(n_front):
        f = front[i]
        if distance[place[gates[f, 0]], place[gates[f, 1]]] < distance[place[gates[g, 0]], place[gates[g, 1]]]:
            g = f
    a, goal = place[gates[g, 0]], place[gates[g, 1]]
    best = np.inf
    swap[0] = a
    for d in range(neighbours.shape[1]):
        b = neighbours[a, d]
        if b >= 0 and distance[b, goal] < best:
            best = distance[b, goal]
            swap[1] = b


@kernel
def _best_swap(
    gates: Array, distance: Array, neighbours: Array, place: Array, front: Array, n_front: int, ahead: Array,
    n_ahead: int, decay: Array, noise: Array, at_noise: int, swap: Array,
) -> int:  # fmt: skip
    """The swap next to the front that brings it, and what comes after, nearest; never the last one back."""
    best = np.inf
    last_a, last_b = swap[0], swap[1]
    swap[0] = swap[1] = -1
    for i in range(n_front):
        for side in range(2):
            a = place[gates[front[i], side]]
            for d in range(neighbours.shape[1]):
                b = neighbours[a, d]
                if b < 0 or (a == last_a and b == last_b) or (a == last_b and b == last_a):
                    continue
                now = _after(gates, distance, place, front, n_front, a, b) / n_front
                if n_ahead:
                    now += AHEAD_WEIGHT * _after(gates, distance, place, ahead, n_ahead, a, b) / n_ahead
                score = max(decay[a], decay[b]) * now + 1e-6 * noise[at_noise % noise.size]
                at_noise += 1
                if score < best:
                    best = score
                    swap[0], swap[1] = a, b
    return at_noise


@kernel
def _after(gates: Array, distance: Array, place: Array, which: Array, n: int, a: int, b: int) -> float:
    """The distances of gates summed, were ``a`` and ``b`` swapped."""
    total = 0.0
    for j in range(n):
        x = place[gates[which[j], 0]]
        y = place[gates[which[j], 1]]
        x = b if x == a else a if x == b else x
        y = b if y == a else a if y == b else y
        total += distance[x, y]
    return total


@kernel
def hops(neighbours: Array, distance: Array) -> None:
    """Fill ``distance`` (m, m) float32, which holds what counts as out of reach, with the hops between qubits."""
    m = neighbours.shape[0]
    queue = np.empty(m, np.int64)
    for begin in range(m):
        distance[begin, begin] = 0.0
        queue[0] = begin
        head, tail = 0, 1
        while head < tail:
            a = queue[head]
            head += 1
            for d in range(neighbours.shape[1]):
                b = neighbours[a, d]
                if b < 0:
                    break
                if b != begin and distance[begin, b] > distance[begin, a] + 1.0:
                    distance[begin, b] = distance[begin, a] + 1.0
                    queue[tail] = b
                    tail += 1


@kernel
def idle_times(kinds: Array, first: Array, second: Array, durations: Array, n_qubits: int, idle: Array) -> float:
    """As late as possible: fills ``idle`` (k, 2), how long each operand of a step has waited since its last step.

    ``kinds`` (k,) uint8: 0 one qubit, 1 two qubits, 2 measurement, 3 reset, 4 a barrier on everything. What comes
    before a qubit's first step is no waiting: it is in its ground state. Returns how long the circuit takes, in ns.
    """
    k = kinds.size
    free = np.zeros(n_qubits)
    later = np.full(n_qubits, -1, np.int64)
    side = np.zeros(n_qubits, np.int64)
    for i in range(k):
        idle[i, 0] = 0.0
        idle[i, 1] = 0.0
    longest = 0.0
    for i in range(k - 1, -1, -1):
        if kinds[i] == 4:
            last = 0.0
            for q in range(n_qubits):
                last = max(last, free[q])
            for q in range(n_qubits):
                if later[q] >= 0:
                    idle[later[q], side[q]] += last - free[q]
                free[q] = last
            continue
        a = first[i]
        start = free[a]
        if kinds[i] == 1:
            start = max(start, free[second[i]])
        for s in range(2 if kinds[i] == 1 else 1):
            q = a if s == 0 else second[i]
            if later[q] >= 0:
                idle[later[q], side[q]] += start - free[q]
            later[q] = i
            side[q] = s
            free[q] = start + durations[i]
        longest = max(longest, free[a])
    return longest


@kernel
def log_success(
    kinds: Array, first: Array, second: Array, free_of_charge: Array, n_qubits: int, coupler: Array, t1: Array,
    t2: Array, readout: Array, one: Array, one_ns: Array, readout_ns: Array, two: Array, two_ns: Array,
) -> tuple[float, float]:  # fmt: skip
    """The logarithm of the estimated success probability, and the circuit's duration in ns.

    Errors of gates and readouts, and of waiting: the average fidelity of relaxing for that long. ``free_of_charge``
    (k,) bool are gates that only turn the frame. ``coupler`` (n, n) int32 names the pair of two qubits, or -1: then
    there is no such gate, and the probability is 0. Arrays as in ``Noise``.
    """
    k = kinds.size
    durations = np.zeros(k)
    total = 0.0
    for i in range(k):
        a = first[i]
        if kinds[i] == 0:
            if not free_of_charge[i]:
                durations[i] = one_ns[a]
                total += np.log1p(-min(one[a], 1.0 - 1e-12))
        elif kinds[i] == 1:
            c = coupler[a, second[i]]
            if c < 0:
                return -np.inf, 0.0
            durations[i] = two_ns[c]
            total += np.log1p(-min(two[c], 1.0 - 1e-12))
        elif kinds[i] == 2:
            durations[i] = readout_ns[a]
            total += np.log1p(-min(readout[a], 1.0 - 1e-12))
        elif kinds[i] == 3:
            durations[i] = readout_ns[a]
    idle = np.zeros((k, 2))
    duration = idle_times(kinds, first, second, durations, n_qubits, idle)
    for i in range(k):
        for s in range(2):
            if idle[i, s] > 0.0:
                q = first[i] if s == 0 else second[i]
                kept = (1.0 + np.exp(-idle[i, s] / t1[q]) + 2.0 * np.exp(-idle[i, s] / t2[q])) / 4.0
                total += np.log((2.0 * kept + 1.0) / 3.0)
    return total, duration
