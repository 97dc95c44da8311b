"""What is expected of a way, corrected by what came of those before: times by name, fidelities by estimated success."""

import math
from collections import deque

import numpy as np

from phalanx.allocation.routing._limits import (
    FEWEST_FIDELITIES,
    FEWEST_TIMES,
    FIRST_TIME_SD,
    MAX_FIDELITIES,
    MAX_LEARNED_NAMES,
    MAX_TIMES,
    SHOTS_EACH,
)
from phalanx.learning import Calibration


class Expectations:
    """Times are off by a factor that is learned for each name (the median); what is left of it is their spread.

    Estimated success is turned into fidelity by the rising curve that fits what was realised (isotonic).
    """

    def __init__(self) -> None:
        self._off: dict[str, deque[float]] = {}
        self._success: deque[tuple[float, float]] = deque(maxlen=MAX_FIDELITIES)
        self._curve: Calibration | None = None

    def took(self, name: str, expected_s: float, took_s: float) -> None:
        """Something that was expected (before correction) to take so long took so long."""
        if expected_s <= 0.0 or took_s <= 0.0 or (name not in self._off and len(self._off) >= MAX_LEARNED_NAMES):
            return
        self._off.setdefault(name, deque(maxlen=MAX_TIMES)).append(math.log(took_s / expected_s))

    def reached(self, success: float, fidelity: float) -> None:
        """What was estimated to succeed so often reached this fidelity."""
        self._success.append((success, min(1.0, max(0.0, fidelity))))
        self._curve = None

    def seconds(self, name: str, expected_s: float, deadline_s: float) -> tuple[float, float]:
        """How long it takes, and the chance that it takes longer than ``deadline_s``."""
        off, spread = 0.0, FIRST_TIME_SD
        seen = self._off.get(name, ())
        if len(seen) >= FEWEST_TIMES:
            logs = np.array(seen)
            off, spread = float(np.median(logs)), max(0.05, float(logs.std()))
        seconds = expected_s * math.exp(off)
        if deadline_s == math.inf:
            return seconds, 0.0
        if seconds <= 0.0:
            return 0.0, 0.0
        return seconds, 0.5 * math.erfc(math.log(deadline_s / seconds) / (spread * math.sqrt(2.0)))

    def fidelity(self, success: float) -> float:
        """Where too little was seen the estimate itself."""
        if len(self._success) < FEWEST_FIDELITIES:
            return success
        if self._curve is None:
            pairs = np.array(self._success)
            right = np.round(pairs[:, 1] * SHOTS_EACH).astype(int)
            labels = (np.arange(SHOTS_EACH)[None, :] < right[:, None]).ravel()
            self._curve = Calibration.fitted(np.repeat(pairs[:, 0], SHOTS_EACH), labels)
        return float(self._curve.apply(np.array([success]))[0])
