"""All solvers behind one function, and the answer with its certificate."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phalanx.balancing._baselines import BASELINES
from phalanx.balancing._deadlines import counting_bound, deadline_bound
from phalanx.balancing._genetic import Genetics, evolve
from phalanx.balancing._kernel_sets import is_plain
from phalanx.balancing._limits import BOUND_SLACK, DEADLINE_GAP, MAX_EFFORT, MAX_SHARPENED_PAIRS
from phalanx.balancing._model import MAKESPAN_ONLY, Weights
from phalanx.balancing._prices import PriceSolver
from phalanx.balancing._pricing import Priced
from phalanx.balancing._problem import Problem
from phalanx.balancing._scoring import Measured, Objective, Score, contention, efficiency, measure
from phalanx.core import InvalidInput, Rng, Unavailable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

DEFAULT_METHOD = "prices"
# What can be answered while kernels are being compiled.
_PLAIN_METHODS = frozenset({DEFAULT_METHOD, "earliest"})


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Where each operation goes, what that is worth, and how far from the best it can be at most.

    ``choice`` (operations,) holds places in ``names``. ``bound`` is below the score of *any* assignment, and ``gap`` is
    how far above it this one is, relatively; ``makespan_bound_s`` and ``makespan_gap`` say the same of the makespan
    alone. ``prices`` (resources,) add up to one: what a second of each resource is worth. ``candidates`` are the scores
    of everything that was considered, and ``chosen`` is which of them this is. ``plain`` says that it was found without
    compiled kernels, which is rougher.
    """

    choice: "npt.NDArray[np.int32]"
    names: tuple[str, ...]
    loads_s: "npt.NDArray[np.float64]"
    prices: "npt.NDArray[np.float32]"
    makespan_s: float
    score: Score
    bound: float
    makespan_bound_s: float
    chosen: str
    candidates: Mapping[str, float]
    contention: float
    hopeless: int
    plain: bool = False

    @property
    def gap(self) -> float:
        return _gap(self.score.total, self.bound)

    @property
    def makespan_gap(self) -> float:
        return _gap(self.makespan_s, self.makespan_bound_s)

    @property
    def efficiency(self) -> float:
        """The share of the makespan that no answer can do without."""
        return efficiency(self.makespan_s, self.makespan_bound_s)


def _gap(value: float, bound: float) -> float:
    return max(0.0, value / bound - 1.0) if bound > 0 else (0.0 if value <= 0 else float("inf"))


class _Run:
    """One problem, one set of weights, and what was found for it so far."""

    def __init__(self, problem: Problem, weights: Weights, seed: int, genetics: Genetics, effort: int) -> None:
        self.problem, self.weights, self.genetics, self.effort = problem, weights, genetics, effort
        self.rng = Rng(seed).child("balancing")
        self.candidates: dict[str, Measured] = {}

    def consider(self, name: str, choice: "npt.NDArray[np.int32]") -> None:
        self.candidates[name] = measure(self.problem, choice, self.weights)

    def priced(self, name: str, objective: Objective) -> Priced:
        found = PriceSolver(self.problem, objective, self.rng.child(name), effort=self.effort).solve()
        self.consider(name, found.choice)
        return found

    def best(self) -> str:
        """The least score; of equals, the one considered first."""
        return min(self.candidates, key=lambda name: self.candidates[name].score.total)


