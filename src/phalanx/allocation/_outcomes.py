"""What the result of a run was worth, where that can be known: of circuits that are narrow enough to be computed.

Worth is the fidelity of the counts with the ideal distribution, less what guessing would reach: (F - F_uniform) /
(1 - F_uniform), at least 0. Where guessing is nearly as good as the ideal, nothing can be told.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from phalanx.allocation._limits import MAX_CHECKED_QUBITS, MAX_GUESSED
from phalanx.core import Circuit, PhalanxError
from phalanx.quantum import parse, simulate


@dataclass(frozen=True, slots=True, eq=False)
class Ideal:
    """How likely each outcome of a circuit is without noise, and what guessing would reach."""

    weights: np.ndarray
    guessed: float

    def worth(self, found: np.ndarray) -> float:
        """Of another distribution over the same outcomes, from 0 for guessing to 1."""
        return max(0.0, (_fidelity(self.weights, found) - self.guessed) / (1.0 - self.guessed))


def ideal_of(circuit: Circuit, *, widest: int = MAX_CHECKED_QUBITS) -> Ideal | None:
    """Nothing where it cannot be told. Takes milliseconds: off the event loop."""
    if circuit.n_qubits > widest:
        return None
    try:
        weights = simulate.probabilities(parse(circuit))
    except PhalanxError:
        return None  # It measures within, or writes bits otherwise than at its end.
    guessed = _fidelity(weights, np.full(weights.size, 1.0 / weights.size))
    return None if guessed > MAX_GUESSED else Ideal(weights, guessed)


def worth_of(circuit: Circuit, counts: Mapping[str, int]) -> float | None:
    """From 0 for guessing to 1; nothing where it cannot be told. Off the event loop."""
    ideal = ideal_of(circuit)
    if ideal is None or not counts:
        return None
    found = np.zeros(ideal.weights.size)
    for key, n in counts.items():
        if len(key) != found.size.bit_length() - 1:
            return None
        found[int(key, 2) if key else 0] = n
    return ideal.worth(found / found.sum())


def _fidelity(one: np.ndarray, other: np.ndarray) -> float:
    """The squared sum of the roots of products."""
    return float(np.sqrt(np.maximum(one, 0.0) * np.maximum(other, 0.0)).sum() ** 2)
