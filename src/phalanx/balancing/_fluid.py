"""The plan of a beat: how arrivals of each kind should be split, if they were a fluid, and what follows from that.

The split minimises the highest utilisation, by the same prices as ``_prices``, over kinds instead of operations. It is
the distribution matrix that people see, and from it follow the target utilisation of every resource and the weights
with which single operations are placed (``_deciding``).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phalanx.balancing._kernel_sets import kernels
from phalanx.balancing._limits import MAX_PLANNED_UTILISATION

if TYPE_CHECKING:
    from phalanx.balancing._arrays import Sums

_COARSE = (2, 5, 4, 0.3)
_EXACT = (6, 9, 6, 0.01)
_LEAST_SHARE = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class FluidPlan:
    """``shares`` (kinds, resources), each row adding up to one or to nought; the rest (resources,).

    ``bound`` is below the highest utilisation of any split: above one, no split keeps up with the arrivals.
    """

    shares: "Sums"
    utilisation: "Sums"
    prices: "Sums"
    weights: "Sums"
    bound: float


def split_by_speed(rates: "Sums", arrivals_per_s: "Sums", slots: "Sums") -> FluidPlan:
    """Every kind over all resources that can do it, in proportion to their speed. Needs no solver, proves nothing.

    The weights are nought, so operations go where they are done first.
    """
    import numpy as np

    able = np.isfinite(rates) & (arrivals_per_s > 0.0)[:, None]
    speed = np.where(able, slots[None, :] / np.maximum(np.where(able, rates, 1.0), 1e-12), 0.0)
    whole = speed.sum(axis=1, keepdims=True)
    shares = speed / np.where(whole > 0.0, whole, 1.0)
    work = np.where(able, rates, 0.0) * shares * arrivals_per_s[:, None] / slots[None, :]
    m = rates.shape[1]
    return FluidPlan(shares, work.sum(axis=0), np.full(m, 1.0 / max(1, m)), np.zeros(m), 0.0)


def plan_fluid(rates: "Sums", arrivals_per_s: "Sums", slots: "Sums") -> FluidPlan:
    """Split ``arrivals_per_s`` (kinds,) over resources that take ``rates`` (kinds, resources) seconds for each.

    ``rates`` is infinite where a kind may not go; a kind with no place, or no arrivals, gets no share.
    """
    import numpy as np

    dual = kernels("dual")

    kinds, m = rates.shape
    shares, none = np.zeros((kinds, m)), np.zeros(m)
    able = np.isfinite(rates)
    busy = np.full((m, kinds), np.inf)
    busy[able.T] = (arrivals_per_s[:, None] * np.where(able, rates, 0.0) / slots[None, :]).T[able.T]
    placed = (arrivals_per_s > 0.0) & able.any(axis=1)
    if not placed.any():
        return FluidPlan(shares, none, none + 1.0 / max(1, m), none.copy(), 0.0)
    times = np.maximum(busy[:, placed], 1e-12).astype(np.float32)
    usable = np.isfinite(times).any(axis=1)
    logs = np.where(usable, 0.0, -30.0)
    no_costs, queue, prices = np.empty((0, 0), np.float32), np.zeros(m), np.empty(m, np.float32)
    for plan in (_COARSE, _EXACT):
        dual.ascend(times, no_costs, no_costs.size > 0, queue, 1.0, logs, *plan)
    dual.spread(logs, 1.0, prices)
    values = prices[:, None].astype(np.float64) * times
    powers = (values.min(axis=0) / values) ** float(1 << _EXACT[1])
    powers[powers < _LEAST_SHARE] = 0.0
    shares[placed] = (powers / powers.sum(axis=0)).T
    load = np.where(shares > 0.0, shares * np.where(np.isfinite(busy.T), busy.T, 0.0), 0.0).sum(axis=0)
    given = (shares * arrivals_per_s[:, None]).sum(axis=0) / slots
    weights = given / (1.0 - np.minimum(load, MAX_PLANNED_UTILISATION))
    bound = dual.cheapest(times, no_costs, no_costs.size > 0, prices, np.empty(times.shape[1], np.int32), np.empty(m))
    return FluidPlan(shares, load, prices.astype(np.float64), weights, float(bound) / float(prices.sum()))
