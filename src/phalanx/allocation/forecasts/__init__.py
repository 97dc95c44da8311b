"""What will arrive and how long it will wait, and how many workers and windows to have ready by then.

A series is forecast for each horizon by itself: the change from now to then is regressed on what the series did,
online, with its coefficients drawn towards nothing. So it begins as "as it is now" (persistence), which is hard to
beat, and departs from it only where that pays: whichever was closer of late is given (the regression, persistence, or
the level of the last week), and what the others say stands beside it.
"""

from phalanx.allocation.forecasts._pool import PoolRan, processes_ahead, replay_pool
from phalanx.allocation.forecasts._reading import ForecastRow, Forecasts
from phalanx.allocation.forecasts._recurring import HOURS, busy_hours, recurs
from phalanx.allocation.forecasts._series import Forecaster, Prediction
from phalanx.allocation.forecasts._waiting import NO_WAIT, QueueWait, QueueWaits, expected_wait
from phalanx.allocation.forecasts._warming import Warmed, rate_ahead, replay_warming, workers_for

__all__ = [
    "ForecastRow",
    "Forecaster",
    "Forecasts",
    "HOURS",
    "NO_WAIT",
    "PoolRan",
    "Prediction",
    "QueueWait",
    "QueueWaits",
    "Warmed",
    "busy_hours",
    "expected_wait",
    "processes_ahead",
    "rate_ahead",
    "recurs",
    "replay_pool",
    "replay_warming",
    "workers_for",
]
