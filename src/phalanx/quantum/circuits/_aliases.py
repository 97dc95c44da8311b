"""Gates that languages know by other names, or that are sequences of ours; and gates under further controls.

Each is exact with its global phase, which ``gphase`` carries where one is left: it matters under a control.
"""

import math
from collections.abc import Callable
from typing import Any

from phalanx.quantum._gates import GATES, SPLIT, Part, parts_of, shape_of

PHASE = "gphase"
Parts = tuple[Part, ...]


def one(name: str, *params: float) -> Parts:
    shape = shape_of(name)
    assert shape is not None, name
    return ((name, tuple(range(shape[0])), params),)


def _builtin_u(theta: float, phi: float, lam: float) -> Parts:
    """OpenQASM 3's ``U`` has a phase of its own beside that of ``u3``."""
    return *one("u3", theta, phi, lam), (PHASE, (), (theta / 2,))


def _rccx() -> Parts:
    def t(name: str) -> Part:
        return name, (2,), ()

    return (
        t("h"), t("t"), ("cx", (1, 2), ()), t("tdg"), ("cx", (0, 2), ()), t("t"), ("cx", (1, 2), ()), t("tdg"), t("h"),
    )  # fmt: skip


def _rcccx() -> Parts:
    def t(name: str) -> Part:
        return name, (3,), ()

    def cx(control: int) -> Part:
        return "cx", (control, 3), ()

    inner = (cx(0), t("t"), cx(1), t("tdg"), cx(0), t("t"), cx(1), t("tdg"))
    wing = (t("h"), t("t"), cx(2), t("tdg"), t("h"))
    return (*wing, *inner, *wing)


def _plus(theta: float, beta: float) -> Parts:
    """Vendors' ``xx_plus_yy``."""
    return (
        ("rz", (0,), (beta,)), ("rz", (1,), (-math.pi / 2,)), ("sx", (1,), ()), ("rz", (1,), (math.pi / 2,)),
        ("s", (0,), ()), ("cx", (1, 0), ()), ("ry", (1,), (-theta / 2,)), ("ry", (0,), (-theta / 2,)),
        ("cx", (1, 0), ()), ("sdg", (0,), ()), ("rz", (1,), (-math.pi / 2,)), ("sxdg", (1,), ()),
        ("rz", (1,), (math.pi / 2,)), ("rz", (0,), (-beta,)),
    )  # fmt: skip


# name → (qubits, parameters, parts)
ALIASES: dict[str, tuple[int, int, Callable[..., Parts]]] = {
    "u": (1, 3, lambda a, b, c: one("u3", a, b, c)),
    "u1": (1, 1, lambda a: one("p", a)),
    "u2": (1, 2, lambda a, b: one("u3", math.pi / 2, a, b)),
    "u0": (1, 1, lambda _: one("id")),
    "phase": (1, 1, lambda a: one("p", a)),
    "phaseshift": (1, 1, lambda a: one("p", a)),
    "r": (1, 2, lambda t, f: one("u3", t, f - math.pi / 2, math.pi / 2 - f)),
    "prx": (1, 2, lambda t, f: one("u3", t, f - math.pi / 2, math.pi / 2 - f)),
    "i": (1, 0, lambda: one("id")),
    "si": (1, 0, lambda: one("sdg")),
    "ti": (1, 0, lambda: one("tdg")),
    "v": (1, 0, lambda: one("sx")),
    "vi": (1, 0, lambda: one("sxdg")),
    "CX": (2, 0, lambda: one("cx")),
    "cnot": (2, 0, lambda: one("cx")),
    "ccnot": (3, 0, lambda: one("ccx")),
    "cphase": (2, 1, lambda a: one("cp", a)),
    "cphaseshift": (2, 1, lambda a: one("cp", a)),
    "cu1": (2, 1, lambda a: one("cp", a)),
    "cu3": (2, 3, lambda a, b, c: one("cu", a, b, c, 0.0)),
    "cs": (2, 0, lambda: one("cp", math.pi / 2)),
    "csdg": (2, 0, lambda: one("cp", -math.pi / 2)),
    "xx": (2, 1, lambda a: one("rxx", a)),
    "yy": (2, 1, lambda a: one("ryy", a)),
    "zz": (2, 1, lambda a: one("rzz", a)),
    "rccx": (3, 0, _rccx),
    "rcccx": (4, 0, _rcccx),
    "rc3x": (4, 0, _rcccx),
    "c3x": (4, 0, lambda: controlled("x", (), 3)),
    "c4x": (5, 0, lambda: controlled("x", (), 4)),
    "c3sqrtx": (4, 0, lambda: controlled("sx", (), 3)),
    "c3sx": (4, 0, lambda: controlled("sx", (), 3)),
    "xx_plus_yy": (2, 2, _plus),
}

_LIFTED: dict[str, tuple[str, ...]] = {
    "x": ("cx", "ccx"), "cx": ("ccx",), "z": ("cz", "ccz"), "cz": ("ccz",), "y": ("cy",), "h": ("ch",), "p": ("cp",),
    "rx": ("crx",), "ry": ("cry",), "rz": ("crz",), "swap": ("cswap",), "sx": ("csx",),
}  # fmt: skip
_ANGLES = {"s": math.pi / 2, "sdg": -math.pi / 2, "t": math.pi / 4, "tdg": -math.pi / 4}


