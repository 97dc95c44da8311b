"""Iterative amplitude estimation: which circuit to ask next, and what the answers prove. No I/O.

Grinko, Gacon, Zoufal, Woerner (npj Quantum Information 7:52, 2021), with the error budget of
Fukuzawa, Ho, Irani, Zion (2023), who spend most of it on the deep circuits where it is dear.

The unknown is an angle θ in [0, π/2], the goal's probability is sin²θ. A circuit of **power** m = 2k+1
shows sin²(mθ). Invariants:

- ``low ≤ θ ≤ high`` with probability ≥ 1 − alpha, whatever was asked and however often it was looked at;
- ``m · [low, high]`` lies within one quadrant, so sin²(mθ) can be inverted;
- powers at least double, so that their shares m / (2 · largest) add up to at most one;
  within one power, look j takes the share 1 / (j(j+1)) of it.
"""

import math
from dataclasses import dataclass

from phalanx.quantum._limits import MAX_LOOKS_PER_DEPTH, MAX_SHOTS

_QUADRANT = math.pi / 2
_FIRST_SHOTS = 48
_GROWTH = 2
_BISECTIONS = 32


@dataclass(frozen=True, slots=True)
class Look:
    """One question and its answer: ``goals`` of ``shots`` at this power."""

    power: int
    shots: int
    goals: int

    @property
    def calls(self) -> int:
        """Uses of the model: every shot prepares it once and unprepares and prepares it k times more."""
        return self.power * self.shots


class Exhausted(Exception):
    """The answers so far exclude every angle, or do not settle. Rarer than alpha on a device that is ideal."""


class AmplitudeSearch:
    """Ask ``power`` and ``shots``, ``tell`` the outcome, until ``done``."""

    def __init__(self, *, epsilon: float, alpha: float, max_shots: int = MAX_SHOTS) -> None:
        self._epsilon = epsilon
        self._alpha = alpha
        self._max_shots = max_shots
        self._largest_power = max(1.0, _QUADRANT / (2 * epsilon))
        self._low, self._high = 0.0, _QUADRANT
        self.power = 1
        self._looks = self._shots = self._goals = 0

    @property
    def shots(self) -> int:
        """How many to take now: each look at one power doubles the shots it stands on."""
        return min(max(_FIRST_SHOTS, self._shots), self._max_shots)

    @property
    def interval(self) -> tuple[float, float]:
        """The probability's confidence interval."""
        return math.sin(self._low) ** 2, math.sin(self._high) ** 2

    @property
    def done(self) -> bool:
        low, high = self.interval
        return high - low <= 2 * self._epsilon

    def tell(self, look: Look) -> None:
        """Narrow the interval. Raises ``Exhausted`` when nothing is left of it."""
        assert look.power == self.power, look
        self._looks += 1
        self._shots += look.shots
        self._goals += look.goals
        share = self.power / (2 * self._largest_power) / (self._looks * (self._looks + 1))
        low, high = self._angles(*confidence_interval(self._goals / self._shots, self._shots, self._alpha * share))
        self._low, self._high = max(self._low, low), min(self._high, high)
        if self._low > self._high or self._looks >= MAX_LOOKS_PER_DEPTH:
            raise Exhausted
        if (power := self._next_power()) > self.power:
            self.power = power
            self._looks = self._shots = self._goals = 0

    def _angles(self, p_low: float, p_high: float) -> tuple[float, float]:
        """The angles in the current quadrant that show between these probabilities."""
        quadrant = _quadrant(self.power, self._low, self._high)
        assert quadrant is not None
        near, far = math.asin(math.sqrt(p_low)), math.asin(math.sqrt(p_high))
        if quadrant % 2:
            near, far = _QUADRANT - far, _QUADRANT - near
        return (quadrant * _QUADRANT + near) / self.power, (quadrant * _QUADRANT + far) / self.power

    def _next_power(self) -> int:
        """The largest power whose circuit can be inverted already, or the present one."""
        width = self._high - self._low
        most = self._largest_power if width <= 0 else min(self._largest_power, _QUADRANT / width)
        power = int(most) - 1 + int(most) % 2
        while power >= _GROWTH * self.power:
            if _quadrant(power, self._low, self._high) is not None:
                return power
            power -= 2
        return self.power


def _quadrant(power: int, low: float, high: float) -> int | None:
    """The quadrant that ``power · [low, high]`` lies in, if it is one."""
    first = math.floor(power * low / _QUADRANT)
    return first if power * high <= (first + 1) * _QUADRANT * (1 + 1e-12) else None


def confidence_interval(fraction: float, n: int, alpha: float) -> tuple[float, float]:
    """Of a probability, given the ``fraction`` of ``n`` draws that hit: Chernoff's bound by relative entropy.

    Holds at every n and needs no beta quantiles. Each end is the farthest q with
    ``n · KL(fraction ‖ q) ≤ ln(2/alpha)``.
    """
    budget = math.log(2 / alpha) / n
    return _farthest(fraction, 0.0, budget), _farthest(fraction, 1.0, budget)


def samples_for(half_width: float, *, probability: float, alpha: float) -> int:
    """Monte Carlo draws after which both ends of that interval lie within ``half_width`` of ``probability``."""
    ends = (max(0.0, probability - half_width), min(1.0, probability + half_width))
    return math.ceil(math.log(2 / alpha) / min(_relative_entropy(probability, end) for end in ends))


def _farthest(p: float, end: float, budget: float) -> float:
    near, far = p, end
    for _ in range(_BISECTIONS):
        middle = (near + far) / 2
        if _relative_entropy(p, middle) <= budget:
            near = middle
        else:
            far = middle
    return far


def _relative_entropy(p: float, q: float) -> float:
    entropy = 0.0
    if p > 0:
        entropy += p * math.log(p / q) if q > 0 else math.inf
    if p < 1:
        entropy += (1 - p) * math.log((1 - p) / (1 - q)) if q < 1 else math.inf
    return entropy
