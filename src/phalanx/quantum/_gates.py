"""The gates that circuits are made of: those of OpenQASM's ``stdgates.inc``, and the vendors' common ones.

Most are a 2×2 matrix on one target under some controls (``GATES``). The others are sequences of those
(``SPLIT``), exact with their global phase, which matters as soon as somebody controls them. Conventions
follow OpenQASM 3: ``p(λ) = diag(1, e^{iλ})``, ``rz(λ) = e^{-iλ/2} p(λ)``; ``u3`` has a real first entry.
"""

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass

Matrix = tuple[complex, complex, complex, complex]
Part = tuple[str, tuple[int, ...], tuple[float, ...]]


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
class Split:
    """A gate that is a sequence of others: ``parts(*params)`` says which, with places instead of qubits."""

    n_qubits: int
    n_params: int
    parts: Callable[..., tuple[Part, ...]]


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


def _u3(theta: float, phi: float, lam: float) -> Matrix:
    c, s = math.cos(theta / 2), math.sin(theta / 2)
    return c, -cmath.exp(1j * lam) * s, cmath.exp(1j * phi) * s, cmath.exp(1j * (phi + lam)) * c


def _cu(theta: float, phi: float, lam: float, gamma: float) -> Matrix:
    a, b, c, d = _u3(theta, phi, lam)
    turn = cmath.exp(1j * gamma)
    return turn * a, turn * b, turn * c, turn * d


def _fixed(*matrix: complex) -> Callable[[], Matrix]:
    a, b, c, d = matrix
    return lambda: (a, b, c, d)


_R = math.sqrt(0.5)
_X = _fixed(0, 1, 1, 0)
_Y = _fixed(0, -1j, 1j, 0)
_Z = _fixed(1, 0, 0, -1)
_H = _fixed(_R, _R, _R, -_R)
_SX = _fixed((1 + 1j) / 2, (1 - 1j) / 2, (1 - 1j) / 2, (1 + 1j) / 2)

SWAP = "swap"

# The order is that of the codes in the gate-array form: append, never insert.
GATES: dict[str, Gate] = {
    "x": Gate(0, 0, _X),
    "y": Gate(0, 0, _Y),
    "z": Gate(0, 0, _Z),
    "h": Gate(0, 0, _H),
    "s": Gate(0, 0, _fixed(1, 0, 0, 1j)),
    "sdg": Gate(0, 0, _fixed(1, 0, 0, -1j)),
    "t": Gate(0, 0, lambda: _phase(math.pi / 4)),
    "tdg": Gate(0, 0, lambda: _phase(-math.pi / 4)),
    "sx": Gate(0, 0, _SX),
    "rx": Gate(0, 1, _rx),
    "ry": Gate(0, 1, _ry),
    "rz": Gate(0, 1, _rz),
    "p": Gate(0, 1, _phase),
    "cx": Gate(1, 0, _X),
    "cz": Gate(1, 0, _Z),
    "cp": Gate(1, 1, _phase),
    "ccx": Gate(2, 0, _X),
    "id": Gate(0, 0, _fixed(1, 0, 0, 1)),
    "sxdg": Gate(0, 0, _fixed((1 - 1j) / 2, (1 + 1j) / 2, (1 + 1j) / 2, (1 - 1j) / 2)),
    "u3": Gate(0, 3, _u3),
    "cy": Gate(1, 0, _Y),
    "ch": Gate(1, 0, _H),
    "csx": Gate(1, 0, _SX),
    "crx": Gate(1, 1, _rx),
    "cry": Gate(1, 1, _ry),
    "crz": Gate(1, 1, _rz),
    "cu": Gate(1, 4, _cu),
    "ccz": Gate(2, 0, _Z),
}


def _swap() -> tuple[Part, ...]:
    return ("cx", (0, 1), ()), ("cx", (1, 0), ()), ("cx", (0, 1), ())


def _cswap() -> tuple[Part, ...]:
    return ("cx", (2, 1), ()), ("ccx", (0, 1, 2), ()), ("cx", (2, 1), ())


