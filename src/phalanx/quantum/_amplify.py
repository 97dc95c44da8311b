"""Circuits that make an attack model's answer visible: Grover's iteration on its stages.

Every stage is a qubit rotated to the stage's probability, so measuring draws one attack. The goal
is marked by a sign: its truth table is written as an exclusive or of products (Reed–Muller form),
and each product is one multi-controlled Z. A qubit may stand for "stage failed" instead of "stage
reached"; of all such choices the one with the fewest gates is taken, which makes OR as cheap as AND.

With goal probability sin²θ, ``circuit(k)`` measures a goal outcome with probability sin²((2k+1)θ)
(Brassard, Høyer, Mosca, Tapp 2002). The start is ``|1…1⟩`` rather than ``|0…0⟩``: the reflection about
it is then a bare multi-controlled Z.
"""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from phalanx.core import Circuit
from phalanx.quantum._attack import AttackModel
from phalanx.quantum._circuits import assemble, mcz_ops, op_lines
from phalanx.quantum._gates import Op


class Amplifier:
    """Writes the circuits of one model and reads their outcomes."""

    def __init__(self, model: AttackModel) -> None:
        n = self._n_stages = len(model.stages)
        self._reached = model.outcomes()
        self._flipped, products = _fewest_gates(self._reached, n)
        self.n_qubits = model.n_qubits
        ancillas = range(n, self.n_qubits)
        probabilities = [stage.probability for stage in model.stages]
        angles = [_angle(1.0 - p if _bit(self._flipped, i, n) else p) for i, p in enumerate(probabilities)]
        prepare = [Op("ry", (i,), (angle,)) for i, angle in enumerate(angles)]
        unprepare = [Op("ry", (i,), (-angle + 0.0,)) for i, angle in enumerate(angles)]
        mark = [op for product in products for op in mcz_ops([i for i in range(n) if _bit(product, i, n)], ancillas)]
        reflect = mcz_ops(range(n), ancillas)
        self._start = op_lines([*(Op("x", (i,)) for i in range(n)), *prepare])
        self._iteration = op_lines([*mark, *unprepare, *reflect, *prepare])

    def circuit(self, k: int) -> Circuit:
        """The model prepared, amplified ``k`` times, and its stages measured."""
        return assemble(self.n_qubits, self._start + k * self._iteration, range(self._n_stages))

    def goals(self, counts: Mapping[str, int]) -> int:
        """How many of the measured outcomes reach the goal."""
        return sum(n for key, n in counts.items() if self._reached[int(key, 2) ^ self._flipped])


def _angle(probability_of_one: float) -> float:
    """The rotation that takes ``|1⟩`` to amplitude √p on ``|1⟩``."""
    return 2.0 * math.atan2(math.sqrt(1.0 - probability_of_one), math.sqrt(probability_of_one))


def _bit(mask: int, i: int, n: int) -> int:
    return mask >> (n - 1 - i) & 1


def _fewest_gates(reached: npt.NDArray[np.bool_], n: int) -> tuple[int, list[int]]:
    """The cheapest fixed-polarity Reed–Muller form: which qubits are flipped, and the products as masks.

    All ``2^n`` polarities are tried (128 at most). The constant product is dropped: it is a global sign.
    """
    states = np.arange(1 << n)
    forms = reached[states[:, None] ^ states[None, :]]
    for i in range(n):
        halves = forms.reshape(1 << n, 1 << i, 2, -1)
        halves[:, :, 1] ^= halves[:, :, 0]
    cost = np.array([_gates_of_product(int(state).bit_count()) for state in states])
    flipped = int(np.argmin(forms @ cost))
    return flipped, [int(product) for product in np.flatnonzero(forms[flipped]) if product]


def _gates_of_product(n_factors: int) -> int:
    """Gates that ``mcz_ops`` writes for a product."""
    return min(n_factors, 1) if n_factors < 3 else 3 + 2 * (n_factors - 3)
