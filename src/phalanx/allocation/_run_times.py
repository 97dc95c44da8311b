"""How long runs take on one device: a log-normal that forgets."""

import math
from statistics import NormalDist

from phalanx.allocation._limits import RUN_TIMES_KEPT

# Runs are never more alike than this: a handful of equal ones proves little.
_LEAST_SD = 0.25
_SHORTEST_S = 1e-6


class RunTimes:
    """Learned one by one; ``n`` is how many there were, however little the older ones count by now."""

    def __init__(self) -> None:
        self.n = 0
        self._weight = self._mean = self._square = 0.0

    def learn(self, took_s: float) -> None:
        value = math.log(max(_SHORTEST_S, took_s))
        self.n += 1
        self._weight = RUN_TIMES_KEPT * self._weight + 1.0
        step = (value - self._mean) / self._weight
        self._square = RUN_TIMES_KEPT * self._square + (value - self._mean) * (value - self._mean - step)
        self._mean += step

    @property
    def sd(self) -> float:
        """Of the logarithm."""
        return max(_LEAST_SD, math.sqrt(max(0.0, self._square / self._weight))) if self.n else _LEAST_SD

    @property
    def mean_s(self) -> float:
        return math.exp(self._mean + 0.5 * self.sd**2)

    def quantile(self, part: float) -> float:
        """Seconds in which that part of runs ends."""
        return math.exp(self._mean + NormalDist().inv_cdf(part) * self.sd)
