"""How suspicious the silence of one agent is: phi-accrual, after Hayashibara et al. (2004). Pure.

The times between heartbeats are assumed normal with a mean and a deviation learned from the last ones, older ones
weighing less. After a silence of t, phi is -log10 of the probability that a heartbeat comes later than t: at phi =
1 one in ten silences of a healthy agent is this long, at 8 one in a hundred million.
"""

import math

from phalanx.core import NS_PER_S

# Weight of the newest interval in the learned mean and variance.
_WEIGHT = 1 / 16
# The deviation is taken to be at least this part of the mean: an even beat must not make a small delay suspicious.
_LEAST_DEVIATION = 0.1
# Beyond so many deviations the tail is computed by its expansion: the exact one has no digits left.
_FAR = 8.0


def phi(silence_s: float, mean_s: float, deviation_s: float) -> float:
    """-log10 of the probability that a normal interval is longer than ``silence_s``."""
    z = (silence_s - mean_s) / deviation_s
    if z < _FAR:
        return -math.log10(0.5 * math.erfc(z / math.sqrt(2)))
    # Abramowitz & Stegun 26.2.12, three terms: relative error below 1e-4 from z = 8 on.
    tail = 1 - 1 / z**2 + 3 / z**4
    return (z**2 / 2 + math.log(z * math.sqrt(2 * math.pi)) - math.log(tail)) / math.log(10)


class Suspicion:
    """What is known of one agent's beat. ``expected_s`` is what it is asked to keep."""

    __slots__ = ("_mean_s", "_variance", "heard_ns")

    def __init__(self, expected_s: float, now_ns: int) -> None:
        self._mean_s = expected_s
        self._variance = (expected_s * _LEAST_DEVIATION) ** 2
        self.heard_ns = now_ns

    def heard(self, now_ns: int) -> None:
        interval_s = (now_ns - self.heard_ns) / NS_PER_S
        self.heard_ns = now_ns
        off = interval_s - self._mean_s
        self._mean_s += _WEIGHT * off
        self._variance = (1 - _WEIGHT) * (self._variance + _WEIGHT * off**2)

    def excuse(self, pause_ns: int) -> None:
        """The observer itself was away for so long; that silence says nothing of the agent."""
        self.heard_ns += pause_ns

    def phi(self, now_ns: int) -> float:
        """How suspicious it is that nothing was heard since ``heard_ns``."""
        deviation_s = max(math.sqrt(self._variance), self._mean_s * _LEAST_DEVIATION)
        return phi((now_ns - self.heard_ns) / NS_PER_S, self._mean_s, deviation_s)