def controlled(name: str, params: tuple[float, ...], n: int) -> Parts:
    """A gate under ``n`` further controls, which come first: in gates that there are."""
    if n == 0:
        return ((PHASE, (), params),) if name == PHASE else one(name, *params)
    if name == PHASE:
        return controlled("p", params, n - 1)
    lifted = _LIFTED.get(name, ())
    if n <= len(lifted):
        return one(lifted[n - 1], *params)
    if name == "u3" and n == 1:
        return one("cu", *params, 0.0)
    own = GATES[name].n_controls if name in GATES else 0
    if own:
        base = next((base for base, names in _LIFTED.items() if name in names and base not in GATES_WITH_CONTROLS), "")
        if base:
            return controlled(base, params, n + own)
        assert name == "cu", name
        theta, phi, lam, gamma = params
        phase = _placed(controlled("p", (gamma,), n), tuple(range(n + 1)))
        return *phase, *controlled("u3", (theta, phi, lam), n + 1)
    return _spread(name, params, n)


GATES_WITH_CONTROLS = frozenset(name for name, gate in GATES.items() if gate.n_controls)


def _placed(parts: Parts, places: tuple[int, ...]) -> Parts:
    return tuple((name, tuple(places[at] for at in inner), params) for name, inner, params in parts)


def _spread(name: str, params: tuple[float, ...], n: int) -> Parts:
    """A gate without controls under ``n``: what must be controlled of it, between turns that need not be."""
    controls = tuple(range(n))
    if name in SPLIT:
        spread: list[Part] = []
        for part, inner, values in parts_of(name, params):
            spread += _placed(controlled(part, values, n), (*controls, *(n + at for at in inner)))
        return tuple(spread)

    def t(gate: str, *values: float) -> Part:
        return gate, (n,), values

    if name == "id":
        return ()
    if name in _ANGLES or name in ("p", "z"):
        angle = params[0] if params else _ANGLES.get(name, math.pi)
        return _many_phases(angle, n) if n > 1 else controlled("p", (angle,), n)
    if name == "rz":
        return *controlled("p", params, n), *controlled("p", (-params[0] / 2,), n - 1)
    if name == "u3":
        theta, phi, lam = params
        return *controlled("p", (lam,), n), *controlled("ry", (theta,), n), *controlled("p", (phi,), n)
    before, middle, values, after = _BETWEEN[name]
    return *(t(*gate) for gate in before), *controlled(middle, values or params, n), *(t(*gate) for gate in after)


_H: tuple[tuple[Any, ...], ...] = (("h",),)
# What need not be controlled before a gate, the gate to control instead, with angles of its own, and what comes after.
_BETWEEN: dict[str, tuple[tuple[tuple[Any, ...], ...], str, tuple[float, ...], tuple[tuple[Any, ...], ...]]] = {
    "x": (_H, "z", (), _H),
    "y": ((("sdg",),), "x", (), (("s",),)),
    "h": ((("ry", -math.pi / 4),), "z", (), (("ry", math.pi / 4),)),
    "sx": (_H, "p", (math.pi / 2,), _H),
    "sxdg": (_H, "p", (-math.pi / 2,), _H),
    "rx": (_H, "rz", (), _H),
    "ry": ((("sdg",),), "rx", (), (("s",),)),
}


def _many_phases(angle: float, n: int) -> Parts:
    """A phase under ``n`` ≥ 2 controls without a clean qubit, by halving the angle."""
    half: Parts = (("cp", (n - 1, n), (angle / 2,)),)
    back: Parts = (("cp", (n - 1, n), (-angle / 2,)),)
    flip = controlled("x", (), n - 1)
    rest = _placed(controlled("p", (angle / 2,), n - 1), (*range(n - 1), n))
    return *half, *flip, *back, *flip, *rest


_INVERSES = {"s": "sdg", "sdg": "s", "t": "tdg", "tdg": "t", "sx": "sxdg", "sxdg": "sx"}
_NEGATED = frozenset({"rx", "ry", "rz", "p", "cp", "crx", "cry", "crz", "rxx", "ryy", "rzz", "rzx", PHASE})


def inverse(name: str, params: tuple[float, ...]) -> Parts:
    """The gates that undo a gate."""
    if name in _INVERSES:
        return one(_INVERSES[name])
    if name == PHASE:
        return ((PHASE, (), (-params[0],)),)
    if name in _NEGATED:
        return one(name, *(-value for value in params))
    if name == "u3":
        return one(name, -params[0], -params[2], -params[1])
    if name == "cu":
        return one(name, -params[0], -params[2], -params[1], -params[3])
    if name == "csx":
        return controlled("sxdg", (), 1)
    if name in ("iswap", "dcx"):
        undone: list[Part] = []
        for part, inner, values in reversed(parts_of(name, params)):
            undone += _placed(inverse(part, values), inner)
        return tuple(undone)
    return one(name, *params)
