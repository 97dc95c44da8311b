"""A matrix-product state: qubits in a row, entanglement across cuts bounded, and what the bound threw away counted."""

import numpy as np
import numpy.typing as npt

from phalanx.quantum._canonical import Step
from phalanx.quantum._gates import GATES, parts_of
from phalanx.quantum.mapping._native import split_steps

Tensor = npt.NDArray[np.complex128]

# Singular values below this, relative to the largest, are rounding.
_ROUNDING = 1e-13


class Chain:
    """The state of ``n`` qubits, |0…0⟩ at first. ``truncation_error`` is the weight that has been thrown away."""

    def __init__(self, n: int, bond: int) -> None:
        self._bond = bond
        self._sites: list[Tensor] = [np.array([1, 0], dtype=np.complex128).reshape(1, 2, 1) for _ in range(n)]
        self._where = list(range(n))
        self._who = list(range(n))
        self._centre = 0
        self.truncation_error = 0.0
        self.widest = 1

    def apply(self, steps: list[Step]) -> None:
        for step in split_steps(steps):
            for name, places, params in parts_of(step.name, step.params):
                matrix = np.array(GATES[name].matrix(*params), dtype=np.complex128).reshape(2, 2)
                qubits = [step.qubits[place] for place in places]
                if len(qubits) == 1:
                    site = self._where[qubits[0]]
                    self._sites[site] = np.einsum("ab,lbr->lar", matrix, self._sites[site])
                else:
                    self._on_two(matrix, *qubits)

    def _on_two(self, matrix: Tensor, control: int, target: int) -> None:
        while abs(self._where[control] - self._where[target]) > 1:
            low, high = sorted((self._where[control], self._where[target]))
            self._join(low, None, swap=True)
            assert high > low
        gate = np.eye(4, dtype=np.complex128).reshape(2, 2, 2, 2)
        if self._where[control] < self._where[target]:
            gate[1, :, 1, :] = matrix
        else:
            gate[:, 1, :, 1] = matrix
        self._join(min(self._where[control], self._where[target]), gate, swap=False)

    def _join(self, at: int, gate: Tensor | None, *, swap: bool) -> None:
        """A gate on the sites ``at`` and ``at + 1``, or their exchange; then apart again."""
        self._move(at)
        pair = np.tensordot(self._sites[at], self._sites[at + 1], axes=(2, 0))
        if swap:
            pair = pair.transpose(0, 2, 1, 3)
            a, b = self._who[at], self._who[at + 1]
            self._who[at], self._who[at + 1] = b, a
            self._where[a], self._where[b] = at + 1, at
        if gate is not None:
            pair = np.einsum("abcd,lcdr->labr", gate, pair)
        left, _, _, right = pair.shape
        u, s, v = np.linalg.svd(pair.reshape(left * 2, 2 * right), full_matrices=False)
        keep = min(self._bond, int((s > s[0] * _ROUNDING).sum()))
        weight = float((s[:keep] ** 2).sum() / (s**2).sum())
        self.truncation_error += 1 - weight if keep < len(s) else 0.0
        self.widest = max(self.widest, keep)
        s = s[:keep] / np.linalg.norm(s[:keep])
        self._sites[at] = u[:, :keep].reshape(left, 2, keep)
        self._sites[at + 1] = (s[:, None] * v[:keep]).reshape(keep, 2, right)
        self._centre = at + 1

    def _move(self, to: int) -> None:
        """Bring the centre to a site: all left of it are isometries from the left, all right of it from the right."""
        while self._centre < to:
            site = self._sites[self._centre]
            left, _, right = site.shape
            q, r = np.linalg.qr(site.reshape(left * 2, right))
            self._sites[self._centre] = q.reshape(left, 2, -1)
            self._centre += 1
            self._sites[self._centre] = np.tensordot(r, self._sites[self._centre], axes=(1, 0))
        while self._centre > to:
            site = self._sites[self._centre]
            left, _, right = site.shape
            q, r = np.linalg.qr(site.reshape(left, 2 * right).T)
            self._sites[self._centre] = q.T.reshape(-1, 2, right)
            self._centre -= 1
            self._sites[self._centre] = np.tensordot(self._sites[self._centre], r.T, axes=(2, 0))

    def sample(self, shots: int, generator: np.random.Generator) -> npt.NDArray[np.uint8]:
        """(shots, n): the qubits of each shot, by their own numbers."""
        self._move(0)
        found = np.zeros((shots, len(self._sites)), dtype=np.uint8)
        state = np.ones((shots, 1), dtype=np.complex128)
        for at, site in enumerate(self._sites):
            both = np.einsum("sl,lar->sar", state, site)
            weights = (np.abs(both) ** 2).sum(axis=2)
            one = generator.random(shots) * weights.sum(axis=1) >= weights[:, 0]
            found[:, self._who[at]] = one
            state = both[np.arange(shots), one.astype(np.intp)]
            state /= np.linalg.norm(state, axis=1, keepdims=True)
        return found


def bond_needed(n: int, steps: list[Step]) -> int:
    """An upper bound on the logarithm (base 2) of the bond that keeps everything, qubits in their order.

    Each two-qubit gate at most squares what a cut that it crosses holds, and no cut holds more than its smaller side.
    """
    crossings = np.zeros(n + 1, dtype=np.int64)
    for step in split_steps(steps):
        if len(step.qubits) == 2:
            low, high = sorted(step.qubits)
            crossings[low + 1] += 1
            crossings[high + 1] -= 1
    held = np.cumsum(crossings)[1:n]
    side = np.minimum(np.arange(1, n), np.arange(n - 1, 0, -1))
    return int(np.minimum(held, side).max(initial=0))