def solve(
    problem: Problem,
    *,
    method: str = DEFAULT_METHOD,
    weights: Weights | None = None,
    seed: int = 0,
    genetics: Genetics | None = None,
    effort: int = 1,
) -> Answer:
    """Distribute the operations of ``problem``.

    ``method`` is one of ``METHODS``. Whatever the method, the answer states its gap to a certified bound; ``prices``
    and ``prices+genetic`` fall back to the best of their candidates. The same seed gives the same answer. ``effort``
    makes the local search that many times longer, which helps where operations are large against the makespan.
    """
    if not 1 <= effort <= MAX_EFFORT:
        raise InvalidInput("effort", f"{effort} is not between 1 and {MAX_EFFORT}")
    if method not in METHODS:
        raise InvalidInput("method", f"there is no solver {method!r}", hint=f"one of: {', '.join(METHODS)}")
    if is_plain() and method not in _PLAIN_METHODS:
        raise Unavailable(
            f"the solver {method}", "its kernels are being compiled", hint="ask again in a minute, or for `prices`"
        )
    chosen_weights = weights or Weights()
    run = _Run(problem, chosen_weights, seed, genetics or Genetics(), effort)
    if not problem.n_operations:
        return _nothing(problem, method)
    objective = Objective.of(problem, chosen_weights)
    time_only = Objective.of(problem, MAKESPAN_ONLY) if objective.has_costs else objective
    answered = METHODS[method](run, objective, time_only)
    # Methods that did not price anything are measured against the same bound, found apart from them.
    apart = _Run(problem, chosen_weights, seed, run.genetics, 1)
    priced = answered or apart.priced("prices", objective)
    timed = priced if objective is time_only else apart.priced("makespan", time_only)
    name = run.best()
    best = run.candidates[name]
    makespan_bound_s = _makespan_bound(problem, timed, run, apart)
    bound = max(0.0, objective.bound_on_score(priced.dual_s))
    if not objective.has_costs:
        bound = max(bound, makespan_bound_s * objective.score_per_s)
    return Answer(
        choice=best.choice,
        names=problem.names,
        loads_s=best.loads_s,
        prices=priced.prices,
        makespan_s=best.makespan_s,
        score=best.score,
        bound=bound,
        makespan_bound_s=makespan_bound_s,
        chosen=name,
        candidates={known: measured.score.total for known, measured in run.candidates.items()},
        contention=contention(best.loads_s, makespan_bound_s),
        hopeless=problem.hopeless,
        plain=is_plain(),
    )


def _makespan_bound(problem: Problem, timed: Priced, *runs: _Run) -> float:
    """What no makespan is below: the dual, and for small problems what deadlines and counting add to it."""
    bound_s = timed.dual_s * (1.0 - BOUND_SLACK)
    if problem.times.size > MAX_SHARPENED_PAIRS or is_plain():
        return bound_s
    reached_s = min(found.makespan_s for run in runs for found in run.candidates.values())
    bound_s = max(bound_s, counting_bound(problem) * (1.0 - BOUND_SLACK))
    if reached_s <= bound_s * (1.0 + DEADLINE_GAP):
        return bound_s
    return max(bound_s, deadline_bound(problem, known_s=bound_s, makespan_s=reached_s) * (1.0 - BOUND_SLACK))


def _prices(run: _Run, objective: Objective, time_only: Objective) -> Priced:
    """By prices for the weighted sum; for the makespan alone and by earliest completion as well, in case those win."""
    priced = run.priced("prices", objective)
    if objective is not time_only:
        run.priced("makespan", time_only)
    run.consider("earliest", BASELINES["earliest"](run.problem, run.rng))
    return priced


def _genetic(run: _Run, objective: Objective, time_only: Objective) -> None:  # noqa: ARG001 - one signature for all
    run.consider("genetic", evolve(run.problem, objective, run.rng, run.genetics))


def _polished(run: _Run, objective: Objective, time_only: Objective) -> Priced:
    priced = _prices(run, objective, time_only)
    start = run.candidates[run.best()].choice
    run.consider("prices+genetic", evolve(run.problem, objective, run.rng, run.genetics, (start,)))
    return priced


def _by_rule(name: str) -> Callable[[_Run, Objective, Objective], None]:
    def ruled(run: _Run, objective: Objective, time_only: Objective) -> None:  # noqa: ARG001 - one signature for all
        run.consider(name, BASELINES[name](run.problem, run.rng))

    return ruled


METHODS: Mapping[str, Callable[[_Run, Objective, Objective], Priced | None]] = {
    DEFAULT_METHOD: _prices,
    "genetic": _genetic,
    "prices+genetic": _polished,
    **{name: _by_rule(name) for name in BASELINES},
}


def _nothing(problem: Problem, method: str) -> Answer:
    """The answer when there is nothing to do: what is queued already is all there is."""
    import numpy as np

    makespan = float(problem.queue_s.max(initial=0.0))
    m = problem.n_resources
    return Answer(
        choice=np.zeros(0, np.int32),
        names=problem.names,
        loads_s=problem.queue_s.copy(),
        prices=np.full(m, 1.0 / max(1, m), np.float32),
        makespan_s=makespan,
        score=Score(0.0, 0.0, 0.0, 0.0, 0.0),
        bound=0.0,
        makespan_bound_s=makespan,
        chosen=method,
        candidates={method: 0.0},
        contention=0.0,
        hopeless=0,
    )
