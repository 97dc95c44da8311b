"""Which values are on a list: Grover's search, an index, and what the hits say."""

import msgspec

from phalanx.quantum.routines import Answer, search_indicators
from phalanx.workflows._template import StepContext, StepOutput
from phalanx.workflows.operations._contract import Compared, answered, operation
from phalanx.workflows.operations._quantum import need_quantum
from phalanx.workflows.operations._signals import Signal

_HIT = 0.9
_NONE = 0.02


class SearchAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``values`` that were seen, ``wanted`` ones that tell of an attacker. ``trust`` is how far the list is right."""

    values: list[str]
    wanted: list[str]
    trust: float = _HIT


class Searched(Compared, frozen=True, kw_only=True):
    """What was found, and the questions that it took."""

    found: list[str]
    questions: int
    method: str
    signal: Signal


def _searched(found: list[str], asked: SearchAsked, questions: int, method: str, name: str) -> Searched:
    """Each hit is right with the list's trust, on its own; where nothing is found little remains."""
    chance = 1.0 - (1.0 - asked.trust) ** len(set(found)) if found else _NONE
    low = asked.trust if found else 0.0
    summary = f"{method}: {len(found)} of {len(asked.values)} values are on the list, in {questions} questions"
    signal = Signal(name=name, probability=chance, interval=(min(low, chance), max(chance, _NONE)), summary=summary)
    return Searched(found=sorted(set(found)), questions=questions, method=method, signal=signal)


def run_search(asked: SearchAsked, seed: int) -> Answer:
    return search_indicators(asked.values, asked.wanted, seed=seed)


async def scan(context: StepContext, asked: SearchAsked) -> Searched:
    """Every value is looked at."""
    wanted = frozenset(asked.wanted)
    found = [value for value in asked.values if value in wanted]
    return _searched(found, asked, len(asked.values), "scan", context.step)


@operation(
    "search-indicators", title="Grover's search for values on a list, simulated", gives=Searched, fallback=scan
)  # fmt: skip
async def search(context: StepContext, asked: SearchAsked) -> StepOutput:
    """Found with about √N questions each; values that are indexed need no such thing."""
    need_quantum(context)
    answer: Answer = await context.processes.run(run_search, asked, context.seed)
    found = [str(value) for value in answer.found["values"]]
    return answered(_searched(found, asked, answer.quantum.cost, answer.quantum.method, context.step), answer)


@operation("look-up-indicators", title="The same by an index of the list", gives=Searched)
async def look_up(context: StepContext, asked: SearchAsked) -> Searched:
    """One question for each value."""
    wanted = frozenset(asked.wanted)
    return _searched([value for value in asked.values if value in wanted], asked, 1, "index", context.step)
