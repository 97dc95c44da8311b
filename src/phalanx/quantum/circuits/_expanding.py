"""From calls of gates, with what modifies them, to steps: bounded, whatever a program defines."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from phalanx.core import LimitExceeded
from phalanx.quantum._canonical import MEASURE, Condition, Step
from phalanx.quantum._gates import Part, shape_of
from phalanx.quantum._limits import MAX_CALLS, MAX_CIRCUIT_GATES, MAX_GATE_NESTING, MAX_POWER
from phalanx.quantum.circuits._aliases import ALIASES, PHASE, Parts, controlled, inverse, one
from phalanx.quantum.circuits._expressions import Tree, evaluate
from phalanx.quantum.circuits._tokens import Tokens

_KEPT_PARTS = 64
_MAX_KEPT = 4_096
_MAX_CONTROLS = 12
_SCALED = frozenset({"rx", "ry", "rz", "p", "cp", "crx", "cry", "crz", "rxx", "ryy", "rzz", "rzx", PHASE})
_PHASES = {"z": math.pi, "s": math.pi / 2, "sdg": -math.pi / 2, "t": math.pi / 4, "tdg": -math.pi / 4}


class Modifier(NamedTuple):
    """``ctrl``, ``negctrl`` (both with a count), ``inv`` or ``pow`` (with an exponent)."""

    kind: str
    value: float = 1


class Call(NamedTuple):
    """A call in the body of a gate; ``places`` count the gate's own qubits."""

    name: str
    params: tuple[Tree, ...]
    places: tuple[int, ...]
    modifiers: tuple[tuple[str, Tree], ...]
    at: int


@dataclass(frozen=True, slots=True)
class Definition:
    """A gate that a program defines; ``body`` is none for an opaque one."""

    params: tuple[str, ...]
    n_qubits: int
    body: tuple[Call, ...] | None
    nesting: int


@dataclass(slots=True)
class Frame:
    """A decision that the reader is inside of: the bits it reads, and whether one has been written since."""

    bits: frozenset[int]
    stale: bool = False


