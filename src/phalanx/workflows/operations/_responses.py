"""Which responses to take: what each is worth on the graph, which go together, and what risk is left with them."""

import msgspec

from phalanx.core import InvalidInput
from phalanx.quantum.routines import Action, Answer, choose_responses
from phalanx.workflows._template import StepContext, StepOutput
from phalanx.workflows.operations._contract import Compared, answered, operation
from phalanx.workflows.operations._paths import LinksAsked, chance_of_arrival
from phalanx.workflows.operations._quantum import need_quantum
from phalanx.workflows.operations._signals import Signal

MAX_CHOICES = 16


class Response(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that could be done: it costs, and lets less through on the links that it ``guards``."""

    name: str
    cost: float
    guards: list[tuple[str, str]]
    keeps_out: float = 1.0


class WeighAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Responses and the graph that they are for."""

    graph: LinksAsked
    responses: list[Response]


class Weighed(msgspec.Struct, frozen=True, kw_only=True):
    """What each is worth alone: by how much less arrives. ``conflicts`` are pairs that guard the same."""

    actions: list[tuple[str, float, float]]
    conflicts: list[tuple[str, str, float]]


class ChooseAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``actions`` are name, worth and cost; ``conflicts`` pairs and what taking both spoils."""

    actions: list[tuple[str, float, float]]
    budget: float
    conflicts: list[tuple[str, str, float]] = []


class Chosen(Compared, frozen=True, kw_only=True):
    """What to do. ``best_possible`` is what the best choice is worth."""

    actions: list[str]
    worth: float
    best_possible: float
    method: str


class ResidualAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The graph, the responses there are, and those that were chosen."""

    graph: LinksAsked
    responses: list[Response]
    chosen: list[str]


class Residual(msgspec.Struct, frozen=True, kw_only=True):
    """The chance of arrival before and after."""

    before: float
    after: float
    signal: Signal


def guarded(graph: LinksAsked, responses: list[Response]) -> LinksAsked:
    """The graph with ``responses`` in place. Raises ``InvalidInput`` for a link that is not there."""
    left = {frozenset(one[:2]): one[2] for one in graph.links}
    for response in responses:
        if not 0 <= response.keeps_out <= 1:
            raise InvalidInput("responses", f"{response.name!r} keeps out {response.keeps_out}, which is no share")
        for ends in response.guards:
            if frozenset(ends) not in left:
                raise InvalidInput("responses", f"{response.name!r} guards {ends[0]} – {ends[1]}, which is no link")
            left[frozenset(ends)] *= 1.0 - response.keeps_out
    links = [(one, other, left[frozenset((one, other))]) for one, other, _ in graph.links]
    return msgspec.structs.replace(graph, links=links)


def weighed(asked: WeighAsked) -> Weighed:
    """Runs in another process: as many sums as there are pairs."""
    before = chance_of_arrival(asked.graph)
    worth = {one.name: before - chance_of_arrival(guarded(asked.graph, [one])) for one in asked.responses}
    conflicts = []
    for at, one in enumerate(asked.responses):
        for other in asked.responses[at + 1 :]:
            both = before - chance_of_arrival(guarded(asked.graph, [one, other]))
            spoilt = worth[one.name] + worth[other.name] - both
            if abs(spoilt) > 1e-12:
                conflicts.append((one.name, other.name, spoilt))
    return Weighed(actions=[(one.name, worth[one.name], one.cost) for one in asked.responses], conflicts=conflicts)


@operation(
    "weigh-responses",
    title="What each response alone keeps from arriving, exactly",
    gives=Weighed,
    functions=(weighed,),
)
async def weigh(context: StepContext, asked: WeighAsked) -> Weighed:
    """The exact chance with each, and for pairs what they spoil for each other."""
    if not 1 <= len(asked.responses) <= MAX_CHOICES:
        raise InvalidInput("responses", f"1 to {MAX_CHOICES} can be weighed, not {len(asked.responses)}")
    found: Weighed = await context.processes.run(weighed, asked)
    return found


def run_choice(asked: ChooseAsked, seed: int) -> Answer:
    actions = [Action(name=name, worth=worth, cost=cost) for name, worth, cost in asked.actions]
    return choose_responses(actions, budget=asked.budget, conflicts=asked.conflicts, seed=seed)


def best_choice(asked: ChooseAsked) -> tuple[list[str], float]:
    """By looking at every choice that the budget allows."""
    if len(asked.actions) > MAX_CHOICES:
        raise InvalidInput("actions", f"at most {MAX_CHOICES} can be looked at all together")
    names = [name for name, _, _ in asked.actions]
    best: tuple[float, list[str]] = (0.0, [])
    for choice in range(1 << len(names)):
        taken = [at for at in range(len(names)) if choice >> at & 1]
        if sum(asked.actions[at][2] for at in taken) > asked.budget:
            continue
        chosen = {names[at] for at in taken}
        worth = sum(asked.actions[at][1] for at in taken)
        worth -= sum(spoilt for one, other, spoilt in asked.conflicts if {one, other} <= chosen)
        best = max(best, (worth, sorted(chosen)))
    return best[1], best[0]


async def choose_exactly(context: StepContext, asked: ChooseAsked) -> Chosen:
    """Every choice is looked at."""
    actions, worth = await context.processes.run(best_choice, asked)
    return Chosen(actions=actions, worth=worth, best_possible=worth, method="every choice")


@operation(
    "choose-responses", title="Which actions to take together, by quantum approximate optimisation, simulated",
    gives=Chosen, fallback=choose_exactly, functions=(best_choice,),
)  # fmt: skip
async def choose(context: StepContext, asked: ChooseAsked) -> StepOutput:
    """The best of what was measured, beside the best there is."""
    need_quantum(context)
    answer: Answer = await context.processes.run(run_choice, asked, context.seed)
    found = Chosen(
        actions=sorted(answer.found["actions"]), worth=answer.found["worth"],
        best_possible=answer.found["best_possible"], method=answer.quantum.method,
    )  # fmt: skip
    return answered(found, answer)


@operation("residual-risk", title="The chance of arrival that is left with the chosen responses", gives=Residual)
async def residual(context: StepContext, asked: ResidualAsked) -> Residual:
    """Exactly, before and after."""
    by_name = {one.name: one for one in asked.responses}
    unknown = [name for name in asked.chosen if name not in by_name]
    if unknown:
        raise InvalidInput("chosen", f"{', '.join(unknown)}: there are no such responses")
    before = chance_of_arrival(asked.graph)
    after = chance_of_arrival(guarded(asked.graph, [by_name[name] for name in asked.chosen]))
    summary = f"with {', '.join(asked.chosen) or 'nothing'}: {after:.3f} arrives instead of {before:.3f}"
    signal = Signal(name=context.step, probability=after, interval=(after, after), summary=summary)
    return Residual(before=before, after=after, signal=signal)
