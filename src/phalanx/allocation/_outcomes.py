"""What the result of a run was worth, where that can be known: of circuits that are narrow enough to be computed.

Worth is the fidelity of the counts with the ideal distribution, less what guessing would reach: (F - F_uniform) /
(1 - F_uniform), at least 0. Where guessing is nearly as good as the ideal, nothing can be told.
"""

from collections.abc import Mapping

import numpy as np

from phalanx.allocation._limits import MAX_CHECKED_QUBITS, MAX_GUESSED
from phalanx.core import Circuit, PhalanxError
from phalanx.quantum import parse, simulate


def worth_of(circuit: Circuit, counts: Mapping[str, int]) -> float | None:
    """From 0 for guessing to 1; nothing where it cannot be told. Takes milliseconds: off the event loop."""
    if circuit.n_qubits > MAX_CHECKED_QUBITS or not counts:
        return None
    try:
        ideal = simulate.probabilities(parse(circuit))
    except PhalanxError:
        return None  # It measures within, or writes bits otherwise than at its end.
    found = np.zeros(ideal.size)
    for key, n in counts.items():
        if len(key) != ideal.size.bit_length() - 1:
            return None
        found[int(key, 2) if key else 0] = n
    guessed = _fidelity(ideal, np.full(ideal.size, 1.0 / ideal.size))
    if guessed > MAX_GUESSED:
        return None
    return max(0.0, (_fidelity(ideal, found / found.sum()) - guessed) / (1.0 - guessed))


def _fidelity(one: np.ndarray, other: np.ndarray) -> float:
    """The squared sum of the roots of products."""
    return float(np.sqrt(np.maximum(one, 0.0) * other).sum() ** 2)
