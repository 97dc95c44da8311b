"""From the standard gates to a machine's own: three-qubit gates taken apart, one-qubit gates joined into turns."""

import cmath
import math
from collections.abc import Iterable

import numpy as np

from phalanx.quantum._canonical import BARRIER, MEASURE, RESET, Step
from phalanx.quantum._gates import GATES, Part, parts_of

Parts = tuple[Part, ...]
TWO_QUBIT_BASES = ("cx", "cz", "ecr")
_CLOSE = 1e-10


def _t(name: str, at: int) -> Part:
    return name, (at,), ()


def _cx(a: int, b: int) -> Part:
    return "cx", (a, b), ()


_CCX: Parts = (
    _t("h", 2), _cx(1, 2), _t("tdg", 2), _cx(0, 2), _t("t", 2), _cx(1, 2), _t("tdg", 2), _cx(0, 2), _t("t", 1),
    _t("t", 2), _t("h", 2), _cx(0, 1), _t("t", 0), _t("tdg", 1), _cx(0, 1),
)  # fmt: skip


def _rotated(name: str, params: tuple[float, ...]) -> Parts:
    """A controlled one-qubit gate as two cx between turns (Barenco et al., lemma 5.1), with the control's phase."""
    a, b, c, d = GATES[name].matrix(*params)
    matrix = np.array([[a, b], [c, d]])
    theta, phi, lam, phase = turns(matrix)
    # matrix = e^{i phase} Rz(phi) Ry(theta) Rz(lam)
    return (
        ("rz", (1,), ((lam - phi) / 2,)), _cx(0, 1), ("rz", (1,), (-(lam + phi) / 2,)), ("ry", (1,), (-theta / 2,)),
        _cx(0, 1), ("ry", (1,), (theta / 2,)), ("rz", (1,), (phi,)), ("p", (0,), (phase,)),
    )  # fmt: skip


def turns(matrix: "np.typing.NDArray[np.complex128]") -> tuple[float, float, float, float]:
    """``theta, phi, lam, phase`` with matrix = e^{i·phase} Rz(phi) Ry(theta) Rz(lam)."""
    det = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    phase = cmath.phase(det) / 2
    inner = matrix * cmath.exp(-1j * phase)
    theta = 2 * math.atan2(abs(inner[1, 0]), abs(inner[0, 0]))
    plus = 2 * cmath.phase(inner[1, 1]) if abs(inner[1, 1]) > _CLOSE else 0.0
    minus = 2 * cmath.phase(inner[1, 0]) if abs(inner[1, 0]) > _CLOSE else 0.0
    return theta, (plus + minus) / 2, (plus - minus) / 2, phase


def to_cx(name: str, params: tuple[float, ...]) -> Parts:
    """A gate as one-qubit gates and cx, up to a global phase."""
    if name == "ccx":
        return _CCX
    if name == "ccz":
        return _t("h", 2), *_CCX, _t("h", 2)
    if name == "cz":
        return _t("h", 1), _cx(0, 1), _t("h", 1)
    if name == "cp":
        half = params[0] / 2
        return ("p", (0,), (half,)), _cx(0, 1), ("p", (1,), (-half,)), _cx(0, 1), ("p", (1,), (half,))
    if name == "crz":
        half = params[0] / 2
        return ("rz", (1,), (half,)), _cx(0, 1), ("rz", (1,), (-half,)), _cx(0, 1)
    if name == "cry":
        half = params[0] / 2
        return ("ry", (1,), (half,)), _cx(0, 1), ("ry", (1,), (-half,)), _cx(0, 1)
    if name == "cy":
        return _t("sdg", 1), _cx(0, 1), _t("s", 1)
    if name == "cx" or (name in GATES and not GATES[name].n_controls):
        return ((name, tuple(range(GATES[name].n_qubits)), params),)
    if name in GATES:
        return _rotated(name, params)
    parts: list[Part] = []
    for part, places, values in parts_of(name, params):
        parts += [(inner, tuple(places[at] for at in on), angles) for inner, on, angles in to_cx(part, values)]
    return tuple(parts)


