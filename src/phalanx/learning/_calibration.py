"""From a score to a probability that can be believed, and how far it can be.

Isotonic regression by pooling adjacent violators (Ayer et al. 1955): the best rising step function, with
straight lines between its steps. Fitted on data the model has not seen, or it flatters.
"""

from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from phalanx.core import InvalidInput
from phalanx.learning._limits import MAX_KNOTS, RELIABILITY_BINS


class Calibration(msgspec.Struct, frozen=True):
    """Rising ``probabilities`` at rising ``scores``; between them a straight line, beyond them flat."""

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    @classmethod
    def fitted(cls, scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> Self:
        """Raises ``InvalidInput`` without data, or when scores and labels do not belong together."""
        if not len(scores) or len(scores) != len(labels):
            raise InvalidInput("scores", f"{len(scores)} of them for {len(labels)} labels")
        values, which, counts = np.unique(scores, return_inverse=True, return_counts=True)
        means = np.bincount(which, weights=labels.astype(float)) / counts
        levels: list[list[float]] = []  # mean, weight, first value, last value
        for value, mean, count in zip(values, means, counts, strict=True):
            levels.append([mean, float(count), value, value])
            while len(levels) > 1 and levels[-2][0] >= levels[-1][0]:
                mean_b, weight_b, _, last = levels.pop()
                mean_a, weight_a, first, _ = levels.pop()
                weight = weight_a + weight_b
                levels.append([(mean_a * weight_a + mean_b * weight_b) / weight, weight, first, last])
        knots = [(edge, level[0]) for level in levels for edge in dict.fromkeys(level[2:])]
        if len(knots) > MAX_KNOTS:
            kept = np.unique(np.linspace(0, len(knots) - 1, MAX_KNOTS).astype(int))
            knots = [knots[place] for place in kept]
        return cls(tuple(float(score) for score, _ in knots), tuple(float(chance) for _, chance in knots))

    def apply(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of each score."""
        return np.interp(scores, self.scores, self.probabilities)


class ReliabilityBin(msgspec.Struct, frozen=True):
    """Of ``count`` statements that said about ``said``, the part ``true`` was so."""

    said: float
    true: float
    count: int


def reliability(
    said: NDArray[np.float64], labels: NDArray[np.bool_], *, bins: int = RELIABILITY_BINS
) -> list[ReliabilityBin]:
    """The reliability diagram, bins of equal width without the empty ones."""
    place = np.clip((said * bins).astype(int), 0, bins - 1)
    return [
        ReliabilityBin(float(said[of].mean()), float(labels[of].mean()), int(of.sum()))
        for of in (place == number for number in range(bins))
        if of.any()
    ]


def calibration_error(bins: list[ReliabilityBin]) -> float:
    """The expected calibration error: how far saying and truth lie apart, averaged over statements."""
    total = sum(one.count for one in bins)
    return sum(one.count * abs(one.said - one.true) for one in bins) / total if total else 0.0


def brier(said: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """The Brier score: the mean squared distance of what was said from what was so."""
    return float(np.mean((said - labels) ** 2))
