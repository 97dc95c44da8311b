"""What declares, measures and assigns in OpenQASM: the statements that hold no other statements."""

import re
from collections.abc import Mapping
from typing import Any

from phalanx.quantum._canonical import BARRIER, MEASURE, RESET, Step
from phalanx.quantum.circuits._definitions import DefinitionReader
from phalanx.quantum.circuits._expanding import Expander
from phalanx.quantum.circuits._expressions import Expressions, evaluate
from phalanx.quantum.circuits._registers import Registers
from phalanx.quantum.circuits._tokens import Token, Tokens

INCLUDES = ("stdgates.inc", "qelib1.inc")
NUMBERS = ("int", "uint", "float", "angle", "bool", "const", "duration", "complex")
REFUSED = {
    "def": "subroutines", "while": "loops that bits decide", "switch": "switches", "cal": "calibrations",
    "defcal": "calibrations", "defcalgrammar": "calibrations", "extern": "external functions", "array": "arrays",
    "stretch": "stretches", "return": "subroutines", "break": "leaving loops", "continue": "leaving loops",
    "complex": "complex numbers", "duration": "durations", "pragma": "pragmas", "output": "outputs",
}  # fmt: skip


class SimpleStatements:
    """The state of one reading, and its simple statements."""

    def __init__(self, source: str, parameters: Mapping[str, float]) -> None:
        self._tokens = Tokens(source)
        self._parameters = parameters
        self._version = self._read_version()
        self._expressions = Expressions(self._tokens, self._version)
        self._gates = Expander(self._tokens)
        self._registers = Registers(self._tokens)
        self._values: dict[str, Any] = {}
        self._depth = 0
        self._definitions = DefinitionReader(self._tokens, self._expressions, self._gates)
        self._angles: dict[str, tuple[float, ...] | None] = {}

    def _read_version(self) -> int:
        if not self._tokens.maybe("OPENQASM"):
            return 3 if re.search(r"\bqubit\b|\$\d", self._tokens.source) else 2
        token = self._tokens.take()
        if token.text.partition(".")[0] not in ("2", "3"):
            raise self._tokens.error(f"OpenQASM {token.text[:20]} is not read; 2 and 3 are", token.at)
        self._tokens.expect(";")
        return int(token.text[0])

    def _include(self, token: Token) -> None:
        name = self._tokens.take()
        if name.text.strip("\"'") not in INCLUDES:
            raise self._tokens.error(f"only {' and '.join(INCLUDES)} can be included, not {name.text[:60]}", token.at)
        self._tokens.expect(";")

    def _old_register(self, token: Token) -> None:
        name = self._tokens.word("a name")
        self._tokens.expect("[")
        size = self._integer("a size")
        self._tokens.expect("]")
        self._tokens.expect(";")
        self._declare(name, quantum=token.text == "qreg", size=size)

    def _qubits(self, _: Token) -> None:
        size = self._size()
        name = self._tokens.word("a name")
        self._declare(name, quantum=True, size=1 if size is None else size, single=size is None)
        self._tokens.expect(";")

    def _bits(self, _: Token) -> None:
        size = self._size()
        name = self._tokens.word("a name")
        self._declare(name, quantum=False, size=1 if size is None else size, single=size is None)
        if self._tokens.maybe("="):
            self._measure_into(self._registers.bits(name), name.at)
            return
        self._tokens.expect(";")

    def _declare(self, name: Token, *, quantum: bool, size: int, single: bool = False) -> None:
        if self._depth:
            raise self._tokens.error("a register is declared inside a block", name.at)
        self._registers.declare(name, quantum=quantum, size=size, single=single)

    def _size(self) -> int | None:
        if not self._tokens.maybe("["):
            return None
        size = self._integer("a size")
        self._tokens.expect("]")
        return size

    def _integer(self, what: str) -> int:
        at = self._tokens.at
        value = evaluate(self._expressions.read(), self._values, self._tokens)
        if isinstance(value, float) or value < 0:
            raise self._tokens.error(f"{what} is an integer from 0 on", at)
        return int(value)

    def _measure(self, token: Token) -> None:
        qubits = self._registers.operand(self._expressions, self._values)
        if not self._tokens.maybe("->"):
            raise self._tokens.error("what is measured must go into a bit", token.at)
        bits = self._registers.bit_operand(self._expressions, self._values)
        self._tokens.expect(";")
        self._measured(qubits, bits, token.at)

    def _measure_into(self, bits: tuple[int, ...], at: int) -> None:
        self._tokens.expect("measure")
        qubits = self._registers.operand(self._expressions, self._values)
        self._tokens.expect(";")
        self._measured(qubits, bits, at)

    def _measured(self, qubits: tuple[int, ...], bits: tuple[int, ...], at: int) -> None:
        if len(qubits) != len(bits):
            raise self._tokens.error(f"{len(qubits)} qubits are measured into {len(bits)} bits", at)
        for qubit, bit in zip(qubits, bits, strict=True):
            self._gates.append(Step(MEASURE, (qubit,), bit=bit), at)

    def _reset(self, token: Token) -> None:
        qubits = self._registers.operand(self._expressions, self._values)
        self._tokens.expect(";")
        for qubit in qubits:
            self._gates.append(Step(RESET, (qubit,)), token.at)

    def _barrier(self, token: Token) -> None:
        qubits = set(range(self._registers.n_qubits)) if self._tokens.peek().text == ";" else set()
        while self._tokens.peek().text != ";":
            qubits.update(self._registers.operand(self._expressions, self._values))
            if not self._tokens.maybe(","):
                break
        self._tokens.expect(";")
        if qubits:
            condition, self._gates.condition = self._gates.condition, ()
            self._gates.append(Step(BARRIER, tuple(sorted(qubits))), token.at)
            self._gates.condition = condition

    def _let(self, _: Token) -> None:
        name = self._tokens.word("a name")
        self._tokens.expect("=")
        self._registers.alias(name, self._expressions, self._values)
        self._tokens.expect(";")

    def _input(self, token: Token) -> None:
        self._tokens.word("a type")
        self._size()
        name = self._tokens.word("a name")
        self._tokens.expect(";")
        if name.text not in self._parameters:
            raise self._tokens.error(f"the input {name.text[:40]!r} has no value", token.at)
        self._values[name.text] = float(self._parameters[name.text])

    def _number(self, token: Token) -> None:
        if token.text == "const":
            token = self._tokens.word("a type")
        if token.text in REFUSED or token.text not in NUMBERS:
            raise self._tokens.error(f"{token.text[:40]} values are not read", token.at)
        self._size()
        name = self._tokens.word("a name")
        self._tokens.expect("=")
        self._assign(name, "=")

    def _assign(self, name: Token, sign: str) -> None:
        at = self._tokens.at
        if self._gates.condition:
            raise self._tokens.error("a value would depend on measured bits", name.at)
        value = evaluate(self._expressions.read(), self._values, self._tokens)
        self._tokens.expect(";")
        if sign != "=":
            value = evaluate((sign[0], at, self._values.get(name.text, 0), value), {}, self._tokens)
        self._values[name.text] = value

    def _delay(self, _: Token) -> None:
        while self._tokens.take().text != ";":
            if self._tokens.peek().kind == "end":
                raise self._tokens.error("expected ';', got the end")

    def _nop(self, _: Token) -> None:
        self._delay(_)

    def _annotation(self) -> None:
        tokens = self._tokens
        end = tokens.source.find("\n", tokens.at)
        tokens.at = len(tokens.source) if end < 0 else end
        tokens.skip_space()