class Expander:
    """Knows the gates and collects the steps."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self.definitions: dict[str, Definition] = {}
        self.steps: list[Step] = []
        self.condition: Condition = ()
        self.frames: list[Frame] = []
        self._calls = 0
        self._kept: dict[tuple[str, tuple[float, ...]], Parts] = {}

    def count(self, n: int = 1) -> None:
        """Spend some of what a program may cost."""
        self._calls += n
        if self._calls > MAX_CALLS:
            raise LimitExceeded("the calls that a program expands to", maximum=MAX_CALLS, seen=self._calls)

    def shape(self, name: str) -> tuple[int, int] | None:
        """Qubits and parameters of a gate; none for an unknown one."""
        defined = self.definitions.get(name)
        if defined is not None:
            return defined.n_qubits, len(defined.params)
        alias = ALIASES.get(name)
        return (alias[0], alias[1]) if alias else ((1, 3) if name == "U" else shape_of(name))

    def nesting(self, name: str) -> int:
        defined = self.definitions.get(name)
        return defined.nesting if defined else 0

    def define(self, name: str, definition: Definition, at: int) -> None:
        if definition.nesting > MAX_GATE_NESTING:
            raise self._tokens.error(f"gates are defined by others more than {MAX_GATE_NESTING} deep", at)
        self.definitions[name] = definition
        self._kept.clear()

    def undefine(self, name: str, before: Definition | None) -> None:
        """Take a definition back, for the one before it or for ours."""
        del self.definitions[name]
        if before is not None:
            self.definitions[name] = before
        self._kept.clear()

    def call(self, name: str, params: tuple[float, ...], qubits: Sequence[int], at: int,
             modifiers: Sequence[Modifier] = ()) -> None:  # fmt: skip
        """Append what a call comes to on these qubits."""
        self.count()
        if len(set(qubits)) != len(qubits):
            raise self._tokens.error(f"{name} is given a qubit twice", at)
        for part, places, values in self.parts(name, params, at, modifiers):
            if part != PHASE:
                self.append(Step(part, tuple(qubits[place] for place in places), values), at)

    def append(self, step: Step, at: int) -> None:
        if any(frame.stale for frame in self.frames):
            raise self._tokens.error("a bit that an enclosing condition reads was written before this", at)
        if len(self.steps) >= MAX_CIRCUIT_GATES:
            raise LimitExceeded("the gates of a circuit", maximum=MAX_CIRCUIT_GATES, seen=len(self.steps) + 1)
        for value in step.params:
            if not math.isfinite(value):
                raise self._tokens.error("an angle must be finite", at)
        self.steps.append(step._replace(condition=self.condition) if self.condition else step)
        if step.name == MEASURE:
            for frame in self.frames:
                frame.stale = frame.stale or step.bit in frame.bits

    def parts(self, name: str, params: tuple[float, ...], at: int, modifiers: Sequence[Modifier] = ()) -> Parts:
        """What a call comes to, by places of its operands."""
        key = (name, params)
        found = self._kept.get(key)
        if found is None:
            found = self._plain(name, params, at)
            if len(found) <= _KEPT_PARTS and len(self._kept) < _MAX_KEPT:
                self._kept[key] = found
        self.count(len(found))
        for modifier in reversed(modifiers):
            found = self._modified(found, modifier, at)
            self.count(len(found))
        return found

    def _plain(self, name: str, params: tuple[float, ...], at: int) -> Parts:
        defined = self.definitions.get(name)
        if defined is not None:
            return self._defined(name, defined, params, at)
        if name == "U":
            return (*one("u3", *params), (PHASE, (), ((params[0] + 0.0) / 2,)))
        alias = ALIASES.get(name)
        return alias[2](*params) if alias else ((PHASE, (), params),) if name == PHASE else one(name, *params)

    def _defined(self, name: str, defined: Definition, params: tuple[float, ...], at: int) -> Parts:
        if defined.body is None:
            raise self._tokens.error(f"{name} is opaque: what it does is not said", at)
        values = dict(zip(defined.params, params, strict=True))
        parts: list[Part] = []
        for call in defined.body:
            self.count()
            angles = tuple(number(evaluate(tree, values, self._tokens)) for tree in call.params)
            modifiers = [self.modifier(kind, tree, values, call.at) for kind, tree in call.modifiers]
            inner = self.parts(call.name, angles, call.at, modifiers)
            if len(parts) + len(inner) > MAX_CIRCUIT_GATES:
                raise LimitExceeded("the gates of a circuit", maximum=MAX_CIRCUIT_GATES, seen=len(parts) + len(inner))
            places = call.places
            parts += [(part, tuple([places[place] for place in on]), angles_) for part, on, angles_ in inner]
        return tuple(parts)

    def modifier(self, kind: str, tree: Tree, values: Mapping[str, float], at: int) -> Modifier:
        value = 1 if tree is None else evaluate(tree, values, self._tokens)
        if kind in ("ctrl", "negctrl") and not (isinstance(value, int) and 1 <= value <= _MAX_CONTROLS):
            raise self._tokens.error(f"a gate gets 1 to {_MAX_CONTROLS} further controls", at)
        return Modifier(kind, value)

    def _modified(self, parts: Parts, modifier: Modifier, at: int) -> Parts:
        kind, value = modifier
        if kind == "inv":
            return tuple(undone for part in reversed(parts) for undone in _moved(inverse(part[0], part[2]), part[1]))
        if kind == "pow":
            return self._power(parts, value, at)
        n = int(value)
        made: list[Part] = []
        for name, places, params in parts:
            where = (*range(n), *(n + place for place in places))
            inner = _moved(controlled(name, params, n), where)
            self.count(len(inner))
            made += inner
        flips: Parts = tuple(("x", (place,), ()) for place in range(n)) if kind == "negctrl" else ()
        return *flips, *made, *flips

    def _power(self, parts: Parts, exponent: float, at: int) -> Parts:
        if exponent != int(exponent):
            if len(parts) == 1 and parts[0][0] in _SCALED:
                return ((parts[0][0], parts[0][1], (parts[0][2][0] * exponent,)),)
            if len(parts) == 1 and parts[0][0] in _PHASES:
                return (("p", parts[0][1], (_PHASES[parts[0][0]] * exponent,)),)
            if len(parts) == 1 and parts[0][0] == "x" and exponent == 0.5:
                return (("sx", parts[0][1], ()),)
            raise self._tokens.error("a fractional power is read of rotations and phases only", at)
        if abs(exponent) > MAX_POWER:
            raise LimitExceeded("the power of a gate", maximum=MAX_POWER, seen=int(min(abs(exponent), 1e18)))
        self.count(len(parts) * int(abs(exponent)))
        if exponent < 0:
            parts = self._modified(parts, Modifier("inv"), at)
        return parts * int(abs(exponent))


def number(value: float) -> float:
    """A parameter; minus zero becomes zero, so that one angle has one spelling."""
    return float(value) + 0.0


def _moved(parts: Parts, places: Sequence[int]) -> Parts:
    return tuple((name, tuple(places[at] for at in inner), params) for name, inner, params in parts)
