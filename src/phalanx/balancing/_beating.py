"""The beat of a pool: what arrived is counted, the split is planned anew, and the plan becomes weights.

In three parts, so that the middle one, which computes, can run off the event loop: ``take`` copies what it needs,
``compute`` is a pure function, ``put`` applies the result to a pool that has gone on meanwhile.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phalanx.balancing._deciding import OPEN, SLOTS, WEIGHT
from phalanx.balancing._fluid import FluidPlan, plan_fluid
from phalanx.balancing._limits import BELIEVED, RATE_WINDOW_S
from phalanx.balancing._pool import Pool

if TYPE_CHECKING:
    from phalanx.balancing._arrays import Sums


@dataclass(frozen=True, slots=True, eq=False)
class BeatInput:
    """What a plan is made from, as it stood at the beat."""

    rates: "Sums"
    arrivals_per_s: "Sums"
    slots: "Sums"


def take(pool: Pool, now_s: float) -> BeatInput:
    """Count arrivals since the last beat into the rates, and copy what a plan needs."""
    import numpy as np

    past = now_s - pool.counted_from_s
    if math.isfinite(past) and past > 0:
        keep = math.exp(-past / RATE_WINDOW_S)
        pool.arrivals_per_s *= keep
        pool.arrivals_per_s += (1.0 - keep) * pool.arrived / past
        pool.placed_of *= keep
        pool.arrived[:] = 0.0
    pool.counted_from_s = now_s
    pool.wake(now_s)
    open_now = pool.state[OPEN] > 0
    usable = pool.eligibility.able() & open_now[None, :]
    return BeatInput(
        np.where(usable, pool.estimates.rates, np.inf), pool.arrivals_per_s.copy(), pool.state[SLOTS].copy()
    )


def compute(beat: BeatInput) -> FluidPlan:
    """The plan; may take milliseconds."""
    return plan_fluid(beat.rates, beat.arrivals_per_s, beat.slots)


def put(pool: Pool, plan: FluidPlan) -> None:
    """From now on, place by this plan."""
    pool.plan = plan
    pool.state[WEIGHT] = BELIEVED * plan.weights
