"""The registers of a program, laid end to end, and the qubits and bits that an operand means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from phalanx.core import LimitExceeded
from phalanx.quantum._limits import MAX_CIRCUIT_BITS, MAX_CIRCUIT_QUBITS, MAX_GATE_OPERANDS, MAX_REGISTERS
from phalanx.quantum.circuits._expressions import Expressions, evaluate
from phalanx.quantum.circuits._tokens import Token, Tokens


@dataclass(frozen=True, slots=True)
class Register:
    """``members`` count the qubits, or the bits, of the whole program."""

    quantum: bool
    members: tuple[int, ...]
    single: bool


class Registers:
    """By name, with what is declared so far."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._by_name: dict[str, Register] = {}
        self._physical = False
        self.n_qubits = 0
        self.n_bits = 0

    def declare(self, name: Token, *, quantum: bool, size: int, single: bool) -> None:
        if name.text in self._by_name:
            raise self._tokens.error(f"{name.text[:40]!r} is declared twice", name.at)
        if size < 1:
            raise self._tokens.error("a register holds at least one", name.at)
        if len(self._by_name) >= MAX_REGISTERS:
            raise LimitExceeded("the registers of a program", maximum=MAX_REGISTERS, seen=MAX_REGISTERS + 1)
        if quantum and self._physical:
            raise self._tokens.error("qubits are declared beside physical ones", name.at)
        before = self.n_qubits if quantum else self.n_bits
        most = MAX_CIRCUIT_QUBITS if quantum else MAX_CIRCUIT_BITS
        if before + size > most:
            what = "the width of a circuit (qubits)" if quantum else "the bits of a circuit"
            raise LimitExceeded(what, maximum=most, seen=before + size)
        self._by_name[name.text] = Register(quantum, tuple(range(before, before + size)), single)
        if quantum:
            self.n_qubits += size
        else:
            self.n_bits += size

    def qubit(self, name: str, index: int) -> int | None:
        """One qubit by literal index; none when the long way should say what is wrong."""
        register = self._by_name.get(name)
        if register is None or not register.quantum or register.single or index >= len(register.members):
            return None
        return register.members[index]

    def bit(self, name: str, index: int) -> int | None:
        register = self._by_name.get(name)
        if register is None or register.quantum or register.single or index >= len(register.members):
            return None
        return register.members[index]

    def is_bits(self, name: str) -> bool:
        register = self._by_name.get(name)
        return register is not None and not register.quantum

    def bits(self, name: Token) -> tuple[int, ...]:
        return self._find(name, quantum=False).members

    def condition_bits(self, name: str, index: int | None) -> tuple[int, ...] | None:
        """The bits that a condition reads; none when the name is no register of bits."""
        register = self._by_name.get(name)
        if register is None or register.quantum:
            return None
        if index is None:
            return register.members
        if not 0 <= index < len(register.members):
            raise self._tokens.error(f"{name[:40]} has no bit {index}")
        return (register.members[index],)

    def operand(self, expressions: Expressions, values: Mapping[str, Any]) -> tuple[int, ...]:
        """The qubits that are named next."""
        if self._tokens.maybe("$"):
            return (self._physical_qubit(),)
        name = self._tokens.word("a qubit")
        return self._indexed(name, self._find(name, quantum=True), expressions, values)

    def bit_operand(
        self, expressions: Expressions, values: Mapping[str, Any], name: Token | None = None
    ) -> tuple[int, ...]:
        token = name or self._tokens.word("a bit")
        return self._indexed(token, self._find(token, quantum=False), expressions, values)

    def alias(self, name: Token, expressions: Expressions, values: Mapping[str, Any]) -> None:
        """``let name = a[0:2] ++ b;``"""
        members = list(self.operand(expressions, values))
        while self._tokens.maybe("++"):
            members += self.operand(expressions, values)
            if len(members) > MAX_GATE_OPERANDS:
                raise LimitExceeded("the qubits of an alias", maximum=MAX_GATE_OPERANDS, seen=len(members))
        if name.text in self._by_name:
            raise self._tokens.error(f"{name.text[:40]!r} is declared twice", name.at)
        if len(self._by_name) >= MAX_REGISTERS:
            raise LimitExceeded("the registers of a program", maximum=MAX_REGISTERS, seen=MAX_REGISTERS + 1)
        self._by_name[name.text] = Register(quantum=True, members=tuple(members), single=False)

    def items(self, expressions: Expressions, values: Mapping[str, Any]) -> "list[int] | range":
        """A set or a range of integers: ``{0, 2}`` or ``[0:2:6]``, whose end belongs to it."""
        if self._tokens.maybe("{"):
            return self._set(expressions, values)
        self._tokens.expect("[")
        found = self._range(expressions, values, MAX_CIRCUIT_QUBITS)
        self._tokens.expect("]")
        if isinstance(found, int):
            raise self._tokens.error("expected a range")
        return found

    def _physical_qubit(self) -> int:
        token = self._tokens.take()
        if self._by_name and not self._physical and any(one.quantum for one in self._by_name.values()):
            raise self._tokens.error("physical qubits beside declared ones", token.at)
        if not token.text.isdigit() or len(token.text) > 5 or int(token.text) >= MAX_CIRCUIT_QUBITS:
            raise self._tokens.error(f"a physical qubit is a number below {MAX_CIRCUIT_QUBITS}", token.at)
        self._physical = True
        self.n_qubits = max(self.n_qubits, int(token.text) + 1)
        return int(token.text)

    def _find(self, name: Token, *, quantum: bool) -> Register:
        register = self._by_name.get(name.text)
        if register is None or register.quantum is not quantum:
            raise self._tokens.error(
                f"there are no {'qubits' if quantum else 'bits'} called {name.text[:40]!r}", name.at
            )
        return register

    def _indexed(
        self, name: Token, register: Register, expressions: Expressions, values: Mapping[str, Any]
    ) -> tuple[int, ...]:
        if not self._tokens.maybe("["):
            return register.members
        if self._tokens.maybe("{"):
            wanted: Any = self._set(expressions, values)
        else:
            wanted = self._range(expressions, values, len(register.members))
        self._tokens.expect("]")
        size = len(register.members)
        found = []
        for index in [wanted] if isinstance(wanted, int) else wanted:
            if not -size <= index < size:
                raise self._tokens.error(f"{name.text[:40]} holds {size}, there is no {index}", name.at)
            found.append(register.members[index])
        return tuple(found)

    def _set(self, expressions: Expressions, values: Mapping[str, Any]) -> list[int]:
        found = [self._whole(expressions, values)]
        while self._tokens.maybe(","):
            found.append(self._whole(expressions, values))
            if len(found) > MAX_GATE_OPERANDS:
                raise LimitExceeded("the members of a set", maximum=MAX_GATE_OPERANDS, seen=len(found))
        self._tokens.expect("}")
        return found

    def _range(self, expressions: Expressions, values: Mapping[str, Any], size: int) -> "int | range":
        first = None if self._tokens.peek().text == ":" else self._whole(expressions, values)
        if not self._tokens.maybe(":"):
            assert first is not None
            return first
        second = None if self._tokens.peek().text == "]" else self._whole(expressions, values)
        third = self._whole(expressions, values) if self._tokens.maybe(":") else None
        step, last = (1, second) if third is None else (1 if second is None else second, third)
        if step == 0:
            raise self._tokens.error("a range steps by nothing")
        begin = 0 if first is None else first
        end = size - 1 if last is None else last
        if third is None and first is not None and first >= 0 and end < 0 and size:
            end += size
        return range(begin, end + (1 if step > 0 else -1), step)

    def _whole(self, expressions: Expressions, values: Mapping[str, Any]) -> int:
        at = self._tokens.at
        value = evaluate(expressions.read(), values, self._tokens)
        if isinstance(value, float):
            raise self._tokens.error("an index is an integer", at)
        return int(value)
