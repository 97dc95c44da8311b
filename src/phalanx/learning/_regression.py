"""Bayesian linear regression that learns from one outcome at a time, with shared features and an offset for each group.

A value is a sum of features with weights that all groups share, an offset of each of its groups (its device, its
circuit) that is normal around zero, and noise whose size is learned too (normal-inverse-gamma prior). So a group of
which little is known is taken to be like the others, what is a circuit's is not held against its device, and every
prediction says how far it may be off. With ``forget`` below 1 what is known drifts back towards the prior, by that much
at each outcome: it is never less sure than at the beginning, however long nothing was heard of a group.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from phalanx.core import InvalidInput
from phalanx.learning._limits import MAX_GROUPS

Floats = NDArray[np.float64]
# The weight of the prior of the noise, in outcomes.
_PRIOR_OUTCOMES = 1.0


@dataclass(frozen=True, slots=True)
class Predicted:
    """What one outcome is expected to be: its mean, and how far one is from it."""

    mean: float
    sd: float

    def quantile(self, part: float) -> float:
        return self.mean + NormalDist().inv_cdf(part) * self.sd

    def interval(self, part: float = 0.9) -> tuple[float, float]:
        """The middle ``part`` of outcomes."""
        return self.quantile(0.5 - part / 2), self.quantile(0.5 + part / 2)


class OnlineRegression:
    """``shared_sd``, ``own_sd`` and ``noise_sd`` are what weights, offsets and noise are expected to be like.

    There is one ``own_sd`` for each kind of group, in the order in which groups are named.
    """

    def __init__(
        self, n_shared: int, *, shared_sd: float = 1.0, own_sd: Sequence[float] = (0.3,), noise_sd: float = 0.3,
        forget: float = 1.0,
    ) -> None:  # fmt: skip
        if n_shared < 1 or min(shared_sd, noise_sd, *own_sd) <= 0.0 or not 0.0 < forget <= 1.0:
            raise InvalidInput("regression", "needs a feature, spreads above 0, and to forget less than everything")
        self._n_shared, self._forget = n_shared, forget
        self._own = [(sd / noise_sd) ** 2 for sd in own_sd]
        self._mean = np.zeros(n_shared)
        # In units of the variance of the noise.
        self._prior = np.full(n_shared, (shared_sd / noise_sd) ** 2)
        self._spread = np.diag(self._prior)
        self._outcomes, self._square = _PRIOR_OUTCOMES, _PRIOR_OUTCOMES * noise_sd**2
        self._groups: dict[tuple[int, str], int] = {}
        self.n = 0

    def predict(self, shared: Floats, *groups: str) -> Predicted:
        """Of a group that was never seen, as of any."""
        row, unknown = self._row(shared, groups)
        spread = 1.0 + float(row @ self._spread @ row) + unknown
        return Predicted(float(row @ self._mean), math.sqrt(self._square / self._outcomes * spread))

    def learn(self, value: float, shared: Floats, *groups: str) -> None:
        """One outcome. Values that are no numbers are refused with ``InvalidInput``."""
        if not (math.isfinite(value) and np.isfinite(shared).all()):
            raise InvalidInput("outcome", "is not a number")
        for kind, group in enumerate(groups):
            if (kind, group) not in self._groups and len(self._groups) < MAX_GROUPS:
                self._grow(kind, group)
        row, _ = self._row(shared, groups)
        spread = self._forget * self._spread
        spread[np.diag_indices_from(spread)] += (1.0 - self._forget) * self._prior
        gain = spread @ row
        scale = 1.0 + float(row @ gain)
        wrong = value - float(row @ self._mean)
        self._mean = self._mean + gain * (wrong / scale)
        spread = spread - np.outer(gain, gain) / scale
        self._spread = (spread + spread.T) / 2.0
        self._outcomes = self._forget * self._outcomes + 1.0
        self._square = self._forget * self._square + wrong**2 / scale
        self.n += 1

    def _row(self, shared: Floats, groups: Sequence[str]) -> tuple[Floats, float]:
        """The row of the groups that are known, and the variance of those that are not."""
        row = np.zeros(len(self._mean))
        row[: self._n_shared] = shared
        unknown = 0.0
        for kind, group in enumerate(groups):
            at = self._groups.get((kind, group))
            if at is None:
                unknown += self._own[kind]
            else:
                row[at] = 1.0
        return row, unknown

    def _grow(self, kind: int, group: str) -> None:
        at = self._groups[kind, group] = len(self._mean)
        self._mean, self._prior = np.append(self._mean, 0.0), np.append(self._prior, self._own[kind])
        spread = np.zeros((at + 1, at + 1))
        spread[:at, :at] = self._spread
        spread[at, at] = self._own[kind]
        self._spread = spread
