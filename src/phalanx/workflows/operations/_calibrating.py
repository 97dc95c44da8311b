"""A calibration of fused signals: a scale and a shift of the log odds, fitted on labelled data.

Logistic regression on one number (Platt 1999), by Newton's method with halved steps. A small count is added to each
class, so that separable data give no infinite scale.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from phalanx.core import InvalidInput
from phalanx.workflows.operations._signals import pooled_log_odds

_ROUNDS = 50
_ENOUGH = 1e-10
_FAR = 30.0


def fit_calibration(
    probabilities: Sequence[npt.NDArray[np.float64]],
    truth: npt.NDArray[np.bool_],
    weights: Sequence[float] | None = None,
) -> tuple[float, float]:
    """``scale`` and ``shift`` for ``fuse``; ``probabilities`` has one array for each signal, over the same rows.

    Raises ``InvalidInput`` unless both classes are among the rows.
    """
    truth = np.asarray(truth, dtype=bool)
    n_true, n_false = int(truth.sum()), int((~truth).sum())
    if not n_true or not n_false:
        raise InvalidInput("truth", "rows of both classes are needed")
    x = pooled_log_odds(probabilities, weights)
    wanted = np.where(truth, (n_true + 1) / (n_true + 2), 1 / (n_false + 2))
    design = np.stack([x, np.ones_like(x)], axis=1)
    at = np.zeros(2)
    for _ in range(_ROUNDS):
        odds = design @ at
        said = 1.0 / (1.0 + np.exp(-np.clip(odds, -_FAR, _FAR)))
        slope = design.T @ (said - wanted)
        curve = (design * (said * (1 - said))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        now = _loss(odds, wanted)
        while _loss(design @ (at - step), wanted) > now and float(np.abs(step).max()) > _ENOUGH:
            step /= 2
        at = at - step
        if float(np.abs(step).max()) < _ENOUGH:
            break
    return float(at[0]), float(at[1])


def _loss(odds: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> float:
    return float((np.logaddexp(0.0, odds) - wanted * odds).sum())
