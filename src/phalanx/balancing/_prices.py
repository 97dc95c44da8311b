"""The default solver: one price per resource, each operation where it is cheapest, and a repair of what is left over.

With many more operations than resources, balancing is a pricing problem. For prices λ ≥ 0 that add up to one,

    Σᵢ λᵢ·queueᵢ + Σⱼ minᵢ (λᵢ·pᵢⱼ + cᵢⱼ)  ≤  fullest load + Σ cᵢⱼ  of any assignment,

because a mean of loads is at most the fullest and a sum of minima at most any sum. So *any* prices give a valid lower
bound, and every answer carries the best one found as its certificate, whatever went wrong on the way.

1. Prices from a sample: Newton steps on the smoothed dual, coarse to fine (``ascend``).
2. Sweeps: each operation in turn to where it is cheapest, a resource above its share being dearer meanwhile; what was
   learned becomes part of the prices. Where that leaves loads uneven, steeper ones (``_settle``).
3. Shedding: operations leave resources above the target, least regret first.
4. Where single operations are large against the whole, local search.

The same seed gives the same answer on the same machine. Without compiled kernels it ends after the third step.
"""

from typing import TYPE_CHECKING

from phalanx.balancing._kernel_sets import is_plain, kernels
from phalanx.balancing._limits import (
    CLOSE_ENOUGH,
    COARSE_SAMPLE,
    FEW_SHED_ROUNDS,
    FINE_SAMPLE,
    LAST_GAP,
    LAST_SAMPLE,
    LONG_DESCENT,
    LONG_SEARCH,
    MANY_OPERATIONS,
    MAX_LOCAL_OPERATIONS,
    MAX_SHARPENED_PAIRS,
    MAX_SHED_ROUNDS,
    RETRY_GAP,
    RETRY_SAMPLE,
    SEARCH_PER_OPERATION,
    SETTLED_GAP,
    SHORT_DESCENT,
    SHORT_SEARCH,
    SHORTLIST,
    SMALL_OPERATIONS,
    STEEP_SWEEPS,
    SWEEPS_PER_BOUND,
)
from phalanx.balancing._pricing import COARSE, EXACT, FINE, Priced, Pricing

if TYPE_CHECKING:
    from phalanx.balancing._arrays import Floats, Places, Sums

# Gain and blur of the sweeps: strong and blurred while prices are rough.
_SWEEPS_ON_SAMPLE = ((1.0, 0.01), (1.0, 0.006), (0.7, 0.004), (0.5, 0.003))
_SWEEPS = ((0.7, 0.004), (0.5, 0.002))
_CAREFUL_SWEEPS = ((0.7, 0.003), (0.5, 0.002), (0.3, 0.001))
# Gains of the sweeps that settle what gentler ones left uneven, and again what those left.
_STEEP = (6.0, 3.0)
_GENTLE = (0.0,)
# Heat of the annealing, as a share of the value of a mean operation.
_HEAT = 0.3


