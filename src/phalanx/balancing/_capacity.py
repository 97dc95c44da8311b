"""What to add, when, and what it costs: capacity for arrivals that grow.

The peak utilisation of the best split of arrivals over resources says whether they are enough (``_fluid``), and its
bound says so of every split. Arrivals grow by a factor a day; on the first day on which the peak would pass the target,
the offer that brings it down most per money is added, and again until that day is fine. An offer must be ordered its
lead time earlier. Greedy: each step is the best one, the whole is not proved to be.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from phalanx.balancing._eligibility import declared_rates
from phalanx.balancing._fluid import plan_fluid
from phalanx.balancing._limits import MAX_ADDITIONS, MAX_GROWTH_PER_DAY, MAX_HORIZON_DAYS
from phalanx.balancing._model import OperationKind, Resource
from phalanx.core import InvalidInput

# An offer that lowers the peak by less than this is no help.
_LEAST_HELP = 1e-4
HOURS_PER_DAY = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A resource that can be had: at a price an hour, so many days after it is ordered, at most so often."""

    name: str
    resource: Resource
    cost_per_hour: float
    lead_days: int = 0
    most: int = 100

    def __post_init__(self) -> None:
        if not (math.isfinite(self.cost_per_hour) and self.cost_per_hour > 0):
            raise InvalidInput(f"cost_per_hour of {self.name}", f"{self.cost_per_hour} is not above nought")
        if self.lead_days < 0 or self.most < 0:
            raise InvalidInput(f"offer {self.name}", "lead_days and most are not below nought")


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Arrivals a second of each kind now, and by what factor they grow in a day."""

    kinds: tuple[OperationKind, ...]
    per_s: tuple[float, ...]
    growth_per_day: float = 1.0

    def __post_init__(self) -> None:
        if len(self.kinds) != len(self.per_s):
            raise InvalidInput("per_s", f"there are {len(self.kinds)} kinds and {len(self.per_s)} rates")
        if any(not (math.isfinite(rate) and rate >= 0) for rate in self.per_s):
            raise InvalidInput("per_s", "there is a rate that is negative or not a number")
        if not 0 < self.growth_per_day <= MAX_GROWTH_PER_DAY:
            raise InvalidInput("growth_per_day", f"{self.growth_per_day} is not between 0 and {MAX_GROWTH_PER_DAY}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """One resource to add: ordered on ``order_day``, there on ``day``; costs counted to the end of the horizon.

    ``order_day`` may be negative: then it would have to be ordered already, and ``late_days`` says by how much.
    """

    offer: str
    day: int
    order_day: int
    late_days: int
    peak_before: float
    peak_after: float
    cost: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityPlan:
    """``peaks`` are the highest utilisations by day with what was added, ``bounds`` what no split could be below.

    ``short_day`` is the first day for which nothing on offer helps enough, or -1.
    """

    additions: tuple[Addition, ...]
    peaks: tuple[float, ...]
    bounds: tuple[float, ...]
    cost: float
    short_day: int


def plan_capacity(
    demand: Demand,
    resources: Sequence[Resource],
    offers: Sequence[Offer],
    *,
    target: float = 0.8,
    horizon_days: int = 90,
) -> CapacityPlan:
    """The cheapest steps that keep the peak at or below ``target`` for ``horizon_days``."""
    if not 0 < target <= 1:
        raise InvalidInput("target", f"{target} is not a utilisation between 0 and 1")
    if not 1 <= horizon_days <= MAX_HORIZON_DAYS:
        raise InvalidInput("horizon_days", f"{horizon_days} is not between 1 and {MAX_HORIZON_DAYS}")
    have, left = list(resources), {offer.name: offer.most for offer in offers}
    additions: list[Addition] = []
    peaks, bounds, short_day = [], [], -1
    for day in range(horizon_days):
        growth = demand.growth_per_day**day
        peak, bound = _peak(demand, have, growth)
        while peak > target and short_day < 0 and len(additions) < MAX_ADDITIONS:
            step = _best(demand, have, offers, left, growth, peak)
            if step is None:
                short_day = day
                break
            offer, after = step
            left[offer.name] -= 1
            have.append(_named(offer, offer.most - left[offer.name]))
            additions.append(_addition(offer, day, horizon_days, peak, after, demand, growth))
            peak, bound = _peak(demand, have, growth)
        peaks.append(peak)
        bounds.append(bound)
    return CapacityPlan(
        additions=tuple(additions),
        peaks=tuple(peaks),
        bounds=tuple(bounds),
        cost=sum(one.cost for one in additions),
        short_day=short_day,
    )


def _peak(demand: Demand, resources: Sequence[Resource], growth: float) -> tuple[float, float]:
    """The highest utilisation of the best split, and what none can be below; infinite where a kind has no place."""
    import numpy as np

    rates = declared_rates(demand.kinds, resources)
    arrivals = np.array(demand.per_s) * growth
    if (np.isinf(rates).all(axis=1) & (arrivals > 0)).any() or (not resources and arrivals.any()):
        return math.inf, math.inf
    plan = plan_fluid(rates, arrivals, np.ones(len(resources)))
    return float(plan.utilisation.max(initial=0.0)), plan.bound


def _best(
    demand: Demand, have: Sequence[Resource], offers: Sequence[Offer], left: dict[str, int], growth: float, peak: float
) -> tuple[Offer, float] | None:
    """The offer that takes most off the peak for its money; where nothing fits, the cheapest that lets it fit."""
    best: tuple[float, Offer, float] | None = None
    for offer in offers:
        if left[offer.name] <= 0:
            continue
        after, _ = _peak(demand, [*have, _named(offer, 0)], growth)
        if not peak - after > _LEAST_HELP:
            # An offer may help only together with another: one that makes a kind possible while others are not yet.
            if not (math.isinf(peak) and _makes_possible(demand, have, offer)):
                continue
            worth = 1.0 / offer.cost_per_hour
        else:
            worth = (1.0 / offer.cost_per_hour) if math.isinf(peak) else (peak - after) / offer.cost_per_hour
        if best is None or worth > best[0]:
            best = worth, offer, after
    return None if best is None else (best[1], best[2])


def _makes_possible(demand: Demand, have: Sequence[Resource], offer: Offer) -> bool:
    import numpy as np

    now = np.isinf(declared_rates(demand.kinds, have)).all(axis=1) if have else np.ones(len(demand.kinds), np.bool_)
    then = np.isinf(declared_rates(demand.kinds, [offer.resource])).all(axis=1)
    wanted = np.array(demand.per_s) > 0
    return bool((now & ~then & wanted).any())


def _addition(
    offer: Offer, day: int, horizon_days: int, before: float, after: float, demand: Demand, growth: float
) -> Addition:
    order_day = day - offer.lead_days
    was = (
        "some operations had nowhere to go" if math.isinf(before) else f"the busiest resource would be at {before:.0%}"
    )
    return Addition(
        offer=offer.name,
        day=day,
        order_day=order_day,
        late_days=max(0, -order_day),
        peak_before=before,
        peak_after=after,
        cost=offer.cost_per_hour * HOURS_PER_DAY * (horizon_days - day),
        reason=f"on day {day}, at {sum(demand.per_s) * growth:.3g} operations a second, {was}; with it, at "
        + ("more than can be said" if math.isinf(after) else f"{after:.0%}"),
    )


def _named(offer: Offer, number: int) -> Resource:
    return dataclasses.replace(offer.resource, name=f"{offer.name} {number}", queue_s=0.0)
