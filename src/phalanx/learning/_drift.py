"""Has the mean of a stream changed? ADWIN of Bifet and Gavaldà (SDM 2007), over values in [0, 1].

The window grows while it looks as if drawn from one distribution, and loses its older part as soon as two parts
of it differ by more than chance allows. With confidence ``delta`` per look a stationary stream keeps
its window. Values are kept in buckets whose sizes are powers of two, so memory is logarithmic in the window.
"""

import math
from typing import Final

import msgspec

from phalanx.core import InvalidInput
from phalanx.learning._limits import (
    ADWIN_BUCKETS,
    ADWIN_EVERY,
    ADWIN_LEVELS,
    ADWIN_MIN_SIDE,
    ADWIN_MIN_VALUES,
)

DEFAULT_DELTA: Final = 0.002


class _Level(msgspec.Struct):
    """Buckets of ``2**level`` values each, oldest first: sums, and sums of squared distances from the bucket's mean."""

    totals: list[float]
    spreads: list[float]


class Drift(msgspec.Struct):
    """A window over the latest values, as long as nothing changed in it.

    A ``msgspec.Struct``, so that it is stored as it is.
    """

    delta: float = DEFAULT_DELTA
    width: int = 0
    total: float = 0.0
    spread: float = 0.0
    seen: int = 0
    changes: int = 0
    levels: list[_Level] = msgspec.field(default_factory=list)

    @property
    def mean(self) -> float:
        """The mean of the window."""
        return self.total / self.width if self.width else 0.0

    def add(self, value: float) -> bool:
        """Whether a change shows with this value; the window has then lost what was before it."""
        if not 0.0 <= value <= 1.0:
            raise InvalidInput("value", f"{value} is not between 0 and 1")
        self._insert(value)
        self.seen += 1
        if self.seen % ADWIN_EVERY or self.width < ADWIN_MIN_VALUES:
            return False
        changed = False
        while self.width >= ADWIN_MIN_VALUES and self._differs():
            self._drop_oldest()
            changed = True
        self.changes += changed
        return changed

    def _insert(self, value: float) -> None:
        if self.width:
            self.spread += self.width * (value - self.mean) ** 2 / (self.width + 1)
        self.width += 1
        self.total += value
        if not self.levels:
            self.levels.append(_Level([], []))
        self.levels[0].totals.append(value)
        self.levels[0].spreads.append(0.0)
        for number in range(ADWIN_LEVELS):
            level = self.levels[number]
            if len(level.totals) <= ADWIN_BUCKETS:
                return
            if number + 1 == len(self.levels):
                self.levels.append(_Level([], []))
            first, second = level.totals[:2]
            apart = (first - second) / (1 << number)
            self.levels[number + 1].totals.append(first + second)
            self.levels[number + 1].spreads.append(sum(level.spreads[:2]) + (1 << number) * apart**2 / 2)
            del level.totals[:2], level.spreads[:2]

    def _drop_oldest(self) -> None:
        while not self.levels[-1].totals:
            self.levels.pop()
        size = 1 << (len(self.levels) - 1)
        total, spread = self.levels[-1].totals.pop(0), self.levels[-1].spreads.pop(0)
        self.width -= size
        self.total -= total
        apart = total / size - self.mean
        self.spread = max(0.0, self.spread - spread - size * self.width * apart**2 / (size + self.width))
        if not self.levels[-1].totals:
            self.levels.pop()

    def _differs(self) -> bool:
        """Whether some cut leaves two parts whose means are further apart than the bound of the paper."""
        chances = 2.0 * math.log(self.width) / self.delta
        confidence = math.log(2.0 * chances)
        variance = self.spread / self.width
        older, older_total = 0, 0.0
        for number in range(len(self.levels) - 1, -1, -1):
            for total in self.levels[number].totals:
                older += 1 << number
                older_total += total
                newer = self.width - older
                if newer < ADWIN_MIN_SIDE:
                    return False
                if older < ADWIN_MIN_SIDE:
                    continue
                harmonic = 1.0 / older + 1.0 / newer
                bound = math.sqrt(2.0 * harmonic * variance * confidence) + 2.0 / 3.0 * harmonic * confidence
                if abs(older_total / older - (self.total - older_total) / newer) > bound:
                    return True
        return False
