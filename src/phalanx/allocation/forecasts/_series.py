"""One series, forecast at several horizons; persistence beside. Pure, and seeded by nothing: it draws no numbers."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phalanx.allocation.forecasts._limits import (
    ERROR_STEPS,
    FAST,
    FEWEST_RESIDUALS,
    FORGETTING,
    MAX_HORIZON_STEPS,
    MAX_HORIZONS,
    RESIDUALS,
    RIDGE,
    SLOW,
    USUAL,
)
from phalanx.core import InvalidInput

Vector = npt.NDArray[np.float64]
_N = 6


# What can be told without knowing better, in the order in which ties go.
_WAYS = ("persistence", "regression", "level")


@dataclass(frozen=True, slots=True)
class Prediction:
    """The value some steps ahead, and where four of five fell of late. ``by`` is the way that gave it.

    ``told`` is what each way says, and ``errors`` its mean absolute error of late; empty as long as nobody knows. As
    long as too few answers are known, ``spread`` is false, and ``low`` and ``high`` are ``value``.
    """

    value: float
    low: float
    high: float
    by: str
    told: Mapping[str, float]
    errors: Mapping[str, float]
    spread: bool


class Forecaster:
    """Learns from one value after another, evenly spaced.

    ``season`` is how many steps a day has; 0: none is looked for. ``at_least`` is what values never fall below.
    """

    def __init__(self, horizons: Sequence[int], *, season: int = 0, at_least: float | None = 0.0) -> None:
        if not 1 <= len(horizons) <= MAX_HORIZONS or not all(1 <= h <= MAX_HORIZON_STEPS for h in horizons):
            raise InvalidInput("horizons", f"1 to {MAX_HORIZONS} of them, each of 1 to {MAX_HORIZON_STEPS} steps")
        self._at_least = at_least
        self._season = season
        self._seen: deque[float] = deque(maxlen=max(2, season + MAX_HORIZON_STEPS))
        self._fast = self._slow = self._usual = 0.0
        self._count = 0
        self._ahead = {steps: _Ahead(steps) for steps in horizons}

    def observe(self, value: float) -> None:
        """The next value. Every horizon that it is the answer for learns from it."""
        if not np.isfinite(value):
            raise InvalidInput("value", "a series is of finite numbers")
        first = not self._seen
        self._count += 1
        self._usual += (value - self._usual) / min(float(self._count), USUAL)
        self._fast = value if first else self._fast + (value - self._fast) / FAST
        self._slow = value if first else self._slow + (value - self._slow) / SLOW
        self._seen.append(value)
        for one in self._ahead.values():
            one.learn(value, self._usual, self._features(one.steps), self._at_least)

    def predict(self, steps: int) -> Prediction:
        """``steps`` must be one of the horizons, and something must have been observed."""
        if steps not in self._ahead:
            raise InvalidInput("steps", f"{steps} is none of the horizons {sorted(self._ahead)}")
        if not self._seen:
            raise InvalidInput("series", "nothing was observed yet")
        return self._ahead[steps].predict(self._seen[-1], self._usual, self._features(steps), self._at_least)

    def _features(self, steps: int) -> Vector:
        """What the change is regressed on: distances to levels, the last step, and what this hour of yesterday did."""
        now = self._seen[-1]
        before = self._seen[-2] if len(self._seen) > 1 else now
        made = np.zeros(_N)
        made[0], made[1], made[2] = self._fast - now, self._slow - now, now - before
        if self._season and steps < self._season < len(self._seen):
            then = len(self._seen) - 1 - self._season
            made[3] = self._seen[then + steps] - self._seen[then]
            made[4] = self._seen[then + steps] - now
        made[5] = self._usual - now
        return made


class _Ahead:
    """One horizon: recursive least squares on the change, and how far each way of telling was off."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._weights = np.zeros(_N)
        self._inverse = np.eye(_N) / RIDGE
        self._waiting: deque[tuple[Vector, Vector, float]] = deque()
        self._residuals: deque[float] = deque(maxlen=RESIDUALS)
        self._errors = np.full(len(_WAYS), np.nan)
        self._count, self._usual_change = 1.0, 0.0

    def learn(self, value: float, usual: float, features: Vector, at_least: float | None) -> None:
        if len(self._waiting) == self.steps:
            told, known, then = self._waiting.popleft()
            self._residuals.append(value - told[self._best])
            # In the beginning every error counts alike.
            part = 1.0 / min(ERROR_STEPS, self._count)
            self._count += 1.0
            errors = np.abs(value - told)
            self._errors = errors if np.isnan(self._errors[0]) else self._errors + part * (errors - self._errors)
            self._fit(known, value - then, part)
        self._waiting.append((self._told(value, usual, features, at_least), features, value))

    def predict(self, last: float, usual: float, features: Vector, at_least: float | None) -> Prediction:
        told, best = self._told(last, usual, features, at_least), self._best
        value = float(told[best])
        low = high = value
        if len(self._residuals) >= FEWEST_RESIDUALS:
            least, most = np.quantile(np.array(self._residuals), [0.1, 0.9])
            low, high = value + float(least), value + float(most)
        if at_least is not None:
            low, high = max(at_least, low), max(at_least, high)
        return Prediction(
            value, low, high, _WAYS[best], dict(zip(_WAYS, told.tolist(), strict=True)),
            {} if np.isnan(self._errors[0]) else dict(zip(_WAYS, self._errors.tolist(), strict=True)),
            len(self._residuals) >= FEWEST_RESIDUALS,
        )  # fmt: skip

    @property
    def _best(self) -> int:
        """Which was closest of late; persistence as long as nobody knows."""
        return 0 if np.isnan(self._errors[0]) else int(np.argmin(self._errors))

    def _told(self, last: float, usual: float, features: Vector, at_least: float | None) -> Vector:
        told = np.array([last, last + float(self._weights @ features), usual])
        return told if at_least is None else np.maximum(told, at_least)

    def _fit(self, features: Vector, change: float, part: float) -> None:
        """In units of the usual change, so that the pull towards nothing is the same for every series."""
        self._usual_change += part * (abs(change) - self._usual_change)
        unit = max(1e-9, self._usual_change)
        x, y = features / unit, float(np.clip(change / unit, -3.0, 3.0))
        gain = self._inverse @ x / (FORGETTING + x @ self._inverse @ x)
        self._weights = self._weights + gain * (y - x @ self._weights)
        self._inverse = (self._inverse - np.outer(gain, x @ self._inverse)) / FORGETTING
        # Where nothing happens the old is forgotten without anything new, and the inverse would grow without end.
        grown = float(np.trace(self._inverse)) * RIDGE / _N
        if grown > 1.0:
            self._inverse /= grown
