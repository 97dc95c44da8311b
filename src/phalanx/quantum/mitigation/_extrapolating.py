"""From values at several strengths of noise to the value without any."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from phalanx.core import InvalidInput

FITS = ("linear", "richardson", "exponential")
Floats = npt.NDArray[np.float64]


def weights_of(scales: Sequence[float], fit: str) -> Floats:
    """What each value counts in the extrapolated one, for the fits that are linear in them."""
    x = np.asarray(scales, dtype=np.float64)
    if fit == "richardson":
        # Lagrange's polynomial through all of them, at zero.
        return np.array([math.prod(other / (other - one) for other in x if other != one) for one in x])
    centred = x - x.mean()
    return np.asarray(1.0 / x.size - x.mean() * centred / (centred @ centred))


def extrapolated(scales: Sequence[float], values: Floats, fit: str) -> Floats:
    """At scale zero, for ``values`` (scales, terms). An exponential decays to zero.

    Where the values have not all one sign, or fall to nothing, there is no exponential through them: then the line.
    """
    if fit not in FITS:
        raise InvalidInput("zne", f"{fit!r} is none of {', '.join(FITS)}")
    x, y = np.asarray(scales, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if len(set(scales)) < 2 or y.shape[0] != x.size:
        raise InvalidInput("scales", "two different ones at least, with a value for each")
    if fit != "exponential":
        return np.asarray(weights_of(scales, fit) @ y)
    line = weights_of(scales, "linear")
    straight = line @ y
    same = (np.abs(np.sign(y).sum(axis=0)) == x.size) & (np.abs(y).min(axis=0) > 1e-3)
    size = np.exp(line @ np.log(np.maximum(np.abs(y), 1e-12)))
    # Noise that grows a value is no decay, and extrapolating it exponentially makes any mistake huge.
    found = np.where(same & (size <= 2.0), np.sign(y[0]) * size, straight)
    return np.asarray(found)
