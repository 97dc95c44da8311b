"""A threshold that follows what is usual, never below its floor, and that leaves a record of every move.

It stands at a high quantile of the latest scores, so that about the wanted part of them passes. The floor
is what a person set: an attacker who drowns a detector in noise can raise the bar, which shows, and one who
keeps everything quiet cannot lower it under the floor. Scores that passed as alarms count no more than
others; a ceiling keeps a flood of them from blinding the detector altogether. A person may pin it, and what people
said of findings may raise it, both between floor and ceiling.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

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
PINNED: Final = "pinned"
OPINIONS: Final = "opinions"


class ThresholdChange(msgspec.Struct, frozen=True):
    """A move, for the audit: from where to where, at which score counted from the first, and what set it.

    ``usual`` is the quantile of the ``scores`` latest scores then, and ``median`` their median.
    """

    at_score: int
    before: float
    after: float
    set_by: str
    usual: float = 0.0
    median: float = 0.0
    scores: int = 0


class AdaptiveThreshold(msgspec.Struct, dict=True):
    """Scores above ``standing`` pass. ``passing`` is the wanted part of them. Stored as it is.

    ``value`` follows the scores; ``raised`` is added to it for what people said; ``pinned`` holds instead of both.
    ``moves`` counts changes of what stands, of which the latest are kept.
    """

    floor: float
    ceiling: float
    passing: float
    value: float
    seen: int = 0
    scores: list[float] = msgspec.field(default_factory=list)
    changes: list[ThresholdChange] = msgspec.field(default_factory=list)
    raised: float = 0.0
    pinned: float | None = None
    moves: int = 0

    @classmethod
    def between(cls, floor: float, ceiling: float, *, passing: float) -> "AdaptiveThreshold":
        """Begins at the floor. Raises ``InvalidInput``."""
        if not floor <= ceiling:
            raise InvalidInput("ceiling", f"{ceiling} lies below the floor {floor}")
        if not 0.0 < passing < 1.0:
            raise InvalidInput("passing", f"{passing} is not a part of something")
        return cls(floor, ceiling, passing, floor)

    @property
    def standing(self) -> float:
        """The threshold in force: never below the floor, never above the ceiling."""
        wanted = self.value + self.raised if self.pinned is None else self.pinned
        if wanted <= self.floor:
            return self.floor
        return min(self.ceiling, wanted)

    @property
    def set_by(self) -> str:
        """What it stands where it does by."""
        if self.pinned is not None:
            return PINNED
        if self.standing == self.ceiling:
            return CEILING
        if self.raised:
            return OPINIONS
        return FLOOR if self.value <= self.floor else QUANTILE

    def passes(self, score: float) -> bool:
        """Whether ``score`` passes the threshold as it stands; the score is then learned from."""
        passed = score > self.standing
        self.learn((score,))
        return passed

    def steer(self, *, pinned: float | None, raised: float) -> bool:
        """Hold it at ``pinned``, or let it follow the scores, ``raised`` above them; whether what stands changed."""
        if (pinned, raised) == (self.pinned, self.raised):
            return False
        before = self.standing
        why = PINNED if pinned != self.pinned else OPINIONS
        self.pinned, self.raised = pinned, max(0.0, raised)
        if self.standing == before:
            return False
        self._note(before, why)
        return True

    def learn(self, scores: Sequence[float]) -> None:
        """Take in scores; every so many the threshold is set anew."""
        for score in scores:
            self.seen += 1
            if len(self.scores) < THRESHOLD_WINDOW:
                self._window[len(self.scores)] = score
                self.scores.append(score)
            else:
                self._window[self.seen % THRESHOLD_WINDOW] = score
                self.scores[self.seen % THRESHOLD_WINDOW] = score
            if self.seen % THRESHOLD_EVERY == 0 and len(self.scores) >= THRESHOLD_MIN_SCORES:
                self._set()

    @cached_property
    def _window(self) -> NDArray[np.float64]:
        """The scores once more, where a quantile of them is found soon."""
        window = np.zeros(THRESHOLD_WINDOW)
        window[: len(self.scores)] = self.scores
        return window

    def _quantile(self, q: float) -> float:
        """Of the latest scores, linear between two of them."""
        at = (len(self.scores) - 1) * q
        below = int(at)
        above, part = min(below + 1, len(self.scores) - 1), at - below
        sorted_there = np.partition(self._window[: len(self.scores)], (below, above))
        low, high = float(sorted_there[below]), float(sorted_there[above])
        return low + (high - low) * part if part < 0.5 else high - (high - low) * (1.0 - part)

    def _set(self) -> None:
        usual = self._quantile(1.0 - self.passing)
        wanted = min(max(usual, self.floor), self.ceiling)
        if abs(wanted - self.value) <= THRESHOLD_STEP * max(abs(self.value), 1e-12):
            return
        before, self.value = self.standing, wanted
        if self.standing != before:
            self._note(before, self.set_by, usual)

    def _note(self, before: float, set_by: str, usual: float | None = None) -> None:
        if usual is None:
            usual = self._quantile(1.0 - self.passing) if self.scores else self.floor
        median = self._quantile(0.5) if self.scores else 0.0
        change = ThresholdChange(self.seen, before, self.standing, set_by, usual, median, len(self.scores))
        self.changes.append(change)
        del self.changes[:-MAX_THRESHOLD_CHANGES]
        self.moves += 1
