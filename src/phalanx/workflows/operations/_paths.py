"""How a threat gets from here to there: a quantum walk, shortest paths, and the probability that it arrives."""

import math

import msgspec

from phalanx.core import InvalidInput
from phalanx.quantum import estimate_probability
from phalanx.quantum.routines import Answer, shortest_path, spread_model, walk_paths
from phalanx.workflows._template import StepContext, StepOutput
from phalanx.workflows.operations._contract import Compared, answered, estimated, operation
from phalanx.workflows.operations._quantum import need_quantum
from phalanx.workflows.operations._signals import Signal

_ALPHA = 0.01


class LinksAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``links`` are pairs with the chance that a threat passes over. ``epsilon`` is how exact the estimate is to be."""

    links: list[tuple[str, str, float]]
    source: str
    goal: str
    epsilon: float = 0.02


class Walked(Compared, frozen=True, kw_only=True):
    """The nodes on a shortest path, and those that are most likely come by."""

    path: list[str]
    ranked: list[tuple[str, float]]
    method: str
    signal: Signal


class Spread(Compared, frozen=True, kw_only=True):
    """How likely the threat arrives. ``calls`` are uses of the model."""

    probability: float
    interval: tuple[float, float]
    exact: float
    calls: int
    method: str
    signal: Signal


def _edges(asked: LinksAsked) -> list[tuple[str, str]]:
    for one, other, chance in asked.links:
        if not 0 <= chance <= 1:
            raise InvalidInput("links", f"{one} – {other} has a probability of {chance}")
    return [(one, other) for one, other, chance in asked.links if chance > 0]


def best_way(asked: LinksAsked) -> tuple[list[str], float]:
    """The likeliest single way, by Dijkstra on −log of the chances; nothing where there is none."""
    near: dict[str, list[tuple[str, float]]] = {}
    for one, other, chance in asked.links:
        if chance > 0:
            near.setdefault(one, []).append((other, -math.log(chance)))
            near.setdefault(other, []).append((one, -math.log(chance)))
    for field, node in (("source", asked.source), ("goal", asked.goal)):
        if node not in near:
            raise InvalidInput(field, f"{node!r} is in no link")
    cost: dict[str, float] = {asked.source: 0.0}
    came: dict[str, str] = {}
    open_nodes = {asked.source}
    while open_nodes:
        node = min(open_nodes, key=lambda name: (cost[name], name))
        open_nodes.discard(node)
        if node == asked.goal:
            break
        for other, more in near[node]:
            if cost[node] + more < cost.get(other, math.inf):
                cost[other], came[other] = cost[node] + more, node
                open_nodes.add(other)
    if asked.goal not in cost:
        return [], 0.0
    path = [asked.goal]
    while path[-1] != asked.source:
        path.append(came[path[-1]])
    return path[::-1], math.exp(-cost[asked.goal])


def _way_signal(asked: LinksAsked, name: str, method: str, path: list[str]) -> Signal:
    """The likeliest way alone is a floor of the chance of arrival; that any link is passed bounds it from above."""
    way, chance = best_way(asked)
    at_goal = [one[2] for one in asked.links if asked.goal in one[:2]]
    ceiling = 1.0 - math.prod(1.0 - one for one in at_goal)
    likely = " → ".join(way or path) or "none"
    summary = f"{method}: the likeliest way is {likely}, passed with {chance:.3f}; at most {ceiling:.3f} arrives"
    return Signal(
        name=name, probability=(chance + max(ceiling, chance)) / 2, interval=(chance, max(ceiling, chance)),
        summary=summary, weight=0.5,
    )  # fmt: skip


def run_walk(asked: LinksAsked, seed: int) -> Answer:
    return walk_paths(_edges(asked), source=asked.source, goal=asked.goal, seed=seed)


async def paths(context: StepContext, asked: LinksAsked) -> Walked:
    """Shortest paths, and nodes by how near they are to the source."""
    path = shortest_path(_edges(asked), asked.source, asked.goal)
    ranked = [(node, 1.0 / at) for at, node in enumerate(path) if at]
    signal = _way_signal(asked, context.step, "shortest path", path)
    return Walked(path=path, ranked=ranked, method="shortest path", signal=signal)


@operation("walk-paths", title="A quantum walk on the graph, simulated", gives=Walked, fallback=paths)
async def walk(context: StepContext, asked: LinksAsked) -> StepOutput:
    """Which nodes a walk that keeps its coherence comes by most, beside the shortest path."""
    need_quantum(context)
    answer: Answer = await context.processes.run(run_walk, asked, context.seed)
    path = [str(node) for node in answer.found["path"]]
    signal = _way_signal(asked, context.step, answer.quantum.method, path)
    found = Walked(path=path, ranked=list(answer.found["ranked"]), method=answer.quantum.method, signal=signal)
    return answered(found, answer)


shortest = operation("shortest-paths", title="Shortest paths, and the likeliest one", gives=Walked)(paths)


def _spread(name: str, method: str, found: tuple[float, float, float], exact: float, calls: int) -> Spread:
    probability, low, high = found
    summary = f"{method}: arrives with {probability:.3f} [{low:.3f}, {high:.3f}], {calls} uses of the model"
    agrees = low <= exact <= high
    if not agrees:
        # Known exactly at these sizes: an estimate that noise has shifted is told and not used.
        summary += f"; contradicts the exact sum {exact:.3f} and was not used"
        probability, low, high = exact, min(low, exact), max(high, exact)
    signal = Signal(name=name, probability=probability, interval=(low, high), summary=summary)
    return Spread(probability=probability, interval=(low, high), exact=exact, calls=calls, method=method, signal=signal)


async def spread_exactly(context: StepContext, asked: LinksAsked) -> Spread:
    """The sum over all outcomes."""
    exact = chance_of_arrival(asked)
    return _spread(context.step, "exact sum", (exact, exact, exact), exact, 2 ** len(asked.links))


def chance_of_arrival(asked: LinksAsked) -> float:
    """0 where there is no way. Raises ``LimitExceeded`` for more links than can be summed over."""
    model = spread_model(asked.links, source=asked.source, goal=asked.goal)
    return 0.0 if model is None else model.exact()


@operation(
    "spread-probability", title="The chance that a threat arrives, by amplitude estimation on devices", gives=Spread,
    fallback=spread_exactly,
)  # fmt: skip
async def spread(context: StepContext, asked: LinksAsked) -> StepOutput:
    """Circuits go to the devices of the node."""
    need_quantum(context)
    model = spread_model(asked.links, source=asked.source, goal=asked.goal)
    if model is None:
        raise InvalidInput("links", f"no way leads from {asked.source!r} to {asked.goal!r}")
    found = await estimate_probability(
        model, run=context.run_circuit, seed=context.seed, epsilon=asked.epsilon, alpha=_ALPHA
    )
    value = _spread(context.step, "amplitude estimation", (found.estimate, *found.interval), model.exact(), found.calls)
    return estimated(value, found)
