"""Every way in which k photons can stand in m modes, numbered; and what one more photon makes of weights over them.

Photons are sent one after another: the amplitudes of all outcomes are the coefficients of a product of linear forms,
one for each photon (Heurtel et al., "Strong simulation of linear optical processes", 2023). Without interference the
same product of probabilities is the distribution. Numbers are those of the combinatorial number system, in which the
number of a state with one photon more follows from sums over its modes.
"""

import math

import numpy as np
import numpy.typing as npt

from phalanx.core import LimitExceeded
from phalanx.quantum._limits import MAX_FOCK_STATES

Counts = npt.NDArray[np.int8]
Weights = npt.NDArray[np.float64] | npt.NDArray[np.complex128]
Ranks = npt.NDArray[np.int32]


def n_states(n_modes: int, n_photons: int) -> int:
    """How many outcomes there are."""
    return math.comb(n_modes + n_photons - 1, n_photons)


class Fock:
    """States of up to ``n_photons``: ``states[k]`` (K, m), and ``after[k]`` (K, m), the number with one more in j."""

    def __init__(self, n_modes: int, n_photons: int) -> None:
        seen = n_states(n_modes, n_photons)
        if seen > MAX_FOCK_STATES:
            raise LimitExceeded(
                f"outcomes of {n_photons} photons in {n_modes} modes that are listed",
                maximum=MAX_FOCK_STATES,
                seen=seen,
            )
        self.n_modes = n_modes
        self._choose = _binomials(n_photons + 1, n_modes)
        self.states: list[Counts] = [np.zeros((1, n_modes), np.int8)]
        self.after: list[Ranks] = []
        for k in range(n_photons):
            before, after = self.states[k], self._after(self.states[k])
            more = np.empty((n_states(n_modes, k + 1), n_modes), np.int8)
            for mode in range(n_modes):
                more[after[:, mode]] = before
                more[after[:, mode], mode] += 1
            self.states.append(more)
            self.after.append(after)

    def sent(self, weights: Weights, k: int, form: Weights) -> Weights:
        """Weights over states of ``k`` photons, times a linear form over the modes (m,): over states of k + 1."""
        made = np.zeros(len(self.states[k + 1]), np.result_type(weights, form))
        for mode in range(self.n_modes):
            # A state with one more photon in this mode comes from one state only: no number is there twice.
            made[self.after[k][:, mode]] += form[mode] * weights
        return made

    def _after(self, states: Counts) -> Ranks:
        so_far = states[:, :-1].astype(np.int64).cumsum(axis=1)
        at = np.arange(self.n_modes - 1)
        same, more = self._choose[so_far, at], self._choose[so_far + 1, at]
        nothing = np.zeros((len(states), 1), np.int64)
        left = np.concatenate([nothing, same.cumsum(axis=1)], axis=1)
        right = np.concatenate([more[:, ::-1].cumsum(axis=1)[:, ::-1], nothing], axis=1)
        return np.asarray(left + right, np.int32)


def factorials(states: Counts) -> npt.NDArray[np.float64]:
    """(K,) the product of n! over the modes of each state."""
    table = np.array([math.factorial(n) for n in range(int(states.max(initial=0)) + 1)], np.float64)
    return np.asarray(table[states].prod(axis=1))


def _binomials(n_photons: int, n_modes: int) -> npt.NDArray[np.int64]:
    """[p, i]: choose i + 1 of p + i."""
    made = np.zeros((n_photons + 1, n_modes), np.int64)
    for p in range(1, n_photons + 1):
        made[p, 0] = p
        for i in range(1, n_modes):
            made[p, i] = made[p - 1, i] + made[p, i - 1]
    return made
