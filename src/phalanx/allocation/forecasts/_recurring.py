"""Work that comes at the same hour of most days, told from when work came. Pure.

An hour has the work when more came in it than in three of four hours so far: what is a little busy all day long recurs
at no hour. It recurs when it did so on most of the days that were seen, and on two at least.
"""

from collections.abc import Sequence

import numpy as np

from phalanx.allocation.forecasts._limits import BUSY_QUANTILE, FEWEST_DAYS, RECURS_ON

HOURS = 24


def busy_hours(counts: Sequence[float]) -> list[bool]:
    """Which hours of a series, one value an hour, have the work."""
    values = np.asarray(counts, dtype=float)
    if not values.size:
        return []
    limit = float(np.quantile(values, BUSY_QUANTILE))
    return [bool(one > limit) for one in values]


def recurs(counts: Sequence[float], hour: int) -> bool:
    """Whether the work comes in that hour of the next day. ``counts`` begin at hour 0 of a day and end with a day."""
    busy = busy_hours(counts)
    days = [busy[at + hour] for at in range(0, len(busy) - HOURS + 1, HOURS)]
    return len(days) >= FEWEST_DAYS and sum(days) >= max(FEWEST_DAYS, RECURS_ON * len(days))
