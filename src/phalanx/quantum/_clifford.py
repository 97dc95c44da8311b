"""Which gates are Clifford, and as which sequence of five of them: what stabiliser simulation needs to know."""

import math

from phalanx.quantum._gates import SPLIT, parts_of

# Angles this close to a multiple of a quarter turn are one: programs write pi/2 with sixteen digits, or with eight.
TOLERANCE = 1e-7

Word = tuple[tuple[str, tuple[int, ...]], ...]

_DIRECT: dict[str, Word] = {
    "id": (),
    "x": (("x", (0,)),),
    "y": (("x", (0,)), ("z", (0,))),
    "z": (("z", (0,)),),
    "h": (("h", (0,)),),
    "s": (("s", (0,)),),
    "sdg": (("s", (0,)), ("z", (0,))),
    "sx": (("h", (0,)), ("s", (0,)), ("h", (0,))),
    "sxdg": (("h", (0,)), ("s", (0,)), ("z", (0,)), ("h", (0,))),
    "cx": (("cx", (0, 1)),),
    "cz": (("h", (1,)), ("cx", (0, 1)), ("h", (1,))),
    "ecr": (("s", (0,)), ("h", (1,)), ("s", (1,)), ("h", (1,)), ("cx", (0, 1)), ("x", (0,))),
    "cy": (("s", (1,)), ("z", (1,)), ("cx", (0, 1)), ("s", (1,))),
}
_TURNS: tuple[Word, ...] = ((), (("s", (0,)),), (("z", (0,)),), (("s", (0,)), ("z", (0,))))


def clifford_word(name: str, params: tuple[float, ...]) -> Word | None:
    """The gate as x, z, h, s and cx, up to a global phase; none when it is not Clifford."""
    direct = _DIRECT.get(name)
    if direct is not None:
        return direct
    if name in ("rz", "p"):
        return _turn(params[0])
    if name == "rx":
        return _between("h", _turn(params[0]))
    if name == "ry":
        turn = _turn(params[0])
        return None if turn is None else (*_on("sdg"), *_on("h"), *turn, *_on("h"), *_on("s"))
    if name == "u3":
        return _joined(_turn(params[2]), clifford_word("ry", (params[0],)), _turn(params[1]))
    if name in ("cp", "crx", "cry", "crz", "cu"):
        return _controlled(name, params)
    if name in SPLIT:
        words = []
        for part, places, values in parts_of(name, params):
            word = clifford_word(part, values)
            if word is None:
                return None
            words.append(tuple((gate, tuple(places[at] for at in on)) for gate, on in word))
        return tuple(one for word in words for one in word)
    return None


def is_clifford(name: str, params: tuple[float, ...]) -> bool:
    return clifford_word(name, params) is not None


def quarter(angle: float) -> int | None:
    """How many quarter turns an angle is, modulo four; none when it is no multiple."""
    turns = angle / (math.pi / 2)
    nearest = round(turns)
    return nearest % 4 if abs(turns - nearest) * math.pi / 2 <= TOLERANCE else None


def _turn(angle: float) -> Word | None:
    turns = quarter(angle)
    return None if turns is None else _TURNS[turns]


def _on(name: str, at: int = 0) -> Word:
    return tuple((gate, (at,)) for gate, _ in _DIRECT[name])


def _between(name: str, word: Word | None) -> Word | None:
    return None if word is None else (*_on(name), *word, *_on(name))


def _joined(*words: Word | None) -> Word | None:
    found: list[tuple[str, tuple[int, ...]]] = []
    for word in words:
        if word is None:
            return None
        found += word
    return tuple(found)


def _controlled(name: str, params: tuple[float, ...]) -> Word | None:
    """A rotation under a control is Clifford by half turns: none, or a Pauli under the control, with a turn of it."""
    if name == "cu":
        theta, phi, lam, gamma = params
        half = clifford_word("crz", (lam,)), clifford_word("cry", (theta,)), clifford_word("crz", (phi,))
        # The matrix is a phase times Rz(phi) Ry(theta) Rz(lam); a phase under a control turns the control.
        return _joined(*half, _turn(gamma + (phi + lam) / 2))
    turns = quarter(params[0])
    if turns is None or turns % 2:
        return None
    if turns == 0 and name == "cp":
        return ()
    full = round(params[0] / math.pi) % 4
    pauli = {"crx": "cx", "cry": "cy"}.get(name, "cz")
    if name == "cp":
        return _DIRECT["cz"]
    # R(π) = -i·P, R(2π) = -1, R(3π) = i·P.
    control: Word = _TURNS[(0, 3, 2, 1)[full]]
    return (*(_DIRECT[pauli] if full % 2 else ()), *control)
