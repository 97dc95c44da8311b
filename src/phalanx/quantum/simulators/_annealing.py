"""Classical annealing of Ising problems: Metropolis sweeps from hot to cold, each shot from a random state."""

import math

import numpy as np
import numpy.typing as npt

from phalanx.core import LimitExceeded
from phalanx.quantum._limits import MAX_ANNEALED_UPDATES

SWEEPS = 500
# At the hottest every turn is taken half the time, at the coldest the cheapest one once in ten thousand times.
_HOT, _COLD = math.log(2.0), math.log(10_000.0)
# Terms below this part of the largest turn nothing, and a problem of such as are smaller than the other is none.
_NOTHING, _NOTHING_AT_ALL = 1e-12, 1e-300


def annealed(
    fields: npt.NDArray[np.float64], pairs: npt.NDArray[np.int32], couplings: npt.NDArray[np.float64], *, shots: int,
    generator: np.random.Generator, sweeps: int = SWEEPS,
) -> npt.NDArray[np.int8]:  # fmt: skip
    """Spins (shots, n), −1 and +1, of Σ hᵢ·sᵢ + Σ Jᵢⱼ·sᵢ·sⱼ. Raises ``LimitExceeded`` before it takes minutes."""
    from phalanx.quantum.simulators._kernels_annealing import anneal

    n = fields.size
    updates = shots * sweeps * (n + 2 * len(pairs))
    if updates > MAX_ANNEALED_UPDATES:
        raise LimitExceeded(
            "steps of annealing here", maximum=MAX_ANNEALED_UPDATES, seen=updates,
            hint="ask for fewer shots, spins or couplings",
        )  # fmt: skip
    ends = np.concatenate([pairs, pairs[:, ::-1]]).astype(np.int64)
    order = np.argsort(ends[:, 0], kind="stable")
    starts = np.searchsorted(ends[order, 0], np.arange(n + 1)).astype(np.int64)
    weights = np.concatenate([couplings, couplings])[order]
    spins = (2 * generator.integers(0, 2, (shots, n), dtype=np.int8) - 1).astype(np.int8)
    anneal(fields, starts, np.ascontiguousarray(ends[order, 1]), weights, _betas(fields, pairs, couplings, sweeps),
           spins, generator)  # fmt: skip
    return spins


def _betas(
    fields: npt.NDArray[np.float64], pairs: npt.NDArray[np.int32], couplings: npt.NDArray[np.float64], sweeps: int
) -> npt.NDArray[np.float64]:
    """Inverse temperatures, from one at which anything is turned to one at which hardly anything is."""
    most = np.abs(fields)
    np.add.at(most, pairs.reshape(-1), np.repeat(np.abs(couplings), 2))
    terms = np.concatenate([np.abs(fields), np.abs(couplings)])
    largest = terms.max(initial=0.0)
    if largest < _NOTHING_AT_ALL:
        return np.ones(1)
    terms = terms[terms >= _NOTHING * largest]
    return np.geomspace(_HOT / (2.0 * most.max()), _COLD / (2.0 * terms.min()), sweeps)
