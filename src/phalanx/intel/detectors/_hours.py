"""What is usual of an hour of the week, for one entity, in a fixed number of bytes.

Counts have heavy tails, so they are judged as logarithms: the distance from what is expected of this hour of the week,
over a scale that is the median of such distances, never less than what chance makes of a count. What is expected moves
with each hour towards what came, and no hour can pull it far. Until an hour of the week is known, the same hour of
other days answers for it, with a wider scale.
"""

from math import expm1, inf, isnan, log1p, sqrt
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from phalanx.intel.detectors._limits import (
    VOLUME_HABIT,
    VOLUME_LEAST_SCALE,
    VOLUME_MIN_HOURS,
    VOLUME_OWN,
    VOLUME_PULL,
    VOLUME_RESIDUALS,
    VOLUME_SLOTS,
    VOLUME_UNSURE,
    VOLUME_WEIGHT,
)


class Volume(msgspec.Struct, array_like=True):
    """One entity: the hour that is counted, what came in it, and what is usual, as logarithms of float16."""

    hour: int
    count: float
    bar: float
    expected: float
    hours: int
    told: bool
    slots: bytearray
    residuals: bytearray

    @classmethod
    def new(cls, hour: int, *, silent: bool) -> "Volume":
        """``silent``: nothing came in all the hours before, and that is known."""
        hours, usual = (VOLUME_MIN_HOURS, _SILENT) if silent else (0, _UNKNOWN)
        return cls(
            hour, 0.0, inf, 0.0, hours, told=False, slots=bytearray(usual), residuals=bytearray(_NO_RESIDUALS)
        )  # fmt: skip

    def begin(self, hour: int) -> None:
        """Count what comes in ``hour``, from nothing."""
        self.hour, self.count, self.told = hour, 0.0, False

    def expect(self) -> "Expected | None":
        """What is usual of the hour that is counted; None before enough hours were seen."""
        if self.hours < VOLUME_MIN_HOURS:
            return None
        slots, residuals = self._arrays()
        usual = _usual(slots, self.hour)
        if isnan(usual.at):
            return None
        return Expected(usual.at, expm1(usual.at), _scale(residuals, usual))

    def learn(self) -> "Learned | None":
        """The hour that is counted is over: take it in. None when it cannot be said how far off it was."""
        slots, residuals = self._arrays()
        slot, came = self.hour % VOLUME_SLOTS, log1p(self.count)
        # Of its first hour nothing is known.
        usual, learned = _usual(slots, self.hour) if self.hours else _NOTHING, None
        own = float(slots[slot])
        if not usual.known:
            # Of other hours of the day nothing follows.
            slots[slot] = came
        else:
            scale = _scale(residuals, usual)
            distance = came - usual.at
            if self.hours >= VOLUME_MIN_HOURS:
                learned = Learned(distance / scale, expm1(usual.at), usual.sure)
            # A new hour of the week begins near its like; a known one moves a part of the way. Neither is pulled far.
            most = VOLUME_PULL * scale
            residuals[self.hours % VOLUME_RESIDUALS] = _within(distance, 2 * most)
            slots[slot] = (
                usual.at + _within(distance, most) if isnan(own)
                else own + VOLUME_WEIGHT * _within(came - own, 3 * most)
            )  # fmt: skip
        self.hours += 1
        return learned

    def _arrays(self) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
        return np.frombuffer(self.slots, np.float16), np.frombuffer(self.residuals, np.float16)


_SILENT: Final = np.zeros(VOLUME_SLOTS, np.float16).tobytes()
_UNKNOWN: Final = np.full(VOLUME_SLOTS, np.nan, np.float16).tobytes()
_NO_RESIDUALS: Final = np.full(VOLUME_RESIDUALS, np.nan, np.float16).tobytes()


class Expected(NamedTuple):
    """What is expected of an hour: its logarithm, the count, and how far off an ordinary hour is, in logarithms."""

    at: float
    mean: float
    scale: float


class Learned(NamedTuple):
    """How many scales an hour was off what was expected, that count, and whether this hour of the week was known."""

    scales: float
    mean: float
    sure: bool


class _Usual(NamedTuple):
    """A logarithm that is expected, whether this hour of the week was seen before, and whether its like was."""

    at: float
    sure: bool
    known: bool


_NOTHING: Final = _Usual(np.nan, sure=False, known=False)


def _usual(slots: NDArray[np.float16], hour: int) -> _Usual:
    """What is usual at ``hour``; not a number when nothing is.

    One hour of one week says little: with it go the same hours of days like it. Where it is far from all of them it is
    a habit of its own, such as a weekly backup, and answers alone.
    """
    slot = hour % VOLUME_SLOTS
    week = slots.reshape(7, 24)[:, hour % 24].astype(np.float64)
    # Hours are counted from a Thursday, and days 2 and 3 of that week are the weekend.
    day, own = slot // 24, float(slots[slot])
    like = week[2:4] if day in (2, 3) else np.concatenate((week[:2], week[4:]))
    like = like[~np.isnan(like)]
    if not isnan(own):
        middle = _median(like)
        alone = abs(own - middle) > VOLUME_HABIT
        return _Usual(own if alone else VOLUME_OWN * own + (1.0 - VOLUME_OWN) * middle, sure=True, known=True)
    for seen, known in ((like, True), (week[~np.isnan(week)], True), (slots[~np.isnan(slots)], False)):
        if len(seen):
            return _Usual(_median(seen), sure=False, known=known)
    return _NOTHING


def _scale(residuals: NDArray[np.float16], usual: _Usual) -> float:
    """How far an ordinary hour is from what is expected of it."""
    seen = residuals[~np.isnan(residuals)]
    # 1.4826 medians of absolute distances are one standard deviation, where there is one.
    spread = 1.4826 * _median(np.abs(seen)) if len(seen) else VOLUME_LEAST_SCALE
    mean = expm1(max(0.0, usual.at))
    # The last is what chance makes of the logarithm of a count.
    scale = max(spread, VOLUME_LEAST_SCALE, sqrt(mean) / (1.0 + mean))
    return scale if usual.sure else scale * VOLUME_UNSURE


def _median(values: NDArray[np.floating]) -> float:
    """As NumPy's, whose first call loads its masked arrays, and which takes longer for so few values."""
    ordered = sorted(values.tolist())
    half, odd = divmod(len(ordered), 2)
    return float(ordered[half]) if odd else float(values.dtype.type((ordered[half - 1] + ordered[half]) / 2.0))


def _within(distance: float, most: float) -> float:
    return min(max(distance, -most), most)
