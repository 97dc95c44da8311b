"""Where an intruder gets from here: a quantum walk on the graph of entities, a classical walk, and shortest paths.

The walk in continuous time (Farhi and Gutmann 1998) evolves by the graph's Laplacian; what is told of a node is the
mean of its probability over all times, which for a walk that does not lose coherence is a sum over eigenspaces. It
spreads ballistically on lines and grids where a classical walk diffuses, and is trapped by disorder where a classical
one is not: it ranks nodes differently, and whether better is a question to data.
"""

import math
from collections import deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from phalanx.core import Baseline, InvalidInput, LimitExceeded
from phalanx.quantum.routines._answer import Answer, simulated
from phalanx.quantum.routines._limits import MAX_WALKED_NODES

_SAME = 1e-9
_TOP = 10
# The front comes after half the distance; looked at are twice as long, and a while for what is near.
_SETTLING, _TIMES = 10.0, 600
_UNIT = "steps to reach the goal with the best chance"
_CLAIM = (
    "hits the far end of a line or a grid in time ~distance where a classical walk needs ~distance²; no search is "
    "faster than a shortest path on a graph that is at hand, and simulating the walk costs more than either"
)

Edge = tuple[str, str]


def walk_paths(edges: Sequence[Edge], *, source: str, goal: str, seed: int = 0) -> Answer:
    """How an intruder at ``source`` may come to ``goal``, and which nodes he comes by. Simulated.

    Raises ``InvalidInput`` for a node that is in no edge.
    """
    names, laplacian = _laplacian(edges)
    for field, name in (("source", source), ("goal", goal)):
        if name not in names:
            raise InvalidInput(field, f"{name!r} is in no edge")
    here, there = names[source], names[goal]
    energies, states = np.linalg.eigh(laplacian)
    means = mean_occupation(energies, states, here)
    path = shortest_path(edges, source, goal)
    hit_at, hit = _best_hit(energies, states, here, there, len(path))
    classical_at, classical_hit = _classical_hit(energies, states, here, there, hit_at)
    order = np.argsort(-means, kind="stable")
    listed = list(names)
    ranked = [(listed[node], float(means[node])) for node in order if node != here][:_TOP]
    classical = (
        Baseline(
            method="shortest path", value=float(len(path) - 1 if path else -1), error=0.0, cost=max(0, len(path) - 1),
            cost_unit=_UNIT,
        ),
        Baseline(
            method="classical walk, at the same time", value=classical_hit, error=0.0, cost=math.ceil(classical_at),
            cost_unit=_UNIT,
        ),
    )  # fmt: skip
    return Answer(
        routine="attack-paths",
        found={
            "path": path, "ranked": ranked, "hit_time": hit_at, "hit_chance": hit,
            "classical_chance_then": classical_hit, "connected": bool(path),
        },
        quantum=Baseline(
            method="continuous-time quantum walk", value=hit, error=0.0, cost=math.ceil(hit_at), cost_unit=_UNIT
        ),
        classical=classical, agrees=bool(path) == (hit > _SAME), claim=_CLAIM, provenance=simulated(seed, classical),
    )  # fmt: skip


def mean_occupation(
    energies: npt.NDArray[np.float64], states: npt.NDArray[np.float64], here: int
) -> npt.NDArray[np.float64]:
    """The probability of each node, averaged over all times: states of one energy stay coherent, others do not."""
    means = np.zeros(len(energies))
    at = 0
    while at < len(energies):
        upto = at + 1
        while upto < len(energies) and energies[upto] - energies[at] < _SAME * max(1.0, abs(energies[at])):
            upto += 1
        means += (states[:, at:upto] @ states[here, at:upto]) ** 2
        at = upto
    return means


def chance_at(
    energies: npt.NDArray[np.float64], states: npt.NDArray[np.float64], here: int, there: int, time: float
) -> float:
    """The probability of being at ``there`` after ``time``."""
    amplitude = np.sum(np.exp(-1j * energies * time) * states[here] * states[there])
    return float(abs(amplitude) ** 2)


def shortest_path(edges: Sequence[Edge], source: str, goal: str) -> list[str]:
    """The nodes of one shortest path, by name where there are several; empty where there is none."""
    near: dict[str, set[str]] = {}
    for one, other in edges:
        near.setdefault(one, set()).add(other)
        near.setdefault(other, set()).add(one)
    came: dict[str, str] = {source: source}
    edge = deque([source])
    while edge and goal not in came:
        node = edge.popleft()
        for other in sorted(near.get(node, ())):
            if other not in came:
                came[other] = node
                edge.append(other)
    if goal not in came:
        return []
    path = [goal]
    while path[-1] != source:
        path.append(came[path[-1]])
    return path[::-1]


def _laplacian(edges: Sequence[Edge]) -> tuple[dict[str, int], npt.NDArray[np.float64]]:
    names: dict[str, int] = {}
    for edge in edges:
        for name in edge:
            names.setdefault(name, len(names))
    if not names:
        raise InvalidInput("edges", "there are none")
    if len(names) > MAX_WALKED_NODES:
        raise LimitExceeded("nodes of a walk", maximum=MAX_WALKED_NODES, seen=len(names))
    matrix = np.zeros((len(names), len(names)))
    for one, other in edges:
        if one != other:
            matrix[names[one], names[other]] = matrix[names[other], names[one]] = -1.0
    np.fill_diagonal(matrix, -matrix.sum(axis=1))
    return names, matrix


def _best_hit(
    energies: npt.NDArray[np.float64], states: npt.NDArray[np.float64], here: int, there: int, distance: int
) -> tuple[float, float]:
    """When the goal is most likely, and how likely: a walk's front moves two edges in a unit of time."""
    times = np.linspace(0, distance + _SETTLING, _TIMES)[1:]
    overlaps = states[here] * states[there]
    chances = np.abs(np.exp(-1j * np.outer(times, energies)) @ overlaps) ** 2
    best = int(np.argmax(chances))
    return float(times[best]), float(chances[best])


def _classical_hit(
    energies: npt.NDArray[np.float64], states: npt.NDArray[np.float64], here: int, there: int, time: float
) -> tuple[float, float]:
    return time, float(np.sum(np.exp(-energies * time) * states[here] * states[there]))
