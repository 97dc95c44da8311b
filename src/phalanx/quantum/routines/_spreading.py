"""How likely a threat spreads from here to there: amplitude estimation on devices beside Monte Carlo and the exact sum.

Each link passes the threat on with a probability, independently of others. It arrives if all links of some path pass
it on, which is the question of ``AttackModel`` with links as stages: the circuits are those of the estimate, and run
on any device. Links that lie on no path are left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from phalanx.core import Baseline, InvalidInput, LimitExceeded, Rng
from phalanx.quantum._attack import AttackModel, Stage
from phalanx.quantum._estimate import estimate_probability
from phalanx.quantum._limits import MAX_PATHS, MAX_STAGES
from phalanx.quantum._shots import ShotRunner
from phalanx.quantum.routines._answer import Answer

_UNIT = "draws of all links"
ESTIMATE_CLAIM = (
    "about 1/ε draws of the model instead of 1/ε²; the exact sum is at hand at these sizes, and a draw on a quantum "
    "device takes far longer than a classical one"
)

Link = tuple[str, str, float]


def spread_model(links: Sequence[Link], *, source: str, goal: str) -> AttackModel | None:
    """Links as stages and simple ways from ``source`` to ``goal`` as paths; none where there is no way.

    Raises ``InvalidInput`` and, for more than ``MAX_STAGES`` links on ways, ``LimitExceeded``.
    """
    near: dict[str, dict[str, str]] = {}
    chances: dict[str, float] = {}
    for one, other, chance in links:
        if not 0 <= chance <= 1:
            raise InvalidInput("links", f"{one} – {other} has a probability of {chance}")
        if one == other or other in near.get(one, ()):
            raise InvalidInput("links", f"{one} – {other} is there twice, or leads nowhere")
        name = f"{one} – {other}"
        chances[name] = chance
        near.setdefault(one, {})[other] = near.setdefault(other, {})[one] = name
    for field, node in (("source", source), ("goal", goal)):
        if node not in near:
            raise InvalidInput(field, f"{node!r} is in no link")
    if source == goal:
        raise InvalidInput("goal", "it is where the threat is")
    paths = _ways(near, source, goal)
    used = list(dict.fromkeys(link for path in paths for link in path))
    if len(used) > MAX_STAGES:
        raise LimitExceeded(
            "links on the ways of a threat", maximum=MAX_STAGES, seen=len(used),
            hint="leave out links that hardly pass anything on, or put machines of one segment together",
        )  # fmt: skip
    if not paths:
        return None
    return AttackModel(tuple(Stage(link, (chances[link],)) for link in used), tuple(paths))


async def spread_threat(
    links: Sequence[Link], *, source: str, goal: str, run: ShotRunner, seed: int, epsilon: float = 0.01
) -> Answer | None:
    """The probability that it arrives, to within ``epsilon``; none where there is no way at all."""
    model = spread_model(links, source=source, goal=goal)
    if model is None:
        return None
    found = {"links": [stage.name for stage in model.stages], "ways": len(model.paths)}
    return await _answered("threat-spread", model, run, seed, epsilon, _UNIT, found)


async def estimate_compromise(model: AttackModel, *, run: ShotRunner, seed: int, epsilon: float = 0.01) -> Answer:
    """The probability that an attacker got through ``model``, to within ``epsilon``."""
    found = {"stages": [stage.name for stage in model.stages], "paths": [list(path) for path in model.paths]}
    return await _answered("compromise", model, run, seed, epsilon, "uses of the model", found)


async def _answered(
    routine: str, model: AttackModel, run: ShotRunner, seed: int, epsilon: float, unit: str, told: dict[str, Any]
) -> Answer:
    """Monte Carlo draws as many samples as an interval as narrow takes."""
    found = await estimate_probability(model, run=run, seed=seed, epsilon=epsilon)
    low, high = found.interval
    half = (high - low) / 2
    samples = max(1, found.monte_carlo_calls)
    classical = (
        Baseline(
            method="every outcome", value=model.exact(), error=0.0, cost=1 << len(model.stages), cost_unit=unit
        ),
        Baseline(
            method="Monte Carlo, for an interval as narrow", error=half, cost=samples, cost_unit=unit,
            value=model.sample(samples, Rng(seed).child("monte carlo")) / samples,
        ),
    )  # fmt: skip
    return Answer(
        routine=routine,
        found={"probability": found.estimate, "interval": [low, high], "confidence": found.confidence, **told},
        quantum=Baseline(
            method="iterative amplitude estimation", value=found.estimate, error=half, cost=found.calls, cost_unit=unit
        ),
        classical=classical, agrees=found.agrees, claim=ESTIMATE_CLAIM, provenance=found.provenance[0],
    )  # fmt: skip


def _ways(near: Mapping[str, Mapping[str, str]], source: str, goal: str) -> list[tuple[str, ...]]:
    """Every simple way, as names of links. Raises ``LimitExceeded`` for more than ``MAX_PATHS``."""
    found: list[tuple[str, ...]] = []
    edge: list[tuple[str, frozenset[str], tuple[str, ...]]] = [(source, frozenset({source}), ())]
    while edge:
        node, been, links = edge.pop()
        if node == goal:
            found.append(links)
            if len(found) > MAX_PATHS:
                raise LimitExceeded("ways of a threat", maximum=MAX_PATHS, seen=len(found))
            continue
        if len(links) < MAX_STAGES:
            edge += [(other, been | {other}, (*links, link)) for other, link in near[node].items() if other not in been]
    return found
