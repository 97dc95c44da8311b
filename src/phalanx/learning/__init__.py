"""Models that learn from observations, and the measures that say how far they can be trusted.

``train_trees`` leaves ``Trees`` behind, arrays that are scored without the library that trained them;
``Calibration`` turns scores into probabilities; ``Drift`` and ``AdaptiveThreshold`` follow a stream;
``OnlineRegression`` predicts with its uncertainty, ``doubly_robust`` estimates policies' values from others'
decisions; ``Confusion`` and its like measure, with intervals. All of it is seeded and none of it does I/O.

Errors: ``InvalidInput``, ``LimitExceeded`` and ``Unavailable`` (the extra ``learning`` is missing) of ``core``.
"""

from phalanx.learning._bandit import Offset, OffsetBandit
from phalanx.learning._boosting import BoostingOptions, train_trees
from phalanx.learning._calibration import Calibration, ReliabilityBin, brier, calibration_error, reliability
from phalanx.learning._drift import Drift
from phalanx.learning._measures import Confusion, Interval, bootstrap, confusion, ranked_area, wilson
from phalanx.learning._off_policy import Logged, Valued, doubly_robust
from phalanx.learning._regression import OnlineRegression, Predicted
from phalanx.learning._thresholds import AdaptiveThreshold, ThresholdChange
from phalanx.learning._trees import Trees

__all__ = [
    "Offset",
    "OffsetBandit",
    "AdaptiveThreshold",
    "BoostingOptions",
    "Calibration",
    "Confusion",
    "Drift",
    "Interval",
    "Logged",
    "OnlineRegression",
    "Predicted",
    "ReliabilityBin",
    "ThresholdChange",
    "Trees",
    "Valued",
    "bootstrap",
    "brier",
    "calibration_error",
    "confusion",
    "doubly_robust",
    "ranked_area",
    "reliability",
    "train_trees",
    "wilson",
]
