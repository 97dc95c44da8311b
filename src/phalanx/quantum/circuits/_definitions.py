"""``gate`` and ``opaque``: what a program defines.

A gate may call only those that are there when it is defined, so none calls itself. One that has the name of a gate of
ours and does what that one does is ours: its circuits are then equal to those that include the standard file.
"""

import numpy as np

from phalanx.core import LimitExceeded
from phalanx.quantum._limits import MAX_CIRCUIT_GATES, MAX_GATE_DEFINITIONS, MAX_GATE_OPERANDS
from phalanx.quantum._unitary import same_but_for_phase, unitary
from phalanx.quantum.circuits._aliases import PHASE
from phalanx.quantum.circuits._expanding import Call, Definition, Expander
from phalanx.quantum.circuits._expressions import CONSTANTS, FUNCTIONS, Expressions, Tree
from phalanx.quantum.circuits._tokens import Token, Tokens

_MODIFIERS = ("ctrl", "negctrl", "inv", "pow")
_COMPARED_QUBITS = 4
_COMPARED_PARTS = 256
# Angles without a pattern, at which two gates of one shape are told apart.
_ANGLES = (0.7390851332, -1.3247179572, 2.6854520010, 0.5671432904)


class DefinitionReader:
    """Reads definitions, and the parts of a call that bodies and programs have in common."""

    def __init__(self, tokens: Tokens, expressions: Expressions, gates: Expander) -> None:
        self._tokens = tokens
        self._expressions = expressions
        self._gates = gates
        self._n_calls = 0

    def read(self, *, opaque: bool) -> None:
        tokens = self._tokens
        name = tokens.word("a name")
        if len(self._gates.definitions) >= MAX_GATE_DEFINITIONS:
            raise LimitExceeded(
                "the gates that a program defines", maximum=MAX_GATE_DEFINITIONS, seen=MAX_GATE_DEFINITIONS + 1
            )
        params: list[str] = []
        if tokens.maybe("("):
            params = [] if tokens.peek().text == ")" else self._names()
            tokens.expect(")")
        qubits = self._names()
        if len(set(params)) != len(params) or len(set(qubits)) != len(qubits):
            raise tokens.error("a name is given twice", name.at)
        if opaque:
            tokens.expect(";")
            self._gates.define(name.text, Definition(tuple(params), len(qubits), None, 1), name.at)
            return
        tokens.expect("{")
        places = {qubit: at for at, qubit in enumerate(qubits)}
        body: list[Call] = []
        while not tokens.maybe("}"):
            call = self._call(name.text, frozenset(params), places)
            if call is not None:
                body.append(call)
        nesting = 1 + max((self._gates.nesting(call.name) for call in body), default=0)
        definition = Definition(tuple(params), len(qubits), tuple(body), nesting)
        if not self._is_ours(name, definition):
            self._gates.define(name.text, definition, name.at)

    def _is_ours(self, name: Token, definition: Definition) -> bool:
        """Whether there is a gate of that name already that does the same."""
        gates = self._gates
        if gates.shape(name.text) != (definition.n_qubits, len(definition.params)):
            return False
        if definition.n_qubits > _COMPARED_QUBITS or len(definition.params) > len(_ANGLES):
            return False
        angles = _ANGLES[: len(definition.params)]
        ours = gates.parts(name.text, angles, name.at)
        before = gates.definitions.get(name.text)
        gates.define(name.text, definition, name.at)
        theirs = gates.parts(name.text, angles, name.at)
        if len(theirs) <= _COMPARED_PARTS:
            n = definition.n_qubits
            found = [unitary(n, [part for part in parts if part[0] != PHASE]) for parts in (ours, theirs)]
            if same_but_for_phase(np.asarray(found[0]), np.asarray(found[1])):
                gates.undefine(name.text, before)
                return True
        return False

    def _names(self) -> list[str]:
        names = [self._tokens.word("a name").text]
        while self._tokens.maybe(","):
            names.append(self._tokens.word("a name").text)
            if len(names) > MAX_GATE_OPERANDS:
                raise LimitExceeded("the operands of a gate", maximum=MAX_GATE_OPERANDS, seen=len(names))
        return names

    def _call(self, within: str, params: frozenset[str], places: dict[str, int]) -> Call | None:
        tokens = self._tokens
        self._n_calls += 1
        if self._n_calls > MAX_CIRCUIT_GATES:
            raise LimitExceeded("the calls in definitions", maximum=MAX_CIRCUIT_GATES, seen=self._n_calls)
        at = tokens.at
        if tokens.maybe(";"):
            return None
        modifiers = self.modifiers()
        name = tokens.word("a gate")
        if name.text == "barrier":
            self._operands(places)
            return None
        shape = (0, 1) if name.text == PHASE else self._gates.shape(name.text)
        if name.text == within and self._gates.shape(within) is None:
            raise tokens.error(f"{within[:40]} calls itself", name.at)
        if shape is None:
            raise tokens.error(f"there is no gate called {name.text[:40]!r}", name.at)
        angles = self.angles()
        for tree in angles:
            self._check_names(tree, params)
        on = self._operands(places)
        extra = sum(1 for kind, _ in modifiers if kind in ("ctrl", "negctrl"))
        controls = [tree for kind, tree in modifiers if kind in ("ctrl", "negctrl") and tree is not None]
        n_qubits = shape[0] + extra
        if not controls and (len(on), len(angles)) != (n_qubits, shape[1]):
            raise tokens.error(
                f"{name.text[:40]} takes {n_qubits} qubits and {shape[1]} parameters, not {len(on)} and {len(angles)}",
                at,
            )
        if controls:
            wanted = shape[0] + sum(self._controls(tree, at) for kind, tree in modifiers if kind in ("ctrl", "negctrl"))
            if len(on) != wanted or len(angles) != shape[1]:
                raise tokens.error(f"{name.text[:40]} takes {wanted} qubits here, not {len(on)}", at)
        if len(set(on)) != len(on):
            raise tokens.error(f"{name.text[:40]} is given a qubit twice", at)
        return Call(name.text, tuple(angles), tuple(on), tuple(modifiers), at)

    def _controls(self, tree: Tree, at: int) -> int:
        if tree is None:
            return 1
        return int(self._gates.modifier("ctrl", tree, {}, at).value)

    def _operands(self, places: dict[str, int]) -> list[int]:
        tokens = self._tokens
        found: list[int] = []
        while tokens.peek().text != ";":
            qubit = tokens.word("a qubit of the gate")
            if qubit.text not in places:
                raise tokens.error(f"{qubit.text[:40]!r} is no qubit of the gate", qubit.at)
            found.append(places[qubit.text])
            if not tokens.maybe(","):
                break
        tokens.expect(";")
        return found

    def _check_names(self, tree: Tree, params: frozenset[str]) -> None:
        if not isinstance(tree, tuple):
            return
        if tree[0] == "name" and tree[2] not in params and tree[2] not in CONSTANTS and tree[2] not in FUNCTIONS:
            raise self._tokens.error(f"there is no parameter called {tree[2][:40]!r}", tree[1])
        for part in tree[2:]:
            self._check_names(part, params)

    def modifiers(self) -> list[tuple[str, Tree]]:
        """``ctrl(2) @ inv @ …`` before a gate."""
        found: list[tuple[str, Tree]] = []
        while self._tokens.peek().text in _MODIFIERS:
            if len(found) >= len(_ANGLES) * 2:
                raise self._tokens.error("a call has too many modifiers")
            kind = self._tokens.take().text
            tree: Tree = None
            if self._tokens.maybe("("):
                tree = self._expressions.read()
                self._tokens.expect(")")
            elif kind == "pow":
                raise self._tokens.error("pow needs an exponent")
            self._tokens.expect("@")
            found.append((kind, tree))
        return found

    def angles(self) -> list[Tree]:
        """What stands in parentheses after a gate's name."""
        if not self._tokens.maybe("("):
            return []
        if self._tokens.maybe(")"):
            return []
        found = [self._expressions.read()]
        while self._tokens.maybe(","):
            found.append(self._expressions.read())
            if len(found) > MAX_GATE_OPERANDS:
                raise LimitExceeded("the parameters of a gate", maximum=MAX_GATE_OPERANDS, seen=len(found))
        self._tokens.expect(")")
        return found
