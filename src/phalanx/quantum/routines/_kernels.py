"""A quantum kernel for telling classes apart, and a kernel machine that takes any.

The feature map (Havlíček et al., Nature 567, 2019) puts phases of a row's features and of their products on a uniform
superposition, twice. All phases are diagonal, so a state costs two Walsh–Hadamard transforms instead of a gate for
every pair. A kernel is the squared overlap of two states; at width n it is a matrix product, not a circuit for each
entry. Rows have one qubit for each feature.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.quantum.routines._limits import MAX_FEATURES, MAX_KERNEL_ROWS
from phalanx.quantum.routines._transforms import bits_of, walsh_hadamard

Rows = npt.NDArray[np.float64]

_BLOCK = 512


class PhaseKernel:
    """The map with phases ``x_j`` and ``(π − x_j)(π − x_k)``, times ``bandwidth``, ``repeats`` times.

    Narrow bandwidths keep states from being all alike orthogonal, which is what makes wide kernels useless
    (Shaydulin and Wild 2022).
    """

    def __init__(self, n_features: int, *, repeats: int = 2, bandwidth: float = 1.0, pairs: str = "full") -> None:
        if not 1 <= n_features <= MAX_FEATURES:
            raise LimitExceeded("features of a quantum kernel", maximum=MAX_FEATURES, seen=n_features)
        if pairs not in ("full", "chain", "none"):
            raise InvalidInput("pairs", f"is full, chain or none, got {pairs!r}")
        self.n_features = n_features
        self._repeats, self._bandwidth = repeats, bandwidth
        # The phase gates of Qiskit's map act on bits, with 2·x on each and 2·(π−x)(π−y) on each exclusive or.
        bits = bits_of(n_features).astype(np.float64)
        self._single = 2.0 * bits
        self._pairs = [
            (j, k)
            for j in range(n_features)
            for k in range(j + 1, n_features)
            if pairs == "full" or (pairs == "chain" and k == j + 1)
        ]
        self._double = np.stack(
            [2.0 * np.abs(bits[:, j] - bits[:, k]) for j, k in self._pairs], axis=1
        ) if self._pairs else np.zeros((len(bits), 0))  # fmt: skip

    def states(self, rows: Rows) -> npt.NDArray[np.complex128]:
        """(rows, 2^n): the state of each row."""
        self._check(rows)
        made = np.empty((len(rows), 1 << self.n_features), dtype=np.complex128)
        for at in range(0, len(rows), _BLOCK):
            block = rows[at : at + _BLOCK] * self._bandwidth
            phases = block @ self._single.T
            if self._pairs:
                products = np.stack([(np.pi - block[:, j]) * (np.pi - block[:, k]) for j, k in self._pairs], axis=1)
                phases += products @ self._double.T
            turned = np.exp(1j * phases)
            state = np.full(turned.shape, 2.0 ** (-self.n_features / 2), dtype=np.complex128)
            for repeat in range(self._repeats):
                if repeat:
                    walsh_hadamard(state)
                state *= turned
            made[at : at + _BLOCK] = state
        return made

    def matrix(self, rows: Rows, others: Rows | None = None) -> npt.NDArray[np.float64]:
        """Squared overlaps of the states of ``rows`` with those of ``others``, or with each other."""
        ours = self.states(rows)
        theirs = ours if others is None else self.states(others)
        return np.asarray(np.abs(ours @ theirs.conj().T) ** 2)

    def _check(self, rows: Rows) -> None:
        if rows.ndim != 2 or rows.shape[1] != self.n_features:
            raise InvalidInput("rows", f"have {self.n_features} features each, got {rows.shape}")
        if len(rows) > MAX_KERNEL_ROWS:
            raise LimitExceeded("rows of a kernel matrix", maximum=MAX_KERNEL_ROWS, seen=len(rows))


def gaussian_kernel(rows: Rows, others: Rows, *, width: float) -> npt.NDArray[np.float64]:
    """The classical kernel that every quantum one is to be compared with."""
    squares = (rows**2).sum(axis=1)[:, None] + (others**2).sum(axis=1)[None, :] - 2 * rows @ others.T
    return np.asarray(np.exp(-np.maximum(squares, 0) / (2 * width**2)))


class RidgeMachine:
    """Two classes by ridge regression on a kernel: convex, without a solver of its own, the same for every kernel."""

    def __init__(
        self, kernel: npt.NDArray[np.float64], labels: Sequence[bool] | npt.NDArray[np.bool_], *, ridge: float
    ) -> None:
        signs = np.where(np.asarray(labels, dtype=bool), 1.0, -1.0)
        if kernel.shape != (len(signs), len(signs)):
            raise InvalidInput("kernel", f"is {len(signs)} by {len(signs)}, got {kernel.shape}")
        if ridge <= 0:
            raise InvalidInput("ridge", f"is above zero, got {ridge}")
        self._offset = float(signs.mean())
        self._weights = np.linalg.solve(kernel + ridge * np.eye(len(signs)), signs - self._offset)

    def scores(self, kernel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Above zero for the first class; ``kernel`` is (rows asked about, rows trained on)."""
        return np.asarray(kernel @ self._weights + self._offset)


def novelty(kernel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How unlike all that is usual each row is: one less its mean kernel with usual rows, which are the columns."""
    return np.asarray(1.0 - kernel.mean(axis=1))
