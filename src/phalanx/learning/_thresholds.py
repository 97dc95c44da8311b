"""A threshold that follows what is usual, never below its floor, and that leaves a record of every move.

It stands at a high quantile of the latest scores, so that about the wanted part of them passes. The floor
is what a person set: an attacker who drowns a detector in noise can raise the bar, which shows, and one who
keeps everything quiet cannot lower it under the floor. Scores that passed as alarms count no more than
others; a ceiling keeps a flood of them from blinding the detector altogether.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from phalanx.core import InvalidInput
from phalanx.learning._limits import (
    MAX_THRESHOLD_CHANGES,
    THRESHOLD_EVERY,
    THRESHOLD_MIN_SCORES,
    THRESHOLD_STEP,
    THRESHOLD_WINDOW,
)

FLOOR: Final = "floor"
CEILING: Final = "ceiling"
QUANTILE: Final = "quantile"


class ThresholdChange(msgspec.Struct, frozen=True):
    """A move, for the audit: from where to where, at which score counted from the first, and what set it."""

    at_score: int
    before: float
    after: float
    set_by: str


class AdaptiveThreshold(msgspec.Struct):
    """Scores above ``value`` pass. ``passing`` is the wanted part of them. Stored as it is."""

    floor: float
    ceiling: float
    passing: float
    value: float
    seen: int = 0
    scores: list[float] = msgspec.field(default_factory=list)
    changes: list[ThresholdChange] = msgspec.field(default_factory=list)

    @classmethod
    def between(cls, floor: float, ceiling: float, *, passing: float) -> "AdaptiveThreshold":
        """Begins at the floor. Raises ``InvalidInput``."""
        if not floor <= ceiling:
            raise InvalidInput("ceiling", f"{ceiling} lies below the floor {floor}")
        if not 0.0 < passing < 1.0:
            raise InvalidInput("passing", f"{passing} is not a part of something")
        return cls(floor, ceiling, passing, floor)

    def passes(self, score: float) -> bool:
        """Whether ``score`` passes the threshold as it stands; the score is then learned from."""
        passed = score > self.value
        self.learn((score,))
        return passed

    def learn(self, scores: Sequence[float]) -> None:
        """Take in scores; every so many the threshold is set anew."""
        for score in scores:
            self.seen += 1
            if len(self.scores) < THRESHOLD_WINDOW:
                self.scores.append(score)
            else:
                self.scores[self.seen % THRESHOLD_WINDOW] = score
            if self.seen % THRESHOLD_EVERY == 0 and len(self.scores) >= THRESHOLD_MIN_SCORES:
                self._set()

    def _set(self) -> None:
        usual = float(np.quantile(self.scores, 1.0 - self.passing))
        wanted = min(max(usual, self.floor), self.ceiling)
        set_by = FLOOR if wanted == self.floor else CEILING if wanted == self.ceiling else QUANTILE
        if abs(wanted - self.value) <= THRESHOLD_STEP * max(abs(self.value), 1e-12):
            return
        self.changes.append(ThresholdChange(self.seen, self.value, wanted, set_by))
        del self.changes[:-MAX_THRESHOLD_CHANGES]
        self.value = wanted
