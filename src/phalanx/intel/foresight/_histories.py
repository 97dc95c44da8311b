"""Findings as what questions are about: windows of hosts, the graph of entities, what a finding looks like. Pure."""

import math
from collections import Counter
from collections.abc import Collection, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from phalanx.core import Entity, Finding, Severity
from phalanx.intel.foresight._limits import HALF_WINDOWS, MAX_NODES, USUAL_WEIGHT, WINDOWS
from phalanx.quantum.routines import mean_occupation

Floats = npt.NDArray[np.float64]
_ENTRY = frozenset({"initial-access", "execution"})


def split_of(rows: Sequence[Finding]) -> int:
    begin, end = rows[0].first_seen_ns, rows[-1].first_seen_ns
    return begin + 2 * (end - begin) // 3


def windowed(rows: Sequence[Finding]) -> tuple[int, float, int]:
    """Where it is parted, how long a window is, and how many windows come before."""
    width = (rows[-1].first_seen_ns - rows[0].first_seen_ns + 1) / WINDOWS
    windows = 2 * WINDOWS // 3
    return rows[0].first_seen_ns + int(windows * width), width, windows


def one_name_each(rows: Sequence[Finding]) -> list[Finding]:
    """The same findings with one name for each host: its full one, where a short one can only be that host's.

    Sources call a machine ``ws-1`` or ``WS-1.corp.example``. A short name that is the beginning of several full ones
    stays what it is.
    """
    names = list(dict.fromkeys(host for one in rows for host in hosts(one)))
    full: dict[str, dict[str, str]] = {}
    for name in names:
        short, dot, _ = name.lower().partition(".")
        if dot and not short.isdigit():
            full.setdefault(short, {}).setdefault(name.lower(), name)
    alike: dict[str, str] = {}
    for name in names:
        low = name.lower()
        known = full.get(low.partition(".")[0], {})
        alike[name] = known.get(low) or (next(iter(known.values())) if len(known) == 1 and "." not in low else "")
    first: dict[str, str] = {}
    chosen = {name: alike[name] or first.setdefault(name.lower(), name) for name in names}
    if all(name == other for name, other in chosen.items()):
        return list(rows)
    return [
        msgspec.structs.replace(
            one,
            entities=tuple(
                dict.fromkeys(
                    Entity("host", chosen[entity.value]) if entity.type == "host" else entity for entity in one.entities
                )
            ),
        )
        for one in rows
    ]


def hosts(finding: Finding) -> list[str]:
    return [entity.value for entity in finding.entities if entity.type == "host"]


def recent_rates(counts: Floats) -> Floats:
    """Findings of a window for each host and kind, (hosts, 2), from (hosts, 2, windows): what was last counts most.

    A host of which little is known is taken for a usual one: intrusions come in bursts, and what is days ago tells
    little of the next window.
    """
    windows = counts.shape[2]
    weights = 0.5 ** ((windows - 1 - np.arange(windows)) / HALF_WINDOWS)
    usual = counts.mean(axis=(0, 2))
    found: Floats = ((counts * weights).sum(axis=2) + USUAL_WEIGHT * usual) / (weights.sum() + USUAL_WEIGHT)
    return found


def host_counts(rows: Sequence[Finding], width: float) -> dict[str, Floats]:
    """For each host (2, windows): findings of entry, and of what comes after it."""
    found: dict[str, Floats] = {}
    for one in rows:
        at = min(WINDOWS - 1, int((one.first_seen_ns - rows[0].first_seen_ns) / width))
        kind = 0 if _ENTRY & set(one.tactics) else 1
        for host in hosts(one):
            found.setdefault(host, np.zeros((2, WINDOWS)))[kind, at] += 1
    return found


def histories(rows: Sequence[Finding], width: float) -> list[tuple[str, int, list[float], bool]]:
    """(host, window, features, whether the next window has a serious finding), by window and host."""
    by_host: dict[str, list[tuple[int, Finding]]] = {}
    for one in rows:
        at = min(WINDOWS - 1, int((one.first_seen_ns - rows[0].first_seen_ns) / width))
        for host in hosts(one):
            by_host.setdefault(host, []).append((at, one))
    found = []
    for at in range(2, WINDOWS - 1):
        for host in sorted(by_host):
            past = [one for place, one in by_host[host] if at - 2 <= place <= at]
            every = [one for place, one in by_host[host] if place <= at]
            if not every:
                continue
            last = max(place for place, _ in by_host[host] if place <= at)
            features = [
                float(len(past)), float(max((one.severity for one in past), default=0)),
                float(len({one.rule for one in every})), float(sum(one.confidence for one in past)),
                float(at - last), math.log1p(len(every)), float(len({t for one in past for t in one.tactics})),
            ]  # fmt: skip
            serious = any(place == at + 1 and one.severity >= Severity.HIGH for place, one in by_host[host])
            found.append((host, at, features, serious))
    return found


