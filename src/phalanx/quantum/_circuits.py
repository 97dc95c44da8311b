"""Circuits: a builder, and the canonical text that it writes and reads back.

The text is OpenQASM 3 (``stdgates.inc``), one statement a line::

    OPENQASM 3.0;
    include "stdgates.inc";
    qubit[2] q;
    bit[1] c;
    ry(0.5) q[0];
    cx q[0], q[1];
    c[0] = measure q[1];

Invariants: one register each; ``bit`` appears when something is measured, and then every bit of
it is written once, in order; measurements are last; numbers are ``repr(float)``. So
``parse(c).circuit() == c`` for every canonical circuit, and equal circuits have equal digests.
Text that means the same in another spelling is refused: importing it is a conversion, not a parse.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Sequence

from phalanx.core import Circuit, LimitExceeded
from phalanx.quantum._errors import InvalidCircuit
from phalanx.quantum._gates import GATES, N_SWAPPED, SWAP, Op
from phalanx.quantum._limits import MAX_CIRCUIT_BYTES, MAX_CIRCUIT_GATES, MAX_CIRCUIT_QUBITS

_PREAMBLE = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'
_QUBITS = re.compile(r"qubit\[([1-9][0-9]{0,3})\] q;")
_BITS = re.compile(r"bit\[([1-9][0-9]{0,3})\] c;")
_MEASURE = re.compile(r"c\[([0-9]{1,4})\] = measure q\[([0-9]{1,4})\];")
_GATE = re.compile(r"([a-z]+)(?:\(([-+.e0-9]+)\))? (q\[[0-9]{1,4}\](?:, q\[[0-9]{1,4}\])*);")
_QUBIT = re.compile(r"q\[([0-9]+)\]")


class Gates:
    """A circuit under construction. Methods return the builder, so that calls chain."""

    __slots__ = ("measured", "n_qubits", "ops")

    def __init__(self, n_qubits: int) -> None:
        if not 1 <= n_qubits <= MAX_CIRCUIT_QUBITS:
            raise LimitExceeded("the width of a circuit (qubits)", maximum=MAX_CIRCUIT_QUBITS, seen=n_qubits)
        self.n_qubits = n_qubits
        self.ops: list[Op] = []
        self.measured: list[int] = []

    def add(self, op: Op) -> "Gates":
        """Append one gate, checked."""
        if self.measured:
            raise InvalidCircuit("a gate follows a measurement; measurements come last")
        check_op(op, self.n_qubits)
        self.ops.append(op)
        return self

    def extend(self, ops: Iterable[Op]) -> "Gates":
        for op in ops:
            self.add(op)
        return self

    def x(self, q: int) -> "Gates":
        return self.add(Op("x", (q,)))

    def y(self, q: int) -> "Gates":
        return self.add(Op("y", (q,)))

    def z(self, q: int) -> "Gates":
        return self.add(Op("z", (q,)))

    def h(self, q: int) -> "Gates":
        return self.add(Op("h", (q,)))

    def rx(self, angle: float, q: int) -> "Gates":
        return self.add(Op("rx", (q,), (_number(angle),)))

    def ry(self, angle: float, q: int) -> "Gates":
        return self.add(Op("ry", (q,), (_number(angle),)))

    def rz(self, angle: float, q: int) -> "Gates":
        return self.add(Op("rz", (q,), (_number(angle),)))

    def p(self, angle: float, q: int) -> "Gates":
        return self.add(Op("p", (q,), (_number(angle),)))

    def cx(self, control: int, target: int) -> "Gates":
        return self.add(Op("cx", (control, target)))

    def cz(self, a: int, b: int) -> "Gates":
        return self.add(Op("cz", (a, b)))

    def cp(self, angle: float, a: int, b: int) -> "Gates":
        return self.add(Op("cp", (a, b), (_number(angle),)))

    def ccx(self, a: int, b: int, target: int) -> "Gates":
        return self.add(Op("ccx", (a, b, target)))

    def swap(self, a: int, b: int) -> "Gates":
        return self.add(Op(SWAP, (a, b)))

    def mcz(self, qubits: Sequence[int], *, ancillas: Sequence[int] = ()) -> "Gates":
        """Flip the sign where all ``qubits`` are 1; ``ancillas`` are clean and stay so."""
        return self.extend(mcz_ops(qubits, ancillas))

    def measure(self, *qubits: int) -> "Gates":
        """Measure into the next classical bits, in the order given."""
        for q in qubits:
            if not 0 <= q < self.n_qubits:
                raise InvalidCircuit(f"qubit {q} is measured, but there are {self.n_qubits}")
            if q in self.measured:
                raise InvalidCircuit(f"qubit {q} is measured twice")
            self.measured.append(q)
        return self

    def circuit(self) -> Circuit:
        """The canonical circuit."""
        return assemble(self.n_qubits, op_lines(self.ops), self.measured)


def n_ancillas(n_qubits: int) -> int:
    """Clean ancillas that a Z over ``n_qubits`` needs; without them its cost would not be linear."""
    return max(0, n_qubits - 3)


def mcz_ops(qubits: Sequence[int], ancillas: Sequence[int]) -> list[Op]:
    """The gates of ``Gates.mcz``: a ladder of Toffoli gates up and down around one doubly controlled Z."""
    if len(qubits) == 1:
        return [Op("z", (qubits[0],))]
    if len(qubits) == 2:
        return [Op("cz", (qubits[0], qubits[1]))]
    needed = n_ancillas(len(qubits))
    if len(ancillas) < needed:
        raise InvalidCircuit(f"a Z under {len(qubits) - 1} controls needs {needed} ancillas, got {len(ancillas)}")
    ladder: list[Op] = []
    carry = qubits[0]
    for i in range(needed):
        ladder.append(Op("ccx", (carry, qubits[i + 1], ancillas[i])))
        carry = ancillas[i]
    target = qubits[-1]
    top = [Op("h", (target,)), Op("ccx", (carry, qubits[-2], target)), Op("h", (target,))]
    return [*ladder, *top, *reversed(ladder)]


def op_lines(ops: Iterable[Op]) -> str:
    """Canonical text of gates, one a line."""
    return "".join(
        f"{op.name}{f'({op.params[0]!r})' if op.params else ''} {', '.join(f'q[{q}]' for q in op.qubits)};\n"
        for op in ops
    )


def assemble(n_qubits: int, gate_lines: str, measured: Sequence[int]) -> Circuit:
    """The canonical circuit whose gates are already text (repeated text need not be written anew)."""
    bits = f"bit[{len(measured)}] c;\n" if measured else ""
    tail = "".join(f"c[{bit}] = measure q[{q}];\n" for bit, q in enumerate(measured))
    return Circuit.from_canonical(f"{_PREAMBLE}qubit[{n_qubits}] q;\n{bits}{gate_lines}{tail}", n_qubits)


def parse(circuit: Circuit) -> Gates:
    """Read a canonical circuit. Raises ``InvalidCircuit`` naming the line.

    The digest and width that the circuit claims are checked, because results are filed under them.
    """
    text = circuit.qasm3
    if len(text) > MAX_CIRCUIT_BYTES:
        raise LimitExceeded("a circuit's text (bytes)", maximum=MAX_CIRCUIT_BYTES, seen=len(text))
    if hashlib.sha256(text.encode()).hexdigest() != circuit.digest:
        raise InvalidCircuit("its digest is not that of its text")
    if not text.startswith(_PREAMBLE) or not text.endswith("\n"):
        raise InvalidCircuit(f"it must begin with {_PREAMBLE!r} and end with a line break")
    lines = text[:-1].split("\n")
    qubits = _QUBITS.fullmatch(lines[2]) if len(lines) > 2 else None
    if qubits is None or int(qubits[1]) != circuit.n_qubits:
        raise InvalidCircuit(f"expected qubit[{circuit.n_qubits}] q;", line=3)
    gates = Gates(circuit.n_qubits)
    bits = _BITS.fullmatch(lines[3]) if len(lines) > 3 else None
    first = 4 if bits else 3
    n_bits = int(bits[1]) if bits else 0
    end = len(lines) - n_bits
    if end < first:
        raise InvalidCircuit(f"{n_bits} bits are declared, but not all are measured", line=4)
    gates.ops = _parse_ops(lines, first, end, circuit.n_qubits)
    for bit, number in enumerate(range(end, len(lines))):
        found = _MEASURE.fullmatch(lines[number])
        if found is None or found[0] != f"c[{bit}] = measure q[{int(found[2])}];":
            raise InvalidCircuit(f"expected the measurement into c[{bit}]", line=number + 1)
        gates.measure(int(found[2]))
    return gates


def check_op(op: Op, n_qubits: int) -> None:
    """Raise ``InvalidCircuit`` unless ``op`` is a gate we know on distinct qubits that exist."""
    gate = GATES.get(op.name)
    if gate is None and op.name != SWAP:
        raise InvalidCircuit(f"unknown gate {op.name!r}")
    width, n_params = (gate.n_qubits, gate.n_params) if gate else (N_SWAPPED, 0)
    if len(op.qubits) != width or len(op.params) != n_params:
        raise InvalidCircuit(f"{op.name} takes {width} qubits and {n_params} parameters")
    if any(not 0 <= q < n_qubits for q in op.qubits):
        raise InvalidCircuit(f"{op.name} names a qubit outside 0…{n_qubits - 1}")
    if len(set(op.qubits)) != width:
        raise InvalidCircuit(f"{op.name} names a qubit twice")


def _parse_ops(lines: Sequence[str], first: int, end: int, n_qubits: int) -> list[Op]:
    if end - first > MAX_CIRCUIT_GATES:
        raise LimitExceeded("the gates of a circuit", maximum=MAX_CIRCUIT_GATES, seen=end - first)
    known: dict[str, Op] = {}  # Amplified circuits repeat the same few dozen lines hundreds of times.
    ops: list[Op] = []
    for number in range(first, end):
        line = lines[number]
        op = known.get(line)
        if op is None:
            try:
                op = known[line] = _parse_op(line, n_qubits)
            except InvalidCircuit as error:
                raise InvalidCircuit(str(error.context["reason"]), line=number + 1) from None
        ops.append(op)
    return ops


def _parse_op(line: str, n_qubits: int) -> Op:
    found = _GATE.fullmatch(line)
    if found is None:
        raise InvalidCircuit(f"not a gate in canonical form: {line[:80]!r}")
    params = (_parse_number(found[2]),) if found[2] is not None else ()
    op = Op(found[1], tuple(int(q) for q in _QUBIT.findall(found[3])), params)
    check_op(op, n_qubits)
    if op_lines((op,)) != line + "\n":
        raise InvalidCircuit(f"not in canonical form: {line[:80]!r}")
    return op


def _parse_number(text: str) -> float:
    try:
        return _number(float(text))
    except ValueError:
        raise InvalidCircuit(f"not a number: {text[:40]!r}") from None


def _number(angle: float) -> float:
    """A finite float; minus zero becomes zero, so that one angle has one spelling."""
    value = float(angle) + 0.0
    if not math.isfinite(value):
        raise InvalidCircuit(f"an angle must be finite, got {angle}")
    return value
