"""Reading errors undone: qubit by qubit in a mean, or on the outcomes that were seen.

What each qubit is read as is measured by two circuits, all qubits prepared as 0 and all as 1. ``confusion`` (n, 2, 2)
float64 is the chance of reading the row for the column, one matrix for each classical bit.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from phalanx.core import LimitExceeded, Unavailable
from phalanx.quantum._canonical import MEASURE, Step, Steps
from phalanx.quantum.mitigation._limits import MAX_OBSERVED_OUTCOMES

Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.uint8]

_BLIND = 0.02


def reading_circuits(steps: Steps) -> tuple[Steps, Steps]:
    """The qubits that a mapped circuit measures, all prepared as 0, and all as 1, into the same bits."""
    measured = [step for step in steps.steps if step.name == MEASURE]
    flips = [Step("x", step.qubits) for step in measured]
    return (
        Steps(steps.n_qubits, steps.n_bits, measured),
        Steps(steps.n_qubits, steps.n_bits, [*flips, *measured]),
    )


def confusions(zeros: Mapping[str, int], ones: Mapping[str, int]) -> Floats:
    """From the outcomes of the two. Raises ``Unavailable`` where a qubit reads the same whatever it is."""
    columns = [_ones(zeros), _ones(ones)]
    found = np.stack([np.stack([1 - chance, chance], axis=1) for chance in columns], axis=2)
    blind = np.flatnonzero(np.abs(found[:, 0, 0] + found[:, 1, 1] - 1) < _BLIND)
    if blind.size:
        raise Unavailable("reading errors undone", f"bit {int(blind[0])} reads the same whatever its qubit is")
    return found


def parities(counts: Mapping[str, int], bits: Sequence[int], confusion: Floats | None) -> tuple[float, float]:
    """The mean of (−1)^(sum of ``bits``), and its standard error; undone qubit by qubit with ``confusion``."""
    keys, n = _table(counts)
    each = np.ones(len(keys))
    for bit in bits:
        sign = np.array([1.0, -1.0])
        worth = sign if confusion is None else np.linalg.solve(confusion[bit].T, sign)
        each *= worth[keys[:, bit]]
    total = n.sum()
    mean = float(each @ n / total)
    variance = max(0.0, float((each**2) @ n / total) - mean**2)
    return mean, float(np.sqrt(variance / total))


def observed(counts: Mapping[str, int], confusion: Floats) -> dict[str, float]:
    """Quasi-probabilities of the outcomes that were seen, and of no others (Nation et al. 2021). They sum to one.

    The matrix of all readings is never made: only between outcomes that came up, its columns scaled to one.
    """
    keys, n = _table(counts)
    if len(keys) > MAX_OBSERVED_OUTCOMES:
        raise LimitExceeded(
            "different outcomes to undo reading errors between", maximum=MAX_OBSERVED_OUTCOMES, seen=len(keys),
            hint="take fewer shots, or a mean (readout) instead of the outcomes",
        )  # fmt: skip
    matrix = np.ones((len(keys), len(keys)))
    for bit in range(keys.shape[1]):
        column = keys[:, bit]
        matrix *= confusion[bit][column[:, None], column[None, :]]
    matrix /= matrix.sum(axis=0)
    found = np.linalg.solve(matrix, n / n.sum())
    found /= found.sum()
    return {key: float(value) for key, value in zip(sorted(counts), found, strict=True)}


def nearest_counts(quasi: Mapping[str, float], shots: int) -> dict[str, int]:
    """The counts nearest to quasi-probabilities: negative ones become none, what that adds is taken from the rest."""
    keys = sorted(quasi, key=lambda key: quasi[key])
    values = np.array([quasi[key] for key in keys])
    owed, left = 0.0, len(keys)
    for at, value in enumerate(values):
        if value + owed / left < 0:
            owed += value
            values[at] = 0.0
            left -= 1
        else:
            values[at:] += owed / left
            break
    exact = values / values.sum() * shots
    whole = np.floor(exact).astype(int)
    for at in np.argsort(-(exact - whole), kind="stable")[: shots - int(whole.sum())]:
        whole[at] += 1
    return {key: int(n) for key, n in sorted(zip(keys, whole.tolist(), strict=True)) if n}


def _ones(counts: Mapping[str, int]) -> Floats:
    keys, n = _table(counts)
    return np.asarray(n @ keys / n.sum(), dtype=np.float64)


def _table(counts: Mapping[str, int]) -> tuple[Bits, Floats]:
    keys = sorted(counts)
    bits = np.array([[int(bit) for bit in key] for key in keys], dtype=np.uint8)
    return bits, np.array([counts[key] for key in keys], dtype=np.float64)