def shape(finding: Finding) -> list[float]:
    """What a finding looks like, without saying which rule made it."""
    lasted_s = (finding.last_seen_ns - finding.first_seen_ns) / 1e9
    hour = finding.first_seen_ns / 3.6e12 % 24
    return [
        float(finding.severity), finding.confidence, math.log1p(finding.hits), float(len(finding.entities)),
        float(len(finding.techniques)), math.log1p(max(0.0, lasted_s)), hour, float(len(finding.tactics)),
        float(len({entity.type for entity in finding.entities})),
    ]  # fmt: skip


def edges_of(rows: Sequence[Finding]) -> list[tuple[str, str]]:
    """Entities that stand in one finding, the most frequent pairs, over a bounded number of nodes."""
    pairs: Counter[tuple[str, str]] = Counter()
    for one in rows:
        names = sorted({str(entity) for entity in one.entities})
        pairs.update((a, b) for at, a in enumerate(names) for b in names[at + 1 :])
    nodes: set[str] = set()
    kept = []
    for (a, b), _ in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0])):
        if len(nodes | {a, b}) <= MAX_NODES:
            nodes |= {a, b}
            kept.append((a, b))
    return kept


def reached_from(edges: Sequence[tuple[str, str]], source: str) -> dict[str, int]:
    """How many edges away each node is that hangs together with ``source``."""
    near: dict[str, set[str]] = {}
    for a, b in edges:
        near.setdefault(a, set()).add(b)
        near.setdefault(b, set()).add(a)
    found, edge = {source: 0}, [source]
    for node in edge:
        for other in sorted(near.get(node, ())):
            if other not in found:
                found[other] = found[node] + 1
                edge.append(other)
    return found


def ranked_onwards(rows: Sequence[Finding], counts: Collection[str]) -> tuple[list[str], dict[str, Floats]] | None:
    """Hosts that hang together with that of the newest finding among ``counts``, and by method how near each is.

    None where there is no such host, or no other one.
    """
    edges = edges_of(rows)
    joined = {name for edge in edges for name in edge}
    source = next(
        (str(entity) for one in reversed(rows) if one.id in counts for entity in one.entities
         if entity.type == "host" and str(entity) in joined), "",
    )  # fmt: skip
    if not source:
        return None
    reached = reached_from(edges, source)
    every = {str(entity) for one in rows for entity in one.entities if entity.type == "host"}
    candidates = sorted((every & set(reached)) - {source})
    if not candidates:
        return None
    inside = [edge for edge in edges if edge[0] in reached]
    ranked, walk = quantum_walk(inside, source), classical_walk(inside, source)
    return candidates, {
        "quantum walk": np.array([ranked[name] for name in candidates]),
        "classical walk": np.array([walk[name] for name in candidates]),
        "distance": np.array([-float(reached[name]) for name in candidates]),
    }


def classical_walk(edges: Sequence[tuple[str, str]], source: str, *, back: float = 0.15) -> dict[str, float]:
    """A random walk that now and then begins anew at ``source``: how much of its time is spent where."""
    names = sorted({name for edge in edges for name in edge})
    place = {name: at for at, name in enumerate(names)}
    step = np.zeros((len(names), len(names)))
    for a, b in edges:
        step[place[a], place[b]] = step[place[b], place[a]] = 1.0
    step /= np.maximum(step.sum(axis=0), 1.0)
    begin = np.zeros(len(names))
    begin[place[source]] = 1.0
    share = np.linalg.solve(np.eye(len(names)) - (1 - back) * step, back * begin)
    return {name: float(share[at]) for name, at in place.items()}


def quantum_walk(edges: Sequence[tuple[str, str]], source: str) -> dict[str, float]:
    """A walk in continuous time from ``source``: how likely it is to be where, averaged over all times."""
    names = sorted({name for edge in edges for name in edge})
    place = {name: at for at, name in enumerate(names)}
    laplacian = np.zeros((len(names), len(names)))
    for a, b in edges:
        i, j = place[a], place[b]
        laplacian[i, j] = laplacian[j, i] = -1.0
        laplacian[i, i] += 1.0
        laplacian[j, j] += 1.0
    energies, states = np.linalg.eigh(laplacian)
    share = mean_occupation(energies, states, place[source])
    return {name: float(share[at]) for name, at in place.items()}
