"""Routines as steps that answer a question by themselves: a probability, segments, a forecast, factors of a number."""

import msgspec

from phalanx.quantum import AttackModel, Stage, estimate_probability
from phalanx.quantum.routines import (
    Answer,
    autoregressed,
    best_segments,
    factor,
    forecast,
    segment_hosts,
    smallest_divisor,
)
from phalanx.workflows._template import StepContext, StepOutput
from phalanx.workflows.operations._contract import Compared, answered, estimated, operation
from phalanx.workflows.operations._quantum import need_quantum
from phalanx.workflows.operations._signals import Signal

_ALPHA = 0.01


class EstimateAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``stages`` with the risks of each, any of which suffices, and ``paths`` of stages, any of which gets through."""

    stages: dict[str, list[float]]
    paths: list[list[str]]
    epsilon: float = 0.02


class Estimated(Compared, frozen=True, kw_only=True):
    """How likely the attacker got through. ``monte_carlo_calls`` is what sampling takes for an interval as narrow."""

    probability: float
    interval: tuple[float, float]
    exact: float
    calls: int
    monte_carlo_calls: int
    method: str
    signal: Signal


class SegmentsAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``links`` are hosts and their traffic; ``balance`` is how much an uneven spread of ``risks`` counts."""

    links: list[tuple[str, str, float]]
    risks: dict[str, float] = {}
    balance: float = 1.0
    natural: bool = False
    steps: int = 80


class Segments(Compared, frozen=True, kw_only=True):
    """Two segments, what they cost, and the least that is possible."""

    segments: list[list[str]]
    cost: float
    lowest_possible: float
    method: str


class SeriesAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Values at equal distances in time, the newest last."""

    series: list[float]


class Following(Compared, frozen=True, kw_only=True):
    """The next value, and how far each method was off on the last third, which it did not see."""

    next: float
    mean_off: dict[str, float]
    method: str


class NumberAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An odd number of a few digits that is no prime power."""

    number: int


class Factors(Compared, frozen=True, kw_only=True):
    """Two factors; none when the attempts were used up."""

    factors: list[int]
    method: str


def _model(asked: EstimateAsked) -> AttackModel:
    stages = tuple(Stage(name, tuple(risks)) for name, risks in asked.stages.items())
    return AttackModel(stages, tuple(tuple(path) for path in asked.paths))


def _estimated(
    name: str, method: str, found: tuple[float, float, float], exact: float, calls: tuple[int, int]
) -> Estimated:
    probability, low, high = found
    summary = f"{method}: got through with {probability:.3f} [{low:.3f}, {high:.3f}], {calls[0]} uses of the model"
    if not low <= exact <= high:
        # Known exactly at these sizes: an estimate that noise has shifted is told and not used.
        summary += f"; contradicts the exact sum {exact:.3f} and was not used"
        probability, low, high = exact, min(low, exact), max(high, exact)
    return Estimated(
        probability=probability, interval=(low, high), exact=exact, calls=calls[0], monte_carlo_calls=calls[1],
        method=method, signal=Signal(name=name, probability=probability, interval=(low, high), summary=summary),
    )  # fmt: skip


async def sum_exactly(context: StepContext, asked: EstimateAsked) -> Estimated:
    """The sum over all outcomes."""
    exact = _model(asked).exact()
    return _estimated(context.step, "exact sum", (exact, exact, exact), exact, (1 << len(asked.stages), 0))


@operation(
    "estimate-probability", title="How likely an attack got through, by amplitude estimation on devices",
    gives=Estimated, fallback=sum_exactly,
)  # fmt: skip
async def estimate(context: StepContext, asked: EstimateAsked) -> StepOutput:
    """Circuits go to the devices of the node."""
    need_quantum(context)
    model = _model(asked)
    found = await estimate_probability(
        model, run=context.run_circuit, seed=context.seed, epsilon=asked.epsilon, alpha=_ALPHA
    )
    calls = found.calls, found.monte_carlo_calls
    value = _estimated(context.step, "amplitude estimation", (found.estimate, *found.interval), model.exact(), calls)
    return estimated(value, found)


def run_segments(asked: SegmentsAsked, seed: int) -> Answer:
    """Runs in another process. States are computed, so that the coroutine waits for nothing."""
    work = segment_hosts(
        asked.links, seed=seed, risks=asked.risks, balance=asked.balance, natural=asked.natural, steps=asked.steps
    )
    try:
        work.send(None)
    except StopIteration as done:
        answer: Answer = done.value
        return answer
    raise RuntimeError("states that are computed are there at once")


def run_best_segments(asked: SegmentsAsked) -> tuple[list[list[str]], float]:
    return best_segments(asked.links, asked.risks, asked.balance)


async def segment_exactly(context: StepContext, asked: SegmentsAsked) -> Segments:
    """Every segmentation is looked at."""
    found, cost = await context.processes.run(run_best_segments, asked)
    return Segments(segments=found, cost=cost, lowest_possible=cost, method="every segmentation")


@operation(
    "segment-hosts", title="Two segments for hosts, by a variational eigensolver, simulated", gives=Segments,
    fallback=segment_exactly, functions=(run_best_segments,),
)  # fmt: skip
async def segment(context: StepContext, asked: SegmentsAsked) -> StepOutput:
    """Plain or natural gradients; exact diagonalisation and annealing beside it."""
    need_quantum(context)
    answer: Answer = await context.processes.run(run_segments, asked, context.seed)
    found = answer.found
    value = Segments(
        segments=found["segments"], cost=found["cost"], lowest_possible=found["lowest_possible"],
        method=answer.quantum.method,
    )  # fmt: skip
    return answered(value, answer)


def run_forecast(asked: SeriesAsked, seed: int) -> Answer:
    return forecast(asked.series, seed=seed)


def run_autoregression(asked: SeriesAsked) -> tuple[float, float]:
    return autoregressed(asked.series)


async def regress(context: StepContext, asked: SeriesAsked) -> Following:
    """Autoregression."""
    following, off = await context.processes.run(run_autoregression, asked)
    return Following(next=following, mean_off={"autoregression": off}, method="autoregression")


@operation(
    "forecast-series", title="What comes next in a series, by a quantum reservoir, simulated", gives=Following,
    fallback=regress, functions=(run_autoregression,),
)  # fmt: skip
async def following(context: StepContext, asked: SeriesAsked) -> StepOutput:
    """Autoregression, an echo state network and persistence beside it."""
    need_quantum(context)
    answer: Answer = await context.processes.run(run_forecast, asked, context.seed)
    found = answer.found
    return answered(Following(next=found["next"], mean_off=found["mean_off"], method=answer.quantum.method), answer)


def run_factor(asked: NumberAsked, seed: int) -> Answer:
    return factor(asked.number, seed=seed)


def run_division(asked: NumberAsked) -> int:
    return smallest_divisor(asked.number)


async def divide(context: StepContext, asked: NumberAsked) -> Factors:
    """Trial division."""
    divisor = await context.processes.run(run_division, asked)
    return Factors(factors=sorted((divisor, asked.number // divisor)), method="trial division")


@operation(
    "factor-number", title="Shor's algorithm on a toy number, to its end, simulated", gives=Factors, fallback=divide,
    functions=(run_division,),
)  # fmt: skip
async def factors(context: StepContext, asked: NumberAsked) -> StepOutput:
    """Trial division beside it."""
    need_quantum(context)
    answer: Answer = await context.processes.run(run_factor, asked, context.seed)
    value = Factors(factors=answer.found["factors"], method=answer.quantum.method)
    return answered(value, answer)
