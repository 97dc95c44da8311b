"""How good a detector is, with intervals: a rate without one says less than it seems to."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from phalanx.core import Rng
from phalanx.learning._limits import BOOTSTRAP_ROUNDS

_Z_95 = 1.959963984540054


class Interval(NamedTuple):
    """A figure, and the bounds that hold it with 95 % confidence."""

    value: float
    low: float
    high: float


class Confusion(NamedTuple):
    """What was said against what was so, counted."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int

    @property
    def accuracy(self) -> Interval:
        return wilson(self.true_positives + self.true_negatives, sum(self))

    @property
    def recall(self) -> Interval:
        return wilson(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def precision(self) -> Interval:
        return wilson(self.true_positives, self.true_positives + self.false_positives)

    @property
    def false_positive_rate(self) -> Interval:
        return wilson(self.false_positives, self.false_positives + self.true_negatives)

    def precision_at(self, base_rate: float) -> float:
        """The precision where only ``base_rate`` of what comes is an attack: what an analyst would see."""
        hit = self.recall.value * base_rate
        wrong = self.false_positive_rate.value * (1.0 - base_rate)
        return hit / (hit + wrong) if hit + wrong else 0.0


def confusion(said: NDArray[np.bool_], labels: NDArray[np.bool_]) -> Confusion:
    """Count the four ways."""
    return Confusion(
        int((said & labels).sum()),
        int((said & ~labels).sum()),
        int((~said & ~labels).sum()),
        int((~said & labels).sum()),
    )


def wilson(hits: int, of: int) -> Interval:
    """Wilson's interval of a proportion, which stays sane near 0 and 1 and for few observations."""
    if not of:
        return Interval(0.0, 0.0, 1.0)
    part, square = hits / of, _Z_95**2
    middle = (part + square / (2 * of)) / (1 + square / of)
    half = _Z_95 * math.sqrt(part * (1 - part) / of + square / (4 * of * of)) / (1 + square / of)
    return Interval(part, max(0.0, middle - half), min(1.0, middle + half))


def ranked_area(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """The area under the ROC curve: how often an attack scores above what is none, ties counted half."""
    _, which, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[which]
    attacks = int(labels.sum())
    others = len(labels) - attacks
    if not attacks or not others:
        return math.nan
    return float((ranks[labels].sum() - attacks * (attacks + 1) / 2.0) / (attacks * others))


def bootstrap(
    measure: Callable[[NDArray[np.intp]], float], n: int, *, rng: Rng, rounds: int = BOOTSTRAP_ROUNDS
) -> Interval:
    """``measure`` over the places 0 … n−1, with the percentile interval over resamples of them."""
    draw = np.random.default_rng(rng.bits(64))
    found = np.sort([measure(draw.integers(0, n, n)) for _ in range(rounds)])
    low, high = found[int(0.025 * rounds)], found[min(rounds - 1, int(0.975 * rounds))]
    return Interval(measure(np.arange(n)), float(low), float(high))
