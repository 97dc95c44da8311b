"""How good a graph of processes is: who is reached though some are silent, how fast, and what it costs.

Places are those of a cluster as it measured itself, or drawn at random: organisations somewhere on a square, their
processes close to them; latency grows with distance. A silent process takes part in nothing. Coverage is the share of
those that live which an emergency reaches from a random one of them, when everybody passes it on to all neighbours.
Who is silent is drawn in both cases: nothing is switched off to find out.
"""

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from phalanx.core import InvalidInput, Rng
from phalanx.messaging._limits import MAX_TOPOLOGY_NODES, TREE_DEGREE
from phalanx.messaging._overlay import Graph, Latency, latency_tree, regular_graph, repaired

_SPREAD, _NEAR_MS, _FAR_MS = 0.03, 0.2, 40.0
_SOURCES = 12


@dataclass(frozen=True, slots=True)
class Places:
    """Where processes are, by name, on a square of side 1; ``organisations`` names whose each is.

    Where ways were measured, ``ways_ms`` has all of them, in both directions, and the square is only a picture of them.
    """

    at: Mapping[str, tuple[float, float]]
    organisations: Mapping[str, str]
    ways_ms: Mapping[tuple[str, str], float] | None = None

    def latency_ms(self, here: str, there: str) -> float:
        """One way."""
        if self.ways_ms is not None:
            return self.ways_ms[here, there]
        (x, y), (u, v) = self.at[here], self.at[there]
        return _NEAR_MS + _FAR_MS * math.hypot(x - u, y - v)


class GraphFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One graph. ``copies`` is how often a process gets one emergency; times are of the slowest and median recipient.

    ``coverage_mean`` and ``coverage_least`` are over the trials with silent processes; ``repaired_coverage`` is after
    the tree was mended, which changed ``rewired`` links.
    """

    graph: str
    degree_mean: float
    degree_most: int
    links: int
    copies: float
    path_ms_p50: float
    path_ms_p99: float
    coverage_mean: float
    coverage_least: float
    repaired_coverage: float | None = None
    rewired: int | None = None


class TopologyReport(msgspec.Struct, frozen=True, kw_only=True):
    """Graphs over the same places, under the same silent processes. ``measured``: not simulated, the ways are real."""

    measured: bool
    processes: int
    organisations: int
    silent_share: float
    trials: int
    seed: int
    graphs: tuple[GraphFigures, ...]


def drawn_places(n: int, organisations: int, rng: Rng) -> Places:
    """Random places for ``n`` processes of so many organisations. Raises ``InvalidInput``."""
    if not 2 <= n <= MAX_TOPOLOGY_NODES:
        raise InvalidInput("nodes", f"2 to {MAX_TOPOLOGY_NODES} processes are possible, not {n}")
    if not 1 <= organisations <= n:
        raise InvalidInput("organisations", f"{n} processes are of 1 to {n} organisations, not of {organisations}")
    centres = [(rng.random(), rng.random()) for _ in range(organisations)]
    at, whose = {}, {}
    for j in range(n):
        name, (x, y) = f"p{j:04d}", centres[j % organisations]
        at[name] = x + rng.gauss(0, _SPREAD), y + rng.gauss(0, _SPREAD)
        whose[name] = f"org-{j % organisations}"
    return Places(at, whose)


def graphs_over(places: Places, degrees: Sequence[int] = (8, 10)) -> dict[str, Graph]:
    """Full mesh, latency tree, and random regular graphs over the same places."""
    names = sorted(places.at)
    found: dict[str, Graph] = {
        "mesh": {name: tuple(other for other in names if other != name) for name in names},
        "tree": latency_tree(names, places.latency_ms, centre_of(places), TREE_DEGREE),
    }
    found |= {f"regular-{degree}": regular_graph(names, degree) for degree in degrees}
    return found


def centre_of(places: Places) -> str:
    """The process that is nearest to the middle of all."""
    if places.ways_ms is not None:
        return min(places.at, key=lambda name: (sum(_direct(places.at, places.latency_ms, name)), name))
    n = len(places.at)
    x, y = (sum(at[axis] for at in places.at.values()) / n for axis in (0, 1))
    return min(places.at, key=lambda name: (math.hypot(places.at[name][0] - x, places.at[name][1] - y), name))


def measured(
    places: Places, graphs: Mapping[str, Graph], rng: Rng, *, silent_share: float, trials: int, seed: int
) -> TopologyReport:
    """Every graph under the same trials."""
    if not 0 <= silent_share < 1:
        raise InvalidInput("silent", f"{silent_share} is no share: 0 up to, but not, 1")
    names = sorted(places.at)
    silences = [set(rng.sample(names, int(silent_share * len(names)))) for _ in range(trials)]
    sources = [rng.choice([name for name in names if name not in silent]) for silent in silences]
    rows = tuple(_figures(name, graph, places, silences, sources) for name, graph in graphs.items())
    return TopologyReport(
        measured=places.ways_ms is not None,
        processes=len(names), organisations=len(set(places.organisations.values())), silent_share=silent_share,
        trials=trials, seed=seed, graphs=rows,
    )  # fmt: skip


def _figures(
    name: str, graph: Graph, places: Places, silences: Sequence[set[str]], sources: Sequence[str]
) -> GraphFigures:
    n, degrees = len(graph), [len(near) for near in graph.values()]
    coverages = [_coverage(graph, silent, source) for silent, source in zip(silences, sources, strict=True)]
    is_flat_mesh = min(degrees) == n - 1 and places.ways_ms is None
    times = sorted(
        ms
        for source in sources[:_SOURCES]
        for ms in (_direct if is_flat_mesh else _times)(graph, places.latency_ms, source)
    )
    mended: list[tuple[float, int]] = []
    if name == "tree":
        for silent, source in zip(silences, sources, strict=True):
            tree, rewired = repaired(graph, silent, places.latency_ms, TREE_DEGREE)
            mended.append((_coverage(tree, set(), source), rewired))
    return GraphFigures(
        graph=name, degree_mean=sum(degrees) / n, degree_most=max(degrees), links=sum(degrees) // 2,
        # Everybody passes it on over every link but the one that it came by.
        copies=(sum(degrees) - (n - 1)) / n,
        path_ms_p50=times[len(times) // 2], path_ms_p99=times[int(0.99 * (len(times) - 1))],
        coverage_mean=sum(coverages) / len(coverages), coverage_least=min(coverages),
        repaired_coverage=sum(one for one, _ in mended) / len(mended) if mended else None,
        rewired=sum(one for _, one in mended) // len(mended) if mended else None,
    )  # fmt: skip


def _coverage(graph: Graph, silent: set[str], source: str) -> float:
    reached, edge = {source}, [source]
    while edge:
        for other in graph[edge.pop()]:
            if other not in reached and other not in silent:
                reached.add(other)
                edge.append(other)
    return len(reached) / (len(graph) - len(silent))


def _direct(graph: Iterable[str], latency: Latency, source: str) -> list[float]:
    """Where everybody is a neighbour, no way round is shorter, if latency grows with distance."""
    return [latency(source, other) for other in graph if other != source]


def _times(graph: Graph, latency: Latency, source: str) -> list[float]:
    """When the first copy reaches each, all alive."""
    done: dict[str, float] = {}
    edge = [(0.0, source)]
    while edge:
        ms, name = heapq.heappop(edge)
        if name not in done:
            done[name] = ms
            for other in graph[name]:
                if other not in done:
                    heapq.heappush(edge, (ms + latency(name, other), other))
    return [ms for name, ms in done.items() if name != source]
