"""OpenQASM 2 and 3 to steps: the practical language, every refusal with its line and column.

Read: registers, gate definitions, ``ctrl``/``negctrl``/``inv``/``pow``, broadcasting, constants and expressions,
``measure``, ``reset``, ``barrier``, ``if``/``else`` over bits, ``for`` over constant ranges, ``let``, ``input`` with
given values, physical qubits. Loops and branches are read once for each time they are done. ``delay`` says nothing
about what is computed and is left out; so is a global phase. Refused: subroutines, ``while``, ``switch``,
calibrations, and anything that computes on measured bits beyond conditions.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from phalanx.quantum._canonical import MEASURE, Step, Steps
from phalanx.quantum._limits import MAX_BLOCK_NESTING, MAX_GATE_DEFINITIONS
from phalanx.quantum.circuits._conditions import cubes, joined
from phalanx.quantum.circuits._expanding import Frame, Modifier, number
from phalanx.quantum.circuits._expressions import Expressions, evaluate
from phalanx.quantum.circuits._simple import NUMBERS, REFUSED, SimpleStatements
from phalanx.quantum.circuits._tokens import Token, Tokens

# Possessive throughout: what does not match is given up at once, however long it is.
_CALL = re.compile(
    r"([A-Za-z_]\w*+)\s*+(?:\(([^(){};\"]*+)\))?\s*+"
    r"([A-Za-z_]\w*+\[\d++\](?:\s*+,\s*+[A-Za-z_]\w*+\[\d++\])*+)\s*+;"
)
_MEASURE = re.compile(r"measure\s++([A-Za-z_]\w*+)\[(\d++)\]\s*+->\s*+([A-Za-z_]\w*+)\[(\d++)\]\s*+;")
_REREAD_PER_CALL = 16
_OPERAND = re.compile(r"([A-Za-z_]\w*)\[(\d+)\]")


def read_openqasm(source: str, parameters: Mapping[str, float] | None = None) -> Steps:
    """Steps of a program in OpenQASM 2 or 3. Raises ``UnreadableCircuit`` with line and column."""
    return Reader(source, parameters or {}).read()


class Reader(SimpleStatements):
    """One reading of one program."""

    def __init__(self, source: str, parameters: Mapping[str, float]) -> None:
        super().__init__(source, parameters)
        self._statements: dict[str, Callable[[Token], None]] = {
            "include": self._include, "qreg": self._old_register, "creg": self._old_register, "qubit": self._qubits,
            "bit": self._bits, "gate": self._gate, "opaque": self._opaque, "measure": self._measure,
            "reset": self._reset, "barrier": self._barrier, "if": self._if, "for": self._for, "let": self._let,
            "input": self._input, "delay": self._delay, "box": self._box, "nop": self._nop,
        }  # fmt: skip

    def read(self) -> Steps:
        tokens = self._tokens
        while tokens.peek().kind != "end":
            self._statement()
        if not self._registers.n_qubits:
            raise tokens.error("there are no qubits")
        return Steps(self._registers.n_qubits, self._registers.n_bits, self._gates.steps)

    def _statement(self) -> None:
        self._gates.count()
        if self._quick():
            return
        tokens = self._tokens
        token = tokens.peek()
        known = self._statements.get(token.text) if token.kind == "word" else None
        if known is not None and not (token.text == "nop" and self._gates.shape("nop")):
            tokens.take()
            known(token)
        elif token.text == "@":
            self._annotation()
        elif token.text == ";":
            tokens.take()
        elif token.kind == "word" and (token.text in REFUSED and token.text != "complex"):
            raise tokens.error(f"{REFUSED[token.text]} are not read ({token.text})")
        elif token.text == "#":
            raise tokens.error("pragmas are not read: what they mean is a vendor's matter")
        elif token.text in NUMBERS:
            self._number(tokens.take())
        elif token.kind == "word":
            self._call_or_assignment()
        else:
            raise tokens.error(f"expected a statement, got {token.text[:40]!r}")

    def _quick(self) -> bool:
        """The statements that programs consist of, by one expression each; anything unusual is left to the rest."""
        tokens = self._tokens
        found = _CALL.match(tokens.source, tokens.at)
        if found is None:
            return self._quick_measurement()
        name = found[1]
        shape = self._gates.shape(name)
        if shape is None:
            return False
        angles = self._quick_angles(found[2])
        if angles is None or len(angles) != shape[1]:
            return False
        qubits: list[int] = []
        for register, index in _OPERAND.findall(found[3]):
            qubit = self._registers.qubit(register, int(index)) if len(index) < 6 else None
            if qubit is None:
                return False
            qubits.append(qubit)
        if len(qubits) != shape[0]:
            return False
        self._gates.call(name, angles, qubits, tokens.at)
        tokens.at = found.end()
        tokens.skip_space()
        return True

    def _quick_measurement(self) -> bool:
        tokens = self._tokens
        found = _MEASURE.match(tokens.source, tokens.at)
        if found is None or len(found[2]) > 5 or len(found[4]) > 5:
            return False
        qubit = self._registers.qubit(found[1], int(found[2]))
        bit = self._registers.bit(found[3], int(found[4]))
        if qubit is None or bit is None:
            return False
        self._gates.append(Step(MEASURE, (qubit,), bit=bit), tokens.at)
        tokens.at = found.end()
        tokens.skip_space()
        return True

    def _quick_angles(self, text: str | None) -> tuple[float, ...] | None:
        if text is None:
            return ()
        if text in self._angles:
            return self._angles[text]
        angles = None
        if text.strip():
            inner = Tokens(text)
            try:
                trees = _listed(inner, Expressions(inner, self._version))
                angles = tuple(number(evaluate(tree, {}, inner)) for tree in trees)
            except Exception:  # noqa: BLE001 - the slow way reads it again and says what is wrong, and where
                angles = None
        if len(self._angles) < MAX_GATE_DEFINITIONS:
            self._angles[text] = angles
        return angles

    def _gate(self, _: Token) -> None:
        if self._depth:
            raise self._tokens.error("a gate is defined inside a block")
        self._definitions.read(opaque=False)

    def _opaque(self, _: Token) -> None:
        self._definitions.read(opaque=True)

    def _if(self, token: Token) -> None:
        tokens, gates = self._tokens, self._gates
        tokens.expect("(")
        tree = self._expressions.read()
        tokens.expect(")")
        holds, fails = cubes(tree, self._registers.condition_bits, self._values, tokens, token.at)
        gates.frames.append(Frame(frozenset(bit for cube in (*holds, *fails) for bit, _ in cube)))
        self._branches(holds)
        if tokens.maybe("else"):
            self._branches(fails)
        gates.frames.pop()

    def _branches(self, conditions: list[tuple[tuple[int, bool], ...]]) -> None:
        """The next block under each condition that the ones around it leave possible; else it is only passed over."""
        gates = self._gates
        outer = gates.condition
        begin = self._tokens.at
        possible = [both for one in conditions if (both := joined(outer, one)) is not None]
        for condition in possible:
            self._tokens.at = begin
            self._tokens.skip_space()
            gates.condition = condition
            self._block()
            self._reread(begin)
        gates.condition = outer
        if not possible:
            self._pass_over()

    def _reread(self, begin: int) -> None:
        """Text that is read once for each time it is done costs by its length."""
        self._gates.count(1 + (self._tokens.at - begin) // _REREAD_PER_CALL)

    def _pass_over(self) -> None:
        depth = 0
        while True:
            token = self._tokens.take()
            depth += (token.text == "{") - (token.text == "}")
            if token.kind == "end":
                raise self._tokens.error("the end comes before a block's")
            if depth == 0 and token.text in ("}", ";"):
                return

    def _block(self) -> None:
        """One statement, or several in braces."""
        self._depth += 1
        if self._depth > MAX_BLOCK_NESTING:
            raise self._tokens.error(f"blocks are nested deeper than {MAX_BLOCK_NESTING}")
        if self._tokens.maybe("{"):
            while not self._tokens.maybe("}"):
                if self._tokens.peek().kind == "end":
                    raise self._tokens.error("the end comes before a block's")
                self._statement()
        else:
            self._statement()
        self._depth -= 1

    def _for(self, token: Token) -> None:
        tokens = self._tokens
        tokens.word("a type")
        self._size()
        name = tokens.word("a name")
        tokens.expect("in")
        items = self._registers.items(self._expressions, self._values)
        before = self._values.get(name.text)
        begin = tokens.at
        if len(items) > 0:
            for item in items:
                tokens.at = begin
                tokens.skip_space()
                self._values[name.text] = item
                self._angles.clear()
                self._block()
                self._reread(begin)
        else:
            self._pass_over()
        self._angles.clear()
        self._values.pop(name.text, None)
        if before is not None:
            self._values[name.text] = before
        assert token.at < begin

    def _box(self, _: Token) -> None:
        if self._tokens.maybe("["):
            while self._tokens.take().text != "]":
                if self._tokens.peek().kind == "end":
                    raise self._tokens.error("expected ']', got the end")
        self._block()

    def _call_or_assignment(self) -> None:
        tokens = self._tokens
        at = tokens.at
        modifiers = self._definitions.modifiers()
        name = tokens.word("a gate")
        known = name.text == "gphase" or self._gates.shape(name.text) is not None
        if not modifiers and (sign := tokens.maybe("=", "+=", "-=", "*=", "/=") if name.text in self._values else None):
            self._assign(name, sign.text)
            return
        if not modifiers and not known and self._registers.is_bits(name.text):
            bits = self._registers.bit_operand(self._expressions, self._values, name)
            tokens.expect("=")
            self._measure_into(bits, at)
            return
        if not known:
            raise tokens.error(f"there is no gate or register called {name.text[:40]!r}", name.at)
        angles = self._definitions.angles()
        operands = []
        while tokens.peek().text != ";":
            operands.append(self._registers.operand(self._expressions, self._values))
            if not tokens.maybe(","):
                break
        tokens.expect(";")
        params = tuple(number(evaluate(tree, self._values, tokens)) for tree in angles)
        how = [self._gates.modifier(kind, tree, self._values, at) for kind, tree in modifiers]
        self._call(name, params, operands, how)

    def _call(self, name: Token, params: tuple[float, ...], operands: list[tuple[int, ...]],
              modifiers: list[Modifier]) -> None:  # fmt: skip
        """Once for each qubit of the registers among the operands."""
        n_qubits, n_params = (0, 1) if name.text == "gphase" else self._gates.shape(name.text) or (0, 0)
        n_qubits += sum(int(one.value) for one in modifiers if one.kind in ("ctrl", "negctrl"))
        if (len(operands), len(params)) != (n_qubits, n_params):
            raise self._tokens.error(
                f"{name.text[:40]} takes {n_qubits} qubits and {n_params} parameters, "
                f"not {len(operands)} and {len(params)}", name.at,
            )  # fmt: skip
        widths = {len(one) for one in operands} - {1}
        if len(widths) > 1 or 0 in widths:
            raise self._tokens.error("registers of unequal size are operands of one gate", name.at)
        for n in range(widths.pop() if widths else 1):
            qubits = [one[0] if len(one) == 1 else one[n] for one in operands]
            self._gates.call(name.text, params, qubits, name.at, modifiers)


def _listed(tokens: Tokens, expressions: Expressions) -> list[Any]:
    trees = [expressions.read()]
    while tokens.maybe(","):
        trees.append(expressions.read())
    if tokens.peek().kind != "end":
        raise tokens.error("expected the end")
    return trees
