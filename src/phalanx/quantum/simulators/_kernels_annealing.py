"""Compiled annealing of Ising problems. A plain reference is in the tests."""

from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.core import kernel

Array = npt.NDArray[Any]


@kernel
def anneal(
    fields: Array, starts: Array, others: Array, couplings: Array, betas: Array, spins: Array, generator: Any
) -> None:
    """Sweep each row of ``spins`` (shots, n) int8, −1 and +1, once at each of ``betas`` (the inverse temperatures).

    ``fields`` (n,) float64; the neighbours of spin i are ``others[starts[i] : starts[i + 1]]`` int64, and how they
    couple is in ``couplings``, float64. A spin is turned where that costs nothing, else with the chance exp(−β·cost).
    """
    n = fields.size
    pull = np.empty(n, np.float64)
    for shot in range(spins.shape[0]):
        row = spins[shot]
        for at in range(n):
            total = fields[at]
            for k in range(starts[at], starts[at + 1]):
                total += couplings[k] * row[others[k]]
            pull[at] = total
        for beta in betas:
            for at in range(n):
                cost = -2.0 * row[at] * pull[at]
                if cost <= 0.0 or generator.random() < np.exp(-beta * cost):
                    row[at] = -row[at]
                    for k in range(starts[at], starts[at + 1]):
                        pull[others[k]] += 2.0 * couplings[k] * row[at]