def _rzz(angle: float) -> tuple[Part, ...]:
    return ("cx", (0, 1), ()), ("rz", (1,), (angle,)), ("cx", (0, 1), ())


def _rzx(angle: float) -> tuple[Part, ...]:
    return ("h", (1,), ()), *_rzz(angle), ("h", (1,), ())


def _rxx(angle: float) -> tuple[Part, ...]:
    turn: tuple[Part, ...] = (("h", (0,), ()), ("h", (1,), ()))
    return *turn, *_rzz(angle), *turn


def _ryy(angle: float) -> tuple[Part, ...]:
    into: tuple[Part, ...] = (("sx", (0,), ()), ("sx", (1,), ()))
    back: tuple[Part, ...] = (("sxdg", (0,), ()), ("sxdg", (1,), ()))
    return *into, *_rzz(angle), *back


def _iswap() -> tuple[Part, ...]:
    return (
        ("s", (0,), ()), ("s", (1,), ()), ("h", (0,), ()), ("cx", (0, 1), ()), ("cx", (1, 0), ()), ("h", (1,), ()),
    )  # fmt: skip


def _ecr() -> tuple[Part, ...]:
    return *_rzx(math.pi / 4), ("x", (0,), ()), *_rzx(-math.pi / 4)


def _dcx() -> tuple[Part, ...]:
    return ("cx", (0, 1), ()), ("cx", (1, 0), ())


SPLIT: dict[str, Split] = {
    SWAP: Split(2, 0, _swap),
    "cswap": Split(3, 0, _cswap),
    "rxx": Split(2, 1, _rxx),
    "ryy": Split(2, 1, _ryy),
    "rzz": Split(2, 1, _rzz),
    "rzx": Split(2, 1, _rzx),
    "iswap": Split(2, 0, _iswap),
    "ecr": Split(2, 0, _ecr),
    "dcx": Split(2, 0, _dcx),
}

GATE_NAMES: tuple[str, ...] = (*GATES, *SPLIT)

# Not in ``stdgates.inc``: a canonical text that uses one says what it is, so that it is a program anywhere.
DEFINITIONS: dict[str, str] = {
    "sxdg": "gate sxdg a { h a; sdg a; h a; }",
    "csx": "gate csx a, b { h b; cp(pi/2) a, b; h b; }",
    "ccz": "gate ccz a, b, c { h c; ccx a, b, c; h c; }",
    "rxx": "gate rxx(t) a, b { h a; h b; cx a, b; rz(t) b; cx a, b; h b; h a; }",
    "ryy": ("gate ryy(t) a, b { sx a; sx b; cx a, b; rz(t) b; cx a, b; h a; sdg a; h a; h b; sdg b; h b; }"),
    "rzz": "gate rzz(t) a, b { cx a, b; rz(t) b; cx a, b; }",
    "rzx": "gate rzx(t) a, b { h b; cx a, b; rz(t) b; cx a, b; h b; }",
    "iswap": "gate iswap a, b { s a; s b; h a; cx a, b; cx b, a; h b; }",
    "ecr": "gate ecr a, b { h b; cx a, b; rz(pi/4) b; cx a, b; h b; x a; h b; cx a, b; rz(-pi/4) b; cx a, b; h b; }",
    "dcx": "gate dcx a, b { cx a, b; cx b, a; }",
}


def shape_of(name: str) -> tuple[int, int] | None:
    """How many qubits and parameters a gate takes; none when there is no such gate."""
    gate = GATES.get(name) or SPLIT.get(name)
    return (gate.n_qubits, gate.n_params) if gate else None


def parts_of(name: str, params: tuple[float, ...]) -> tuple[Part, ...]:
    """The controlled 2×2 matrices that a gate is made of, in order."""
    split = SPLIT.get(name)
    if split is None:
        return ((name, tuple(range(GATES[name].n_qubits)), params),)
    return split.parts(*params)
