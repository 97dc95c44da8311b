"""What stands in the place of a cut: local operations with weights, some of them negative.

A two-qubit gate that is a turn about Z⊗Z by φ between local gates is the sum of six products of local operations
(Mitarai and Fujii 2021), with weights that add up to 1 + 2·|sin φ| in size. A wire is measured in X, Y and Z and
prepared anew in their eigenstates (Peng et al. 2020): 4 in size. The square of the sizes, over all cuts, is how many
times as many shots the same precision needs.
"""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from phalanx.quantum._canonical import Step
from phalanx.quantum.mapping._native import to_cx

Floats = npt.NDArray[np.float64]

# What a side of a cut gate does: nothing, Z, a measurement that counts with its sign, a quarter turn back or on.
SIDES = ("none", "z", "sign", "back", "on")
# What is asked of a wire where it ends, and what is prepared where it begins anew.
ENDS = ("i", "x", "y", "z")
STARTS = ("0", "1", "+", "-", "+i", "-i")
WIRE_WEIGHT = 4.0

# A gate as (before, φ, after): gates on (first, second) place around the turn about Z⊗Z.
Local = tuple[tuple[str, int, tuple[float, ...]], ...]


def gate_turn(name: str, params: tuple[float, ...]) -> tuple[Local, float, Local] | None:
    """Local gates before, the angle about Z⊗Z, local gates after; none for a gate of another kind."""
    half, right = math.pi / 2, 1
    into: Mapping[str, Local] = {
        "cx": (("h", right, ()),), "cy": (("sdg", right, ()), ("h", right, ())),
        "rzx": (("h", right, ()),), "rxx": (("h", 0, ()), ("h", right, ())),
        "ryy": (("sdg", 0, ()), ("h", 0, ()), ("sdg", right, ()), ("h", right, ())),
    }  # fmt: skip
    back: Mapping[str, Local] = {
        "cx": (("h", right, ()),), "cy": (("h", right, ()), ("s", right, ())),
        "rzx": (("h", right, ()),), "rxx": (("h", 0, ()), ("h", right, ())),
        "ryy": (("h", 0, ()), ("s", 0, ()), ("h", right, ()), ("s", right, ())),
    }  # fmt: skip
    before, after = into.get(name, ()), back.get(name, ())
    if name in ("cx", "cy", "cz"):
        return before, -half, (("rz", 0, (half,)), ("rz", right, (half,)), *after)
    if name == "cp":
        return (), -params[0] / 2, (("rz", 0, (params[0] / 2,)), ("rz", right, (params[0] / 2,)))
    if name == "crz":
        return (), -params[0] / 2, (("rz", right, (params[0] / 2,)),)
    if name in ("rzz", "rzx", "rxx", "ryy"):
        return before, params[0], after
    return None


def turn_weights(angle: float) -> Floats:
    """(5, 5): what each pair of ``SIDES`` counts in a turn e^{-iφ/2 Z⊗Z}."""
    weights = np.zeros((5, 5))
    weights[0, 0] = math.cos(angle / 2) ** 2
    weights[1, 1] = math.sin(angle / 2) ** 2
    quarter = math.sin(angle) / 2
    weights[2, 3], weights[2, 4] = -quarter, quarter
    weights[3, 2], weights[4, 2] = -quarter, quarter
    return weights


def wire_weights() -> Floats:
    """(4, 6): what each pair of ``ENDS`` and ``STARTS`` counts."""
    half = 0.5
    return half * np.array(
        [[1, 1, 0, 0, 0, 0], [0, 0, 1, -1, 0, 0], [0, 0, 0, 0, 1, -1], [1, -1, 0, 0, 0, 0]], dtype=np.float64
    )


def size_of(weights: Floats) -> float:
    """How large the weights are together: the square is the overhead in shots."""
    return float(np.abs(weights).sum())


def cuttable(steps: list[Step]) -> list[Step]:
    """The same in one-qubit gates and two-qubit gates that can be cut."""
    found: list[Step] = []
    for step in steps:
        if len(step.qubits) == 1 or gate_turn(step.name, step.params) is not None:
            found.append(step)
            continue
        found += [
            Step(name, tuple(step.qubits[at] for at in places), params)
            for name, places, params in to_cx(step.name, step.params)
        ]
    return found


def side_steps(side: str, qubit: int, bit: int) -> list[Step]:
    """A side of a cut gate on its qubit; a sign is measured into ``bit``."""
    if side == "z":
        return [Step("z", (qubit,))]
    if side == "sign":
        return [Step("measure", (qubit,), bit=bit)]
    if side in ("back", "on"):
        return [Step("rz", (qubit,), (-math.pi / 2 if side == "back" else math.pi / 2,))]
    return []


def start_steps(start: str, qubit: int) -> list[Step]:
    """A state prepared from 0."""
    names = {"0": (), "1": ("x",), "+": ("h",), "-": ("x", "h"), "+i": ("h", "s"), "-i": ("h", "sdg")}
    return [Step(name, (qubit,)) for name in names[start]]