class PriceSolver(Pricing):
    """One problem and objective being solved."""

    def solve(self) -> Priced:
        """Answer, and answer again more carefully if the first is far from its bound."""
        if self._free:
            return self._without_prices()
        if is_plain():
            sample = min(self._n, FINE_SAMPLE)
            choice, _ = self._from_all() if sample == self._n else self._attempt(sample, careful=False)
        elif self._n <= SMALL_OPERATIONS:
            choice, loads = self._from_all()
        else:
            choice, loads = self._attempt(FINE_SAMPLE, careful=False)
            # Of very many, every attempt costs a second, and is not repeated for half a percent.
            enough = RETRY_GAP if self._n <= MANY_OPERATIONS else LAST_GAP
            for sample, gap in ((RETRY_SAMPLE, enough), (LAST_SAMPLE, LAST_GAP)):
                if self._gap(choice, loads) <= gap:
                    break
                again, loads_again = self._attempt(sample, careful=True)
                if self._value(again, loads_again) < self._value(choice, loads):
                    choice, loads = again, loads_again
        return Priced(choice, self._best_prices, self._dual)

    def _without_prices(self) -> Priced:
        """When time does not count, each operation goes where it costs least, and that is the best there is."""
        import numpy as np

        choice, nothing = np.empty(self._n, np.int32), np.zeros(self._m, np.float32)
        least = kernels("dual").cheapest(self._times, self._costs, self._has_costs, nothing, choice, np.empty(self._m))
        return Priced(choice, self._best_prices, float(least))

    def _from_all(self) -> "tuple[Places, Sums]":
        """Few operations: all of them are the sample."""
        first, _, steps, tolerance = COARSE
        self._ascend(self._times, self._costs, self._queue, (first, FINE[1], steps, tolerance))
        mean = self._ascend(self._times, self._costs, self._queue, EXACT)
        choice, loads = self._finish(mean, _SWEEPS)
        if self._m * self._n <= MAX_SHARPENED_PAIRS and self._gap(choice, loads) > CLOSE_ENOUGH:
            self._sharpen()
        return choice, loads

    def _attempt(self, sample: int, *, careful: bool) -> "tuple[Places, Sums]":
        if not careful:
            self._ascend(*self._sample(COARSE_SAMPLE), COARSE)
        times, costs, queue = self._sample(sample)
        mean = self._ascend(times, costs, queue, EXACT if careful else FINE)
        if self._has_costs and not careful and not is_plain():
            # Where a pair costs something besides time, loads follow prices but slowly: sweeps alone are not enough.
            sample = RETRY_SAMPLE
            times, costs, queue = self._sample(sample)
            mean = self._ascend(times, costs, queue, EXACT)
        times, costs, queue = self._sample(FINE_SAMPLE if is_plain() else RETRY_SAMPLE)
        share = times.shape[1] / self._n
        self._sweep(times, costs, queue, mean * times.shape[1] / min(sample, self._n), _SWEEPS_ON_SAMPLE)
        target = self._mean_of_sweep / share
        return self._finish(target, _CAREFUL_SWEEPS if careful else _SWEEPS)

    def _finish(self, target: float, sweeps: tuple[tuple[float, float], ...]) -> "tuple[Places, Sums]":
        self._note_bound()
        choice, loads = self._sweep(self._times, self._costs, self._queue, target, sweeps)
        self._note_bound()
        if is_plain():
            self._shed(choice, loads)
            return choice, loads
        best, least = (choice.copy(), loads.copy()), self._value(choice, loads)
        # Few operations are large against the whole: searching settles them, not prices.
        for gain in _STEEP if self._n > SMALL_OPERATIONS else _GENTLE:
            if gain and self._gap(choice, loads) > SETTLED_GAP:
                choice, loads = self._settle(choice, loads, gain)
            self._shed(choice, loads)
            if self._gap(choice, loads) > CLOSE_ENOUGH:
                self._search(choice, loads, SHORT_SEARCH)
            value = self._value(choice, loads)
            if value < least:
                best, least = (choice.copy(), loads.copy()), value
            if self._gap(*best) <= RETRY_GAP:
                break
        if self._gap(*best) > LAST_GAP and self._n > SMALL_OPERATIONS:
            self._search(*best, 4 * SHORT_SEARCH)
        return best

    def _sweep(
        self,
        times: "Floats",
        costs: "Floats",
        queue: "Sums",
        target: float,
        plan: tuple[tuple[float, float], ...],
    ) -> "tuple[Places, Sums]":
        import numpy as np

        assign = kernels("assign")

        choice, loads = np.zeros(times.shape[1], np.int32), np.empty(self._m)
        for turn, (gain, blur) in enumerate(plan):
            assign.sweep(
                times, costs, self._has_costs, self._prices, queue, target, np.float32(gain), np.float32(blur),
                self._noise, turn == 0, choice, loads,
            )  # fmt: skip
            assign.absorb(self._prices, np.float32(gain), 1.0, target, loads)
            target = float(self._prices @ loads)
        self._mean_of_sweep = target
        self._logs = np.log(np.maximum(self._prices, np.float32(1e-30))).astype(np.float64)
        return choice, loads

    def _settle(self, choice: "Places", loads: "Sums", steep: float) -> "tuple[Places, Sums]":
        """Sweeps in which a little overload makes a resource much dearer, and the best of what they led to.

        Operations of one kind nearly tie between resources: a price that is wrong by a percent sends all of them the
        wrong way, and a gentle sweep rights it only by an overload of several. Half of what a steep one says is
        believed, or single large operations would sway the prices.
        """
        import numpy as np

        assign = kernels("assign")

        best, least = (choice.copy(), loads.copy()), self._value(choice, loads)
        target, fresh = self._mean_of_sweep, False
        gain, blur, believed = np.float32(steep), np.float32(0.0), np.float32(steep / 2.0)
        for turn in range(STEEP_SWEEPS):
            assign.sweep(
                self._times, self._costs, self._has_costs, self._prices, self._queue, target, gain, blur, self._noise,
                fresh, choice, loads,
            )  # fmt: skip
            assign.absorb(self._prices, believed, 1.0, target, loads)
            target = float(self._prices @ loads)
            value = self._value(choice, loads)
            if value < least:
                best, least = (choice.copy(), loads.copy()), value
            if turn % SWEEPS_PER_BOUND == 0:
                self._note_bound()
            if self._gap(*best) <= SETTLED_GAP:
                break
        self._mean_of_sweep = target
        self._logs = np.log(np.maximum(self._prices, np.float32(1e-30))).astype(np.float64)
        return best

    def _shed(self, choice: "Places", loads: "Sums") -> None:
        import numpy as np

        prices, shed = self._best_prices, kernels("assign").shed
        scratch = (np.empty(self._n, np.float32), np.empty(self._n, np.int32), np.empty(self._n, np.int32))
        mean = float(prices @ loads)
        target = mean if self._has_costs else max(self._dual, mean)
        target *= 1.0 + 2e-4
        for _ in range(MAX_SHED_ROUNDS if self._n <= MANY_OPERATIONS else FEW_SHED_ROUNDS):
            if loads.max() <= target:
                return
            moved = shed(self._times, self._costs, self._has_costs, prices, target, choice, loads, *scratch)
            if not moved:
                target *= 1.0 + 5e-4
            target = max(target, float(prices @ loads) * (1.0 + 2e-4))

    def _search(self, choice: "Places", loads: "Sums", proposals: int) -> None:
        """One annealing and a descent from its best, kept if they are worth it."""
        import numpy as np

        from phalanx.balancing._kernels_local import anneal, descend, shortlist

        active, prices = self._movable(choice, loads), self._best_prices
        shape = (active.size, min(SHORTLIST, self._m))
        where, took = np.empty(shape, np.int32), np.empty(shape, np.float32)
        shortlist(self._times, self._costs, self._has_costs, prices, active, where, took)
        floor = float(prices @ loads) if self._has_costs else self._dual * (1.0 + CLOSE_ENOUGH)
        proposals, heat, descent = self._search_plan(proposals)
        home, best, trial, found = choice[active], np.empty(active.size, np.int32), loads.copy(), choice.copy()
        anneal(
            self._times, self._costs, self._has_costs, active, where, took, prices.astype(np.float64), floor, heat,
            proposals, self._seed, home, trial, best,
        )  # fmt: skip
        found[active] = best
        self._tally(found, trial)
        if not self._has_costs:
            descend(self._times, active, where, took, floor, descent, best, trial)
            found[active] = best
            self._tally(found, trial)
        if self._value(found, trial) < self._value(choice, loads):
            choice[:], loads[:] = found, trial

    def _search_plan(self, proposals: int) -> tuple[int, float, int]:
        """Proposals and heat of the annealing, and pairs that the descent looks at."""
        if self._n <= SMALL_OPERATIONS:
            proposals = min(LONG_SEARCH, SEARCH_PER_OPERATION * self._n)
            return proposals * self._effort, _HEAT / self._n, LONG_DESCENT
        return proposals * self._effort, 0.0, SHORT_DESCENT

    def _movable(self, choice: "Places", loads: "Sums") -> "Places":
        """All operations, or of many those on the fullest resources and a sample of the rest."""
        import numpy as np

        if self._n <= MAX_LOCAL_OPERATIONS:
            return np.arange(self._n, dtype=np.int32)
        half = MAX_LOCAL_OPERATIONS // 2
        full = np.zeros(self._m, np.bool_)
        full[np.argsort(-loads, kind="stable")[: max(1, self._m // 8)]] = True
        some = (self._draws.random(half) * self._n).astype(np.int64)
        return np.unique(np.concatenate([np.flatnonzero(full[choice])[:half], some])).astype(np.int32)

    def _tally(self, choice: "Places", loads: "Sums") -> None:
        kernels("assign").tally(self._times, self._queue, choice, loads)
