"""Who is a neighbour of whom: a random regular graph for emergencies, a tree of short ways for everything else.

Both follow from the names alone (and, for the tree, from measured round trips), so that every process that knows the
same names finds the same graph, without asking anybody. A spanning tree of least weight alone would be wrong for
emergencies: one silent relay cuts off all that is behind it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from phalanx.core import Rng

Graph = Mapping[str, tuple[str, ...]]
Latency = Callable[[str, str], float]

# Rings that are drawn for each neighbour, at most, to make up for links that rings share.
_MAX_RINGS = 8
# Going between two that are joined makes two links at once.
_PAIR = 2


def regular_graph(names: Iterable[str], degree: int) -> Graph:
    """A connected random graph in which everybody has ``degree`` neighbours; all of them when there are no more.

    It is the union of random rings, so it is connected and, with high probability, expands well. Where two rings
    share an edge the degree is made up from further ones, and then by going between two that are joined; at a few
    one link may be missing.
    """
    ordered = sorted(set(names))
    if len(ordered) <= degree + 1:
        return {name: tuple(other for other in ordered if other != name) for name in ordered}
    # The names are the seed: everybody draws the same rings.
    rng = Rng(0).child("overlay " + "\x1f".join(ordered))
    links: dict[str, dict[str, None]] = {name: {} for name in ordered}
    for _ in range(_MAX_RINGS * degree):
        if min(map(len, links.values())) >= degree - 1:
            break
        ring = list(ordered)
        rng.shuffle(ring)
        for here, there in zip(ring, [*ring[1:], ring[0]], strict=True):
            if len(links[here]) < degree and len(links[there]) < degree:
                links[here][there] = links[there][here] = None
    for name in ordered:
        while degree - len(links[name]) >= _PAIR and _go_between(name, links, ordered, rng):
            pass
    return {name: tuple(sorted(found)) for name, found in links.items()}


def _go_between(name: str, links: dict[str, dict[str, None]], ordered: Sequence[str], rng: Rng) -> bool:
    """Take the place of a link whose two ends are no neighbours of ``name``: they stay joined, by way of it."""
    start = rng.integer(0, len(ordered))
    for here in (*ordered[start:], *ordered[:start]):
        if here == name or here in links[name]:
            continue
        for there in links[here]:
            if there != name and there not in links[name]:
                del links[here][there], links[there][here]
                for one in (here, there):
                    links[one][name] = links[name][one] = None
                return True
    return False


def latency_tree(names: Iterable[str], latency: Latency, root: str, max_degree: int) -> Graph:
    """A tree in which the way from ``root`` to everybody is short and nobody has more than ``max_degree`` neighbours.

    Whoever is nearest to the root by the ways found so far is attached next, as in Dijkstra's algorithm with a bound
    on degrees. Ties go by name.
    """
    import numpy as np

    ordered = sorted({*names, root})
    n, at_root = len(ordered), ordered.index(root)
    ms = np.full((n, n), np.inf)  # rows of who is in the tree, as they are needed
    far, parent, best = np.full(n, np.inf), np.full(n, -1), np.full(n, np.inf)
    room = np.full(n, max_degree)
    waiting = np.ones(n, bool)

    def attach(one: int) -> None:
        waiting[one] = False
        ms[one] = [latency(ordered[one], other) if other != ordered[one] else 0.0 for other in ordered]
        nearer = waiting & (far[one] + ms[one] < best)
        best[nearer], parent[nearer] = (far[one] + ms[one])[nearer], one

    far[at_root] = 0.0
    attach(at_root)
    for _ in range(n - 1):
        one = int(np.where(waiting, best, np.inf).argmin())
        above = int(parent[one])
        far[one] = best[one]
        room[above] -= 1
        room[one] -= 1
        attach(one)
        if room[above] <= 0:
            # Its place is taken: who had it for a parent looks for the nearest that has room.
            lost = np.flatnonzero(waiting & (parent == above))
            inside = np.flatnonzero(~waiting & (room > 0))
            ways = far[inside, None] + ms[np.ix_(inside, lost)]
            chosen = ways.argmin(axis=0)
            best[lost], parent[lost] = ways[chosen, np.arange(len(lost))], inside[chosen]
    links: dict[str, list[str]] = {name: [] for name in ordered}
    for one, above in enumerate(parent):
        if one != at_root:
            links[ordered[one]].append(ordered[above])
            links[ordered[above]].append(ordered[one])
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
