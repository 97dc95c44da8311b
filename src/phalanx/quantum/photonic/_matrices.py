"""Unitary matrices of linear optics."""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.complex128]
_UNITARY = 1e-6


def beam_splitter(theta: float, convention: str) -> Matrix:
    """(2, 2) with cos²(θ/2) of the light staying in its mode. Conventions as in Perceval: Rx, Ry and H.

    ``rx``: [[c, i·s], [i·s, c]]; ``ry``: [[c, −s], [s, c]]; ``h``: [[c, s], [s, −c]], with c = cos(θ/2), s = sin(θ/2).
    """
    c, s = math.cos(theta / 2), math.sin(theta / 2)
    crossing = {"rx": (1j * s, 1j * s, c), "ry": (-s, s, c), "h": (s, s, -c)}
    above, below, last = crossing[convention]
    return np.array([[c, above], [below, last]], np.complex128)


def is_unitary(matrix: Matrix) -> bool:
    return bool(np.abs(matrix.conj().T @ matrix - np.eye(len(matrix))).max() < _UNITARY)


def on_modes(n_modes: int, parts: Iterable[tuple[tuple[int, ...], Matrix]]) -> Matrix:
    """The matrix of parts on some modes each, one after another."""
    whole = np.eye(n_modes, dtype=np.complex128)
    for modes, matrix in parts:
        rows = list(modes)
        whole[rows] = matrix @ whole[rows]
    return whole
