"""Prices of one problem and objective, and the bound that they prove.

Whatever prices were tried, the best bound seen is kept with the prices that gave it: it holds for every assignment
(``_prices`` says why).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phalanx.balancing._kernel_sets import kernels
from phalanx.balancing._problem import Problem
from phalanx.balancing._scoring import Objective
from phalanx.core import Rng

if TYPE_CHECKING:
    from phalanx.balancing._arrays import Floats, Places, Sums

# Sharpness 2^k of the smoothed dual, by sample: coarse prices need not be exact, only near.
COARSE = (2, 5, 3, 0.6)
FINE = (5, 7, 4, 0.3)
EXACT = (7, 9, 4, 0.05)
_SHARP = (10, 13, 4, 0.01)
NOISE = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class Priced:
    """What prices led to. ``dual_s`` is the best dual value seen, in the objective's seconds; ``prices`` give it."""

    choice: "Places"
    prices: "Floats"
    dual_s: float


class Pricing:
    """What solving by prices knows: the arrays, the logarithms of the prices, and the best bound so far."""

    def __init__(self, problem: Problem, objective: Objective, rng: Rng, *, effort: int = 1) -> None:
        import numpy as np

        self._times, self._queue = problem.times, problem.queue_s
        self._costs, self._has_costs = objective.costs, objective.has_costs
        self._m, self._n = problem.times.shape
        self._seed = rng.child("anneal").bits(31)
        self._draws = rng.child("prices").numpy()
        self._noise = self._draws.random(NOISE + self._m, np.float32)
        self._logs = np.zeros(self._m)
        self._best_prices = np.full(self._m, 1.0 / self._m, np.float32)
        self._dual = -np.inf
        self._free = objective.weight == 0.0
        self._effort = effort
        # A resource that can do nothing keeps a price so low that its lack of load moves nothing.
        self._logs[~problem.usable] = -30.0

    def _sample(self, size: int) -> "tuple[Floats, Floats, Sums]":
        """Columns spread over all operations, one drawn from each stretch of them; queues shrink along."""
        import numpy as np

        if size >= self._n:
            return self._times, self._costs, self._queue
        at = ((np.arange(size) + self._draws.random(size)) * (self._n / size)).astype(np.int64)
        costs = np.ascontiguousarray(self._costs[:, at]) if self._has_costs else self._costs
        return np.ascontiguousarray(self._times[:, at]), costs, self._queue * (size / self._n)

    def _ascend(
        self,
        times: "Floats",
        costs: "Floats",
        queue: "Sums",
        plan: tuple[int, int, int, float],
    ) -> float:
        dual = kernels("dual")

        mean = dual.ascend(times, costs, self._has_costs, queue, 1.0, self._logs, *plan)
        self._prices = self._best_prices.copy()
        dual.spread(self._logs, 1.0, self._prices)
        return float(mean)

    def _note_bound(self) -> None:
        """What the present prices prove, kept if it is more than was known."""
        import numpy as np

        loads = np.empty(self._m)
        values = kernels("dual").cheapest(
            self._times, self._costs, self._has_costs, self._prices, np.empty(self._n, np.int32), loads
        )
        # The prices add up to one only within rounding; their real sum is what makes it a bound.
        whole = float(self._prices.sum(dtype=np.float64))
        dual = float(values) + float(self._prices.astype(np.float64) @ self._queue)
        if not self._has_costs:
            dual /= whole
        elif whole > 1.0:
            # Costs do not scale with prices, but lowering all prices lowers every value by no more than this.
            dual /= whole
        if dual > self._dual:
            self._dual = dual
            self._best_prices = self._prices.copy()

    def _sharpen(self) -> None:
        """Raise the bound by prices that are exact for each operation; costs little where there are few."""
        import numpy as np

        self._logs = np.log(np.maximum(self._best_prices, np.float32(1e-30))).astype(np.float64)
        first, last, steps, tolerance = _SHARP
        for sharpness in range(first, last + 1):
            self._ascend(self._times, self._costs, self._queue, (sharpness, sharpness, steps, tolerance))
            self._note_bound()

    def _value(self, choice: "Places", loads: "Sums") -> float:
        """The objective of an assignment, in seconds."""
        import numpy as np

        extra = float(self._costs[choice, np.arange(self._n)].sum(dtype=np.float64)) if self._has_costs else 0.0
        return float(loads.max()) + extra

    def _gap(self, choice: "Places", loads: "Sums") -> float:
        return self._value(choice, loads) / self._dual - 1.0 if self._dual > 0 else 0.0
