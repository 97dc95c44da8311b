"""The gates that circuits are made of: those of OpenQASM's ``stdgates.inc`` that every vendor reads.

All but ``swap`` are a 2×2 matrix on one target under some controls; the simulator needs no
other fact about them. Conventions follow OpenQASM 3: ``p(λ) = diag(1, e^{iλ})`` and
``rz(λ) = e^{-iλ/2} p(λ)``.
"""

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass

Matrix = tuple[complex, complex, complex, complex]


@dataclass(frozen=True, slots=True)
class Gate:
    """What is known of a gate: ``matrix(*params)`` is row by row what it does to its last qubit."""

    n_controls: int
    n_params: int
    matrix: Callable[..., Matrix]

    @property
    def n_qubits(self) -> int:
        return self.n_controls + 1


@dataclass(frozen=True, slots=True)
class Op:
    """One gate in a circuit. Controls come first in ``qubits``."""

    name: str
    qubits: tuple[int, ...]
    params: tuple[float, ...] = ()


def _phase(angle: float) -> Matrix:
    return 1, 0, 0, cmath.exp(1j * angle)


def _rx(angle: float) -> Matrix:
    c, s = math.cos(angle / 2), -1j * math.sin(angle / 2)
    return c, s, s, c


def _ry(angle: float) -> Matrix:
    c, s = math.cos(angle / 2), math.sin(angle / 2)
    return c, -s, s, c


def _rz(angle: float) -> Matrix:
    return cmath.exp(-0.5j * angle), 0, 0, cmath.exp(0.5j * angle)


def _fixed(*matrix: complex) -> Callable[[], Matrix]:
    a, b, c, d = matrix
    return lambda: (a, b, c, d)


_R = math.sqrt(0.5)
_X = _fixed(0, 1, 1, 0)
_Z = _fixed(1, 0, 0, -1)

SWAP = "swap"

GATES: dict[str, Gate] = {
    "x": Gate(0, 0, _X),
    "y": Gate(0, 0, _fixed(0, -1j, 1j, 0)),
    "z": Gate(0, 0, _Z),
    "h": Gate(0, 0, _fixed(_R, _R, _R, -_R)),
    "s": Gate(0, 0, _fixed(1, 0, 0, 1j)),
    "sdg": Gate(0, 0, _fixed(1, 0, 0, -1j)),
    "t": Gate(0, 0, lambda: _phase(math.pi / 4)),
    "tdg": Gate(0, 0, lambda: _phase(-math.pi / 4)),
    "sx": Gate(0, 0, _fixed((1 + 1j) / 2, (1 - 1j) / 2, (1 - 1j) / 2, (1 + 1j) / 2)),
    "rx": Gate(0, 1, _rx),
    "ry": Gate(0, 1, _ry),
    "rz": Gate(0, 1, _rz),
    "p": Gate(0, 1, _phase),
    "cx": Gate(1, 0, _X),
    "cz": Gate(1, 0, _Z),
    "cp": Gate(1, 1, _phase),
    "ccx": Gate(2, 0, _X),
}

# Two targets: kept apart from the table, because it is no controlled 2×2 matrix.
N_SWAPPED = 2
GATE_NAMES: tuple[str, ...] = (*GATES, SWAP)
