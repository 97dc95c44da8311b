"""What runs turn out to be like, learned from each: fidelity, wait and run time by device, each with its uncertainty.

Fidelity is the estimated success of the layout, put on the scale of what was really reached (isotonic, refitted as
outcomes come), plus what the regression has learned of the device and of the circuit: of a circuit that bears errors
well no device is thought better for it. Wait and run time are
learned on a logarithmic scale, from what the board says and what was seen last.
"""

import math
from collections import deque
from dataclasses import dataclass

import msgspec
import numpy as np

from phalanx.allocation._limits import CALIBRATE_EVERY, MAX_CALIBRATED
from phalanx.learning import Calibration, OnlineRegression, Predicted

_MIN_CALIBRATED = 24


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A circuit on a device as it was seen before the run. ``success`` is by layout; ``age_days`` the calibration's."""

    device: str
    circuit: str
    success: float
    n_two: int
    width: int
    age_days: float
    run_s: float
    wait_s: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a run will be like. ``log_wait`` is of 1 + seconds, ``log_run`` of seconds."""

    fidelity: Predicted
    log_wait: Predicted
    log_run: Predicted

    @property
    def wait_s(self) -> float:
        return max(0.0, math.expm1(self.log_wait.mean))

    @property
    def run_s(self) -> float:
        return math.exp(self.log_run.mean)


class Learner:
    """Learns in order; what is older counts less."""

    def __init__(self) -> None:
        self._fidelity = OnlineRegression(4, shared_sd=0.1, own_sd=(0.03, 0.15), noise_sd=0.03, forget=0.9995)
        self._wait = OnlineRegression(3, shared_sd=0.7, own_sd=(0.1,), noise_sd=0.5)
        self._run = OnlineRegression(3, shared_sd=0.7, own_sd=(0.1,), noise_sd=0.5)
        self._last_wait: dict[str, float] = {}
        self._pairs: deque[tuple[float, float]] = deque(maxlen=MAX_CALIBRATED)
        self._scale: Calibration | None = None

    @property
    def n(self) -> int:
        """Outcomes whose fidelity was known."""
        return self._fidelity.n

    def outlook(self, seen: Seen) -> Outlook:
        by_layout = self._scaled(seen.success)
        residual = self._fidelity.predict(_of_fidelity(seen), seen.device, seen.circuit)
        return Outlook(
            Predicted(min(1.0, max(0.0, by_layout + residual.mean)), residual.sd),
            self._wait.predict(self._of_wait(seen), seen.device),
            self._run.predict(_of_run(seen), seen.device),
        )

    def learn(self, seen: Seen, *, fidelity: float | None, wait_s: float, run_s: float) -> None:
        """How it turned out; ``fidelity`` where it could be known."""
        self._wait.learn(math.log1p(max(0.0, wait_s)), self._of_wait(seen), seen.device)
        self._run.learn(math.log(max(1e-6, run_s)), _of_run(seen), seen.device)
        self._last_wait[seen.device] = wait_s
        if fidelity is None:
            return
        self._fidelity.learn(fidelity - self._scaled(seen.success), _of_fidelity(seen), seen.device, seen.circuit)
        self._pairs.append((seen.success, fidelity))
        if len(self._pairs) >= _MIN_CALIBRATED and self._fidelity.n % CALIBRATE_EVERY == 0:
            scores, reached = np.array(self._pairs).T
            self._scale = Calibration.fitted(scores, reached)

    def _scaled(self, success: float) -> float:
        if self._scale is None:
            return success
        lowest = self._scale.scores[0]
        if success < lowest:
            # Below all that was seen a flat line would make what is far worse look as good.
            return self._scale.probabilities[0] * success / lowest
        return float(self._scale.apply(np.array([success]))[0])

    def _of_wait(self, seen: Seen) -> np.ndarray:
        return np.array([1.0, math.log1p(seen.wait_s), math.log1p(self._last_wait.get(seen.device, seen.wait_s))])


def _of_fidelity(seen: Seen) -> np.ndarray:
    return np.array([1.0, min(seen.n_two, 1_000) / 100.0, seen.width / 20.0, min(seen.age_days, 365.0) / 30.0])


def _of_run(seen: Seen) -> np.ndarray:
    return np.array([1.0, math.log(max(1e-6, seen.run_s)), math.log1p(seen.n_two)])
