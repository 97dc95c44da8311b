"""What an assignment is worth: the four objectives, and how far from the best possible it can be.

Every term is made so that nothing bad can raise it:

- completion: the makespan in units of ``Problem.reference_s``, the useful work spread evenly. Both are facts of the
  problem, so the unit is the same for every answer;
- utilisation: busy time per useful work, minus one. Useful work is each operation's time where it is fastest, so
  putting an operation on a slow resource keeps that busy and makes the term worse, not better;
- coherence: the mean share of results lost to decay, over all operations that need coherence, wherever they are put;
- communication: seconds of transfer per second of useful work.

All are linear in the assignment and the makespan, so one dual bound holds for their weighted sum.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phalanx.balancing._kernel_sets import kernels
from phalanx.balancing._limits import BOUND_SLACK
from phalanx.balancing._model import Weights
from phalanx.balancing._problem import Problem

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Score:
    """The four terms, each the less the better, and their weighted sum ``total``."""

    completion: float
    utilisation: float
    coherence: float
    communication: float
    total: float


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """An assignment as the scoring sees it. ``loads_s`` counts queues; ``contention`` needs a bound."""

    choice: "npt.NDArray[np.int32]"
    loads_s: "npt.NDArray[np.float64]"
    makespan_s: float
    busy_s: float
    score: Score


def measure(problem: Problem, choice: "npt.NDArray[np.int32]", weights: Weights) -> Measured:
    """Score an assignment from scratch, whoever made it."""
    import numpy as np

    loads = np.empty(problem.n_resources, np.float64)
    kernels("assign").tally(problem.times, problem.queue_s, choice, loads)
    sums = np.empty(3, np.float64)
    kernels("model").totals(
        problem.times, problem.kind, problem.site, problem.data_mib, problem.loss, problem.links, choice, sums
    )
    makespan = float(loads.max(initial=0.0))
    useful = problem.useful_s or 1.0
    terms = (
        makespan / problem.reference_s,
        max(0.0, float(sums[0]) / useful - 1.0) if problem.n_operations else 0.0,
        float(sums[1]) / max(1, problem.coherent),
        float(sums[2]) / useful,
    )
    shares = (weights.completion, weights.utilisation, weights.coherence, weights.communication)
    total = sum(share * term for share, term in zip(shares, terms, strict=True))
    return Measured(choice, loads, makespan, float(sums[0]), Score(*terms, total))


@dataclass(frozen=True, slots=True, eq=False)
class Objective:
    """The weighted sum as solvers see it: ``fullest load + sum of costs``, in seconds.

    ``costs`` is (0, 0) when there are none. A value in seconds times ``score_per_s``, less ``constant``, is a score.
    """

    costs: "npt.NDArray[np.float32]"
    has_costs: bool
    weight: float
    score_per_s: float
    constant: float

    @classmethod
    def of(cls, problem: Problem, weights: Weights) -> "Objective":
        import numpy as np

        plain = weights.completion == 1.0 or not problem.n_operations
        scale = problem.reference_s / weights.completion if weights.completion > 0 else 1.0
        costs = np.empty((0, 0) if plain else problem.times.shape, np.float32)
        if not plain:
            useful = problem.useful_s or 1.0
            kernels("model").fill_costs(
                problem.times, problem.kind, problem.site, problem.data_mib, problem.loss, problem.links,
                np.float32(scale * weights.utilisation / useful),
                np.float32(scale * weights.coherence / max(1, problem.coherent)),
                np.float32(scale * weights.communication / useful), costs,
            )  # fmt: skip
        return cls(
            costs, not plain, 1.0 if weights.completion > 0 else 0.0, 1.0 / scale, 0.0 if plain else weights.utilisation
        )

    def bound_on_score(self, dual_s: float) -> float:
        """A dual value as a bound on the score; what rounding may have added is taken off first."""
        return dual_s * (1.0 - BOUND_SLACK) * self.score_per_s - self.constant


def efficiency(makespan_s: float, bound_s: float) -> float:
    """The share of the makespan that no answer can do without: bound over makespan. 1 when there is nothing to do."""
    return 1.0 if makespan_s <= 0 else min(1.0, max(0.0, bound_s / makespan_s))


def contention(loads_s: "npt.NDArray[np.float64]", bound_s: float) -> float:
    """The share of all work that lies beyond the bound: it waits only because of where things were put."""
    import numpy as np

    whole = float(loads_s.sum())
    return 0.0 if whole <= 0 else float(np.maximum(loads_s - bound_s, 0.0).sum()) / whole
