"""Choosing among arms that are scored beforehand, and learning from the outcomes of those chosen what the scores miss.

An arm's reward is its score plus an offset of its own plus noise; offsets are normal around zero. An offset is learned
only where an arm was chosen, so a little is spent on arms that may be better than they look. Safe: only among arms that
are expected within ``slack`` of the best, so exploring one never costs more than that in expectation.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Offset:
    """What is believed of one arm's offset: its mean and standard deviation after ``n`` outcomes."""

    mean: float
    sd: float
    n: int


class OffsetBandit:
    """``prior_sd`` is how far offsets are spread, ``noise_sd`` how far one outcome is from its expectation.

    ``forget`` below 1 weighs older outcomes less, by that factor for each newer one of the same arm.
    """

    def __init__(
        self, *, prior_sd: float, noise_sd: float, slack: float, optimism: float = 1.0, forget: float = 1.0
    ) -> None:
        assert prior_sd > 0.0, prior_sd
        assert noise_sd > 0.0, noise_sd
        assert slack >= 0.0, slack
        assert 0.0 < forget <= 1.0, forget
        self._prior, self._noise = prior_sd**2, noise_sd**2
        self._slack, self._optimism, self._forget = slack, optimism, forget
        self._seen: dict[str, tuple[float, float, int]] = {}

    def offset(self, arm: str) -> Offset:
        weight, total, n = self._seen.get(arm, (0.0, 0.0, 0))
        precision = 1.0 / self._prior + weight / self._noise
        return Offset(total / self._noise / precision, math.sqrt(1.0 / precision), n)

    def expected(self, scores: Mapping[str, float]) -> dict[str, float]:
        """Each arm's score with what was learned of it."""
        return {arm: score + self.offset(arm).mean for arm, score in scores.items()}

    def choose(self, scores: Mapping[str, float]) -> str:
        """The arm that may be best, of those that are safe. Ties go to the first by name."""
        expected = self.expected(scores)
        floor = max(expected.values()) - self._slack
        safe = [arm for arm in sorted(expected) if expected[arm] >= floor]
        return max(safe, key=lambda arm: expected[arm] + self._optimism * self.offset(arm).sd)

    def learn(self, arm: str, score: float, reward: float) -> None:
        """What came of choosing ``arm`` when it was scored so."""
        weight, total, n = self._seen.get(arm, (0.0, 0.0, 0))
        self._seen[arm] = (self._forget * weight + 1.0, self._forget * total + reward - score, n + 1)
