"""Who is a neighbour of whom: a random regular graph for emergencies, a tree of short ways for everything else.

Both follow from the names alone (and, for the tree, from measured round trips), so that every process that knows the
same names finds the same graph, without asking anybody. A spanning tree of least weight alone would be wrong for
emergencies: one silent relay cuts off all that is behind it.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence

from phalanx.core import Rng

Graph = Mapping[str, tuple[str, ...]]
Latency = Callable[[str, str], float]


def regular_graph(names: Iterable[str], degree: int) -> Graph:
    """A connected random graph in which everybody has ``degree`` neighbours; all of them when there are no more.

    It is the union of random rings, so it is connected and, with high probability, expands well. Where two rings
    share an edge the degree is made up from a further one.
    """
    ordered = sorted(set(names))
    if len(ordered) <= degree + 1:
        return {name: tuple(other for other in ordered if other != name) for name in ordered}
    # The names are the seed: everybody draws the same rings.
    rng = Rng(0).child("overlay " + "\x1f".join(ordered))
    links: dict[str, dict[str, None]] = {name: {} for name in ordered}
    for _ in range(degree):
        if min(map(len, links.values())) >= degree - 1:
            break
        ring = list(ordered)
        rng.shuffle(ring)
        for here, there in zip(ring, [*ring[1:], ring[0]], strict=True):
            if len(links[here]) < degree and len(links[there]) < degree:
                links[here][there] = links[there][here] = None
    return {name: tuple(sorted(found)) for name, found in links.items()}


def latency_tree(names: Iterable[str], latency: Latency, root: str, max_degree: int) -> Graph:
    """A tree in which the way from ``root`` to everybody is short and nobody has more than ``max_degree`` neighbours.

    Whoever is nearest to the root by the ways found so far is attached next, as in Dijkstra's algorithm with a bound
    on degrees. Ties go by name.
    """
    waiting = sorted(set(names) - {root})
    distance = {root: 0.0}
    links: dict[str, list[str]] = {root: []}
    best: list[tuple[float, str, str]] = [(latency(root, name), name, root) for name in waiting]
    heapq.heapify(best)
    while best:
        ms, name, parent = heapq.heappop(best)
        if name in links:
            continue
        if len(links[parent]) >= max_degree:
            # Its place is taken: whoever else has room and is nearest takes it.
            found = min((distance[one] + latency(one, name), one) for one in links if len(links[one]) < max_degree)
            heapq.heappush(best, (found[0], name, found[1]))
            continue
        links[name] = [parent]
        links[parent].append(name)
        distance[name] = ms
        for other in waiting:
            if other not in links:
                heapq.heappush(best, (ms + latency(name, other), other, name))
    return {name: tuple(sorted(found)) for name, found in links.items()}


def repaired(tree: Graph, silent: Iterable[str], latency: Latency, max_degree: int) -> tuple[Graph, int]:
    """The tree without ``silent``: what they cut off is attached again where it is nearest. And how many links changed.

    Only the links of the silent are given up; all others stay, so that few ways change.
    """
    gone = set(silent)
    links = {name: [one for one in near if one not in gone] for name, near in tree.items() if name not in gone}
    pieces = components(links)
    rewired = 0
    if not pieces:
        return {}, 0
    pieces.sort(key=lambda piece: (-len(piece), min(piece)))
    main = set(pieces[0])
    for piece in pieces[1:]:
        candidates = (
            (latency(inside, outside), inside, outside)
            for inside in sorted(main)
            if len(links[inside]) < max_degree
            for outside in sorted(piece)
            if len(links[outside]) < max_degree
        )
        found = min(candidates, default=None)
        if found is None:
            # Everybody is full: the bound gives, the connection does not.
            found = min((latency(inside, outside), inside, outside) for inside in main for outside in piece)
        _, inside, outside = found
        links[inside].append(outside)
        links[outside].append(inside)
        main |= piece
        rewired += 1
    return {name: tuple(sorted(found)) for name, found in links.items()}, rewired


def components(links: Mapping[str, Sequence[str]]) -> list[set[str]]:
    """The connected pieces of a graph."""
    seen: set[str] = set()
    pieces: list[set[str]] = []
    for start in links:
        if start in seen:
            continue
        piece, edge = {start}, [start]
        while edge:
            for other in links[edge.pop()]:
                if other not in piece:
                    piece.add(other)
                    edge.append(other)
        seen |= piece
        pieces.append(piece)
    return pieces