def split_steps(steps: Iterable[Step]) -> list[Step]:
    """Steps in one-qubit gates, cx, and what is no gate."""
    known: dict[tuple[str, tuple[float, ...]], Parts] = {}
    found: list[Step] = []
    for step in steps:
        if step.name in (MEASURE, RESET, BARRIER) or len(step.qubits) == 1:
            found.append(step)
            continue
        key = (step.name, step.params)
        parts = known.get(key)
        if parts is None:
            parts = known[key] = to_cx(*key)
        found += [
            Step(name, tuple(step.qubits[at] for at in places), params, condition=step.condition)
            for name, places, params in parts
        ]
    return found


# cx between turns of each machine's own gate, up to a global phase.
_CX_AS: dict[str, Parts] = {
    "cx": (_cx(0, 1),),
    "cz": (_t("h", 1), ("cz", (0, 1), ()), _t("h", 1)),
    "ecr": (_t("sdg", 0), _t("sxdg", 1), ("ecr", (0, 1), ()), _t("x", 0)),
}


def to_native(steps: Iterable[Step], basis: str, n_qubits: int) -> list[Step]:
    """Steps of ``split_steps`` as rz, sx, x and ``basis``; neighbouring one-qubit gates become one."""
    pending: list[np.typing.NDArray[np.complex128] | None] = [None] * n_qubits
    found: list[Step] = []

    def flush(qubit: int) -> None:
        matrix = pending[qubit]
        if matrix is not None:
            pending[qubit] = None
            found.extend(Step(name, (qubit,), params) for name, params in pulses(matrix))

    def turn(name: str, params: tuple[float, ...], qubit: int) -> None:
        matrix = np.array(GATES[name].matrix(*params), dtype=np.complex128).reshape(2, 2)
        before = pending[qubit]
        pending[qubit] = matrix if before is None else matrix @ before

    for step in steps:
        name, qubits = step.name, step.qubits
        if len(qubits) == 1 and name in GATES and not step.condition:
            turn(name, step.params, qubits[0])
            continue
        if name == "cx" and not step.condition:
            for inner, places, params in _CX_AS[basis]:
                if len(places) == 1:
                    turn(inner, params, qubits[places[0]])
                else:
                    for qubit in qubits:
                        flush(qubit)
                    found.append(Step(inner, qubits, params))
            continue
        for qubit in qubits:
            flush(qubit)
        found += _decided(step, basis) if step.condition else [step]
    for qubit in range(n_qubits):
        flush(qubit)
    return found


def _decided(step: Step, basis: str) -> list[Step]:
    """A step under a condition in the machine's own gates, each under the same condition."""
    if step.name in (MEASURE, RESET):
        return [step]
    plain = [Step(step.name, tuple(range(len(step.qubits))), step.params)]
    inner = to_native(plain, basis, len(step.qubits))
    return [
        Step(one.name, tuple(step.qubits[at] for at in one.qubits), one.params, condition=step.condition)
        for one in inner
    ]


def pulses(matrix: "np.typing.NDArray[np.complex128]") -> list[tuple[str, tuple[float, ...]]]:
    """A one-qubit unitary as rz and at most two sx, up to a global phase."""
    theta, phi, lam, _ = turns(matrix)
    if abs(math.remainder(theta, 2 * math.pi)) < _CLOSE:
        return _rz(phi + lam + (theta if abs(theta) > _CLOSE else 0.0))
    if abs(theta - math.pi / 2) < _CLOSE:
        return [*_rz(lam - math.pi / 2), ("sx", ()), *_rz(phi + math.pi / 2)]
    if abs(theta - math.pi) < _CLOSE:
        return [("x", ()), *_rz(phi - lam + math.pi)]
    return [*_rz(lam), ("sx", ()), *_rz(theta + math.pi), ("sx", ()), *_rz(phi + math.pi)]


def _rz(angle: float) -> list[tuple[str, tuple[float, ...]]]:
    turned = math.remainder(angle, 2 * math.pi) + 0.0
    return [] if abs(turned) < _CLOSE else [("rz", (turned,))]
