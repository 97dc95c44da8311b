"""Simulated annealing over choices of bits: the classical heuristic beside variational ones."""

import math

from phalanx.core import Rng
from phalanx.quantum.routines._transforms import Weights

_TINY = 1e-9


def annealed(worth: Weights, n: int, evaluations: int, rng: Rng) -> tuple[int, int]:
    """Flip one action at a time, uphill always and downhill less and less often; the best choice seen."""
    scale = float(worth.max() - worth.min()) or 1.0
    at = best = rng.integer(0, worth.size)
    for step in range(evaluations - 1):
        heat = 0.3 * scale * (1 - step / evaluations) + _TINY
        other = at ^ 1 << rng.integer(0, n)
        rise = float(worth[other] - worth[at])
        if rise >= 0 or rng.chance(math.exp(rise / heat)):
            at = other
        if worth[at] > worth[best]:
            best = at
    return best, evaluations
