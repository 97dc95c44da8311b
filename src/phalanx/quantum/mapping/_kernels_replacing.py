"""The search for the best qubits of a circuit that is routed already: subgraphs of the device that carry all its gates.

Depth first over the circuit's qubits in an order in which each touches an earlier one, so that candidates are the
neighbours of its image; a branch is left when what it costs so far, and the least that the rest can cost, reach the
best known (branch and bound). After ``most`` steps the best so far is taken.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.core import kernel

Array = npt.NDArray[Any]


@kernel
def replace(
    node_cost: Array, anchor: Array, edge_from: Array, edge_to: Array, edge_count: Array, coupler: Array,
    coupler_cost: Array, neighbours: Array, everywhere: Array, rest: Array, place: Array, bound: float, most: int,
) -> float:  # fmt: skip
    """Fill ``place`` (v,) int32 with the cheapest assignment found below ``bound``; returns its cost, or ``bound``.

    ``node_cost`` (v, n) is what the circuit's qubit i costs on the device's qubit p. ``anchor`` (v,) is an earlier
    qubit that i shares a gate with, or -1: then candidates are ``everywhere`` (n,). Edges (v + 1 offsets in
    ``edge_from``) lead from i to earlier qubits ``edge_to`` with ``edge_count`` gates; a coupler's gate costs
    ``coupler_cost``; ``coupler`` (n, n) is -1 where there is none. ``rest`` (v + 1,) is the least that qubits from i on
    cost together.
    """
    v, n = node_cost.shape
    at = np.full(v, -1, np.int64)
    image = np.full(v, -1, np.int32)
    cost = np.zeros(v + 1)
    used = np.zeros(n, np.bool_)
    best = bound
    depth = steps = 0
    while depth >= 0:
        if image[depth] >= 0:
            used[image[depth]] = False
            image[depth] = -1
        at[depth] += 1
        row = anchor[depth]
        width = neighbours.shape[1] if row >= 0 else n
        if at[depth] >= width or steps >= most:
            at[depth] = -1
            depth -= 1
            continue
        p = neighbours[image[row], at[depth]] if row >= 0 else everywhere[at[depth]]
        if p < 0 or used[p]:
            continue
        steps += 1
        total = cost[depth] + node_cost[depth, p]
        for e in range(edge_from[depth], edge_from[depth + 1]):
            c = coupler[image[edge_to[e]], p]
            if c < 0:
                total = np.inf
                break
            total += edge_count[e] * coupler_cost[c]
        if total + rest[depth + 1] >= best:
            continue
        image[depth] = p
        used[p] = True
        cost[depth + 1] = total
        if depth + 1 == v:
            best = total
            place[:] = image
            continue
        depth += 1
    return best
